// SPDX-License-Identifier: Apache-2.0
/* What of a container's specification is refused, left out and passed on to the guest. */

#include "tests/unit/shim_lab.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "device/loop.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OTHER "d" /* a container of the pod whose sandbox container is "c" */

/* --- AppArmor --- */

static const struct {
	const char *profile;
	bool accepted;
} profiles[] = {
	{ "cri-containerd.apparmor.d", true },
	{ "cri-containerd.apparmor.d-hardened", false },
	{ "docker-default", true },
	{ "docker-default-strict", false },
	{ "nerdctl-default", true },
	{ "nerdctl-default2", false },
	{ "crio-default", true },
	{ "crio-default-1.24.3", true },
	{ "crio-default-strict", false },
	{ "crio-default-", false },
	{ "containers-default-0.50.1", true },
	{ "containers-default", false },
	{ "containers-default-mine", false },
	{ "unconfined", true },
	{ "unconfined-but-logged", false },
	{ "mine", false },
};

/* A profile that somebody wrote restricts more than an engine's default, whatever its name begins
 * with. */
START_TEST(only_the_default_profile_of_an_engine_is_left_out)
{
	AUTO(str)
	char *member = str_fmt(",\"apparmorProfile\":\"%s\"", profiles[_i].profile);

	shim_start("good", SHARE_9P);
	shim_write_spec("", member, "");
	if (profiles[_i].accepted) {
		shim_must(shim_create(), profiles[_i].profile);
		shim_must(shim_ask_id("Delete", 0), "Delete");
	} else {
		shim_must_fail(shim_create(), profiles[_i].profile);
	}
	shim_finish();
}
END_TEST

/* --- SELinux --- */

static void create_in_pod(const char *process, const char *linux_members)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	shim_write_spec("container", process, linux_members);
	wire_text(&payload, 1, OTHER);
	wire_text(&payload, 2, BUNDLE);
	shim_must(shim_ask("Create", &payload, 0), "Create");
}

static void delete_from_pod(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, OTHER);
	shim_must(shim_ask("Delete", &payload, 0), "Delete");
}

static const struct {
	const char *pod, *container;
	size_t warnings;
} labels[] = {
	{ "u:r:pod_t:s0:c1,c2", "u:r:pod_t:s0:c1,c2", 0 },
	{ "u:r:pod_t:s0:c1,c2", "u:r:strict_t:s0:c1,c2", 1 },
	{ "", "u:r:strict_t:s0", 1 },
	{ "u:r:pod_t:s0", "", 0 },
};

START_TEST(a_label_that_no_process_gets_is_logged)
{
	AUTO(str) char *pod = str_fmt(",\"selinuxLabel\":\"%s\"", labels[_i].pod);
	AUTO(str) char *container = str_fmt(",\"selinuxLabel\":\"%s\"", labels[_i].container);

	shim_start("good", SHARE_9P);
	shim_write_spec("sandbox", pod, "");
	shim_must(shim_create(), "Create");
	ck_assert_uint_eq(shim_times_logged("SELinux label is left out"), 0);
	create_in_pod(container, "");
	ck_assert_uint_eq(shim_times_logged("SELinux label is left out"), labels[_i].warnings);
	delete_from_pod();
	shim_kill_and_finish();
}
END_TEST

/* --- block I/O --- */

static int loop = -1;
static char *loop_path;
static dev_t loop_number;

