// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Which file system carries the host's files into the guest.
 *
 * Under TCG, code that the guest has run from a page stays translated until the guest or QEMU
 * writes the page. virtiofsd does neither: a program that is replaced through virtio-fs is read as
 * the new one and runs as the old one, unless the guest's kernel stores what it reads. 9p is served
 * by QEMU. With KVM there is nothing to choose.
 */

#include "base/err.h"
#include "config/config.h"

#include <stdbool.h>

#define SHARE_VIRTIOFS "virtio-fs"
#define SHARE_9P       "virtio-9p"

struct share_choice {
	const char *fs;  /* one of the above */
	const char *why; /* one line */
};

/*
 * For a VM of that accelerator ("kvm", "tcg"). E_CONFIG: virtio-fs was asked for by name and the
 * kernel is none that can have it.
 */
MUST_CHECK int share_choose(const struct runtime_config *c, const char *accelerator,
			    struct share_choice *choice, struct err *err);

/*
 * The guest has booted on virtio-fs and does not say that its kernel stores what it reads:
 * E_CONFIG, with the remedy.
 */
int share_refuse(const struct runtime_config *c, struct err *err);
