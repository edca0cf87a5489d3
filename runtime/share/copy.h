// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Copies files of the host into the memory of a guest without a share (shared_fs = "none"), by the
 * agent's CopyFile.
 *
 *	AUTO(copies) struct copies list = COPIES_INIT;
 *	copies_add(&list, "/host/path", container, name, &guest);
 *	... the VM runs ...
 *	copy_send(&list.v[i], &to, err)
 *
 * Directories, regular files and symbolic links are copied with their modes and owners. Hard links
 * become separate files; extended attributes and times are not kept; sockets, FIFOs and device
 * nodes are left out. What the guest writes to a copy does not reach the host.
 *
 * A file appears in the guest when it is complete, and symbolic links are sent last. So when a
 * volume is copied again after the kubelet has renamed "..data", readers see the old contents or
 * the new ones.
 */

#include "base/err.h"
#include "base/scope.h"
#include "protocols/agent.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct copy {
	char *source;    /* a directory or regular file of the host */
	char *guest;     /* path of the copy in the guest */
	char *container; /* id of the container that has it */
};

struct copies {
	struct copy *v;
	size_t n, cap;
};

#define COPIES_INIT        \
	{                  \
		NULL, 0, 0 \
	}

/* Appends a copy, named name below the container's directory in the guest; *guest is its path,
 * heap. */
void copies_add(struct copies *list, const char *source, const char *container, const char *name,
		char **guest);
void copy_release(struct copy *c);
void copies_release(struct copies *list);
DEFINE_AUTO_STRUCT(copies, struct copies, copies_release)

/* E_UNSUPPORTED, with a hint, if a mount of source cannot be replaced by a copy: it is neither
 * directory nor regular file, or a writable directory, whose new files would be lost. */
MUST_CHECK int copy_check(const char *source, bool readonly, struct err *err);

/* True for the path of a volume that the kubelet changes: ConfigMaps, Secrets, projected volumes
 * and the downward API. */
bool copy_is_live(const char *source);

/* How copies are sent. */
struct copy_to {
	int (*send)(void *arg, const Grpc__CopyFileRequest *request, struct err *err);
	void *arg;
	uint64_t limit; /* bytes of one copy */
};

/* Any thread; blocks. E_LIMIT: the copy has more bytes than the limit, or more than 65536 files. */
MUST_CHECK int copy_send(const struct copy *c, const struct copy_to *to, struct err *err);
