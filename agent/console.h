// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The guest's log and its debug console. */

#include "agent/settings.h"

#include "base/err.h"
#include "loop/loop.h"

/* Sends the log to its serial port, to clients of its vsock port, or to stderr. */
MUST_CHECK int logs_start(struct loop *loop, const struct settings *s, struct err *err);

/* A shell on the console, or one for each connection to a vsock port. */
MUST_CHECK int console_start(struct loop *loop, const struct settings *s, struct err *err);
