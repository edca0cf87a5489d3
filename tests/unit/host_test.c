// SPDX-License-Identifier: Apache-2.0
/* runtime/host: the control groups of a sandbox, users of VMMs, and pinning. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "container/cgroup.h"
#include "host/cgroup.h"
#include "host/user.h"
#include "host/vcpu.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNIFIED "/sys/fs/cgroup/unified"

/* A name of this process alone, for groups of the test. */
static char key[64];

/* "BEFORE/host-test-PID/AFTER"; the caller frees it. */
static char *of_test(const char *before, const char *after)
{
	return str_fmt("%s/%s%s", before, key, after);
}

/* --- names --- */

static const struct {
	const char *given, *path; /* path NULL: refused */
} names[] = {
	{ "", "/kata/kata_KEY" },
	{ "/default/c1", "/default/kata_c1" },
	{ "kubepods/pod1/c1", "/kubepods/pod1/kata_c1" },
	{ "/c1", "/kata_c1" },
	{ "/a/./b//c1/", "/a/b/kata_c1" },
	{ "/a/../../../c1", "/kata_c1" },
	{ "/a/b:c:d", "/a/kata_b:c:d" },
	{ "kubepods-burstable-pod1.slice:cri-containerd:c1",
	  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/kata_c1" },
	{ "user.slice:nerdctl:c1", "/user.slice/kata_c1" },
	{ "-.slice:x:c1", "/kata_c1" },
	{ ":cri-containerd:c1", "/system.slice/kata_c1" },
	{ "system.slice::c1", "/system.slice/kata_c1" },
	{ "/", NULL },
	{ "/..", NULL },
	{ "pod1:cri:c1", NULL },
	{ ".slice:cri:c1", NULL },
	{ "a--b.slice:cri:c1", NULL },
	{ "-a.slice:cri:c1", NULL },
	{ "a-.slice:cri:c1", NULL },
	{ "../../etc.slice:cri:c1", NULL },
	{ "a.slice:cri:", NULL },
	{ "a.slice:cri:../../c1", NULL },
};

START_TEST(the_group_is_beside_the_sandbox_containers)
{
	struct err err = ERR_INIT;
	bool scope;
	AUTO(str) char *path = host_cgroup_path(names[_i].given, "KEY", &scope, &err);

	if (names[_i].path) {
		ck_assert_msg(path != NULL, "%s: %s", names[_i].given, err.msg);
		ck_assert_str_eq(path, names[_i].path);
		ck_assert_int_eq(scope, *names[_i].given != '/' && strchr(names[_i].given, ':'));
	} else {
		ck_assert_msg(!path, "%s: %s", names[_i].given, path);
		ck_assert_int_eq(err.code, E_INVALID);
	}
}
END_TEST

/* --- entering and leaving --- */

/* Runs the test in a child process, since the process is moved. The child exits with 0 if it
 * passed. */
static void in_child(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (!pid) {
		fn();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(status == 0, "the child: status %x", status);
}

#define MUST(condition)                                                                            \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			(void)fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, err.msg); \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static bool is_in(const char *folder, const char *file, pid_t id)
{
	AUTO(str) char *path = path_join(folder, file);
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	AUTO(str) char *wanted = str_fmt("%d", (int)id);
	struct err missing = ERR_INIT;
	AUTO(strv) char **lines = NULL;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, &missing) < 0)
		return false;
	lines = strv_split(buf_cstr(&text), "\n");
	return strv_has(lines, wanted);
}

static char *table(void)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	ck_assert(file_read(AT_FDCWD, "/proc/self/cgroup", 1 << 20, &text, &err) == 0);
	return buf_steal(&text);
}

static struct child start_sleep(void)
{
	struct spawn s = { .argv = ARGV("sleep", "1000") };
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;

	MUST(spawn_start(&s, &child, &err) == 0);
	return child;
}

static bool unified_is_there(void)
{
	return path_exists(UNIFIED "/cgroup.procs");
}

/* Puts this process into a group of that name, from which the test begins. */
static void begin_in(const char *folder)
{
	AUTO(str) char *procs = path_join(folder, "cgroup.procs");
	struct err err = ERR_INIT;

	MUST(mkdir(folder, 0755) == 0);
	MUST(file_write(AT_FDCWD, procs, "0", &err) == 0);
}

