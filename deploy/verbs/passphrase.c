// SPDX-License-Identifier: Apache-2.0
/* Prompts for a passphrase. While the terminal's echo is off, so are its signals: an interrupt must
 * not leave it without echo. */

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

/* Reads one line, byte by byte: the rest of the input may be further passphrases. */
static int read_line(int fd, struct passphrase *p, struct err *err)
{
	size_t n = 0;
	char c;

	for (;;) {
		ssize_t got = fd_read_full(fd, &c, 1, err);

		if (got < 0)
			return err_wrap(err, "the passphrase");
		if (got == 0 || c == '\n')
			break;
		if (c == CTRL_C || c == CTRL_D)
			return err_set(err, E_CANCELLED, "no passphrase was given");
		if (n == PASSPHRASE_MAX || !c)
			return err_set(err, E_LIMIT,
				       "a passphrase has at most %d bytes; choose a shorter one",
				       PASSPHRASE_MAX);
		p->text[n++] = c;
	}
	p->text[n] = '\0';
	return n ? 0
		 : err_set(err, E_USAGE,
			   "the passphrase is empty; type one, or use --no-passphrase for a key "
			   "without");
}

static int ask(int tty, struct passphrase *p, const char *prompt, struct err *err)
{
	struct termios before, quiet;
	int rc;

	if (tcgetattr(tty, &before) < 0)
		return err_sys(err, "read the terminal's settings");
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
	/* Without its signal Ctrl-C is input, which is to be read at once, like a new line. */
	quiet.c_cc[VEOL] = CTRL_C;
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
	AUTO(str) char *prompt = str_fmt("Passphrase of %s: ", what);
	AUTO(passphrase) struct passphrase second;

	if (tty < 0)
		return err_set(err, E_USAGE,
			       "there is no terminal to ask for the passphrase of %s; give it "
			       "with --passphrase-fd N",
			       what);
	if (ask(tty, p, prompt, err) < 0)
		return -1;
	if (!again)
		return 0;
	if (ask(tty, &second, "Repeat it: ", err) < 0)
		return -1;
	return str_eq(p->text, second.text)
		       ? 0
		       : err_set(err, E_USAGE, "the two passphrases differ; try again");
}

int passphrase_get(struct passphrase *p, const char *fd, const char *what, bool again,
		   struct err *err)
{
	uint64_t number;

	if (!fd)
		return ask_terminal(p, what, again, err);
	if (str_u64(fd, 10, 0, INT_MAX, "--passphrase-fd", &number, err) < 0) {
		err->code = E_USAGE;
		return err_hint(err, "give the number of an open file descriptor");
	}
	return read_line((int)number, p, err);
}
