// SPDX-License-Identifier: Apache-2.0
/* Takes the members that release.yaml and channel.yaml have in common. */

#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/release-internal.h"
#include "deploy/release/stamp.h"

#include <string.h>

int release_take_text(struct fields *f, const char *key, bool required, size_t max,
		      const char **out, struct err *err)
{
	if (fields_text(f, key, required, out, err) < 0)
		return -1;
	if (*out && strlen(*out) > max)
		return err_set(err, E_LIMIT, "%s: '%s' has more than %zu bytes", f->name, key, max);
	for (const char *p = *out; p && *p; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
			return err_set(err, E_INVALID, "%s: '%s' is not printable ASCII", f->name,
				       key);
	}
	return 0;
}

int release_take_schema(struct fields *f, struct err *err)
{
	const struct json *minimum;
	uint64_t schema;

	if (fields_u64(f, "schema", true, &schema, err) < 0)
		return -1;
	if (schema == RELEASE_SCHEMA)
		return 0;
	minimum = json_get(f->j, "minimum");
	return err_set(err, E_UNSUPPORTED, "%s has schema %llu; kata-deploy %.64s reads it",
		       f->name, (unsigned long long)schema,
		       minimum && json_kind(minimum) == JSON_IS_STRING ? json_text(minimum)
								       : "of a newer version");
}

int release_take_digest(struct fields *f, const char *key, bool required, char out[65],
			struct err *err)
{
	const char *text;

	out[0] = '\0';
	if (fields_text(f, key, required, &text, err) < 0)
		return -1;
	if (text && !sha256_is_hex(text))
		return err_set(err, E_INVALID, "%s: '%s' is not a SHA-256 digest", f->name, key);
	if (text)
		memcpy(out, text, SHA256_HEX + 1);
	return 0;
}

static int take_stamp(struct fields *f, const char *key, uint64_t *out, struct err *err)
{
	const char *text;

	if (fields_text(f, key, true, &text, err) < 0)
		return -1;
	return stamp_parse(text, key, out, err) < 0 ? err_wrap(err, "%s", f->name) : 0;
}

int release_take_times(struct fields *f, uint64_t *serial, uint64_t *created, uint64_t *expires,
		       struct err *err)
{
	if (fields_u64(f, "serial", true, serial, err) < 0 ||
	    take_stamp(f, "created", created, err) < 0 ||
	    take_stamp(f, "expires", expires, err) < 0)
		return -1;
	if (*serial == 0)
		return err_set(err, E_INVALID, "%s: 'serial' must be at least 1", f->name);
	if (*expires <= *created)
		return err_set(err, E_INVALID, "%s: 'expires' must be later than 'created'",
			       f->name);
	return 0;
}

void release_put_times(struct json *j, uint64_t serial, uint64_t created, uint64_t expires)
{
	char text[STAMP_SIZE];

	json_put(j, "serial", json_make_u64(serial));
	stamp_format(created, text);
	json_put(j, "created", json_make_string(text));
	stamp_format(expires, text);
	json_put(j, "expires", json_make_string(text));
}
