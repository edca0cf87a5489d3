// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The shim's data model: a sandbox, its containers, and their processes. Each method of the service
 * is in a file of its own: parse the request, act, answer. The sandbox comes with a single container
 * or with the sandbox container of a pod, and goes with the last container.
 *
 * Locks: shim.lock guards the state of containers and processes; nothing blocks while it is held.
 * Streams and waiters belong to the loop. Flows (FLOW methods) block with the lock released:
 * process_take checks and changes the state atomically, and holds a reference to process and
 * container until process_put.
 */

#include "base/err.h"
#include "base/vec.h"
#include "config/config.h"
#include "loop/loop.h"
#include "oci/spec.h"
#include "protocols/task.pb-c.h"
#include "sandbox/sandbox.h"
#include "share/copy.h"
#include "share/storage.h"
#include "shim/devices.h"
#include "shim/io/io.h"
#include "shim/kind.h"
#include "ttrpc/ttrpc.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct shim;
struct events;
struct manage;

/* How the shim was called (containerd's runtime v2 arguments). */
struct invocation {
	const char *namespace, *id, *address, *publish_binary, *socket, *bundle;
	bool debug, version, info, help;
};

/* To standard output: containerd's RuntimeInfo, with what a specification may ask for. */
MUST_CHECK int shim_print_info(struct err *err);

enum process_state {
	PROCESS_CREATED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_PAUSING, /* or resuming */
	PROCESS_PAUSED,
	PROCESS_STOPPED,
	PROCESS_ENDING, /* not stored: has ended, but not yet reported */
};
/* A set of states. */
#define IN(state)     (1U << PROCESS_##state)
#define IN_ANY        (~0U)
#define PROCESS_STAYS ((enum process_state) - 1)

struct process {
	struct shim *shim;
	struct container *container;
	char *exec_id; /* "" for the container */
	unsigned refs; /* one of the list, one per user */
	enum process_state state;
	bool settling; /* its end is being reported */
	bool ended;    /* exit_status and exited_at are valid; output may follow */
	uint32_t exit_status;
	struct timespec exited_at;
	bool terminal;
	char *in, *out, *err;     /* URIs */
	struct oci_process *spec; /* an exec's */
	uint32_t rows, columns;   /* terminal size requested before the start */
	struct io *io;
	struct watch *overdue; /* loop: it was killed, and should have ended by then */
	struct watch *again;   /* loop: there was no thread to end its sandbox */
	VEC(struct ttrpc_call *) waiters;
};

/* A container and its life: being created, there, being deleted. */
struct container {
	struct shim *shim;
	enum container_kind kind;
	unsigned refs; /* one of the list, one per process */
	char *id, *bundle, *rootfs;
	struct oci_spec *spec;
	struct process *init;
	VEC(struct process *) execs;
	struct devices devices; /* of the flow that creates or deletes it */
	uint64_t swap;          /* bytes of the guest's swap space that it uses */
	char *block_root; /* the guest mounts the root file system there; NULL: it is shared */
	bool rootfs_mounted, creating;
	bool abandoned; /* the caller of Create is gone: undo it */
	bool deleting;  /* new flows are refused */
	bool leaving;   /* is being taken down */
	bool in_guest;  /* the agent has it, or may have it */
	unsigned users; /* flows that use it; delete waits for them */
	/* Of a container in a pod: stands for it where the host wants a pid, in the pod's network
	 * namespace. By that pid another container can ask for the same processes. It ends with the
	 * container's own process; else it would keep the control group that it was started in. */
	struct netns_resident resident;
	pid_t pid; /* that it has or had; 0: it was never there */
};

