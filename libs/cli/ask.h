// SPDX-License-Identifier: Apache-2.0
#pragma once

/* A question that needs a yes. */

#include "base/err.h"

#include <stdbool.h>

/* Asks on the terminal. yes, or nobody there to ask (standard input or error is no terminal): the
 * answer is yes. E_CANCELLED: it was no. */
MUST_CHECK int ask_yes(const char *question, bool yes, struct err *err);
