// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The drop-ins of CRI-O. It reads every file below crio.conf.d, also in subdirectories and with a
 * hidden name, in the order of a walk that sorts each directory by name. A later file takes
 * precedence over an earlier one, and all of them over crio.conf.
 */

#include "base/err.h"
#include "deploy/cri/backend.h"

/* Lists the drop-ins in the order in which they are read, as the manager sees them (without root);
 * strv, which the caller frees. *out is NULL if there are none, or the manager reads none. Links that
 * lead to no file are left out. E_CONFIG: too many files, or directories too deep. */
MUST_CHECK int dropins_list(const struct cri *c, char ***out, struct err *err);
