// SPDX-License-Identifier: Apache-2.0
/*
 * Reads configuration from a tree: getters that check type and range, and the search for unknown
 * keys.
 */
#include "toml/toml-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>

struct toml_value *toml_find(const struct toml_value *table, const char *key)
{
	const struct toml_entry *entry;

	if (!table)
		return NULL;
	if (table->type != TOML_TABLE)
		bug("key '%s' is looked up in %s", key, toml_type_name(table->type));
	entry = toml_table_find(&table->table, key, strlen(key));
	return entry ? entry->value : NULL;
}

static struct toml_value *use(struct toml_value *table, const char *key)
{
	struct toml_value *value = toml_find(table, key);

	if (value)
		value->used = true;
	return value;
}

static int fail_value(const struct toml_value *value, const char *key, struct err *err)
{
	return err_wrap(err, "%s:%u: key '%s'", toml_file(value), value->span.line, key);
}

static int fail_type(const struct toml_value *value, const char *key, const char *expected,
		     struct err *err)
{
	err_set(err, E_CONFIG, "expected %s, found %s", expected, toml_type_name(value->type));
	return fail_value(value, key, err);
}

static int check_text(const struct toml_value *value, const char *key, struct err *err)
{
	if (strlen(value->string.text) == value->string.len)
		return 0;
	err_set(err, E_CONFIG, "the string has a NUL byte in it");
	return fail_value(value, key, err);
}

int toml_get_string(struct toml_value *table, const char *key, const char *fallback,
		    const char **out, struct err *err)
{
	const struct toml_value *value = use(table, key);

	if (value && value->type != TOML_STRING)
		return fail_type(value, key, "a string", err);
	if (value && check_text(value, key, err) < 0)
		return -1;
	*out = value ? value->string.text : fallback;
	return 0;
}

int toml_get_bool(struct toml_value *table, const char *key, bool fallback, bool *out,
		  struct err *err)
{
	const struct toml_value *value = use(table, key);

	if (value && value->type != TOML_BOOL)
		return fail_type(value, key, "a boolean", err);
	*out = value ? value->boolean : fallback;
	return 0;
}

int toml_get_int(struct toml_value *table, const char *key, int64_t min, int64_t max,
		 int64_t fallback, int64_t *out, struct err *err)
{
	const struct toml_value *value = use(table, key);

	if (value && value->type != TOML_INTEGER)
		return fail_type(value, key, "an integer", err);
	if (value && (value->integer < min || value->integer > max)) {
		err_set(err, E_CONFIG, "%" PRId64 " is not between %" PRId64 " and %" PRId64,
			value->integer, min, max);
		return fail_value(value, key, err);
	}
	*out = value ? value->integer : fallback;
	return 0;
}

int toml_get_float(struct toml_value *table, const char *key, double fallback, double *out,
		   struct err *err)
{
	const struct toml_value *value = use(table, key);

	if (value && value->type != TOML_FLOAT && value->type != TOML_INTEGER)
		return fail_type(value, key, "a number", err);
	if (!value)
		*out = fallback;
	else
		*out = value->type == TOML_FLOAT ? value->number : (double)value->integer;
	return 0;
}

int toml_get_strings(struct toml_value *table, const char *key, char ***out, struct err *err)
{
	const struct toml_value *value = use(table, key);
	AUTO(strv) char **list = NULL;

	if (value && value->type != TOML_ARRAY)
		return fail_type(value, key, "an array of strings", err);
	for (size_t i = 0; value && i < value->array.n; i++) {
		const struct toml_value *item = value->array.items[i];

		if (item->type != TOML_STRING)
			return fail_type(item, key, "an array of strings", err);
		if (check_text(item, key, err) < 0)
			return -1;
		strv_push(&list, item->string.text);
	}
	*out = STEAL(list, NULL);
	return 0;
}

int toml_get_table(struct toml_value *table, const char *key, struct toml_value **out,
		   struct err *err)
{
	struct toml_value *value = use(table, key);

	if (value && value->type != TOML_TABLE)
		return fail_type(value, key, "a table", err);
	*out = value;
	return 0;
}

int toml_get_tables(struct toml_value *table, const char *key, struct toml_value **out,
		    struct err *err)
{
	struct toml_value *value = use(table, key);

	if (value && value->type != TOML_ARRAY)
		return fail_type(value, key, "an array of tables", err);
	for (size_t i = 0; value && i < value->array.n; i++) {
		if (value->array.items[i]->type != TOML_TABLE)
			return fail_type(value->array.items[i], key, "an array of tables", err);
		value->array.items[i]->used = true;
	}
	*out = value;
	return 0;
}

int toml_unused(const struct toml_value *table, const char *const *known, struct err *err)
{
	if (!table)
		return 0;
	toml_each(entry, table)
	{
		AUTO(str) char *name = xstrdup(entry->key);
		const char *near;
		bool listed = false;

		for (size_t i = 0; known && known[i]; i++)
			listed = listed || str_eq(known[i], entry->key);
		if (entry->value->used || (listed && strlen(entry->key) == entry->key_len))
			continue;
		near = known ? str_nearest(entry->key, known) : NULL;
		toml_make_printable(name);
		err_set(err, E_CONFIG, "%s:%u: unknown key '%.128s'", toml_file(entry->value),
			entry->key_span.line, name);
		return near ? err_hint(err, "did you mean '%s'?", near) : -1;
	}
	return 0;
}
