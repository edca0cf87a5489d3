// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What a person sees of the guest: its log and its debug console. */

#include "agent/agent.h"

/* The log goes to its port, to whoever connects to its vsock port, or to stderr. */
MUST_CHECK int logs_start(struct loop *loop, const struct settings *s, struct err *err);

/* A shell on the console, or one for each connection to a vsock port. */
MUST_CHECK int console_start(struct loop *loop, const struct settings *s, struct err *err);
