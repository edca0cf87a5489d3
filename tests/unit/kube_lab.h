// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * An API server for tests: a thread that listens on the loopback and gives prepared answers in
 * order, one per request. It keeps the requests.
 *
 *	static const struct said said[] = {
 *		{ .asked = "GET /api/v1/nodes/n1", .status = 200, .body = "{...}" },
 *	};
 *	struct api api;
 *	api_start(&api, said, ARRAY_LEN(said));
 *	...
 *	ck_assert(strstr(api_asked(&api, 0)->body, "..."));
 *	api_end(&api);		// fails unless the requests were these
 *	api_stop(&api);
 */

#include "kube/kube.h"

#include <pthread.h>
#include <stdbool.h>

struct said {
	/* How the request line must begin, else the answer is 599. NULL: it is not checked. */
	const char *asked;
	int status;
	const char *headers; /* with their line ends; NULL: none */
	const char *body;
	enum {
		SAY_ALL,
		SAY_HALF,    /* half of the body, then cut the connection */
		SAY_NOTHING, /* cut the connection at once */
		SAY_SILENCE, /* keep the connection, but send nothing until the test ends */
		SAY_STREAM,  /* the body without a Content-Length, then close */
		SAY_STAY,    /* the same, but keep the connection until the test ends */
		SAY_ENDLESS, /* the body again and again */
		SAY_RAW,     /* the body is the whole answer, with its headers */
	} how;
	void (*before)(void *arg); /* called on the server's thread before it answers */
	void *arg;
};

struct asked {
	char *line, *head, *body;
};

/* Decides about a request: fills the answer; a body that is allocated goes to *body, which is freed
 * after it. Called on a thread for each connection. */
typedef void api_decide(void *arg, const struct asked *asked, struct said *answer, char **body);

enum { API_KEPT = 64, API_DIR = 64 };

struct api {
	const struct said *said;
	size_t n;
	api_decide *decide; /* NULL: the answers are said */
	void *arg;
	int listener, port, stop[2];
	pthread_t thread, stayers[API_KEPT];
	size_t nstayers;
	pthread_mutex_t lock;
	size_t count; /* of requests */
	struct asked asked[API_KEPT];
};

void api_start(struct api *a, const struct said *said, size_t n);
/* The same with a function instead of prepared answers; requests are not kept. */
void api_serve(struct api *a, api_decide *decide, void *arg);
/* Checks that there was one request for each answer, and no other. */
void api_end(struct api *a);
void api_stop(struct api *a);
const struct asked *api_asked(struct api *a, size_t i);
size_t api_count(struct api *a);

/* Before and after each test. api_set_up() makes a directory for it and starts no server yet. */
void api_set_up(struct api *a, char dir[API_DIR]);
void api_tear_down(struct api *a, const char *dir);
struct deadline soon(void); /* for calls that should not reach their deadline */

/* A client of the server. It reads its token, "secret", from dir/token, and pauses only shortly
 * between attempts. */
struct kube *api_client(const struct api *a, const char *dir);
