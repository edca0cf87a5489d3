// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The shim's model: one container that is its own sandbox, and the processes in it. A verb of the
 * service is a file with three movements: parse, act, answer.
 *
 * Locks: shim.lock guards the state of the container and its processes. Streams and waiters live on
 * the loop. Flows (FLOW methods) take steps with the lock released: process_take looks at the state
 * and changes it in one step, and holds process and container until process_put.
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
	PROCESS_PAUSING, /* or resuming */
	PROCESS_PAUSED,
	PROCESS_STOPPED,
	PROCESS_ENDING, /* not stored: has ended, but its end is not told yet */
};
/* A set of states. */
#define IN(state)     (1U << PROCESS_##state)
#define IN_ANY        (~0U)
#define PROCESS_STAYS ((enum process_state) - 1)

struct process {
	struct shim *shim;
	char *exec_id; /* "" for the container */
	unsigned refs; /* the list's, and whoever works with it */
	enum process_state state;
	bool settling; /* its end is being told */
	bool ended;    /* exit_status and exited_at hold, its output may be on its way */
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
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	/* The container; NULL before Create. */
	char *bundle, *rootfs;
	struct oci_spec *spec;
	struct sandbox *sandbox;
	pid_t pid, share_pid; /* what the manager is told: the VMM, and the share's daemon */
	struct process *init;
	VEC(struct process *) execs;
	bool rootfs_mounted, creating;
	bool abandoned;     /* nobody waits for this Create: it is undone */
	bool shutting_down; /* no Create is accepted any more */
	unsigned users;     /* flows that hold the container; delete waits for the others */
	bool deleting;      /* and lets no new one in */
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
/* How long a call of the agent may take that is made for this one. */
struct deadline task_deadline(const struct shim *s, const struct ttrpc_call *call);
/* A flow's call of the agent whose answer is of no interest. */
MUST_CHECK int task_ask_agent(struct shim *s, const char *method, const void *message,
			      struct deadline deadline, struct err *err);

/* --- processes --- */

/* With the lock held. E_NOT_FOUND names it; "" is the container itself. */
struct process *shim_find(struct shim *s, const char *id, const char *exec_id, struct err *err);
/* With the lock held: E_STATE unless the process is in one of the states; what is the verb. */
MUST_CHECK int process_check(const struct process *p, unsigned allowed, const char *what,
			     struct err *err);
enum process_state process_now(const struct process *p); /* with the lock held */
/*
 * Finds a process that is in one of the allowed states, puts it into the next (PROCESS_STAYS: not)
 * and holds it, all in one step. NULL with an error that says what is needed.
 */
struct process *process_take(struct shim *s, const char *id, const char *exec_id, unsigned allowed,
			     enum process_state next, const char *what, struct err *err);
void process_put(struct process *p);
/* A reference to what is known of a process, without holding the container. */
void process_ref(struct process *p);
void process_unref(struct process *p);
/* Puts it into a state, unless it has been stopped meanwhile. False: it was. */
bool process_set(struct process *p, enum process_state state);
struct process *process_new(struct shim *s, const char *exec_id);
/* It is not on a list any more: waiters are told, the list's reference goes. */
void process_drop(struct process *p);
/* The streams, which the caller finishes; NULL when they were taken already. */
struct io *process_take_io(struct process *p);

enum { PROCESS_LOST = 255, PROCESS_KILLED = 137 }; /* what ended with its VM: by accident, by us */
/* With the lock held: the end of a process, once. Tells waiters and the manager. */
void process_exited(struct process *p, uint32_t status);
/* With the lock held: it has ended; the manager is not told yet. The first status counts. */
void process_note_end(struct process *p, uint32_t status);
/* Posts to the loop: the agent is asked for the end of a process that is there. */
void process_watch(struct process *p);
/* Posts to the loop: a process that was started has its streams, and its end is looked at. */
void process_follow(struct process *p);

/* --- the container --- */

/* A flow's: whatever still runs ends with the VM, and the manager is told. The manager's streams
 * keep what they have until Delete. */
void container_end(struct shim *s);
/* Undoes create, whole or in part: streams, sandbox, root file system, memory. */
void shim_take_down(struct shim *s);
/* With the lock held: a Create that nobody waits for comes to its end soon, and is undone. */
void shim_abandon_create(struct shim *s);
/* With the lock held. */
bool shim_is_empty(const struct shim *s);
/* From any thread: the shim ends once what was posted before is done, as answers are. */
void shim_post_stop(struct shim *s);

/* On the loop: everything ends with the sandbox. */
void shim_sandbox_died(void *arg, const struct err *why);

/* --- without a manager --- */

/* Ends the loop of a shim that has no container when its manager's socket has been gone for a
 * while. Before loop_run. */
void shim_watch_manager(struct shim *s);

/* --- streams --- */

/* Opens the URIs (fifo, file, binary). Blocking; nothing moves until io_start. */
MUST_CHECK int io_open(struct process *p, struct io **out, struct err *err);
/* Loop: calls done once when the output of a process that has ended was taken by its readers, at
 * once if there is none; who waits for the process may close them when it is told. Neither a reader
 * that does not read nor another writer of the same output delays it for long. */
void io_settle(struct io *io, loop_fn done, void *arg);
void io_start(struct io *io);       /* loop */
void io_close_stdin(struct io *io); /* loop: what was written is delivered, then the end */
/* Loop: there is no agent any more; what it has sent is still delivered. NULL is accepted. */
void io_detach(struct io *io);
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
