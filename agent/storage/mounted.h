// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Mounts that are in use. Flows. */

#include "base/err.h"
#include "protocols/agent.pb-c.h"

/* Gives a memory-backed volume the size that its options say. */
MUST_CHECK int mounted_rescale(const Grpc__Storage *s, struct err *err);

/* Unmounts shares whose root the host has removed. One that cannot be is logged. */
MUST_CHECK int mounted_drop_stale(struct err *err);
