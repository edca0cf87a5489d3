// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Whether a QEMU has what the runtime can ask it for: the rows of devices.def.
 *
 *	AUTO(strv) char **missing = NULL;
 *	if (qemu_missing(config->qemu_path, &missing, deadline_in(10000), err) < 0)
 *		return -1;
 *	strv_each(name, missing) ...		// no row: nothing is missing
 *
 * QEMU is asked by its own lists (-device help), which it prints without making a machine. Distributions
 * build it with less, or put parts into packages of their own.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>

/* *missing: strv, heap, of the names in devices.def, or NULL. -1: the program cannot be started, does not
 * know the question, or has not answered in time. */
MUST_CHECK int qemu_missing(const char *program, char ***missing, struct deadline deadline,
			    struct err *err);

/* Such a list has that name: first on a line, or as that of -device does: name "virtio-blk-pci", bus PCI. */
bool qemu_lists(const char *help, const char *name);
