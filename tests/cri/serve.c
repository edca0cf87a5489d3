// SPDX-License-Identifier: Apache-2.0
/*
 * A small HTTP server and its client, linked statically, to be run in containers.
 *
 *	serve WHERE TEXT	answers every HTTP request with TEXT, one after the other
 *	serve WHERE		sends one request, and prints the body of the answer
 *
 * WHERE is a port, or the path of a unix socket.
 */

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { REQUEST_MAX = 4096, WAITING = 128 };

union where {
	struct sockaddr any;
	struct sockaddr_in port;
	struct sockaddr_un path;
};

static _Noreturn void die(const char *what)
{
	perror(what);
	_exit(EXIT_FAILURE);
}

static socklen_t parse(const char *text, union where *out)
{
	memset(out, 0, sizeof(*out));
	if (strchr(text, '/')) {
		out->path.sun_family = AF_UNIX;
		(void)snprintf(out->path.sun_path, sizeof(out->path.sun_path), "%s", text);
		return sizeof(out->path);
	}
	out->port.sin_family = AF_INET;
	out->port.sin_port = htons((unsigned short)strtoul(text, NULL, 10));
	return sizeof(out->port);
}

/* Reads up to the empty line that ends a request. */
static void read_request(int fd)
{
	char request[REQUEST_MAX + 1];
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, request + have, REQUEST_MAX - have)) > 0) {
		have += (size_t)n;
		request[have] = '\0';
		if (strstr(request, "\r\n\r\n"))
			return;
	}
}

static _Noreturn void serve(int fd, const char *text)
{
	for (;;) {
		int peer = accept(fd, NULL, NULL);

		if (peer < 0)
			continue; /* the client has disconnected */
		read_request(peer);
		(void)dprintf(peer,
			      "HTTP/1.0 200 OK\r\nContent-Length: %zu\r\n"
			      "Connection: close\r\n\r\n%s\n",
			      strlen(text) + 1, text);
		(void)close(peer);
	}
}

static int ask(int fd)
{
	char line[REQUEST_MAX];
	FILE *answer = fdopen(fd, "r");
	bool body = false;

	if (!answer)
		die("open the answer");
	(void)dprintf(fd, "GET / HTTP/1.0\r\n\r\n");
	while (fgets(line, sizeof(line), answer)) {
		if (body)
			(void)fputs(line, stdout);
		body |= strcmp(line, "\r\n") == 0;
	}
	return body ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	union where where;
	socklen_t len;
	int fd, yes = 1;

	if (argc < 2) {
		(void)fputs("usage: serve PORT|PATH [TEXT]\n", stderr);
		return EXIT_FAILURE;
	}
	len = parse(argv[1], &where);
	fd = socket(where.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die("make a socket");
	if (argc == 2) {
		if (connect(fd, &where.any, len) < 0)
			die(argv[1]);
		return ask(fd);
	}
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (bind(fd, &where.any, len) < 0 || listen(fd, WAITING) < 0)
		die(argv[1]);
	serve(fd, argv[2]);
}
