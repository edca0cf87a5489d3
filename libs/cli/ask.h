// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Confirmation on the terminal. */

#include "base/err.h"

#include <stdbool.h>

/* Asks the question on standard error and returns 0 if the answer is yes; with yes set, returns 0
 * without asking. E_CANCELLED: the answer was no, or a caught signal arrived. E_USAGE: standard
 * input or standard error is not a terminal; the hint names --yes. */
MUST_CHECK int ask_yes(const char *question, bool yes, struct err *err);
