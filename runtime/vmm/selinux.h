// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The SELinux label of a VMM on the host. The container engine chooses a label for the sandbox
 * container, with categories of the pod's own; the VMM runs with it. (The guest has no SELinux.)
 *
 *	if (selinux_label(NULL, label, err) < 0)
 *		return -1;
 *	...start the program
 *	selinux_unlabel(NULL);
 *
 * Between the two calls, programs that this thread executes, also in children that it forks, run
 * with the label. Both do nothing if the kernel has no SELinux; selinux_label() also without a
 * label.
 *
 * Source: proc_pid_attr(5), /proc/thread-self/attr/exec.
 */

#include "base/err.h"

/* Paths of the kernel's interface, which tests replace. */
struct selinux_places {
	const char *mount; /* /sys/fs/selinux */
	const char *exec;  /* /proc/thread-self/attr/exec */
};

/* places NULL: the kernel's. Fails, with an error that names the label, if the policy does not know
 * the label or does not allow it. */
MUST_CHECK int selinux_label(const struct selinux_places *places, const char *label,
			     struct err *err);
/* A failure is logged. */
void selinux_unlabel(const struct selinux_places *places);
