// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Chooses the file system that shares the host's files with the guest.
 *
 * With KVM virtio-fs and 9p both work. Under TCG, QEMU keeps the translation of the code in a
 * page until the guest or QEMU itself writes to the page. virtiofsd is another process: if a
 * program's file is replaced, the guest reads the new bytes over virtio-fs but executes the old
 * translation, unless the guest's kernel itself stores the pages that it reads (kernel/patches,
 * 0003). QEMU serves 9p itself.
 */

#include "base/err.h"
#include "config/config.h"

#include <stdbool.h>

#define SHARE_VIRTIOFS "virtio-fs"
#define SHARE_9P       "virtio-9p"
#define SHARE_NONE     "none"

struct share_choice {
	const char *fs;  /* one of the above; static or the configuration's */
	const char *why; /* the reason for an operator, one line; static */
};

/*
 * Chooses for a VM with this accelerator ("kvm" or "tcg"). E_CONFIG: virtio-fs is configured, but
 * under TCG the configured guest kernel cannot use it safely.
 */
MUST_CHECK int share_choose(const struct runtime_config *c, const char *accelerator,
			    struct share_choice *choice, struct err *err);

/*
 * For a guest that has booted with virtio-fs under TCG, whose agent does not confirm that its
 * kernel stores the pages that it reads: sets E_CONFIG with a hint, and returns -1.
 */
int share_refuse(const struct runtime_config *c, struct err *err);
