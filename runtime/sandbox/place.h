// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Places the processes of a sandbox on the host: control groups, processors, and the user of the
 * VMM. Flows only, in this order; what is made is recorded before it is made.
 * (sandbox_place_vcpus() and sandbox_set_cpus() are in place.c, too.)
 */

#include "sandbox/sandbox.h"

/* Before the VM is started: makes the sandbox's control groups, and moves this process into one. */
MUST_CHECK int place_enter(struct sandbox *s, const struct sandbox_wanted *wanted, struct err *err);
/* Before the VM is started: with rootless = true, reserves a user for the VMM (s->user). */
MUST_CHECK int place_take_user(struct sandbox *s, struct err *err);
/* Right after the VMM was started: moves it into its control group. */
MUST_CHECK int place_vmm(struct sandbox *s, struct err *err);
/* While the VM ends: moves this process back to the control groups it came from. A failure is left
 * to place_leave(). */
void place_move_back(struct sandbox *s);
/* After the VM has ended: removes the control groups and gives the user back. May be called again;
 * failures are logged. */
void place_leave(struct sandbox *s);
