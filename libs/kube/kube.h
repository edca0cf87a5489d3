// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A client of the Kubernetes API over HTTP/1.1 and JSON, with the operations that an agent of a
 * node needs.
 *
 *	AUTO(kube) struct kube *k = NULL;
 *	struct kube_options o = { .kubeconfig = NULL };		// in the cluster
 *	if (kube_open(&o, &k, err) < 0)
 *		return -1;
 *	AUTO(json) struct json *node = kube_get(k, "/api/v1/nodes/n1", deadline_in(20000), err);
 *
 * Access. In a cluster: KUBERNETES_SERVICE_HOST and _PORT, and the directory of the service account
 * (token, ca.crt, namespace). With a kubeconfig: its current context, or a named one; certificates
 * and tokens as data or as files. These settings are refused, with a hint: programs that make
 * credentials (exec), auth providers, passwords, impersonation, tls-server-name, servers whose
 * certificate is not checked, and plain http to another host than this one. Only the authority of
 * the access is trusted, never those of the system; proxies of the environment are ignored.
 *
 * Rotation. Before each request the files of the access (token, authority, certificate, key) that
 * have changed are read again. If the server answers 401 or its certificate does not verify, all
 * are read again at once and the request is repeated, once.
 *
 * Repetition. Until the deadline, a request is repeated after an answer 429, 500, 502, 503 or 504,
 * after a connection that was refused or cut, and after KUBE_TRY_MS without an answer. The pauses
 * in between grow and have a random part, or are as long as Retry-After demands (KUBE_PAUSE_MAX at
 * most). The server may therefore execute a request twice. Requests are made so that this does no
 * harm: objects are created with a name, so that the second time is E_EXISTS; a change either names
 * the version that it applies to or states the desired result.
 *
 * Bounds. An answer has at most KUBE_OBJECT_MAX bytes (a page of a list KUBE_PAGE_MAX, an event of
 * a watch KUBE_OBJECT_MAX); a longer one is E_LIMIT and is not kept in memory. JSON is strict.
 *
 * Errors: E_NOT_FOUND (404), E_EXISTS (409, the object exists), E_STATE (409, the object has
 * another version; 412), E_PERMISSION (401, 403), E_INVALID (400, 422), E_GONE (no answer, 5xx),
 * E_TIMEOUT (the deadline), E_LIMIT, E_TRUST (TLS), E_PROTOCOL (not an API server), E_CANCELLED. A
 * message names the request and quotes the server without control characters.
 *
 * Sources: Kubernetes' API reference and API conventions; the type Config of kubeconfig (v1).
 *
 * Threads: one thread at a time may use a struct kube; different ones are independent.
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
	KUBE_OBJECT_MAX = 3 << 20, /* bytes; etcd's limit is 1.5 MiB */
	KUBE_PAGE_MAX = 16 << 20,  /* bytes */
	KUBE_PAGE = 250,           /* objects of a page */
	KUBE_CONFIG_MAX = 1 << 20, /* bytes of a kubeconfig, and of each file that it names */
	KUBE_TRY_MS = 15000,       /* for one try of a request */
	KUBE_PAUSE_MS = 250,       /* the first pause */
	KUBE_PAUSE_MAX = 30000,    /* ms */
	KUBE_PATH_MAX = 16 << 10,  /* bytes, with the query */
	KUBE_VERSION_MAX = 128,    /* bytes of a resourceVersion */
};

struct kube_options {
	const char *kubeconfig; /* NULL: in the cluster */
	const char *context;    /* of the kubeconfig; NULL: its current one */
	const char *account;    /* directory of the service account; NULL: KUBE_ACCOUNT */
	unsigned pause_ms;      /* the first pause; 0: KUBE_PAUSE_MS */
	int cancel;             /* an fd that cancels requests when it is readable; 0: none */
};

struct kube;

/* Makes a client; *k is freed with kube_free(). The cancel fd stays the caller's and must outlive
 * it. Sends nothing yet. E_CONFIG, E_UNSUPPORTED, E_NOT_FOUND, E_TRUST. */
MUST_CHECK int kube_open(const struct kube_options *o, struct kube **k, struct err *err);
/* Another client with the same access, for another thread. */
struct kube *kube_clone(const struct kube *k);
void kube_free(struct kube *k);
DEFINE_AUTO(kube, struct kube *, NULL, kube_free)

/* The server's URL. Borrowed from k. */
const char *kube_server(const struct kube *k);
/* The namespace of the service account or the context; "default" if it has none. Borrowed from
 * k. */
const char *kube_namespace(const struct kube *k);
/* The number of requests sent so far, repetitions included. */
uint64_t kube_requests(const struct kube *k);

/* --- one object --- */

/*
 * path is that of the object ("/api/v1/nodes/n1"), for kube_create() that of the collection. Build
 * a path from untrusted names with kube_path(). Each call returns the object as the server has it
 * afterwards, which the caller frees, or NULL on error.
 */
struct json *kube_get(struct kube *k, const char *path, struct deadline deadline, struct err *err);
/* metadata.name is required. */
struct json *kube_create(struct kube *k, const char *path, const struct json *object,
			 struct deadline deadline, struct err *err);
