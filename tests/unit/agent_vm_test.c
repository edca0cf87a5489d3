// SPDX-License-Identifier: Apache-2.0
/*
 * The agent where it belongs: PID 1 of a VM, over a virtio-serial port. Skipped without QEMU, the
 * guest kernel or the initrd. The root file system comes by CopyFile, so nothing else is needed.
 */

#include "tests/unit/agent_lab.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

static char dir[64];
static struct child qemu = { -1, -1 };

static const char *where(const char *env, const char *fallback)
{
	const char *value = getenv(env);

	return value ? value : fallback;
}

/* devices: more arguments of QEMU, or NULL. */
static void boot_with(const char *words, char *const *devices)
{
	AUTO(strv) char **argv = NULL;
	AUTO(str) char *socket = str_fmt("socket,id=a,path=%s/agent,server=on,wait=off", dir);
	AUTO(str) char *console = str_fmt("file:%s/console", dir);
	AUTO(str)
	char *append = str_fmt("panic=1 noreplace-smp agent.server_addr=serial://agent "
			       "agent.log=debug console=ttyS0 %s",
			       words);
	AUTO(str) char *monitor = str_fmt("unix:%s/qmp,server=on,wait=off", dir);
	char *const *fixed =
		ARGV("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-machine", "q35", "-m",
		     "256M", "-smp", "1,maxcpus=2", "-nodefaults", "-no-user-config", "-display",
		     "none", "-no-reboot", "-kernel", where("KATA_KERNEL", KATA_KERNEL), "-initrd",
		     where("KATA_INITRD", KATA_INITRD), "-append", append, "-device",
		     "virtio-serial-pci", "-chardev", socket, "-device",
		     "virtserialport,chardev=a,name=agent", "-serial", console, "-qmp", monitor);
	struct spawn s = { .parent_death_signal = SIGKILL };
	struct err err = ERR_INIT;
	AUTO(str) char *path = path_join(dir, "agent");

	strv_each(word, fixed)
		strv_push(&argv, *word);
	strv_each(word, devices)
		strv_push(&argv, *word);
	s.argv = argv;
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(spawn_start(&s, &qemu, &err) == 0, "%s", err.msg);
	lab_connect(path);
}

static void boot(const char *words)
{
	boot_with(words, NULL);
}

/* One command to QEMU, and its answer; events in between are of no interest. */
static void qmp(int fd, const char *command)
{
	struct err err = ERR_INIT;
	char text[8192];
	ssize_t n;

	ck_assert(fd_write_all(fd, command, strlen(command), &err) == 0);
	do {
		n = read(fd, text, sizeof(text) - 1);
		ck_assert_int_gt(n, 0);
		text[n] = '\0';
		ck_assert_msg(!strstr(text, "\"error\""), "%s: %s", command, text);
	} while (!strstr(text, "\"return\""));
}

static int qmp_open(void)
{
	AUTO(str) char *path = path_join(dir, "qmp");
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(path, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	qmp(fd, "{\"execute\":\"qmp_capabilities\"}");
	return fd;
}

static void setup(void)
{
	(void)str_print(dir, sizeof(dir), "/tmp/kata-vm-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	lab_remote = true;
}

static void teardown(void)
{
	struct err err = ERR_INIT;

	spawn_kill(&qemu);
	ck_assert(path_remove_tree(dir, &err) == 0);
}

static void copy(const char *path, unsigned mode, const char *data, size_t len)
{
	for (size_t at = 0; at == 0 || at < len; at += CHUNK) {
		Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;

		r.path = (char *)path;
		r.file_mode = mode;
		r.dir_mode = 0755;
		r.offset = (int64_t)at;
		r.file_size = (int64_t)len;
		r.data.data = (uint8_t *)data + at;
		r.data.len = len - at < CHUNK ? len - at : CHUNK;
		(void)lab_must("CopyFile", &r, NULL);
	}
}

static void copy_busybox(void)
{
	static const char *const applets[] = { "sh", "cat", "echo", "sleep", "mount",
					       "ls", "id",  "df",   "grep",  NULL };
	AUTO(buf) struct buf busybox = BUF_INIT(16 << 20);
	struct err err = ERR_INIT;

	ck_assert(file_read(AT_FDCWD, "/bin/busybox", 16 << 20, &busybox, &err) == 0);
	copy(LAB_SHARED "/lab/rootfs/bin/busybox", S_IFREG | 0755, busybox.data, busybox.len);
	for (const char *const *a = applets; *a; a++) {
		AUTO(str) char *path = str_fmt(LAB_SHARED "/lab/rootfs/bin/%s", *a);

		copy(path, S_IFLNK | 0777, "busybox", 7);
	}
}

static void show_console(void)
{
	AUTO(str) char *path = path_join(dir, "console");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, &err) == 0)
		(void)fprintf(stderr, "%s\n", buf_cstr(&text));
}

