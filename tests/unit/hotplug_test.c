// SPDX-License-Identifier: Apache-2.0
/* Plugging and unplugging with a QEMU that answers late or twice, refuses the second command, or
 * sends the event before the answer, or never. */

#include "tests/unit/qmp_lab.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "vmm/qemu/cmdline.h"
#include "vmm/qemu/hotplug.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* STEP_MS: enough for the first of two commands on a busy machine. */
enum { LONG_MS = 60000, STEP_MS = 1000, SHORT_MS = 100 };
#define REFUSED "\"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}"

static struct hotplug *plugs;
static char threads[] = "threads", blk[] = "virtio-blk", scsi[] = "virtio-scsi";
static char q35[] = "q35", microvm[] = "microvm", image[] = "/tmp/disk-XXXXXX";
static struct runtime_config config;
static struct vmm_device disk, nic;

static void setup(void)
{
	int fd;

	memcpy(image + strlen(image) - 6, "XXXXXX", 6);
	fd = mkstemp(image);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
	config = (struct runtime_config){
		.machine_type = q35, .bridges = 1, .block_driver = blk, .block_aio = threads
	};
	disk = (struct vmm_device){ .kind = VMM_DISK, .disk = { image, true } };
	nic = (struct vmm_device){ .kind = VMM_NIC, .nic = { "02:00:00:00:00:01", 1, -1 } };
	lab_start();
	plugs = hotplug_new(lab_client, &config, false);
}

static void teardown(void)
{
	hotplug_free(plugs);
	lab_stop();
	(void)unlink(image);
}

/* --- QEMU's side --- */

static const struct json *arguments_of(const struct json *command)
{
	return json_get(command, "arguments");
}

static void meet(const char *name, const char *rest)
{
	AUTO(json) struct json *command = lab_hear(name);

	lab_answer(command, rest);
}

static void deleted(const char *name)
{
	AUTO(str)
	char *text = str_fmt("{\"event\": \"DEVICE_DELETED\", \"data\": {\"path\": \"/part\"}}\r\n"
			     "{\"event\": \"DEVICE_DELETED\"}\r\n"
			     "{\"event\": \"DEVICE_DELETED\", \"data\": {\"device\": \"%s\"}}\r\n",
			     name);

	lab_say(text);
}

/* --- the caller's side, on a thread of its own --- */

struct call {
	const char *id;
	const struct vmm_device *device; /* NULL: remove */
	uint64_t ms;
	struct vmm_address address;
	struct err err;
	int result;
	pthread_t thread;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	c->result = c->device ? hotplug_add(plugs, c->id, c->device, &c->address,
					    deadline_in(c->ms), &c->err)
			      : hotplug_remove(plugs, c->id, deadline_in(c->ms), &c->err);
	return NULL;
}

static void call(struct call *c, const char *id, const struct vmm_device *device, uint64_t ms)
{
	*c = (struct call){ .id = id, .device = device, .ms = ms, .err = ERR_INIT };
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call_main, c), 0);
}

static void succeeds(struct call *c)
{
	(void)pthread_join(c->thread, NULL);
	ck_assert_msg(c->result == 0, "%s", c->err.msg);
}

static void fails(struct call *c, enum err_code code)
{
	(void)pthread_join(c->thread, NULL);
	ck_assert_int_lt(c->result, 0);
	ck_assert_msg(c->err.code == code, "%s", c->err.msg);
}

static void plug_disk(const char *id, const char *pci)
{
	struct call c;

	call(&c, id, &disk, LONG_MS);
	meet("blockdev-add", LAB_OK);
	meet("device_add", LAB_OK);
	succeeds(&c);
	ck_assert_str_eq(c.address.pci, pci);
}

static void unplug_disk(const char *id, const char *name)
{
	struct call c;

	call(&c, id, NULL, LONG_MS);
	meet("device_del", LAB_OK);
	deleted(name);
	meet("blockdev-del", LAB_OK);
	succeeds(&c);
}

/* --- both halves --- */

