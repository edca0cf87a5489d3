// SPDX-License-Identifier: Apache-2.0
/* root.json and trust.json; each input is tried as both. What parses can be printed, and what was
 * printed parses and is printed as the same text. */

#include "base/str.h"
#include "deploy/trust/trust-internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_root(const char *text, size_t len)
{
	AUTO(trust_root)
	struct trust_root root = TRUST_ROOT_INIT, again = TRUST_ROOT_INIT;
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = json_parse(text, len, "fuzz", &err), *one = NULL, *other = NULL;

	if (!j || trust_root_parse(&root, j, "fuzz", &err) < 0)
		return;
	for (unsigned role = 0; role < TRUST_ROLES; role++) {
		if (!root.threshold[role] || root.threshold[role] > trust_root_count(&root, role))
			bug("a role that lets everything through");
	}
	if (!root.version || !root.expires)
		bug("a root without a version or an end");
	one = trust_root_json(&root);
	if (trust_root_parse(&again, one, "again", &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	other = trust_root_json(&again);
	AUTO(str) char *first = json_format(one, false), *second = json_format(other, false);
	if (!str_eq(first, second))
		bug("'%s' became '%s'", first, second);
}

static void try_past(const char *text, size_t len)
{
	struct trust_past past = TRUST_PAST_INIT, again = TRUST_PAST_INIT;
	struct err err = ERR_INIT;

	if (trust_past_parse(&past, text, len, &err) == 0) {
		AUTO(str) char *one = trust_past_format(&past);

		if (trust_past_parse(&again, one, strlen(one), &err) < 0)
			bug("what was printed does not parse: %s", err.msg);
		AUTO(str) char *other = trust_past_format(&again);
		if (!str_eq(one, other))
			bug("'%s' became '%s'", one, other);
	}
	trust_past_release(&past);
	trust_past_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	try_root(text, size);
	try_past(text, size);
	return 0;
}
