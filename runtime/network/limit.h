// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The rates that an endpoint is limited to (rx_rate_limiter_max_rate, tx_rate_limiter_max_rate), as the guest
 * sees them: what it receives is what leaves by the tap, what it sends is what leaves by the interface. A token
 * bucket at either; for a twentieth of a second it may be faster.
 */

#include "network/endpoint.h"

struct endpoint_limits {
	uint64_t rx, tx; /* bits a second; 0: none */
};

/* The endpoint is connected. On failure limits_lift undoes it. */
MUST_CHECK int limits_set(struct netlink *nl, const struct endpoint *e,
			  const struct endpoint_limits *l, struct err *err);
/* That of an interface; the tap's goes with the tap. What has gone is success. */
MUST_CHECK int limits_lift(struct netlink *nl, const char *interface, struct err *err);
