// SPDX-License-Identifier: Apache-2.0
#include "base/affinity.h"

#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Far more than any kernel supports. The kernel ignores those that it does not have; those beyond the
 * end of the set would be lost, as with cpu_set_t on a machine with more than 1024. */
enum { PROCESSORS = 1 << 16 };

/* No allocation and no lock: it is called between fork and exec. */
int affinity_reset(pid_t thread)
{
	unsigned long all[PROCESSORS / 8 / sizeof(unsigned long)];

	memset(all, 0xff, sizeof(all));
	return (int)syscall(SYS_sched_setaffinity, thread, sizeof(all), all);
}
