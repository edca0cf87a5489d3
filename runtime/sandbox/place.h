// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Where the processes of a sandbox are on the host: control groups, processors. Flows only. */

#include "sandbox/sandbox.h"

/* Before the VM is started. Recorded first. */
MUST_CHECK int place_enter(struct sandbox *s, const struct sandbox_wanted *wanted, struct err *err);
/* Takes a user for the VMM, if it is to have one of its own; recorded first. Before the VM is
 * started. */
MUST_CHECK int place_take_user(struct sandbox *s, struct err *err);
/* The VMM has been started. */
MUST_CHECK int place_vmm(struct sandbox *s, struct err *err);
/* This process goes back where it was, while the VM ends. What fails is left to place_leave. */
void place_move_back(struct sandbox *s);
/* When the VM has ended; idempotent. What fails is logged. */
void place_leave(struct sandbox *s);
