// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Reads passphrases, from a file descriptor or the terminal. AUTO(passphrase) wipes them. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>

enum { PASSPHRASE_MAX = 1024 };

struct passphrase {
	char text[PASSPHRASE_MAX + 1];
};

void passphrase_wipe(struct passphrase *p);
DEFINE_AUTO_STRUCT(passphrase, struct passphrase, passphrase_wipe)

/* Reads the next line of an fd (fd is its number as text), or, if fd is NULL, prompts on the
 * terminal without echo. what names the key in the prompt; again: prompts twice and compares, for a
 * new passphrase. E_USAGE: there is neither an fd nor a terminal, the passphrase is empty, or the
 * two differ. E_LIMIT: it is too long. E_CANCELLED: Ctrl-C or Ctrl-D was typed. */
MUST_CHECK int passphrase_get(struct passphrase *p, const char *fd, const char *what, bool again,
			      struct err *err);
