// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Small releases "1", "2", "3" for tests of the engine. They have programs, data, links,
 * configuration files, two files with the same contents, and files that only some versions have.
 */

#include "deploy/engine/engine.h"

/* Makes the sealed layout of a version. */
void release_make(const char *version, struct layout *l, struct err *err);
/* Writes the files of that release below dir. */
MUST_CHECK int release_unpack(const char *version, int dir, struct err *err);
