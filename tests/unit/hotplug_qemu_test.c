// SPDX-License-Identifier: Apache-2.0
/* Plugging and unplugging with a real QEMU, whose guest does not run: what QEMU accepts, and what
 * remains of a device. tests/cri has guests that run. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "loop/loop.h"
#include "vmm/qemu/cmdline.h"
#include "vmm/qemu/hotplug.h"

#include <check.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define QEMU "/usr/bin/qemu-system-x86_64"
enum { LONG_MS = 120000, SHORT_MS = 300 };

static char dir[SCRATCH_DIR];
static char *image;
static struct loop *loop;
static pthread_t loop_thread;
static struct qmp *client;
static struct hotplug *plugs;
static struct child qemu = { -1, -1 };
static char words[4][16] = { "q35", "virtio-blk", "threads", "virtio-scsi" };
static struct runtime_config config;

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static int connect_qemu(const char *path)
{
	struct deadline d = deadline_in(LONG_MS);
	struct err err = ERR_INIT;
	int fd;

	while ((fd = fd_unix_connect(path, &err)) < 0) {
		ck_assert_msg(!deadline_passed(d), "%s", err.msg);
		(void)usleep(10000);
		err_clear(&err);
	}
	return fd;
}

static void setup(void)
{
	AUTO(str) char *qmp = NULL, *option = NULL;
	AUTO(str)
	char *bridge = str_fmt("pci-bridge,id=bridge0,bus=pcie.0,addr=0x%x,chassis_nr=1,shpc=off",
			       QEMU_BRIDGE_SLOT);
	struct spawn s = { .parent_death_signal = SIGKILL };
	struct err err = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	scratch_make(dir, "hotplug");
	image = path_join(dir, "image");
	ck_assert(close(open(image, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	ck_assert(truncate(image, 1 << 20) == 0);
	config = (struct runtime_config){ .machine_type = words[0],
					  .block_driver = words[1],
					  .block_aio = words[2],
					  .bridges = 1 };
	qmp = path_join(dir, "qmp");
	option = str_fmt("unix:%s,server=on,wait=off", qmp);
	s.argv = ARGV(QEMU, "-machine", "q35,accel=tcg", "-m", "64M", "-nodefaults",
		      "-no-user-config", "-display", "none", "-S", "-qmp", option, "-device",
		      bridge, "-device", "virtio-scsi-pci,id=scsi0");
	ck_assert_msg(spawn_start(&s, &qemu, &err) == 0, "%s", err.msg);
	loop = loop_new(&(struct err)ERR_INIT);
	ck_assert_int_eq(pthread_create(&loop_thread, NULL, run_loop, loop), 0);
	client = qmp_new(loop, connect_qemu(qmp));
	ck_assert_msg(qmp_execute(client, "qmp_capabilities", NULL, deadline_in(LONG_MS), NULL,
				  &err) == 0,
		      "%s", err.msg);
	plugs = hotplug_new(client, &config, false);
}

static void teardown(void)
{
	hotplug_free(plugs);
	qmp_free(client);
	spawn_kill(&qemu);
	loop_stop(loop);
	(void)pthread_join(loop_thread, NULL);
	loop_free(loop);
	free(image);
	scratch_remove(dir);
}

static void plug(const char *id, const struct vmm_device *d, const char *pci, const char *scsi)
{
	struct vmm_address address;
	struct err err = ERR_INIT;

	ck_assert_msg(hotplug_add(plugs, id, d, &address, deadline_in(LONG_MS), &err) == 0, "%s",
		      err.msg);
	ck_assert_str_eq(address.pci, pci);
	ck_assert_str_eq(address.scsi, scsi);
}

/* QEMU has the image open. */
static bool is_open(void)
{
	AUTO(str) char *fds = str_fmt("/proc/%d/fd", (int)qemu.pid);
	AUTO(dir) DIR *list = opendir(fds);
	char target[4096];

	for (struct dirent *e; list && (e = readdir(list));) {
		ssize_t n = readlinkat(dirfd(list), e->d_name, target, sizeof(target) - 1);

		target[n < 0 ? 0 : n] = '\0';
		if (str_eq(target, image))
			return true;
	}
	return false;
}

