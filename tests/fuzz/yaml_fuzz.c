// SPDX-License-Identifier: Apache-2.0
/* YAML documents. What parses can be printed, and what was printed parses to the same. */

#include "base/str.h"
#include "yaml/yaml.h"

#include <stdint.h>
#include <string.h>

enum { INPUT_MAX = 1 << 16, TEXT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX), again = BUF_INIT(TEXT_MAX);
	AUTO(json) struct json *j = NULL, *second = NULL;
	struct err err = ERR_INIT;

	if (size > INPUT_MAX)
		return 0;
	j = yaml_parse(size ? (const char *)data : "", size, "fuzz", &err);
	if (!j) {
		if (err.code != E_INVALID && err.code != E_LIMIT)
			bug("refused with %s", err_slug(err.code));
		return 0;
	}
	if (yaml_format(j, &text, &err) < 0) {
		if (err.code != E_LIMIT)
			bug("cannot be printed: %s", err.msg);
		return 0;
	}
	second = yaml_parse(buf_cstr(&text), text.len, "again", &err);
	if (!second)
		bug("what was printed does not parse: %s: %s", err.msg, text.data);
	AUTO(str) char *one = json_format(j, false), *other = json_format(second, false);
	if (!str_eq(one, other))
		bug("'%s' became '%s'", one, other);
	if (yaml_format(second, &again, &err) < 0 || !str_eq(text.data, again.data))
		bug("'%s' was printed as '%s'", text.data, again.data);
	return 0;
}
