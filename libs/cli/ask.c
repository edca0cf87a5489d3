// SPDX-License-Identifier: Apache-2.0
/* Confirmation on the terminal. */

#include "cli/ask.h"

#include "base/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

static int wait_answer(struct err *err)
{
	struct pollfd wait[2] = { { .fd = 0, .events = POLLIN },
				  { .fd = interrupt_fd(), .events = POLLIN } };

	while (poll(wait, 2, -1) < 0 && errno == EINTR)
		;
	return interrupt_check(err);
}

int ask_yes(const char *question, bool yes, struct err *err)
{
	char answer[16] = "";

	if (yes)
		return 0;
	if (!isatty(0) || !isatty(2)) {
		err_set(err, E_USAGE, "'%s' cannot be asked without a terminal", question);
		return err_hint(err, "use --yes if that is the answer");
	}
	(void)fflush(stdout);
	(void)fprintf(stderr, "%s [y/N] ", question);
	if (wait_answer(err) < 0 || !fgets(answer, sizeof(answer), stdin))
		(void)fputc('\n', stderr);
	if (err->code)
		return err_hint(err, "nothing was changed");
	if (answer[0] == 'y' || answer[0] == 'Y')
		return 0;
	return err_set(err, E_CANCELLED, "nothing was changed");
}
