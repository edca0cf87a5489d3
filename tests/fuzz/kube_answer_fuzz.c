// SPDX-License-Identifier: Apache-2.0
/* Answers of a Kubernetes API server. The first two bytes choose the status; the rest is tried as
 * the body of an error and as an object. */

#include "base/str.h"
#include "kube/kube-internal.h"
#include "kube/lease.h"

#include <stdint.h>
#include <string.h>

enum { INPUT_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct call c = { .method = "GET", .path = "/x?y=z" };
	struct kube_observations observed = { 0 };
	AUTO(json) struct json *j = NULL;
	struct err err = ERR_INIT;

	if (size < 2 || size > INPUT_MAX)
		return 0;
	c.status = 300 + (data[0] * 256 + data[1]) % 300;
	data += 2;
	size -= 2;
	(void)call_refused(&c, (const char *)data, size, &err);
	if (err.code == E_OK || err.code == E_CANCELLED)
		bug("status %ld is no error", c.status);
	for (const char *p = err.msg; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			bug("a control character in '%s'", err.msg);
	}
	err_clear(&err);
	j = json_parse(size ? (const char *)data : "", size, "fuzz", &err);
	if (!j || json_kind(j) != JSON_IS_OBJECT)
		return 0;
	(void)kube_meta(j, "name");
	(void)kube_meta_of(j, "labels", "a");
	(void)kube_lease_holder(j);
	kube_observe_begin(&observed);
	if (kube_observe(&observed, j, 1000))
		bug("abandoned at first sight");
	kube_observe_end(&observed);
	kube_observations_release(&observed);
	return 0;
}
