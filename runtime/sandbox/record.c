// SPDX-License-Identifier: Apache-2.0
/* persist.json: a table of the kinds of things, each with how it is written and undone. */

#include "sandbox/record.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "base/vec.h"
#include "crypto/sha256.h"
#include "device/volume.h"
#include "host/cgroup.h"
#include "host/user.h"
#include "network/network.h"
#include "json/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	KEY_MAX = 80, /* "/run/vc/vm/KEY/vhost-fs.sock" has 108 bytes at most */
	KEY_BEGINNING = 40,
	KEY_DIGITS = 32,
	RECORD_MAX = 1 << 20,
	CMDLINE_MAX = 64 * 1024,
	/* containerd gives `delete` 5 seconds. A process may need longer to end, for the memory that
	 * it had or because its storage does not answer; then the rest is undone without it. */
	KILL_MS = 3000,
	UNDO_MS = 4000
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

/* --- kinds of things --- */

enum thing_kind { THING_PROCESS, THING_INTERFACE, THING_CGROUP, THING_VOLUME, THING_USER };

struct thing {
	enum thing_kind kind;
	char *name; /* of a cgroup or volume its path */
	/* of a user */
	uid_t uid;
	char *key;
	/* of a process */
	pid_t pid;
	uint64_t start;
	/* of an interface */
	char *tap, *netns;
	const char *model;
	struct netns_identity identity;
	/* of a volume: the sandbox's key */
	char *sandbox;
};

static void thing_release(struct thing *t)
{
	free(t->name);
	free(t->key);
	free(t->tap);
	free(t->netns);
	free(t->sandbox);
}

static void process_write(const struct thing *t, struct json *to)
{
	json_put(to, "pid", json_make_int(t->pid));
	json_put(to, "start", json_make_u64(t->start));
}

/* Until when record_undo() waits: for processes to end, and at all. */
struct undo_until {
	struct deadline killed, undone;
};

static void kill_and_wait(int pidfd, const struct undo_until *until)
{
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
	if (poll(&ended, 1, deadline_left(until->killed)) == 0)
		log_warn("a process of the sandbox was killed and has not ended yet");
}

/* Kills a recorded process, unless its pid now belongs to another process. */
static void process_undo(const struct json *from, const struct undo_until *until)
{
	const struct json *pid = json_get(from, "pid"), *start = json_get(from, "start");
	uint64_t began;

	if (!pid || !start || json_kind(pid) != JSON_IS_INT || json_kind(start) != JSON_IS_INT ||
	    json_u64(start, &began) < 0 || json_int(pid) <= 1 || json_int(pid) > INT32_MAX)
		return;
	AUTO(fd) int fd = (int)syscall(SYS_pidfd_open, (pid_t)json_int(pid), 0);
	if (fd >= 0 && process_start_time((pid_t)json_int(pid)) == began)
		kill_and_wait(fd, until);
}

static void interface_write(const struct thing *t, struct json *to)
{
	json_put(to, "tap", json_make_string(t->tap));
	json_put(to, "model", json_make_string(t->model));
	json_put(to, "netns", json_make_string(t->netns));
	json_put(to, "device", json_make_u64(t->identity.device));
	json_put(to, "inode", json_make_u64(t->identity.inode));
}

static bool get_number(const struct json *from, const char *name, uint64_t *out)
{
	const struct json *number = json_get(from, name);

	return number && json_kind(number) == JSON_IS_INT && json_u64(number, out) == 0;
}

static void interface_undo(const struct json *from, const struct undo_until *until)
{
	const char *name = json_get_text(from, "name"), *tap = json_get_text(from, "tap"),
		   *netns = json_get_text(from, "netns"), *model = json_get_text(from, "model");
	uint64_t device, inode;
	struct err err = ERR_INIT;

	(void)until;
	if (!name || !tap || !netns || !get_number(from, "device", &device) ||
	    !get_number(from, "inode", &inode))
		return;
	if (network_undo(netns, &(struct netns_identity){ device, inode }, name, tap,
			 model ? model : "tcfilter", &err) < 0)
		log_err(LOG_WARN, &err, "cannot disconnect an interface", LOG_S("interface", name));
}

