// SPDX-License-Identifier: Apache-2.0
#pragma once

/* SHA-1 as 40 hex digits and a NUL, incrementally. Only for SPDX documents, which require it for
 * every file; it has no security purpose. */

#include "base/scope.h"

#include <stddef.h>

#define SHA1_HEX 40

struct sha1;
struct sha1 *sha1_new(void);
void sha1_add(struct sha1 *s, const void *data, size_t len);
void sha1_end(struct sha1 *s, char hex[SHA1_HEX + 1]);
void sha1_free(struct sha1 *s);
DEFINE_AUTO(sha1, struct sha1 *, NULL, sha1_free)
