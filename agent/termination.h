// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The termination message that a container leaves for Kubernetes. Any thread. */

#include "base/buf.h"
#include "base/err.h"

enum { TERMINATION_MAX = 64 * 1024 };

/* path: of the file, in the guest. */
MUST_CHECK int termination_read(const char *path, struct buf *out, struct err *err);
