// SPDX-License-Identifier: Apache-2.0
/* The record of a sandbox: what it lists is undone, also if an older version wrote it. */

#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/thread.h"
#include "container/cgroup.h"
#include "device/volume.h"
#include "network/netns.h"
#include "network/network.h"
#include "network/wire.h"
#include "sandbox/record.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#define KEY "record-test@none"

static char dir[SCRATCH_DIR];
static struct child victim;

static void setup(void)
{
	struct spawn s = { .argv = ARGV("sleep", "1000") };
	struct err err = ERR_INIT;

	scratch_make(dir, "record");
	ck_assert_int_eq(spawn_start(&s, &victim, &err), 0);
}

static void teardown(void)
{
	spawn_kill(&victim);
	scratch_remove(dir);
}

static bool has_ended(void)
{
	struct pollfd end = { .fd = victim.pidfd, .events = POLLIN };

	return poll(&end, 1, 0) == 1;
}

static char *read_record(void)
{
	AUTO(str) char *path = path_join(dir, "persist.json");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 20, &text, &err) == 0, "%s", err.msg);
	return buf_steal(&text);
}

static void write_record(const char *text)
{
	AUTO(str) char *path = path_join(dir, "persist.json");
	struct err err = ERR_INIT;

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0,
		      "%s", err.msg);
}

/* The record of the victim as JSON; the caller frees it. */
static struct json *recorded(void)
{
	struct record *r = record_new(dir, "none", "record-test");
	struct err err = ERR_INIT;
	struct json *j;

	record_process(r, "virtiofsd", -1);
	record_process(r, "vmm", 1);
	record_process(r, "vmm", victim.pid);
	record_agent_version(r, "1.2.3");
	ck_assert_msg(record_write(r, &err) == 0, "%s", err.msg);
	record_free(r);
	AUTO(str) char *text = read_record();
	j = json_parse(text, strlen(text), "record", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	return j;
}

START_TEST(what_is_recorded_is_undone)
{
	AUTO(json) struct json *j = recorded();
	const struct json *things = json_get(j, "things");

	ck_assert_int_eq(json_int(json_get(j, "version")), 2);
	ck_assert_str_eq(json_get_text(j, "id"), "record-test");
	ck_assert_str_eq(json_get_text(j, "namespace"), "none");
	ck_assert_str_eq(json_get_text(j, "agent_version"), "1.2.3");
	ck_assert_uint_eq(json_count(things), 1);
	ck_assert_str_eq(json_get_text(json_at(things, 0), "kind"), "process");
	ck_assert_str_eq(json_get_text(json_at(things, 0), "name"), "vmm");
	record_undo(dir, KEY);
	ck_assert(has_ended());
}
END_TEST

/* Records as those versions wrote them, with other pids: a node may be upgraded while its pods run. */
static const char *const samples[] = { "0.1.0.json", "version-2.json", "newer.json" };

static char *replace(char *text, const char *word, long long number)
{
	char *at = strstr(text, word);
	char *out = at ? str_fmt("%.*s%lld%s", (int)(at - text), text, number, at + strlen(word))
		       : xstrdup(text);

	free(text);
	return out;
}

static long long start_of(const char *name, pid_t pid)
{
	struct record *r = record_new(dir, "none", "record-test");
	struct err err = ERR_INIT;

	record_process(r, name, pid);
	ck_assert_msg(record_write(r, &err) == 0, "%s", err.msg);
	record_free(r);
	AUTO(str) char *text = read_record();
	AUTO(json) struct json *j = json_parse(text, strlen(text), "record", &err);
	return json_int(json_get(json_at(json_get(j, "things"), 0), "start"));
}

START_TEST(records_of_all_versions_are_undone)
{
	AUTO(str) char *path = path_join(RECORDS, samples[_i]);
	AUTO(buf) struct buf sample = BUF_INIT(1 << 16);
	struct spawn s = { .argv = ARGV("sleep", "1000") };
	struct err err = ERR_INIT;
	struct child other;
	char *text;

	ck_assert_int_eq(spawn_start(&s, &other, &err), 0);
	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 16, &sample, &err) == 0, "%s", err.msg);
	text = buf_steal(&sample);
	text = replace(text, "@PID@", victim.pid);
	text = replace(text, "@START@", start_of("vmm", victim.pid));
	text = replace(text, "@OTHER-PID@", other.pid);
	text = replace(text, "@OTHER-START@", start_of("virtiofsd", other.pid));
	write_record(text);
	free(text);
	record_undo(dir, KEY);
	ck_assert(has_ended());
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = other.pidfd, .events = POLLIN }, 1, 0), 1);
	spawn_kill(&other);
}
END_TEST

