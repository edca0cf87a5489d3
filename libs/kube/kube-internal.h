// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * access.c finds the server and the credentials, call.c makes one request until it has an answer,
 * object.c, list.c and watch.c are the verbs.
 */

#include "base/buf.h"
#include "http/exchange.h"
#include "kube/kube.h"

#include <sys/stat.h>

/* --- access.c --- */

/* A part of the access: fixed text, or the contents of a file that may change. */
struct secret {
	char *path;       /* of the file; NULL: fixed text */
	char *text;       /* NULL: not given, or the file was not read yet */
	struct stat seen; /* the file when it was read */
};

struct access {
	char *server; /* without a "/" at its end */
	char *space, *proxy;
	struct secret ca, cert, key, token;
};

void access_release(struct access *a);
DEFINE_AUTO_STRUCT(access, struct access, access_release)

/* Fills *a from a context (NULL: the current one) of a parsed kubeconfig; relative paths are below
 * dir. No input or output, fuzzed. E_CONFIG, E_UNSUPPORTED, E_NOT_FOUND (no such context),
 * E_TRUST. */
MUST_CHECK int access_parse(const struct json *config, const char *context, const char *dir,
			    struct access *a, struct err *err);
/* The same for a kubeconfig file. */
MUST_CHECK int access_read_config(const char *path, const char *context, struct access *a,
				  struct err *err);
/* Fills *a from the environment and the service account's directory. */
MUST_CHECK int access_in_cluster(const char *account, struct access *a, struct err *err);
/* Reads the files again that have changed, or all of them. A file that cannot be read now keeps its
 * old contents. */
MUST_CHECK int access_refresh(struct access *a, bool all, struct err *err);
void access_copy(const struct access *from, struct access *to);

/* --- call.c --- */

struct kube {
	struct access access;
	struct http_client *http;
	unsigned pause_ms;
	int cancel;
	uint64_t requests;
};

struct call {
	const char *method;
	const char *path;   /* with its query */
	const char *type;   /* of the body */
	const char *accept; /* NULL: application/json */
	char *body;         /* owned by the caller; NULL: none */
	size_t most;        /* limit of the answer, in bytes */
	struct deadline deadline;
	bool once; /* for a watch: the request is not repeated, and one try may take all the time */
	int (*take)(void *arg, const char *data, size_t len, struct err *err); /* exchange.h */
	void *arg;
	/* out, from the last try */
	long status;
	unsigned retry_after; /* seconds; 0: the server did not say */
};

/* Makes a request and parses the answer, which must be a JSON object; the caller frees it. NULL on
 * error. */
struct json *call_json(struct kube *k, struct call *c, struct err *err);
/* Makes a request until it succeeds (status 2xx) or fails for good; body gets the answer. */
MUST_CHECK int call_run(struct kube *k, struct call *c, struct buf *body, struct err *err);
/* Sets the error for an answer whose status is not 2xx. body may be a Status or anything. Returns
 * -1. */
int call_refused(const struct call *c, const char *body, size_t len, struct err *err);
/* Milliseconds to pause after so many failures; grows, and has a random part. */
unsigned call_pause(const struct kube *k, unsigned failures);
/* As call_pause(), but at least the seconds that the server demands (call.retry_after). */
unsigned call_pause_after(const struct kube *k, unsigned retry_after, unsigned failures);
/* Sleeps; E_CANCELLED if it is cancelled meanwhile. */
MUST_CHECK int call_sleep(const struct kube *k, unsigned ms, struct err *err);

/* --- list.c --- */

/* The path of a selection with its query, to which more ("&watch=1") is appended unchanged; heap.
 * NULL with E_LIMIT if it is too long. */
char *selection_path(const struct kube_selection *s, const char *more, struct err *err);
/* As kube_list(); version gets the version of the list, *enough is set if fn returned 1. */
MUST_CHECK int list_all(struct kube *k, const struct kube_selection *s, kube_event_fn fn, void *arg,
			char version[KUBE_VERSION_MAX], struct deadline deadline, bool *enough,
			struct err *err);
/* Appends text with %XX for every byte that is not a letter, a digit or one of "-_.~". */
void escape(struct buf *to, const char *text);

/* --- watch.c, fuzzed --- */

enum watch_kind { WATCH_FOUND, WATCH_CHANGED, WATCH_REMOVED, WATCH_BOOKMARK, WATCH_EXPIRED };
/* Parses a line of a watch. *doc is owned by the caller, also on error; *object points into it.
 * version gets the object's version. E_PROTOCOL, E_LIMIT; E_GONE if the line reports an error of
 * the server. */
MUST_CHECK int watch_parse(const char *line, size_t len, enum watch_kind *kind, struct json **doc,
			   const struct json **object, char version[KUBE_VERSION_MAX],
			   struct err *err);