static int code_of_qemu(void)
{
	struct err err = ERR_INIT;
	int code;

	if (spawn_wait(&qemu, deadline_in(30000), &code, &err) < 0) {
		show_console();
		ck_abort_msg("%s", err.msg);
	}
	return code;
}

static void end_vm(void)
{
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	uint64_t before = clock_ms();

	(void)lab_must("DestroySandbox", &destroy, NULL);
	ck_assert_int_eq(code_of_qemu(), 0);
	ck_assert_uint_lt(clock_ms() - before, 5000);
	lab_disconnect();
}

static void create_sandbox(void)
{
	Grpc__CreateSandboxRequest r = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage shm = GRPC__STORAGE__INIT;
	Grpc__Storage *storages[] = { &shm };
	char *options[] = { (char *)"noexec", (char *)"nosuid", (char *)"nodev",
			    (char *)"mode=1777", (char *)"size=1048576" };
	char *dns[] = { (char *)"nameserver 10.9.8.7" };

	shm.driver = (char *)"ephemeral";
	shm.source = (char *)"shm";
	shm.fstype = (char *)"tmpfs";
	shm.options = options;
	shm.n_options = ARRAY_LEN(options);
	shm.mount_point = (char *)"/run/kata-containers/sandbox/shm";
	r.sandbox_id = (char *)"vm";
	r.hostname = (char *)"in-a-vm";
	r.storages = storages;
	r.n_storages = 1;
	r.dns = dns;
	r.n_dns = 1;
	(void)lab_must("CreateSandbox", &r, NULL);
}

static void run_containers(void)
{
	AUTO(str) char *metrics = NULL;

	ck_assert_int_eq(lab_output("one", "echo hello; id -u; cat /proc/sys/kernel/hostname",
				    "hello\n0\nin-a-vm\n"),
			 0);
	ck_assert_int_eq(lab_output("two", "echo two; exit 7", "two\n"), 7);
	lab_run("three", "sleep 1000", false);
}

static void pause_and_measure(void)
{
	Grpc__PauseContainerRequest pause = GRPC__PAUSE_CONTAINER_REQUEST__INIT;
	Grpc__ResumeContainerRequest resume = GRPC__RESUME_CONTAINER_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__GetMetricsRequest metrics = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__StatsContainerResponse *reply;
	Grpc__Metrics *text;
	const char *rss;

	pause.container_id = resume.container_id = stats.container_id = (char *)"three";
	(void)lab_must("PauseContainer", &pause, NULL);
	(void)lab_must("ResumeContainer", &resume, NULL);
	reply = lab_must("StatsContainer", &stats, &grpc__stats_container_response__descriptor);
	ck_assert_uint_gt(reply->cgroup_stats->memory_stats->usage->usage, 0);
	ck_assert_uint_eq(reply->cgroup_stats->pids_stats->current, 1);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	text = lab_must("GetMetrics", &metrics, &grpc__metrics__descriptor);
	rss = strstr(text->metrics, "\nkata_agent_total_rss ");
	ck_assert_ptr_nonnull(rss);
	(void)printf("agent's RSS in the VM: %lu KiB\n", strtoul(rss + 22, NULL, 10) / 1024);
	ck_assert_uint_le(strtoul(rss + 22, NULL, 10), 3 << 20);
	protobuf_c_message_free_unpacked(&text->base, NULL);
}

