// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The shim's model: one container that is its own sandbox, and the processes in it.
 *
 * Locks: shim.lock guards the state of the container and its processes. Streams and waiters live on
 * the loop. Flows (FLOW methods) take steps with the lock released; the state says who is at work.
 */

#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"
#include "loop/loop.h"
#include "oci/spec.h"
#include "protocols/task.pb-c.h"
#include "sandbox/sandbox.h"
#include "ttrpc/ttrpc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct shim;
struct io;
struct events;

/* How the shim was called (containerd's runtime v2 arguments). */
struct invocation {
	const char *namespace, *id, *address, *publish_binary, *socket, *bundle;
	bool debug, version, info, help;
};

enum process_state {
	PROCESS_CREATED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_PAUSED,
	PROCESS_STOPPED,
};

struct process {
	struct shim *shim;
	char *exec_id; /* "" for the container */
	enum process_state state;
	bool ended; /* the agent said so: exit_status and exited_at hold, its output may be on its
		       way */
	uint32_t exit_status;
	struct timespec exited_at;
	bool terminal;
	char *in, *out, *err;     /* URIs */
	struct oci_process *spec; /* an exec's */
	uint32_t rows, columns;   /* asked for before the start */
	struct io *io;
	VEC(struct ttrpc_call *) waiters;
};

struct shim {
	const struct invocation *inv;
	struct loop *loop;
	struct watch *signals;
	struct ttrpc_server *server;
	struct events *events;
	struct runtime_config *config;
	pthread_mutex_t lock;
	/* The container; NULL before Create. */
	char *bundle, *rootfs;
	struct oci_spec *spec;
	struct sandbox *sandbox;
	pid_t pid; /* what the manager is told: the VMM's */
	struct process *init;
	VEC(struct process *) execs;
	bool rootfs_mounted, creating;
	/* Flows that hold the container; delete waits for the others and lets no new one in. */
	unsigned users;
	pthread_cond_t left;
	bool deleting;
};

/* --- the service --- */

extern const struct ttrpc_method task_methods[];

void task_state(struct ttrpc_call *call, const void *request, void *arg);
void task_create(struct ttrpc_call *call, const void *request, void *arg);
void task_start(struct ttrpc_call *call, const void *request, void *arg);
void task_delete(struct ttrpc_call *call, const void *request, void *arg);
void task_pids(struct ttrpc_call *call, const void *request, void *arg);
void task_pause(struct ttrpc_call *call, const void *request, void *arg);
void task_resume(struct ttrpc_call *call, const void *request, void *arg);
void task_checkpoint(struct ttrpc_call *call, const void *request, void *arg);
void task_kill(struct ttrpc_call *call, const void *request, void *arg);
void task_exec(struct ttrpc_call *call, const void *request, void *arg);
void task_resize_pty(struct ttrpc_call *call, const void *request, void *arg);
void task_close_io(struct ttrpc_call *call, const void *request, void *arg);
void task_update(struct ttrpc_call *call, const void *request, void *arg);
void task_wait(struct ttrpc_call *call, const void *request, void *arg);
void task_stats(struct ttrpc_call *call, const void *request, void *arg);
void task_connect(struct ttrpc_call *call, const void *request, void *arg);
void task_shutdown(struct ttrpc_call *call, const void *request, void *arg);

/* Answers Empty, or the error. */
void task_answer(struct ttrpc_call *call, const struct err *err);

/* --- processes --- */

/* With the lock held. E_NOT_FOUND names it; "" is the container itself. */
struct process *shim_find(struct shim *s, const char *id, const char *exec_id, struct err *err);
struct process *process_new(struct shim *s, const char *exec_id);
void process_free(struct process *p);
enum { PROCESS_LOST = 255 }; /* the exit status of what ended with its VM */
/* With the lock held: the end of a process, once. Tells waiters and the manager. */
void process_exited(struct process *p, uint32_t status);
/* After the start: the agent is asked for the end. */
void process_watch(struct process *p);

/* Undoes create, whole or in part: streams, sandbox, root file system, memory. */
void shim_take_down(struct shim *s);

/* On the loop: everything ends with the sandbox. */
void shim_sandbox_died(void *arg, const struct err *why);
void shim_watch_oom(struct shim *s);

/* --- streams --- */

/* Opens the URIs (fifo, file, binary). Blocking; nothing moves until io_start. */
MUST_CHECK int io_open(struct process *p, struct io **out, struct err *err);
/* Loop: calls done once when the output of a process that has ended was taken by its readers, at
 * once if there is none; who waits for the process may close them when it is told. Neither a reader
 * that does not read nor another writer of the same output delays it for long. */
void io_settle(struct io *io, loop_fn done, void *arg);
void io_start(struct io *io);       /* any thread */
void io_close_stdin(struct io *io); /* loop: what was written is delivered, then the end */
/* Waits until all output was delivered, at most until the deadline, then lets go of everything. Not
 * on the loop; NULL is accepted. */
void io_finish(struct io *io, struct deadline deadline);

/* --- events --- */

struct events *events_new(const char *ttrpc_address, const char *namespace);
/* Any thread: queues; a thread of its own delivers in order and tries again for a while. */
void events_publish(struct events *e, const char *topic, const ProtobufCMessage *event);
/* Delivers what is queued, at most until the deadline, and frees. */
void events_free(struct events *e, struct deadline deadline);

/* --- spec --- */

/* What the guest is to run: hooks, host paths and namespaces replaced by what holds there. */
MUST_CHECK int spec_for_guest(struct sandbox *sb, const struct runtime_config *config,
			      const char *id, struct oci_spec *spec, struct err *err);
struct sandbox_size spec_size(const struct runtime_config *c, const struct oci_spec *spec);

/* --- main.c --- */

MUST_CHECK int shim_start(const struct invocation *inv, int argc, char **argv, struct err *err);
MUST_CHECK int shim_delete(const struct invocation *inv, struct err *err);
MUST_CHECK int shim_serve(const struct invocation *inv, struct err *err);
