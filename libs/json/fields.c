// SPDX-License-Identifier: Apache-2.0
/* Members of a JSON object, counted as they are taken, so that unknown ones are detected. */

#include "json/fields.h"

int fields_begin(struct fields *f, const struct json *j, const char *name, struct err *err)
{
	*f = (struct fields){ .j = j, .name = name };
	if (json_kind(j) != JSON_IS_OBJECT)
		return err_set(err, E_INVALID, "%s is not an object", name);
	return 0;
}

/* Sets *out and returns 1; 0 if the member is missing and optional, -1 on error. */
static int take(struct fields *f, const char *key, bool required, enum json_kind kind,
		const struct json **out, struct err *err)
{
	*out = json_get(f->j, key);
	if (!*out && required)
		return err_set(err, E_INVALID, "%s has no '%s'", f->name, key);
	if (!*out)
		return 0;
	if (json_kind(*out) != kind)
		return err_set(err, E_INVALID, "%s: '%s' is not %s", f->name, key,
			       json_kind_name(kind));
	f->taken++;
	return 1;
}

int fields_text(struct fields *f, const char *key, bool required, const char **out, struct err *err)
{
	const struct json *v;
	int got = take(f, key, required, JSON_IS_STRING, &v, err);

	*out = got == 1 ? json_text(v) : NULL;
	return got < 0 ? -1 : 0;
}

int fields_u64(struct fields *f, const char *key, bool required, uint64_t *out, struct err *err)
{
	const struct json *v;
	int got = take(f, key, required, JSON_IS_INT, &v, err);

	*out = 0;
	if (got == 1 && json_u64(v, out) < 0)
		return err_set(err, E_INVALID, "%s: '%s' is negative", f->name, key);
	return got < 0 ? -1 : 0;
}

int fields_bool(struct fields *f, const char *key, bool *out, struct err *err)
{
	const struct json *v;
	int got = take(f, key, false, JSON_IS_BOOL, &v, err);

	*out = got == 1 && json_bool(v);
	return got < 0 ? -1 : 0;
}

int fields_array(struct fields *f, const char *key, const struct json **out, struct err *err)
{
	return take(f, key, true, JSON_IS_ARRAY, out, err) < 0 ? -1 : 0;
}

int fields_object(struct fields *f, const char *key, const struct json **out, struct err *err)
{
	return take(f, key, false, JSON_IS_OBJECT, out, err) < 0 ? -1 : 0;
}

/* The JSON parser rejects duplicates, so comparing the number of members is enough. */
int fields_end(struct fields *f, struct err *err)
{
	if (json_count(f->j) != f->taken)
		return err_set(err, E_INVALID, "%s has members that this version does not know",
			       f->name);
	return 0;
}
