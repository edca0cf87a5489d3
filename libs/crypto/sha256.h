// SPDX-License-Identifier: Apache-2.0
#pragma once

/* SHA-256 as 64 hex digits and a NUL: of memory, of a file, and incrementally. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_HEX 64

void sha256_hex(const void *data, size_t len, char hex[65]);

/* The digest of a file from its position to its end; *size gets the number of bytes. name is for
 * messages. */
MUST_CHECK int sha256_fd(int fd, const char *name, char hex[65], uint64_t *size, struct err *err);

/* True for 64 lower-case hex digits. */
bool sha256_is_hex(const char *text);
/* For text that a person typed: copies 64 hex digits of either case as lower-case ones. False for
 * anything else. */
bool sha256_parse(const char *text, char hex[65]);

/* Incrementally: new, add any number of times, end; more adds and another end may follow, which
 * gives the digest of all bytes so far. */
struct sha256;
struct sha256 *sha256_new(void);
void sha256_add(struct sha256 *s, const void *data, size_t len);
void sha256_end(struct sha256 *s, char hex[65]);
void sha256_free(struct sha256 *s);
DEFINE_AUTO(sha256, struct sha256 *, NULL, sha256_free)
