// SPDX-License-Identifier: Apache-2.0
/* Keyed cgroup files: the first line of the input is the key, the rest the file. */

#include "base/mem.h"
#include "base/scope.h"
#include "container/cgroup.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str) char *key = xstrndup(size ? (const char *)data : "", size);
	char *text = strchr(key, '\n');
	uint64_t value, weight;

	if (!text)
		return 0;
	*text++ = '\0';
	value = cgroup_keyed(text, key);
	if (value && !strstr(text, key))
		bug("a value for '%s', which is not there", key);
	weight = cgroup_weight(value);
	if (weight < 1 || weight > 10000)
		bug("weight %llu of %llu shares", (unsigned long long)weight,
		    (unsigned long long)value);
	return 0;
}
