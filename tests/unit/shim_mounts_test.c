// SPDX-License-Identifier: Apache-2.0
/*
 * The mounts of the host before, during and after a container, on a host whose mounts are shared,
 * as systemd makes them: no mount or unmount of the shim propagates to them.
 */

#include "tests/unit/shim_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST  DIR "/host"
#define SHARE "/run/kata-containers/shared/sandboxes/c@ns/shared/"
#define GUEST "/run/kata-containers/shared/containers/"
#define X64   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X255  X64 X64 X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

/* --- the host --- */

static pid_t other; /* a process with a mount namespace of its own, as a service of systemd has */
static int end_other = -1;

static void make_file(const char *path)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
}

/* Mounts a file system there, with the file "inside". */
static void make_disk(const char *path)
{
	AUTO(str) char *inside = path_join(path, "inside");
	struct err err = ERR_INIT;

	ck_assert_msg(path_make(path, 0755, &err) == 0, "%s", err.msg);
	ck_assert(mount("disk", path, "tmpfs", 0, "mode=0755") == 0);
	make_file(inside);
}

static void start_other(void)
{
	int ready[2], end[2];
	char byte;

	ck_assert(pipe2(ready, O_CLOEXEC) == 0 && pipe2(end, O_CLOEXEC) == 0);
	other = fork();
	if (other == 0) {
		(void)close(end[1]);
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ||
		    write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(end[0], &byte, 1) == 0 ? 0 : 1);
	}
	(void)close(ready[1]);
	(void)close(end[0]);
	ck_assert(read(ready[0], &byte, 1) == 1);
	(void)close(ready[0]);
	end_other = end[1];
}

static void shared_host(void)
{
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL) == 0);
	make_disk(HOST);
	make_disk(HOST "/sub");
	make_disk(HOST "/sub/deep");
	make_disk(HOST "/root");
	make_disk(HOST "/root/below");
	make_disk(HOST "/unbindable");
	ck_assert(mount(NULL, HOST "/unbindable", NULL, MS_UNBINDABLE, NULL) == 0);
	make_file(HOST "/file");
	make_file(HOST "/bound");
	ck_assert(mkdir(HOST "/later", 0755) == 0);
	ck_assert(mount(HOST "/file", HOST "/bound", NULL, MS_BIND, NULL) == 0);
	start_other();
}

/* /run is a file system of this test. Mounts elsewhere are the machine's: they disappear in every
 * namespace when somebody removes the directory below them, which other tests do. */
static bool is_foreign(const char *line)
{
	return !strstr(line, " /run/");
}

static void table_of(pid_t pid, struct buf *out)
{
	AUTO(str) char *path = str_fmt("/proc/%d/mountinfo", (int)pid);
	AUTO(buf) struct buf all = BUF_INIT(1 << 20);
	AUTO(strv) char **lines = NULL;
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 20, &all, &err) == 0, "%s", err.msg);
	lines = strv_split(buf_cstr(&all), "\n");
	strv_each(line, lines) {
		if (!is_foreign(*line))
			buf_fmt(out, "%s\n", *line);
	}
}

struct tables {
	struct buf own, other;
};

static void take_tables(struct tables *t)
{
	*t = (struct tables){ BUF_INIT(1 << 20), BUF_INIT(1 << 20) };
	table_of(getpid(), &t->own);
	table_of(other, &t->other);
}

/* Fails with the first line that only one table has; a whole table is too long for a message. */
static void table_is(const struct buf *now, const struct buf *before)
{
	AUTO(strv)
	char **a = strv_split(buf_cstr(now), "\n"), **b = strv_split(buf_cstr(before), "\n");

	strv_each(line, a)
		ck_assert_msg(strv_has(b, *line), "new: %s", *line);
	strv_each(line, b)
		ck_assert_msg(strv_has(a, *line), "gone: %s", *line);
}

static void tables_are(struct tables *before)
{
	struct tables now;

	take_tables(&now);
	table_is(&now.own, &before->own);
	table_is(&now.other, &before->other);
	buf_release(&now.own);
	buf_release(&now.other);
}

static void release_tables(struct tables *t)
{
	buf_release(&t->own);
	buf_release(&t->other);
}

/* --- the container --- */

enum access { ABSENT, READONLY, WRITABLE };

/* Mounts of the specification, and the expected access to the file systems in the share: to the
 * one at the top and the two below it. */