/* Attaches an image to a loop device, as the block device of a container. */
static void attach(void)
{
	AUTO(fd) int image = open(DIR "/image", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct err err = ERR_INIT;
	struct stat st;

	ck_assert(image >= 0 && ftruncate(image, 1 << 20) == 0);
	loop = loop_attach(DIR "/image", false, &loop_path, &err);
	ck_assert_msg(loop >= 0, "%s", err.msg);
	ck_assert(stat(loop_path, &st) == 0);
	loop_number = st.st_rdev;
}

static void detach(void)
{
	fd_close(&loop); /* it lets go of the file then */
	free(STEAL(loop_path, NULL));
}

/* Resources with limits of the loop device and of a disk that the container does not have. */
static char *limits(unsigned rate)
{
	unsigned major = major(loop_number), minor = minor(loop_number);

	return str_fmt("{\"blockIO\":{\"weight\":500,\"weightDevice\":[{\"major\":259,\"minor\":77,"
		       "\"weight\":300},{\"major\":%u,\"minor\":%u,\"weight\":200}],"
		       "\"throttleReadBpsDevice\":[{\"major\":259,\"minor\":77,\"rate\":1},"
		       "{\"major\":%u,\"minor\":%u,\"rate\":%u}],"
		       "\"throttleWriteIOPSDevice\":[{\"major\":259,\"minor\":77,\"rate\":1}]},"
		       "\"unified\":{\"io.max\":\"259:77 rbps=1\\n%u:%u wbps=%u\","
		       "\"io.latency\":\"259:77 target=1\",\"io.weight\":\"default 70\"}}",
		       major, minor, major, minor, rate, major, minor, rate);
}

static unsigned count(const void *data, size_t len, unsigned field)
{
	struct wire_value ignored;
	unsigned n = 0;

	while (wire_find(data, len, field, n, &ignored))
		n++;
	return n;
}

/* The value of a file of cgroup v2 in the agent's LinuxResources; "" if it is not there. The caller
 * frees it. */
static char *unified(struct wire_value r, const char *file)
{
	struct wire_value pair;

	for (unsigned i = 0; wire_find(r.data, r.len, 20001, i, &pair); i++) {
		AUTO(str) char *name = wire_get_text(pair.data, pair.len, WIRE_PATH(1));

		if (str_eq(name, file))
			return wire_get_text(pair.data, pair.len, WIRE_PATH(2));
	}
	return xstrdup("");
}

/* The agent's LinuxResources have the limits of the loop device only. */
static void check_limits(struct wire_value r, unsigned rate)
{
	AUTO(str) char *max = unified(r, "io.max"), *latency = unified(r, "io.latency");
	AUTO(str) char *weight = unified(r, "io.weight"), *expect = NULL;
	struct wire_value io, list;

	ck_assert(wire_find(r.data, r.len, 5, 0, &io));
	ck_assert_uint_eq(wire_get_number(io.data, io.len, WIRE_PATH(1)), 500);
	ck_assert_uint_eq(count(io.data, io.len, 3), 1);
	ck_assert(wire_find(io.data, io.len, 4, 0, &list));
	ck_assert_uint_eq(count(io.data, io.len, 4), 1);
	ck_assert_uint_eq(wire_get_number(list.data, list.len, WIRE_PATH(1)), major(loop_number));
	ck_assert_uint_eq(wire_get_number(list.data, list.len, WIRE_PATH(2)), minor(loop_number));
	ck_assert_uint_eq(wire_get_number(list.data, list.len, WIRE_PATH(3)), rate);
	ck_assert_uint_eq(count(io.data, io.len, 7), 0);
	expect = str_fmt("%u:%u wbps=%u", major(loop_number), minor(loop_number), rate);
	ck_assert_str_eq(max, expect);
	ck_assert_str_eq(latency, "");
	ck_assert_str_eq(weight, "default 70");
}

static void update_to(unsigned rate)
{
	AUTO(buf) struct buf payload = BUF_INIT(8192);
	AUTO(str) char *json = limits(rate);

	wire_text(&payload, 1, "c");
	shim_add_any(&payload, 2, json);
	shim_must(shim_ask("Update", &payload, 0), "Update");
}

/* Numbers of disks are the host's: in the guest they would mean another disk, or none. */
START_TEST(limits_of_disks_that_the_container_does_not_have_are_left_out)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	AUTO(str) char *resources = NULL, *members = NULL;
	struct err err = ERR_INIT;
	struct wire_value v;

	shim_start("good", SHARE_9P);
	attach();
	resources = limits(4096);
	members = str_fmt(",\"devices\":[{\"path\":\"/dev/disk\",\"type\":\"b\",\"major\":%u,"
			  "\"minor\":%u}],\"resources\":%s",
			  major(loop_number), minor(loop_number), resources);
	shim_write_spec("", "", members);
	shim_must(shim_create(), "Create");
	ck_assert_uint_eq(shim_times_logged("limits of block I/O are left out"), 1);
	update_to(8192);
	ck_assert_uint_eq(shim_times_logged("devices=259:77"), 2);
	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	v = shim_recorded(&log, "grpc.AgentService", "CreateContainer");
	ck_assert(wire_find(v.data, v.len, 6, 0, &v)); /* OCI */
	ck_assert(wire_find(v.data, v.len, 8, 0, &v)); /* Linux */
	ck_assert(wire_find(v.data, v.len, 4, 0, &v)); /* Resources */
	check_limits(v, 4096);
	v = shim_recorded(&log, "grpc.AgentService", "UpdateContainer");
	ck_assert(wire_find(v.data, v.len, 2, 0, &v));
	check_limits(v, 8192);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	detach();
	shim_finish();
}
END_TEST

