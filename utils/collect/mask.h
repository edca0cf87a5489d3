// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Takes secrets out of text of any kind: configuration (TOML, YAML, JSON, also JSON in a line of a
 * log), command lines, environments, headers, logs. What looks like a secret becomes "***"; what is
 * taken for one wrongly is no loss.
 *
 *	AUTO(buf) struct buf out = BUF_INIT(MASK_ROOM(text.len));
 *	size_t n = mask_text(buf_cstr(&text), text.len, &out);
 *
 * Masked are
 * - the values of names that have one of the words password, passwd, passphrase, secret, token,
 *   credential, apikey, privatekey, accesskey, signature, cookie in them, in either case and with
 *   "_", "-" or "." between their parts, or are auth, authorization, or sig: after "=", ":" or "=>",
 *   with blanks around it or not; and the word after such an option (--password x). A value is a
 *   string in quotes, a list in brackets, the rest of the line after ":" (with the lines of a YAML
 *   block that follow), or a word
 * - user and password in a URL, as of proxies
 * - what follows Bearer or Basic
 * - private keys in PEM, and minisign's
 * - words that are tokens by their form: JSON web tokens, those of GitHub, GitLab, Slack and AWS
 *
 * What was masked once is not changed by masking it again. Not found are secrets that nothing
 * identifies, such as a password in an argument of a program of one's own: the collector has people
 * look at what was collected, and hides words that they name.
 */

#include "base/buf.h"

#include <stddef.h>

#define MASK "***"
/* Most bytes of the result. */
#define MASK_ROOM(len) (4 * (len) + 64)

/* Appends the masked text; returns how many secrets it had. The text may have any bytes. */
size_t mask_text(const char *text, size_t len, struct buf *out);

/* Appends the text with each of the words (a strv) replaced. */
size_t mask_words(const char *text, size_t len, char *const *words, struct buf *out);
