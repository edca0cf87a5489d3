// SPDX-License-Identifier: Apache-2.0
/* A process title that overwrites the argument strings, as setproctitle(3) does on BSD. */

#include "base/title.h"

#include <string.h>
#include <sys/prctl.h>

enum { NAME_SIZE = 16 };

/* The argument strings, which the kernel stores one after the other. */
static struct {
	char *at;
	size_t size;
} line;

void title_init(int argc, char **argv)
{
	const char *last = argc > 0 ? argv[argc - 1] : NULL;

	if (!last)
		return;
	line.at = argv[0];
	line.size = (size_t)(last + strlen(last) + 1 - argv[0]);
}

void title_set(const char *title)
{
	char name[NAME_SIZE] = { 0 };
	size_t word = strcspn(title, " "), len = strlen(title);

	memcpy(name, title, word < NAME_SIZE ? word : NAME_SIZE - 1);
	(void)prctl(PR_SET_NAME, name);
	if (line.size < 2)
		return;
	if (len > line.size - 2)
		len = line.size - 2;
	memset(line.at, 0, line.size);
	memcpy(line.at, title, len);
	/* If the last byte is not NUL, /proc/PID/cmdline ends at the first NUL. */
	line.at[line.size - 1] = ' ';
}
