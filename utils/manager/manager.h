// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Between the files of kata-manager. */

#include "base/err.h"
#include "base/opt.h"

#include <stdbool.h>

struct manager_options {
	bool yes, json, force, no_proof;
	const char *with; /* try: docker, nerdctl or ctr */
	const char *to;
};
extern struct manager_options options;

/* install.c: one command from nothing to a container in a VM. */
int manager_install(int argc, char **argv, struct err *err);
/* try.c: try [IMAGE [COMMAND...]] */
int manager_try(int argc, char **argv, struct err *err);