#define SWAP_SPEC                                                                              \
	"{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],\"cwd\":\"/"                 \
	"\",\"user\":{\"uid\":0,"                                                              \
	"\"gid\":0}},\"root\":{\"path\":\"rootfs\"},\"annotations\":{"                         \
	"\"io.katacontainers.container.resource.swap_in_bytes\":\"%d\"},\"linux\":{"           \
	"\"namespaces\":"                                                                      \
	"[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"network\"}]," \
	"\"resources\":{\"memory\":{\"limit\":1000000,\"swap\":1000000}}}}"

static const struct {
	int annotation, limit, swap;
} swaps[] = {
	{ 3000000, 2000000, 3000000 },
	{ 3000000, 4000000, 4000000 }, /* less than the memory alone is not possible */
	{ -1, 2000000, -1 },
};

/* The manager knows nothing of the annotation: its updates have the specification's swap. */
START_TEST(an_update_keeps_the_swap_of_the_annotation)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20), payload = BUF_INIT(8192);
	AUTO(str) char *spec = str_fmt(SWAP_SPEC, swaps[_i].annotation);
	AUTO(str)
	char *json = str_fmt("{\"memory\":{\"limit\":%d,\"swap\":%d}}", swaps[_i].limit,
			     swaps[_i].limit);
	struct err err = ERR_INIT;
	struct wire_value v;

	shim_start("good", SHARE_9P);
	shim_write(BUNDLE "/config.json", spec);
	shim_must(shim_create(), "Create");
	wire_text(&payload, 1, "c");
	shim_add_any(&payload, 2, json);
	shim_must(shim_ask("Update", &payload, 0), "Update");
	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	v = shim_recorded(&log, "grpc.AgentService", "UpdateContainer");
	ck_assert_int_eq((int64_t)wire_get_number(v.data, v.len, WIRE_PATH(2, 2, 1)),
			 swaps[_i].limit);
	ck_assert_int_eq((int64_t)wire_get_number(v.data, v.len, WIRE_PATH(2, 2, 3)),
			 swaps[_i].swap);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

/* --- namespaces --- */

#define NS(type)       "{\"type\":\"" type "\"}"
#define NS_OF_1(type)  "{\"type\":\"" type "\",\"path\":\"/proc/1/ns/" type "\"}"
#define POD_ANNOTATION "\"io.kubernetes.cri.container-type\":\"sandbox\""

static const struct {
	const char *annotations, *namespaces, *says; /* says NULL: accepted */
} joins[] = {
	{ "", NS_OF_1("pid") "," NS("ipc"), "the pid namespace /proc/1/ns/pid" },
	{ "", NS("pid") "," NS_OF_1("ipc"), "put both containers into one pod" },
	{ "", NS("pid") "," NS("ipc") "," NS_OF_1("uts"), "join the uts namespace" },
	{ "", NS("pid") "," NS("ipc") "," NS("uts"), NULL },
	{ "", NS("uts"), NULL }, /* the host's processes, as with --pid host */
	/* CRI-O gives the namespaces that it has made for a pod. */
	{ POD_ANNOTATION, NS("pid") "," NS_OF_1("ipc") "," NS_OF_1("uts"), NULL },
};

/* The guest cannot join a namespace of the host or of another VM. */
START_TEST(a_single_container_does_not_join_another_ones_namespaces)
{
	AUTO(str)
	char *spec = str_fmt("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\"],"
			     "\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},"
			     "\"root\":{\"path\":\"rootfs\"},\"annotations\":{%s},"
			     "\"linux\":{\"namespaces\":[" NS("mount") "," NS("network") ",%s]}}",
			     joins[_i].annotations, joins[_i].namespaces);

	shim_start("good", SHARE_9P);
	shim_write(BUNDLE "/config.json", spec);
	if (joins[_i].says) {
		shim_must_fail(shim_create(), joins[_i].says);
	} else {
		shim_must(shim_create(), "Create");
		shim_must(shim_ask_id("Delete", 0), "Delete");
	}
	shim_finish();
}
END_TEST

/* --- emptyDirs --- */

