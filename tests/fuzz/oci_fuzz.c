// SPDX-License-Identifier: Apache-2.0
/* A config.json: what is parsed must come back the same when it is printed and parsed again. */

#include "base/scope.h"
#include "base/str.h"
#include "oci/spec.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_parse((const char *)data, size, "f", &err);

	if (!spec)
		return 0;
	AUTO(str) char *first = oci_spec_format(spec);
	AUTO(oci_spec) struct oci_spec *again = oci_spec_parse(first, strlen(first), "g", &err);
	if (!again)
		bug("%s", err.msg);
	AUTO(str) char *second = oci_spec_format(again);
	if (!str_eq(first, second))
		bug("'%s' became '%s'", first, second);
	return 0;
}
