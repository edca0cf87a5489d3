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

/* cpu0 has no such file, and always runs; that of another may not have been made yet. */
static bool is_online(int folder, const char *cpu)
{
	AUTO(str) char *path = str_fmt("%s/online", cpu);
	struct err missing = ERR_INIT;
	AUTO(str) char *state = file_read_line(folder, path, &missing);

	return state ? str_eq(state, "1") : str_eq(cpu, "cpu0");
}

static int count_online(struct err *err)
{
	AUTO(dir) DIR *dir = opendir(CPUS);
	int n = 0;

	if (!dir)
		return err_sys(err, "open %s", CPUS);
	for (struct dirent *e; (e = readdir(dir));)
		n += str_starts(e->d_name, "cpu") && is_online(dirfd(dir), e->d_name);
	return n;
}

/* CPUs appear one after the other. */
static int await_cpus(unsigned want, unsigned all, struct deadline deadline, struct err *err)
{
	for (unsigned done = 0; done < want;) {
		int n = online_all(CPUS, "cpu", "online", "0", "1", want - done, err);
		int running = n < 0 ? -1 : count_online(err);

		if (running < 0)
			return -1;
		done += (unsigned)n;
		if (done == want || (all && (unsigned)running >= all))
			break;
		if (deadline_passed(deadline))
			return err_set(err, E_TIMEOUT, "%u of %u processors came online", done,
				       want);
		(void)nanosleep(&(struct timespec){ .tv_nsec = LOOK_MS * 1000000L }, NULL);
	}
	return 0;
}

/* One request at a time, since each counts what it has brought online. */
int hotplug_cpus(unsigned want, unsigned all, struct deadline deadline, struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	int result;

	(void)pthread_mutex_lock(&lock);
	result = await_cpus(want, all, deadline, err);
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
