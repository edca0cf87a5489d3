// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A client of the Kubernetes API: what an agent of a node needs of it, over HTTP/1.1 and JSON.
 *
 *	AUTO(kube) struct kube *k = NULL;
 *	struct kube_options o = { .kubeconfig = NULL };		// in the cluster
 *	if (kube_open(&o, &k, err) < 0)
 *		return -1;
 *	AUTO(json) struct json *node = kube_get(k, "/api/v1/nodes/n1", deadline_in(20000), err);
 *
 * Access. In a cluster: KUBERNETES_SERVICE_HOST and _PORT, and the directory of the service account
 * (token, ca.crt, namespace). With a kubeconfig: its current context, or a named one; certificates
 * and tokens as data or as files. Refused by name, with what to do: programs that make credentials
 * (exec), auth providers, passwords, impersonation, tls-server-name, servers whose certificate is not
 * checked, and plain http to another host than this one. The server is trusted for that authority
 * only, never for the system's; neither are proxies of the environment used.
 *
 * Rotation. A file of the access (token, authority, certificate, key) is read again when it has
 * changed, before each request, and at once when the server answers 401 or its certificate does not
 * verify; then the request is repeated, once.
 *
 * Repetition. Until the deadline, a request is sent again after an answer 429, 500, 502, 503 or 504, after
 * a connection that was refused or cut, and after KUBE_TRY_MS without an answer; in between are
 * pauses that grow and have a random part, or as long as Retry-After says (KUBE_PAUSE_MAX at most). So
 * a request may have been carried out twice: objects are made with names, so that the second time
 * is E_EXISTS, and a change either names the version that it is for or says what shall be.
 *
 * Bounds. An answer has at most KUBE_OBJECT_MAX bytes (a page of a list KUBE_PAGE_MAX, an event of a
 * watch KUBE_OBJECT_MAX); more is E_LIMIT before it is kept. JSON is strict.
 *
 * Errors: E_NOT_FOUND (404), E_EXISTS (409, the object is there), E_STATE (409, its version is another
 * one; 412), E_PERMISSION (401, 403), E_INVALID (400, 422), E_GONE (no answer, 5xx), E_TIMEOUT (the
 * deadline), E_LIMIT, E_TRUST (TLS), E_PROTOCOL (not an API server), E_CANCELLED. Messages name the
 * request, and have the server's words without control characters.
 *
 * Sources: Kubernetes' API reference and API conventions; kubeconfig is client.authentication v1's
 * Config.
 *
 * Threads: one at a time for each struct kube; different ones are independent.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KUBE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

enum {
	KUBE_OBJECT_MAX = 3 << 20, /* etcd keeps 1.5 MiB */
	KUBE_PAGE_MAX = 16 << 20,
	KUBE_PAGE = 250,           /* objects of a page */
	KUBE_CONFIG_MAX = 1 << 20, /* a kubeconfig, and each file that it names */
	KUBE_TRY_MS = 15000,
	KUBE_PAUSE_MS = 250,
	KUBE_PAUSE_MAX = 30000,
	KUBE_PATH_MAX = 16 << 10, /* with its query */
	KUBE_VERSION_MAX = 128,
};

struct kube_options {
	const char *kubeconfig; /* NULL: in the cluster */
	const char *context;    /* of the kubeconfig; NULL: its current one */
	const char *account;    /* NULL: KUBE_ACCOUNT */
	unsigned pause_ms;      /* the first pause; 0: KUBE_PAUSE_MS */
	int cancel;             /* an fd; when it is readable, requests end. 0: none. Borrowed */
};

struct kube;

/* E_CONFIG, E_UNSUPPORTED, E_NOT_FOUND, E_TRUST; nothing is sent yet. */
MUST_CHECK int kube_open(const struct kube_options *o, struct kube **k, struct err *err);
/* Another client with the same access, for another thread. */
struct kube *kube_clone(const struct kube *k);
void kube_free(struct kube *k);
DEFINE_AUTO(kube, struct kube *, NULL, kube_free)

const char *kube_server(const struct kube *k);
/* Of the service account or the context; "default" if that has none. */
const char *kube_namespace(const struct kube *k);
/* Requests that were sent so far, repeated ones too. */
uint64_t kube_requests(const struct kube *k);

/* --- one object --- */

/* path: "/api/v1/nodes/n1"; names that are not known to be harmless come through kube_path(). */
struct json *kube_get(struct kube *k, const char *path, struct deadline deadline, struct err *err);
/* path is the collection's; metadata.name is required. What was made. */
struct json *kube_create(struct kube *k, const char *path, const struct json *object,
			 struct deadline deadline, struct err *err);
