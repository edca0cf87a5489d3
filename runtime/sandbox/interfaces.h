// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Gives the guest the interfaces, routes and neighbours of its sandbox's network. */

#include "sandbox/sandbox.h"

MUST_CHECK int interfaces_set_up(struct sandbox *s, struct deadline deadline, struct err *err);
