// SPDX-License-Identifier: Apache-2.0
/* QEMU's command line: network cards, and room for processors, memory and devices plugged later. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "vmm/probe.h"
#include "vmm/qemu/cmdline.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>

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
					.image = empty,
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
	/* A guest's blocks of memory are not to be larger than a step. */
	{ "q35",
	  true,
	  10,
	  { 1, 63487 },
	  { 1, 1 << 17 },
	  "1",
	  "63487M,slots=1,maxmem=131071M",
	  true },
	{ "q35",
	  true,
	  10,
	  { 1, 67584 },
	  { 1, 1 << 17 },
	  "1",
	  "67712M,slots=1,maxmem=131072M",
	  true },
	{ "q35",
	  false,
	  9,
	  { 1, 67585 },
	  { 1, 1 << 17 },
	  "1",
	  "67712M,slots=9,maxmem=131072M",
	  false },
	{ "q35",
	  false,
	  9,
	  { 1, 67713 },
	  { 1, 1 << 17 },
	  "1",
	  "67968M,slots=9,maxmem=131072M",
	  false },
	{ "q35", true, 10, { 1, 67584 }, { 1, 67584 }, "1", "67584M", false },
	/* Nor if QEMU may begin at 1 TiB. The emulated processor has addresses of 40 bits. */
	{ "q35", true, 10, { 1, 4096 }, { 1, 2 << 20 }, "1", "4224M,slots=1,maxmem=916480M", true },
	{ "q35", true, 10, { 1, 2048 }, { 1, 2 << 20 }, "1", "2048M,slots=1,maxmem=916480M", true },
	{ "q35",
	  false,
	  255,
	  { 1, 256 },
	  { 1, 2 << 20 },
	  "1",
	  "256M,slots=255,maxmem=656384M",
	  false },
	{ "microvm", true, 10, { 1, 67584 }, { 1, 1 << 17 }, "1", "67584M", false },
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
	AUTO(str) char *memory = NULL;

	config.virtio_mem = sizes[_i].virtio_mem;
	config.memory_slots = sizes[_i].slots;
	argv = qemu_command_line(&r);
	ck_assert_msg(has_pair(argv, "-smp", sizes[_i].smp), "%s", sizes[_i].smp);
	ck_assert_msg(has_pair(argv, "-m", sizes[_i].m), "%s", sizes[_i].m);
	memory = str_fmt("memory-backend-ram,id=ram,size=%.*s,prealloc=off",
			 (int)strcspn(sizes[_i].m, ","), sizes[_i].m);
	ck_assert_msg(has_pair(argv, "-object", memory), "%s", memory);
	ck_assert_int_eq(has_pair(argv, "-device", PORT), sizes[_i].port);
}
END_TEST

/* --- memory --- */

static const struct {
	enum vmm_device_kind share;
	bool hugepages;
	const char *backend, *object;
} memories[] = {
	{ VMM_FS_9P, false, "", "memory-backend-ram,id=ram,size=256M,prealloc=off" },
	{ VMM_FS_VHOST_USER, false, "",
	  "memory-backend-memfd,id=ram,size=256M,prealloc=off,share=on" },
	{ VMM_FS_9P, true, "",
	  "memory-backend-memfd,id=ram,size=256M,prealloc=off,share=on,hugetlb=on" },
	{ VMM_FS_9P, false, "/dev/shm",
	  "memory-backend-file,id=ram,size=256M,prealloc=off,share=on,mem-path=/dev/shm" },
};

/* Of a private mapping of a file, each page would exist twice. */
START_TEST(memory_in_a_file_is_mapped_shared)
{
	AUTO(str) char *machine = xstrdup("q35"), *backend = xstrdup(memories[_i].backend);
	const struct vmm_device share = { .kind = memories[_i].share, .fs = { "tag", "/dir" } };
	struct runtime_config config = config_with(machine);
	const struct vmm_request r = { .config = &config,
				       .dir = "/dir",
				       .accelerator = "kvm",
				       .devices = &share,
				       .ndevices = 1,
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = { 1, 256 } };
	AUTO(strv) char **argv = NULL;

	config.file_mem_backend = backend;
	config.hugepages = memories[_i].hugepages;
	argv = qemu_command_line(&r);
	ck_assert_msg(has_pair(argv, "-object", memories[_i].object), "%s", memories[_i].object);
}
END_TEST

