// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What is around a scenario for as long as it runs: small, read-only and hidden places, files that
 * nobody may change, a lock that somebody else has, and a web server (web_lab.h). Mounts want a
 * mount namespace of their own.
 */

#include "base/err.h"
#include "tests/unit/web_lab.h"
#include "json/json.h"

struct around {
	char **mounts; /* to be undone, the last first */
	char *pinned;  /* the directory in which something is immutable */
	int lock;
	struct web web; /* port 0: none */
	struct deaf deaf;
	int closed; /* a port that nobody listens on */
	bool lacks; /* what this machine has not; the scenario cannot run here */
};
#define AROUND_INIT        \
	{                  \
		.lock = -1 \
	}
void around_release(struct around *a);

/* One of the steps of the table in around.c, as scenario.c describes them; relative paths are
 * below dir. 1: it was one of these; 0: it was not. */
/* "http://127.0.0.1:PORT" for "web", "deaf" or "closed", else NULL. Heap. */
char *around_url(const struct around *a, const char *name);
/* How many of the last requests were for a path that starts so. */
unsigned around_asked(const struct around *a, const char *path);

MUST_CHECK int around_add(struct around *a, const char *dir, const struct json *step,
			  struct err *err);
