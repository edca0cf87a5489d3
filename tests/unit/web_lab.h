// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A web server for tests. It runs in a process of its own, listens on the loopback and serves the
 * files below a directory, correctly or with faults of many kinds ("ways"). The first part of a
 * URL's path chooses the way:
 *
 *	struct web web;
 *	web_start(&web, root);
 *	AUTO(str) char *url = web_url(&web, "cut");	// http://127.0.0.1:PORT/cut/
 *	...
 *	web_stop(&web);
 *
 * web_lab.c lists the ways. The server counts requests and keeps the last ones, in memory that it
 * shares with the test.
 */

#include <stdatomic.h>
#include <sys/types.h>

enum { WEB_KEPT = 64, WEB_LINE = 256 };

struct web_request {
	char path[WEB_LINE]; /* begins with the way */
	char range[WEB_LINE], if_range[WEB_LINE], agent[WEB_LINE], host[WEB_LINE];
	char authorization[WEB_LINE];
};

struct web_log {
	atomic_uint count;
	struct web_request kept[WEB_KEPT];   /* the n-th request is at n % WEB_KEPT */
	atomic_uint together, most_together; /* connections that are open at the same time */
};

struct web {
	pid_t pid;
	int port;
	struct web_log *log;
};

/* If the server cannot be started, the program ends. */
void web_start(struct web *w, const char *root);
void web_stop(struct web *w);
char *web_url(const struct web *w, const char *way);

/* A port of the loopback that neither accepts nor refuses connections: its queue is full, so that
 * packets are dropped, as a firewall does. */
struct deaf {
	int port;
	int fds[4];
};
void deaf_start(struct deaf *d);
void deaf_stop(struct deaf *d);
/* A port that nobody listens on. */
int web_free_port(void);

unsigned web_count(const struct web *w);
/* A request; the first one is 0. */
const struct web_request *web_request(const struct web *w, unsigned n);

/* Runs `openssl s_server`, which serves the files below dir. The certificate and its key are
 * KEY.crt and KEY.key in dir. response: the files are whole answers, with their headers. */
struct tls {
	pid_t pid;
	int port;
};
void tls_start(struct tls *t, const char *dir, const char *key, int response);
void tls_stop(struct tls *t);
/* Runs nghttpd, which speaks only HTTP/2. */
void h2_start(struct tls *t, const char *dir, const char *key);
/* Makes certificates in dir: ca.crt and other-ca.crt of two authorities, and .crt and .key of the
 * servers good, wrong (it has another name) and expired, which ca.crt signed. */
void tls_keys(const char *dir);