static const struct row {
	const char *source, *options, *destination;
	enum access top, sub, deep;
	bool guest_ro; /* the guest's specification has the option "ro" */
	bool follows;  /* later mounts of the host appear in the share */
} rows[] = {
	{ HOST, "\"bind\"", "/a", WRITABLE, ABSENT, ABSENT, false, false },
	{ HOST, "\"bind\",\"ro\"", "/b", READONLY, ABSENT, ABSENT, true, false },
	{ HOST, "\"rbind\"", "/c", WRITABLE, WRITABLE, WRITABLE, false, false },
	{ HOST, "\"rbind\",\"ro\"", "/d", READONLY, WRITABLE, WRITABLE, false, false },
	{ HOST, "\"rbind\",\"rro\"", "/e", READONLY, READONLY, READONLY, false, false },
	{ HOST, "\"rbind\",\"ro\",\"rw\"", "/f", WRITABLE, WRITABLE, WRITABLE, true, false },
	{ HOST, "\"rbind\",\"rslave\"", "/g", WRITABLE, WRITABLE, WRITABLE, false, true },
	{ HOST, "\"rbind\",\"rprivate\",\"slave\"", "/h", WRITABLE, WRITABLE, WRITABLE, false,
	  true },
	{ HOST, "\"rbind\",\"rslave\",\"rprivate\"", "/m", WRITABLE, WRITABLE, WRITABLE, false,
	  false },
	{ HOST, "\"rbind\",\"rslave\",\"rro\"", "/n", READONLY, READONLY, READONLY, false, true },
	{ HOST "/sub/deep", "\"rbind\",\"ro\"", "/i", READONLY, ABSENT, ABSENT, true, false },
	{ HOST "/sub", "\"rbind\"", "/j/" X255, WRITABLE, ABSENT, ABSENT, false, false },
	{ HOST "/file", "\"bind\"", "/k", ABSENT, ABSENT, ABSENT, false, false },
	{ HOST "/bound", "\"rbind\",\"ro\"", "/l", ABSENT, ABSENT, ABSENT, true, false },
};

static const char *annotations = ""; /* of the specification, with a comma after it */

static void write_spec(const struct row *list_of, size_t n)
{
	AUTO(strv) char **mounts = NULL;
	AUTO(str) char *list = NULL, *text = NULL;

	for (size_t i = 0; i < n; i++)
		strv_pushf(&mounts,
			   "{\"type\":\"bind\",\"source\":\"%s\",\"destination\":\"%s\","
			   "\"options\":[%s]}",
			   list_of[i].source, list_of[i].destination, list_of[i].options);
	list = strv_join(mounts, ",");
	text = str_fmt("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/\","
		       "\"user\":{\"uid\":0,\"gid\":0}},\"root\":{\"path\":\"rootfs\"},%s"
		       "\"mounts\":[%s],\"linux\":{\"namespaces\":[{\"type\":\"mount\"},"
		       "{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"network\"}]}}",
		       annotations, list);
	shim_write(BUNDLE "/config.json", text);
}

/* Adds a mount of the root file system, as a snapshotter without overlays has it. target: where in
 * what is mounted already; "": on all of it. */
static void add_layer(struct buf *out, const char *source, const char *target)
{
	AUTO(buf) struct buf m = BUF_INIT(1024);

	wire_text(&m, 1, "bind");
	wire_text(&m, 2, source);
	wire_text(&m, 3, target);
	wire_text(&m, 4, "rbind");
	wire_text(&m, 4, "rw");
	wire_bytes(out, 3, m.data, m.len);
}

static void create_request(struct buf *out)
{
	wire_text(out, 1, "c");
	wire_text(out, 2, BUNDLE);
	add_layer(out, HOST "/root", "");
	wire_text(out, 6, "file://" OUTPUT);
}

static struct answer create(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(4096);

	create_request(&payload);
	return shim_ask("Create", &payload, 0);
}

/* The nth mount of the specification that the agent got. */
static struct wire_value guest_mount(const struct buf *log, unsigned n)
{
	struct wire_value v = shim_recorded(log, "grpc.AgentService", "CreateContainer");

	ck_assert(wire_find(v.data, v.len, 6, 0, &v)); /* OCI */
	ck_assert(wire_find(v.data, v.len, 5, n, &v)); /* Mounts */
	return v;
}

static bool guest_has_ro(struct wire_value m)
{
	struct wire_value option;

	for (unsigned i = 0; wire_find(m.data, m.len, 4, i, &option); i++) {
		if (option.len == 2 && memcmp(option.data, "ro", 2) == 0)
			return true;
	}
	return false;
}