/* Replaces the object if its version is metadata.resourceVersion, which is required; else
 * E_STATE. */
struct json *kube_update(struct kube *k, const char *path, const struct json *object,
			 struct deadline deadline, struct err *err);

enum kube_patch { KUBE_MERGE, KUBE_STRATEGIC }; /* JSON merge patch; strategic merge patch */
struct json *kube_patch(struct kube *k, const char *path, enum kube_patch kind,
			const struct json *patch, struct deadline deadline, struct err *err);

/*
 * Read, modify, write: gets the object, calls make for a merge patch, and sends the patch for the
 * version that was read. If the object has changed meanwhile, it begins again. make returns the
 * patch, which this function frees; NULL if nothing has to change; NULL with err set to fail. sub:
 * "/status" to change that subresource, or "". Returns the object afterwards, owned by the caller.
 */
typedef struct json *(*kube_make_patch)(void *arg, const struct json *object, struct err *err);
struct json *kube_change(struct kube *k, const char *path, const char *sub, kube_make_patch make,
			 void *arg, struct deadline deadline, struct err *err);

/* Deletes the object if it has this uid and this version (each, and is itself, may be NULL: any);
 * else E_STATE. */
struct kube_precondition {
	const char *uid, *version;
};
MUST_CHECK int kube_delete(struct kube *k, const char *path, const struct kube_precondition *is,
			   struct deadline deadline, struct err *err);

/* --- many --- */

struct kube_selection {
	const char *path;            /* the collection */
	const char *labels, *fields; /* selectors; NULL: all objects */
	bool metadata;               /* only the metadata of the objects */
	bool cached; /* lists may come from the cache of the server, a few moments old, unpaged */
};

/* Events of lists and watches. */
enum kube_event {
	/* A list begins, or begins anew. Objects known from before and not reported up to
	 * KUBE_SYNCED have been deleted. A watch lists again if the server no longer knows the last
	 * version. No object. */
	KUBE_BEGIN,
	KUBE_FOUND,   /* an object of the list, or a new one */
	KUBE_CHANGED, /* the object has changed */
	KUBE_REMOVED, /* the object was deleted, or is no longer selected */
	KUBE_SYNCED,  /* the end of a list. No object */
};
/* Called with each event; object is borrowed. Returns 0 to continue, 1 to end the list or watch, -1
 * with err set to fail. */
typedef int (*kube_event_fn)(void *arg, enum kube_event event, const struct json *object,
			     struct err *err);

/* Reports KUBE_BEGIN, KUBE_FOUND for each object, and KUBE_SYNCED. The list is read page by page
 * and is that of one version of the collection. If a page is longer than KUBE_PAGE_MAX, the list
 * begins anew with fewer objects in a page; E_LIMIT: a single one is too long. */
MUST_CHECK int kube_list(struct kube *k, const struct kube_selection *s, kube_event_fn fn,
			 void *arg, struct deadline deadline, struct err *err);
/*
 * Lists, and then reports changes, until fn returns 1 (the result is 0), fn fails, the deadline
 * passes (E_TIMEOUT) or the watch is cancelled. A stream that ends or is cut is resumed after the
 * last version received, bookmarks included; if the server no longer knows that version (410), it
 * lists again.
 */
MUST_CHECK int kube_watch(struct kube *k, const struct kube_selection *s, kube_event_fn fn,
			  void *arg, struct deadline deadline, struct err *err);
/* Sets *n to the number of selected objects. Without selectors the objects are not fetched. */
MUST_CHECK int kube_count(struct kube *k, const struct kube_selection *s, uint64_t *n,
			  struct deadline deadline, struct err *err);

/* --- helpers --- */

/* Concatenates the parts (NULL at the end), each with a "/" before it and escaped as one component
 * of a path; heap. */
char *kube_path(const char *first, ...) __attribute__((sentinel));
/* The text of metadata.NAME, borrowed from object; NULL if it is missing. */
const char *kube_meta(const struct json *object, const char *name);
/* The text of KEY in metadata.MAP ("labels", "annotations"), borrowed; NULL if it is missing. */
const char *kube_meta_of(const struct json *object, const char *map, const char *key);
/* The current time in the format of metav1.MicroTime ("2026-11-24T02:08:00.123456Z") or metav1.Time
 * (without the fraction). */
enum { KUBE_TIME_SIZE = 40 };
void kube_now(bool micro, char text[KUBE_TIME_SIZE]);
/* E_USAGE unless name is valid as the name of an object (a DNS subdomain). */
MUST_CHECK int kube_check_name(const char *name, const char *what, struct err *err);
/* E_USAGE unless value is valid as the value of a label. */
MUST_CHECK int kube_check_label(const char *value, const char *what, struct err *err);
/* Sleeps for kube_jitter(ms); E_CANCELLED if it is cancelled meanwhile. */
MUST_CHECK int kube_pause(const struct kube *k, unsigned ms, struct err *err);
/* A random number of milliseconds between ms / 2 and ms. */
unsigned kube_jitter(unsigned ms);