struct shim {
	const struct invocation *inv;
	const char *socket; /* where the manager connects */
	struct loop *loop;
	struct watch *signals;
	struct ttrpc_server *server;
	struct events *events;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct runtime_config *config; /* of the sandbox; NULL before the first Create */
	struct sandbox *sandbox;
	struct manage *manage; /* the sandbox's own socket; of the flows that make and end it */
	pid_t pid, share_pid;  /* reported to the manager: VMM and virtiofsd */
	VEC(struct container *) containers;
	bool shutting_down; /* no Create is accepted any more */
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
/* Answers what failed for an object that is there, or was not: to a manager "not found" and "already exists" speak
 * of the task itself, which it then takes for gone or for its own. What a container lacks, its program
 * for one, is a failure like any other. */
void task_fail(struct ttrpc_call *call, const struct err *err);
/* The deadline for a call of the agent made on behalf of call. */
struct deadline task_deadline(const struct shim *s, const struct ttrpc_call *call);
/* Calls the agent from a flow; the answer is ignored. */
MUST_CHECK int task_ask_agent(struct shim *s, const char *method, const void *message,
			      struct deadline deadline, struct err *err);

/* --- processes --- */

/* With the lock held. E_NOT_FOUND names container or process; exec_id "" is the container's init.
 * A container that is being created or deleted is not found. */
struct process *shim_find(struct shim *s, const char *id, const char *exec_id, struct err *err);
/* With the lock held: E_STATE unless the process is in one of the states; what is the verb. */
MUST_CHECK int process_check(const struct process *p, unsigned allowed, const char *what,
			     struct err *err);
enum process_state process_now(const struct process *p); /* with the lock held */
/*
 * Atomically finds a process, checks that it is in one of the allowed states, sets it to next
 * (PROCESS_STAYS: unchanged) and takes a reference. NULL with E_NOT_FOUND or E_STATE.
 */
struct process *process_take(struct shim *s, const char *id, const char *exec_id, unsigned allowed,
			     enum process_state next, const char *what, struct err *err);
void process_put(struct process *p);
/* A reference to the process only, not to the container. */
void process_ref(struct process *p);
void process_unref(struct process *p);
/* Sets the state, unless the process has stopped meanwhile: then false. */
bool process_set(struct process *p, enum process_state state);
struct process *process_new(struct container *c, const char *exec_id);
/* For a process removed from its list: answers its waiters and drops the list's reference. */
void process_drop(struct process *p);
/* Opens its streams. Blocking. */
MUST_CHECK int process_open_io(const struct process *p, struct io **out, struct err *err);
/* Takes the streams, to be finished by the caller; NULL if they were already taken. */
struct io *process_take_io(struct process *p);

enum { PROCESS_LOST = 255, PROCESS_KILLED = 137 }; /* if the VM died; if it was stopped */
/* With the lock held: reports the end of a process to waiters and manager, once. */
void process_exited(struct process *p, uint32_t status);
/* With the lock held: records the end without reporting it. The first status is kept. */
void process_note_end(struct process *p, uint32_t status);
/* Posts to the loop: starts waiting for the end of an existing process (WaitProcess). */
void process_watch(struct process *p);
/* Posts to the loop: a process that was sent SIGKILL and has not ended after request_timeout is
 * reported as killed. It is stuck in the guest's kernel and never returns to its program. */
void process_expect_end(struct process *p);
/* Posts to the loop: starts the streams of a process that was started and handles its end. */
void process_follow(struct process *p);

/* --- containers --- */

/* A new one, in the list, with one reference. With the lock held. */
struct container *container_new(struct shim *s, const char *id);
/* With the lock held: removes it from the list and drops the list's reference. */
void container_remove(struct container *c);
/* With the lock held. */
void container_unref(struct container *c);

/* From a flow: stops the VM, which ends all processes of all containers, and reports their ends.
 * Streams keep undelivered output until Delete. */
void shim_end(struct shim *s);
/* Undoes a complete or partial create: streams, the guest's container or, for the last container,
 * the sandbox, the root file system. The container stays in the list. */
void container_take_down(struct container *c);
/* With the lock held: makes the Create of a container whose caller is gone fail soon; it is then
 * undone. */
void container_abandon(struct container *c);
/* With the lock held: the pid that the manager is told, that of the VMM where it has no other; 0:
 * none any more. */
pid_t container_pid(const struct container *c);
/* Nothing stands for the container any more. The second one does not wait for that; with the lock held. */
void container_move_out(struct container *c);
void container_send_out(struct container *c);
/* With the lock held. */
bool shim_is_empty(const struct shim *s);
/* From any thread, before the manager is told that the shim ends: removes its socket, by which the verb
 * `delete` sees that it need not be killed. Events may still be on their way. */
void shim_leave(const struct shim *s);
/* From any thread: ends the shim after everything posted before, such as answers, was done. */
void shim_post_stop(struct shim *s);

/* On the loop: on_dead of the sandbox; reports the end of all processes. */
void shim_sandbox_died(void *arg, const struct err *why);
/* Of a container that has ended: its execs were killed with its pid namespace, if that is its own, and their
 * ends may still arrive. Waits a second at most. */
void shim_await_execs(struct container *c);
/* On the loop: on_oom of the sandbox. */
void shim_out_of_memory(void *arg, const char *id);

/* --- without a manager --- */

/* Makes a shim without a container end when its manager's socket has been gone for a minute. Call
 * it before loop_run. */
void shim_watch_manager(struct shim *s);
/* On the loop: the caller of Create went, and it was undone. Ends the shim, unless another Create comes
 * soon. arg is the shim. */
void shim_forgotten(void *arg);

/* --- an operator's questions --- */

/* Serves the sandbox's own socket, in its state directory, until manage_free. */
struct manage *shim_manage(struct shim *s, const char *dir, struct err *err);

/* --- events --- */

struct events *events_new(const char *ttrpc_address, const char *namespace);
/* Any thread: queues the event; a dedicated thread delivers in order, with retries. */
void events_publish(struct events *e, const char *topic, const ProtobufCMessage *event);
/* Delivers what is queued, at most until the deadline, and frees. */
void events_free(struct events *e, struct deadline deadline);

/* --- what Create is made of --- */

typedef Containerd__Task__V2__CreateTaskRequest CreateRequest;

/* Reads the bundle's specification and, for the first container, loads the configuration. E_UNSUPPORTED: the
 * pod wants to be in a namespace of the host. */
MUST_CHECK int container_load(struct container *c, const CreateRequest *r, struct err *err);
/* Mounts the root file system, unless it is on a block device, which the guest mounts. */
MUST_CHECK int container_mount_rootfs(struct container *c, const CreateRequest *r, struct err *err);
struct guest;
/* Shares it, or puts it on the list of what is to be copied; *path: in the guest, heap. */
MUST_CHECK int container_give_rootfs(struct container *c, struct guest *guest, char **path,
				     struct err *err);

/* --- spec --- */

/* What a container is to the guest: its specification, what is to be mounted for it, and, where
 * nothing is shared, what is to be copied. */
struct guest {
	struct oci_spec *spec;
	struct storages storages;
	struct copies copies;
};

/* Converts g->spec, a copy of the container's, to what the guest runs: host hooks removed, host paths
 * shared and replaced, namespaces adapted. */
MUST_CHECK int spec_for_guest(const struct container *c, struct guest *g, struct err *err);
/* The path of the pid namespace that the manager gave it, or NULL. */
const char *spec_pid_namespace(const struct oci_spec *spec);
/* Of the guest's specification: the namespace of another container. */
void spec_share_pids(struct oci_spec *guest, const char *container);

/* --- the host's processors --- */

/* Lists of the processors and memory nodes that the containers are to run on, heap: the sum of
 * those that name some; "" if none does. */
void shim_cpus(struct shim *s, char **cpus, char **mems);
/* From a flow: the sandbox is confined to them. */
MUST_CHECK int shim_place(struct shim *s, struct deadline deadline, struct err *err);

/* --- main.c --- */

MUST_CHECK int shim_start(const struct invocation *inv, int argc, char **argv, struct err *err);
MUST_CHECK int shim_delete(const struct invocation *inv, struct err *err);
MUST_CHECK int shim_serve(const struct invocation *inv, struct err *err);
