// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Shared by the files of deploy/cri.
 *
 * A back end is a row of the table in cri.c: how its manager is detected, what its configuration
 * must contain, and how it is queried. It describes changes by adding edits to a struct edits;
 * undoing them is generic.
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
	char *exe;   /* its executable, without " (deleted)" */
	char **argv; /* strv */
	char *unit;  /* of its cgroup: "k3s.service"; NULL: none */
};

struct processes {
	VEC(struct process) rows;
};
#define PROCESSES_INIT           \
	{                        \
		.rows = VEC_INIT \
	}
/* Lists the processes that share our root directory: a manager inside a container is not this
 * node's. */
void processes_scan(struct processes *p);
void processes_release(struct processes *p);
DEFINE_AUTO_STRUCT(processes, struct processes, processes_release)
/* The value of --name VALUE, --name=VALUE or (short_name not NULL) -n VALUE; borrowed, NULL if
 * there is none. */
const char *process_option(const struct process *p, const char *name, const char *short_name);

/* The process that created a listening Unix socket. With socket activation (docker) that is the
 * service manager, not the server. */
struct peer {
	pid_t pid;      /* 0: none, or not visible from here */
	uint64_t start; /* clock ticks since boot: pids are reused */
};
/* E_NOT_FOUND, E_GONE: no process listens on it. */
MUST_CHECK int peer_look(const char *socket, struct peer *out, struct err *err);
struct peer peer_of(pid_t pid);
bool peer_same(const struct peer *a, const struct peer *b);

/* "1.6.20" from the output of PROGRAM --version, heap; NULL if there is no version in it. */
char *program_version(const char *program);
/* Of "1.6.20" 1 and 6; -1: not known. */
int version_major(const char *version);
int version_minor(const char *version);

/* --- the manager --- */

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
	bool *have; /* per handler: already in the configuration, not by us */
};

struct edits;

struct cri_backend {
	const char *name;
	const char *config;          /* default path */
	const char *socket;          /* default path */
	const char *const *exes;     /* base names, or, with a slash, parts of the path */
	const char *const *marks;    /* files that show that it is installed */
	const char *const *binaries; /* where its binary may be, if it does not run */
	const char *const *units;    /* candidates, if its process shows none */
	bool (*is_mine)(const struct process *p); /* NULL: by exes */
	bool flags;                               /* it takes containerd's --config and --address */
	enum restart_how restart;
	/* Adds the edits of a registration. May set off, with reason. */
	int (*edit)(struct cri *c, struct edits *e, struct err *err);
	/* Removes a registration whose record is lost; NULL: found by our comments. */
	int (*adopt)(const struct cri *c, struct edits *e, struct err *err);
	/* Checks the new configuration; NULL: no check is needed, or none exists. */
	int (*check)(struct cri *c, struct edits *e, const char *config, char **why,
		     struct err *err);
	int (*answers)(const char *socket, struct deadline deadline, struct err *err);
	/* Names of the runtimes that it serves, strv. */
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

/* A file before and after the edits; text NULL: no such file. */
struct work_file {
	char *path; /* as the manager sees it */
	char *real; /* with root */
	char *now, *want;
};

/* The first line of a file that consists of our configuration only. */
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
	char *base;    /* we created the file: its other contents; removed when only those are
		        * left */
	bool made_key; /* IMPORT, DOCKER: we created the array or object */
};

struct edits {
	const char *root; /* borrowed; "" for / */
	VEC(struct work_file) files;
	VEC(struct edit) done;
	char *reason; /* overrides the usual reason of the plan */
	bool off;     /* no registration is possible; reason says why */
};
#define EDITS_INIT(where)                           \
	{                                           \
		.root = (where), .files = VEC_INIT, \
	}
void edits_release(struct edits *e);
DEFINE_AUTO_STRUCT(edits, struct edits, edits_release)

/* The contents of a file with the edits so far, NULL if there is no such file; borrowed until its
 * next edit. */
MUST_CHECK int edits_read(struct edits *e, const char *path, const char **text, struct err *err);
MUST_CHECK int edit_file(struct edits *e, const char *path, const char *text, struct err *err);
/* fresh: the text that is put before the block in a new or empty file. */
MUST_CHECK int edit_block(struct edits *e, const char *path, const char *fresh, const char *lines,
			  struct err *err);
