// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Chooses the file system that shares the host's files with the guest.
 *
 * Under TCG, QEMU keeps the translation of code in a page until the guest or QEMU itself writes to
 * the page. virtiofsd is another process: when a program is replaced through virtio-fs, the guest
 * reads the new bytes but executes the old translation, unless the guest kernel writes the pages
 * that it reads (kernel/patches, 0003). 9p is served by QEMU itself. With KVM both work.
 */

#include "base/err.h"
#include "config/config.h"

#include <stdbool.h>

#define SHARE_VIRTIOFS "virtio-fs"
#define SHARE_9P       "virtio-9p"
#define SHARE_NONE     "none"

struct share_choice {
	const char *fs;  /* one of the above */
	const char *why; /* one line */
};

/*
 * Chooses for a VM with this accelerator ("kvm", "tcg"). E_CONFIG: virtio-fs is configured, but
 * under TCG the configured guest kernel cannot use it safely.
 */
MUST_CHECK int share_choose(const struct runtime_config *c, const char *accelerator,
			    struct share_choice *choice, struct err *err);

/*
 * For a guest that has booted with virtio-fs but whose agent does not confirm that its kernel
 * writes the pages that it reads: sets E_CONFIG, with the remedy. Returns -1.
 */
int share_refuse(const struct runtime_config *c, struct err *err);
