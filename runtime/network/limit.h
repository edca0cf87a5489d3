// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Limits the rates of an endpoint (rx_rate_limiter_max_rate, tx_rate_limiter_max_rate), as the
 * guest sees them: what it receives leaves the host's stack by the tap, what it sends by the
 * interface. Each gets a token bucket filter, which allows bursts of a twentieth of a second.
 */

#include "network/endpoint.h"

struct endpoint_limits {
	uint64_t rx, tx; /* bits per second; 0: no limit */
};

/* Sets the limits of a connected endpoint. After a failure limits_lift() undoes it. */
MUST_CHECK int limits_set(struct netlink *nl, const struct endpoint *e,
			  const struct endpoint_limits *l, struct err *err);
/* Removes the limit of an interface; that of the tap vanishes with the tap. Success if the
 * interface does not exist any more. */
MUST_CHECK int limits_lift(struct netlink *nl, const char *interface, struct err *err);
