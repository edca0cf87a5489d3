// SPDX-License-Identifier: Apache-2.0
/* Parses options that several verbs of packagers have: times, roles, secret keys; prints keys. */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/release/stamp.h"
#include "deploy/verbs/packager.h"
#include "deploy/verbs/passphrase.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { DAY = 24 * 60 * 60, DAYS_MAX = 3650 };

int when_parse(const char *text, const char *what, uint64_t start, uint64_t *out, struct err *err)
{
	size_t len = text ? strlen(text) : 0;
	int rc = 0;

	if (start && len > 1 && text[len - 1] == 'd') {
		AUTO(str) char *days = xstrndup(text, len - 1);

		rc = str_u64(days, 10, 1, DAYS_MAX, what, out, err);
		*out = start + *out * DAY;
	} else if (text && text[strspn(text, "0123456789")] == '\0') {
		rc = str_u64(text, 10, 1, STAMP_MAX, what, out, err);
	} else if (text) {
		rc = stamp_parse(text, what, out, err);
	}
	if (rc == 0)
		return 0;
	err->code = E_USAGE;
	return err_hint(err, "give a time such as 2026-01-31T00:00:00Z, seconds since 1970, or, "
			     "for an expiry, Nd: N days");
}

int secret_load(const char *path, const char *fd, struct minisig_secret *secret, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	AUTO(passphrase) struct passphrase passphrase = { "" };
	int rc;

	if (file_read(AT_FDCWD, path, MINISIG_TEXT_MAX, &text, err) < 0)
		return err_wrap(err, "secret key");
	rc = minisig_secret_parse(secret, buf_cstr(&text), text.len, NULL, path, err);
	if (rc < 0 && err->code == E_PERMISSION) {
		/* It is encrypted. */
		err_clear(err);
		rc = passphrase_get(&passphrase, fd, path, false, err);
		if (rc == 0)
			rc = minisig_secret_parse(secret, text.data, text.len, passphrase.text,
						  path, err);
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	return rc;
}

int role_parse(const char *text, enum trust_role *out, struct err *err)
{
	for (unsigned role = 0; text && role < TRUST_ROLES; role++) {
		if (str_eq(text, trust_role_name(role))) {
			*out = role;
			return 0;
		}
	}
	return text ? err_set(err, E_USAGE, "--role %s is none; give release or channel", text) : 0;
}

struct json *key_json(const struct minisig_key *key, const char *name)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct json *j = json_make_object();
	char hex[17], *line;

	minisig_id_hex(key->id, hex);
	minisig_key_format(key, &text);
	line = strchr(text.data, '\n') + 1;
	line[strcspn(line, "\n")] = '\0';
	json_put(j, "id", json_make_string(hex));
	json_put(j, "name", json_make_string(name));
	json_put(j, "key", json_make_string(line));
	return j;
}

void key_print(const struct json *j)
{
	(void)printf("%s  %s  %s\n", json_text(json_get(j, "id")), json_text(json_get(j, "key")),
		     json_text(json_get(j, "name")));
}
