// SPDX-License-Identifier: Apache-2.0
/* Parts of the agent that need no agent: settings, PCI paths, device events, processors, copied
 * volumes. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "agent/device/block.h"
#include "agent/device/device.h"
#include "agent/device/pci.h"
#include "agent/device/uevent.h"
#include "agent/hotplug.h"
#include "agent/settings.h"
#include "agent/storage/driver.h"
#include "agent/storage/group.h"
#include "agent/storage/storage.h"
#include "agent/storage/watcher.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];

static void setup(void)
{
	scratch_make(dir, "agent");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static void put(const char *name, const char *text)
{
	scratch_write_text(dir, name, text);
}

/* --- settings --- */

START_TEST(the_command_line_is_read)
{
	AUTO(settings) struct settings s = { 0 };
	struct err err = ERR_INIT;

	ck_assert_msg(settings_parse("quiet root=/dev/vda agent.log=debug\tagent.hotplug_timeout=7 "
				     "agent.log_vport=-3 agent.debug_console "
				     "agent.debug_console_vport=1026 agent.devmode=false "
				     "agent.unified_cgroup_hierarchy=false agent.unknown=1 "
				     "agent.server_addr=serial://agent agent.log_addr=serial://log "
				     "agent.container_pipe_size=8192 agent.trace\n",
				     &s, &err) == 0,
		      "%s", err.msg);
	ck_assert_int_eq(s.level, LOG_DEBUG);
	ck_assert_uint_eq(s.hotplug_ms, 7000);
	ck_assert_uint_eq(s.log_port, 0); /* not positive: ignored */
	ck_assert(s.debug_console && s.trace && !s.devmode && !s.unified_cgroup && !s.restricted);
	ck_assert_uint_eq(s.console_port, 1026);
	ck_assert_str_eq(s.server_addr, "serial://agent");
	ck_assert_str_eq(s.log_addr, "serial://log");
	ck_assert_uint_eq(s.pipe_size, 8192);
}
END_TEST

START_TEST(an_empty_command_line_means_the_defaults)
{
	AUTO(settings) struct settings s = { 0 };
	struct err err = ERR_INIT;

	ck_assert(settings_parse("", &s, &err) == 0);
	ck_assert_str_eq(s.server_addr, "vsock://-1:1024");
	ck_assert_uint_eq(s.hotplug_ms, 3000);
	ck_assert(s.unified_cgroup && !s.debug_console && s.level == LOG_INFO);
}
END_TEST

START_TEST(errors_name_the_parameter_with_a_bad_value)
{
	static const char *const bad[] = { "agent.log=loud",
					   "agent.log",
					   "agent.log=",
					   "agent.server_addr=tcp://x",
					   "agent.log_addr=/dev/x",
					   "agent.hotplug_timeout=soon",
					   "agent.hotplug_timeout=99999",
					   "agent.debug_console=maybe",
					   "agent.log_vport=1x",
					   "agent.container_pipe_size=-1",
					   "agent.unified_cgroup_hierarchy=2" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(settings) struct settings s = { 0 };
		AUTO(strv) char **word = strv_split(bad[i], "=");
		struct err err = ERR_INIT;

		ck_assert_msg(settings_parse(bad[i], &s, &err) < 0, "%s", bad[i]);
		ck_assert_msg(strstr(err.msg, word[0]), "%s: %s", bad[i], err.msg);
	}
}
END_TEST

START_TEST(the_environment_overrides_and_a_file_replaces_all)
{
	char *env[] = { (char *)"KATA_AGENT_LOG_LEVEL=error",
			(char *)"KATA_AGENT_SERVER_ADDR=unix:///x", NULL };
	AUTO(settings) struct settings s = { 0 };
	AUTO(settings) struct settings t = { 0 };
	AUTO(settings) struct settings u = { 0 };
	AUTO(str) char *file = path_join(dir, "agent.toml");
	AUTO(str) char *word = str_fmt("agent.log=trace agent.config_file=%s", file);
	struct err err = ERR_INIT;

	ck_assert(settings_load("agent.log=trace agent.debug_console", env, NULL, &s, &err) == 0);
	ck_assert(s.level == LOG_ERROR && s.debug_console);
	ck_assert_str_eq(s.server_addr, "unix:///x");
	put("agent.toml", "log_level = \"warn\"\nhotplug_timeout = 9\ntracing = true\n"
			  "[endpoints]\nallowed = [\"CreateContainerRequest\"]\n");
	ck_assert_msg(settings_load(word, env, NULL, &t, &err) == 0, "%s", err.msg);
	ck_assert(t.level == LOG_WARN && t.hotplug_ms == 9000 && t.trace && t.restricted);
	ck_assert_str_eq(t.server_addr, "vsock://-1:1024");
	ck_assert(strv_len(t.allowed) == 1 && strv_has(t.allowed, "CreateContainerRequest"));
	put("agent.toml", "log_levle = \"warn\"\n");
	ck_assert_int_eq(settings_load("", env, file, &u, &err), -1);
	ck_assert_int_eq(err.code, E_CONFIG);
}
END_TEST

