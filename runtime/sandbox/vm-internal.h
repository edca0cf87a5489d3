// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by vm.c and boot.c. */

#include "sandbox/vm.h"

MUST_CHECK int vm_check_cancelled(struct vm *v, struct err *err);
/* The VMM runs: watches it and reads its console. */
void vm_watch(struct vm *v);
/* Connects to the agent and waits for its first answer. */
MUST_CHECK int vm_connect(struct vm *v, struct deadline deadline, struct err *err);
/* After a failed attempt, which was stopped: the next one begins as if it were the first. */
void vm_revive(struct vm *v);
