// SPDX-License-Identifier: Apache-2.0
#include "ttrpc/sluice.h"

#include "base/err.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A port makes one buffer with a part for each page: no more than its queue is long. */
enum { MUCH = 64 * 1024, PARTS = 128, PAGE = 4096 };

static bool open_sluice(struct sluice *s)
{
	struct err ignored = ERR_INIT; /* then bytes are copied */
	int ends[2];

	if (s->useless || s->in >= 0)
		return !s->useless;
	s->useless = fd_pipe(ends, &ignored) < 0;
	if (s->useless)
		return false;
	s->out = ends[0];
	s->in = ends[1];
	s->useless = fcntl(s->in, F_SETPIPE_SZ, PARTS * PAGE) < PARTS * PAGE ||
		     fd_nonblock(s->in, true, &ignored) < 0 ||
		     fd_nonblock(s->out, true, &ignored) < 0;
	return !s->useless;
}

size_t sluice_worth(struct sluice *s, int fd, size_t max)
{
	int n = 0;

	if (s->useless || max < MUCH || ioctl(fd, FIONREAD, &n) < 0 || n < MUCH ||
	    fcntl(fd, F_GETPIPE_SZ) < 0 || !open_sluice(s))
		return 0;
	return (size_t)n < max ? (size_t)n : max;
}

static ssize_t move(int from, int to, size_t len)
{
	ssize_t n;

	do {
		n = splice(from, NULL, to, NULL, len, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
	} while (n < 0 && errno == EINTR);
	return n;
}

int sluice_send(struct sluice *s, const uint8_t *head, size_t head_len, int from, size_t len,
		int to, size_t *held, size_t *left)
{
	ssize_t n = write(s->in, head, head_len);

	if (n != (ssize_t)head_len)
		bug("an empty pipe takes %zd of %zu bytes", n, head_len);
	*held = head_len;
	*left = len;
	for (;;) {
		while (*left && (n = move(from, s->in, *left)) > 0) {
			*held += (size_t)n;
			*left -= (size_t)n;
		}
		if (!*held)
			return 0;
		n = move(s->out, to, *held);
		if (n == 0)
			return -1; /* a port that had no memory for its buffer */
		s->useless |= n < 0 && errno == EINVAL;
		*held -= n > 0 ? (size_t)n : 0;
		if (*held)
			return 0;
	}
}

void sluice_release(struct sluice *s)
{
	fd_close(&s->in);
	fd_close(&s->out);
}
