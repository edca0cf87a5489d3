// SPDX-License-Identifier: Apache-2.0
#pragma once

/* SHA-512 of a file, as 128 hex digits and a NUL. */

#include "base/err.h"

#include <stdbool.h>

#define SHA512_HEX 128

/* The digest of a file from its position to its end. name is for messages. */
MUST_CHECK int sha512_fd(int fd, const char *name, char hex[SHA512_HEX + 1], struct err *err);

/* Copies 128 hex digits of either case as lower-case ones. False for anything else. */
bool sha512_parse(const char *text, char hex[SHA512_HEX + 1]);
