// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Direct-assigned volumes: a storage driver says of a path that pods mount (VOLUME) which block
 * device is behind it, instead of mounting that on the host; the pod's VM is given the device, and the guest mounts it.
 * The record is upstream's:
 *
 *	VOLUME_DIR/BASE64URL(VOLUME)/mountInfo.json
 *		{"volume-type": "block", "device": "/dev/sdb", "fstype": "ext4",
 *		 "metadata": {"fsGroup": "1000", "fsGroupChangePolicy": "OnRootMismatch"},
 *		 "options": ["noatime"]}
 *	VOLUME_DIR/BASE64URL(VOLUME)/SANDBOX
 *		for each sandbox that uses it; has the path of its state directory
 *
 * Written by kata-runtime, read by the shim. Any thread.
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

/* The name of its directory: base64 for URLs, with padding. Heap. */
char *volume_name(const char *path);

/* Reads a record's text. E_INVALID names the member. */
MUST_CHECK int volume_parse(const char *json, struct volume *out, struct err *err);
/* Checks and writes a record, or replaces it. */
MUST_CHECK int volume_add(const char *path, const char *json, struct err *err);
/* E_NOT_FOUND; E_STATE: sandboxes use it. */
MUST_CHECK int volume_remove(const char *path, struct err *err);
/* 1 and *out; 0: there is no record for that path. */
MUST_CHECK int volume_find(const char *path, struct volume *out, struct err *err);

/* Says that a sandbox uses it, and that it does no longer. */
MUST_CHECK int volume_mark(const char *path, const char *sandbox, const char *state_dir,
			   struct err *err);
void volume_unmark(const char *path, const char *sandbox);
/* The state directories of the sandboxes that use it, strv. E_NOT_FOUND: there is no record, or nobody uses it. */
MUST_CHECK int volume_users(const char *path, char ***dirs, struct err *err);