START_TEST(a_sandbox_in_a_vm)
{
	uint64_t before = clock_ms();
	Grpc__SetGuestDateTimeRequest date = GRPC__SET_GUEST_DATE_TIME_REQUEST__INIT;
	Grpc__ReseedRandomDevRequest seed = GRPC__RESEED_RANDOM_DEV_REQUEST__INIT;

	boot("quiet");
	create_sandbox();
	(void)printf("first answer of the VM: %lu ms\n", (unsigned long)(clock_ms() - before));
	date.sec = 1234567890;
	(void)lab_must("SetGuestDateTime", &date, NULL);
	seed.data.data = (uint8_t *)"0123456789abcdef";
	seed.data.len = 16;
	(void)lab_must("ReseedRandomDev", &seed, NULL);
	copy_busybox();
	ck_assert_int_eq(lab_output("v2", "cat /proc/1/cgroup", "0::/\n"), 0);
	run_containers();
	pause_and_measure();
	end_vm();
}
END_TEST

START_TEST(an_agent_that_cannot_start_says_why_and_ends_the_vm)
{
	AUTO(str) char *path = path_join(dir, "console");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	boot("quiet agent.log=no-such-level");
	ck_assert_int_eq(code_of_qemu(), 0);
	lab_disconnect();
	ck_assert(file_read(AT_FDCWD, path, 1 << 20, &text, &err) == 0);
	ck_assert_msg(strstr(buf_cstr(&text), "no-such-level"), "%s", buf_cstr(&text));
}
END_TEST

START_TEST(the_host_may_come_back)
{
	AUTO(str) char *path = path_join(dir, "agent");
	Grpc__GuestDetailsRequest details = GRPC__GUEST_DETAILS_REQUEST__INIT;

	boot("quiet");
	(void)lab_must("GetGuestDetails", &details, NULL);
	for (int i = 0; i < 3; i++) {
		lab_disconnect();
		lab_connect(path);
		(void)lab_must("GetGuestDetails", &details, NULL);
	}
	end_vm();
}
END_TEST

START_TEST(cgroup_v1_on_request)
{
	boot("quiet agent.unified_cgroup_hierarchy=false");
	create_sandbox();
	copy_busybox();
	ck_assert_int_eq(
		lab_output("v1", "grep -c . /proc/self/cgroup >/dev/null && echo ok", "ok\n"), 0);
	run_containers();
	pause_and_measure();
	end_vm();
}
END_TEST

/* ---------------------------------------------------------------------------------------- network
 */

#define MAC "02:00:00:00:00:07"

static void configure_network(void)
{
	Grpc__UpdateInterfaceRequest update = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Types__Interface eth = TYPES__INTERFACE__INIT;
	Types__IPAddress v4 = TYPES__IPADDRESS__INIT, v6 = TYPES__IPADDRESS__INIT;
	Types__IPAddress *addresses[] = { &v4, &v6 };
	Grpc__UpdateRoutesRequest set = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes routes = GRPC__ROUTES__INIT;
	Types__Route all = TYPES__ROUTE__INIT, net = TYPES__ROUTE__INIT;
	Types__Route *list[] = { &all, &net };

	v4.address = (char *)"10.7.0.2";
	v4.mask = (char *)"24";
	v6.family = TYPES__IPFAMILY__v6;
	v6.address = (char *)"fd07::2";
	v6.mask = (char *)"64";
	eth.hwaddr = (char *)MAC;
	eth.name = (char *)"eth7";
	eth.mtu = 1400;
	eth.ipaddresses = addresses;
	eth.n_ipaddresses = ARRAY_LEN(addresses);
	update.interface = &eth;
	for (int twice = 0; twice < 2; twice++)
		(void)lab_must("UpdateInterface", &update, NULL);
	all.gateway = (char *)"192.168.9.1"; /* reached through the second one */
	all.device = net.device = (char *)"eth7";
	net.dest = (char *)"192.168.9.0/24";
	net.scope = 253;
	routes.routes = list;
	routes.n_routes = ARRAY_LEN(list);
	set.routes = &routes;
	for (int twice = 0; twice < 2; twice++)
		(void)lab_must("UpdateRoutes", &set, NULL);
}

