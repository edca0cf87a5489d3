// SPDX-License-Identifier: Apache-2.0
/*
 * libcrypto's SHA-256, by its low-level calls, which link without the rest of the library and keep
 * the shim small.
 */

#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha256.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

struct sha256 {
	SHA256_CTX ctx;
};

struct sha256 *sha256_new(void)
{
	struct sha256 *s = xmalloc(sizeof(*s));

	(void)SHA256_Init(&s->ctx);
	return s;
}

void sha256_add(struct sha256 *s, const void *data, size_t len)
{
	(void)SHA256_Update(&s->ctx, data, len);
}

void sha256_end(struct sha256 *s, char hex[65])
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	SHA256_CTX ctx = s->ctx; /* more bytes may be added to s */

	(void)SHA256_Final(digest, &ctx);
	str_hex(digest, sizeof(digest), hex);
}

void sha256_free(struct sha256 *s)
{
	free(s);
}

bool sha256_is_hex(const char *text)
{
	return strspn(text, "0123456789abcdef") == SHA256_HEX && text[SHA256_HEX] == '\0';
}

bool sha256_parse(const char *text, char hex[65])
{
	if (strlen(text) != SHA256_HEX)
		return false;
	for (size_t i = 0; i <= SHA256_HEX; i++)
		hex[i] = (char)tolower((unsigned char)text[i]);
	return sha256_is_hex(hex);
}

void sha256_hex(const void *data, size_t len, char hex[65])
{
	struct sha256 s;

	(void)SHA256_Init(&s.ctx);
	sha256_add(&s, data, len);
	sha256_end(&s, hex);
}

int sha256_fd(int fd, const char *name, char hex[65], uint64_t *size, struct err *err)
{
	AUTO(mem) unsigned char *chunk = xmalloc(CHUNK);
	AUTO(sha256) struct sha256 *s = sha256_new();
	ssize_t n;

	*size = 0;
	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", name);
		sha256_add(s, chunk, (size_t)n);
		*size += (uint64_t)n;
	}
	sha256_end(s, hex);
	return 0;
}
