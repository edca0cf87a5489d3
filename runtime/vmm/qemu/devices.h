// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Checks whether a QEMU has all machines, devices and objects that the runtime may use: the rows of
 * devices.def. Distributions build QEMU with less, or put parts into packages of their own.
 *
 *	AUTO(strv) char **missing = NULL;
 *	if (qemu_missing(config->qemu_path, &missing, deadline_in(10000), err) < 0)
 *		return -1;
 *	strv_each(name, missing) ...		// NULL: nothing is missing
 *
 * QEMU prints its lists (-device help) without making a machine.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>

/* *missing: the names in devices.def that QEMU lacks, strv, heap, or NULL. Fails if the program
 * cannot be started, does not know the option, or has not ended by the deadline. */
MUST_CHECK int qemu_missing(const char *program, char ***missing, struct deadline deadline,
			    struct err *err);

/* True if a list that QEMU printed has the name: as the first word of a line, or in the form of
 * -device, name "virtio-blk-pci", bus PCI. */
bool qemu_lists(const char *help, const char *name);
