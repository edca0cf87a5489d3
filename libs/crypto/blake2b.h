// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * BLAKE2b (RFC 7693) of memory, without a key, for digest sizes that libcrypto 3.0 does not offer:
 * its "BLAKE2B-512" has no size parameter, and a shorter BLAKE2b is not a truncated longer one.
 * Used for the checksum in minisign's secret keys; signed data is hashed by libcrypto.
 */

#include <stddef.h>
#include <stdint.h>

enum { BLAKE2B_MAX = 64 };

/* size: of the digest, 1 to BLAKE2B_MAX bytes. */
void blake2b(const void *data, size_t len, uint8_t *digest, size_t size);