/* A path in the share, as its server sees it; the caller frees it. */
static char *shared(const char *path)
{
	AUTO(str) char *full = path_join(SHARE, path);

	return shim_path_of_vm(full);
}

/* The path in the share of the source of that mount; the caller frees it. */
static char *host_path(struct wire_value m)
{
	AUTO(str) char *guest = wire_get_text(m.data, m.len, WIRE_PATH(2));

	ck_assert_msg(str_starts(guest, GUEST), "%s", guest);
	ck_assert_uint_lt(strlen(path_basename(guest)), 64);
	return shared(guest + strlen(GUEST));
}

static void look(const char *root, const char *folder, enum access expect, const char *what)
{
	AUTO(str) char *dir = path_join(root, folder), *inside = path_join(dir, "inside");
	AUTO(fd) int fd = open(inside, O_WRONLY | O_CLOEXEC);
	enum access got = fd >= 0 ? WRITABLE : errno == EROFS ? READONLY : ABSENT;

	ck_assert_msg(got == expect, "%s: %s/inside: %d, not %d", what, folder, got, expect);
}

static void check_share(bool mounted_later)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	AUTO(str) char *rootfs = shared("c/rootfs");
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		const struct row *r = &rows[i];
		struct wire_value m = guest_mount(&log, i);
		AUTO(str) char *path = host_path(m), *later = path_join(path, "later");

		ck_assert_msg(path_exists(path), "%s", path);
		look(path, ".", r->top, r->options);
		look(path, "sub", r->sub, r->options);
		look(path, "sub/deep", r->deep, r->options);
		look(later, ".", r->follows && mounted_later ? WRITABLE : ABSENT, r->options);
		ck_assert_msg(guest_has_ro(m) == r->guest_ro, "%s", r->options);
	}
	look(rootfs, ".", WRITABLE, "rootfs");
	look(rootfs, "below", WRITABLE, "rootfs");
}

/* A mount that the host makes while the container runs appears in the share only where the options
 * say so, and the host can unmount it. */
static void mount_later(void)
{
	make_disk(HOST "/later");
	check_share(true);
	ck_assert_msg(umount2(HOST "/later", 0) == 0, "%s", strerror(errno));
	check_share(false);
}

/* --- the tests --- */

static void begin(const char *script, struct tables *before)
{
	shim_host = shared_host;
	shim_start(script, SHARE_9P);
	write_spec(rows, ARRAY_LEN(rows));
	take_tables(before);
}

static void end(struct tables *before, bool killed)
{
	tables_are(before);
	release_tables(before);
	ck_assert(close(end_other) == 0);
	ck_assert(waitpid(other, NULL, 0) == other);
	if (!killed)
		shim_finish();
}

START_TEST(a_deleted_container_changes_no_mount)
{
	struct tables before;

	begin("good", &before);
	shim_must(create(), "Create");
	mount_later();
	shim_must(shim_ask_id("Start", 0), "Start");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	end(&before, false);
}
END_TEST

static const char *const targets[] = { "there", "/there", "link", "../../there" };

/* A link of the image leads to a directory of the image, not of the host. */
START_TEST(a_layer_is_mounted_at_its_target)
{
	AUTO(buf) struct buf payload = BUF_INIT(4096);
	AUTO(str) char *rootfs = NULL;
	struct tables before;

	begin("good", &before);
	ck_assert(mkdir(HOST "/root/there", 0755) == 0);
	ck_assert(symlink("/there", HOST "/root/link") == 0);
	create_request(&payload);
	add_layer(&payload, HOST "/sub", targets[_i]);
	shim_must(shim_ask("Create", &payload, 0), "Create");
	rootfs = shared("c/rootfs");
	look(rootfs, ".", WRITABLE, "rootfs");
	look(rootfs, "below", WRITABLE, "rootfs");
	look(rootfs, "there", WRITABLE, "layer");
	look(rootfs, "there/deep", WRITABLE, "layer");
	shim_must(shim_ask_id("Delete", 0), "Delete");
	end(&before, false);
}
END_TEST

START_TEST(a_layer_without_its_target_is_refused)
{
	AUTO(buf) struct buf payload = BUF_INIT(4096);
	struct tables before;

	begin("good", &before);
	create_request(&payload);
	add_layer(&payload, HOST "/sub", "missing");
	shim_must_fail(shim_ask("Create", &payload, 0), "rootfs/missing");
	end(&before, false);
}
END_TEST

