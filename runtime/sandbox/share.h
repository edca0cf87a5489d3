// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/sandbox.h"

/* Makes the shared directory, which must be empty, a private mount: mounts below it do not
 * propagate. */
MUST_CHECK int share_open(struct sandbox *s, struct err *err);
