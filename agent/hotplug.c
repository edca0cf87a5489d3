// SPDX-License-Identifier: Apache-2.0
/* Brings CPUs and memory online that were plugged into the VM. */

#include "agent/hotplug.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#define CPUS   "/sys/devices/system/cpu"
#define MEMORY "/sys/devices/system/memory"

enum { LOOK_MS = 50, CPUS_MS = 5000 };

/* Writes `on` to each file folder/prefixN/file that contains `off`, until max have accepted it.
 * Returns how many have. */
static int online_all(const char *folder, const char *prefix, const char *file, const char *off,
		      const char *on, unsigned max, struct err *err)
{
	AUTO(dir) DIR *dir = opendir(folder);
	int n = 0;

	if (!dir)
		return err_sys(err, "open %s", folder);
	for (struct dirent *e; (unsigned)n < max && (e = readdir(dir));) {
		AUTO(str) char *path = str_fmt("%s/%s", e->d_name, file);
		AUTO(str) char *state = NULL;
		struct err refused = ERR_INIT; /* cpu0 has no such file; a block may be in use */

		if (!str_starts(e->d_name, prefix) ||
		    !(state = file_read_line(dirfd(dir), path, &refused)) || !str_eq(state, off))
			continue;
		if (file_write(dirfd(dir), path, on, &refused) == 0)
			n++;
		else
			log_err(LOG_WARN, &refused, "not brought online", LOG_S("device", path));
	}
	return n;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static unsigned uncounted; /* CPUs that came online in requests that failed */

/* CPUs appear one after the other. *done: how many came online, also on failure. */
static int await_cpus(unsigned want, unsigned *done, struct deadline deadline, struct err *err)
{
	while (*done < want) {
		int n = online_all(CPUS, "cpu", "online", "0", "1", want - *done, err);

		if (n < 0)
			return -1;
		*done += (unsigned)n;
		if (*done == want)
			break;
		if (deadline_passed(deadline))
			return err_set(err, E_TIMEOUT, "%u of %u processors came online", *done,
				       want);
		(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	return 0;
}

int hotplug_cpus(unsigned want, struct deadline deadline, struct err *err)
{
	unsigned done;
	int result;

	(void)pthread_mutex_lock(&lock);
	done = uncounted < want ? uncounted : want;
	uncounted -= done;
	result = await_cpus(want, &done, deadline, err);
	if (result < 0)
		uncounted += done;
	(void)pthread_mutex_unlock(&lock);
	return result;
}

int hotplug_memory(struct err *err)
{
	int n = 0;

	if (access(MEMORY "/block_size_bytes", F_OK) == 0)
		n = online_all(MEMORY, "memory", "state", "offline", "online", UINT32_MAX, err);
	return n < 0 ? -1 : 0;
}

int hotplug_probe_memory(uint64_t address, struct err *err)
{
	AUTO(str) char *text = str_fmt("0x%llx", (unsigned long long)address);

	return file_write(AT_FDCWD, MEMORY "/probe", text, err);
}
