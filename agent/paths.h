// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Directories of the guest for files of containers and volumes. */

#define GUEST_DIR  "/run/kata-containers"
#define SHARED_DIR GUEST_DIR "/shared/containers" /* the host's share is mounted there */
#define COPIES_DIR SHARED_DIR "/copied"           /* without a share: a directory per container */

/* Root file systems are below GUEST_DIR, so users that a user namespace maps must be able to search
 * it. */
enum { GUEST_DIR_MODE = 0711 };