START_TEST(the_network_is_as_the_runtime_says)
{
	Grpc__ListInterfacesRequest links = GRPC__LIST_INTERFACES_REQUEST__INIT;
	Grpc__ListRoutesRequest routes = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__AddARPNeighborsRequest add = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__ARPNeighbors neighbours = GRPC__ARPNEIGHBORS__INIT;
	Types__ARPNeighbor n = TYPES__ARPNEIGHBOR__INIT, *list[] = { &n };
	Types__IPAddress to = TYPES__IPADDRESS__INIT;
	Grpc__Interfaces *found;
	Grpc__Routes *all;
	int seen = 0;

	boot_with("quiet", ARGV("-netdev", "hubport,hubid=0,id=n", "-device",
				"virtio-net-pci,netdev=n,mac=" MAC));
	configure_network();
	found = lab_must("ListInterfaces", &links, &grpc__interfaces__descriptor);
	for (size_t i = 0; i < found->n_interfaces; i++) {
		const Types__Interface *f = found->interfaces[i];

		if (!str_eq(f->hwaddr, MAC))
			continue;
		seen |= 1;
		ck_assert_str_eq(f->name, "eth7");
		ck_assert_uint_eq(f->mtu, 1400);
		ck_assert_str_eq(f->ipaddresses[0]->address, "10.7.0.2");
		ck_assert_str_eq(f->ipaddresses[0]->mask, "24");
	}
	protobuf_c_message_free_unpacked(&found->base, NULL);
	all = lab_must("ListRoutes", &routes, &grpc__routes__descriptor);
	for (size_t i = 0; i < all->n_routes; i++) {
		if (str_eq(all->routes[i]->dest, "0.0.0.0/0")) {
			seen |= 2;
			ck_assert_str_eq(all->routes[i]->gateway, "192.168.9.1");
		}
	}
	protobuf_c_message_free_unpacked(&all->base, NULL);
	ck_assert_int_eq(seen, 3);
	to.address = (char *)"10.7.0.9";
	n.toipaddress = &to;
	n.device = (char *)"eth7";
	n.lladdr = (char *)"02:00:00:00:00:09";
	neighbours.arpneighbors = list;
	neighbours.n_arpneighbors = 1;
	add.neighbors = &neighbours;
	(void)lab_must("AddARPNeighbors", &add, NULL);
	end_vm();
}
END_TEST

/* ---------------------------------------------------------------------------------------- hotplug
 */

static uint64_t volume_size(const char *path)
{
	Grpc__VolumeStatsRequest r = GRPC__VOLUME_STATS_REQUEST__INIT;
	Grpc__VolumeStatsResponse *reply;
	uint64_t total;

	r.volume_guest_path = (char *)path;
	reply = lab_must("GetVolumeStats", &r, &grpc__volume_stats_response__descriptor);
	ck_assert_uint_eq(reply->n_usage, 2);
	total = reply->usage[0]->total;
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return total;
}

static char *make_disk(void)
{
	AUTO(str) char *path = path_join(dir, "disk");
	struct err err = ERR_INIT;
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	ck_assert(fd >= 0 && ftruncate(fd, 16 << 20) == 0 && close(fd) == 0);
	ck_assert_msg(spawn_run(&(struct spawn){ .argv = ARGV("/sbin/mkfs.ext4", "-q", path) },
				NULL, 0, NULL, deadline_in(60000), &err) == 0,
		      "%s", err.msg);
	return STEAL(path, NULL);
}

