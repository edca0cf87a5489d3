// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Where a stream of a process is: a path (a FIFO), or SCHEME://PATH?KEY=VALUE&... as managers write
 * it for log files and logging programs. Path, keys and values are decoded (%41, and + for a blank
 * in the query) as containerd's own shim decodes them: of a key that is there twice the first value
 * counts, one without a value has the empty one, a pair that cannot be decoded is left out.
 */

#include "base/err.h"
#include "base/scope.h"

struct uri {
	char *scheme; /* "fifo" for a mere path */
	char *path;
	char **query; /* keys and values in turn, or NULL */
};

#define URI_INIT                 \
	{                        \
		NULL, NULL, NULL \
	}

/* E_INVALID: what the path says is no path. */
MUST_CHECK int uri_parse(const char *text, struct uri *out, struct err *err);
void uri_release(struct uri *u);
static inline void auto_release_uri(struct uri *u)
{
	uri_release(u);
}
