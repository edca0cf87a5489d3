// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Accelerator and transport: properties of the host that can only be found by trying, and stay
 * valid until it reboots: whether a guest runs with KVM, whether its agent is reachable over vsock.
 * The first sandbox tries and records the result for the others.
 */

#include "base/err.h"

enum vmm_question { VMM_ACCELERATOR, VMM_TRANSPORT };

/* The recorded answer, "kvm" or "tcg", "vsock" or "serial"; NULL if not known yet. Static. */
const char *vmm_known(enum vmm_question question);
/* configured, if it is not empty, else the recorded answer or NULL. */
const char *vmm_settled(enum vmm_question question, const char *configured);
void vmm_remember(enum vmm_question question, const char *answer);

/* E_UNSUPPORTED: the configuration (of that file) insists on KVM, and /dev/kvm cannot be opened. */
MUST_CHECK int vmm_may_insist(const char *configured, const char *file, struct err *err);
/* "kvm" where /dev/kvm can be opened, else "tcg". */
const char *vmm_guess_accelerator(void);
