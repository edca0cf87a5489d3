// SPDX-License-Identifier: Apache-2.0
#include "sandbox/lines.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096 };

static void on_text(void *arg, uint32_t events)
{
	struct lines *l = arg;
	char chunk[4096];
	ssize_t n = read(l->fd, chunk, sizeof(chunk));

	(void)events;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		watch_set(l->watch, 0);
	for (ssize_t i = 0; i < n; i++) {
		if (chunk[i] != '\n') {
			if (chunk[i] != '\r')
				buf_chr(&l->line, chunk[i]); /* cut an overlong line */
			continue;
		}
		if (l->line.len)
			log_debug(l->what, LOG_S("line", buf_cstr(&l->line)));
		buf_clear(&l->line);
	}
}

void lines_start(struct lines *l, struct loop *loop, int fd, const char *what)
{
	struct err ignored = ERR_INIT; /* cannot fail for our own socket */

	(void)!fd_nonblock(fd, true, &ignored);
	*l = (struct lines){ .what = what, .fd = fd, .line = BUF_INIT(LINE_MAX_BYTES) };
	l->watch = loop_watch(loop, fd, EPOLLIN, on_text, l);
}

void lines_stop(struct lines *l)
{
	watch_remove(l->watch);
	l->watch = NULL;
	buf_release(&l->line);
}
