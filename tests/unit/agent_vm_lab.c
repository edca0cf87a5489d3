// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent_vm_lab.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 1 << 20 };

char vm_dir[64];
static struct child qemu = { -1, -1 };

static const char *where(const char *env, const char *fallback)
{
	const char *value = getenv(env);

	return value ? value : fallback;
}

/* QEMU's arguments for the guest's root. */
static char **root_arguments(void)
{
	const char *image = getenv("KATA_ROOT_IMAGE");
	char **argv = NULL;

	strv_push(&argv, image ? "-blockdev" : "-initrd");
	if (!image) {
		strv_push(&argv, where("KATA_INITRD", KATA_INITRD));
		return argv;
	}
	strv_pushf(&argv, "driver=file,node-name=image,filename=%s,read-only=on", image);
	strv_push(&argv, "-device");
	strv_push(&argv, "virtio-blk-pci,drive=image");
	return argv;
}

void vm_boot_with(const char *words, char *const *devices)
{
	AUTO(strv) char **argv = NULL, **root = root_arguments();
	AUTO(str) char *socket = str_fmt("socket,id=a,path=%s/agent,server=on,wait=off", vm_dir);
	AUTO(str) char *console = str_fmt("file:%s/console", vm_dir);
	AUTO(str)
	char *append =
		str_fmt("panic=1 noreplace-smp no_timer_check agent.server_addr=serial://agent "
			"agent.log=debug console=ttyS0 %s %s",
			where("KATA_ROOT_WORDS", ""), words);
	AUTO(str) char *monitor = str_fmt("unix:%s/qmp,server=on,wait=off", vm_dir);
	char *const *fixed = ARGV(
		"qemu-system-x86_64", "-accel", "tcg", "-cpu", "max,erms=off,fsrm=off", "-machine",
		"q35", "-m", "256M", "-smp", "1,maxcpus=2", "-nodefaults", "-no-user-config",
		"-display", "none", "-no-reboot", "-kernel", where("KATA_KERNEL", KATA_KERNEL),
		"-append", append, "-device", "virtio-serial-pci", "-chardev", socket, "-device",
		"virtserialport,chardev=a,name=agent", "-serial", console, "-qmp", monitor);
	struct spawn s = { .parent_death_signal = SIGKILL };
	struct err err = ERR_INIT;
	AUTO(str) char *path = path_join(vm_dir, "agent");

	strv_each(word, fixed)
		strv_push(&argv, *word);
	strv_each(word, root)
		strv_push(&argv, *word);
	strv_each(word, devices)
		strv_push(&argv, *word);
	s.argv = argv;
	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert_msg(spawn_start(&s, &qemu, &err) == 0, "%s", err.msg);
	lab_connect(path);
}

const char *vm_disk(unsigned n)
{
	static char name[] = "/dev/vda";

	name[sizeof(name) - 2] = (char)('a' + n + (getenv("KATA_ROOT_IMAGE") ? 1 : 0));
	return name;
}

void vm_boot(const char *words)
{
	vm_boot_with(words, NULL);
}

void vm_qmp(int fd, const char *command)
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

int vm_qmp_open(void)
{
	AUTO(str) char *path = path_join(vm_dir, "qmp");
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(path, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	vm_qmp(fd, "{\"execute\":\"qmp_capabilities\"}");
	return fd;
}

void vm_setup(void)
{
	(void)str_print(vm_dir, sizeof(vm_dir), "/tmp/kata-vm-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(vm_dir));
	lab_remote = true;
}

void vm_teardown(void)
{
	struct err err = ERR_INIT;

	spawn_kill(&qemu);
	ck_assert(path_remove_tree(vm_dir, &err) == 0);
}

void vm_copy(const char *path, unsigned mode, const char *data, size_t len)
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

void vm_copy_busybox(void)
{
	static const char *const applets[] = { "sh", "cat", "echo", "sleep", "mount", "ls",
					       "id", "df",  "grep", "stat",  NULL };
	AUTO(buf) struct buf busybox = BUF_INIT(16 << 20);
	struct err err = ERR_INIT;

	ck_assert(file_read(AT_FDCWD, "/bin/busybox", 16 << 20, &busybox, &err) == 0);
	vm_copy(LAB_SHARED "/lab/rootfs/bin/busybox", S_IFREG | 0755, busybox.data, busybox.len);
	for (const char *const *a = applets; *a; a++) {
		AUTO(str) char *path = str_fmt(LAB_SHARED "/lab/rootfs/bin/%s", *a);

		vm_copy(path, S_IFLNK | 0777, "busybox", 7);
	}
}

static void show_console(void)
{
	AUTO(str) char *path = path_join(vm_dir, "console");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, &err) == 0)
		(void)fprintf(stderr, "%s\n", buf_cstr(&text));
}

int vm_code(void)
{
	struct err err = ERR_INIT;
	int code;

	if (spawn_wait(&qemu, deadline_in(30000), &code, &err) < 0) {
		show_console();
		ck_abort_msg("%s", err.msg);
	}
	return code;
}

void vm_end(void)
{
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	uint64_t before = clock_ms();

	(void)lab_must("DestroySandbox", &destroy, NULL);
	ck_assert_int_eq(vm_code(), 0);
	ck_assert_uint_lt(clock_ms() - before, 5000);
	lab_disconnect();
}

uint64_t vm_volume_size(const char *path)
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

char *vm_make_disk(const char *name, const char *program)
{
	AUTO(str) char *path = path_join(vm_dir, name);
	AUTO(buf) struct buf said = BUF_INIT(65536);
	struct err err = ERR_INIT;
	int fd = open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0600);

	ck_assert(fd >= 0 && ftruncate(fd, 16 << 20) == 0 && close(fd) == 0);
	ck_assert_msg(spawn_run(&(struct spawn){ .argv = ARGV(program, "-q", path) }, NULL, 0,
				&said, deadline_in(60000), &err) == 0,
		      "%s", err.msg);
	return STEAL(path, NULL);
}

int vm_main(const char *name, void (*add)(TCase *tc))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create("vm");

	if (!path_exists(where("KATA_KERNEL", KATA_KERNEL)) ||
	    !path_exists(where("KATA_INITRD", KATA_INITRD)) ||
	    !path_exists("/usr/bin/qemu-system-x86_64")) {
		(void)printf("skipped: needs QEMU, the guest kernel and the initrd "
			     "(make kernel initrd)\n");
		return 0;
	}
	tcase_set_timeout(tc, 180);
	tcase_add_checked_fixture(tc, vm_setup, vm_teardown);
	add(tc);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
