// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What the files of kata-manager share. */

#include "base/err.h"
#include "base/opt.h"

#include <stdbool.h>

struct manager_options {
	bool yes, json, force, no_proof;
	const char *with; /* for try: docker, nerdctl or ctr; NULL: any that works */
	const char *to;   /* for switch: the version */
};
extern struct manager_options options;

/* The verb install: sets this machine up for containers in VMs. */
int manager_install(int argc, char **argv, struct err *err);
/* The verb try [IMAGE [COMMAND...]]: runs a container in a VM. */
int manager_try(int argc, char **argv, struct err *err);