START_TEST(a_disk_has_the_sectors_of_the_configuration)
{
	struct call c;

	config.logical_sector = 4096;
	call(&c, "d", &disk, LONG_MS);
	meet("blockdev-add", LAB_OK);
	AUTO(json) struct json *device = lab_hear("device_add");
	ck_assert_int_eq(json_int(json_get(arguments_of(device), "logical_block_size")), 4096);
	ck_assert_int_eq(json_int(json_get(arguments_of(device), "physical_block_size")), 4096);
	lab_answer(device, LAB_OK);
	succeeds(&c);
}
END_TEST

START_TEST(a_disk_comes_and_goes)
{
	struct call c;

	call(&c, "d", &disk, LONG_MS);
	AUTO(json) struct json *node = lab_hear("blockdev-add");
	const struct json *file = json_get(arguments_of(node), "file");
	ck_assert_str_eq(json_get_text(arguments_of(node), "node-name"), "plug0");
	ck_assert(json_bool(json_get(arguments_of(node), "read-only")));
	ck_assert_str_eq(json_get_text(file, "driver"), "file");
	ck_assert_str_eq(json_get_text(file, "filename"), image);
	ck_assert_ptr_null(json_get(file, "cache"));
	lab_answer(node, LAB_OK);
	AUTO(json) struct json *device = lab_hear("device_add");
	ck_assert_str_eq(json_get_text(arguments_of(device), "driver"), "virtio-blk-pci");
	ck_assert_str_eq(json_get_text(arguments_of(device), "drive"), "plug0");
	ck_assert_str_eq(json_get_text(arguments_of(device), "bus"), "bridge0");
	lab_answer(device, LAB_OK);
	lab_answer(device, LAB_OK); /* twice */
	succeeds(&c);
	ck_assert_str_eq(c.address.pci, "1e/02");
	ck_assert_str_eq(c.address.scsi, "");
	unplug_disk("d", "plug0");
	plug_disk("d", "1e/02"); /* there again */
}
END_TEST

START_TEST(a_scsi_disk_needs_no_slot)
{
	struct call c;

	config.block_driver = scsi;
	config.bridges = 0;
	config.block_cache_set = config.block_cache_direct = true;
	for (int i = 0; i < 2; i++) {
		const char *const ids[] = { "a", "b" }, *const places[] = { "0:0", "0:1" };

		call(&c, ids[i], &disk, LONG_MS);
		AUTO(json) struct json *node = lab_hear("blockdev-add");
		ck_assert(json_bool(json_get(json_get(arguments_of(node), "cache"), "direct")));
		lab_answer(node, LAB_OK);
		AUTO(json) struct json *device = lab_hear("device_add");
		ck_assert_str_eq(json_get_text(arguments_of(device), "driver"), "scsi-hd");
		ck_assert_int_eq(json_int(json_get(arguments_of(device), "lun")), i);
		lab_answer(device, LAB_OK);
		succeeds(&c);
		ck_assert_str_eq(c.address.scsi, places[i]);
		ck_assert_str_eq(c.address.pci, "");
	}
	ck_assert(hotplug_can(plugs, VMM_CAN_PLUG_DISK));
	ck_assert(!hotplug_can(plugs, VMM_CAN_PLUG_NIC));
}
END_TEST

/* The fd comes with the command. */
static void take_fd(void)
{
	char text[512];
	int fds[FD_PASS_MAX];
	size_t n = 0;
	struct err err = ERR_INIT;
	ssize_t len = fd_recv(lab_qemu, text, 1, fds, &n, &err);

	ck_assert_int_eq(len, 1);
	ck_assert_uint_eq(n, 1);
	(void)close(fds[0]);
	do {
		ck_assert_int_lt(len, (ssize_t)sizeof(text));
		ck_assert_int_eq(read(lab_qemu, text + len, 1), 1);
	} while (text[len++] != '\n');
	AUTO(json) struct json *command = json_parse(text, (size_t)len, "getfd", &err);
	ck_assert_str_eq(json_get_text(command, "execute"), "getfd");
	lab_answer(command, LAB_OK);
}

