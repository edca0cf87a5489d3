// SPDX-License-Identifier: Apache-2.0
/*
 * libcrypto's SHA-256, by its low-level calls: they link without the rest of the library, which is
 * what a shim of this size wants.
 */

#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha256.h"

#include "base/str.h"

#include <openssl/sha.h>

void sha256_hex(const void *data, size_t len, char hex[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	(void)SHA256_Init(&ctx);
	(void)SHA256_Update(&ctx, data, len);
	(void)SHA256_Final(digest, &ctx);
	str_hex(digest, sizeof(digest), hex);
}
