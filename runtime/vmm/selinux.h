// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The SELinux label of a VMM on the host: what the manager chose for the sandbox container, with categories of
 * the pod's own, holds for the process that stands in its place. (Inside the guest there is no SELinux.)
 *
 *	if (selinux_label(NULL, label, err) < 0)	this thread's next programs begin with it
 *		return -1;
 *	...start the program
 *	selinux_unlabel(NULL);
 *
 * A child that this thread forks meanwhile begins with the label when it executes a program. Where the kernel
 * has no SELinux, or there is no label, nothing is done.
 *
 * Source: proc_pid_attr(5), /proc/thread-self/attr/exec.
 */

#include "base/err.h"

/* For tests: other places than the kernel's. */
struct selinux_places {
	const char *mount; /* /sys/fs/selinux */
	const char *exec;  /* /proc/thread-self/attr/exec */
};

/* The kernel refuses a label that its policy does not know, or that we may not give: an error that names it. */
MUST_CHECK int selinux_label(const struct selinux_places *places, const char *label,
			     struct err *err);
void selinux_unlabel(const struct selinux_places *places);
