// SPDX-License-Identifier: Apache-2.0
/*
 * The agent where it belongs: PID 1 of a VM, over a virtio-serial port. Skipped without QEMU, the
 * guest kernel or the initrd. The root file system comes by CopyFile, so nothing else is needed.
 */

#include "tests/unit/agent_lab.h"

#include "base/buf.h"
#include "base/deadline.h"
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

static void boot(const char *words)
{
	AUTO(str) char *socket = str_fmt("socket,id=a,path=%s/agent,server=on,wait=off", dir);
	AUTO(str) char *console = str_fmt("file:%s/console", dir);
	AUTO(str)
	char *append = str_fmt("panic=1 noreplace-smp agent.server_addr=serial://agent "
			       "agent.log=debug console=ttyS0 %s",
			       words);
	struct spawn s = { .argv = ARGV("qemu-system-x86_64", "-accel", "tcg", "-cpu", "max",
					"-machine", "q35", "-m", "256M", "-smp", "1", "-nodefaults",
					"-no-user-config", "-display", "none", "-no-reboot",
					"-kernel", where("KATA_KERNEL", KATA_KERNEL), "-initrd",
					where("KATA_INITRD", KATA_INITRD), "-append", append,
					"-device", "virtio-serial-pci", "-chardev", socket,
					"-device", "virtserialport,chardev=a,name=agent", "-serial",
					console),
			   .parent_death_signal = SIGKILL };
	struct err err = ERR_INIT;
	AUTO(str) char *path = path_join(dir, "agent");

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(spawn_start(&s, &qemu, &err) == 0, "%s", err.msg);
	lab_connect(path);
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
	ck_assert_int_eq(lab_output("two", "cat /proc/1/cgroup; exit 7", "0::/\n"), 7);
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
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
