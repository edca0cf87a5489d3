// SPDX-License-Identifier: Apache-2.0
/* Asking for a pass-phrase. Signals of the keyboard are off meanwhile, so that nobody is left with
 * a terminal that does not echo. */

#include "deploy/verbs/passphrase.h"

#include "base/fd.h"
#include "base/str.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { CTRL_C = 3, CTRL_D = 4 };

void passphrase_wipe(struct passphrase *p)
{
	explicit_bzero(p, sizeof(*p));
}

/* One line, byte by byte: what follows is not ours. 1, or 0 if there was none. */
static int read_line(int fd, struct passphrase *p, struct err *err)
{
	size_t n = 0;
	char c;

	for (;;) {
		ssize_t got = fd_read_full(fd, &c, 1, err);

		if (got < 0)
			return err_wrap(err, "the pass-phrase");
		if (got == 0 || c == '\n')
			break;
		if (c == CTRL_C || c == CTRL_D)
			return err_set(err, E_CANCELLED, "no pass-phrase was given");
		if (n == PASSPHRASE_MAX || !c)
			return err_set(err, E_LIMIT, "a pass-phrase has at most %d bytes",
				       PASSPHRASE_MAX);
		p->text[n++] = c;
	}
	p->text[n] = '\0';
	return n ? 0 : err_set(err, E_USAGE, "the pass-phrase is empty");
}

static int ask(int tty, struct passphrase *p, const char *prompt, struct err *err)
{
	struct termios before, quiet;
	int rc;

	if (tcgetattr(tty, &before) < 0)
		return err_sys(err, "look at the terminal");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	if (fd_write_all(tty, prompt, strlen(prompt), err) < 0)
		return -1;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
		return err_sys(err, "turn off the terminal's echo");
	rc = read_line(tty, p, err);
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	if (rc == 0)
		rc = fd_write_all(tty, "\n", 1, err);
	return rc;
}

static int ask_terminal(struct passphrase *p, const char *what, bool again, struct err *err)
{
	AUTO(fd) int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	AUTO(str) char *prompt = str_fmt("Pass-phrase of %s: ", what);
	AUTO(passphrase) struct passphrase second;

	if (tty < 0)
		return err_set(err, E_USAGE,
			       "there is no terminal to ask for the pass-phrase of %s; give it "
			       "with --passphrase-fd N",
			       what);
	if (ask(tty, p, prompt, err) < 0)
		return -1;
	if (!again)
		return 0;
	if (ask(tty, &second, "Once more: ", err) < 0)
		return -1;
	return str_eq(p->text, second.text) ? 0 : err_set(err, E_USAGE, "the two are different");
}

int passphrase_get(struct passphrase *p, const char *fd, const char *what, bool again,
		   struct err *err)
{
	uint64_t number;

	if (!fd)
		return ask_terminal(p, what, again, err);
	if (str_u64(fd, 10, 0, INT_MAX, "--passphrase-fd", &number, err) < 0) {
		err->code = E_USAGE;
		return -1;
	}
	return read_line((int)number, p, err);
}
