// SPDX-License-Identifier: Apache-2.0
/*
 * Secret keys: minisign's file, and signing. Its layout, by offset, from minisign's documentation
 * ("Secret key format"):
 *
 *	0 "Ed"  2 "Sc" or two NULs (not encrypted)  4 "B2"  6 salt[32]  38 opslimit  46 memlimit
 *	54 id[8]  62 seed[32]  94 public[32]  126 checksum[32]
 *
 * From 54 on it is XORed with the key stream. Every copy of a secret is wiped.
 */

#include "base/mem.h"
#include "base/str.h"
#include "crypto/blake2b.h"
#include "crypto/minisig-internal.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

enum {
	SALT = 6,
	OPS = 38,
	MEM = 46,
	ID = 54,
	SEED = 62,
	PUBLIC = 94,
	CHECKSUM = 126,
	FILE_BYTES = 158,
	STREAM = FILE_BYTES - ID,
	BLOCK_SIZE = 8, /* scrypt's r, which is fixed */
};

/* minisign uses 1 GiB for the same cost in time; a build container should not need as much. */
#define OPS_WRITTEN (UINT64_C(1) << 25)
#define MEM_WRITTEN (UINT64_C(1) << 28)
#define OPS_MAX     (UINT64_C(1) << 28)
#define MEM_MAX     (UINT64_C(1) << 30)

DEFINE_AUTO(pkey, EVP_PKEY *, NULL, EVP_PKEY_free)
DEFINE_AUTO(md_ctx, EVP_MD_CTX *, NULL, EVP_MD_CTX_free)

/* The bytes of a file, wiped when they go out of scope. */
struct secret_file {
	uint8_t bytes[FILE_BYTES];
};

static void secret_file_wipe(struct secret_file *f)
{
	explicit_bzero(f, sizeof(*f));
}
DEFINE_AUTO_STRUCT(secret_file, struct secret_file, secret_file_wipe)

static uint64_t get64(const uint8_t *p)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < 8; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void put64(uint8_t *p, uint64_t v)
{
	for (unsigned i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

void minisig_secret_wipe(struct minisig_secret *secret)
{
	explicit_bzero(secret, sizeof(*secret));
}

void minisig_public(const struct minisig_secret *secret, struct minisig_key *key)
{
	memcpy(key->id, secret->id, sizeof(key->id));
	memcpy(key->key, secret->key, sizeof(key->key));
}

static EVP_PKEY *private_key(const uint8_t seed[32])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);

	if (!pkey)
		bug("libcrypto has no Ed25519");
	return pkey;
}

static void derive_public(const uint8_t seed[32], uint8_t key[32])
{
	AUTO(pkey) EVP_PKEY *pkey = private_key(seed);
	size_t len = 32;

	if (!EVP_PKEY_get_raw_public_key(pkey, key, &len))
		bug("libcrypto gives no public key");
}

static int random_bytes(void *to, size_t len, struct err *err)
{
	/* Reads of up to 256 bytes are never partial. */
	return getrandom(to, len, 0) == (ssize_t)len ? 0 : err_sys(err, "get random numbers");
}

int minisig_generate(struct minisig_secret *secret, struct err *err)
{
	if (random_bytes(secret->id, sizeof(secret->id), err) < 0 ||
	    random_bytes(secret->seed, sizeof(secret->seed), err) < 0)
		return -1;
	derive_public(secret->seed, secret->key);
	return 0;
}

/*
 * Derives scrypt's N and p from libsodium's two limits, operations and memory. N is the least power
 * of two above half of what the stricter limit allows; p uses the remaining operations.
 */
static void scrypt_cost(uint64_t ops, uint64_t mem, uint64_t *n, uint64_t *p)
{
	uint64_t max;

	if (ops < 32768)
		ops = 32768;
	max = ops < mem / 32 ? ops / (4 * BLOCK_SIZE) : mem / (128 * BLOCK_SIZE);
	for (*n = 2; *n <= max / 2; *n *= 2)
		;
	*p = ops < mem / 32 ? 1 : ops / 4 / *n / BLOCK_SIZE;
}

static int key_stream(const uint8_t *file, const char *passphrase, const char *name,
		      uint8_t stream[STREAM], struct err *err)
{
	uint64_t ops = get64(file + OPS), mem = get64(file + MEM), n, p;

	if (ops > OPS_MAX || mem > MEM_MAX)
		return err_set(err, E_LIMIT,
			       "%s needs %llu MiB and %llu million steps to decrypt it, more "
			       "than any minisign uses",
			       name, (unsigned long long)(mem >> 20),
			       (unsigned long long)(ops / 1000000));
	scrypt_cost(ops, mem, &n, &p);
	if (!EVP_PBE_scrypt(passphrase, strlen(passphrase), file + SALT, 32, n, BLOCK_SIZE,
			    p ? p : 1, MEM_MAX + (64 << 20), stream, STREAM))
		return err_set(err, E_FAILED, "%s: scrypt with %llu MiB failed", name,
			       (unsigned long long)(mem >> 20));
	return 0;
}

static int crypt_file(uint8_t *file, const char *passphrase, const char *name, struct err *err)
{
	uint8_t stream[STREAM];
	int rc = key_stream(file, passphrase, name, stream, err);

	for (unsigned i = 0; rc == 0 && i < STREAM; i++)
		file[ID + i] ^= stream[i];
	explicit_bzero(stream, sizeof(stream));
	return rc;
}

/* Over the kind of the key, its id and both halves. */
static void checksum(const uint8_t *file, uint8_t sum[32])
{
	uint8_t covered[2 + CHECKSUM - ID];

	memcpy(covered, file, 2);
	memcpy(covered + 2, file + ID, CHECKSUM - ID);
	blake2b(covered, sizeof(covered), sum, 32);
	explicit_bzero(covered, sizeof(covered));
}