/* The size of a file of huge pages is a multiple of theirs. */
START_TEST(huge_pages_are_whole)
{
	AUTO(str) char *machine = xstrdup("q35"), *memory = NULL, *m = NULL;
	struct runtime_config config = config_with(machine);
	const struct vmm_request r = { .config = &config,
				       .dir = "/dir",
				       .accelerator = "tcg",
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = { 1, 301 },
				       .most = { 1, 1 << 16 } };
	AUTO(strv) char **argv = NULL;
	uint64_t unit, mib;

	config.hugepages = config.virtio_mem = true;
	unit = qemu_memory_unit(&config);
	if (unit == 1) {
		(void)printf("skipped: this machine has no huge pages\n");
		return;
	}
	mib = (301 + unit - 1) / unit * unit;
	memory = str_fmt("memory-backend-memfd,id=ram,size=%lluM,prealloc=off,share=on,hugetlb=on",
			 (unsigned long long)mib);
	m = str_fmt("%lluM,", (unsigned long long)mib);
	argv = qemu_command_line(&r);
	ck_assert_msg(has_pair(argv, "-object", memory), "%s", memory);
	for (size_t i = 0; argv[i] && argv[i + 1]; i++)
		ck_assert(!str_eq(argv[i], "-m") || str_starts(argv[i + 1], m));
	ck_assert_uint_eq(qemu_grows_memory(&r) % unit, 0);
	ck_assert_uint_ge(qemu_memory_step(&config), unit);
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

/* --- the list of what QEMU must have --- */

static const struct {
	const char *option, *name;
} listed[] = {
#define QEMU_MACHINE(name, option) { "-machine", name },
#define QEMU_DEVICE(type, option)  { "-device", type },
#define QEMU_OBJECT(type)          { "-object", type },
#define QEMU_OPTION(option)
#include "vmm/qemu/devices.def"
};

static bool is_listed(const char *option, const char *value)
{
	size_t n = strcspn(value, ",");

	for (size_t i = 0; i < ARRAY_LEN(listed); i++) {
		if (str_eq(listed[i].option, option) && strlen(listed[i].name) == n &&
		    strncmp(listed[i].name, value, n) == 0)
			return true;
	}
	return false;
}

/* Every combination of the settings that choose devices. */
START_TEST(devices_on_the_command_line_are_in_devices_def)
{
	static const struct vmm_device shares[] = {
		{ .kind = VMM_FS_9P, .fs = { "tag", "/dir" } },
		{ .kind = VMM_FS_VHOST_USER, .fs = { "tag", "/dir" } },
	};
	AUTO(str) char *machine = xstrdup(_i & 1 ? "microvm" : "q35");
	AUTO(str) char *driver = xstrdup(_i & 2 ? "virtio-scsi" : "virtio-blk");
	AUTO(str) char *backend = xstrdup(_i & 4 ? "/dev/shm" : "");
	const struct vmm_device both[] = { shares[_i >> 3 & 1], devices[1] };
	struct runtime_config config = config_with(machine);
	struct vmm_request r = { .config = &config,
				 .dir = "/dir",
				 .accelerator = "kvm",
				 .devices = both,
				 .ndevices = ARRAY_LEN(both),
				 .netns = -1,
				 .vhost_vsock = _i & 16 ? 40 : -1,
				 .size = { 1, 256 },
				 .most = { 4, 1024 } };
	AUTO(strv) char **argv = NULL;
	unsigned seen = 0;

	config.bridges = config.pcie_root_ports = 1;
	config.virtio_mem = true;
	config.legacy_serial = _i & 32;
	config.block_driver = driver;
	config.file_mem_backend = backend;
	if (_i & 64) {
		config.image = qemu;
		config.initrd = empty;
		config.image_nvdimm_off = _i & 32;
	}
	argv = qemu_command_line(&r);
	for (size_t i = 0; argv[i] && argv[i + 1]; i++) {
		if (!str_eq(argv[i], "-machine") && !str_eq(argv[i], "-device") &&
		    !str_eq(argv[i], "-object"))
			continue;
		ck_assert_msg(is_listed(argv[i], argv[i + 1]),
			      "devices.def does not list what %s %s asks for", argv[i],
			      argv[i + 1]);
		seen++;
	}
	ck_assert_uint_ge(seen, 7);
}
END_TEST

/* --- firmware --- */

static const struct {
	const char *folder, *found; /* of share/ beside QEMU's bin/ */
} firmwares[] = {
	{ "kata-qemu", "kata-qemu/qboot.rom" },
	{ "qemu", "qemu/qboot.rom" },
	{ "other", NULL },
};

START_TEST(firmware_is_beside_the_vmm)
{
	char dir[SCRATCH_DIR];
	AUTO(str) char *machine = xstrdup("q35"), *share = NULL, *rom = NULL, *program = NULL;
	AUTO(str) char *found = NULL;
	struct runtime_config config = config_with(machine);
	struct vmm_request r = { .config = &config,
				 .dir = "/dir",
				 .accelerator = "tcg",
				 .netns = -1,
				 .vhost_vsock = -1,
				 .size = { 1, 256 } };
	AUTO(strv) char **argv = NULL;
	struct err err = ERR_INIT;

	scratch_make(dir, "cmdline");
	share = str_fmt("%s/share/%s", dir, firmwares[_i].folder);
	rom = path_join(share, "qboot.rom");
	program = path_join(dir, "bin/qemu-system-x86_64");
	found = str_fmt("%s/share/%s", dir, firmwares[_i].found ? firmwares[_i].found : "");
	ck_assert_int_eq(path_make(share, 0755, &err), 0);
	ck_assert_int_eq(file_replace(AT_FDCWD, rom, "rom", 3, 0644, &err), 0);
	config.qemu_path = program;
	argv = qemu_command_line(&r);
	ck_assert_int_eq(path_remove_tree(dir, &err), 0);
	ck_assert_int_eq(has_pair(argv, "-bios", found), firmwares[_i].found != NULL);
	ck_assert_int_eq(strv_has(argv, "-bios"), firmwares[_i].found != NULL);
}
END_TEST

/* The error comes from the runtime, before QEMU is started. */
START_TEST(a_missing_kvm_that_is_required_is_an_error)
{
	struct err err = ERR_INIT;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/dev", "tmpfs", 0, NULL) < 0) {
		(void)printf("skipped: mounting needs root\n");
		return;
	}
	ck_assert_int_eq(vmm_may_insist("", "a.toml", &err), 0);
	ck_assert_int_eq(vmm_may_insist("tcg", "a.toml", &err), 0);
	ck_assert_int_lt(vmm_may_insist("kvm", "a.toml", &err), 0);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	ck_assert_msg(
		strstr(err.msg, "a.toml: accelerator = \"kvm\", but /dev/kvm: no such file") &&
			strstr(err.msg, "load kvm_intel"),
		"%s", err.msg);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("command line");
	TCase *tc = tcase_create("command line");

	tcase_add_loop_test(tc, network_cards_have_their_fds, 0, (int)ARRAY_LEN(cases));
	tcase_add_loop_test(tc, a_vm_has_room_to_grow, 0, (int)ARRAY_LEN(sizes));
	tcase_add_loop_test(tc, memory_in_a_file_is_mapped_shared, 0, (int)ARRAY_LEN(memories));
	tcase_add_test(tc, huge_pages_are_whole);
	tcase_add_loop_test(tc, there_is_room_for_devices, 0, (int)ARRAY_LEN(rooms));
	tcase_add_loop_test(tc, devices_on_the_command_line_are_in_devices_def, 0, 128);
	tcase_add_loop_test(tc, firmware_is_beside_the_vmm, 0, (int)ARRAY_LEN(firmwares));
	tcase_add_test(tc, a_missing_kvm_that_is_required_is_an_error);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
