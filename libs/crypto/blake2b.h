// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * BLAKE2b (RFC 7693) without a key, of memory, for the digest sizes that libcrypto 3.0 does not
 * give: its "BLAKE2B-512" has no size parameter, and a shorter BLAKE2b is not a longer one cut off.
 * What is signed is hashed by libcrypto; this is for the checksum in minisign's secret keys.
 */

#include <stddef.h>
#include <stdint.h>

enum { BLAKE2B_MAX = 64 };

/* size: 1 to BLAKE2B_MAX bytes. */
void blake2b(const void *data, size_t len, uint8_t *digest, size_t size);
