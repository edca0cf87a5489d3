// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by the files of kata-manager. */

#include "base/err.h"
#include "base/opt.h"

#include <stdbool.h>

struct manager_options {
	bool yes, json, force, no_proof;
	const char *with; /* try: docker, nerdctl or ctr */
	const char *to;
};
extern struct manager_options options;

/* install.c: sets up everything for containers in VMs. */
int manager_install(int argc, char **argv, struct err *err);
/* try.c: try [IMAGE [COMMAND...]] */
int manager_try(int argc, char **argv, struct err *err);