static void volume_write(const struct thing *t, struct json *to)
{
	json_put(to, "sandbox", json_make_string(t->sandbox));
}

static void volume_undo(const struct json *from, const struct undo_until *until)
{
	const char *path = json_get_text(from, "name"), *sandbox = json_get_text(from, "sandbox");

	(void)until;
	/* A key, or an id if an older version wrote it; anything else is not what we write. */
	if (path && !str_empty(sandbox) && *sandbox != '.' && !strchr(sandbox, '/'))
		volume_unmark(path, sandbox);
}

static void cgroup_write_thing(const struct thing *t, struct json *to)
{
	(void)t; /* the name, which is the path, is all */
	(void)to;
}

static void cgroup_undo(const struct json *from, const struct undo_until *until)
{
	const char *path = json_get_text(from, "name");
	struct err err = ERR_INIT;

	if (path && host_cgroup_remove(path, until->undone, &err) < 0)
		log_err(LOG_WARN, &err, "cannot remove a control group", LOG_S("path", path));
}

static void user_write(const struct thing *t, struct json *to)
{
	json_put(to, "uid", json_make_u64(t->uid));
	json_put(to, "key", json_make_string(t->key));
}

static void user_undo(const struct json *from, const struct undo_until *until)
{
	const char *key = json_get_text(from, "key");
	struct err err = ERR_INIT;
	uint64_t uid;

	(void)until;
	if (key && get_number(from, "uid", &uid) && uid <= INT32_MAX &&
	    host_user_give_back((uid_t)uid, key, &err) < 0)
		log_err(LOG_WARN, &err, "cannot give back the user of the VMM");
}

static const struct {
	const char *name;
	void (*write)(const struct thing *t, struct json *to);
	/* May be repeated. */
	void (*undo)(const struct json *from, const struct undo_until *until);
} kinds[] = {
	[THING_PROCESS] = { "process", process_write, process_undo },
	[THING_INTERFACE] = { "interface", interface_write, interface_undo },
	[THING_VOLUME] = { "volume", volume_write, volume_undo },
	[THING_USER] = { "user", user_write, user_undo },
	[THING_CGROUP] = { "cgroup", cgroup_write_thing, cgroup_undo },
};

/* --- writing --- */

struct record {
	char *dir, *namespace, *id;
	pthread_mutex_t lock; /* guards what follows, and the file */
	char *agent_version;
	VEC(struct thing) things;
};

struct record *record_new(const char *dir, const char *namespace, const char *id)
{
	struct record *r = NEW(struct record);

	r->dir = xstrdup(dir);
	r->namespace = xstrdup(namespace);
	r->id = xstrdup(id);
	(void)pthread_mutex_init(&r->lock, NULL);
	return r;
}

void record_free(struct record *r)
{
	vec_each(struct thing, t, &r->things)
		thing_release(t);
	vec_release(&r->things);
	(void)pthread_mutex_destroy(&r->lock);
	free(r->agent_version);
	free(r->dir);
	free(r->namespace);
	free(r->id);
	free(r);
}

/* With the lock held: removes the entries of that kind and name; NULL: of any name. Of an interface,
 * which may be renamed, name is that of the tap. */
static void forget(struct record *r, enum thing_kind kind, const char *name)
{
	for (size_t i = r->things.n; i-- > 0;) {
		struct thing *t = &r->things.v[i];

		if (t->kind != kind || (name && !str_eq(t->tap ? t->tap : t->name, name)))
			continue;
		thing_release(t);
		vec_remove(&r->things, i);
	}
}

void record_process(struct record *r, const char *name, pid_t pid)
{
	struct thing t = { .kind = THING_PROCESS, .pid = pid };

	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_PROCESS, name);
	if (pid > 0) {
		t.name = xstrdup(name);
		t.start = process_start_time(pid);
		vec_push(&r->things, t);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void record_interface(struct record *r, const struct network *n, const struct endpoint *e)
{
	struct thing t = { .kind = THING_INTERFACE, .identity = n->identity };

	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_INTERFACE, e->tap);
	t.name = xstrdup(e->link.name);
	t.tap = xstrdup(e->tap);
	t.model = network_model_of(e);
	t.netns = xstrdup(n->path);
	vec_push(&r->things, t);
	(void)pthread_mutex_unlock(&r->lock);
}

