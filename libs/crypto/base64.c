// SPDX-License-Identifier: Apache-2.0
/*
 * libcrypto skips white space and ignores stray bits, so several texts decode to the same bytes. To
 * accept only the canonical one, the bytes are encoded again and compared.
 */

#include "crypto/base64.h"

#include "base/mem.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

static size_t padding(const char *text, size_t len)
{
	return text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
}

int base64_decode(const char *text, const char *name, struct buf *to, struct err *err)
{
	AUTO(mem) unsigned char *bytes = NULL, *again = NULL;
	size_t len, n;
	bool good;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	if (len == 0)
		return 0;
	if (len % 4)
		return err_set(err, E_INVALID, "%s: not base64", name);
	n = len / 4 * 3 - padding(text, len);
	if (n > to->max)
		return err_set(err, E_LIMIT, "%s: too long", name);
	bytes = xmalloc(len);
	again = xmalloc(len + 1);
	good = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) >= (int)n &&
	       EVP_EncodeBlock(again, bytes, (int)n) == (int)len && memcmp(again, text, len) == 0;
	if (good)
		buf_add(to, bytes, n);
	explicit_bzero(bytes, len);
	explicit_bzero(again, len + 1);
	return good ? buf_check(to, name, err) : err_set(err, E_INVALID, "%s: not base64", name);
}
