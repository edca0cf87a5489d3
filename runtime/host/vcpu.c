// SPDX-License-Identifier: Apache-2.0
/* Sets the affinity of the threads that run the guest's processors. */

#include "host/vcpu.h"

#include "base/affinity.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdint.h>
#include <string.h>

static int parse_range(char *text, cpu_set_t *out, struct err *err)
{
	char *dash = strchr(text, '-');
	uint64_t first, last;

	if (dash)
		*dash++ = '\0';
	if (str_u64(text, 10, 0, CPU_SETSIZE - 1, "processor", &first, err) < 0)
		return -1;
	last = first;
	if (dash && str_u64(dash, 10, first, CPU_SETSIZE - 1, "processor", &last, err) < 0)
		return -1;
	for (uint64_t i = first; i <= last; i++)
		CPU_SET(i, out);
	return 0;
}

int cpu_list_parse(const char *list, cpu_set_t *out, struct err *err)
{
	AUTO(strv) char **ranges = strv_split(list, ", \n");

	CPU_ZERO(out);
	strv_each(range, ranges) {
		if (parse_range(*range, out, err) < 0) {
			err->code = E_INVALID;
			return err_wrap(err, "list of processors '%.200s'", list);
		}
	}
	return 0;
}

static int set_affinity(pid_t thread, const cpu_set_t *set, struct err *err)
{
	return sched_setaffinity(thread, sizeof(*set), set) < 0
		       ? err_sys(err, "choose the processors of thread %d", (int)thread)
		       : 0;
}

static int share(const pid_t *threads, size_t n, const cpu_set_t *set, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (set_affinity(threads[i], set, err) < 0)
			return -1;
	}
	return 0;
}

static int unpin(const pid_t *threads, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		if (affinity_reset(threads[i]) < 0)
			return err_sys(err, "choose the processors of thread %d", (int)threads[i]);
	}
	return 0;
}

int vcpu_pin(const pid_t *threads, size_t n, const cpu_set_t *set, struct err *err)
{
	size_t next = 0;

	if (!CPU_COUNT(set))
		return unpin(threads, n, err);
	if ((size_t)CPU_COUNT(set) != n)
		return share(threads, n, set, err);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		cpu_set_t one;

		if (!CPU_ISSET(cpu, set))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (set_affinity(threads[next++], &one, err) < 0)
			return -1;
	}
	return 1;
}