static void unified_only(void)
{
	AUTO(str) char *begun = of_test(UNIFIED, "-begun");
	AUTO(str) char *path = of_test("", "/c1"), *group = of_test(UNIFIED, "/kata_c1");
	AUTO(str) char *parent = of_test(UNIFIED, ""), *name = of_test("", "/kata_c1");
	const struct host_cgroup_where where = {
		.path = path, .key = key, .only = true, .unified = UNIFIED
	};
	struct host_cgroup *h;
	struct err err = ERR_INIT;
	struct child child;

	begin_in(begun);
	AUTO(str) char *before = table();
	MUST(host_cgroup_new(&where, &h, &err) == 0 && h);
	MUST(str_eq(host_cgroup_paths(h)[0], name) && !host_cgroup_paths(h)[1]);
	MUST(!path_exists(group));
	MUST(host_cgroup_enter(h, &err) == 0);
	MUST(is_in(group, "cgroup.procs", getpid()));
	child = start_sleep();
	MUST(is_in(group, "cgroup.procs", child.pid));
	MUST(host_cgroup_add_vmm(h, child.pid, &err) == 0);
	/* The shim leaves before the other processes. */
	MUST(host_cgroup_move_back(h, &err) == 0 && host_cgroup_move_back(h, &err) == 0);
	MUST(!is_in(group, "cgroup.procs", getpid()) && is_in(group, "cgroup.procs", child.pid));
	spawn_kill(&child);
	MUST(host_cgroup_leave(h, &err) == 0 && host_cgroup_leave(h, &err) == 0);
	MUST(!path_exists(group));
	AUTO(str) char *after = table();
	MUST(str_eq(before, after));
	MUST(is_in(begun, "cgroup.procs", getpid()));
	host_cgroup_free(h);
	MUST(file_write(AT_FDCWD, UNIFIED "/cgroup.procs", "0", &err) == 0 && rmdir(begun) == 0);
	MUST(rmdir(parent) == 0);
}

static void unified_both(void)
{
	AUTO(str) char *path = of_test("", "/c2"), *group = of_test(UNIFIED, "/kata_c2");
	AUTO(str) char *parent = of_test(UNIFIED, "");
	AUTO(str) char *overhead = of_test(UNIFIED "/kata_overhead", "");
	const struct host_cgroup_where where = { .path = path, .key = key, .unified = UNIFIED };
	struct host_cgroup *h;
	struct err err = ERR_INIT;
	struct child vmm;
	pid_t threads[1];

	MUST(host_cgroup_new(&where, &h, &err) == 0 && h);
	MUST(host_cgroup_enter(h, &err) == 0);
	MUST(is_in(overhead, "cgroup.procs", getpid()));
	vmm = start_sleep();
	threads[0] = vmm.pid;
	MUST(is_in(overhead, "cgroup.procs", vmm.pid));
	MUST(host_cgroup_add_vmm(h, vmm.pid, &err) == 0);
	MUST(is_in(group, "cgroup.procs", vmm.pid));
	MUST(host_cgroup_add_vcpus(h, threads, 1, &err) == 0);
	MUST(is_in(overhead, "cgroup.procs", getpid()));
	spawn_kill(&vmm);
	MUST(host_cgroup_leave(h, &err) == 0);
	MUST(!path_exists(group) && !path_exists(overhead));
	host_cgroup_free(h);
	MUST(rmdir(parent) == 0);
}

START_TEST(version_2_has_everything_in_the_sandboxs_group)
{
	if (unified_is_there())
		in_child(unified_only);
}
END_TEST

START_TEST(version_2_has_the_vmm_in_the_sandboxs_group)
{
	if (unified_is_there())
		in_child(unified_both);
}
END_TEST

/* --- version 2 with controllers, played by plain files, since this machine may not have it --- */

static char made[SCRATCH_DIR];

