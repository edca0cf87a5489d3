// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Remembers which accelerator and which transport work on this host: whether a guest runs with KVM,
 * and whether its agent is reachable over vsock. Both can only be found by trying, so the first
 * sandbox tries, and the result is noted below /run for the others, until the host reboots. That KVM
 * does not work holds for VMM_DOUBT_S seconds only: the host may just have been too busy for a guest
 * to answer in time, as after a reboot, or its module was not loaded yet.
 */

#include "base/err.h"

enum vmm_question { VMM_ACCELERATOR, VMM_TRANSPORT };
enum { VMM_DOUBT_S = 600 };

/* The last answer, of any age: "kvm" or "tcg", "vsock" or "serial"; NULL if none is noted. Static. */
const char *vmm_known(enum vmm_question question);
/* configured if it is not empty, else the noted answer, or NULL if it is to be found by trying. */
const char *vmm_settled(enum vmm_question question, const char *configured);
/* Notes the answer; "tcg" not over "kvm", with which another VM has just been running. A failure is
 * ignored: the next sandbox tries again. */
void vmm_remember(enum vmm_question question, const char *answer);

/* E_UNSUPPORTED if the configured accelerator is "kvm" and /dev/kvm cannot be opened. file is the
 * configuration's name, for the message. */
MUST_CHECK int vmm_may_insist(const char *configured, const char *file, struct err *err);
/* "kvm" if /dev/kvm can be opened, else "tcg". Static. */
const char *vmm_guess_accelerator(void);