/* Replaces the object; its metadata.resourceVersion says which version is meant. */
struct json *kube_update(struct kube *k, const char *path, const struct json *object,
			 struct deadline deadline, struct err *err);

enum kube_patch { KUBE_MERGE, KUBE_STRATEGIC };
struct json *kube_patch(struct kube *k, const char *path, enum kube_patch kind,
			const struct json *patch, struct deadline deadline, struct err *err);

/*
 * Changes what depends on what is there: gets the object, asks for a merge patch, and sends it for
 * that version; if another one was quicker, all over again. make returns the patch (owned by the
 * caller), or NULL if nothing is to be changed, or NULL with an error. sub: "/status", or "". The
 * object as it is then.
 */
typedef struct json *(*kube_make_patch)(void *arg, const struct json *object, struct err *err);
struct json *kube_change(struct kube *k, const char *path, const char *sub, kube_make_patch make,
			 void *arg, struct deadline deadline, struct err *err);

/* Removes it if it is still that one; each may be NULL. E_STATE: it is another one. */
struct kube_precondition {
	const char *uid, *version;
};
MUST_CHECK int kube_delete(struct kube *k, const char *path, const struct kube_precondition *is,
			   struct deadline deadline, struct err *err);

/* --- many --- */

struct kube_selection {
	const char *path;            /* the collection */
	const char *labels, *fields; /* selectors; NULL: all */
	bool metadata;               /* only their metadata */
	bool cached; /* a list may be some moments old: what the server has in memory, all at once */
};

/* What list and watch tell. */
enum kube_event {
	KUBE_BEGIN, /* what is told from here to KUBE_SYNCED is all there is: what was known and is
	               * not told again is gone. Comes again if the server forgot where we were. No object */
	KUBE_FOUND, /* it is there */
	KUBE_CHANGED,
	KUBE_REMOVED,
	KUBE_SYNCED, /* no object */
};
/* 0: go on. 1: that is enough. -1: fail with err. object is borrowed. */
typedef int (*kube_event_fn)(void *arg, enum kube_event event, const struct json *object,
			     struct err *err);

/* Tells KUBE_BEGIN, each object, KUBE_SYNCED; page by page, as of one version of the collection. */
MUST_CHECK int kube_list(struct kube *k, const struct kube_selection *s, kube_event_fn fn,
			 void *arg, struct deadline deadline, struct err *err);
/*
 * Lists, and then tells what changes, until fn says that it is enough (0), it fails, the deadline passes
 * (E_TIMEOUT) or it is cancelled. A stream that ends, also by a cut, is resumed after the last version
 * seen, bookmarks included; if the server has forgotten that one (410), the list is told again.
 */
MUST_CHECK int kube_watch(struct kube *k, const struct kube_selection *s, kube_event_fn fn,
			  void *arg, struct deadline deadline, struct err *err);
/* How many there are, without fetching them all where there is no selector. */
MUST_CHECK int kube_count(struct kube *k, const struct kube_selection *s, uint64_t *n,
			  struct deadline deadline, struct err *err);

/* --- small things --- */

/* Concatenates the parts (NULL at the end), each with a "/" before it and escaped as one component
 * of a path; heap. */
char *kube_path(const char *first, ...) __attribute__((sentinel));
/* "metadata.NAME" as text; NULL: there is none. */
const char *kube_meta(const struct json *object, const char *name);
/* metadata.labels or .annotations KEY; NULL: there is none. */
const char *kube_meta_of(const struct json *object, const char *map, const char *key);
/* Now, as metav1.MicroTime and metav1.Time have it: "2026-11-24T02:08:00.123456Z". */
enum { KUBE_TIME_SIZE = 40 };
void kube_now(bool micro, char text[KUBE_TIME_SIZE]);
/* E_USAGE unless it may be the name of an object (a DNS subdomain). */
MUST_CHECK int kube_check_name(const char *name, const char *what, struct err *err);
/* E_USAGE unless it may be the value of a label. */
MUST_CHECK int kube_check_label(const char *value, const char *what, struct err *err);
/* A pause of about ms (between half and all of it), shorter only if it is cancelled: E_CANCELLED. */
MUST_CHECK int kube_pause(const struct kube *k, unsigned ms, struct err *err);
/* ms with a random part taken off: between half and all of it. */
unsigned kube_jitter(unsigned ms);
