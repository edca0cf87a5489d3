// SPDX-License-Identifier: Apache-2.0
/*
 * Public keys and signatures. Only the exact form that minisign writes is accepted, so a signature
 * has only one encoding.
 */

#include "base/mem.h"
#include "base/str.h"
#include "crypto/minisig-internal.h"

#include <openssl/evp.h>
#include <string.h>

#define UNTRUSTED "untrusted comment: "
#define TRUSTED   "trusted comment: "

enum { KEY_BYTES = 2 + MINISIG_ID + 32, SIGNATURE_BYTES = 2 + MINISIG_ID + 64, ENCODED_MAX = 512 };

DEFINE_AUTO(pkey, EVP_PKEY *, NULL, EVP_PKEY_free)
DEFINE_AUTO(md_ctx, EVP_MD_CTX *, NULL, EVP_MD_CTX_free)

bool minisig_next_line(const char **text, size_t *left, struct minisig_line *line)
{
	const char *end = *left ? memchr(*text, '\n', *left) : NULL;
	size_t len = end ? (size_t)(end - *text) : *left;

	if (!*left)
		return false;
	*line = (struct minisig_line){ *text, len };
	*text += len + (end ? 1 : 0);
	*left -= len + (end ? 1 : 0);
	return true;
}

bool minisig_line_starts(const struct minisig_line *line, const char *prefix)
{
	size_t n = strlen(prefix);

	return line->len >= n && memcmp(line->text, prefix, n) == 0;
}

bool minisig_decode(const struct minisig_line *line, uint8_t *out, size_t size)
{
	unsigned char bytes[ENCODED_MAX], again[ENCODED_MAX];
	size_t encoded = (size + 2) / 3 * 4;
	bool good;

	if (line->len != encoded || encoded >= ENCODED_MAX ||
	    EVP_DecodeBlock(bytes, (const unsigned char *)line->text, (int)line->len) < (int)size)
		return false;
	/* libcrypto accepts white space and stray bits: encode again and compare. */
	(void)EVP_EncodeBlock(again, bytes, (int)size);
	good = memcmp(again, line->text, encoded) == 0;
	if (good)
		memcpy(out, bytes, size);
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(again, sizeof(again));
	return good;
}

void minisig_encode(const uint8_t *data, size_t size, struct buf *to)
{
	unsigned char text[ENCODED_MAX];

	if ((size + 2) / 3 * 4 >= ENCODED_MAX)
		bug("%zu bytes of base64", size);
	(void)EVP_EncodeBlock(text, data, (int)size);
	buf_fmt(to, "%s\n", (char *)text);
	explicit_bzero(text, sizeof(text));
}

/* minisign's default comment has a tab. */
bool minisig_is_comment(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

void minisig_prehash(const void *data, size_t len, uint8_t digest[64])
{
	if (!EVP_Digest(len ? data : "", len, digest, NULL, EVP_blake2b512(), NULL))
		bug("libcrypto has no BLAKE2b");
}

bool minisig_ed25519_verify(const uint8_t key[32], const void *data, size_t len,
			    const uint8_t signature[64])
{
	AUTO(pkey) EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, 32);
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	return pkey && ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
	       EVP_DigestVerify(ctx, signature, 64, data, len) == 1;
}

void minisig_id_hex(const uint8_t id[MINISIG_ID], char hex[17])
{
	static const char digits[] = "0123456789ABCDEF";

	for (unsigned i = 0; i < MINISIG_ID; i++) {
		hex[2 * i] = digits[id[MINISIG_ID - 1 - i] >> 4];
		hex[2 * i + 1] = digits[id[MINISIG_ID - 1 - i] & 15];
	}
	hex[16] = '\0';
}

int minisig_key_parse(struct minisig_key *key, const char *text, size_t len, const char *name,
		      struct err *err)
{
	uint8_t bytes[KEY_BYTES];
	struct minisig_line line;