START_TEST(a_card_comes_and_goes)
{
	struct call c;

	call(&c, "n", &nic, LONG_MS);
	take_fd();
	AUTO(json) struct json *netdev = lab_hear("netdev_add");
	ck_assert_str_eq(json_get_text(arguments_of(netdev), "fd"), "plug0-tap");
	lab_answer(netdev, LAB_OK);
	AUTO(json) struct json *device = lab_hear("device_add");
	ck_assert_str_eq(json_get_text(arguments_of(device), "mac"), nic.nic.mac);
	lab_answer(device, LAB_OK);
	succeeds(&c);
	ck_assert_str_eq(c.address.pci, "1e/02");
	call(&c, "n", NULL, LONG_MS);
	meet("device_del", LAB_OK);
	deleted("plug0");
	meet("netdev_del", LAB_OK);
	succeeds(&c);
}
END_TEST

START_TEST(a_refused_card_gives_its_fd_back)
{
	struct call c;

	call(&c, "n", &nic, LONG_MS);
	take_fd();
	meet("netdev_add", REFUSED);
	meet("closefd", LAB_OK);
	fails(&c, E_FAILED);
	ck_assert_ptr_nonnull(strstr(c.err.msg, "plug in n: "));
}
END_TEST

/* --- places --- */

START_TEST(ids_and_slots_are_used_once)
{
	struct call c;

	for (unsigned i = 0; i < QEMU_BRIDGE_PLACES; i++) {
		AUTO(str) char *name = str_fmt("d%u", i), *pci = str_fmt("1e/%02x", i + 2);

		plug_disk(name, pci);
	}
	call(&c, "d7", &disk, LONG_MS);
	fails(&c, E_EXISTS);
	call(&c, "more", &disk, LONG_MS);
	fails(&c, E_LIMIT);
	ck_assert_ptr_nonnull(strstr(c.err.msg, "; set block_device_driver"));
	unplug_disk("d7", "plug7");
	call(&c, "d7", NULL, LONG_MS);
	fails(&c, E_NOT_FOUND);
	plug_disk("more", "1e/09");
}
END_TEST

START_TEST(a_machine_without_hotplug_refuses)
{
	static const struct vmm_device share = { .kind = VMM_FS_9P, .fs = { "tag", "/dir" } };
	struct call c;

	ck_assert(hotplug_can(plugs, VMM_CAN_PLUG_DISK | VMM_CAN_PLUG_NIC));
	call(&c, "s", &share, LONG_MS);
	fails(&c, E_UNSUPPORTED);
	config.bridges = 0;
	ck_assert(!hotplug_can(plugs, VMM_CAN_PLUG_DISK));
	call(&c, "d", &disk, LONG_MS);
	fails(&c, E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(c.err.msg, "; set default_bridges = 1"));
	config.machine_type = microvm;
	call(&c, "d", &disk, LONG_MS);
	fails(&c, E_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(c.err.msg, "; set machine_type = \"q35\""));
}
END_TEST

START_TEST(a_file_that_is_no_disk_is_refused)
{
	struct vmm_device wrong = { .kind = VMM_DISK, .disk = { "/dev/null", false } };
	struct call c;

	call(&c, "d", &wrong, LONG_MS);
	fails(&c, E_INVALID);
	wrong.disk.path = "/no/such";
	call(&c, "d", &wrong, LONG_MS);
	fails(&c, E_NOT_FOUND);
	plug_disk("d", "1e/02");
}
END_TEST

/* --- what goes wrong --- */

START_TEST(a_refused_device_removes_its_block_node)
{
	struct call c;

	call(&c, "d", &disk, LONG_MS);
	meet("blockdev-add", REFUSED);
	fails(&c, E_FAILED);
	ck_assert_ptr_nonnull(strstr(c.err.msg, "not today"));
	call(&c, "d", &disk, LONG_MS);
	meet("blockdev-add", LAB_OK);
	meet("device_add", REFUSED);
	meet("blockdev-del", LAB_OK);
	fails(&c, E_FAILED);
	plug_disk("d", "1e/02");
}
END_TEST

