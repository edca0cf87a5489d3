// SPDX-License-Identifier: Apache-2.0
/*
 * What a container may do to disturb its neighbours. Each mode prints a line when it has reached
 * its state, and stays in it:
 *
 *	hostile stuck		waits without being interruptible (state D) for a child that never ends
 *	hostile forks		makes processes until there may be no more, again and again
 *	hostile deep DIR N	N directories, one in the other
 *	hostile files DIR	files in DIR until there may be no more
 *	hostile fds		open files until there may be no more
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static _Noreturn void stay(const char *what, unsigned long n)
{
	(void)printf("%s %lu\n", what, n);
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}

static _Noreturn void stuck(void)
{
	(void)puts("stuck");
	(void)fflush(stdout);
	if (vfork() == 0) {
		for (;;)
			(void)pause();
	}
	_exit(EXIT_FAILURE);
}

static _Noreturn void forks(void)
{
	bool told = false;

	for (;;) {
		if (fork() < 0 && !told) {
			(void)puts("full");
			(void)fflush(stdout);
			told = true;
		}
	}
}

static _Noreturn void deep(const char *dir, unsigned long n)
{
	int at = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	unsigned long i;

	for (i = 0; at >= 0 && i < n; i++) {
		int below;

		if (mkdirat(at, "d", 0755) < 0)
			break;
		below = openat(at, "d", O_PATH | O_DIRECTORY | O_CLOEXEC);
		(void)close(at);
		at = below;
	}
	stay("levels", i);
}

static _Noreturn void files(const char *dir)
{
	char name[32];
	unsigned long i;
	int fd = 0;

	if (chdir(dir) < 0)
		_exit(EXIT_FAILURE);
	for (i = 0; fd >= 0; i++) {
		(void)snprintf(name, sizeof(name), "%lu", i);
		fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
		if (fd >= 0)
			(void)close(fd);
	}
	stay("files", i);
}

static _Noreturn void fds(void)
{
	unsigned long n = 0;

	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		n++;
	stay("fds", n);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	for (int i = 1; i < NSIG; i++)
		(void)signal(i, SIG_IGN);
	if (strcmp(what, "stuck") == 0)
		stuck();
	if (strcmp(what, "forks") == 0)
		forks();
	if (strcmp(what, "deep") == 0 && argc == 4)
		deep(argv[2], strtoul(argv[3], NULL, 10));
	if (strcmp(what, "files") == 0 && argc == 3)
		files(argv[2]);
	if (strcmp(what, "fds") == 0)
		fds();
	(void)fputs("usage: hostile stuck|forks|deep DIR N|files DIR|fds\n", stderr);
	return EXIT_FAILURE;
}