/* --- PCI --- */

START_TEST(pci_paths_are_parsed)
{
	static const char *const bad[] = { "",
					   "/",
					   "20",
					   "02/20",
					   "02.8",
					   "x",
					   "02/",
					   "-1",
					   "2.0.0",
					   " 2",
					   "01/01/01/01/01/01/01/01/01" };
	struct pci_path p;
	struct err err = ERR_INIT;

	ck_assert(pci_path_parse("02/1f.7", &p, &err) == 0);
	ck_assert_uint_eq(p.n, 2);
	ck_assert(p.at[0].slot == 2 && p.at[0].function == 0);
	ck_assert(p.at[1].slot == 31 && p.at[1].function == 7);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err_clear(&err);
		/* A slash at the end is not worth refusing. */
		if (!str_eq(bad[i], "02/"))
			ck_assert_msg(pci_path_parse(bad[i], &p, &err) < 0, "'%s'", bad[i]);
	}
}
END_TEST

START_TEST(pci_paths_lead_through_bridges)
{
	struct pci_path p;
	struct err err = ERR_INIT;
	AUTO(str) char *direct = NULL;
	AUTO(str) char *behind = NULL;

	put("devices/pci0000:00/0000:00:02.0/pci_bus/0000:01/x", "");
	put("devices/pci0000:00/0000:00:02.0/0000:01:03.0/virtio4/block/vdb/size", "8\n");
	ck_assert(pci_path_parse("02", &p, &err) == 0);
	direct = pci_resolve(dir, &p);
	ck_assert(str_ends(direct, "/devices/pci0000:00/0000:00:02.0"));
	ck_assert(pci_path_parse("02/03", &p, &err) == 0);
	behind = pci_resolve(dir, &p);
	ck_assert(str_ends(behind, "/0000:00:02.0/0000:01:03.0"));
	ck_assert(pci_path_parse("02/04", &p, &err) == 0);
	ck_assert_ptr_null(pci_resolve(dir, &p));
	ck_assert(pci_path_parse("03/03", &p, &err) == 0);
	ck_assert_ptr_null(pci_resolve(dir, &p));
}
END_TEST

/* --- uevents --- */

START_TEST(uevents_are_parsed)
{
	char data[] = "add@/devices/x/block/vda\0ACTION=add\0DEVPATH=/devices/x/block/vda\0"
		      "SUBSYSTEM=block\0DEVNAME=vda\0SEQNUM=7";
	char udev[] = "libudev\0\xfe\xed\xca\xfe";
	char cut[] = "add@/x\0ACTION=add";
	struct uevent e;

	ck_assert(uevent_parse(data, sizeof(data) - 1, &e));
	ck_assert_str_eq(e.action, "add");
	ck_assert_str_eq(e.devpath, "/devices/x/block/vda");
	ck_assert_str_eq(e.subsystem, "block");
	ck_assert_str_eq(e.devname, "vda");
	ck_assert_str_eq(e.interface, "");
	ck_assert(!uevent_parse(udev, sizeof(udev) - 1, &e));
	ck_assert(!uevent_parse(cut, sizeof(cut) - 1, &e));
	ck_assert(!uevent_parse(cut, 0, &e));
}
END_TEST

static int count_probe(void *arg, struct err *err)
{
	int *n = arg;

	(void)err;
	return ++*n >= 3;
}

static int never_probe(void *arg, struct err *err)
{
	(void)arg;
	(void)err;
	return 0;
}

