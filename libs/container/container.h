// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The container core: an OCI container in namespaces and a cgroup. Shared by the agent and runk.
 *
 *	main:	if (container_is_init(argc, argv))	// first thing: our own binary re-executed
 *			return container_init_main();
 *
 *	container_create()	namespaces, cgroup, mounts, hooks; init waits before exec
 *	container_start()	lets init go: it execs the workload
 *	container_exec()	one more process inside
 *	container_signal(), _pause(), _resume(), _update(), _stats(), _pids()
 *	container_delete()	kills what is left, removes the cgroup, runs poststop hooks, forgets
 *
 * Every function is a blocking flow, to be called on a thread that may wait; all but create take
 * the container's own lock where they need it, so they may run at the same time. Nobody reaps the
 * processes but their owner: wait for process.child.pidfd to be readable, then container_reap().
 *
 * Who is trusted: the caller and the spec's author decide what the container may do; the root file
 * system and the processes inside are hostile. Paths inside the root are resolved beneath its fd,
 * never by name; init is executed anew in a way that our binary cannot be written to; none of our
 * fds is open when the workload starts.
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
	const char *bundle;          /* for the state given to hooks; root_path is relative to it */
	const char *state_dir;       /* an empty directory of our own, mode 0700: exec fifo */
	const char *cgroup_path;     /* below the cgroup root; NULL: the spec's, else /<id> */
	/* Mounts made before (agent: the shared /dev/shm …) and namespaces are in the spec by path.
	 */
	struct container_stdio stdio;
	struct deadline deadline; /* for everything up to "created" */
	/* Loads the seccomp filter of the spec; false ignores it (no libseccomp in the guest). */
	bool seccomp;
	/* Do not try devices cgroup, sysfs writes… that the guest root lacks: nothing is skipped
	 * silently, this only turns hard failures of *optional* accounting into log lines. */
	bool lenient_cgroup;
	/* The network that we are in is the container's or its pod's (in a guest): net sysctls of a
	 * specification without a network namespace are set in it. Otherwise they are E_INVALID. */
	bool own_network;
};

/* True if this process is a re-executed init; container_init_main never returns to a shell: it
 * execs the workload or exits. */
bool container_is_init(int argc, char **argv);
int container_init_main(void);

/* On failure everything that was made is undone. */
MUST_CHECK int container_create(const struct container_options *options, struct container **out,
				struct container_process *init, struct err *err);
/* Runs startContainer hooks in the container, lets init exec, then poststart hooks. E_STATE if it
 * is not in state created; an exec that fails in the container is reported here. */
MUST_CHECK int container_start(struct container *c, struct deadline deadline, struct err *err);

/* E_STATE if init has ended. */
MUST_CHECK int container_exec(struct container *c, const struct oci_process *process,
			      const struct container_stdio *stdio, struct deadline deadline,
			      struct container_process *out, struct err *err);

/* Reaps a process that ended: exit code 0..255, killed by n is 128 + n. Releases child. */
MUST_CHECK int container_reap(struct container_process *process, int *code, struct err *err);
MUST_CHECK int container_resize(const struct container_process *process, unsigned rows,
				unsigned columns, struct err *err);

/* The owner saw init end. Makes later start/exec fail with E_STATE. */
void container_init_ended(struct container *c);

/* Every process of the cgroup; processes forked meanwhile are caught too (freeze or cgroup.kill).
 */
MUST_CHECK int container_signal_all(struct container *c, int signal, struct err *err);
MUST_CHECK int container_pause(struct container *c, struct deadline deadline, struct err *err);
MUST_CHECK int container_resume(struct container *c, struct deadline deadline, struct err *err);
MUST_CHECK int container_update(struct container *c, const struct oci_resources *r,
				struct err *err);
/* heap array of *n pids, as seen in our pid namespace. */
MUST_CHECK int container_pids(struct container *c, pid_t **pids, size_t *n, struct err *err);

/*
 * Out-of-memory events. fd is ready for one of events (poll's bits, which are epoll's) when the OOM
 * killer may have struck; then container_oom_read() brings kills up to date. It fails when the
 * cgroup is gone: what was opened outlives the container. Closed by the caller. E_UNSUPPORTED where
 * the cgroup has no memory controller.
 */
struct container_oom {
	int fd;
	uint32_t events;
	uint64_t kills; /* so far */
	int control;    /* cgroup v1: tells whether the group is still there; else -1 */
};
#define CONTAINER_OOM_NONE               \
	{                                \
		.fd = -1, .control = -1, \
	}
MUST_CHECK int container_oom_open(struct container *c, struct container_oom *out, struct err *err);
MUST_CHECK int container_oom_read(struct container_oom *oom, struct err *err);
void container_oom_close(struct container_oom *oom);

/* Statistics; counters of controllers that are missing stay 0. Bytes, nanoseconds, counts. */
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
		} * stats; /* memory.stat, in the names of cgroup v1 where there is one */
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
/* An fd of a namespace of init ("pid", "ipc", "net"...), pinned when it was created: borrowed. -1
 * if the container shares ours. */
int container_namespace(const struct container *c, const char *type);

/* Kills, waits for the cgroup to empty, removes it and state_dir's contents, runs poststop hooks
 * (failures are logged), frees c. On error c is still there and delete may be tried again. */
MUST_CHECK int container_delete(struct container *c, struct deadline deadline, struct err *err);
