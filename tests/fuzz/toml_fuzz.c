// SPDX-License-Identifier: Apache-2.0
/*
 * TOML documents. If one parses, the positions of its values lie inside it and their keys are
 * found. The tokens of any text are in order, with only blanks between them.
 */

#include "toml/toml.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const struct toml_value *value, size_t size)
{
	if (value->span.offset > size || value->span.len > size - value->span.offset)
		bug("a value of %zu bytes at %zu in %zu", value->span.len, value->span.offset,
		    size);
	if (value->type == TOML_ARRAY)
		for (size_t i = 0; i < value->array.n; i++)
			check_value(value->array.items[i], size);
	if (value->type != TOML_TABLE)
		return;
	toml_each(entry, value)
	{
		if (toml_find(value, entry->key) != entry->value &&
		    strlen(entry->key) == entry->key_len)
			bug("key '%s' is not found again", entry->key);
		check_value(entry->value, size);
	}
}

static void check_tokens(const char *text, size_t size, enum toml_place place)
{
	struct err err = ERR_INIT;
	AUTO(toml_lexer) struct toml_lexer lx = { 0 };
	struct toml_token t;
	size_t end;

	if (toml_lexer_init(&lx, "fuzz", text, size, &err) < 0)
		return;
	end = lx.at;
	do {
		if (toml_lex(&lx, place, &t, &err) < 0)
			return;
		for (; end < t.span.offset; end++)
			if (text[end] != ' ' && text[end] != '\t')
				bug("byte %zu is in no token", end);
		end = t.span.offset + t.span.len;
	} while (t.kind != TOML_TOKEN_END);
	if (end != size)
		bug("the tokens end at %zu of %zu", end, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";
	struct err err = ERR_INIT;
	struct toml_value *again;
	AUTO(toml) struct toml_value *root = toml_parse("fuzz", text, size, NULL, &err);

	check_tokens(text, size, TOML_AT_KEY);
	check_tokens(text, size, TOML_AT_VALUE);
	if (!root)
		return 0;
	check_value(root, size);
	again = toml_parse("fuzz", text, size, NULL, &err);
	if (!again)
		bug("parsed once but not twice: %s", err.msg);
	toml_merge(root, again);
	check_value(root, size);
	return 0;
}
