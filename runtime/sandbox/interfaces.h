// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Has the agent configure the interfaces, routes and neighbours of the sandbox's network in the
 * guest, and marks them there as synced. Flows.
 */

#include "sandbox/sandbox.h"

/* Configures all of a network that was just connected. */
MUST_CHECK int interfaces_set_up(struct sandbox *s, struct deadline deadline, struct err *err);
/* Configures one interface, without addresses if it is gone from the namespace. The guest's kernel
 * drops the routes over it: call interfaces_route() next. */
MUST_CHECK int interfaces_update(struct sandbox *s, struct endpoint *e, struct deadline deadline,
				 struct err *err);
/* Sets routes and neighbours, each if it is not synced. */
MUST_CHECK int interfaces_route(struct sandbox *s, struct deadline deadline, struct err *err);
