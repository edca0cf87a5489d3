// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What is around a scenario for as long as it runs: small, read-only and hidden places, files that
 * nobody may change, and a lock that somebody else has. Mounts want a mount namespace of their own.
 */

#include "base/err.h"
#include "json/json.h"

struct around {
	char **mounts; /* to be undone, the last first */
	char *pinned;  /* the directory in which something is immutable */
	int lock;
	bool lacks; /* what this machine has not; the scenario cannot run here */
};
#define AROUND_INIT        \
	{                  \
		.lock = -1 \
	}
void around_release(struct around *a);

/* A step "mount", "read-only", "hide", "lock", "pin" or "unpin", as scenario.c describes them; relative paths are
 * below dir. 1: it was one of these; 0: it was not. */
MUST_CHECK int around_add(struct around *a, const char *dir, const struct json *step,
			  struct err *err);