void record_forget_interface(struct record *r, const char *tap)
{
	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_INTERFACE, tap);
	(void)pthread_mutex_unlock(&r->lock);
}

void record_cgroup(struct record *r, const char *path)
{
	struct thing t = { .kind = THING_CGROUP };

	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_CGROUP, path);
	t.name = xstrdup(path);
	vec_push(&r->things, t);
	(void)pthread_mutex_unlock(&r->lock);
}

void record_forget_cgroups(struct record *r)
{
	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_CGROUP, NULL);
	(void)pthread_mutex_unlock(&r->lock);
}

void record_volume(struct record *r, const char *path)
{
	struct thing t = { .kind = THING_VOLUME,
			   .name = xstrdup(path),
			   .sandbox = record_key(r->namespace, r->id) };

	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_VOLUME, path);
	vec_push(&r->things, t);
	(void)pthread_mutex_unlock(&r->lock);
}

void record_undo_volumes(struct record *r)
{
	(void)pthread_mutex_lock(&r->lock);
	for (size_t i = r->things.n; i-- > 0;) {
		struct thing *t = &r->things.v[i];

		if (t->kind != THING_VOLUME)
			continue;
		volume_unmark(t->name, t->sandbox);
		thing_release(t);
		vec_remove(&r->things, i);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void record_user(struct record *r, uid_t uid)
{
	struct thing t = { .kind = THING_USER, .uid = uid };

	(void)pthread_mutex_lock(&r->lock);
	forget(r, THING_USER, NULL);
	if (uid) {
		t.name = xstrdup("vmm");
		t.key = record_key(r->namespace, r->id);
		vec_push(&r->things, t);
	}
	(void)pthread_mutex_unlock(&r->lock);
}

void record_agent_version(struct record *r, const char *version)
{
	(void)pthread_mutex_lock(&r->lock);
	str_set(&r->agent_version, version);
	(void)pthread_mutex_unlock(&r->lock);
}

static struct json *format(const struct record *r)
{
	struct json *j = json_make_object(), *list = json_make_array();

	json_put(j, "version", json_make_int(2));
	json_put(j, "id", json_make_string(r->id));
	json_put(j, "namespace", json_make_string(r->namespace));
	if (r->agent_version)
		json_put(j, "agent_version", json_make_string(r->agent_version));
	vec_each(const struct thing, t, &r->things) {
		struct json *thing = json_make_object();

		json_put(thing, "kind", json_make_string(kinds[t->kind].name));
		json_put(thing, "name", json_make_string(t->name));
		kinds[t->kind].write(t, thing);
		json_add(list, thing);
	}
	json_put(j, "things", list);
	return j;
}

int record_write(struct record *r, struct err *err)
{
	AUTO(str) char *path = path_join(r->dir, "persist.json");
	int result;

	(void)pthread_mutex_lock(&r->lock);
	AUTO(json) struct json *j = format(r);
	AUTO(str) char *text = json_format(j, true);
	result = file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, err);
	(void)pthread_mutex_unlock(&r->lock);
	return result;
}

/* --- undoing --- */

/* True if the arguments after the program's name are these; the last one is only a beginning. */
static bool has_arguments(const struct buf *line, const char *const *words)
{
	size_t at = strnlen(line->data, line->len) + 1;

	for (; *words; words++) {
		size_t n = strlen(*words) + (words[1] ? 1 : 0);

		if (at >= line->len || line->len - at < n ||
		    memcmp(line->data + at, *words, n) != 0)
			return false;
		at += n;
	}
	return true;
}

/* A process that was started for the sandbox but is not recorded yet has the arguments by which
 * QEMU's command line (cmdline.c) or that of either virtiofsd (virtiofsd.c) begins. Anyone else may
 * name the sandbox or its directory: an administrator's grep or tail lives. */
static bool works_for(const char *pid, const char *key)
{
	AUTO(str) char *name = str_fmt("sandbox-%s,", key);
	AUTO(str) char *share_c = str_fmt("source=" SANDBOX_SHARE_DIR "/%s/", key);
	AUTO(str) char *share_rust = str_fmt("--shared-dir=" SANDBOX_SHARE_DIR "/%s/", key);
	AUTO(str) char *path = str_fmt("/proc/%s/cmdline", pid);
	const char *const qemu[] = { "-name", name, NULL };
	const char *const virtiofsd_c[] = { "--fd=3", "-o", share_c, NULL };
	const char *const virtiofsd_rust[] = { "--fd=3", share_rust, NULL };
	AUTO(buf) struct buf line = BUF_INIT(CMDLINE_MAX);
	struct err gone = ERR_INIT;

	if (file_read(AT_FDCWD, path, CMDLINE_MAX, &line, &gone) < 0 || !line.len)
		return false;
	return has_arguments(&line, qemu) || has_arguments(&line, virtiofsd_c) ||
	       has_arguments(&line, virtiofsd_rust);
}

static bool is_same(const char *path, const char *other)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* True if the process has our mounts; or the sandbox's directory where we have it, or that of its
 * share as its root, as in the mount namespace of the share (share/mountns.h). In another namespace,
 * as in a container that is a node, a sandbox of the same name is another one. */
static bool sees_sandbox(pid_t pid, const char *key)
{
	AUTO(str) char *state = path_join(SANDBOX_STATE_DIR, key);
	AUTO(str) char *share = path_join(SANDBOX_SHARE_DIR, key);
	AUTO(str) char *root = str_fmt("/proc/%d/root", (int)pid);
	AUTO(str) char *there = str_fmt("%s%s", root, state);

	return process_sees_our_mounts(pid) || is_same(there, state) ||
	       (path_exists(state) && is_same(root, share));
}

static void kill_unrecorded(const char *key, const struct undo_until *until)
{
	DIR *proc = opendir("/proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);
		AUTO(fd) int fd = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;

		if (fd >= 0 && pid != getpid() && works_for(e->d_name, key) &&
		    sees_sandbox(pid, key))
			kill_and_wait(fd, until);
	}
	if (proc)
		(void)closedir(proc);
}

/* A kind of a later version is logged and left alone. */
static void undo_thing(const struct json *thing, const struct undo_until *until)
{
	const char *kind = json_kind(thing) == JSON_IS_OBJECT ? json_get_text(thing, "kind") : NULL;

	for (size_t i = 0; kind && i < ARRAY_LEN(kinds); i++) {
		if (str_eq(kinds[i].name, kind)) {
			kinds[i].undo(thing, until);
			return;
		}
	}
	log_warn("the record of the sandbox has a thing of an unknown kind",
		 LOG_S("kind", kind ? kind : ""));
}

static void undo_things(const struct json *record, const struct undo_until *until)
{
	static const char *const version_1[] = { "vmm", "virtiofsd" };
	const struct json *things = json_get(record, "things");

	if (things && json_kind(things) == JSON_IS_ARRAY) {
		for (size_t i = json_count(things); i-- > 0;)
			undo_thing(json_at(things, i), until);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(version_1); i++) {
		const struct json *process = json_get(record, version_1[i]);

		if (process && json_kind(process) == JSON_IS_OBJECT)
			process_undo(process, until);
	}
}

void record_undo(const char *dir, const char *key)
{
	AUTO(str) char *path = path_join(dir, "persist.json");
	AUTO(buf) struct buf text = BUF_INIT(RECORD_MAX);
	struct err missing = ERR_INIT; /* without a record nothing was made */
	const struct undo_until until = { deadline_in(KILL_MS), deadline_in(UNDO_MS) };

	/* First, since they may be in a control group to be removed. */
	kill_unrecorded(key, &until);
	if (file_read(AT_FDCWD, path, RECORD_MAX, &text, &missing) == 0) {
		AUTO(json)
		struct json *record = json_parse(buf_cstr(&text), text.len, path, &missing);

		if (record && json_kind(record) == JSON_IS_OBJECT)
			undo_things(record, &until);
	}
}