/* QEMU makes the device after the deadline: it is unplugged again, and its address is free. */
START_TEST(a_late_device_is_withdrawn)
{
	struct call c;

	call(&c, "d", &disk, STEP_MS);
	meet("blockdev-add", LAB_OK);
	AUTO(json) struct json *late = lab_hear("device_add");
	AUTO(json) struct json *undo = lab_hear("device_del");
	lab_answer(late, LAB_OK);
	lab_answer(undo, LAB_OK);
	deleted("plug0");
	meet("blockdev-del", LAB_OK);
	fails(&c, E_TIMEOUT);
	plug_disk("d", "1e/02");
}
END_TEST

START_TEST(a_device_that_was_never_made_is_withdrawn)
{
	struct call c;

	call(&c, "d", &disk, STEP_MS);
	meet("blockdev-add", LAB_OK);
	AUTO(json) struct json *late = lab_hear("device_add");
	meet("device_del", REFUSED); /* there is none */
	meet("blockdev-del", LAB_OK);
	fails(&c, E_TIMEOUT);
	lab_answer(late, REFUSED);
	plug_disk("d", "1e/02");
}
END_TEST

START_TEST(a_late_host_half_is_closed)
{
	struct call c;

	call(&c, "d", &disk, SHORT_MS);
	AUTO(json) struct json *late = lab_hear("blockdev-add");
	AUTO(json) struct json *undo = lab_hear("blockdev-del");
	lab_answer(late, LAB_OK);
	lab_answer(undo, LAB_OK);
	fails(&c, E_TIMEOUT);
	plug_disk("d", "1e/02");
}
END_TEST

START_TEST(the_event_may_come_before_the_answer)
{
	struct call c;

	plug_disk("d", "1e/02");
	call(&c, "d", NULL, LONG_MS);
	AUTO(json) struct json *command = lab_hear("device_del");
	deleted("plug0");
	lab_answer(command, LAB_OK);
	meet("blockdev-del", LAB_OK);
	succeeds(&c);
}
END_TEST

START_TEST(a_guest_may_eject_a_device)
{
	struct call c;

	plug_disk("d", "1e/02");
	plug_disk("e", "1e/03");
	deleted("plug0");
	call(&c, "e", NULL, LONG_MS); /* the event has been read then */
	meet("device_del", LAB_OK);
	deleted("plug1");
	meet("blockdev-del", LAB_OK);
	succeeds(&c);
	call(&c, "d", NULL, LONG_MS);
	meet("blockdev-del", LAB_OK);
	succeeds(&c);
}
END_TEST

/* The second time QEMU refuses device_del, and the guest has released the device meanwhile. */
START_TEST(a_guest_that_holds_a_device_can_be_asked_again)
{
	struct call c;

	plug_disk("d", "1e/02");
	call(&c, "d", NULL, SHORT_MS);
	meet("device_del", LAB_OK);
	fails(&c, E_TIMEOUT);
	call(&c, "d", NULL, LONG_MS);
	meet("device_del", REFUSED);
	deleted("plug0");
	meet("blockdev-del", LAB_OK);
	succeeds(&c);
}
END_TEST

/* The disk is closed on the host, and its place is free. */
START_TEST(a_guest_that_lets_go_late_gives_the_disk_back)
{
	struct call c;

	plug_disk("d", "1e/02");
	call(&c, "d", NULL, SHORT_MS);
	meet("device_del", LAB_OK);
	fails(&c, E_TIMEOUT);
	plug_disk("e", "1e/03"); /* the place is still taken */
	deleted("plug0");
	AUTO(json) struct json *closes = lab_hear("blockdev-del");
	ck_assert_str_eq(json_get_text(arguments_of(closes), "node-name"), "plug0");
	lab_answer(closes, LAB_OK);
	call(&c, "d", NULL, LONG_MS);
	fails(&c, E_NOT_FOUND);
	plug_disk("d", "1e/02");
}
END_TEST

