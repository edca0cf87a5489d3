// SPDX-License-Identifier: Apache-2.0
/* What of a request is on QEMU's command line: network cards, and room for what comes later. */

#include "base/mem.h"
#include "base/str.h"
#include "vmm/qemu/cmdline.h"

#include <check.h>
#include <stdlib.h>

static const struct vmm_device devices[] = {
	{ .kind = VMM_FS_9P, .fs = { "tag", "/dir" } },
	{ .kind = VMM_NIC, .nic = { "02:00:00:00:00:01", 40, 41 } },
	{ .kind = VMM_NIC, .nic = { "02:00:00:00:00:02", 42, -1 } },
};

/* vhost-net writes to the guest's memory behind QEMU's back, which only KVM bears. */
static const struct {
	const char *machine, *accelerator, *netdev[2], *device[2];
} cases[] = {
	{ "q35",
	  "kvm",
	  { "tap,id=net1,fd=6,vhost=on,vhostfd=7", "tap,id=net2,fd=8" },
	  { "virtio-net-pci,netdev=net1,mac=02:00:00:00:00:01,romfile=",
	    "virtio-net-pci,netdev=net2,mac=02:00:00:00:00:02,romfile=" } },
	{ "q35",
	  "tcg",
	  { "tap,id=net1,fd=6", "tap,id=net2,fd=8" },
	  { "virtio-net-pci,netdev=net1,mac=02:00:00:00:00:01,romfile=",
	    "virtio-net-pci,netdev=net2,mac=02:00:00:00:00:02,romfile=" } },
	{ "microvm",
	  "tcg",
	  { "tap,id=net1,fd=6", "tap,id=net2,fd=8" },
	  { "virtio-net-device,netdev=net1,mac=02:00:00:00:00:01",
	    "virtio-net-device,netdev=net2,mac=02:00:00:00:00:02" } },
};

static bool has_pair(char *const *argv, const char *option, const char *value)
{
	for (size_t i = 0; argv[i] && argv[i + 1]; i++) {
		if (str_eq(argv[i], option) && str_eq(argv[i + 1], value))
			return true;
	}
	return false;
}

static char empty[] = "", qemu[] = "qemu", entropy[] = "/dev/urandom";

static struct runtime_config config_with(char *machine)
{
	return (struct runtime_config){ .qemu_path = qemu,
					.kernel = qemu,
					.initrd = qemu,
					.machine_type = machine,
					.kernel_params = empty,
					.firmware = empty,
					.machine_accelerators = empty,
					.cpu_features = empty,
					.seccomp_sandbox = empty,
					.entropy_source = entropy,
					.file_mem_backend = empty };
}

START_TEST(network_cards_have_their_fds)
{
	AUTO(str) char *machine = xstrdup(cases[_i].machine);
	const struct runtime_config config = config_with(machine);
	const struct vmm_request r = { .config = &config,
				       .dir = "/dir",
				       .accelerator = cases[_i].accelerator,
				       .devices = devices,
				       .ndevices = ARRAY_LEN(devices),
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = { 1, 256 } };
	AUTO(strv) char **argv = qemu_command_line(&r);

	for (int i = 0; i < 2; i++) {
		ck_assert_msg(has_pair(argv, "-netdev", cases[_i].netdev[i]), "%s",
			      cases[_i].netdev[i]);
		ck_assert_msg(has_pair(argv, "-device", cases[_i].device[i]), "%s",
			      cases[_i].device[i]);
		ck_assert(qemu_tap_fd((size_t)i + 1) == 6 + 2 * i);
	}
	ck_assert_int_eq(qemu_uses_vhost_net(&r, 1), str_eq(cases[_i].accelerator, "kvm"));
	ck_assert(!qemu_uses_vhost_net(&r, 2));
	/* spawn's numbers end there. */
	ck_assert_int_le(qemu_vhost_net_fd(VMM_DEVICES_MAX), 63);
}
END_TEST

/* --- room to grow --- */

#define PORT "pcie-root-port,id=growth,bus=pcie.0,chassis=1,slot=0"

