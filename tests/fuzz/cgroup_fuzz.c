// SPDX-License-Identifier: Apache-2.0
/* Files of control groups, and /etc/passwd; each input is given to all their parsers. */

#include "base/mem.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "container/init.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str) char *text = xstrndup((const char *)data, size);
	struct container_stats s = { 0 };

	free(user_home_in(text, 1000));
	(void)cgroup_value(text, "oom_kill");
	cgroup_parse_memory_stat(text, true, &s);
	cgroup_parse_memory_stat(text, false, &s);
	cgroup_parse_per_cpu(text, &s);
	cgroup_parse_io_stat(text, &s);
	cgroup_parse_blkio(text, &s.blkio.service_bytes, &s.blkio.n_service_bytes);
	container_stats_release(&s);
	return 0;
}