static struct vmm_device disk(bool readonly)
{
	return (struct vmm_device){ .kind = VMM_DISK, .disk = { image, readonly } };
}

START_TEST(qemu_takes_disks)
{
	const struct vmm_device rw = disk(false), ro = disk(true);
	struct err err = ERR_INIT;
	struct stat st;

	config.block_cache_set = true;
	plug("rw", &rw, "1e/02", "");
	plug("ro", &ro, "1e/03", ""); /* the same image beside it */
	ck_assert(is_open());
	ck_assert_msg(hotplug_grow(plugs, "rw", 2 << 20, deadline_in(LONG_MS), &err) == 0, "%s",
		      err.msg);
	ck_assert(stat(image, &st) == 0 && st.st_size == 2 << 20);

	ck_assert_int_lt(hotplug_remove(plugs, "rw", deadline_in(SHORT_MS), &err), 0);
	ck_assert_msg(err.code == E_TIMEOUT, "%s", err.msg);
	err_clear(&err);
	ck_assert_int_lt(hotplug_remove(plugs, "rw", deadline_in(SHORT_MS), &err), 0);
	ck_assert_msg(err.code == E_TIMEOUT, "%s", err.msg);
}
END_TEST

START_TEST(qemu_lets_go_of_disks)
{
	const struct vmm_device rw = disk(false);
	struct err err = ERR_INIT;

	config.block_driver = words[3];
	plug("d", &rw, "", "0:0");
	plug("e", &rw, "", "0:1");
	ck_assert_msg(hotplug_remove(plugs, "d", deadline_in(LONG_MS), &err) == 0, "%s", err.msg);
	ck_assert(is_open());
	ck_assert_msg(hotplug_remove(plugs, "e", deadline_in(LONG_MS), &err) == 0, "%s", err.msg);
	ck_assert(!is_open());
	plug("d", &rw, "", "0:0");
}
END_TEST

START_TEST(qemu_refuses_and_nothing_is_left)
{
	const struct vmm_device rw = disk(false);
	struct vmm_address address;
	struct err err = ERR_INIT;

	words[2][0] = 'T'; /* no such way */
	ck_assert_int_lt(hotplug_add(plugs, "d", &rw, &address, deadline_in(LONG_MS), &err), 0);
	words[2][0] = 't';
	ck_assert_msg(err.code == E_FAILED && strstr(err.msg, "blockdev-add") != NULL, "%s",
		      err.msg);
	ck_assert(!is_open());
	plug("d", &rw, "1e/02", "");
}
END_TEST

static int make_tap(void)
{
	struct ifreq r = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)snprintf(r.ifr_name, sizeof(r.ifr_name), "plug0");
	return fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0 ? fd : -1;
}

START_TEST(qemu_takes_cards)
{
	struct vmm_device card = { .kind = VMM_NIC, .nic = { "02:00:00:00:00:01", -1, -1 } };
	struct vmm_address address;
	struct err err = ERR_INIT;

	if (unshare(CLONE_NEWNET) < 0 || (card.nic.tap = make_tap()) < 0) {
		(void)puts("skipped: no tap can be made here");
		return;
	}
	plug("card", &card, "1e/02", "");
	(void)close(card.nic.tap); /* QEMU has its own */
	card.nic.tap = open("/dev/null", O_RDWR | O_CLOEXEC);
	ck_assert_int_lt(hotplug_add(plugs, "other", &card, &address, deadline_in(LONG_MS), &err),
			 0);
	ck_assert_msg(err.code == E_FAILED, "%s", err.msg);
	(void)close(card.nic.tap);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hotplug in QEMU");
	TCase *tc = tcase_create("hotplug in QEMU");

	if (access(QEMU, X_OK) < 0) {
		(void)puts("skipped: no " QEMU);
		return EXIT_SUCCESS;
	}
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 300);
	tcase_add_test(tc, qemu_takes_disks);
	tcase_add_test(tc, qemu_lets_go_of_disks);
	tcase_add_test(tc, qemu_refuses_and_nothing_is_left);
	tcase_add_test(tc, qemu_takes_cards);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
