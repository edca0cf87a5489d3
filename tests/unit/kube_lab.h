// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * An API server that says what it is told to, in order, one answer per request, on the loopback and
 * in a thread. Requests are kept.
 *
 *	static const struct said said[] = {
 *		{ .asked = "GET /api/v1/nodes/n1", .status = 200, .body = "{...}" },
 *	};
 *	struct api api;
 *	api_start(&api, said, ARRAY_LEN(said));
 *	...
 *	ck_assert(strstr(api_asked(&api, 0)->body, "..."));
 *	api_stop(&api);		// all was asked for
 */

#include "kube/kube.h"

#include <pthread.h>
#include <stdbool.h>

struct said {
	const char
		*asked; /* how request line begins; another one is answered with 599. NULL: any */
	int status;
	const char *headers; /* with their line ends; NULL: none */
	const char *body;
	enum {
		SAY_ALL,
		SAY_HALF,    /* and cut the connection */
		SAY_NOTHING, /* cut it at once */
		SAY_SILENCE, /* keep it and say nothing until the test ends */
		SAY_STREAM,  /* without a length; then close */
		SAY_STAY,    /* the same, then stay silent until the test ends */
		SAY_ENDLESS, /* the body again and again */
		SAY_RAW,     /* the body is the whole answer */
	} how;
	void (*before)(void *arg); /* on the server's thread, before it answers */
	void *arg;
};

struct asked {
	char *line, *head, *body;
};

enum { API_KEPT = 64, API_DIR = 64 };

struct api {
	const struct said *said;
	size_t n;
	int listener, port, stop[2];
	pthread_t thread, stayers[API_KEPT];
	size_t nstayers;
	pthread_mutex_t lock;
	size_t count; /* of requests */
	struct asked asked[API_KEPT];
};

void api_start(struct api *a, const struct said *said, size_t n);
/* Checks that it was asked for everything, and for nothing more. */
void api_end(struct api *a);
void api_stop(struct api *a);
const struct asked *api_asked(struct api *a, size_t i);
size_t api_count(struct api *a);

/* Before and after each test: a directory of its own, and no server yet. */
void api_set_up(struct api *a, char dir[API_DIR]);
void api_tear_down(struct api *a, const char *dir);
struct deadline soon(void); /* for what should not fail */

/* A client of it, with the token "secret" in the file dir/token, and short pauses. */
struct kube *api_client(const struct api *a, const char *dir);
