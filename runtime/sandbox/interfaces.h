// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Gives the guest the interfaces, routes and neighbours of its sandbox's network, and marks in that what it
 * has been told.
 */

#include "sandbox/sandbox.h"

/* Those of a network that was just connected. */
MUST_CHECK int interfaces_set_up(struct sandbox *s, struct deadline deadline, struct err *err);
/* One; one that has gone loses its addresses. The guest forgets routes by it: interfaces_route() comes next. */
MUST_CHECK int interfaces_update(struct sandbox *s, struct endpoint *e, struct deadline deadline,
				 struct err *err);
/* Routes and neighbours, where the guest has not been told. */
MUST_CHECK int interfaces_route(struct sandbox *s, struct deadline deadline, struct err *err);
