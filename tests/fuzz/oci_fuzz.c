// SPDX-License-Identifier: Apache-2.0
/*
 * OCI documents; each input is tried as a specification, a process and resources. What parses can
 * be printed, packed and copied, and stays the same. It can also be converted to a message for the
 * agent and back.
 */

#include "base/str.h"
#include "oci/message.h"
#include "oci/spec.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const char *first, const char *second)
{
	if (strcmp(first, second) != 0)
		bug("'%s' became '%s'", first, second);
}

static void check_spec(const char *text, size_t size)
{
	struct err err = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_parse(text, size, "fuzz", &err);

	if (!spec)
		return;
	AUTO(str) char *first = oci_spec_format(spec);
	AUTO(oci_spec) struct oci_spec *again = oci_spec_parse(first, strlen(first), "again", &err);
	if (!again)
		bug("what was printed does not parse: %s: %s", err.msg, first);
	AUTO(str) char *second = oci_spec_format(again);
	same(first, second);
	AUTO(oci_spec) struct oci_spec *copy = oci_spec_copy(spec);
	AUTO(str) char *third = oci_spec_format(copy);
	same(first, third);

	AUTO(buf) struct buf packed = BUF_INIT(OCI_DOCUMENT_MAX);
	if (oci_spec_pack(spec, &packed, &err) < 0)
		bug("it cannot be packed: %s", err.msg);
	AUTO(oci_spec)
	struct oci_spec *unpacked = oci_spec_unpack(packed.data, packed.len, &err);
	if (!unpacked)
		bug("what was packed is not unpacked: %s", err.msg);
	AUTO(str) char *fourth = oci_spec_format(unpacked);
	same(first, fourth);

	Grpc__Spec *message = oci_spec_to_message(spec);
	AUTO(oci_spec) struct oci_spec *back = oci_spec_from_message(message, &err);
	grpc__spec__free_unpacked(message, NULL);
	if (!back)
		bug("a message of our own is refused: %s", err.msg);
	err_clear(&err);
	AUTO(oci_spec) struct oci_spec *stranger = oci_spec_unpack(text, size, &err);
	(void)stranger;
	(void)oci_annotation(spec, "io.kubernetes.cri.container-type");
}

static void check_process(const char *text, size_t size)
{
	struct err err = ERR_INIT;
	AUTO(oci_process) struct oci_process *p = oci_process_parse(text, size, "fuzz", &err);

	if (!p)
		return;
	AUTO(str) char *first = oci_process_format(p);
	AUTO(oci_process)
	struct oci_process *again = oci_process_parse(first, strlen(first), "again", &err);
	if (!again)
		bug("what was printed does not parse: %s: %s", err.msg, first);
	AUTO(str) char *second = oci_process_format(again);
	same(first, second);
}

static void check_resources(const char *text, size_t size)
{
	struct err err = ERR_INIT;
	AUTO(oci_resources) struct oci_resources *r = oci_resources_parse(text, size, "fuzz", &err);

	if (!r)
		return;
	AUTO(str) char *first = oci_resources_format(r);
	AUTO(oci_resources)
	struct oci_resources *again = oci_resources_parse(first, strlen(first), "again", &err);
	if (!again)
		bug("what was printed does not parse: %s: %s", err.msg, first);
	AUTO(str) char *second = oci_resources_format(again);
	same(first, second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	check_spec(text, size);
	check_process(text, size);
	check_resources(text, size);
	return 0;
}
