// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Confirmation on the terminal. */

#include "base/err.h"

#include <stdbool.h>

/* Asks the question on standard error. Succeeds if the answer is yes; also without asking if yes is
 * set. E_CANCELLED: the answer was no. E_USAGE: standard input or standard error is not a terminal;
 * the hint names --yes. */
MUST_CHECK int ask_yes(const char *question, bool yes, struct err *err);
