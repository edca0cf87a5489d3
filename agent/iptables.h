// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Reads and sets the guest's packet filter, as text of iptables-save(8). Flows. */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

MUST_CHECK int iptables_save(bool ipv6, struct deadline deadline, struct buf *out, struct err *err);
/* out: the program's output. */
MUST_CHECK int iptables_restore(bool ipv6, const void *rules, size_t len, struct deadline deadline,
				struct buf *out, struct err *err);