START_TEST(a_wait_for_a_device_ends_with_it_or_with_the_deadline)
{
	struct err err = ERR_INIT;
	int n = 0;

	ck_assert_msg(uevent_wait(count_probe, &n, deadline_in(5000), "it", &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(n, 3);
	ck_assert_int_eq(uevent_wait(never_probe, NULL, deadline_in(150), "it", &err), -1);
	ck_assert_int_eq(err.code, E_TIMEOUT);
}
END_TEST

/* The kernel makes a disk's node a moment before the disk can be opened; the agent waits. */
START_TEST(a_device_node_that_cannot_be_opened_is_no_device)
{
	struct err err = ERR_INIT;
	char *node;

	/* A number of the experimental range, which no driver has. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", "/dev", "tmpfs", 0, NULL) < 0 ||
	    mknod("/dev/early", S_IFBLK | 0600, makedev(251, 1048575)) < 0) {
		printf("skipped: no mounts and nodes of our own here\n");
		return;
	}
	if (open("/dev/early", O_RDONLY | O_CLOEXEC) >= 0 || errno != ENXIO) {
		printf("skipped: nodes may not be opened here\n");
		return;
	}
	node = device_block("mmioblk", "/dev/early", deadline_in(150), &err);
	ck_assert_ptr_null(node);
	ck_assert_int_eq(err.code, E_TIMEOUT);
}
END_TEST

/* --- processors --- */

#define CPUS "/sys/devices/system/cpu"

static void plug_cpu(const char *name)
{
	AUTO(str) char *folder = str_fmt(CPUS "/%s", name);
	AUTO(str) char *file = str_fmt("%s/online", folder);
	struct err err = ERR_INIT;

	ck_assert(mkdir(folder, 0755) == 0);
	ck_assert_msg(file_replace_volatile(AT_FDCWD, file, "0\n", 2, 0644, &err) == 0, "%s",
		      err.msg);
}

static void cpus_come_online(unsigned want, unsigned all, int expect)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(hotplug_cpus(want, all, deadline_in(150), &err), expect);
	ck_assert_int_eq(err.code, expect < 0 ? E_TIMEOUT : E_OK);
}

static bool own_cpus(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", CPUS, "tmpfs", 0, NULL) < 0 || mkdir(CPUS "/cpu0", 0755) < 0 ||
	    mkdir(CPUS "/cpufreq", 0755) < 0) {
		printf("skipped: no mounts of our own here\n");
		return false;
	}
	return true;
}

/* The runtime does not know how many came online in a request that failed, or whose answer was lost,
 * and asks for all of them again. */
START_TEST(a_request_for_processors_can_be_repeated)
{
	if (!own_cpus())
		return;
	plug_cpu("cpu1");
	cpus_come_online(2, 3, -1);
	plug_cpu("cpu2");
	cpus_come_online(2, 3, 0);
	cpus_come_online(2, 3, 0);
	cpus_come_online(3, 4, -1);
	plug_cpu("cpu3");
	cpus_come_online(3, 4, 0);
}
END_TEST

START_TEST(another_runtime_does_not_say_how_many_processors_there_are)
{
	if (!own_cpus())
		return;
	plug_cpu("cpu1");
	cpus_come_online(1, 0, 0);
	cpus_come_online(1, 0, -1);
	plug_cpu("cpu2");
	plug_cpu("cpu3");
	cpus_come_online(1, 0, 0);
	cpus_come_online(1, 0, 0);
}
END_TEST

/* --- watched volumes --- */

static void expect(const char *name, const char *text)
{
	AUTO(str) char *path = path_join(dir, name);
	AUTO(buf) struct buf has = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 20, &has, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&has), text);
}

static void sync_volume(void)
{
	AUTO(str) char *from = path_join(dir, "from");
	AUTO(str) char *to = path_join(dir, "to");
	struct err err = ERR_INIT;

	ck_assert_msg(watcher_sync(from, to, &err) == 0, "%s", err.msg);
}

static void link_in(const char *name, const char *target)
{
	AUTO(str) char *path = path_join(dir, name);

	(void)unlink(path);
	ck_assert(symlink(target, path) == 0);
}

START_TEST(a_volume_follows_its_source)
{
	AUTO(str) char *old = path_join(dir, "from/..1");
	AUTO(str) char *copy_of_old = path_join(dir, "to/..1");
	struct err err = ERR_INIT;

	put("from/..1/key", "one");
	link_in("from/..data", "..1");
	link_in("from/key", "..data/key");
	sync_volume();
	expect("to/key", "one");
	put("from/..2/key", "two");
	put("from/..2/more", "x");
	link_in("from/..data", "..2");
	ck_assert(path_remove_tree(old, &err) == 0);
	sync_volume();
	expect("to/key", "two");
	expect("to/..2/more", "x");
	ck_assert(!path_exists(copy_of_old));
	put("from/..2/key", "three, in place");
	sync_volume();
	expect("to/key", "three, in place");
}
END_TEST

