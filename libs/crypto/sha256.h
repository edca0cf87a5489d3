// SPDX-License-Identifier: Apache-2.0
#pragma once

/* SHA-256 of a buffer as 64 hex digits and a NUL. */

#include <stddef.h>

void sha256_hex(const void *data, size_t len, char hex[65]);
