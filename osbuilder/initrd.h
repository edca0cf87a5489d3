// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * An initial ram disk from manifests: text files with one entry per line, in the order in which the
 * kernel is to unpack them.
 *
 *	dir  PATH MODE UID GID
 *	file PATH MODE UID GID SOURCE
 *	link PATH TARGET
 *	node PATH MODE UID GID c|b MAJOR MINOR
 *
 * Fields are parted by blanks; an empty line and one that begins with # mean nothing. PATH is
 * absolute and clean, and a directory comes before what it holds. A SOURCE is relative to the
 * manifest's folder, or "$NAME" or "$NAME/REST" with a variable of the caller.
 *
 * The result depends on the manifests and the sources only, not on the machine, the user or the
 * hour.
 */

#include "archive/pack.h"
#include "base/buf.h"
#include "base/err.h"

#include <time.h>

struct initrd_options {
	char *const *vars; /* NAME=VALUE, NULL-terminated */
	enum pack_filter filter;
	time_t mtime; /* of every entry */
};

/* Appends the archive to out, whose limit bounds it. Errors name the manifest and the line:
 * E_INVALID for the line itself, E_NOT_FOUND or another code for its source. */
MUST_CHECK int initrd_build(char *const *manifests, const struct initrd_options *o, struct buf *out,
			    struct err *err);
