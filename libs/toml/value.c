// SPDX-License-Identifier: Apache-2.0
/*
 * The tree: values, tables with a hash index once they are large, and the merge of two trees.
 * Recursion is bounded by the depth that the parser allowed.
 */
#include "toml/toml-internal.h"

#include "base/mem.h"

#include <string.h>

/* Below this many keys a scan is faster than a hash. */
enum { INDEX_FROM = 16 };

struct toml_origin *toml_origin_new(const char *file)
{
	size_t len = strlen(file) + 1;
	struct toml_origin *origin = xmalloc(sizeof(*origin) + len);

	origin->refs = 1;
	memcpy(origin->file, file, len);
	return origin;
}

void toml_origin_unref(struct toml_origin *origin)
{
	if (--origin->refs == 0)
		free(origin);
}

struct toml_value *toml_value_new(enum toml_type type, struct toml_origin *origin,
				  const struct toml_span *span)
{
	struct toml_value *value = NEW(struct toml_value);

	value->type = type;
	value->origin = origin;
	value->span = *span;
	origin->refs++;
	return value;
}

const char *toml_file(const struct toml_value *value)
{
	return value->origin->file;
}

static void table_release(struct toml_table *table)
{
	for (size_t i = 0; i < table->n; i++) {
		free(table->entries[i].key);
		toml_free(table->entries[i].value);
	}
	free(table->entries);
	free(table->index);
}

static void array_release(struct toml_array *array)
{
	for (size_t i = 0; i < array->n; i++)
		toml_free(array->items[i]);
	free(array->items);
}

void toml_free(struct toml_value *value)
{
	if (!value)
		return;
	if (value->type == TOML_STRING)
		free(value->string.text);
	else if (value->type == TOML_ARRAY)
		array_release(&value->array);
	else if (value->type == TOML_TABLE)
		table_release(&value->table);
	toml_origin_unref(value->origin);
	free(value);
}

static size_t hash(const char *key, size_t len)
{
	uint64_t h = 0xcbf29ce484222325;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)key[i]) * 0x100000001b3;
	return (size_t)(h ^ h >> 32);
}

static void index_entry(struct toml_table *table, size_t entry)
{
	const struct toml_entry *e = &table->entries[entry];
	size_t at = hash(e->key, e->key_len) & (table->index_size - 1);

	while (table->index[at] != 0)
		at = (at + 1) & (table->index_size - 1);
	table->index[at] = (uint32_t)entry + 1;
}

/* Keeps the index at most half full. */
static void index_grow(struct toml_table *table)
{
	free(table->index);
	table->index_size = table->index_size ? 4 * table->index_size : 4 * INDEX_FROM;
	table->index = xcalloc(table->index_size, sizeof(*table->index));
	for (size_t i = 0; i < table->n; i++)
		index_entry(table, i);
}

static bool is_key(const struct toml_entry *entry, const char *key, size_t len)
{
	return entry->key_len == len && memcmp(entry->key, key, len) == 0;
}

struct toml_entry *toml_table_find(const struct toml_table *table, const char *key, size_t len)
{
	if (!table->index) {
		for (size_t i = 0; i < table->n; i++)
			if (is_key(&table->entries[i], key, len))
				return &table->entries[i];
		return NULL;
	}
	for (size_t at = hash(key, len) & (table->index_size - 1); table->index[at] != 0;
	     at = (at + 1) & (table->index_size - 1))
		if (is_key(&table->entries[table->index[at] - 1], key, len))
			return &table->entries[table->index[at] - 1];
	return NULL;
}

void toml_table_add(struct toml_table *table, const char *key, size_t len,
		    const struct toml_span *span, struct toml_value *value)
{
	if (table->n == table->cap) {
		table->cap = table->cap ? 2 * table->cap : 4;
		table->entries = xreallocarray(table->entries, table->cap, sizeof(*table->entries));
	}
	table->entries[table->n] = (struct toml_entry){
		.key = xcalloc(len + 1, 1),
		.key_len = len,
		.key_span = *span,
		.value = value,
	};
	memcpy(table->entries[table->n].key, key, len);
	table->n++;
	if (table->n >= INDEX_FROM && 2 * table->n > table->index_size)
		index_grow(table);
	else if (table->index)
		index_entry(table, table->n - 1);
}

void toml_array_add(struct toml_array *array, struct toml_value *value)
{
	if (array->n == array->cap) {
		array->cap = array->cap ? 2 * array->cap : 4;
		array->items = xreallocarray(array->items, array->cap, sizeof(struct toml_value *));
	}
	array->items[array->n++] = value;
}

void toml_merge(struct toml_value *base, struct toml_value *over)
{
	if (base->type != TOML_TABLE || over->type != TOML_TABLE)
		bug("only tables can be merged");
	for (size_t i = 0; i < over->table.n; i++) {
		struct toml_entry *from = &over->table.entries[i];
		struct toml_entry *to = toml_table_find(&base->table, from->key, from->key_len);
		struct toml_value *value = STEAL(from->value, NULL);

		if (!to) {
			toml_table_add(&base->table, from->key, from->key_len, &from->key_span,
				       value);
		} else if (to->value->type == TOML_TABLE && value->type == TOML_TABLE) {
			toml_merge(to->value, value);
		} else {
			toml_free(to->value);
			to->value = value;
			to->key_span = from->key_span;
		}
	}
	toml_free(over);
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_STRING] = "a string",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_BOOL] = "a boolean",
		[TOML_OFFSET_DATETIME] = "an offset date-time",
		[TOML_LOCAL_DATETIME] = "a local date-time",
		[TOML_LOCAL_DATE] = "a local date",
		[TOML_LOCAL_TIME] = "a local time",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[type];
}

void toml_make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7F)
			*text = '?';
}
