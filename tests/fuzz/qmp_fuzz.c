// SPDX-License-Identifier: Apache-2.0
/* What QEMU sends on its control socket (QMP). */

#include "base/buf.h"
#include "vmm/qemu/qmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf in = BUF_INIT(QMP_LINE_MAX);
	struct err err = ERR_INIT;
	struct json *j;

	buf_add(&in, data, size);
	while (qmp_next(&in, &j, &err) > 0) {
		if (j)
			json_free(j);
	}
	return 0;
}