START_TEST(a_disk_comes_grows_and_holds_a_container)
{
	AUTO(str) char *disk = make_disk();
	AUTO(str)
	char *add = str_fmt("{\"execute\":\"blockdev-add\",\"arguments\":{\"driver\":\"file\","
			    "\"node-name\":\"d\",\"filename\":\"%s\"}}",
			    disk);
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = { &s };
	Grpc__ResizeVolumeRequest resize = GRPC__RESIZE_VOLUME_REQUEST__INIT;
	Grpc__RemoveContainerRequest gone = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct lab_container c;
	uint64_t before;
	int fd;

	boot_with("quiet", ARGV("-device", "pcie-root-port,id=rp0,bus=pcie.0,chassis=1,addr=5"));
	create_sandbox();
	copy_busybox();
	fd = qmp_open();
	qmp(fd, add);
	qmp(fd, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\","
		"\"id\":\"b\",\"drive\":\"d\",\"bus\":\"rp0\"}}");
	s.driver = (char *)"blk";
	s.source = (char *)"05/00";
	s.fstype = (char *)"ext4";
	s.mount_point = (char *)"/run/kata-containers/sandbox/storage/vol";
	lab_container(&c, "disk", "true", false);
	c.request.storages = list;
	c.request.n_storages = 1;
	(void)lab_must("CreateContainer", &c.request, NULL);
	lab_container_free(&c);
	before = volume_size(s.mount_point);
	qmp(fd, "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"d\","
		"\"size\":67108864}}");
	resize.volume_guest_path = s.mount_point;
	resize.size = 64 << 20;
	(void)lab_must("ResizeVolume", &resize, NULL);
	ck_assert_uint_gt(volume_size(s.mount_point), before * 3);
	gone.container_id = (char *)"disk";
	(void)lab_must("RemoveContainer", &gone, NULL);
	(void)close(fd);
	end_vm();
}
END_TEST

START_TEST(a_device_that_does_not_come_is_a_timeout)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = { &s };
	struct lab_container c;

	boot("quiet agent.hotplug_timeout=1");
	create_sandbox();
	s.driver = (char *)"blk";
	s.source = (char *)"07/00";
	s.fstype = (char *)"ext4";
	s.mount_point = (char *)"/run/kata-containers/sandbox/storage/vol";
	lab_container(&c, "late", "true", false);
	c.request.storages = list;
	c.request.n_storages = 1;
	lab_must_fail("CreateContainer", &c.request, E_TIMEOUT);
	lab_container_free(&c);
	end_vm();
}
END_TEST

START_TEST(a_processor_comes_online)
{
	Grpc__OnlineCPUMemRequest online = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	Grpc__GetMetricsRequest metrics = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__Metrics *text;
	int fd;

	boot("quiet");
	create_sandbox();
	fd = qmp_open();
	qmp(fd, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"max-x86_64-cpu\","
		"\"id\":\"c1\",\"socket-id\":0,\"core-id\":1,\"thread-id\":0}}");
	online.nb_cpus = 1;
	(void)lab_must("OnlineCPUMem", &online, NULL);
	text = lab_must("GetMetrics", &metrics, &grpc__metrics__descriptor);
	ck_assert_ptr_nonnull(
		strstr(text->metrics, "kata_guest_cpu_time{cpu=\"1\",item=\"user\"}"));
	protobuf_c_message_free_unpacked(&text->base, NULL);
	(void)close(fd);
	end_vm();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent in a VM");
	TCase *tc = tcase_create("vm");
	SRunner *runner;
	int failed;

	if (!path_exists(where("KATA_KERNEL", KATA_KERNEL)) ||
	    !path_exists(where("KATA_INITRD", KATA_INITRD)) ||
	    !path_exists("/usr/bin/qemu-system-x86_64")) {
		(void)printf("skipped: needs QEMU, the guest kernel and the initrd "
			     "(make kernel initrd)\n");
		return 0;
	}
	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_sandbox_in_a_vm);
	tcase_add_test(tc, an_agent_that_cannot_start_says_why_and_ends_the_vm);
	tcase_add_test(tc, the_host_may_come_back);
	tcase_add_test(tc, cgroup_v1_on_request);
	tcase_add_test(tc, the_network_is_as_the_runtime_says);
	if (path_exists("/sbin/mkfs.ext4"))
		tcase_add_test(tc, a_disk_comes_grows_and_holds_a_container);
	else
		(void)printf("skipped: a disk comes (needs mkfs.ext4)\n");
	tcase_add_test(tc, a_device_that_does_not_come_is_a_timeout);
	tcase_add_test(tc, a_processor_comes_online);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
