// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a command on a terminal of its own and talks with it: pty COMMAND... The conversation is on
 * standard input, a step a line:
 *
 *	size ROWS COLUMNS	the terminal's size (24 80 at the start)
 *	expect TEXT		waits until the command has written TEXT
 *	send TEXT		writes TEXT; \n, \r and \xHH are understood
 *
 * What the command writes goes to standard output as well. Exits as the command did (128 + signal),
 * or with 125 if a step did not work within two minutes.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/spawn.h"
#include "base/str.h"

#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP_MS = 120000, SEEN_MAX = 1 << 20, LINE = 4096, FAILED = 125 };

struct talk {
	int master;
	pid_t pid;
	struct buf seen; /* not matched yet */
	bool ended;
};

/* Takes what the command writes, if it writes something in time. */
static bool hear(struct talk *t, struct deadline deadline)
{
	struct pollfd p = { .fd = t->master, .events = POLLIN };
	char chunk[4096];
	ssize_t n;

	if (t->ended || poll(&p, 1, deadline_left(deadline)) <= 0)
		return false;
	n = read(t->master, chunk, sizeof(chunk));
	if (n <= 0) { /* EIO: nobody holds the terminal any more */
		t->ended = true;
		return false;
	}
	buf_add(&t->seen, chunk, (size_t)n);
	(void)fwrite(chunk, 1, (size_t)n, stdout);
	return true;
}

static bool expect(struct talk *t, const char *text)
{
	struct deadline deadline = deadline_in(STEP_MS);
	const char *at;

	while (!(at = strstr(buf_cstr(&t->seen), text))) {
		if (!hear(t, deadline))
			return false;
	}
	buf_eat(&t->seen, (size_t)(at - buf_cstr(&t->seen)) + strlen(text));
	return true;
}

static bool send_text(struct talk *t, const char *text)
{
	struct err err = ERR_INIT;
	char out[LINE];
	size_t n = 0;

	for (const char *p = text; *p; p++) {
		unsigned hex;

		if (*p != '\\') {
			out[n++] = *p;
			continue;
		}
		p++;
		if (*p == 'x' && sscanf(p + 1, "%2x", &hex) == 1) {
			out[n++] = (char)hex;
			p += 2;
		} else {
			out[n++] = *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p;
		}
	}
	return fd_write_all(t->master, out, n, &err) == 0;
}

static bool resize(struct talk *t, const char *args)
{
	struct winsize size = { 0 };

	return sscanf(args, "%hu %hu", &size.ws_row, &size.ws_col) == 2 &&
	       ioctl(t->master, TIOCSWINSZ, &size) == 0;
}

static bool step(struct talk *t, const char *line)
{
	if (str_starts(line, "expect "))
		return expect(t, line + strlen("expect "));
	if (str_starts(line, "send "))
		return send_text(t, line + strlen("send "));
	if (str_starts(line, "size "))
		return resize(t, line + strlen("size "));
	return !*line;
}

static int finish(struct talk *t)
{
	struct deadline deadline = deadline_in(STEP_MS);
	int status;

	while (hear(t, deadline))
		;
	if (!t->ended)
		(void)kill(t->pid, SIGKILL);
	while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR)
		;
	return t->ended ? spawn_exit_code(status) : FAILED;
}

int main(int argc, char **argv)
{
	struct talk t = { .seen = BUF_INIT(SEEN_MAX) };
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	char line[LINE];

	if (argc < 2) {
		(void)fputs("pty COMMAND...; the conversation is on standard input\n", stderr);
		return FAILED;
	}
	t.pid = forkpty(&t.master, NULL, NULL, &size);
	if (t.pid < 0) {
		perror("pty");
		return FAILED;
	}
	if (t.pid == 0) {
		(void)execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (step(&t, line))
			continue;
		(void)fprintf(stderr, "pty: '%s' did not work; not matched: '%s'\n", line,
			      buf_cstr(&t.seen));
		(void)kill(t.pid, SIGKILL);
		(void)finish(&t);
		return FAILED;
	}
	return finish(&t);
}
