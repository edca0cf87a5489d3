// SPDX-License-Identifier: Apache-2.0
/* The mount table: any text is a list or an error, and what is released is all there was. */

#include "base/str.h"
#include "mount/mount.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	struct err err = ERR_INIT;

	if (mount_list_parse((const char *)data, size, &list, &err) < 0)
		return 0;
	for (size_t i = 0; i < list.n; i++) {
		if (!mount_list_has(&list, list.v[i].target))
			bug("a mount is not found");
	}
	return 0;
}
