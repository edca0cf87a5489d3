// SPDX-License-Identifier: Apache-2.0
/* JSON documents. What parses can be printed, and what was printed parses to the same. */

#include "base/str.h"
#include "json/json.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Visits all values with the functions for their kinds. */
static void walk(const struct json *j)
{
	uint64_t number;

	switch (json_kind(j)) {
	case JSON_IS_INT:
		if (json_u64(j, &number) < 0 && json_int(j) >= 0)
			bug("an integer that is neither negative nor unsigned");
		break;
	case JSON_IS_STRING:
		if (!json_text(j))
			bug("a string without text");
		break;
	case JSON_IS_ARRAY:
		for (size_t i = 0; i < json_count(j); i++)
			walk(json_at(j, i));
		break;
	case JSON_IS_OBJECT:
		for (void *it = json_begin(j); it; it = json_after(j, it)) {
			if (json_get(j, json_key(it)) != json_value(it))
				bug("member '%s' is not found again", json_key(it));
			walk(json_value(it));
		}
		break;
	case JSON_IS_NULL:
	case JSON_IS_BOOL:
	case JSON_IS_REAL:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = json_parse(size ? (const char *)data : "", size, "fuzz", &err);

	if (!j)
		return 0;
	walk(j);
	AUTO(str) char *text = json_format(j, false);
	AUTO(json) struct json *again = json_parse(text, strlen(text), "again", &err);
	if (!again)
		bug("what was printed does not parse: %s: %s", err.msg, text);
	AUTO(str) char *second = json_format(again, false);
	if (strcmp(text, second) != 0)
		bug("'%s' became '%s'", text, second);
	return 0;
}
