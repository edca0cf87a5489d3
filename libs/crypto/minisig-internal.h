// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Shared by the two parts of minisig: lines, base64, Ed25519 and the prehash. */

#include "crypto/minisig.h"

#include <stdbool.h>

struct minisig_line {
	const char *text; /* without its newline */
	size_t len;
};
/* Takes the next line off *text; false at the end. NUL and carriage return do not end a line, and
 * are invalid in base64. */
bool minisig_next_line(const char **text, size_t *left, struct minisig_line *line);
bool minisig_line_starts(const struct minisig_line *line, const char *prefix);

/* Decodes base64 of exactly size bytes, canonical form only. */
bool minisig_decode(const struct minisig_line *line, uint8_t *out, size_t size);
/* Appends base64 and a newline. */
void minisig_encode(const uint8_t *data, size_t size, struct buf *to);

/* True for one line of printable text, tabs included. */
bool minisig_is_comment(const char *text, size_t len);

/* The BLAKE2b-512 digest that is signed. */
void minisig_prehash(const void *data, size_t len, uint8_t digest[64]);
bool minisig_ed25519_verify(const uint8_t key[32], const void *data, size_t len,
			    const uint8_t signature[64]);