START_TEST(interfaces_are_recorded_and_forgotten)
{
	const struct network n = { .path = (char *)"/run/netns/none-such",
				   .identity = { 4, UINT64_C(4026532281) } };
	const struct endpoint ends[] = {
		{ .link.name = "eth0", .wire = &wire_tcfilter, .tap = "tap0_kata" },
		{ .link.name = "eth1", .wire = &wire_macvtap, .tap = "tap1_kata" },
	};
	struct record *r = record_new(dir, "none", "record-test");
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = NULL;
	AUTO(str) char *text = NULL;

	record_interface(r, &n, &ends[0]);
	record_interface(r, &n, &ends[1]);
	record_forget_interface(r, "tap0_kata");
	ck_assert_msg(record_write(r, &err) == 0, "%s", err.msg);
	record_free(r);
	text = read_record();
	j = json_parse(text, strlen(text), "record", &err);
	ck_assert_uint_eq(json_count(json_get(j, "things")), 1);
	const struct json *thing = json_at(json_get(j, "things"), 0);
	ck_assert_str_eq(json_get_text(thing, "kind"), "interface");
	ck_assert_str_eq(json_get_text(thing, "name"), "eth1");
	ck_assert_str_eq(json_get_text(thing, "tap"), "tap1_kata");
	ck_assert_str_eq(json_get_text(thing, "model"), "macvtap");
	ck_assert_int_eq(json_int(json_get(thing, "inode")), 4026532281);
	record_undo(dir, KEY); /* the namespace does not exist */
}
END_TEST

/* Also a control group in which processes of the sandbox are. */
START_TEST(control_groups_are_recorded_and_removed)
{
	AUTO(str) char *path = str_fmt("/record-test-%d", (int)getpid());
	struct record *r = record_new(dir, "none", "record-test");
	struct err err = ERR_INIT;
	AUTO(cgroup) struct cgroup *group = cgroup_new(path, true, &err);

	record_cgroup(r, "/kata_overhead/forgotten");
	record_forget_cgroups(r);
	record_cgroup(r, path);
	record_cgroup(r, path);
	record_process(r, "vmm", victim.pid);
	ck_assert_msg(record_write(r, &err) == 0, "%s", err.msg);
	record_free(r);
	AUTO(str) char *text = read_record();
	AUTO(json) struct json *j = json_parse(text, strlen(text), "record", &err);
	ck_assert_uint_eq(json_count(json_get(j, "things")), 2);
	const struct json *thing = json_at(json_get(j, "things"), 0);
	ck_assert_str_eq(json_get_text(thing, "kind"), "cgroup");
	ck_assert_str_eq(json_get_text(thing, "name"), path);
	if (!group->n)
		return; /* no control groups here */
	ck_assert_msg(group->ops->make(group, &err) == 0, "%s", err.msg);
	ck_assert_msg(cgroup_add(group, victim.pid, &err) == 0, "%s", err.msg);
	record_undo(dir, KEY);
	ck_assert(has_ended());
	for (size_t i = 0; i < group->n; i++)
		ck_assert(!path_exists(group->v[i].folder));
}
END_TEST

/* As QEMU with much memory, or with storage that does not answer: in a frozen group of version 1
 * nothing ends. containerd gives 5 seconds for all. */
