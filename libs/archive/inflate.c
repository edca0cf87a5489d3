// SPDX-License-Identifier: Apache-2.0
/* A thread that decompresses into a ring of pieces. */

#include "archive/inflate.h"

#include "archive/unpack.h"
#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>
#include <zstd.h>

enum { PIECES = 4, IN_CHUNK = 128 << 10, OUT_CHUNK = 256 << 10, PROGRESS_STEP = 1 << 20 };

struct inflate {
	struct inflate_from from;
	pthread_t thread;
	bool running;

	/* Used by the thread only, until it is joined. */
	ZSTD_DCtx *zstd;
	struct sha256 *sum;
	char *in;
	ZSTD_inBuffer waiting;
	uint64_t taken;    /* compressed bytes */
	uint64_t reported; /* their number at the last call of progress */
	bool frame_ended;

	/* Pieces from taken_out to put_in belong to the reader, the others to the thread. */
	char *piece[PIECES];
	size_t len[PIECES];

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	uint64_t put_in, taken_out;
	bool ended, stop;
	struct err err;

	bool held; /* the reader has a piece */
};

/* --- the thread --- */

static int fill(struct inflate *in, struct err *err)
{
	uint64_t left = in->from.size - in->taken;
	ssize_t n;

	do
		n = pread(in->from.fd, in->in, left < IN_CHUNK ? (size_t)left : IN_CHUNK,
			  (off_t)in->taken);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "read %s", in->from.name);
	if (n == 0)
		return err_set(err, E_INVALID, "%s ends early, after %llu bytes", in->from.name,
			       (unsigned long long)in->taken);
	sha256_add(in->sum, in->in, (size_t)n);
	in->taken += (uint64_t)n;
	in->waiting = (ZSTD_inBuffer){ in->in, (size_t)n, 0 };
	if (in->from.progress && in->taken - in->reported >= PROGRESS_STEP) {
		in->from.progress(in->from.arg, in->taken);
		in->reported = in->taken;
	}
	return 0;
}

static int fail_zstd(const struct inflate *in, size_t rc, struct err *err)
{
	/* The only error about size: the frame needs a larger window than allowed. */
	bool large = str_starts(ZSTD_getErrorName(rc), "Frame requires too much memory");

	return err_set(err, large ? E_LIMIT : E_INVALID, "%s: %s", in->from.name,
		       ZSTD_getErrorName(rc));
}

/* Fills a piece and returns its length; 0 at the end of the frame. */
static ssize_t make_piece(struct inflate *in, char *piece, struct err *err)
{
	ZSTD_outBuffer out = { piece, OUT_CHUNK, 0 };

	while (out.pos < out.size && !in->frame_ended) {
		size_t rc;

		if (in->waiting.pos == in->waiting.size && fill(in, err) < 0)
			return -1;
		rc = ZSTD_decompressStream(in->zstd, &out, &in->waiting);
		if (ZSTD_isError(rc))
			return fail_zstd(in, rc, err);
		in->frame_ended = rc == 0;
	}
	return (ssize_t)out.pos;
}

/* Waits for a free piece; returns false if the thread has to stop. */
static bool wait_for_room(struct inflate *in)
{
	bool go_on;

	(void)pthread_mutex_lock(&in->lock);
	while (in->put_in - in->taken_out == PIECES && !in->stop)
		(void)pthread_cond_wait(&in->changed, &in->lock);
	go_on = !in->stop;
	(void)pthread_mutex_unlock(&in->lock);
	return go_on;
}

/* Passes a piece, the end (n is 0) or an error to the reader; returns true if more follows. */
static bool hand_over(struct inflate *in, ssize_t n, const struct err *err)
{
	(void)pthread_mutex_lock(&in->lock);
	if (n > 0)
		in->put_in++;
	in->ended = n <= 0;
	in->err = *err;
	(void)pthread_cond_signal(&in->changed);
	(void)pthread_mutex_unlock(&in->lock);
	return n > 0;
}