/* The same after a device_add that was not answered in time, and a removal that was not either. */
START_TEST(a_lost_device_that_goes_late_gives_its_place_back)
{
	struct call c;

	call(&c, "d", &disk, STEP_MS);
	meet("blockdev-add", LAB_OK);
	AUTO(json) struct json *late = lab_hear("device_add");
	AUTO(json) struct json *undo = lab_hear("device_del");
	fails(&c, E_TIMEOUT);
	lab_answer(late, LAB_OK);
	lab_answer(undo, LAB_OK);
	deleted("plug0");
	meet("blockdev-del", LAB_OK);
	plug_disk("d", "1e/02");
}
END_TEST

/* QEMU does not answer that it has closed the disk: it still does, before anything later. */
START_TEST(a_disk_that_closes_late_is_gone)
{
	struct call c;

	plug_disk("d", "1e/02");
	call(&c, "d", NULL, STEP_MS);
	meet("device_del", LAB_OK);
	deleted("plug0");
	AUTO(json) struct json *late = lab_hear("blockdev-del");
	fails(&c, E_TIMEOUT);
	lab_answer(late, LAB_OK);
	plug_disk("d", "1e/02");
}
END_TEST

START_TEST(a_guest_may_refuse)
{
	struct call c;

	plug_disk("d", "1e/02");
	call(&c, "d", NULL, LONG_MS);
	meet("device_del", LAB_OK);
	lab_say("{\"event\": \"DEVICE_UNPLUG_GUEST_ERROR\", \"data\": {\"device\": "
		"\"plug0\"}}\r\n");
	fails(&c, E_STATE);
	unplug_disk("d", "plug0");
}
END_TEST

START_TEST(a_disk_grows)
{
	struct err err = ERR_INIT;

	ck_assert_int_lt(hotplug_grow(plugs, "d", 1 << 20, deadline_in(LONG_MS), &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	plug_disk("d", "1e/02");
	err_clear(&err);
	ck_assert_int_lt(hotplug_grow(plugs, "d", 1 << 20, deadline_in(SHORT_MS), &err), 0);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	AUTO(json) struct json *command = lab_hear("block_resize");
	ck_assert_str_eq(json_get_text(arguments_of(command), "node-name"), "plug0");
	ck_assert_int_eq(json_int(json_get(arguments_of(command), "size")), 1 << 20);
	lab_answer(command, LAB_OK);
	unplug_disk("d", "plug0");
}
END_TEST

START_TEST(the_end_of_qemu_ends_the_wait)
{
	struct call c;

	plug_disk("d", "1e/02");
	call(&c, "d", NULL, LONG_MS);
	meet("device_del", LAB_OK);
	fd_close(&lab_qemu);
	fails(&c, E_GONE);
	call(&c, "e", &disk, LONG_MS);
	fails(&c, E_GONE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hotplug");
	TCase *tc = tcase_create("hotplug");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_disk_comes_and_goes);
	tcase_add_test(tc, a_disk_has_the_sectors_of_the_configuration);
	tcase_add_test(tc, a_scsi_disk_needs_no_slot);
	tcase_add_test(tc, a_card_comes_and_goes);
	tcase_add_test(tc, a_refused_card_gives_its_fd_back);
	tcase_add_test(tc, ids_and_slots_are_used_once);
	tcase_add_test(tc, a_machine_without_hotplug_refuses);
	tcase_add_test(tc, a_file_that_is_no_disk_is_refused);
	tcase_add_test(tc, a_refused_device_removes_its_block_node);
	tcase_add_test(tc, a_late_device_is_withdrawn);
	tcase_add_test(tc, a_device_that_was_never_made_is_withdrawn);
	tcase_add_test(tc, a_late_host_half_is_closed);
	tcase_add_test(tc, the_event_may_come_before_the_answer);
	tcase_add_test(tc, a_guest_may_eject_a_device);
	tcase_add_test(tc, a_guest_that_holds_a_device_can_be_asked_again);
	tcase_add_test(tc, a_guest_that_lets_go_late_gives_the_disk_back);
	tcase_add_test(tc, a_lost_device_that_goes_late_gives_its_place_back);
	tcase_add_test(tc, a_disk_that_closes_late_is_gone);
	tcase_add_test(tc, a_guest_may_refuse);
	tcase_add_test(tc, a_disk_grows);
	tcase_add_test(tc, the_end_of_qemu_ends_the_wait);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
