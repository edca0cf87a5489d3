// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A web server on the loopback for tests, in a process of its own, that serves the files below a
 * directory in ways that no server should. The first part of a URL's path says how:
 *
 *	struct web web;
 *	web_start(&web, root);
 *	AUTO(str) char *url = web_url(&web, "cut");	// http://127.0.0.1:PORT/cut/
 *	...
 *	web_stop(&web);
 *
 * web_lab.c lists the ways. Requests are counted and the last ones kept in memory that both share.
 */

#include <stdatomic.h>
#include <sys/types.h>

enum { WEB_KEPT = 64, WEB_LINE = 256 };

struct web_request {
	char path[WEB_LINE]; /* with its way */
	char range[WEB_LINE], if_range[WEB_LINE], agent[WEB_LINE], host[WEB_LINE];
};

struct web_log {
	atomic_uint count;
	struct web_request kept[WEB_KEPT];   /* the n-th at n % WEB_KEPT */
	atomic_uint together, most_together; /* connections */
};

struct web {
	pid_t pid;
	int port;
	struct web_log *log;
};

/* Failures end the test. */
void web_start(struct web *w, const char *root);
void web_stop(struct web *w);
char *web_url(const struct web *w, const char *way);

/* A port of the loopback that takes no connection and refuses none: its queue is full, so that
 * packets are dropped, as by a firewall. */
struct deaf {
	int port;
	int fds[4];
};
void deaf_start(struct deaf *d);
void deaf_stop(struct deaf *d);
/* A port that nobody listens on. */
int web_free_port(void);

unsigned web_count(const struct web *w);
/* 0: the first. */
const struct web_request *web_request(const struct web *w, unsigned n);

/* `openssl s_server` below dir, which has KEY.crt and KEY.key. response: files are whole answers
 * with their headers. */
struct tls {
	pid_t pid;
	int port;
};
void tls_start(struct tls *t, const char *dir, const char *key, int response);
void tls_stop(struct tls *t);
/* nghttpd, which speaks nothing but HTTP/2. */
void h2_start(struct tls *t, const char *dir, const char *key);
/* In dir: ca.crt; good, wrong (another name), expired: .crt and .key; and other-ca.crt. */
void tls_keys(const char *dir);
