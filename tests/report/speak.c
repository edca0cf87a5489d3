// SPDX-License-Identifier: Apache-2.0
/*
 * speak SOCKET: plays `kata-deploy node`. Listens at SOCKET, sends the lines of its standard input
 * to the client, and prints the lines of the client. The line "hang-up" closes the connection,
 * "flood" sends bytes without end.
 */

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int peer = -1;

static void hang_up(void)
{
	fd_close(&peer);
	(void)printf("gone\n");
}

static void send_all(const char *text, size_t len)
{
	struct err ignored = ERR_INIT;

	if (peer >= 0 && fd_write_all(peer, text, len, &ignored) < 0)
		hang_up();
}

static void obey(const char *line)
{
	char zeros[4096];

	memset(zeros, 'x', sizeof(zeros));
	if (str_eq(line, "hang-up\n"))
		hang_up();
	else if (str_eq(line, "flood\n"))
		while (peer >= 0)
			send_all(zeros, sizeof(zeros));
	else
		send_all(line, strlen(line));
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int listener = argc == 2 ? fd_unix_listen(argv[1], &err) : -1;
	char line[8192];

	(void)signal(SIGPIPE, SIG_IGN);
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	if (listener < 0 || chmod(argv[1], 0666) < 0) {
		(void)fprintf(stderr, "speak: %s\n", err.code ? err.msg : "speak SOCKET");
		return 1;
	}
	for (;;) {
		struct pollfd p[] = { { listener, POLLIN, 0 },
				      { 0, POLLIN, 0 },
				      { peer, POLLIN, 0 } };
		ssize_t n;

		if (poll(p, 3, -1) < 0)
			continue;
		if (p[0].revents) {
			fd_close(&peer);
			peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
			(void)printf("connected\n");
			continue;
		}
		if (p[2].revents) {
			n = read(peer, line, sizeof(line));
			if (n <= 0)
				hang_up();
			else
				(void)fwrite(line, 1, (size_t)n, stdout);
		}
		if (p[1].revents) {
			if (!fgets(line, sizeof(line), stdin))
				return 0;
			obey(line);
		}
	}
}
