// SPDX-License-Identifier: Apache-2.0
/*
 * Adding a string to an array of a TOML document, and removing it. Adding it and removing it again
 * gives back the original bytes. Adding it a second time changes nothing. Removing it from any
 * document removes one element and keeps the others in order. Removing a table keeps all other keys.
 */

#include "toml/edit.h"
#include "toml/toml.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 21 };
static const char key[] = "imports", value[] = "/k\"a";

static bool same(const struct buf *b, const char *text, size_t size)
{
	return b->len == size && (size == 0 || memcmp(b->data, text, size) == 0);
}

static struct toml_value *array_of(struct toml_value *root)
{
	return root ? toml_find(root, key) : NULL;
}

static void check_add(const char *text, size_t size)
{
	AUTO(buf) struct buf with = BUF_INIT(ROOM), again = BUF_INIT(ROOM), back = BUF_INIT(ROOM);
	struct err err = ERR_INIT;
	int how = toml_edit_add_string("fuzz", text, size, key, value, &with, &err);

	if (how < 0)
		return;
	if (toml_edit_add_string("fuzz", buf_cstr(&with), with.len, key, value, &again, &err) ||
	    !same(&again, buf_cstr(&with), with.len))
		bug("added twice");
	if (how == 0) {
		if (!same(&with, text, size))
			bug("nothing to add, but changed");
		return;
	}
	if (toml_edit_remove_string("fuzz", buf_cstr(&with), with.len, key, value,
				    how == TOML_EDITED_NEW, &back, &err) != TOML_EDITED)
		bug("not removed: %s", err.msg);
	if (!same(&back, text, size))
		bug("removed, but not the original bytes");
}

static void check_remove(const char *text, size_t size, bool created)
{
	AUTO(buf) struct buf out = BUF_INIT(ROOM);
	struct err err = ERR_INIT;
	int how = toml_edit_remove_string("fuzz", text, size, key, value, created, &out, &err);
	AUTO(toml) struct toml_value *before = NULL, *after = NULL;
	size_t had, has, k = 0;

	if (how < 0 && err.code != E_CONFIG && err.code != E_LIMIT)
		bug("removal: %s", err.msg);
	if (how <= 0)
		return;
	before = toml_parse("fuzz", text, size, NULL, &err);
	after = toml_parse("fuzz", buf_cstr(&out), out.len, NULL, &err);
	had = array_of(before)->array.n;
	has = array_of(after) ? array_of(after)->array.n : 0;
	if (has + 1 != had)
		bug("%zu elements of %zu are left", has, had);
	for (size_t i = 0; i < had && k < has; i++)
		if (strcmp(array_of(before)->array.items[i]->string.text,
			   array_of(after)->array.items[k]->string.text) == 0)
			k++;
	if (k != has)
		bug("another element is gone");
}

static void check_remove_table(const char *text, size_t size)
{
	static const char *const path[] = { "t" };
	AUTO(buf) struct buf out = BUF_INIT(ROOM);
	struct err err = ERR_INIT;
	int how = toml_edit_remove_table("fuzz", text, size, path, 1, &out, &err);
	AUTO(toml) struct toml_value *before = NULL, *after = NULL;
	size_t gone;

	if (how < 0 && err.code != E_CONFIG && err.code != E_LIMIT)
		bug("removal of a table: %s", err.msg);
	if (how < 0)
		return;
	before = toml_parse("fuzz", text, size, NULL, &err);
	after = toml_parse("fuzz", buf_cstr(&out), out.len, NULL, &err);
	if (how == 0 && !same(&out, text, size))
		bug("no table, but changed");
	/* Pairs may be in it without a header: t.a = 1 before [t.b]. */
	gone = how && !toml_find(after, path[0]);
	if (after->table.n + gone != before->table.n)
		bug("%zu keys of %zu are left", after->table.n, before->table.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	check_remove_table(text, size);

	check_add(text, size);
	check_remove(text, size, true);
	check_remove(text, size, false);
	return 0;
}
