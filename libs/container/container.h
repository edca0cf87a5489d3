// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The container core: creates and runs an OCI container in namespaces and a cgroup. It knows
 * neither VMs nor the agent's protocol.
 *
 *	main:	if (container_is_init(argc, argv))	// first thing: our own binary re-executed
 *			return container_init_main();
 *
 *	container_create()	namespaces, cgroup, mounts, hooks; init waits before exec
 *	container_start()	init executes the workload
 *	container_exec()	one more process inside
 *	container_signal_all(), _pause(), _resume(), _update(), _stats(), _pids()
 *	container_delete()	kills what is left, removes the cgroup, runs poststop hooks, frees
 *
 * Every function may block, so call it on a thread that may wait. The functions take the
 * container's lock themselves and may run concurrently, but container_delete() must be the last
 * call. The caller reaps the processes: when process.child.pidfd is readable, call
 * container_reap().
 *
 * Trust: the caller and the author of the specification decide what the container may do; its root
 * file system and its processes are untrusted. Paths inside the root are resolved beneath its fd,
 * never as absolute paths; our binary is re-executed in such a way that a container cannot write to
 * it (CVE-2019-5736); none of our fds is open when the workload starts.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "base/spawn.h"
#include "oci/spec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct container;

/* The child's ends of its standard streams; borrowed, -1 is /dev/null. Unused with a terminal. */
struct container_stdio {
	int in, out, err;
};

struct container_process {
	struct child child; /* owned by the caller from here on */
	int console;        /* the terminal's master, or -1; owned by the caller */
};

struct container_options {
	const char *id;
	const struct oci_spec *spec; /* copied */
	const char *bundle;          /* for hooks' state; a relative root_path starts here */
	const char *cgroup_path;     /* below the cgroup root; NULL: the spec's, else /<id> */
	struct container_stdio stdio;
	struct deadline deadline; /* for everything up to "created" */
	/* Load the seccomp filter of the specification; false: ignore it. */
	bool seccomp;
	/* A cgroup hierarchy or controller that is missing is not an error: its settings are left
	 * out and logged at debug level. For an agent that is not PID 1 of a guest. */
	bool lenient_cgroup;
	/* Number of tasks (processes and threads) that containers leave free for other programs of
	 * the machine. All containers below one topmost group share the rest, as a limit of that
	 * group. 0: no such limit. */
	unsigned reserved_tasks;
	/* The caller's network namespace belongs to the container or its pod (in a guest): if the
	 * specification has no network namespace, its net.* sysctls are set there. If false, such
	 * sysctls are E_INVALID. */
	bool own_network;
};

/* True if this process is a re-executed init. container_init_main() then executes the workload or
 * exits; it does not return. */
bool container_is_init(int argc, char **argv);
int container_init_main(void);

/* *out is freed by container_delete(); *init is owned by the caller. On failure everything that was
 * made is undone. */
MUST_CHECK int container_create(const struct container_options *options, struct container **out,
				struct container_process *init, struct err *err);
/* Runs startContainer hooks in the container, lets init exec, then poststart hooks. E_STATE if it
 * is not in state created; an exec that fails in the container is reported here. */
MUST_CHECK int container_start(struct container *c, struct deadline deadline, struct err *err);

/* Starts an additional process; out is owned by the caller. E_STATE if init has ended or the
 * container is paused. */
MUST_CHECK int container_exec(struct container *c, const struct oci_process *process,
			      const struct container_stdio *stdio, struct deadline deadline,
			      struct container_process *out, struct err *err);

/* Reaps a process that has ended and releases its child; *code as spawn_exit_code(). */
MUST_CHECK int container_reap(struct container_process *process, int *code, struct err *err);
/* Sets the size of the process's terminal; E_STATE if it has none. */
MUST_CHECK int container_resize(const struct container_process *process, unsigned rows,
				unsigned columns, struct err *err);

