// SPDX-License-Identifier: Apache-2.0
/* Header fields that we parse without libcurl. A value that is found lies inside its line; a tag
 * that is accepted can be sent back in a request; a range that is accepted can be printed and
 * parsed again, and is then the same. */

#include "base/str.h"
#include "http/http-internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_range(const char *value, size_t n)
{
	struct http_range r, again;

	if (!http_range_parse(value, n, &r))
		return;
	if (r.from > r.to || r.to >= r.total)
		bug("a range that cannot be");
	AUTO(str)
	char *text = r.total == UINT64_MAX
			     ? str_fmt("bytes %llu-%llu/*", (unsigned long long)r.from,
				       (unsigned long long)r.to)
			     : str_fmt("bytes %llu-%llu/%llu", (unsigned long long)r.from,
				       (unsigned long long)r.to, (unsigned long long)r.total);
	if (!http_range_parse(text, strlen(text), &again) || memcmp(&r, &again, sizeof(r)) != 0)
		bug("'%s' is read as something else", text);
}

static void try_tag(const char *value, size_t n)
{
	char tag[HTTP_TAG_MAX], again[HTTP_TAG_MAX];

	if (!http_tag_parse(value, n, tag)) {
		if (*tag)
			bug("a tag that was refused is there");
		return;
	}
	if (strlen(tag) != n || memcmp(tag, value, n) != 0 || strpbrk(tag, "\r\n") ||
	    !http_tag_parse(tag, strlen(tag), again))
		bug("'%s' is no tag", tag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "content-range", "etag", "last-modified" };
	const char *line = size ? (const char *)data : "", *value;
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!http_field(line, size, names[i], &value, &n))
			continue;
		if (value < line || value + n > line + size)
			bug("a value outside of its line");
		try_range(value, n);
		try_tag(value, n);
	}
	try_range(line, size);
	try_tag(line, size);
	return 0;
}
