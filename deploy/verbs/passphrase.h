// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Pass-phrases, from a file descriptor or the terminal; wiped when they go out of scope. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>

enum { PASSPHRASE_MAX = 1024 };

struct passphrase {
	char text[PASSPHRASE_MAX + 1];
};

void passphrase_wipe(struct passphrase *p);
DEFINE_AUTO_STRUCT(passphrase, struct passphrase, passphrase_wipe)

/* The first line of an fd (its number as text), or, if that is NULL, asked on the terminal without
 * echo; twice if it is a new one. E_USAGE: there is neither; or it is empty. E_CANCELLED. */
MUST_CHECK int passphrase_get(struct passphrase *p, const char *fd, const char *what, bool again,
			      struct err *err);
