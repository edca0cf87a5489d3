// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What can only be found out by trying, and holds until this machine boots again: whether a guest
 * runs with KVM, whether its agent is reached over vsock. The first sandbox tries, the others know.
 */

enum vmm_question { VMM_ACCELERATOR, VMM_TRANSPORT };

/* "kvm" or "tcg"; "vsock" or "serial"; NULL: that is not known yet. Static. */
const char *vmm_known(enum vmm_question question);
/* configured, if it is not empty, or what is known. */
const char *vmm_settled(enum vmm_question question, const char *configured);
void vmm_remember(enum vmm_question question, const char *answer);