static void *run(void *arg)
{
	struct inflate *in = arg;
	struct err err = ERR_INIT;
	uint64_t i = 0; /* put_in, which only we change */
	ssize_t n;

	do {
		if (!wait_for_room(in))
			return NULL;
		n = make_piece(in, in->piece[i % PIECES], &err);
		in->len[i % PIECES] = n > 0 ? (size_t)n : 0;
		i++;
	} while (hand_over(in, n, &err));
	return NULL;
}

/* --- the reader --- */

static struct inflate *set_up(const struct inflate_from *from)
{
	struct inflate *in = NEW(struct inflate);

	in->from = *from;
	in->zstd = ZSTD_createDCtx();
	in->sum = sha256_new();
	in->in = xmalloc(IN_CHUNK);
	for (size_t i = 0; i < PIECES; i++)
		in->piece[i] = xmalloc(OUT_CHUNK);
	(void)pthread_mutex_init(&in->lock, NULL);
	(void)pthread_cond_init(&in->changed, NULL);
	return in;
}

struct inflate *inflate_open(const struct inflate_from *from, struct err *err)
{
	AUTO(inflate) struct inflate *in = set_up(from);
	int rc = in->zstd ? 0 : ENOMEM;

	if (rc == 0 &&
	    ZSTD_isError(ZSTD_DCtx_setParameter(in->zstd, ZSTD_d_windowLogMax, UNPACK_WINDOW_LOG)))
		rc = EINVAL;
	if (rc == 0)
		rc = pthread_create(&in->thread, NULL, run, in);
	if (rc != 0) {
		errno = rc;
		(void)err_sys(err, "decompress %s", from->name);
		return NULL;
	}
	in->running = true;
	return STEAL(in, NULL);
}

ssize_t inflate_next(struct inflate *in, const void **data, struct err *err)
{
	ssize_t n = 0;

	(void)pthread_mutex_lock(&in->lock);
	if (in->held) {
		in->taken_out++;
		(void)pthread_cond_signal(&in->changed);
	}
	while (in->put_in == in->taken_out && !in->ended)
		(void)pthread_cond_wait(&in->changed, &in->lock);
	in->held = in->put_in != in->taken_out;
	if (in->held) {
		*data = in->piece[in->taken_out % PIECES];
		n = (ssize_t)in->len[in->taken_out % PIECES];
	} else if (in->err.code != E_OK) {
		*err = in->err;
		n = -1;
	}
	(void)pthread_mutex_unlock(&in->lock);
	return n;
}

static void stop(struct inflate *in)
{
	if (!in->running)
		return;
	(void)pthread_mutex_lock(&in->lock);
	in->stop = true;
	(void)pthread_cond_signal(&in->changed);
	(void)pthread_mutex_unlock(&in->lock);
	(void)pthread_join(in->thread, NULL);
	in->running = false;
}

int inflate_finish(struct inflate *in, const char *sha256, struct err *err)
{
	char hex[65];

	stop(in);
	if (!in->frame_ended)
		bug("%s was not read to its end", in->from.name);
	if (in->taken != in->from.size || in->waiting.pos != in->waiting.size)
		return err_set(err, E_INVALID, "%s has data after the end of the frame",
			       in->from.name);
	sha256_end(in->sum, hex);
	if (!str_eq(hex, sha256))
		return err_set(err, E_INVALID, "%s: its SHA-256 is %s", in->from.name, hex);
	if (in->from.progress)
		in->from.progress(in->from.arg, in->taken);
	return 0;
}

void inflate_free(struct inflate *in)
{
	if (!in)
		return;
	stop(in);
	(void)pthread_cond_destroy(&in->changed);
	(void)pthread_mutex_destroy(&in->lock);
	for (size_t i = 0; i < PIECES; i++)
		free(in->piece[i]);
	free(in->in);
	sha256_free(in->sum);
	(void)ZSTD_freeDCtx(in->zstd);
	free(in);
}
