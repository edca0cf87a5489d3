// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Small releases "1", "2", "3" for tests of the engine: programs, data, links, what a person may
 * edit, contents that two names share, files that come and go between versions.
 */

#include "deploy/engine/engine.h"

/* A sealed layout. */
void release_make(const char *version, struct layout *l, struct err *err);
/* Writes the files of that release below dir. */
MUST_CHECK int release_unpack(const char *version, int dir, struct err *err);
