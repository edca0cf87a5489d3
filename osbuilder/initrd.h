// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Builds an initial RAM disk from manifests: text files with one entry per line, in the order in
 * which the kernel unpacks them.
 *
 *	dir  PATH MODE UID GID
 *	file PATH MODE UID GID SOURCE
 *	link PATH TARGET
 *	node PATH MODE UID GID c|b MAJOR MINOR
 *
 * Fields are separated by blanks; empty lines and lines that begin with # are ignored. PATH is
 * absolute, without ".", ".." or a trailing slash, and a directory must be listed before its
 * contents. A SOURCE is relative to the manifest's directory, or has the form "$NAME" or
 * "$NAME/REST", where NAME is a variable that the caller defines.
 *
 * The result depends only on the manifests, the sources and the options, not on the machine, the
 * user or the time.
 */

#include "archive/pack.h"
#include "base/buf.h"
#include "base/err.h"

#include <time.h>

struct initrd_options {
	char *const *vars; /* the variables, NAME=VALUE; NULL-terminated, or NULL for none */
	enum pack_filter filter;
	time_t mtime; /* of every entry */
};

/* Appends the archive to out, whose limit applies. manifests is a NULL-terminated list of file
 * names. Returns 0, or -1 with an error that names the manifest and the line: E_INVALID for a
 * wrong line, E_NOT_FOUND or another code for a source that cannot be read. */
MUST_CHECK int initrd_build(char *const *manifests, const struct initrd_options *o, struct buf *out,
			    struct err *err);
