// SPDX-License-Identifier: Apache-2.0
/*
 * Runs in a container: changes a file that is open for appending through a shared mapping.
 *
 *	mapped FILE	makes FILE with two pages of 'a', maps it with O_APPEND, writes 'B' to the first
 *			byte of each page, syncs, appends "end" with write(2)
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 2 };

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(int argc, char **argv)
{
	static char text[PAGES * PAGE];
	char *map;
	int fd;

	if (argc != 2)
		return 2;
	memset(text, 'a', sizeof(text));
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, sizeof(text)) != (ssize_t)sizeof(text))
		return fail("make the file");
	map = mmap(NULL, sizeof(text), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return fail("mmap");
	for (size_t i = 0; i < PAGES; i++)
		map[i * PAGE] = 'B';
	if (msync(map, sizeof(text), MS_SYNC) < 0 || munmap(map, sizeof(text)) < 0)
		return fail("msync");
	if (write(fd, "end", 3) != 3 || close(fd) < 0)
		return fail("append");
	return 0;
}
