// SPDX-License-Identifier: Apache-2.0
/*
 * libcrypto's SHA-256, by its low-level calls: they link without the rest of the library, which is
 * what a shim of this size wants.
 */

#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha256.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <errno.h>
#include <openssl/sha.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

void sha256_hex(const void *data, size_t len, char hex[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;

	(void)SHA256_Init(&ctx);
	(void)SHA256_Update(&ctx, data, len);
	(void)SHA256_Final(digest, &ctx);
	str_hex(digest, sizeof(digest), hex);
}

int sha256_fd(int fd, const char *name, char hex[65], uint64_t *size, struct err *err)
{
	AUTO(mem) unsigned char *chunk = xmalloc(CHUNK);
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx;
	ssize_t n;

	*size = 0;
	(void)SHA256_Init(&ctx);
	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", name);
		(void)SHA256_Update(&ctx, chunk, (size_t)n);
		*size += (uint64_t)n;
	}
	(void)SHA256_Final(digest, &ctx);
	str_hex(digest, sizeof(digest), hex);
	return 0;
}
