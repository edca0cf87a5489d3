// SPDX-License-Identifier: Apache-2.0
/* libcrypto's SHA-1. */

#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha1.h"

#include "base/mem.h"
#include "base/str.h"

#include <openssl/sha.h>

struct sha1 {
	SHA_CTX ctx;
};

struct sha1 *sha1_new(void)
{
	struct sha1 *s = xmalloc(sizeof(*s));

	(void)SHA1_Init(&s->ctx);
	return s;
}

void sha1_add(struct sha1 *s, const void *data, size_t len)
{
	(void)SHA1_Update(&s->ctx, data, len);
}

void sha1_end(struct sha1 *s, char hex[SHA1_HEX + 1])
{
	unsigned char digest[SHA_DIGEST_LENGTH];

	(void)SHA1_Final(digest, &s->ctx);
	str_hex(digest, sizeof(digest), hex);
}

void sha1_free(struct sha1 *s)
{
	free(s);
}
