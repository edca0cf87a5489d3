// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The disks that are plugged into a running VM, counted by users. A block device or image file of
 * the host is plugged once for all users that write, and once for all that only read; it is
 * unplugged with its last user. If the guest does not let go of it then, it may do so at any later
 * time, so nobody may use it any more; the next user waits until it has gone, and gets it anew.
 *
 *	struct disks disks;
 *	disks_init(&disks);
 *	disks_plug(&disks, &vmm, "/dev/loop0", false, &disk, deadline, err)
 *	... disk->address
 *	disks_unplug(&disks, &vmm, disk, deadline, err)
 *	disks_release(&disks);		// after the VM has ended
 *
 * QEMU opens the device itself, so nothing is to be undone on the host after QEMU has ended,
 * however it ended. Any thread but the loop's.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/vec.h"
#include "vmm/vmm.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

/* Constant while it has users, except for what disks.lock guards. */
struct disk {
	char *id, *path;
	dev_t device; /* the block device's number; of a file, that of its file system */
	ino_t inode;  /* of a file; else 0 */
	bool readonly;
	struct vmm_address address;
	unsigned users; /* disks.lock */
	bool busy;      /* disks.lock: it is being plugged in or out */
	bool leaving;   /* the guest was asked to let go of it; of the flow that makes it busy */
};

struct disks {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	VEC(struct disk *) list;
	unsigned counter;
};

void disks_init(struct disks *d);
void disks_release(struct disks *d);

/* Plugs a disk in, or takes a reference if it is plugged already; *out is for disks_unplug().
 * E_TIMEOUT: another thread is still plugging or unplugging it, or the guest still holds it after a
 * disks_unplug(). */
MUST_CHECK int disks_plug(struct disks *d, struct vmm *vmm, const char *path, bool readonly,
			  struct disk **out, struct deadline deadline, struct err *err);
/* Drops a reference. The last one unplugs the disk; the guest must have stopped using it. After a
 * failure it stays in the VM without users until the guest lets go of it. */
MUST_CHECK int disks_unplug(struct disks *d, struct vmm *vmm, struct disk *disk,
			    struct deadline deadline, struct err *err);
/* Makes a disk larger. An image file is extended; a block device must have the size already
 * (E_STATE). E_INVALID: an image file is larger already. */
MUST_CHECK int disks_grow(struct vmm *vmm, const struct disk *disk, uint64_t bytes,
			  struct deadline deadline, struct err *err);
/* True if any disk is plugged in. */
bool disks_are_plugged(struct disks *d);