/* Call this when init's pidfd is readable. Later start and exec fail with E_STATE. */
void container_init_ended(struct container *c);

/* Signals every process of the cgroup, including those forked meanwhile (freezer or
 * cgroup.kill). */
MUST_CHECK int container_signal_all(struct container *c, int signal, struct err *err);
MUST_CHECK int container_pause(struct container *c, struct deadline deadline, struct err *err);
MUST_CHECK int container_resume(struct container *c, struct deadline deadline, struct err *err);
MUST_CHECK int container_update(struct container *c, const struct oci_resources *r,
				struct err *err);
/* *pids is a heap array of *n pids in the caller's pid namespace. */
MUST_CHECK int container_pids(struct container *c, pid_t **pids, size_t *n, struct err *err);

/*
 * Out-of-memory events. Poll fd for events (bits of poll(2), which are those of epoll); when it is
 * ready, container_oom_read() updates kills. In cgroup v1 these are the kernel's notifications: one
 * precedes each kill, and more can come while the killed process ends. Reading fails once the cgroup
 * has been removed. The struct stays valid after the container was deleted and is closed by the
 * caller. E_UNSUPPORTED if the cgroup has no memory controller.
 */
struct container_oom {
	int fd;
	uint32_t events;
	uint64_t kills; /* so far */
	int control;    /* cgroup v1: fd of memory.oom_control; else -1 */
};
#define CONTAINER_OOM_NONE               \
	{                                \
		.fd = -1, .control = -1, \
	}
MUST_CHECK int container_oom_open(struct container *c, struct container_oom *out, struct err *err);
MUST_CHECK int container_oom_read(struct container_oom *oom, struct err *err);
void container_oom_close(struct container_oom *oom);

/* Statistics in bytes, nanoseconds and counts. Counters of missing controllers stay 0. */
struct container_blkio_entry {
	uint64_t major, minor, value;
	char op[12]; /* "Read", "Write", "Sync", "Async", "Discard", "Total" */
};
struct container_hugetlb {
	char page_size[16]; /* "2MB" */
	uint64_t usage, max_usage, failcnt;
};
struct container_memory_counter {
	uint64_t usage, max_usage, failcnt, limit;
};
struct container_stats {
	struct {
		uint64_t total, kernel, user;
		uint64_t *per_cpu;
		size_t n_per_cpu;
		uint64_t periods, throttled_periods, throttled_time;
	} cpu;
	struct {
		uint64_t cache;
		struct container_memory_counter usage, swap, kernel;
		bool use_hierarchy;
		struct container_stat_pair {
			char key[40];
			uint64_t value;
		} * stats; /* memory.stat, in the names of cgroup v1 where there is one; and oom_kill */
		size_t n_stats;
	} memory;
	struct {
		uint64_t current, limit;
	} pids;
	struct {
		struct container_blkio_entry *service_bytes, *serviced;
		size_t n_service_bytes, n_serviced;
	} blkio;
	struct container_hugetlb *hugetlb;
	size_t n_hugetlb;
};
/* The caller releases *out. */
MUST_CHECK int container_stats(struct container *c, struct container_stats *out, struct err *err);
void container_stats_release(struct container_stats *stats);

enum container_state {
	CONTAINER_CREATED,
	CONTAINER_RUNNING,
	CONTAINER_PAUSED,
	CONTAINER_STOPPED,
};
enum container_state container_state(struct container *c);
const char *container_id(const struct container *c);
pid_t container_init_pid(const struct container *c);
/* An fd of a namespace of init ("pid", "ipc", "net"...), opened by container_create(); borrowed. -1
 * if the container shares the caller's. */
int container_namespace(const struct container *c, const char *type);

/* Kills all processes, waits until the cgroup is empty and removes it, runs poststop hooks
 * (failures are logged) and frees c. On error c stays valid and delete may be tried again. */
MUST_CHECK int container_delete(struct container *c, struct deadline deadline, struct err *err);