static int decode_file(struct secret_file *f, const char *text, size_t len, const char *name,
		       struct err *err)
{
	struct minisig_line line;

	if (len > MINISIG_TEXT_MAX || !minisig_next_line(&text, &len, &line) ||
	    !minisig_line_starts(&line, "untrusted comment: ") ||
	    !minisig_next_line(&text, &len, &line) ||
	    !minisig_decode(&line, f->bytes, sizeof(f->bytes)) || len != 0)
		return err_set(err, E_INVALID, "%s is not a minisign secret key", name);
	if (memcmp(f->bytes, "Ed", 2) != 0 || memcmp(f->bytes + 4, "B2", 2) != 0)
		return err_set(err, E_INVALID, "%s is a secret key of an unknown kind", name);
	return 0;
}

static int open_file(struct secret_file *f, const char *passphrase, const char *name,
		     struct err *err)
{
	uint8_t sum[32];

	if (memcmp(f->bytes + 2, "\0\0", 2) == 0)
		return 0; /* unencrypted: minisign writes no checksum */
	if (memcmp(f->bytes + 2, "Sc", 2) != 0)
		return err_set(err, E_INVALID, "%s is encrypted in an unknown way", name);
	if (str_empty(passphrase))
		return err_set(err, E_PERMISSION, "%s is encrypted; give its passphrase", name);
	if (crypt_file(f->bytes, passphrase, name, err) < 0)
		return -1;
	checksum(f->bytes, sum);
	return memcmp(sum, f->bytes + CHECKSUM, sizeof(sum)) == 0
		       ? 0
		       : err_set(err, E_PERMISSION, "the passphrase of %s is wrong", name);
}

int minisig_secret_parse(struct minisig_secret *secret, const char *text, size_t len,
			 const char *passphrase, const char *name, struct err *err)
{
	AUTO(secret_file) struct secret_file f;
	uint8_t key[32];

	if (decode_file(&f, text, len, name, err) < 0 || open_file(&f, passphrase, name, err) < 0)
		return -1;
	/* Signing with mismatched halves would disclose the private key. */
	derive_public(f.bytes + SEED, key);
	if (memcmp(key, f.bytes + PUBLIC, sizeof(key)) != 0)
		return err_set(err, E_INVALID, "%s is damaged: its halves do not belong together",
			       name);
	memcpy(secret->id, f.bytes + ID, sizeof(secret->id));
	memcpy(secret->seed, f.bytes + SEED, sizeof(secret->seed));
	memcpy(secret->key, key, sizeof(secret->key));
	return 0;
}

int minisig_secret_format(const struct minisig_secret *secret, const char *passphrase,
			  struct buf *to, struct err *err)
{
	AUTO(secret_file) struct secret_file f = { { 'E', 'd', 0, 0, 'B', '2' } };
	bool encrypted = !str_empty(passphrase);

	memcpy(f.bytes + ID, secret->id, sizeof(secret->id));
	memcpy(f.bytes + SEED, secret->seed, sizeof(secret->seed));
	memcpy(f.bytes + PUBLIC, secret->key, sizeof(secret->key));
	if (encrypted) {
		memcpy(f.bytes + 2, "Sc", 2);
		put64(f.bytes + OPS, OPS_WRITTEN);
		put64(f.bytes + MEM, MEM_WRITTEN);
		checksum(f.bytes, f.bytes + CHECKSUM);
		if (random_bytes(f.bytes + SALT, 32, err) < 0 ||
		    crypt_file(f.bytes, passphrase, "the secret key", err) < 0)
			return -1;
	}
	buf_fmt(to, "untrusted comment: minisign %s secret key\n",
		encrypted ? "encrypted" : "unencrypted");
	minisig_encode(f.bytes, sizeof(f.bytes), to);
	return buf_check(to, "the secret key", err);
}

static void ed25519_sign(const struct minisig_secret *secret, const void *data, size_t len,
			 uint8_t signature[64])
{
	AUTO(pkey) EVP_PKEY *pkey = private_key(secret->seed);
	AUTO(md_ctx) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = 64;

	if (!ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
	    EVP_DigestSign(ctx, signature, &size, data, len) != 1)
		bug("libcrypto does not sign");
}

int minisig_sign(const struct minisig_secret *secret, const void *data, size_t len,
		 const char *comment, struct buf *to, struct err *err)
{
	uint8_t bytes[2 + MINISIG_ID + 64] = "ED", digest[64], global[64];
	uint8_t covered[64 + MINISIG_COMMENT_MAX];
	size_t comment_len = strlen(comment);

	if (comment_len > MINISIG_COMMENT_MAX || !minisig_is_comment(comment, comment_len))
		return err_set(err, E_INVALID,
			       "a trusted comment is one line of at most %d printable bytes",
			       MINISIG_COMMENT_MAX);
	minisig_prehash(data, len, digest);
	memcpy(bytes + 2, secret->id, MINISIG_ID);
	ed25519_sign(secret, digest, sizeof(digest), bytes + 2 + MINISIG_ID);
	memcpy(covered, bytes + 2 + MINISIG_ID, 64);
	memcpy(covered + 64, comment, comment_len);
	ed25519_sign(secret, covered, 64 + comment_len, global);
	buf_str(to, "untrusted comment: signature from minisign secret key\n");
	minisig_encode(bytes, sizeof(bytes), to);
	buf_fmt(to, "trusted comment: %s\n", comment);
	minisig_encode(global, sizeof(global), to);
	return buf_check(to, "the signature", err);
}