static void make_group(const char *path, const char *controllers)
{
	static const char *const files[] = { "cgroup.procs", "cgroup.subtree_control", "cpu.weight",
					     "cpuset.cpus", "cpuset.mems" };
	AUTO(str) char *dir = path_join(made, path);
	AUTO(str) char *list = path_join(dir, "cgroup.controllers");
	struct err err = ERR_INIT;

	MUST(path_make(dir, 0755, &err) == 0);
	MUST(file_replace_volatile(AT_FDCWD, list, controllers, strlen(controllers), 0644, &err) ==
	     0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(str) char *file = path_join(dir, files[i]);

		MUST(file_replace_volatile(AT_FDCWD, file, "", 0, 0644, &err) == 0);
	}
}

/* Checks the text of a file of the tree. */
static bool has(const char *path, const char *wanted)
{
	AUTO(str) char *file = path_join(made, path);
	AUTO(buf) struct buf text = BUF_INIT(4096);
	struct err err = ERR_INIT;

	MUST(file_read(AT_FDCWD, file, 4096, &text, &err) == 0);
	return str_eq(buf_cstr(&text), wanted);
}

static void made_tree(void)
{
	const struct host_cgroup_where where = { .path = "/pods/pod1/c1",
						 .key = "KEY",
						 .unified = made };
	AUTO(str) char *us = str_fmt("%d", (int)getpid()), *weight = NULL;
	uint64_t shares = 1024 * (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
	struct host_cgroup *h;
	struct err err = ERR_INIT;

	make_group("", "cpuset cpu memory pids\n");
	make_group("pods", "cpuset cpu memory\n");
	make_group("pods/pod1", "cpuset cpu\n");
	make_group("pods/pod1/kata_c1", "cpuset cpu\n");
	make_group("kata_overhead", "cpu\n");
	make_group("kata_overhead/KEY", "\n");
	MUST(host_cgroup_new(&where, &h, &err) == 0 && h);
	MUST(host_cgroup_enter(h, &err) == 0);
	/* Each group delegates its controllers, the sandbox's own none. */
	MUST(has("cgroup.subtree_control", "+cpuset +cpu +memory +pids"));
	MUST(has("pods/cgroup.subtree_control", "+cpuset +cpu +memory"));
	MUST(has("pods/pod1/cgroup.subtree_control", "+cpuset +cpu"));
	MUST(has("pods/pod1/kata_c1/cgroup.subtree_control", ""));
	MUST(has("kata_overhead/cgroup.subtree_control", "+cpu"));
	/* The shim is in the overhead group, with the weight of all pods; the VMM in the pod's
	 * group. */
	MUST(has("kata_overhead/KEY/cgroup.procs", us));
	weight = str_fmt("%llu", (unsigned long long)(1 + (shares - 2) * 9999 / 262142));
	MUST(has("kata_overhead/cpu.weight", weight));
	MUST(host_cgroup_add_vmm(h, 77, &err) == 0);
	MUST(has("pods/pod1/kata_c1/cgroup.procs", "77"));
	MUST(host_cgroup_add_vcpus(h, (pid_t[]){ 78 }, 1, &err) == 0);
	MUST(has("pods/pod1/kata_c1/cgroup.procs", "77"));
	/* An empty list means that of the parent. */
	MUST(host_cgroup_set_cpus(h, "0-1", "0", &err) == 0);
	MUST(has("pods/pod1/kata_c1/cpuset.cpus", "0-1") &&
	     has("pods/pod1/kata_c1/cpuset.mems", "0"));
	MUST(host_cgroup_set_cpus(h, "", "", &err) == 0);
	MUST(has("pods/pod1/kata_c1/cpuset.cpus", "\n-1"));
	host_cgroup_free(h);
}

START_TEST(version_2_hands_its_controllers_on)
{
	scratch_make(made, "host");
	in_child(made_tree);
	scratch_remove(made);
}
END_TEST

static void crowded_tree(void)
{
	const struct host_cgroup_where where = {
		.path = "/pods/c1", .key = "KEY", .only = true, .unified = made
	};
	struct host_cgroup *h;
	struct err err = ERR_INIT;

	make_group("", "cpu\n");
	make_group("pods", "cpu\n");
	make_group("pods/kata_c1", "cpu\n");
	AUTO(str) char *procs = path_join(made, "pods/kata_c1/cgroup.procs");
	MUST(file_write(AT_FDCWD, procs, "4711\n", &err) == 0);
	MUST(host_cgroup_new(&where, &h, &err) == 0 && h);
	MUST(host_cgroup_enter(h, &err) < 0 && err.code == E_STATE);
	MUST(strstr(err.msg, "4711") && has("cgroup.subtree_control", ""));
	host_cgroup_free(h);
}

START_TEST(version_2_leaves_a_group_of_somebody_else_alone)
{
	scratch_make(made, "host");
	in_child(crowded_tree);
	scratch_remove(made);
}
END_TEST

/* --- version 1 --- */

static const char *folder_of(const struct cgroup *g, const char *controller)
{
	const char *folder = cgroup_folder(g, controller);

	return folder ? folder : "/nowhere";
}

static void *stay(void *arg)
{
	__atomic_store_n((pid_t *)arg, (pid_t)syscall(SYS_gettid), __ATOMIC_SEQ_CST);
	for (;;)
		(void)pause();
	return NULL;
}

static void v1_both(void)
{
	AUTO(str) char *path = of_test("", "/c3"), *name = of_test("", "/kata_c3");
	AUTO(str) char *rest = of_test("/kata_overhead", "");
	const struct host_cgroup_where where = { .path = path, .key = key };
	struct err err = ERR_INIT;
	AUTO(cgroup) struct cgroup *sandbox = cgroup_new(name, true, &err);
	AUTO(cgroup) struct cgroup *overhead = cgroup_new(rest, true, &err);
	AUTO(str) char *before = table();
	struct host_cgroup *h;
	pthread_t thread;
	pid_t vcpu = 0;

	MUST(host_cgroup_new(&where, &h, &err) == 0 && h);
	MUST(host_cgroup_enter(h, &err) == 0);
	MUST(pthread_create(&thread, NULL, stay, &vcpu) == 0);
	while (!__atomic_load_n(&vcpu, __ATOMIC_SEQ_CST))
		(void)usleep(1000);
	MUST(host_cgroup_add_vmm(h, getpid(), &err) == 0);
	MUST(host_cgroup_add_vcpus(h, &vcpu, 1, &err) == 0);
	for (size_t i = 0; i < sandbox->n; i++) {
		MUST(is_in(sandbox->v[i].folder, "tasks", vcpu));
		MUST(!is_in(sandbox->v[i].folder, "tasks", getpid()));
		MUST(is_in(overhead->v[i].folder, "tasks", getpid()));
	}
	if (folder_of(overhead, "cpu")) {
		AUTO(str) char *weight = path_join(folder_of(overhead, "cpu"), "../cpu.shares");
		AUTO(str) char *shares = file_read_line(AT_FDCWD, weight, &err);
		AUTO(str) char *wanted = str_fmt("%ld", 1024 * sysconf(_SC_NPROCESSORS_ONLN));

		MUST(shares && str_eq(shares, wanted));
	}
	/* A missing group is an error that names it; nothing else changes. */
	MUST(host_cgroup_set_cpus(h, "0", "0", &err) == 0);
	MUST(host_cgroup_set_cpus(h, "4000", "", &err) < 0);
	MUST(strstr(err.msg, "cpuset.cpus") && strstr(err.msg, sandbox->path));
	err_clear(&err);
	AUTO(str) char *set = path_join(folder_of(sandbox, "cpuset"), "cpuset.cpus");
	AUTO(str) char *now = file_read_line(AT_FDCWD, set, &err);
	MUST(str_eq(now, "0"));
	/* The processors would do, the memory nodes do not: neither changes. */
	MUST(host_cgroup_set_cpus(h, "", "4000", &err) < 0);
	MUST(strstr(err.msg, "cpuset.mems") != NULL);
	err_clear(&err);
	AUTO(str) char *still = file_read_line(AT_FDCWD, set, &err);
	MUST(str_eq(still, "0"));
	MUST(host_cgroup_set_cpus(h, "", "", &err) == 0);
	AUTO(str) char *later = file_read_line(AT_FDCWD, set, &err);
	AUTO(str)
	char *all_path = path_join(folder_of(sandbox, "cpuset"), "../cpuset.cpus");
	AUTO(str) char *all = file_read_line(AT_FDCWD, all_path, &err);
	MUST(str_eq(later, all));
	MUST(host_cgroup_leave(h, &err) == 0);
	AUTO(str) char *after = table();
	MUST(str_eq(before, after));
	MUST(!path_exists(folder_of(sandbox, "memory")) &&
	     !path_exists(folder_of(overhead, "memory")));
	host_cgroup_free(h);
}

/* A foreign process is in the group. */
static void v1_taken(void)
{
	AUTO(str) char *path = of_test("", "/c4"), *name = of_test("", "/kata_c4");
	const struct host_cgroup_where where = { .path = path, .key = key };
	struct err err = ERR_INIT;
	AUTO(cgroup) struct cgroup *taken = cgroup_new(name, true, &err);
	struct child other = start_sleep();
	struct host_cgroup *h;

	MUST(taken->ops->make(taken, &err) == 0 && cgroup_add(taken, other.pid, &err) == 0);
	MUST(host_cgroup_new(&where, &h, &err) == 0 && h);
	MUST(host_cgroup_enter(h, &err) < 0 && err.code == E_STATE);
	err_clear(&err);
	MUST(host_cgroup_leave(h, &err) == 0);
	MUST(is_in(folder_of(taken, "memory"), "cgroup.procs", other.pid));
	spawn_kill(&other);
	MUST(host_cgroup_remove(name, deadline_in(60000), &err) == 0);
	MUST(host_cgroup_remove(name, deadline_in(60000), &err) == 0);
	host_cgroup_free(h);
}

static void v1_parent_gone(void)
{
	struct err err = ERR_INIT;
	AUTO(str) char *name = of_test("", "");
	AUTO(cgroup) struct cgroup *parent = cgroup_new(name, true, &err);

	if (parent)
		(void)!cgroup_remove(parent, deadline_in(5000), &err);
}

static bool v1_is_there(void)
{
	return path_exists("/sys/fs/cgroup/memory/cgroup.procs") &&
	       path_exists("/sys/fs/cgroup/cpuset/cgroup.procs");
}

START_TEST(version_1_has_only_vcpus_in_the_sandboxs_group)
{
	if (v1_is_there())
		in_child(v1_both);
}
END_TEST

START_TEST(a_group_of_somebody_else_is_left_alone)
{
	if (v1_is_there())
		in_child(v1_taken);
}
END_TEST

static void teardown(void)
{
	v1_parent_gone();
}

/* --- users --- */

START_TEST(a_user_is_taken_once)
{
	struct err err = ERR_INIT;
	uid_t uid = host_user_pick();

	ck_assert_msg(host_user_take(uid, key, &err) == 1, "%s", err.msg);
	ck_assert_int_eq(host_user_take(uid, "another", &err), 0);
	ck_assert_int_eq(host_user_give_back(uid, "another", &err), 0);
	ck_assert_int_eq(host_user_take(uid, "another", &err), 0);
	ck_assert_int_eq(host_user_give_back(uid, key, &err), 0);
	ck_assert_int_eq(host_user_give_back(uid, key, &err), 0);
	ck_assert_int_eq(host_user_take(uid, key, &err), 1);
	ck_assert_int_eq(host_user_give_back(uid, key, &err), 0);
	for (int i = 0; i < 1000; i++) {
		uid = host_user_pick();
		ck_assert(uid > 2000200000 && uid < 2147352576);
	}
}
END_TEST

static const struct {
	mode_t mode;
	gid_t owner, group; /* of the device; the one to be in, -1: none */
	bool may;
} devices[] = {
	{ 0600, 0, -1, false },   { 0660, 0, -1, false },  { 0660, 104, 104, true },
	{ 0640, 104, -1, false }, { 0666, 104, -1, true }, { 0604, 104, -1, false },
};

START_TEST(a_device_is_used_by_others_or_a_group)
{
	AUTO(str) char *path = str_fmt("/tmp/%s-device", key);
	gid_t group;

	(void)unlink(path);
	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
		return; /* not root */
	ck_assert(chmod(path, devices[_i].mode) == 0 && chown(path, 0, devices[_i].owner) == 0);
	ck_assert_int_eq(host_user_may_use(path, &group), devices[_i].may);
	ck_assert_int_eq(group, devices[_i].group);
	ck_assert(unlink(path) == 0);
	ck_assert(!host_user_may_use(path, &group) && !host_user_may_use("/etc/passwd", &group));
}
END_TEST

/* --- pinning --- */

static const struct {
	const char *list;
	int count, has; /* count -1: refused */
} lists[] = {
	{ "", 0, -1 },       { "0", 1, 0 },        { "0-3", 4, 3 }, { "0-1,5,7-8\n", 5, 8 },
	{ "1,1,0-1", 2, 0 }, { "4-3", -1, 0 },     { "x", -1, 0 },  { "0-", -1, 0 },
	{ "1024", -1, 0 },   { "0-99999", -1, 0 }, { "-1", -1, 0 },
};

START_TEST(lists_of_processors_are_read)
{
	struct err err = ERR_INIT;
	cpu_set_t set;
	int result = cpu_list_parse(lists[_i].list, &set, &err);

	ck_assert_msg(result == (lists[_i].count < 0 ? -1 : 0), "%s", lists[_i].list);
	if (result < 0) {
		ck_assert_int_eq(err.code, E_INVALID);
		return;
	}
	ck_assert_int_eq(CPU_COUNT(&set), lists[_i].count);
	ck_assert(lists[_i].has < 0 || CPU_ISSET(lists[_i].has, &set));
}
END_TEST

static size_t first_of(const cpu_set_t *set)
{
	size_t i = 0;

	while (!CPU_ISSET(i, set))
		i++;
	return i;
}

START_TEST(as_many_threads_as_processors_are_pinned)
{
	struct child threads[2] = { start_sleep(), start_sleep() };
	const pid_t ids[] = { threads[0].pid, threads[1].pid };
	struct err err = ERR_INIT;
	cpu_set_t all, none, one, got;
	int n;

	CPU_ZERO(&none);
	ck_assert(sched_getaffinity(0, sizeof(all), &all) == 0);
	n = CPU_COUNT(&all);
	ck_assert_int_eq(vcpu_pin(ids, 2, &all, &err), n == 2);
	for (size_t i = 0; n == 2 && i < 2; i++) {
		ck_assert(sched_getaffinity(ids[i], sizeof(got), &got) == 0);
		ck_assert_int_eq(CPU_COUNT(&got), 1);
	}
	/* With another number of threads, each may use the whole set again. */
	ck_assert_int_eq(vcpu_pin(ids, n == 1 ? 2 : 1, &all, &err), 0);
	ck_assert(sched_getaffinity(ids[0], sizeof(got), &got) == 0);
	ck_assert(CPU_EQUAL(&got, &all));
	/* Without a set too, even if we ourselves have another. */
	CPU_ZERO(&one);
	CPU_SET(first_of(&all), &one);
	ck_assert(sched_setaffinity(0, sizeof(one), &one) == 0);
	ck_assert_int_eq(vcpu_pin(ids, 2, &none, &err), 0);
	ck_assert(sched_getaffinity(ids[1], sizeof(got), &got) == 0);
	ck_assert(CPU_EQUAL(&got, &all));
	spawn_kill(&threads[0]);
	spawn_kill(&threads[1]);
	ck_assert_int_eq(vcpu_pin(ids, 2, &all, &err), -1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("host");
	TCase *tc = tcase_create("host");

	(void)str_print(key, sizeof(key), "host-test-%d", (int)getpid());
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_loop_test(tc, the_group_is_beside_the_sandbox_containers, 0,
			    (int)ARRAY_LEN(names));
	tcase_add_test(tc, version_2_has_everything_in_the_sandboxs_group);
	tcase_add_test(tc, version_2_has_the_vmm_in_the_sandboxs_group);
	tcase_add_test(tc, version_2_hands_its_controllers_on);
	tcase_add_test(tc, version_2_leaves_a_group_of_somebody_else_alone);
	tcase_add_test(tc, version_1_has_only_vcpus_in_the_sandboxs_group);
	tcase_add_test(tc, a_group_of_somebody_else_is_left_alone);
	tcase_add_test(tc, a_user_is_taken_once);
	tcase_add_loop_test(tc, a_device_is_used_by_others_or_a_group, 0, (int)ARRAY_LEN(devices));
	tcase_add_loop_test(tc, lists_of_processors_are_read, 0, (int)ARRAY_LEN(lists));
	tcase_add_test(tc, as_many_threads_as_processors_are_pinned);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
