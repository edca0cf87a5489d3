// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Signatures and keys in the formats of minisign (https://jedisct1.github.io/minisign/, "Signature
 * format", "Public key format", "Secret key format"), so that the minisign program verifies what we
 * sign and we verify what it signs.
 *
 *	struct minisig_key key;
 *	struct minisig sig;
 *	if (minisig_key_parse(&key, text, len, "ops.pub", err) < 0 ||
 *	    minisig_parse(&sig, sig_text, sig_len, "release.yaml.minisig", err) < 0 ||
 *	    minisig_verify(&sig, &key, data, data_len, err) < 0)	// E_TRUST
 *		return -1;
 *	printf("%s\n", sig.comment);	// only now: the trusted comment is covered as well
 *
 * A signature is Ed25519 over the BLAKE2b-512 of the data ("ED"); the older form over the data
 * itself ("Ed") is rejected with E_UNSUPPORTED. The structs have no heap memory; secret keys must
 * be wiped with minisig_secret_wipe. Parsers take untrusted text of at most MINISIG_TEXT_MAX bytes.
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/scope.h"

#include <stddef.h>
#include <stdint.h>

enum { MINISIG_TEXT_MAX = 4096, MINISIG_COMMENT_MAX = 1024, MINISIG_ID = 8 };

struct minisig_key {
	uint8_t id[MINISIG_ID];
	uint8_t key[32];
};

struct minisig {
	uint8_t id[MINISIG_ID];
	uint8_t signature[64];
	char comment[MINISIG_COMMENT_MAX + 1]; /* the trusted comment; not trusted before verify */
	uint8_t global[64];
};

struct minisig_secret {
	uint8_t id[MINISIG_ID];
	uint8_t seed[32], key[32]; /* the private half, the public half */
};

/* Parses a .pub file, or its base64 line ("RWQ...") alone. E_INVALID. */
MUST_CHECK int minisig_key_parse(struct minisig_key *key, const char *text, size_t len,
				 const char *name, struct err *err);
/* Appends the text of a .pub file. */
void minisig_key_format(const struct minisig_key *key, struct buf *to);
/* A key id as minisign shows it: 16 hex digits, the bytes as a little-endian number. */
void minisig_id_hex(const uint8_t id[MINISIG_ID], char hex[17]);

/* Parses a .minisig file. E_INVALID, E_UNSUPPORTED (see above). */
MUST_CHECK int minisig_parse(struct minisig *sig, const char *text, size_t len, const char *name,
			     struct err *err);
/* E_TRUST if the signature was made with another key, or is not valid for the data or the trusted
 * comment. */
MUST_CHECK int minisig_verify(const struct minisig *sig, const struct minisig_key *key,
			      const void *data, size_t len, struct err *err);

/* Makes a new key pair from the kernel's random numbers. */
MUST_CHECK int minisig_generate(struct minisig_secret *secret, struct err *err);
/* The public key of a secret one. */
void minisig_public(const struct minisig_secret *secret, struct minisig_key *key);
void minisig_secret_wipe(struct minisig_secret *secret);
DEFINE_AUTO_STRUCT(minisig_secret, struct minisig_secret, minisig_secret_wipe)

/*
 * The encrypted file form: scrypt (through libcrypto) of the passphrase, XOR, and a BLAKE2b
 * checksum. An empty passphrase writes the form of `minisign -G -W`, which is not encrypted. The
 * scrypt cost of a parsed file is limited: E_LIMIT above 1 GiB of memory. E_PERMISSION: the
 * passphrase is wrong (or the file damaged: the two cannot be told apart).
 */
MUST_CHECK int minisig_secret_parse(struct minisig_secret *secret, const char *text, size_t len,
				    const char *passphrase, const char *name, struct err *err);
MUST_CHECK int minisig_secret_format(const struct minisig_secret *secret, const char *passphrase,
				     struct buf *to, struct err *err);

/* Signs data and appends the text of a .minisig file to to. comment becomes the trusted comment:
 * one printable line, else E_INVALID. */
MUST_CHECK int minisig_sign(const struct minisig_secret *secret, const void *data, size_t len,
			    const char *comment, struct buf *to, struct err *err);
