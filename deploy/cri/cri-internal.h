// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What the files of deploy/cri share.
 *
 * A back end is a row of the table in cri.c: how its manager is recognised, what its files are to
 * say, and how it is asked. It describes changes by adding edits to a struct edits; that they are
 * undone is not its business.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/str.h"
#include "base/vec.h"
#include "deploy/cri/cri.h"
#include "toml/toml.h"

#include <stdint.h>
#include <sys/types.h>

enum { CRI_FILE_MAX = 1 << 20, CRI_ASK_MS = 5000 };

/* --- processes (probe.c) --- */

struct process {
	pid_t pid;
	char *exe;   /* what it executes, without " (deleted)" */
	char **argv; /* strv */
	char *unit;  /* of its cgroup: "k3s.service", or NULL */
};

struct processes {
	VEC(struct process) rows;
};
#define PROCESSES_INIT           \
	{                        \
		.rows = VEC_INIT \
	}
/* Those that share our root directory: a manager inside a container is not this node's. */
void processes_scan(struct processes *p);
void processes_release(struct processes *p);
DEFINE_AUTO_STRUCT(processes, struct processes, processes_release)
/* The value of --name VALUE, --name=VALUE or (short_name not NULL) -n VALUE; NULL. */
const char *process_option(const struct process *p, const char *name, const char *short_name);

/* Who made a unix socket that is listened to. That is not who serves it where a service manager
 * opened the socket, as docker's. */
struct peer {
	pid_t pid;      /* 0: nobody, or not to be seen from here */
	uint64_t start; /* clock ticks since boot: pid numbers come again */
};
/* E_NOT_FOUND, E_GONE: nobody listens. */
MUST_CHECK int peer_look(const char *socket, struct peer *out, struct err *err);
struct peer peer_of(pid_t pid);
bool peer_same(const struct peer *a, const struct peer *b);

/* "1.6.20" out of what PROGRAM --version prints; NULL if it does not say. */
char *program_version(const char *program);
/* -1: not known. */
int version_major(const char *version);
int version_minor(const char *version);

/* --- the manager --- */

enum restart_how { RESTART_NONE, RESTART_COMMAND, RESTART_ITSELF, RESTART_HANGUP };

struct cri_backend;

struct cri {
	const struct cri_backend *back;
	const struct cri_options *o; /* own, below */
	struct cri_options own;      /* what it points to is the caller's */
	char *root;                  /* "" or "/DIR" */
	char *config, *socket;       /* as the manager sees them; socket may be NULL */
	char *binary, *version;      /* NULL: not known */
	char *unit;
	char *why;
	bool found, running;
	bool *have; /* per handler: the configuration has it already, without us */
};

struct edits;

struct cri_backend {
	const char *name;
	const char *config;          /* default path */
	const char *socket;          /* default path */
	const char *const *exes;     /* basenames, or with a slash: parts of the path */
	const char *const *marks;    /* files that say: it is installed here */
	const char *const *binaries; /* where the binary is if it does not run */
	const char *const *units;    /* candidates, if its process does not say */
	bool (*is_mine)(const struct process *p); /* NULL: by exes */
	bool flags; /* its --config and --address are those of containerd */
	enum restart_how restart;
	/* Adds what is to be there. May find that there is nothing to do (reason says why). */
	int (*edit)(struct cri *c, struct edits *e, struct err *err);
	/* Takes out what an install left whose record is lost; NULL: by our comments. */
	int (*adopt)(const struct cri *c, struct edits *e, struct err *err);
	/* The would-be files; NULL: they are data of ours alone. */
	int (*check)(struct cri *c, struct edits *e, const char *config, char **why,
		     struct err *err);
	int (*answers)(const char *socket, struct deadline deadline, struct err *err);
	/* Names of the runtimes that it serves. */
	int (*served)(const char *socket, struct deadline deadline, char ***names, struct err *err);
};

extern const struct cri_backend backend_containerd, backend_k3s, backend_rke2, backend_k0s,
	backend_microk8s, backend_crio, backend_docker, backend_nerdctl;
const struct cri_backend *backend_find(const char *name);
bool backend_runs_as(const struct cri_backend *back, const struct process *p);

int containerd_answers(const char *socket, struct deadline deadline, struct err *err);

/* ROOT + path */
char *cri_path(const struct cri *c, const char *path);
/* PREFIX/bin/containerd-shim-kata-v2 */
char *cri_shim(const struct cri *c);

/* --- files (edit.c) --- */

/* A file as it is, and as it is going to be. NULL: there is none. */
struct work_file {
	char *path; /* as the manager sees it */
	char *real; /* with root */
	char *now, *want;
};

/* The first line of a file that is ours as a whole. */
#define CRI_OWN_FILE \
	"# Written by kata-deploy, which replaces this file as a whole: edits are lost.\n"

enum edit_kind {
	EDIT_FILE,   /* the whole file is ours */
	EDIT_BLOCK,  /* lines at the end of a file, between two comments */
	EDIT_IMPORT, /* an element of a TOML file's imports */
	EDIT_DOCKER, /* a member of daemon.json's runtimes */
};

