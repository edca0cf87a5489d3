// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The termination message that a container writes for Kubernetes. Any thread. */

#include "base/buf.h"
#include "base/err.h"

enum { TERMINATION_MAX = 64 * 1024 };

/* Appends the contents of the file to out. path: in the guest. E_UNSUPPORTED: it is not below
 * GUEST_DIR; E_INVALID: it is not a regular file. */
MUST_CHECK int termination_read(const char *path, struct buf *out, struct err *err);