START_TEST(processes_that_do_not_end_are_not_awaited_for_long)
{
	AUTO(str) char *path = str_fmt("/record-frozen-%d", (int)getpid());
	struct spawn s = { .argv = ARGV("sleep", "1000") };
	struct record *r = record_new(dir, "none", "record-test");
	struct err err = ERR_INIT;
	AUTO(cgroup) struct cgroup *group = cgroup_new(path, true, &err);
	struct deadline late = deadline_in(60000);
	struct child other;
	uint64_t began, took;

	ck_assert_int_eq(spawn_start(&s, &other, &err), 0);
	record_cgroup(r, path);
	record_process(r, "vmm", victim.pid);
	record_process(r, "virtiofsd", other.pid);
	ck_assert_msg(record_write(r, &err) == 0, "%s", err.msg);
	record_free(r);
	if (group->n) {
		ck_assert_msg(group->ops->make(group, &err) == 0, "%s", err.msg);
		ck_assert(cgroup_add(group, victim.pid, &err) == 0 &&
			  cgroup_add(group, other.pid, &err) == 0 &&
			  group->ops->freeze(group, true, late, &err) == 0);
	}
	began = clock_ms();
	record_undo(dir, KEY);
	took = clock_ms() - began;
	if (group->n && path_exists(group->v[0].folder)) {
		ck_assert_msg(group->ops->freeze(group, false, late, &err) == 0, "%s", err.msg);
		spawn_kill(&victim);
		spawn_kill(&other);
		ck_assert_msg(cgroup_remove(group, late, &err) == 0, "%s", err.msg);
	}
	spawn_kill(&other);
	ck_assert_uint_lt(took, 9000);
}
END_TEST

/* Two sandboxes in different namespaces may have the same id. */
START_TEST(a_volume_is_marked_for_its_own_sandbox)
{
	static const char volume[] = "/record-test", info[] = "{\"volume-type\": \"block\", "
							      "\"device\": \"/dev/x\", "
							      "\"fstype\": \"ext4\"}";
	AUTO(str) char *key = record_key("one", "pod"), *other = record_key("two", "pod");
	struct record *r = record_new(dir, "one", "pod");
	AUTO(strv) char **users = NULL;
	struct err err = ERR_INIT;

	ck_assert(unshare(CLONE_NEWNS) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ck_assert(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0);
	ck_assert_msg(volume_add(volume, info, &err) == 0, "%s", err.msg);
	ck_assert_msg(volume_mark(volume, key, "/run/one", &err) == 0, "%s", err.msg);
	ck_assert_msg(volume_mark(volume, other, "/run/two", &err) == 0, "%s", err.msg);
	record_volume(r, volume);
	ck_assert_msg(record_write(r, &err) == 0, "%s", err.msg);
	if (_i)
		record_undo(dir, key); /* the process has died */
	else
		record_undo_volumes(r);
	record_free(r);
	ck_assert_msg(volume_users(volume, &users, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(users), 1);
	ck_assert_str_eq(users[0], "/run/two");
}
END_TEST

/* None of these may kill a process that is not the sandbox's. */
static const char *const harmless[][2] = {
	{ "{\"version\": 2, \"things\": [{\"kind\": \"process\", \"pid\": ", ", \"start\": 1}]}" },
	{ "{\"version\": 2, \"things\": [{\"kind\": \"process\", \"pid\": ", "}]}" },
	{ "{\"version\": 2, \"things\": [{\"kind\": \"lake\", \"pid\": ", "}, 7, null]}" },
	{ "{\"version\": 2, \"things\": {\"kind\": \"process\", \"pid\": ", "}}" },
	{ "{\"version\": 1, \"vmm\": {\"pid\": ", ", \"start\": 1}, \"virtiofsd\": 7}" },
	{ "{\"version\": 1, \"vmm\": ", "" },
	{ "", "" },
};

START_TEST(a_wrong_record_harms_no_process)
{
	AUTO(str)
	char *text = str_fmt("%s%d%s", harmless[_i][0], (int)victim.pid, harmless[_i][1]);

	write_record(text);
	record_undo(dir, KEY);
	ck_assert(!has_ended());
}
END_TEST

START_TEST(no_record_is_nothing_to_undo)
{
	record_undo(dir, KEY);
	ck_assert(!has_ended());
}
END_TEST

#define SHARES "/run/kata-containers/shared/sandboxes/"

/* Processes that are not recorded yet are found by their arguments. A sandbox whose name ends
 * like this one's is another, and others may name this one: an administrator's grep. */
static const struct {
	const char *arguments[4];
	bool ours;
} unrecorded[] = {
	{ { "-name", "sandbox-" KEY ",debug-threads=on", "-machine" }, true },
	{ { "--fd=3", "--shared-dir=" SHARES KEY "/shared" }, true },
	{ { "--fd=3", "-o", "source=" SHARES KEY "/shared" }, true },
	{ { "-f", SHARES KEY "/shared/log" }, false },
	{ { "sandbox-" KEY ",debug-threads=on", "/var/log/syslog" }, false },
	{ { "-e", "sandbox-" KEY "," }, false },
	{ { "--shared-dir=" SHARES KEY "/shared" }, false },
	{ { "-name" }, false },
	{ { "-o", "source=" SHARES KEY "/shared" }, false },
	{ { "-name", "sandbox-my-sandbox-" KEY ",debug-threads=on" }, false },
	{ { "--fd=3", "--shared-dir=" SHARES "my-" KEY "/shared" }, false },
};

/* This program, which waits if it has arguments. */
START_TEST(only_its_own_processes_are_killed)
{
	const char *const *a = unrecorded[_i].arguments;
	struct spawn s = { .argv = ARGV("program", a[0], a[1], a[2], a[3]),
			   .program = "/proc/self/exe" };
	struct err err = ERR_INIT;
	struct child other;

	if (UNDER_VALGRIND) /* /proc/self/exe is valgrind's program */
		return;
	ck_assert_int_eq(spawn_start(&s, &other, &err), 0);
	record_undo(dir, KEY);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = other.pidfd, .events = POLLIN }, 1, 0),
			 unrecorded[_i].ours);
	spawn_kill(&other);
}
END_TEST

