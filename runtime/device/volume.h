// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Direct-assigned volumes. A storage driver records which block device is behind a path that pods
 * mount (VOLUME), instead of mounting the device there. The device is then plugged into the pod's
 * VM, and the guest mounts it. The records have upstream's format:
 *
 *	VOLUME_DIR/BASE64URL(VOLUME)/mountInfo.json
 *		{"volume-type": "block", "device": "/dev/sdb", "fstype": "ext4",
 *		 "metadata": {"fsGroup": "1000", "fsGroupChangePolicy": "OnRootMismatch"},
 *		 "options": ["noatime"]}
 *	VOLUME_DIR/BASE64URL(VOLUME)/KEY
 *		for each sandbox that uses the volume (record_key); has the path of its state
 *		directory
 *
 * kata-runtime writes mountInfo.json, the shim reads it and marks the volumes that it uses. Any
 * thread.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stdint.h>

#define VOLUME_DIR "/run/kata-containers/shared/direct-volumes"

struct volume {
	char *device; /* a block device, or an image file */
	char *fstype, **options;
	bool has_group, on_mismatch_only;
	uint32_t group; /* Kubernetes' fsGroup */
};

#define VOLUME_NONE                               \
	{                                         \
		NULL, NULL, NULL, false, false, 0 \
	}

void volume_release(struct volume *v);
DEFINE_AUTO_STRUCT(volume, struct volume, volume_release)

/* The name of a volume's directory: its path in base64 for URLs, with padding. Heap. */
char *volume_name(const char *path);

/* Parses the text of mountInfo.json; *out is for volume_release(). E_INVALID names the member. */
MUST_CHECK int volume_parse(const char *json, struct volume *out, struct err *err);
/* Checks and writes a volume's record, or replaces it. */
MUST_CHECK int volume_add(const char *path, const char *json, struct err *err);
/* Removes a volume's record. E_NOT_FOUND; E_STATE: a sandbox uses the volume. */
MUST_CHECK int volume_remove(const char *path, struct err *err);
/* Returns 1 and *out, for volume_release(); 0 if the path has no record. */
MUST_CHECK int volume_find(const char *path, struct volume *out, struct err *err);

/* Marks a volume as used by the sandbox of that key, and removes the mark. */
MUST_CHECK int volume_mark(const char *path, const char *key, const char *state_dir,
			   struct err *err);
void volume_unmark(const char *path, const char *key);
/* *dirs: the state directories of the sandboxes that use the volume, strv, heap. E_NOT_FOUND: it
 * has no record, or no sandbox uses it. */
MUST_CHECK int volume_users(const char *path, char ***dirs, struct err *err);
