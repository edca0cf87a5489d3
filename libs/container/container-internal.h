// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What the files of libs/container share. Two sides: ours (create, start, exec, delete, cgroup) and
 * the container's (init and what it calls), which runs single-threaded in a re-executed copy of our
 * binary and may allocate and fail as it likes.
 */

#include "base/fd.h"
#include "base/path.h"
#include "container/cgroup.h"
#include "container/container.h"
#include "oci/spec.h"

#include <pthread.h>

/* linux/sched.h has it, glibc 2.36 not. */
#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

/* ------------------------------------------------------------- the talk between us and the helper
 */

/* fd numbers in the helper. */
enum { INIT_SOCKET = 3, INIT_SELF = 4 };

enum init_role { INIT_CREATE = 1, INIT_EXEC = 2 };

/* First message to the helper; json_len bytes of spec (or process) follow, then strings. */
struct init_request {
	uint32_t magic;
	uint32_t role;
	uint32_t json_len;
	uint32_t seccomp_len; /* exec: the spec's seccomp as a spec of its own, 0: none */
	bool seccomp;
	bool user_namespace; /* a new one: wait for the mappings */
	int32_t n_ns;        /* exec: fds of namespaces to join come with the request */
};
enum { INIT_MAGIC = 0x6b617461, INIT_JSON_MAX = OCI_DOCUMENT_MAX };

/* Messages from the helper, in this order: PID (of the real process, made with CLONE_PARENT, which
 * waits for GO), CONSOLE (with the terminal's master, if there is one), READY; or FAILED at any
 * point. After READY, create goes on at the FIFO, exec with the end of file that a successful
 * execve makes. From us: GO after PID, when the process is in its cgroup and its mappings are
 * written. */
enum init_note { NOTE_PID = 1, NOTE_CONSOLE, NOTE_READY, NOTE_FAILED, NOTE_GO };

struct init_message {
	uint32_t note;
	int32_t value; /* PID: the pid; FAILED: err_code */
	char text[480];
};

/* --------------------------------------------------------------------------------- our side */

/* Namespaces of OCI's names, in the order in which they are joined (user first). */
struct namespace_kind {
	const char *name, *file;
	int flag;
};
enum { NAMESPACES = 8 };
extern const struct namespace_kind namespace_kinds[NAMESPACES];
int namespace_index(const char *name); /* -1: unknown */

struct container {
	char *id, *bundle, *state_dir;
	struct oci_spec *spec;
	struct cgroup *cgroup; /* NULL: none (lenient) */
	int ns[NAMESPACES];    /* pinned; -1: shared with us */
	bool seccomp;
	pthread_mutex_t lock; /* guards state */
	enum container_state state;
	pid_t init;
};

/* Starts the helper with a request and follows it to READY. On success *sock is the socket. */
struct helper {
	enum init_role role;
	const char *json;
	const char *seccomp_json;
	const struct container_stdio *stdio;
	int fds[FD_PASS_MAX]; /* create: the FIFO; exec: namespaces */
	size_t n_fds;
	bool seccomp, user_namespace;
	/* Called between PID and GO: cgroup, mappings, runtime hooks. */
	int (*prepare)(struct container *c, pid_t pid, struct err *err);
};
MUST_CHECK int helper_run(struct container *c, const struct helper *h, struct deadline deadline,
			  struct container_process *out, int *sock, struct err *err);
/* The next message; E_TIMEOUT, or E_GONE at the end of the stream. fd may come with it. */
MUST_CHECK int helper_receive(int sock, struct deadline deadline, struct init_message *m, int *fd,
			      struct err *err);

/* ---------------------------------------------------------------------------- the container's side
 */

/* Mounts everything below root (an O_PATH fd of the new root) and makes it /. */
MUST_CHECK int rootfs_prepare(const struct oci_spec *spec, int *root, struct err *err);
MUST_CHECK int rootfs_finish(const struct oci_spec *spec, int root, struct err *err);
MUST_CHECK int rootfs_enter(int root, struct err *err);
MUST_CHECK int device_nodes(const struct oci_spec *spec, int root, struct err *err);

/* Opens a terminal of the devpts below root; *master is for the parent. console: it is also bound
 * on /dev/console (the first process). Returns the slave. */
MUST_CHECK int terminal_open(int root, const struct oci_process *p, bool console, int *master,
			     struct err *err);
MUST_CHECK int terminal_take(int slave, struct err *err);

MUST_CHECK int sysctl_apply(const struct oci_spec *spec, struct err *err);

/* Limits, identity, capabilities, seccomp, working directory, environment; then *env is what execve
 * gets and *program the file. */
struct identity {
	const struct oci_process *process;
	const struct oci_seccomp *seccomp; /* NULL: none */
	int proc;                          /* fd of our own /proc */
	bool make_cwd;
};
MUST_CHECK int identity_limits(const struct identity *id, struct err *err);
MUST_CHECK int identity_drop(const struct identity *id, struct err *err);
char **identity_environment(const struct oci_process *p);
char *identity_program(const struct oci_process *p, char *const *env, struct err *err);

MUST_CHECK int capability_bounding(const struct oci_capabilities *c, struct err *err);
MUST_CHECK int capability_apply(const struct oci_capabilities *c, struct err *err);
MUST_CHECK int seccomp_apply(const struct oci_seccomp *s, struct err *err);

/* Frees c and its fds; everything outside was undone before. */
void container_forget(struct container *c);
/* A stopped container stays stopped. */
void container_set_state(struct container *c, enum container_state state);
