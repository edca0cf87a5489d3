// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The running processes of this node.
 *
 *	AUTO(processes) struct processes all = PROCESSES_INIT;
 *	processes_scan(&all);
 *	vec_each(const struct process, p, &all.rows) ...
 *
 * A process may have ended since it was listed. Its command line is bounded in size, and under the
 * process's control: do not trust it.
 */

#include "base/scope.h"
#include "base/vec.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
	pid_t pid;
	uid_t uid;   /* as which it acts */
	char *exe;   /* path of the executable, without " (deleted)" */
	char **argv; /* strv */
	char *unit;  /* the system's service of its cgroup: "k3s.service"; NULL: none */
	bool login;  /* it is below user.slice: started from a login */
};

struct processes {
	VEC(struct process) rows;
};
#define PROCESSES_INIT           \
	{                        \
		.rows = VEC_INIT \
	}
/* Appends the processes that have our root directory; a process inside a container has another. */
void processes_scan(struct processes *p);
/* For a program that runs in a container with the host's file systems mounted at its root, the
 * host's /proc among them: from now on processes_scan() lists the processes that have the root
 * directory of the host's PID 1. Their pids are those of the host's /proc and cannot be signalled
 * from here. */
void process_see_host(void);
bool process_sees_host(void);
/* The path by which this process can run a program of the node, heap; NULL: it cannot. In a container
 * (process_see_host()) a program whose file system is not mounted there is reached through the root
 * of the host's PID 1; so path must lead to it without absolute symlinks, as process.exe does. */
char *process_program(const char *path);
/* The pid of this process as /proc shows it. */
pid_t process_self(void);
void processes_release(struct processes *p);
DEFINE_AUTO_STRUCT(processes, struct processes, processes_release)
/* When a process was started, in clock ticks since the machine booted; together with the pid it
 * identifies the process. 0 if there is no such process. */
uint64_t process_start_time(pid_t pid);
/* Returns the system's service in the text of /proc/PID/cgroup, heap, or NULL; *login as in struct
 * process. */
char *process_unit(const char *cgroups, bool *login);
/* True if the process is in our mount namespace. */
bool process_sees_our_mounts(pid_t pid);
/* The value of an option on the command line of p: --name VALUE, --name=VALUE, or short_name VALUE
 * (short_name: "-n", or NULL). Borrowed; NULL if the option is missing. */
const char *process_option(const struct process *p, const char *name, const char *short_name);
