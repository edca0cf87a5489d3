// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A back end describes one container manager: how it is detected, what its configuration must
 * contain, and how it is queried. It describes changes by adding edits to a struct edits; undoing
 * them is generic.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "deploy/cri/cri.h"
#include "deploy/cri/edit.h"
#include "deploy/cri/process.h"

#include <stdbool.h>

/* What to do about a handler of a name that is taken. */
#define CRI_OTHER_NAMES                                                                           \
	"remove it, or give this installation names of its own: --no-default-handlers --handler " \
	"NAME=CONFIG"

enum { CRI_ASK_MS = 5000 }; /* time limit of a query to the manager */

enum restart_how { RESTART_NONE, RESTART_COMMAND, RESTART_ITSELF, RESTART_HANGUP };

struct cri_backend;

struct cri {
	const struct cri_backend *back;
	const struct cri_options *o; /* &own */
	struct cri_options own;      /* its pointers are the caller's */
	char *root;                  /* "" or "/DIR" */
	char *config, *socket;       /* as the manager sees them; socket may be NULL */
	char *binary, *version;      /* NULL: not known */
	char *unit;
	char *why;
	bool found, running;
	char *spelled; /* the shim, as an earlier registration has it; NULL: PREFIX/bin/... */
	bool *have;    /* per handler: already in the configuration, not by us */
};

struct cri_backend {
	const char *name;
	const char *config;          /* default path */
	const char *other_config;    /* where it is if none of marks is there, or NULL */
	const char *socket;          /* default path */
	const char *const *exes;     /* base names, or, with a slash, parts of the path */
	const char *const *marks;    /* files that show that it is installed */
	const char *const *binaries; /* where its binary may be, if it does not run */
	const char *const *units;    /* candidates, if its process shows none */
	const char *const *own;      /* files that we write, as for cri_own_file() */
	bool (*is_mine)(const struct process *p); /* NULL: by exes */
	/* The configuration and the socket on the command line of its process, heap, NULL: it has
	 * none. NULL: it has no such options. */
	char *(*config_of)(const struct process *p);
	char *(*socket_of)(const struct process *p);
	enum restart_how restart;
	/* Adds the edits of a registration. May set off, with reason. */
	int (*edit)(struct cri *c, struct edits *e, struct err *err);
	/* Removes a registration whose record is lost; NULL: found in the files of own and in the
	 * configuration, by our comments. */
	int (*adopt)(const struct cri *c, struct edits *e, struct err *err);
	/* Checks the new configuration; NULL: no check is needed, or none exists. */
	int (*check)(struct cri *c, struct edits *e, const char *config, char **why,
		     struct err *err);
	int (*answers)(const char *socket, struct deadline deadline, struct err *err);
	/* Names of the runtimes that it serves, strv. */
	int (*served)(const char *socket, struct deadline deadline, char ***names, struct err *err);
};

/* --- the back ends, and their table (backend.c) --- */

extern const struct cri_backend backend_containerd, backend_k3s, backend_rke2, backend_k0s,
	backend_microk8s, backend_crio, backend_docker, backend_nerdctl;
/* In the order in which they are looked for; NULL at the end. */
extern const struct cri_backend *const backends[];
const struct cri_backend *backend_find(const char *name);
char *backend_names(void); /* "containerd, k3s, ...", heap */
bool backend_runs_as(const struct cri_backend *back, const struct process *p);

/* Detects the manager of one back end among the running processes and in its files; found says
 * whether there is one. The caller frees *out with cri_free(). */
MUST_CHECK int cri_look(const struct cri_options *o, const struct cri_backend *back,
			const struct processes *all, struct cri **out, struct err *err);
/* Removes what is ours in the files of the back end's own, its configuration and what that imports,
 * if it refers to our shim. */
MUST_CHECK int cri_adopt_own(const struct cri *c, struct edits *e, struct err *err);
/* ROOT + path */
char *cri_path(const struct cri *c, const char *path);
/* PREFIX/bin/containerd-shim-kata-v2 */
char *cri_shim(const struct cri *c);
/* The path of a file that is ours as a whole, beside the configuration: "conf.d/kata-deploy.toml".
 * Installations side by side have one each, so that of another prefix than the default has the
 * prefix in its name: "conf.d/kata-deploy-srv-kata.toml". */
char *cri_own_file(const struct cri *c, const char *name);
