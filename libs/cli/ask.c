// SPDX-License-Identifier: Apache-2.0
/* Confirmation on the terminal. */

#include "cli/ask.h"

#include <stdio.h>
#include <unistd.h>

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
	if (!fgets(answer, sizeof(answer), stdin))
		(void)fputc('\n', stderr);
	if (answer[0] == 'y' || answer[0] == 'Y')
		return 0;
	return err_set(err, E_CANCELLED, "nothing was changed");
}
