// SPDX-License-Identifier: Apache-2.0
/* Splits what arrives on the guest's console or log into lines, and logs them. */

#include "sandbox/lines.h"

#include "base/fd.h"
#include "base/log.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, CHUNKS_MAX = 64 };

static void keep_panic(struct lines *l, const char *line)
{
	static const char mark[] = "Kernel panic - not syncing: ";
	const char *why = strstr(line, mark);
	size_t n = 0;

	if (!why || *l->panic)
		return;
	for (why += strlen(mark); *why && n < PANIC_MAX - 1; why++)
		l->panic[n++] = *why >= ' ' && *why <= '~' ? *why : '?';
	l->panic[n] = '\0';
}

static void on_line(struct lines *l)
{
	if (!l->line.len)
		return;
	log_debug(l->what, LOG_S("line", buf_cstr(&l->line)));
	keep_panic(l, buf_cstr(&l->line));
}

/* Reads and logs once. False if nothing was there. */
static bool read_some(struct lines *l)
{
	char chunk[4096];
	ssize_t n = read(l->fd, chunk, sizeof(chunk));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		watch_set(l->watch, 0);
	for (ssize_t i = 0; i < n; i++) {
		if (chunk[i] != '\n') {
			if (chunk[i] != '\r')
				buf_chr(&l->line, chunk[i]); /* cuts a line that is too long */
			continue;
		}
		on_line(l);
		buf_clear(&l->line);
	}
	return n > 0;
}

static void on_text(void *arg, uint32_t events)
{
	(void)events;
	(void)read_some(arg);
}

void lines_catch_up(struct lines *l)
{
	/* Bounded: a guest that keeps writing must not hold up the loop. */
	for (int i = 0; i < CHUNKS_MAX && l->watch && read_some(l); i++)
		;
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
