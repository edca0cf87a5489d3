// SPDX-License-Identifier: Apache-2.0
/* Lines of a watch. If an event is accepted, its object has a name and a version from which the
 * watch can continue. */

#include "base/str.h"
#include "kube/kube-internal.h"

#include <stdint.h>
#include <string.h>

enum { INPUT_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char version[KUBE_VERSION_MAX] = "";
	const struct json *object = NULL;
	AUTO(json) struct json *doc = NULL;
	struct err err = ERR_INIT;
	enum watch_kind kind;

	if (size > INPUT_MAX)
		return 0;
	if (watch_parse(size ? (const char *)data : "", size, &kind, &doc, &object, version, &err) <
	    0) {
		if (err.code != E_PROTOCOL && err.code != E_GONE)
			bug("refused with %s", err_slug(err.code));
		return 0;
	}
	if (kind == WATCH_EXPIRED)
		return 0;
	if (!*version || !str_eq(version, kube_meta(object, "resourceVersion")))
		bug("version '%s'", version);
	if (kind != WATCH_BOOKMARK && !kube_meta(object, "name"))
		bug("an object without a name");
	return 0;
}
