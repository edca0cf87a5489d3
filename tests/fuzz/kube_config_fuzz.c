// SPDX-License-Identifier: Apache-2.0
/* Kubeconfigs. If one is accepted, its server uses TLS with a certificate authority, or is on this
 * host; and its token cannot add a header to a request. */

#include "base/str.h"
#include "kube/kube-internal.h"
#include "yaml/yaml.h"

#include <stdint.h>
#include <string.h>

enum { INPUT_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(access) struct access a = { 0 };
	AUTO(json) struct json *j = NULL;
	struct err err = ERR_INIT;

	if (size > INPUT_MAX)
		return 0;
	j = yaml_parse(size ? (const char *)data : "", size, "fuzz", &err);
	if (!j)
		return 0;
	if (access_parse(j, NULL, "/dir", &a, &err) < 0) {
		if (a.server || a.token.text)
			bug("something is left of what was refused");
		return 0;
	}
	if (!str_starts(a.server, "https://") && !str_starts(a.server, "http://127.0.0.1") &&
	    !str_starts(a.server, "http://localhost") && !str_starts(a.server, "http://[::1]"))
		bug("server %s", a.server);
	if (str_starts(a.server, "https://") && !a.ca.path && !a.ca.text)
		bug("no certificate authority for %s", a.server);
	if (a.token.text && strpbrk(a.token.text, "\r\n "))
		bug("a token with blanks or line ends");
	return 0;
}