struct edit {
	enum edit_kind kind;
	char *path;
	char *text;    /* BLOCK: the bytes; IMPORT: the element; DOCKER: the member's name */
	char *base;    /* we made the file: what it has besides; it goes when it says that again */
	bool made_key; /* IMPORT, DOCKER: the array or object was made too */
};

struct edits {
	const char *root; /* borrowed; "" for / */
	VEC(struct work_file) files;
	VEC(struct edit) done;
	char *reason; /* of the plan, if not the usual */
	bool off;     /* there is nothing to register with; reason says why */
};
#define EDITS_INIT(where)                           \
	{                                           \
		.root = (where), .files = VEC_INIT, \
	}
void edits_release(struct edits *e);
DEFINE_AUTO_STRUCT(edits, struct edits, edits_release)

/* The contents that a file is going to have, NULL if there is none; borrowed until its next edit.
 */
MUST_CHECK int edits_read(struct edits *e, const char *path, const char **text, struct err *err);
MUST_CHECK int edit_file(struct edits *e, const char *path, const char *text, struct err *err);
/* fresh: the text that a file without contents gets in front of the block. */
MUST_CHECK int edit_block(struct edits *e, const char *path, const char *fresh, const char *lines,
			  struct err *err);
MUST_CHECK int edit_import(struct edits *e, const char *path, const char *fresh,
			   const char *element, struct err *err);
MUST_CHECK int edit_docker(struct edits *e, const char *path, const char *name, const char *value,
			   struct err *err);
/* Takes earlier edits out of the files, newest first. */
MUST_CHECK int edits_undo(struct edits *e, const struct json *recorded, struct err *err);
/* Takes out of a file what an install put there whose record is lost, together with its prefix:
 * lines between our comments, or all of a file that says so, if it leads to that shim; and an
 * element of imports that only we write. */
MUST_CHECK int edits_adopt(struct edits *e, const char *path, const char *shim, struct err *err);
MUST_CHECK int edits_adopt_import(struct edits *e, const char *path, const char *element,
				  struct err *err);
MUST_CHECK int edits_adopt_docker(struct edits *e, const char *path, const char *name,
				  const char *value, struct err *err);
struct json *edits_record(const struct edits *e);
bool edits_change(const struct edits *e);

/* --- containerd's dialects (handlers.c) --- */

/* The tables of the handlers that are not there. schema: 1, 2, 3 ...; by_path: runtime_type is the
 * shim's path, for managers that do not look at runtime_path. */
MUST_CHECK int handlers_write(const struct cri *c, int schema, bool by_path, struct buf *out,
			      struct err *err);
/* The table of runtimes in a tree, NULL if it has none. */
struct toml_value *handlers_find(const struct toml_value *tree, int schema);
const char *handlers_section(int schema);
/* Marks those of ours in c->have that are in that table and lead to our shim; another one of the
 * same name is E_EXISTS. file is for the message. runtimes may be NULL. */
MUST_CHECK int handlers_there(struct cri *c, const struct toml_value *runtimes, const char *file,
			      struct err *err);
bool handlers_all(const struct cri *c); /* all are there */

/* --- containerd (containerd.c, check.c) --- */

/* The edits of a containerd with that root configuration. */
MUST_CHECK int containerd_edit(struct cri *c, struct edits *e, struct err *err);
/* The version that a root file says; 1 for one that says none, 0 for one that says nothing. */
MUST_CHECK int containerd_schema(const struct toml_value *root, struct err *err);
/* Our drop-in. */
MUST_CHECK int containerd_dropin(struct cri *c, struct edits *e, const char *path, int schema,
				 struct err *err);
/* Our lines at the end of a file, which holds runc if that is wanted too. */
MUST_CHECK int containerd_block(struct cri *c, struct edits *e, const char *path, const char *fresh,
				int schema, bool runc, struct err *err);
/* Marks the handlers that the root file and what it imports have. */
MUST_CHECK int containerd_look(struct cri *c, struct edits *e, const struct toml_value *root,
			       struct err *err);
/* A name in the directory of config. */
char *beside(const char *config, const char *name);
/* Those of the root file, patterns expanded in their order; strv of paths without root. */
char **import_files(const struct cri *c, const struct toml_value *root, const char *config);
/* The same of the root file as it is, NULL if it cannot be read. */
char **containerd_imported(const struct cri *c);
/* True if an element of imports names or matches path. */
bool import_has(const struct cri *c, const struct toml_value *root, const char *config,
		const char *path);
/* The would-be configuration, as the manager itself reads it, is the one of now but for our
 * handlers. Where that cannot be asked *why says why not, heap. */
MUST_CHECK int containerd_check(struct cri *c, struct edits *e, const char *config, char **why,
				struct err *err);

/* --- restarting (restart.c) --- */

/* What steps need, also in another process: {"name", "socket", "how", "command", "seconds"}. */
MUST_CHECK int restart_plan(const struct cri *c, struct json *to, struct err *err);
enum { CRI_STEPS = 3 };
/* Watch, restart, served (if handlers); steps and their arguments are freed with steps_free. */
struct cri_steps;
struct cri_steps *steps_new(const struct json *restart, char *const *handlers);
void steps_free(struct cri_steps *s);
const struct deploy_step *steps_list(const struct cri_steps *s, size_t *n);