#define VOLUME DIR "/pods/u/volumes/kubernetes.io~empty-dir/v"
#define ROOTS  "/run/kata-containers/sandbox/rootfs/"

/* Creates the pod with a root file system in an image, as by a snapshotter with block devices.
 * target: where that is mounted, below the root. */
static struct answer create_pod_on_disk(const char *target)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024), m = BUF_INIT(1024);

	wire_text(&m, 1, "ext4");
	wire_text(&m, 2, DIR "/image");
	wire_text(&m, 3, target);
	wire_text(&m, 4, "loop");
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_bytes(&payload, 3, m.data, m.len);
	shim_write(DIR "/image", "");
	shim_write_spec("sandbox", "", "");
	return shim_ask("Create", &payload, 0);
}

/* The guest would mount it as the root. The host does not find the directory. */
START_TEST(a_disk_below_the_root_is_not_left_to_the_guest)
{
	shim_start("good", SHARE_9P);
	shim_must_fail(create_pod_on_disk("below"), "root file system");
	shim_finish();
}
END_TEST

/* As a shared directory it would be on the tmpfs of the host's /run. */
START_TEST(an_empty_dir_is_on_the_disk_of_the_pod)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	AUTO(str) char *driver = NULL, *mount_point = NULL;
	struct err err = ERR_INIT;
	struct wire_value v;

	shim_more_config = "[runtime]\ndisable_guest_empty_dir = false\n";
	shim_start("good", SHARE_9P);
	shim_must(create_pod_on_disk(""), "Create");
	ck_assert(path_make(VOLUME, 0777, &err) == 0 && truncate(VM_LOG, 0) == 0);
	create_in_pod("", "},\"mounts\":[{\"type\":\"bind\",\"source\":\"" VOLUME
			  "\",\"destination\":\"/v\",\"options\":[\"rbind\"]}],\"hooks\":{");
	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	v = shim_recorded(&log, "grpc.AgentService", "CreateContainer");
	ck_assert(wire_find(v.data, v.len, 5, 0, &v));
	driver = wire_get_text(v.data, v.len, WIRE_PATH(1));
	mount_point = wire_get_text(v.data, v.len, WIRE_PATH(6));
	ck_assert_str_eq(driver, "local");
	ck_assert_str_eq(mount_point, ROOTS "c/local/v");
	delete_from_pod();
	shim_kill_and_finish();
}
END_TEST

/* --- owners --- */

static const char *const maps[] = { "uidmap=0:100000:65536", "gidmap=0:100000:65536" };

/* Of an overlay, and of an image that would be left to the guest. */
START_TEST(a_snapshotter_that_wants_owners_mapped_is_refused)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024), m = BUF_INIT(1024);

	wire_text(&m, 1, _i % 2 ? "ext4" : "overlay");
	wire_text(&m, 2, _i % 2 ? DIR "/image" : "overlay");
	if (_i % 2)
		wire_text(&m, 4, "loop");
	wire_text(&m, 4, maps[_i / 2]);
	wire_text(&payload, 1, "c");
	wire_text(&payload, 2, BUNDLE);
	wire_bytes(&payload, 3, m.data, m.len);
	shim_start("good", SHARE_9P);
	shim_write(DIR "/image", "");
	shim_write_spec("", "", "");
	shim_must_fail(shim_ask("Create", &payload, 0), maps[_i / 2]);
	shim_finish();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, a_snapshotter_that_wants_owners_mapped_is_refused, 0,
			    2 * ARRAY_LEN(maps));
	tcase_add_test(t, a_disk_below_the_root_is_not_left_to_the_guest);
	tcase_add_test(t, an_empty_dir_is_on_the_disk_of_the_pod);
	tcase_add_loop_test(t, only_the_default_profile_of_an_engine_is_left_out, 0,
			    ARRAY_LEN(profiles));
	tcase_add_loop_test(t, a_label_that_no_process_gets_is_logged, 0, ARRAY_LEN(labels));
	tcase_add_test(t, limits_of_disks_that_the_container_does_not_have_are_left_out);
	tcase_add_loop_test(t, a_single_container_does_not_join_another_ones_namespaces, 0,
			    ARRAY_LEN(joins));
	tcase_add_loop_test(t, an_update_keeps_the_swap_of_the_annotation, 0, ARRAY_LEN(swaps));
}

int main(void)
{
	return shim_main("shim, specification", add_tests);
}