struct swapper {
	char *folder, *link;
	bool stop;
};

/* Thread: plays a hostile container, which swaps its folder with a link to another directory. */
static void *swap(void *arg)
{
	struct swapper *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED))
		ck_assert(renameat2(AT_FDCWD, s->folder, AT_FDCWD, s->link, RENAME_EXCHANGE) == 0);
	return NULL;
}

START_TEST(removals_in_a_volume_stay_inside_its_copy)
{
	AUTO(str) char *from = path_join(dir, "from");
	AUTO(str) char *to = path_join(dir, "to");
	AUTO(str) char *folder = path_join(dir, "to/folder");
	AUTO(str) char *aside = path_join(dir, "aside");
	AUTO(str) char *outside = path_join(dir, "outside");
	struct swapper s = { folder, aside, false };
	char target[64];
	pthread_t thread;

	put("from/folder/key", "x");
	sync_volume();
	for (int i = 0; i < 8; i++) {
		AUTO(str) char *name = str_fmt("outside/%d", i);

		put(name, "keep");
	}
	link_in("aside", outside);
	/* Without /proc no code can use the path of an fd. */
	if (unshare(CLONE_NEWNS) == 0) {
		ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		ck_assert(umount2("/proc", MNT_DETACH) == 0);
	}
	ck_assert(pthread_create(&thread, NULL, swap, &s) == 0);
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 8; i++) {
			AUTO(str) char *name = str_fmt("%s/%d", folder, i);

			(void)!symlink("x",
				       name); /* it exists already, or the folder is a link now */
		}
		struct err ignored = ERR_INIT; /* a sync may fail because of the swaps */
		(void)!watcher_sync(from, to, &ignored);
	}
	__atomic_store_n(&s.stop, true, __ATOMIC_RELAXED);
	ck_assert(pthread_join(thread, NULL) == 0);
	for (int i = 0; i < 8; i++) {
		AUTO(str) char *name = str_fmt("outside/%d", i);

		expect(name, "keep");
	}
	if (readlink(folder, target, sizeof(target)) >= 0)
		ck_assert(renameat2(AT_FDCWD, folder, AT_FDCWD, aside, RENAME_EXCHANGE) == 0);
	link_in("to/folder/gone", "x");
	sync_volume();
	AUTO(str) char *gone = path_join(folder, "gone");
	ck_assert_int_eq(readlink(gone, target, sizeof(target)), -1);
	/* The leak detector reads it at the end. */
	if (!path_exists("/proc/self"))
		ck_assert(mount("proc", "/proc", "proc", 0, NULL) == 0);
}
END_TEST

