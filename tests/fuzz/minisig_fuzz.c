// SPDX-License-Identifier: Apache-2.0
/*
 * minisign's public keys, signatures and secret keys; each input is tried as all three. A key that
 * parses can be printed, and what was printed parses to the same key. No passphrase is given for
 * encrypted keys, because scrypt would take nearly all the time.
 */

#include "base/str.h"
#include "crypto/minisig.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_key(const char *text, size_t len)
{
	AUTO(buf) struct buf again = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_key key, second;
	struct err err = ERR_INIT;

	if (minisig_key_parse(&key, text, len, "fuzz", &err) < 0)
		return;
	minisig_key_format(&key, &again);
	if (minisig_key_parse(&second, again.data, again.len, "again", &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	if (memcmp(&key, &second, sizeof(key)) != 0)
		bug("another key: %s", again.data);
}

static void try_signature(const char *text, size_t len)
{
	static const struct minisig_key key;
	struct err err = ERR_INIT;
	struct minisig sig;

	if (minisig_parse(&sig, text, len, "fuzz", &err) < 0)
		return;
	if (strpbrk(sig.comment, "\n\r\033") || strlen(sig.comment) > MINISIG_COMMENT_MAX)
		bug("comment '%s'", sig.comment);
	if (minisig_verify(&sig, &key, text, len, &err) == 0)
		bug("a signature of a key of zeros is good");
}

static void try_secret(const char *text, size_t len)
{
	AUTO(buf) struct buf again = BUF_INIT(MINISIG_TEXT_MAX);
	AUTO(minisig_secret) struct minisig_secret secret;
	struct err err = ERR_INIT;

	if (minisig_secret_parse(&secret, text, len, NULL, "fuzz", &err) < 0) {
		if (err.code != E_INVALID && err.code != E_PERMISSION)
			bug("refused with %s", err_slug(err.code));
		return;
	}
	if (minisig_secret_format(&secret, NULL, &again, &err) < 0 ||
	    minisig_secret_parse(&secret, again.data, again.len, NULL, "again", &err) < 0)
		bug("a key that was read cannot be written: %s", err.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	try_key(text, size);
	try_signature(text, size);
	try_secret(text, size);
	return 0;
}
