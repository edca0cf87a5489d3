// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The location of a stream: a path (a FIFO), or SCHEME://PATH?KEY=VALUE&..., which managers use for
 * log files and logging programs. Path, keys and values are decoded (%41, and + for a space in the
 * query) as in containerd's own shim: the first value of a repeated key is used, a key without a
 * value gets "", a pair that cannot be decoded is left out.
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

/* E_INVALID if it has no valid path. */
MUST_CHECK int uri_parse(const char *text, struct uri *out, struct err *err);
void uri_release(struct uri *u);
static inline void auto_release_uri(struct uri *u)
{
	uri_release(u);
}
