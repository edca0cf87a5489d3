// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Passphrases, read from a file descriptor or the terminal; wiped when they go out of scope. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>

enum { PASSPHRASE_MAX = 1024 };

struct passphrase {
	char text[PASSPHRASE_MAX + 1];
};

void passphrase_wipe(struct passphrase *p);
DEFINE_AUTO_STRUCT(passphrase, struct passphrase, passphrase_wipe)

/* Reads the first line of an fd (its number as text), or, if fd is NULL, prompts on the terminal
 * without echo; again: prompts twice and compares, for a new passphrase. what names the key in the
 * prompt. E_USAGE: no fd and no terminal, it is empty, or the two differ. E_LIMIT. E_CANCELLED: end
 * of input. */
MUST_CHECK int passphrase_get(struct passphrase *p, const char *fd, const char *what, bool again,
			      struct err *err);
