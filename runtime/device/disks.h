// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The disks that were plugged into a VM while it runs. Each device (or image file) of the host is
 * plugged once, and once more where it is wanted read-only, however many want it; it is unplugged with
 * the last of them.
 *
 *	struct disks disks;
 *	disks_init(&disks);
 *	disks_plug(&disks, &vmm, "/dev/loop0", false, &disk, deadline, err)
 *	... disk->address
 *	disks_unplug(&disks, &vmm, disk, deadline, err)
 *	disks_release(&disks);		// the VM has ended
 *
 * QEMU opens the device itself, so that nothing of it is left on the host when QEMU has ended, however that
 * came about. Any thread but the loop's.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Constant while somebody has it, except for what disks.lock guards. */
struct disk {
	char *id, *path;
	dev_t device; /* of a block device its number; of a file with its inode */
	ino_t inode;
	bool readonly;
	struct vmm_address address;
	unsigned users; /* disks.lock */
	bool busy;      /* disks.lock: it is being plugged in or out */
};

struct disks {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	VEC(struct disk *) list;
	unsigned counter;
};

void disks_init(struct disks *d);
void disks_release(struct disks *d);

/* Plugs it in, or takes a reference. Two at once wait for each other. */
MUST_CHECK int disks_plug(struct disks *d, struct vmm *vmm, const char *path, bool readonly,
			  struct disk **out, struct deadline deadline, struct err *err);
/* Drops a reference; the last one's unplugs it. The guest must have stopped to use it. On failure it
 * stays in the VM, for who wants it next. */
MUST_CHECK int disks_unplug(struct disks *d, struct vmm *vmm, struct disk *disk,
			    struct deadline deadline, struct err *err);
/* It has this many bytes now, or shall have: an image file is made that long, a block device must have
 * grown already (E_STATE). Never smaller than it is (E_INVALID). */
MUST_CHECK int disks_grow(struct vmm *vmm, const struct disk *disk, uint64_t bytes,
			  struct deadline deadline, struct err *err);
bool disks_are_plugged(struct disks *d);
