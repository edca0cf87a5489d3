// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Masks secrets in text of any kind: configuration (TOML, YAML, JSON, also JSON in a line of a
 * log), command lines, environments, HTTP headers, logs. Everything that looks like a secret
 * becomes "***"; masking too much is harmless.
 *
 *	AUTO(buf) struct buf out = BUF_INIT(MASK_ROOM(text.len));
 *	size_t n = mask_text(buf_cstr(&text), text.len, &out);
 *
 * It masks:
 * - the value of a name that contains password, passwd, passphrase, secret, token, credential,
 *   apikey, privatekey, accesskey, keydata, signature or cookie, in upper or lower case and with
 *   "_", "-" or "." between its parts; or that is auth, authorization, pass, pwd or sig, or ends
 *   with the part pass or pwd. The value follows "=", ":" or "=>", with or without blanks, or the
 *   option (--password x), or the name is a value itself (name: DB_PASSWORD, value: x). It is a
 *   string in quotes, a list in brackets, the rest of the line after ":" (with the lines of a YAML
 *   block that follow), the rest of a line or string that begins with NAME=, or a word
 * - user and password in a URL
 * - the word after Bearer or Basic
 * - private keys in PEM, also in base64, and those of minisign
 * - words that have the form of a token: JSON web tokens, tokens of GitHub, GitLab, Slack and AWS
 *
 * Masking masked text changes nothing. A secret that nothing identifies, such as a password among
 * the arguments of an unknown program, is not found: kata-collect-data asks its user to look at the
 * result, and masks words that the user names.
 */

#include "base/buf.h"

#include <stddef.h>

#define MASK "***"
/* The largest possible result. */
#define MASK_ROOM(len) (4 * (len) + 64)

/* Appends the masked text; returns how many secrets it had. text may have any bytes. */
size_t mask_text(const char *text, size_t len, struct buf *out);

/* Appends text with each of words (strv, may be NULL) masked; returns how many it had. */
size_t mask_words(const char *text, size_t len, char *const *words, struct buf *out);