START_TEST(a_failed_create_changes_no_mount)
{
	struct tables before;

	begin("no-check", &before);
	shim_must_fail(create(), "did not answer");
	end(&before, false);
}
END_TEST

/* Mounts of the container would have to appear on the host. */
START_TEST(a_mount_that_spreads_to_the_host_is_refused)
{
	static const struct row spread[] = { { HOST, "\"rbind\",\"rshared\"", "/vol", ABSENT,
					       ABSENT, ABSENT, false, false },
					     { HOST, "\"rbind\",\"rslave\",\"shared\"", "/vol",
					       ABSENT, ABSENT, ABSENT, false, false } };
	struct tables before;

	begin("good", &before);
	write_spec(&spread[_i], 1);
	shim_must_fail(create(), "mount /vol: ");
	shim_must_fail(create(), "HostToContainer");
	end(&before, false);
}
END_TEST

/* The number of mount points of volumes in the share. */
static unsigned volumes(void)
{
	struct dirent **found = NULL;
	unsigned count = 0;
	int n = scandir(SHARE, &found, NULL, NULL);

	ck_assert_int_ge(n, 0);
	for (int i = 0; i < n; i++) {
		count += str_starts(found[i]->d_name, "mount-");
		free(found[i]);
	}
	free(found);
	return count;
}

/* Kubernetes creates a container of a pod again and again: each time with other volumes, maybe. */
START_TEST(a_volume_that_cannot_be_shared_leaves_nothing_in_the_pod)
{
	static const struct row bad = {
		HOST "/unbindable", "\"bind\"", "/vol", ABSENT, ABSENT, ABSENT, false, false
	};
	AUTO(buf) struct buf payload = BUF_INIT(1024);
	struct tables before;

	begin("good", &before);
	annotations = "\"annotations\":{\"io.kubernetes.cri.container-type\":\"sandbox\","
		      "\"io.kubernetes.cri.sandbox-id\":\"c\"},";
	write_spec(rows, 1);
	shim_must(create(), "Create");
	ck_assert_uint_eq(volumes(), 1);
	annotations = "\"annotations\":{\"io.kubernetes.cri.container-type\":\"container\","
		      "\"io.kubernetes.cri.sandbox-id\":\"c\"},";
	write_spec(&bad, 1);
	wire_text(&payload, 1, "d");
	wire_text(&payload, 2, BUNDLE);
	for (int i = 0; i < 3; i++)
		shim_must_fail(shim_ask("Create", &payload, 0), "share " HOST "/unbindable");
	ck_assert_uint_eq(volumes(), 1);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	end(&before, false);
}
END_TEST

/* Waits for a path that a shim or VM makes. */
static void await_path(const char *path)
{
	struct deadline d = deadline_in(ANSWER_MS);

	while (!path_exists(path)) {
		ck_assert_msg(!deadline_passed(d), "%s does not appear", path);
		(void)poll(NULL, 0, 5);
	}
}

START_TEST(a_killed_shim_leaves_the_mounts_of_the_host)
{
	AUTO(buf) struct buf payload = BUF_INIT(4096);
	struct tables before;

	begin(_i ? "no-check" : "good", &before);
	create_request(&payload);
	shim_ask_on(shim_manager, TASK, "Create", &payload, 0);
	if (_i == 0)
		shim_must(shim_answer_on(shim_manager, "Create"), "Create");
	else
		await_path(VM_PID);
	ck_assert(kill(shim_pid, SIGKILL) == 0);
	ck_assert(waitpid(shim_pid, NULL, 0) == shim_pid);
	shim_delete_verb();
	shim_nothing_is_left();
	end(&before, true);
	shim_no_process_is_left(true);
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_test(t, a_deleted_container_changes_no_mount);
	tcase_add_loop_test(t, a_layer_is_mounted_at_its_target, 0, ARRAY_LEN(targets));
	tcase_add_test(t, a_layer_without_its_target_is_refused);
	tcase_add_test(t, a_failed_create_changes_no_mount);
	tcase_add_test(t, a_volume_that_cannot_be_shared_leaves_nothing_in_the_pod);
	tcase_add_loop_test(t, a_mount_that_spreads_to_the_host_is_refused, 0, 2);
	tcase_add_loop_test(t, a_killed_shim_leaves_the_mounts_of_the_host, 0, 2);
}

int main(void)
{
	return shim_main("shim, mounts", add_tests);
}