MUST_CHECK int edit_import(struct edits *e, const char *path, const char *fresh,
			   const char *element, struct err *err);
MUST_CHECK int edit_docker(struct edits *e, const char *path, const char *name, const char *value,
			   struct err *err);
/* Undoes recorded edits in the files, newest first. */
MUST_CHECK int edits_undo(struct edits *e, const struct json *recorded, struct err *err);
/* Removes a registration whose record was lost together with its prefix: lines between our
 * comments, or a whole file that begins with CRI_OWN_FILE, if it refers to that shim; or an element
 * of imports that only we write; or a member of runtimes with that name and value. */
MUST_CHECK int edits_adopt(struct edits *e, const char *path, const char *shim, struct err *err);
MUST_CHECK int edits_adopt_import(struct edits *e, const char *path, const char *element,
				  struct err *err);
MUST_CHECK int edits_adopt_docker(struct edits *e, const char *path, const char *name,
				  const char *value, struct err *err);
struct json *edits_record(const struct edits *e);
bool edits_change(const struct edits *e);

/* --- containerd's dialects (handlers.c) --- */

/* Writes the tables of the handlers that are missing. schema: the configuration's version, 1, 2, 3
 * ...; by_path: runtime_type is the shim's path, for managers that ignore runtime_path. */
MUST_CHECK int handlers_write(const struct cri *c, int schema, bool by_path, struct buf *out,
			      struct err *err);
/* The table of runtimes in a tree, borrowed; NULL if it has none. */
struct toml_value *handlers_find(const struct toml_value *tree, int schema);
const char *handlers_section(int schema);
/* Marks in c->have our handlers that are in that table and lead to our shim. E_EXISTS: a different
 * handler has the same name. file is for the message. runtimes may be NULL. */
MUST_CHECK int handlers_there(struct cri *c, const struct toml_value *runtimes, const char *file,
			      struct err *err);
bool handlers_all(const struct cri *c); /* all are there */

/* --- containerd (containerd.c, check.c) --- */

/* The edits of a containerd with that root configuration. */
MUST_CHECK int containerd_edit(struct cri *c, struct edits *e, struct err *err);
/* The version of a root file; 1 for one without a version, 0 for an empty one. */
MUST_CHECK int containerd_schema(const struct toml_value *root, struct err *err);
/* Writes our drop-in. */
MUST_CHECK int containerd_dropin(struct cri *c, struct edits *e, const char *path, int schema,
				 struct err *err);
/* Adds our lines at the end of a file; runc: with the built-in runtime runc too. */
MUST_CHECK int containerd_block(struct cri *c, struct edits *e, const char *path, const char *fresh,
				int schema, bool runc, struct err *err);
/* Marks in c->have the handlers that the root file and its imports have. */
MUST_CHECK int containerd_look(struct cri *c, struct edits *e, const struct toml_value *root,
			       struct err *err);
/* The path of a file in the directory of config; heap. */
char *beside(const char *config, const char *name);
/* The files that the root file imports, patterns expanded, in order; strv of paths without
 * --root. */
char **import_files(const struct cri *c, const struct toml_value *root, const char *config);
/* The same for the root file on disk; NULL if it cannot be read. */
char **containerd_imported(const struct cri *c);
/* True if an element of imports names or matches path. */
bool import_has(const struct cri *c, const struct toml_value *root, const char *config,
		const char *path);
/* Checks that the new configuration, as dumped by containerd itself, differs from the current one
 * in our handlers only. If that cannot be checked, *why (heap) says why and it succeeds.
 * E_CONFIG. */
MUST_CHECK int containerd_check(struct cri *c, struct edits *e, const char *config, char **why,
				struct err *err);

/* --- restarting (restart.c) --- */

/* What the steps need, also in another process: {"name", "socket", "how", "command", "seconds"}. */
MUST_CHECK int restart_plan(const struct cri *c, struct json *to, struct err *err);
enum { CRI_STEPS = 3 };
/* The steps watch, restart and, if there are handlers, serve. The caller frees them and their
 * arguments with steps_free(). */
struct cri_steps;
struct cri_steps *steps_new(const struct json *restart, char *const *handlers);
void steps_free(struct cri_steps *s);
const struct deploy_step *steps_list(const struct cri_steps *s, size_t *n);
