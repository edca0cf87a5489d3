// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Functions of vm.c for boot.c. */

#include "sandbox/vm.h"

/* E_CANCELLED after vm_cancel(). */
MUST_CHECK int vm_check_cancelled(struct vm *v, struct err *err);
/* How long to wait for the agent's first answer: dial_timeout, and three times as long without KVM.
 * If KVM is not yet known to work, there has to be time for an attempt without it: then the time is
 * what a VM of that size needs with KVM on a busy host. */
uint64_t vm_answer_ms(const struct runtime_config *c, const char *accelerator, bool unproved,
		      const struct vmm_size *size);
/* Watches a VMM that was started, and reads its console. */
void vm_watch(struct vm *v);
/* Connects to the agent and waits for its first answer. */
MUST_CHECK int vm_connect(struct vm *v, struct deadline deadline, struct err *err);
/* After a failed attempt was stopped: resets the state for the next attempt. */
void vm_reset(struct vm *v);
