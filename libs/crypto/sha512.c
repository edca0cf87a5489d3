// SPDX-License-Identifier: Apache-2.0
/* libcrypto's SHA-512, by its low-level calls, as sha256.c. */

#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha512.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 256 * 1024 };

int sha512_fd(int fd, const char *name, char hex[SHA512_HEX + 1], struct err *err)
{
	AUTO(mem) unsigned char *chunk = xmalloc(CHUNK);
	unsigned char digest[SHA512_DIGEST_LENGTH];
	SHA512_CTX ctx;
	ssize_t n;

	(void)SHA512_Init(&ctx);
	while ((n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "read %s", name);
		(void)SHA512_Update(&ctx, chunk, (size_t)n);
	}
	(void)SHA512_Final(digest, &ctx);
	str_hex(digest, sizeof(digest), hex);
	return 0;
}

bool sha512_parse(const char *text, char hex[SHA512_HEX + 1])
{
	if (strlen(text) != SHA512_HEX)
		return false;
	for (size_t i = 0; i <= SHA512_HEX; i++)
		hex[i] = (char)tolower((unsigned char)text[i]);
	return strspn(hex, "0123456789abcdef") == SHA512_HEX;
}
