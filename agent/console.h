// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The agent's log and the guest's debug console. Main thread, before the loop runs. */

#include "agent/settings.h"

#include "base/err.h"
#include "loop/loop.h"

/* Sends the log where the settings say: to a serial port, to the latest client of a vsock port, or
 * to stderr. */
MUST_CHECK int logs_start(struct loop *loop, const struct settings *s, struct err *err);

/* Starts a shell on the guest's console or, with a console port, for each connection to that vsock
 * port. For debugging only: whoever connects is root in the guest. */
MUST_CHECK int console_start(struct loop *loop, const struct settings *s, struct err *err);
