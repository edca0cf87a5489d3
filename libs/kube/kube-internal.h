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

/* A part of the access: text, or a file that may change. */
struct secret {
	char *path; /* NULL: it does not change */
	char *text;
	struct stat seen;
};

struct access {
	char *server; /* without a "/" at its end */
	char *space, *proxy;
	struct secret ca, cert, key, token;
};

void access_release(struct access *a);
DEFINE_AUTO_STRUCT(access, struct access, access_release)

/* No input or output, fuzzed: takes the context out of a parsed kubeconfig. Relative paths are below dir.
 * E_CONFIG, E_UNSUPPORTED, E_NOT_FOUND (no such context), E_TRUST. */
MUST_CHECK int access_parse(const struct json *config, const char *context, const char *dir,
			    struct access *a, struct err *err);
MUST_CHECK int access_read_config(const char *path, const char *context, struct access *a,
				  struct err *err);
MUST_CHECK int access_in_cluster(const char *account, struct access *a, struct err *err);
/* Reads the files that have changed, or all of them. */
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
	size_t most;        /* bytes of the answer */
	struct deadline deadline;
	bool once; /* a watch: no repetition, no limit for one try */
	int (*take)(void *arg, const char *data, size_t len, struct err *err);
	void *arg;
	/* out, of the last try */
	long status;
	unsigned retry_after; /* seconds; 0: the server did not say */
};

/* The answer's document; NULL: failed. With take: NULL too if it was taken; *done says so. */
struct json *call_json(struct kube *k, struct call *c, struct err *err);
MUST_CHECK int call_run(struct kube *k, struct call *c, struct buf *body, struct err *err);
/* Sets the error of an answer that is none of success; body may be a Status or anything. */
int call_refused(const struct call *c, const char *body, size_t len, struct err *err);
/* The next pause: grows with the number of failures. */
unsigned call_pause(const struct kube *k, unsigned failures);
/* The same, and at least as many seconds as the server has said (call.retry_after). */
unsigned call_pause_after(const struct kube *k, unsigned retry_after, unsigned failures);
/* Waits all of it; E_CANCELLED. */
MUST_CHECK int call_rest(const struct kube *k, unsigned ms, struct err *err);

/* --- list.c --- */

/* The path of a selection with its query: more is appended as it is ("&watch=1"). Heap. */
char *selection_path(const struct kube_selection *s, const char *more);
const char *selection_accept(const struct kube_selection *s);
/* As kube_list(); version gets that of the list. */
MUST_CHECK int list_all(struct kube *k, const struct kube_selection *s, kube_event_fn fn, void *arg,
			char version[KUBE_VERSION_MAX], struct deadline deadline, bool *enough,
			struct err *err);
/* Appends text with everything escaped that is not harmless in a component of a path or a query. */
void escape(struct buf *to, const char *text);

/* --- watch.c, fuzzed --- */

enum watch_kind { WATCH_FOUND, WATCH_CHANGED, WATCH_REMOVED, WATCH_BOOKMARK, WATCH_EXPIRED };
/* Parses a line of a watch. version gets the object's. Failures: E_PROTOCOL, E_LIMIT, and those of
 * an error that the server tells. */
MUST_CHECK int watch_parse(const char *line, size_t len, enum watch_kind *kind, struct json **doc,
			   const struct json **object, char version[KUBE_VERSION_MAX],
			   struct err *err);
