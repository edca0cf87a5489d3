// SPDX-License-Identifier: Apache-2.0
/*
 * Editing Docker's daemon.json. Adding a runtime and removing it again gives back the original
 * bytes. Every result is JSON, and after a removal the runtime is gone.
 */

#include "base/mem.h"
#include "base/str.h"
#include "deploy/cri/docker-json.h"
#include "json/json.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 1 << 21 };

static size_t runtimes(const struct buf *text, bool *has)
{
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = json_parse(buf_cstr(text), text->len, "fuzz", &err);
	const struct json *r = j ? json_get(j, "runtimes") : NULL;

	if (!j)
		bug("not JSON any more: %s", err.msg);
	*has = r && json_get(r, "kata");
	return r ? json_count(r) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str) char *text = xstrndup((const char *)data, size);
	AUTO(buf) struct buf with = BUF_INIT(ROOM), back = BUF_INIT(ROOM), out = BUF_INIT(ROOM);
	struct err err = ERR_INIT;
	bool made = false, has;
	size_t n;

	if (docker_json_remove("fuzz", text, "kata", true, &out, &err) == 0) {
		(void)runtimes(&out, &has);
		if (has)
			bug("removed, and still there");
	}
	err_clear(&err);
	if (docker_json_add("fuzz", text, "kata", "{\"a\": [1, \"}\"]}", &made, &with, &err) < 0)
		return 0;
	n = runtimes(&with, &has);
	if (!has || n < 1)
		bug("added, and not there");
	if (docker_json_remove("fuzz", buf_cstr(&with), "kata", made, &back, &err) < 0)
		bug("not removed: %s", err.msg);
	if (!str_eq(buf_cstr(&back), text))
		bug("removed, but not the original bytes");
	return 0;
}
