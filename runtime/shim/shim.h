// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The shim's data model: a sandbox, its containers, and their processes. Each method of the service
 * is in a file of its own, which parses the request, acts and answers. The sandbox is made for a
 * single container or for the sandbox container of a pod, and is removed with its last container.
 *
 * In this folder "containerd" is the caller of the service, whoever that is: CRI-O and Docker's
 * containerd speak the same protocol, containerd's runtime v2.
 *
 * Locks: shim.lock guards the state of containers and processes; nothing blocks while it is held.
 * Streams and waiters are used on the loop's thread only. A flow (a TTRPC_FLOW method, on a thread
 * of its own) blocks with the lock released. It gets its process by process_take(), which checks
 * and changes the state in one step and holds a reference to process and container until
 * process_put().
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

/* The program's arguments, which containerd's runtime v2 protocol defines. */
struct invocation {
	const char *namespace, *id, *address, *publish_binary, *socket, *bundle;
	bool debug, version, info, help;
};

/* Writes containerd's RuntimeInfo message to standard output: name, version, supported features. */
MUST_CHECK int shim_print_info(struct err *err);

enum process_state {
	PROCESS_CREATED,
	PROCESS_STARTING,
	PROCESS_RUNNING,
	PROCESS_PAUSING, /* or resuming */
	PROCESS_PAUSED,
	PROCESS_STOPPED,
	PROCESS_ENDING, /* never stored (process_now): it has ended, and that is not reported yet */
};
/* Sets of states, for process_take() and process_check(). */
#define IN(state)     (1U << PROCESS_##state)
#define IN_ANY        (~0U)
#define PROCESS_STAYS ((enum process_state) - 1) /* process_take() does not change the state */

struct process {
	struct shim *shim;
	struct container *container;
	char *exec_id; /* "" for the container */
	unsigned refs; /* one for the list, one per user */
	enum process_state state;
	bool settling; /* its readers are being waited for (io_settle), then its end is reported */
	bool ended;    /* exit_status and exited_at are valid; more output may come */
	uint32_t exit_status;
	struct timespec exited_at;
	bool astray; /* an exec whose start timed out: the guest may run it nevertheless */
	bool terminal;
	char *in, *out, *err;     /* URIs */
	struct oci_process *spec; /* an exec's */
	uint32_t rows, columns;   /* terminal size that was asked for last */
	struct io *io;
	struct watch *overdue; /* loop: timer since SIGKILL, until it must have ended */
	struct watch *again;   /* loop: timer for what lacked room: to ask for its end, a thread */
	VEC(struct ttrpc_call *) waiters;
};

struct container {
	struct shim *shim;
	enum container_kind kind;
	unsigned refs; /* one for the list, one per process */
	char *id, *bundle, *rootfs;
	struct oci_spec *spec;
	struct process *init;
	VEC(struct process *) execs;
	struct devices devices; /* changed only by the flow that creates or deletes the container */
	uint64_t swap;          /* bytes of the guest's swap space reserved for it */
	char *block_root; /* where the guest mounts the root file system; NULL: it is shared */
	bool rootfs_mounted, creating;
	bool abandoned; /* Create's caller has disconnected: undo it */
	bool deleting;  /* Delete has begun: new flows do not find it */
	bool leaving;   /* container_take_down() has begun */
	bool in_guest;  /* the agent has it, or may have it */
	unsigned users; /* flows that use it; Delete waits for them */
	/* Of a container in a pod: a process in the pod's network namespace whose pid is reported
	 * as the container's. Another container can name it to share the pid namespace. It ends
	 * with the container's own first process, since it keeps the control group busy that it was
	 * started in. */
	struct netns_holder holder;
	pid_t pid; /* of the holder, also after its end; 0: it was never started */
};

