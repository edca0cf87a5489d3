// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A back end describes one container manager (cri.h): how it is detected, what its configuration
 * must contain, and how it is queried. It makes changes by adding edits to a struct edits (edit.h);
 * the undo of edits is the same for all back ends.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "deploy/cri/cri.h"
#include "deploy/cri/edit.h"
#include "deploy/cri/process.h"

#include <stdbool.h>

/* The remedy for a handler whose name is taken. */
#define CRI_OTHER_NAMES                                                                           \
	"remove it, or give this installation names of its own: --no-default-handlers --handler " \
	"NAME=CONFIG"

enum {
	CRI_ASK_MS = 5000, /* time limit of a query to the manager */
	CRI_START_MS =
		15000, /* for a manager that is being started or restarted by somebody else */
	CRI_POLL_MS = 50,
};

/* How the manager reads a changed configuration. */
enum restart_how {
	RESTART_NONE,
	RESTART_COMMAND, /* restarted by a command of the service manager, or --restart-with */
	RESTART_ITSELF,  /* it restarts by itself when its files change */
	RESTART_HANGUP,  /* on SIGHUP, without a restart */
};

struct cri_backend;
struct toml_value;

/* A manager on this node. Paths are as the manager sees them: without root. */
struct cri {
	const struct cri_backend *back;
	const struct cri_options *o; /* &own */
	struct cri_options own;      /* a copy; its pointers are the caller's */
	char *root;                  /* "" or "/DIR" */
	char *config, *socket;       /* socket may be NULL */
	char *binary, *version;      /* NULL: not known */
	char *unit;                  /* of its process; NULL: not known */
	char *default_runtime;       /* on the command line of its process, or NULL */
	char *why;                   /* how it was detected, for display */
	bool login;                  /* with unit NULL: a user started its process */
	bool found, running;
	char *spelled; /* the shim's path as an earlier registration has it; NULL: PREFIX/bin/... */
	bool *have;    /* for each handler: the configuration has it, and we did not write it */
};

struct cri_backend {
	const char *name;
	const char *config;       /* default path */
	const char *other_config; /* its path if none of marks exists, or NULL */
	const char *dropins;      /* beside config: a directory of files that are merged into it by
				   * their names, or NULL */
	const char *socket;       /* default path */
	const char *state;        /* state directory of its containerd, default path, or NULL */
	const char *const *exes;  /* its executables: base names, or, with a slash, path prefixes */
	const char *const *marks; /* files that show that it is installed */
	const char *const *binaries; /* where its binary may be, if it does not run */
	const char *const *units;    /* services to try, if its process has none */
	const char *const *own;      /* files that we write, as for cri_own_file() */
	const char *note;            /* a comment for the lines that we write, or NULL */
	bool single; /* a node has at most one: one of its processes names the configuration of all */
	bool (*is_mine)(const struct process *p); /* is p its process? NULL: compare exes */
	/* Words on the command line of a process that is not the manager, though its program is:
	 * "k3s kubectl", or only "kubectl"; "containerd config dump". NULL: there are none. */
	const char *const *clients;
	/* Return the path of the configuration and of the socket from the command line of its
	 * process, heap; NULL: it is not there. May be NULL: it has no such options. */
	char *(*config_of)(const struct process *p);
	char *(*socket_of)(const struct process *p);
	enum restart_how restart;
	unsigned restart_seconds; /* time limit of a restart, unless one is given; 0: 60 */
	/* Adds the edits of a registration. May set e->off, with a reason. */
	int (*edit)(struct cri *c, struct edits *e, struct err *err);
	/* True if a handler of its configuration runs our shim with the configuration of h, whatever
	 * the other settings are. NULL: as in containerd's. */
	bool (*runs_shim)(const struct cri *c, const struct cri_handler *h,
			  const struct toml_value *there);
	/* Removes a registration whose record is lost. NULL: cri_adopt_own(). */
	int (*adopt)(const struct cri *c, struct edits *e, struct err *err);
	/* Checks the new configuration; *why (heap): why that was not possible. NULL: nothing to
	 * check it with. */
	int (*check)(struct cri *c, struct edits *e, const char *config, char **why,
		     struct err *err);
	/* Fails if it does not answer. These two are never NULL. */
	int (*answers)(const char *socket, struct deadline deadline, struct err *err);
	/* Returns the names of the handlers that it serves, strv. E_UNSUPPORTED: it does not list
	 * them. */
	int (*served)(const char *socket, struct deadline deadline, char ***names, struct err *err);
};

/* --- the back ends, and their table (backend.c) --- */

extern const struct cri_backend backend_containerd, backend_k3s, backend_rke2, backend_k0s,
	backend_microk8s, backend_crio, backend_docker, backend_nerdctl;
/* In the order in which managers are detected; NULL at the end. */
extern const struct cri_backend *const backends[];
const struct cri_backend *backend_find(const char *name); /* or NULL */
char *backend_names(void);                                /* "k3s, rke2, ...", heap */
/* True if p is a process of that manager, for the whole node. */
bool backend_runs_as(const struct cri_backend *back, const struct process *p);

/* Looks for the manager of one back end among the running processes and by its files; the result is
 * (*out)->found. The caller frees *out with cri_free(). */
MUST_CHECK int cri_look(const struct cri_options *o, const struct cri_backend *back,
			const struct processes *all, struct cri **out, struct err *err);
/* Removes a registration of our shim whose record is lost: from the files of back->own and from the
 * configuration. */
MUST_CHECK int cri_adopt_own(const struct cri *c, struct edits *e, struct err *err);
/* Returns ROOT + path, heap. */
char *cri_path(const struct cri *c, const char *path);
/* Returns PREFIX/bin/containerd-shim-kata-v2, heap, spelled as in an earlier registration. */
char *cri_shim(const struct cri *c);
/* Returns the path of a file that is ours as a whole, beside the configuration, heap:
 * "conf.d/kata-deploy.toml". Each installation has one: for a prefix other than the default its
 * name has the prefix in it, "conf.d/kata-deploy-srv-kata.toml". */
char *cri_own_file(const struct cri *c, const char *name);