	if (len > MINISIG_TEXT_MAX)
		return err_set(err, E_INVALID, "%s is too large for a minisign public key", name);
	if (!minisig_next_line(&text, &len, &line) ||
	    (minisig_line_starts(&line, UNTRUSTED) && !minisig_next_line(&text, &len, &line)) ||
	    !minisig_decode(&line, bytes, sizeof(bytes)) || len != 0)
		return err_set(err, E_INVALID, "%s is not a minisign public key", name);
	if (memcmp(bytes, "Ed", 2) != 0)
		return err_set(err, E_INVALID, "%s is a key of an unknown kind", name);
	memcpy(key->id, bytes + 2, sizeof(key->id));
	memcpy(key->key, bytes + 2 + MINISIG_ID, sizeof(key->key));
	return 0;
}

void minisig_key_format(const struct minisig_key *key, struct buf *to)
{
	uint8_t bytes[KEY_BYTES] = "Ed";
	char hex[17];

	memcpy(bytes + 2, key->id, sizeof(key->id));
	memcpy(bytes + 2 + MINISIG_ID, key->key, sizeof(key->key));
	minisig_id_hex(key->id, hex);
	buf_fmt(to, UNTRUSTED "minisign public key %s\n", hex);
	minisig_encode(bytes, sizeof(bytes), to);
}

static int parse_lines(struct minisig *sig, uint8_t bytes[SIGNATURE_BYTES], const char *text,
		       size_t len)
{
	struct minisig_line line, comment;

	if (!minisig_next_line(&text, &len, &line) || !minisig_line_starts(&line, UNTRUSTED) ||
	    !minisig_next_line(&text, &len, &line) ||
	    !minisig_decode(&line, bytes, SIGNATURE_BYTES) ||
	    !minisig_next_line(&text, &len, &comment) || !minisig_line_starts(&comment, TRUSTED) ||
	    !minisig_next_line(&text, &len, &line) ||
	    !minisig_decode(&line, sig->global, sizeof(sig->global)) || len != 0)
		return -1;
	comment.text += strlen(TRUSTED);
	comment.len -= strlen(TRUSTED);
	if (comment.len > MINISIG_COMMENT_MAX || !minisig_is_comment(comment.text, comment.len))
		return -1;
	memcpy(sig->comment, comment.text, comment.len);
	sig->comment[comment.len] = '\0';
	return 0;
}

int minisig_parse(struct minisig *sig, const char *text, size_t len, const char *name,
		  struct err *err)
{
	uint8_t bytes[SIGNATURE_BYTES];

	if (len > MINISIG_TEXT_MAX || parse_lines(sig, bytes, text, len) < 0)
		return err_set(err, E_INVALID, "%s is not a minisign signature", name);
	if (memcmp(bytes, "Ed", 2) == 0)
		return err_set(err, E_UNSUPPORTED,
			       "%s is a signature of the older kind, without a hash; sign again "
			       "with a minisign of version 0.10 or newer",
			       name);
	if (memcmp(bytes, "ED", 2) != 0)
		return err_set(err, E_INVALID, "%s is a signature of an unknown kind", name);
	memcpy(sig->id, bytes + 2, sizeof(sig->id));
	memcpy(sig->signature, bytes + 2 + MINISIG_ID, sizeof(sig->signature));
	return 0;
}

static bool verify_comment(const struct minisig *sig, const struct minisig_key *key)
{
	uint8_t covered[64 + MINISIG_COMMENT_MAX];
	size_t len = strlen(sig->comment);

	memcpy(covered, sig->signature, 64);
	memcpy(covered + 64, sig->comment, len);
	return minisig_ed25519_verify(key->key, covered, 64 + len, sig->global);
}

int minisig_verify(const struct minisig *sig, const struct minisig_key *key, const void *data,
		   size_t len, struct err *err)
{
	uint8_t digest[64];
	char made[17], asked[17];

	minisig_id_hex(sig->id, made);
	minisig_id_hex(key->id, asked);
	if (memcmp(sig->id, key->id, MINISIG_ID) != 0)
		return err_set(err, E_TRUST, "the signature was made with key %s, not with %s",
			       made, asked);
	minisig_prehash(data, len, digest);
	if (!minisig_ed25519_verify(key->key, digest, sizeof(digest), sig->signature))
		return err_set(err, E_TRUST, "the signature of key %s is not valid for the data",
			       made);
	if (!verify_comment(sig, key))
		return err_set(err, E_TRUST,
			       "the signature of key %s is not valid for its trusted comment",
			       made);
	return 0;
}
