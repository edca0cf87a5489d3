// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The running processes of this node.
 *
 *	AUTO(processes) struct processes all = PROCESSES_INIT;
 *	processes_scan(&all);
 *	vec_each(const struct process, p, &all.rows) ...
 *
 * Any of them may have ended meanwhile. What they say of themselves is bounded, but not true.
 */

#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

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
/* From now on "us" is the host: we are in a container, below a directory where the host's paths are
 * mounted, its /proc too. Processes are the host's if they share the root of its first one, and their
 * pids are those that /proc shows, which cannot be signalled from here. */
void process_see_host(void);
bool process_sees_host(void);
/* Our own pid as /proc shows it. */
pid_t process_self(void);
void processes_release(struct processes *p);
DEFINE_AUTO_STRUCT(processes, struct processes, processes_release)
/* With the pid it identifies a process: clock ticks from the machine's start to its own. 0: there is none. */
uint64_t process_start_time(pid_t pid);
/* True if it sees the file systems that we see: it is in our mount namespace. */
bool process_sees_our_mounts(pid_t pid);
/* The value of --name VALUE, --name=VALUE or (short_name not NULL) -n VALUE; borrowed, NULL if
 * there is none. */
const char *process_option(const struct process *p, const char *name, const char *short_name);