struct other_ns {
	const char *over; /* where it has another file system; NULL: nowhere */
	int ns;
};

static int make_other_ns(void *arg, struct err *err)
{
	struct other_ns *o = arg;

	if (unshare(CLONE_NEWNS) < 0)
		return err_sys(err, "make a mount namespace");
	if (o->over && mount("tmpfs", o->over, "tmpfs", 0, NULL) < 0)
		return err_sys(err, "mount on %s", o->over);
	o->ns = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
	return o->ns < 0 ? err_sys(err, "open the mount namespace") : 0;
}

static const struct {
	const char *over;
	bool ours;
} other_mounts[] = { { NULL, true }, { "/mnt", true }, { "/run", false } };

/* What serves the share runs in another mount namespace. There the directory of the sandbox is the
 * same; in a container that runs containers it is another one of that name. */
START_TEST(an_unrecorded_process_with_other_mounts_is_found)
{
	struct other_ns other = { .over = other_mounts[_i].over, .ns = -1 };
	struct err err = ERR_INIT;
	struct child child;

	if (UNDER_VALGRIND) /* /proc/self/exe is valgrind's program */
		return;
	ck_assert(unshare(CLONE_NEWNS) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ck_assert(mount("tmpfs", "/run", "tmpfs", 0, NULL) == 0);
	ck_assert_int_eq(path_make(SANDBOX_STATE_DIR "/" KEY, 0755, &err), 0);
	ck_assert_msg(thread_call(make_other_ns, &other, &err) == 0, "%s", err.msg);
	const int into[] = { other.ns, -1 };
	struct spawn s = { .argv = ARGV("program", "--fd=3", "--shared-dir=" SHARES KEY "/shared"),
			   .program = "/proc/self/exe",
			   .ns = into };
	ck_assert_msg(spawn_start(&s, &child, &err) == 0, "%s", err.msg);
	record_undo(dir, KEY);
	ck_assert_int_eq(poll(&(struct pollfd){ .fd = child.pidfd, .events = POLLIN }, 1, 0),
			 other_mounts[_i].ours);
	spawn_kill(&child);
	fd_close(&other.ns);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("record");
	TCase *tc = tcase_create("record");

	(void)argv;
	if (argc > 1)
		return pause();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_recorded_is_undone);
	tcase_add_loop_test(tc, records_of_all_versions_are_undone, 0,
			    (int)(sizeof(samples) / sizeof(*samples)));
	tcase_add_loop_test(tc, a_wrong_record_harms_no_process, 0,
			    (int)(sizeof(harmless) / sizeof(*harmless)));
	tcase_add_test(tc, interfaces_are_recorded_and_forgotten);
	tcase_add_test(tc, control_groups_are_recorded_and_removed);
	tcase_add_test(tc, processes_that_do_not_end_are_not_awaited_for_long);
	tcase_add_test(tc, no_record_is_nothing_to_undo);
	if (geteuid() == 0) {
		tcase_add_loop_test(tc, a_volume_is_marked_for_its_own_sandbox, 0, 2);
		tcase_add_loop_test(tc, an_unrecorded_process_with_other_mounts_is_found, 0,
				    (int)(sizeof(other_mounts) / sizeof(*other_mounts)));
	}
	tcase_add_loop_test(tc, only_its_own_processes_are_killed, 0,
			    (int)(sizeof(unrecorded) / sizeof(*unrecorded)));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
