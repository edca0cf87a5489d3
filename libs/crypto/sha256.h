// SPDX-License-Identifier: Apache-2.0
#pragma once

/* SHA-256 as 64 hex digits and a NUL. */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

void sha256_hex(const void *data, size_t len, char hex[65]);

/* Of the rest of a file; *size gets the number of its bytes. name is used in errors. */
MUST_CHECK int sha256_fd(int fd, const char *name, char hex[65], uint64_t *size, struct err *err);
