// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Files of the host for a guest that shares none (shared_fs = "none"): they are copied into its memory
 * by the agent's CopyFile.
 *
 *	AUTO(copies) struct copies list = COPIES_INIT;
 *	copies_add(&list, "/host/path", &guest, container);
 *	... the VM runs ...
 *	copy_send(&list.v[i], &to, err)
 *
 * Directories, regular files and symbolic links are copied with their modes and owners; hard links
 * become files of their own; extended attributes and times are not kept; sockets, FIFOs and device
 * nodes are left out. What the guest writes stays there.
 *
 * A file is seen in the guest when it is complete, and links after what they may lead to: when it is
 * copied again after the kubelet's renaming of "..data", readers see the old contents or the new.
 */

#include "base/err.h"
#include "base/scope.h"
#include "protocols/agent.pb-c.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct copy {
	char *source;    /* a directory or regular file of the host */
	char *guest;     /* where it is in the guest */
	char *container; /* whose it is */
};

struct copies {
	struct copy *v;
	size_t n, cap;
};

#define COPIES_INIT        \
	{                  \
		NULL, 0, 0 \
	}

/* Appends one; *guest is its place, heap. name: of the place, below a directory of the container. */
void copies_add(struct copies *list, const char *source, const char *container, const char *name,
		char **guest);
void copy_release(struct copy *c);
void copies_release(struct copies *list);
DEFINE_AUTO_STRUCT(copies, struct copies, copies_release)

/* E_UNSUPPORTED: the mount of source cannot be a copy: it is a socket or a FIFO, or a directory to
 * write to, whose new contents would be lost. */
MUST_CHECK int copy_check(const char *source, bool readonly, struct err *err);

/* True if the kubelet changes what is there: ConfigMaps, Secrets, and the like. */
bool copy_is_live(const char *source);

/* How it is sent, and how much: one of more bytes, or of more than 65 536 files, is E_LIMIT. */
struct copy_to {
	int (*send)(void *arg, const Grpc__CopyFileRequest *request, struct err *err);
	void *arg;
	uint64_t limit;
};

/* Any thread; blocks. */
MUST_CHECK int copy_send(const struct copy *c, const struct copy_to *to, struct err *err);