static const struct {
	const char *machine;
	bool virtio_mem;
	int64_t slots;
	struct vmm_size size, most;
	const char *smp, *m;
	bool port;
} sizes[] = {
	{ "q35", true, 10, { 1, 256 }, { 1, 256 }, "1", "256M", false },
	{ "q35", true, 10, { 1, 256 }, { 4, 256 }, "1,maxcpus=4", "256M", false },
	{ "q35", true, 10, { 2, 256 }, { 1, 1024 }, "2", "256M,slots=1,maxmem=1024M", true },
	{ "q35", false, 10, { 1, 300 }, { 1, 1024 }, "1", "300M,slots=10,maxmem=940M", false },
	{ "q35", false, 0, { 1, 256 }, { 1, 1024 }, "1", "256M", false },
	{ "q35", true, 0, { 1, 256 }, { 1, 300 }, "1", "256M", false }, /* no whole step */
	{ "microvm", true, 10, { 1, 256 }, { 4, 1024 }, "1", "256M", false },
};

START_TEST(a_vm_has_room_to_grow)
{
	AUTO(str) char *machine = xstrdup(sizes[_i].machine);
	struct runtime_config config = config_with(machine);
	const struct vmm_request r = { .config = &config,
				       .dir = "/dir",
				       .accelerator = "tcg",
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = sizes[_i].size,
				       .most = sizes[_i].most };
	AUTO(strv) char **argv = NULL;

	config.virtio_mem = sizes[_i].virtio_mem;
	config.memory_slots = sizes[_i].slots;
	argv = qemu_command_line(&r);
	ck_assert_msg(has_pair(argv, "-smp", sizes[_i].smp), "%s", sizes[_i].smp);
	ck_assert_msg(has_pair(argv, "-m", sizes[_i].m), "%s", sizes[_i].m);
	ck_assert_int_eq(has_pair(argv, "-device", PORT), sizes[_i].port);
}
END_TEST

/* What is plugged in later needs a bridge with something behind it, or a controller. */
static const struct {
	const char *machine, *driver;
	int64_t bridges;
	bool has_bridge, has_scsi;
} rooms[] = {
	{ "q35", "virtio-blk", 1, true, false },       { "q35", "virtio-blk", 0, false, false },
	{ "q35", "virtio-scsi", 1, true, true },       { "q35", "virtio-scsi", 0, false, true },
	{ "microvm", "virtio-scsi", 1, false, false },
};

START_TEST(there_is_room_for_devices)
{
	AUTO(str) char *machine = xstrdup(rooms[_i].machine), *driver = xstrdup(rooms[_i].driver);
	struct runtime_config config = config_with(machine);
	const struct vmm_request r = { .config = &config,
				       .dir = "/dir",
				       .accelerator = "tcg",
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = { 1, 256 } };
	AUTO(strv) char **argv = NULL;

	config.bridges = rooms[_i].bridges;
	config.block_driver = driver;
	argv = qemu_command_line(&r);

	ck_assert_int_eq(qemu_has_bridge(&config), rooms[_i].has_bridge);
	ck_assert_int_eq(
		has_pair(argv, "-device",
			 "pci-bridge,id=bridge0,bus=pcie.0,addr=0x1e,chassis_nr=1,shpc=off"),
		rooms[_i].has_bridge);
	ck_assert_int_eq(has_pair(argv, "-device",
				  "virtio-rng-pci,rng=rng0,bus=bridge0,addr=0x1,disable-legacy=on"),
			 rooms[_i].has_bridge);
	ck_assert_int_eq(has_pair(argv, "-device", "virtio-scsi-pci,id=scsi0"), rooms[_i].has_scsi);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command line");
	TCase *tc = tcase_create("command line");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, network_cards_have_their_fds, 0, (int)ARRAY_LEN(cases));
	tcase_add_loop_test(tc, a_vm_has_room_to_grow, 0, (int)ARRAY_LEN(sizes));
	tcase_add_loop_test(tc, there_is_room_for_devices, 0, (int)ARRAY_LEN(rooms));
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
