// SPDX-License-Identifier: Apache-2.0
/* Splicing through two pipes. */

#include "ttrpc/sluice.h"

#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A port needs one descriptor per page, so a part is limited by the length of its queue. Twice
 * that, less the page of the head, is sent in two parts. */
enum { MUCH = 64 * 1024, PARTS = 128, PAGE = 4096, TAKEN_MAX = (2 * PARTS - 1) * PAGE };

static bool open_pipe(int ends[2], int size)
{
	struct err ignored = ERR_INIT; /* without the pipe, data is copied */

	return fd_pipe(ends, &ignored) == 0 && fcntl(ends[1], F_SETPIPE_SZ, size) >= size &&
	       fd_nonblock(ends[1], true, &ignored) == 0 &&
	       fd_nonblock(ends[0], true, &ignored) == 0;
}

static bool open_sluice(struct sluice *s)
{
	if (!s->useless && s->taken[0] < 0)
		s->useless = !open_pipe(s->taken, 2 * PARTS * PAGE) ||
			     !open_pipe(s->leaving, PARTS * PAGE);
	return !s->useless;
}

static ssize_t move(int from, int to, size_t len)
{
	ssize_t n;

	do {
		n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	return n;
}

size_t sluice_take(struct sluice *s, int fd, size_t max)
{
	ssize_t taken;
	int n = 0;

	if (s->useless || max < MUCH || ioctl(fd, FIONREAD, &n) < 0 || n < MUCH ||
	    fcntl(fd, F_GETPIPE_SZ) < 0 || !open_sluice(s))
		return 0;
	taken = move(fd, s->taken[1], max < TAKEN_MAX ? max : TAKEN_MAX);
	return taken > 0 ? (size_t)taken : 0;
}

int sluice_send(struct sluice *s, const uint8_t *head, size_t head_len, size_t len, int to,
		size_t *held, size_t *left)
{
	ssize_t n = write(s->leaving[1], head, head_len);

	if (n != (ssize_t)head_len)
		bug("an empty pipe accepts only %zd of %zu bytes", n, head_len);
	*held = head_len;
	*left = len;
	for (;;) {
		while (*left && (n = move(s->taken[0], s->leaving[1], *left)) > 0) {
			*held += (size_t)n;
			*left -= (size_t)n;
		}
		if (!*held)
			return 0;
		n = move(s->leaving[0], to, *held);
		if (n == 0)
			return -1; /* the port had no memory for its buffer */
		s->useless |= n < 0 && errno == EINVAL;
		*held -= n > 0 ? (size_t)n : 0;
		if (*held)
			return 0;
	}
}

void sluice_release(struct sluice *s)
{
	for (int i = 0; i < 2; i++) {
		fd_close(&s->taken[i]);
		fd_close(&s->leaving[i]);
	}
}
