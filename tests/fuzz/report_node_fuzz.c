// SPDX-License-Identifier: Apache-2.0
/*
 * Node objects to which the report is added. After the patch was applied, there is nothing more to
 * change. A shared label that somebody else has set is not changed.
 */

#include "base/str.h"
#include "deploy/report/report-internal.h"

#include <stdint.h>
#include <string.h>

enum { INPUT_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Applies a JSON merge patch (RFC 7396). */
static void merge(struct json *target, const struct json *patch)
{
	for (void *it = json_begin(patch); it; it = json_after(patch, it)) {
		struct json *value = json_value(it), *old = json_get(target, json_key(it));

		if (json_kind(value) != JSON_IS_OBJECT) {
			json_put(target, json_key(it), json_share(value));
			continue;
		}
		if (!old || json_kind(old) != JSON_IS_OBJECT) {
			old = json_make_object();
			json_put(target, json_key(it), old);
		}
		merge(old, value);
	}
}

static void check_foreign(const struct json *node, const struct json *patch)
{
	if (!patch || !kube_meta_of(node, "labels", REPORT_SHARED_LABEL) ||
	    kube_meta_of(node, "annotations", REPORT_PREFIX "kata-runtime.set-by"))
		return;
	const struct json *meta = json_get(patch, "metadata"),
			  *labels = meta ? json_get(meta, "labels") : NULL;
	if (labels && json_get(labels, REPORT_SHARED_LABEL))
		bug("somebody else's label is changed");
}

static void check(const char *text, size_t size, struct wish w)
{
	AUTO(json) struct json *node = NULL, *patch = NULL, *again = NULL;
	struct err ignored = ERR_INIT;

	node = json_parse(text, size, "fuzz", &ignored);
	if (!node || json_kind(node) != JSON_IS_OBJECT)
		return;
	patch = wish_patch(&w, node);
	check_foreign(node, patch);
	if (!patch)
		return;
	merge(node, patch);
	again = wish_patch(&w, node);
	AUTO(str) char *shown = again ? json_format(again, false) : NULL;
	if (again)
		bug("after the patch: %s", shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const taints[] = { "a", "b=c:NoSchedule", NULL };
	static const struct wish wishes[] = {
		{ .instance = "default", .value = "true", .version = "1", .serial = 3 },
		{ .instance = "two", .value = "false" },
		{ .instance = "default", .gone = true },
	};
	const char *text = size ? (const char *)data : "";

	if (size > INPUT_MAX)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++) {
		struct wish w = wishes[i];

		w.taints = (char *const *)(uintptr_t)taints;
		check(text, size, w);
	}
	return 0;
}