START_TEST(volumes_with_too_much_are_not_copied)
{
	AUTO(str) char *from = path_join(dir, "from");
	AUTO(str) char *to = path_join(dir, "to");
	AUTO(str) char *big = path_join(dir, "from/big");
	struct err err = ERR_INIT;

	for (int i = 0; i < 257; i++) {
		AUTO(str) char *name = str_fmt("from/%d", i);

		put(name, "x");
	}
	ck_assert_int_eq(watcher_sync(from, to, &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
	err_clear(&err);
	ck_assert(path_remove_tree(from, &err) == 0);
	put("from/big", "");
	ck_assert(truncate(big, (1 << 20) + 1) == 0);
	ck_assert_int_eq(watcher_sync(from, to, &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

/* --- storages --- */

START_TEST(huge_pages_are_counted)
{
	static const struct {
		const char *option;
		bool good;
	} cases[] = {
		{ "pagesize=2097152,size=4194304", true },
		{ "pagesize=2097152", false },
		{ "size=1", false },
		{ "pagesize=3000000,size=1", false },
		{ "pagesize=0,size=1", false },
		{ "pagesize=2M,size=4M", false },
		{ "pagesize=99999999999999999999,size=1", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		Grpc__Storage s = GRPC__STORAGE__INIT;
		char *options[] = { (char *)cases[i].option };
		struct err err = ERR_INIT;
		uint64_t size = 0, page = 0;

		s.options = options;
		s.n_options = 1;
		ck_assert_int_eq(storage_huge_pages(&s, &size, &page, &err),
				 cases[i].good ? 0 : -1);
		if (cases[i].good)
			ck_assert(size == 4194304 && page == 2097152);
	}
}
END_TEST

/* The new number of one disk is the old number of another. */
START_TEST(rules_and_limits_get_the_numbers_of_the_guest)
{
	static const char text[] = "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
				   "{\"allow\":true,\"type\":\"b\",\"major\":7,\"minor\":0},"
				   "{\"allow\":true,\"type\":\"b\",\"major\":254,\"minor\":0},"
				   "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":3},"
				   "{\"allow\":true,\"type\":\"b\",\"major\":7}],"
				   "\"blockIO\":{\"throttleReadBpsDevice\":["
				   "{\"major\":7,\"minor\":0,\"rate\":1},"
				   "{\"major\":254,\"minor\":0,\"rate\":2},"
				   "{\"major\":1,\"minor\":3,\"rate\":3}]},"
				   "\"unified\":{\"io.max\":\"7:0 wbps=1\\n1:1 wbps=2\"}}";
	static const char expect[] = "{\"devices\":[{\"allow\":false,\"access\":\"rwm\"},"
				     "{\"allow\":true,\"type\":\"b\",\"major\":254,\"minor\":0},"
				     "{\"allow\":true,\"type\":\"b\",\"major\":254,\"minor\":16},"
				     "{\"allow\":true,\"type\":\"c\",\"major\":1,\"minor\":5},"
				     "{\"allow\":true,\"type\":\"b\",\"major\":7}],"
				     "\"blockIO\":{\"throttleReadBpsDevice\":["
				     "{\"major\":254,\"minor\":0,\"rate\":1},"
				     "{\"major\":254,\"minor\":16,\"rate\":2},"
				     "{\"major\":1,\"minor\":3,\"rate\":3}]},"
				     "\"unified\":{\"io.max\":\"254:0 wbps=1\\n1:1 wbps=2\"}}";
	struct device_numbers numbers = { VEC_INIT };
	AUTO(oci_resources) struct oci_resources *r = NULL;
	struct err err = ERR_INIT;
	AUTO(str) char *got = NULL;

	vec_push(&numbers.list, ((struct device_number){ "b", 7, 0, 254, 0 }));
	vec_push(&numbers.list, ((struct device_number){ "b", 254, 0, 254, 16 }));
	vec_push(&numbers.list, ((struct device_number){ "c", 1, 3, 1, 5 }));
	r = oci_resources_parse(text, strlen(text), "resources", &err);
	ck_assert_msg(r != NULL, "%s", err.msg);
	device_renumber(&numbers, r);
	device_renumber(&numbers, NULL);
	got = oci_resources_format(r);
	ck_assert_str_eq(got, expect);
	vec_release(&numbers.list);
}
END_TEST

START_TEST(a_volume_is_given_to_a_group)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__FSGroup group = GRPC__FSGROUP__INIT;
	AUTO(str) char *volume = path_join(dir, "v");
	AUTO(str) char *file = path_join(dir, "v/d/f");
	AUTO(str) char *program = path_join(dir, "v/d/p");
	AUTO(str) char *sub = path_join(dir, "v/d");
	AUTO(str) char *outside = path_join(dir, "outside");
	struct err err = ERR_INIT;
	struct stat st;

	put("v/d/f", "x");
	put("v/d/p", "x");
	put("outside", "x");
	link_in("v/link", outside);
	ck_assert(chmod(file, 0600) == 0 && chmod(program, 06775) == 0);
	group.group_id = 4321;
	s.fs_group = &group;
	s.mount_point = volume;
	ck_assert_msg(storage_set_group(&s, &err) == 0, "%s", err.msg);
	ck_assert(stat(file, &st) == 0 && st.st_gid == 4321 && (st.st_mode & 07777) == 0660);
	/* A change of the group takes the bits for the owner's and the group's rights away. */
	ck_assert(stat(program, &st) == 0 && st.st_gid == 4321 && (st.st_mode & 07777) == 06775);
	ck_assert(stat(sub, &st) == 0 && st.st_gid == 4321 && (st.st_mode & S_ISGID));
	ck_assert(stat(volume, &st) == 0 && st.st_gid == 4321 && (st.st_mode & S_ISGID));
	ck_assert(stat(outside, &st) == 0 && st.st_gid != 4321); /* not through the link */
	/* If the top directory has the group already, the rest is left alone. */
	ck_assert(chmod(file, 0600) == 0);
	group.group_change_policy = TYPES__FSGROUP_CHANGE_POLICY__OnRootMismatch;
	ck_assert_msg(storage_set_group(&s, &err) == 0, "%s", err.msg);
	ck_assert(stat(file, &st) == 0 && (st.st_mode & 07777) == 0600);
}
END_TEST

/* The group of the file f below all directories that scratch_nest() made. */
static gid_t group_of_deepest(int levels)
{
	AUTO(str) char *volume = path_join(dir, "v");
	int at = open(volume, O_PATH | O_CLOEXEC);
	struct stat st;

	for (int i = 0; i < levels; i++) {
		int next = openat(at, "d", O_PATH | O_CLOEXEC);

		ck_assert(next >= 0 && fstat(next, &st) == 0 && st.st_gid == 4321);
		(void)close(at);
		at = next;
	}
	ck_assert(fstatat(at, "f", &st, AT_SYMLINK_NOFOLLOW) == 0);
	(void)close(at);
	return st.st_gid;
}

/* A container makes directories in its volume as deep as it likes; the next container that uses
 * the volume must be created nevertheless, with the descriptors that the agent has. */
START_TEST(a_deep_volume_is_given_to_a_group)
{
	enum { DEEP = 20000 };
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__FSGroup group = GRPC__FSGROUP__INIT;
	AUTO(str) char *volume = path_join(dir, "v");
	struct rlimit few = { 64, 64 };
	struct err err = ERR_INIT;
	AUTO(fd) int top = -1;

	ck_assert(mkdir(volume, 0755) == 0);
	scratch_mount(volume);
	top = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	scratch_nest(top, DEEP);
	group.group_id = 4321;
	s.fs_group = &group;
	s.mount_point = volume;
	ck_assert(setrlimit(RLIMIT_NOFILE, &few) == 0);
	ck_assert_msg(storage_set_group(&s, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(group_of_deepest(DEEP), 4321);
	scratch_unmount(volume);
}
END_TEST

START_TEST(mount_points_are_checked)
{
	static const struct {
		const char *path;
		bool good;
	} cases[] = {
		{ "/run/kata-containers/a", true },    { "/run/kata-containers/a/b/", true },
		{ "/run/kata-containers", false },     { "/run/kata-containers/", false },
		{ "/run/kata-containers/..", false },  { "/run/kata-containers/a/../../x", false },
		{ "/run/kata-containers/./a", false }, { "/run/kata-containers-not/a", false },
		{ "run/kata-containers/a", false },    { "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = ERR_INIT;

		ck_assert_msg((storage_check_path(cases[i].path, &err) == 0) == cases[i].good,
			      "'%s'", cases[i].path);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent, parts");
	TCase *tc = tcase_create("parts");

	tcase_set_timeout(tc, 60);
	log_set_fd(-1);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_command_line_is_read);
	tcase_add_test(tc, an_empty_command_line_means_the_defaults);
	tcase_add_test(tc, errors_name_the_parameter_with_a_bad_value);
	tcase_add_test(tc, the_environment_overrides_and_a_file_replaces_all);
	tcase_add_test(tc, pci_paths_are_parsed);
	tcase_add_test(tc, pci_paths_lead_through_bridges);
	tcase_add_test(tc, uevents_are_parsed);
	tcase_add_test(tc, a_wait_for_a_device_ends_with_it_or_with_the_deadline);
	tcase_add_test(tc, a_device_node_that_cannot_be_opened_is_no_device);
	tcase_add_test(tc, a_request_for_processors_can_be_repeated);
	tcase_add_test(tc, another_runtime_does_not_say_how_many_processors_there_are);
	tcase_add_test(tc, a_volume_follows_its_source);
	tcase_add_test(tc, removals_in_a_volume_stay_inside_its_copy);
	tcase_add_test(tc, volumes_with_too_much_are_not_copied);
	tcase_add_test(tc, huge_pages_are_counted);
	tcase_add_test(tc, rules_and_limits_get_the_numbers_of_the_guest);
	tcase_add_test(tc, a_volume_is_given_to_a_group);
	tcase_add_test(tc, a_deep_volume_is_given_to_a_group);
	tcase_add_test(tc, mount_points_are_checked);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
