// SPDX-License-Identifier: Apache-2.0
/* The record of a sandbox, and its key. */

#include "sandbox/record.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "json/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	KEY_MAX = 80, /* "/run/vc/vm/KEY/console.sock" has 108 bytes at most */
	KEY_BEGINNING = 40,
	KEY_DIGITS = 32,
	RECORD_MAX = 64 * 1024,
	KILL_MS = 5000
};

char *record_key(const char *namespace, const char *id)
{
	AUTO(str) char *key = str_fmt("%s@%s", id, namespace);
	char hex[65];

	if (strlen(key) <= KEY_MAX)
		return STEAL(key, NULL);
	sha256_hex(key, strlen(key), hex);
	return str_fmt("%.*s@@%.*s", KEY_BEGINNING, id, KEY_DIGITS, hex);
}

/* The start time, field 22 of /proc/PID/stat: with the pid it identifies a process. 0: no such
 * process. */
static uint64_t start_time(pid_t pid)
{
	AUTO(str) char *path = str_fmt("/proc/%d/stat", (int)pid);
	struct err ignored = ERR_INIT;
	AUTO(str) char *line = file_read_line(AT_FDCWD, path, &ignored);
	char *p = line ? strrchr(line, ')') : NULL;

	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p, NULL, 10) : 0;
}

static void record_process(struct json *j, const char *name, pid_t pid)
{
	struct json *p;

	if (pid <= 0)
		return;
	p = json_make_object();
	json_put(p, "pid", json_make_int(pid));
	json_put(p, "start", json_make_u64(start_time(pid)));
	json_put(j, name, p);
}

int record_write(struct sandbox *s, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();
	AUTO(str) char *path = path_join(s->state_dir, "persist.json");
	AUTO(str) char *text = NULL;

	json_put(j, "version", json_make_int(1));
	json_put(j, "id", json_make_string(s->id));
	json_put(j, "namespace", json_make_string(s->namespace));
	if (s->agent_version)
		json_put(j, "agent_version", json_make_string(s->agent_version));
	record_process(j, "vmm", s->vm->vmm.child.pid);
	record_process(j, "virtiofsd", s->vm->virtiofsd.pid);
	text = json_format(j, true);
	return file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, err);
}

static void kill_and_wait(int pidfd)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	(void)poll(&ended, 1, KILL_MS);
}

/* Kills a recorded process, unless its pid now belongs to another process. */
static void kill_recorded(const struct json *record, const char *name)
{
	struct json *p = json_get(record, name), *pid = p ? json_get(p, "pid") : NULL,
		    *start = p ? json_get(p, "start") : NULL;
	uint64_t began;

	if (!pid || !start || json_kind(pid) != JSON_IS_INT || json_kind(start) != JSON_IS_INT ||
	    json_u64(start, &began) < 0 || json_int(pid) <= 1)
		return;
	AUTO(fd) int fd = (int)syscall(SYS_pidfd_open, (pid_t)json_int(pid), 0);
	if (fd >= 0 && start_time((pid_t)json_int(pid)) == began)
		kill_and_wait(fd);
}

/* Paths mean the same files only where the mounts are the same. */
static bool sees_our_mounts(const char *pid)
{
	AUTO(str) char *path = str_fmt("/proc/%s/ns/mnt", pid);
	struct stat theirs, ours;

	return stat(path, &theirs) == 0 && stat("/proc/self/ns/mnt", &ours) == 0 &&
	       theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

/* A process that was started but not yet recorded has a directory of the sandbox on its command
 * line. */
static bool works_for(const char *pid, const char *key)
{
	AUTO(str) char *vm = str_fmt(SANDBOX_VM_DIR "/%s/", key);
	AUTO(str) char *share = str_fmt(SANDBOX_SHARE_DIR "/%s/", key);
	AUTO(str) char *path = str_fmt("/proc/%s/cmdline", pid);
	AUTO(buf) struct buf line = BUF_INIT(RECORD_MAX);
	struct err gone = ERR_INIT;

	if (file_read(AT_FDCWD, path, RECORD_MAX, &line, &gone) < 0)
		return false;
	return memmem(line.data, line.len, vm, strlen(vm)) ||
	       memmem(line.data, line.len, share, strlen(share));
}

static void kill_unrecorded(const char *key)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		AUTO(fd) int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

		if (fd >= 0 && pid != getpid() && sees_our_mounts(e->d_name) &&
		    works_for(e->d_name, key))
			kill_and_wait(fd);
	}
	if (proc)
		(void)closedir(proc);
}

void record_kill(const char *key)
{
	AUTO(str) char *path = str_fmt(SANDBOX_STATE_DIR "/%s/persist.json", key);
	AUTO(buf) struct buf text = BUF_INIT(RECORD_MAX);
	struct err missing = ERR_INIT; /* no record: no process was started */

	if (file_read(AT_FDCWD, path, RECORD_MAX, &text, &missing) == 0) {
		AUTO(json)
		struct json *record = json_parse(buf_cstr(&text), text.len, path, &missing);

		if (record && json_kind(record) == JSON_IS_OBJECT) {
			kill_recorded(record, "vmm");
			kill_recorded(record, "virtiofsd");
		}
	}
	kill_unrecorded(key);
}
