// SPDX-License-Identifier: Apache-2.0
/*
 * Runs on the host: changes a file through a shared mapping that stays open. Of such changes only the
 * first one to a page updates the file's times.
 *
 *	scribble FILE	for each line of standard input: writes the line's first byte to the beginning of
 *			FILE, then prints a line
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	char line[16], *map;
	int fd;

	if (argc != 2)
		return 2;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fail(argv[1]);
	map = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail("mmap");
	while (fgets(line, sizeof(line), stdin)) {
		*map = *line;
		if (puts("") < 0 || fflush(stdout) != 0)
			return fail("say that it is written");
	}
	return 0;
}