struct shim {
	const struct invocation *inv;
	const char *socket; /* the task socket, to which containerd connects */
	struct loop *loop;
	struct watch *signals;
	struct ttrpc_server *server;
	struct events *events;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct runtime_config *config; /* of the sandbox; NULL before the first Create */
	struct sandbox *sandbox;
	struct manage
		*manage; /* socket for operators; used by the flows that make and end the sandbox */
	pid_t pid, share_pid; /* of VMM and virtiofsd, as reported to containerd */
	VEC(struct container *) containers;
	bool shutting_down; /* Create is refused */
	/* Flows whose answers have to be sent before the shim ends: those of Shutdown, and those
	 * that have removed a container. */
	unsigned answering;
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

/* Answers with Empty if err has no code, else with the error. */
void task_answer(struct ttrpc_call *call, const struct err *err);
/* Answers with the error, but never with "not found" or "already exists": containerd takes those
 * for statements about the task itself, which it then forgets or adopts. A missing program, for
 * example, is a failure like any other. */
void task_fail(struct ttrpc_call *call, const struct err *err);
/* Returns the deadline for a request to the agent on behalf of call: the caller's own, or
 * request_timeout from now if that is earlier. */
struct deadline task_deadline(const struct shim *s, const struct ttrpc_call *call);
/* Sends the agent a request from a flow, and drops the message that it answers with. */
MUST_CHECK int task_ask_agent(struct shim *s, const char *method, const void *message,
			      struct deadline deadline, struct err *err);

/* --- processes --- */

/* With the lock held: returns the process, without a reference, or NULL. exec_id "" is the
 * container's init. E_NOT_FOUND names container or process; a container that is being created or
 * deleted is not found. */
struct process *shim_find(struct shim *s, const char *id, const char *exec_id, struct err *err);
/* With the lock held: E_STATE unless the process is in one of the allowed states. what is the verb
 * for the message, such as "start". */
MUST_CHECK int process_check(const struct process *p, unsigned allowed, const char *what,
			     struct err *err);
/* With the lock held: the state, PROCESS_ENDING included. */
enum process_state process_now(const struct process *p);
/*
 * In one step: finds a process as shim_find(), checks its state as process_check(), sets the state
 * to next (PROCESS_STAYS: leaves it) and takes a reference to it and to its container, for
 * process_put(). Returns NULL with E_NOT_FOUND or E_STATE.
 */
struct process *process_take(struct shim *s, const char *id, const char *exec_id, unsigned allowed,
			     enum process_state next, const char *what, struct err *err);
void process_put(struct process *p);
/* A reference that keeps the process allocated; Delete does not wait for it. */
void process_ref(struct process *p);
void process_unref(struct process *p);
/* Sets the state and returns true; false if the process has stopped meanwhile. */
bool process_set(struct process *p, enum process_state state);
/* A new process of the container, in no list, with one reference. */
struct process *process_new(struct container *c, const char *exec_id);
/* For a process that was removed from its list: answers its waiters and drops the list's
 * reference. */
void process_drop(struct process *p);
/* Opens the streams that the process names. Blocks. *out is the caller's, for io_finish(). */
MUST_CHECK int process_open_io(const struct process *p, struct io **out, struct err *err);
/* Returns the streams, for io_finish(), and leaves the process without; NULL if it has none. */
struct io *process_take_io(struct process *p);

/* Exit statuses of a process that did not exit by itself: the VM died; the VM was stopped. */
enum { PROCESS_LOST = 255, PROCESS_KILLED = 137 };
/* With the lock held: sets the state to stopped and reports the end, as event and to those who
 * wait. Does nothing if it was reported already. */
void process_exited(struct process *p, uint32_t status);
/* With the lock held: stores status and time of the end without reporting it. The first status is
 * kept. */
void process_note_end(struct process *p, uint32_t status);
/* Posts to the loop: asks the agent for the end of a process (WaitProcess), and handles it. */
void process_watch(struct process *p);
/* Posts to the loop: if a process that was sent SIGKILL has not ended after request_timeout, it is
 * reported as killed. Such a process is blocked in the guest's kernel. */
void process_expect_end(struct process *p);
/* From the flow that has started an exec: sends the size of the terminal that was asked for during
 * the start. */
void process_catch_up_size(struct process *p, struct deadline deadline);
/* From a flow: has the agent kill an exec that is astray. */
void process_kill_astray(const struct process *p);
/* Posts to the loop, after a start: lets the streams run and, of an exec, watches for the end. */
void process_follow(struct process *p);

/* --- containers --- */

/* With the lock held: a new container in the list, with the list's reference. */
struct container *container_new(struct shim *s, const char *id);
/* With the lock held: removes it from the list and drops the list's reference. */
void container_remove(struct container *c);
/* With the lock held: drops a reference; the last one frees the container. */
void container_unref(struct container *c);

/* From a flow: stops the VM, which ends all processes of all containers, and reports their ends.
 * Output that was not delivered stays with the streams until Delete. */
void shim_end(struct shim *s);
/* From a flow: undoes a complete or partial Create: the streams, the container in the guest or,
 * with the last container, the sandbox, and the mount of the root file system. The container stays
 * in the list. */
void container_take_down(struct container *c);
/* With the lock held, for a Create whose caller has disconnected: makes it fail soon, and so be
 * undone. */
void container_abandon(struct container *c);
/* With the lock held: the pid reported to containerd, that of the holder or else of the VMM; 0
 * once the VM has ended. */
pid_t container_pid(const struct container *c);
/* Ends the container's holder, if it has one, and waits for its end. */
void container_stop_holder(struct container *c);
/* With the lock held: the same, on a thread of its own. */
void container_stop_holder_async(struct container *c);
/* With the lock held: true if the shim has no container. */
bool shim_is_empty(const struct shim *s);
/* From any thread, before containerd learns that the shim ends: removes the task socket. The verb
 * `delete` takes a missing socket as a sign that the server ends by itself, perhaps after its last
 * events are delivered, and does not kill it at once. */
void shim_leave(const struct shim *s);
/* From any thread: ends the shim after everything posted before, such as answers, was done. */
void shim_post_stop(struct shim *s);
/* With the lock held: true if the shim was shut down, and has no container and no answer to send.
 * Who makes it so calls shim_post_stop(). */
bool shim_is_done(const struct shim *s);
/* After the answer of a flow that is counted in `answering`: no longer counts it, and ends the shim
 * if it is done. */
void shim_answered(struct shim *s);

/* On the loop: on_dead of the sandbox. Reports the end of all processes. */
void shim_sandbox_died(void *arg, const struct err *why);
/* Of a container that has ended: waits, a second at most, for the ends of its execs. Those in the
 * container's own pid namespace were killed with it, and the agent may not have reported that
 * yet. */
void shim_await_execs(struct container *c);
/* On the loop: on_oom of the sandbox. */
void shim_out_of_memory(void *arg, const char *id);

/* --- a shim that nobody uses (orphan.c) --- */

/* Makes a shim without a container end when containerd's socket has been gone for a minute, or nobody
 * has been connected for so long. Call it before loop_run. */
void shim_exit_when_orphaned(struct shim *s);
/* On the loop, after a Create whose caller has disconnected was undone: ends the shim, unless
 * another Create comes soon. arg is the shim. */
void shim_exit_unless_reused(void *arg);

/* --- the socket for operators (shim/manage.c) --- */

/* Serves it in the sandbox's state directory dir until manage_free(). NULL on failure. */
struct manage *shim_manage(struct shim *s, const char *dir, struct err *err);

/* --- events --- */

/* Starts the thread that sends events to containerd. ttrpc_address NULL or "": they are only
 * logged. */
struct events *events_new(const char *ttrpc_address, const char *namespace);
/* Any thread: queues the event. The thread delivers events in order, with retries. */
void events_publish(struct events *e, const char *topic, const ProtobufCMessage *event);
/* Any thread: waits until all that is queued was delivered. */
void events_flush(struct events *e, struct deadline deadline);
/* Delivers what is queued, and ends the thread. After the deadline no delivery begins; one in progress
 * may take 5 seconds more. Later events are dropped. e stays: flows that still run may use it until
 * the process ends. */
void events_end(struct events *e, struct deadline deadline);

/* --- steps of Create --- */

typedef Containerd__Task__V2__CreateTaskRequest CreateRequest;

/* Reads the bundle's specification and, for the first container, loads the configuration.
 * E_UNSUPPORTED: the pod asks for a namespace of the host. */
MUST_CHECK int container_load(struct container *c, const CreateRequest *r, struct err *err);
/* Mounts the root file system, or adds it to c->devices if it is on a block device, which the guest
 * mounts itself. */
MUST_CHECK int container_mount_rootfs(struct container *c, const CreateRequest *r, struct err *err);
struct guest;
/* Shares the root file system, or adds it to the copies to be sent. *path: where the guest has it,
 * heap. */
MUST_CHECK int container_give_rootfs(struct container *c, struct guest *guest, char **path,
				     struct err *err);

/* --- the specification --- */

/* What the guest needs for a container: the specification, the storages to mount before it and,
 * with shared_fs = "none", the files to copy. */
struct guest {
	struct oci_spec *spec;
	struct storages storages;
	struct copies copies;
};

/* Converts g->spec, a copy of the container's specification, to the one that the guest runs:
 * removes the host's hooks, shares the sources of mounts and replaces their paths, adapts
 * namespaces. */
MUST_CHECK int spec_for_guest(const struct container *c, struct guest *g, struct err *err);
/* The path of the namespace of that type, or NULL; borrowed. */
const char *spec_namespace_path(const struct oci_spec *spec, const char *type);
/* Makes the guest's specification ask for the pid namespace of that other container. */
void spec_share_pids(struct oci_spec *guest, const char *container);

/* --- processors of the host --- */

/* *cpus and *mems: lists of the processors and memory nodes that the containers ask for together,
 * heap; "" if no container asks for any. */
void shim_cpus(struct shim *s, char **cpus, char **mems);
/* From a flow: confines the sandbox to them. */
MUST_CHECK int shim_place(struct shim *s, struct deadline deadline, struct err *err);

/* --- score.c --- */

/* Sets the VMM's oom_score_adj to the lowest that the containers' specifications ask for. Without
 * this VMs would have the shim's, which is that of the manager, and the kernel would kill the
 * node's services before any pod. A failure is logged. From a flow, while the VM runs. */
void shim_score(struct shim *s);

/* --- main.c --- */

MUST_CHECK int shim_start(const struct invocation *inv, struct err *err);
MUST_CHECK int shim_delete(const struct invocation *inv, struct err *err);
MUST_CHECK int shim_serve(const struct invocation *inv, struct err *err);
