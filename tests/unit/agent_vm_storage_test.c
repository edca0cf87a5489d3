// SPDX-License-Identifier: Apache-2.0
/* Storages of every kind in a VM, as its kernel sees them. */

#include "tests/unit/agent_vm_lab.h"

#include "base/path.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- storages --- */

#define KATA "/run/kata-containers"

/* A container that sees the guest's /proc and what the agent has mounted. */
static void guest_says(const char *id, const char *script, const char *expect)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	AUTO(str) char *text = NULL;
	struct lab_container c;
	AUTO(str)
	char *json =
		str_fmt("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\",\"-c\",\"%s\"],"
			"\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},"
			"\"root\":{\"path\":\"%s\"},\"mounts\":[{\"destination\":\"/"
			"guest\",\"type\":\"bind\","
			"\"source\":\"/proc\",\"options\":[\"rbind\"]},{\"destination\":\"/"
			"k\",\"type\":\"bind\","
			"\"source\":\"" KATA "\",\"options\":[\"rbind\"]}],"
			"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"}]}}",
			script, lab_rootfs());

	lab_container_spec(&c, id, json);
	(void)lab_must("CreateContainer", &c.request, NULL);
	lab_container_free(&c);
	start.container_id = (char *)id;
	(void)lab_must("StartContainer", &start, NULL);
	text = lab_read("ReadStdout", id, "");
	ck_assert_str_eq(text, expect);
	ck_assert_int_eq(lab_wait(id, ""), 0);
	lab_remove(id);
}

static void storage(Grpc__Storage *s, const char *driver, const char *source, const char *type,
		    const char *options, const char *mount_point)
{
	static char *lists[16];
	static size_t n;

	grpc__storage__init(s);
	s->driver = (char *)driver;
	s->source = (char *)source;
	s->fstype = (char *)type;
	s->mount_point = (char *)mount_point;
	lists[n] = (char *)options;
	s->options = &lists[n++];
	s->n_options = *options ? 1 : 0;
}

static void create_with(Grpc__Storage *v, size_t n)
{
	Grpc__CreateSandboxRequest r = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__Storage *list[16];

	ck_assert_uint_le(n, ARRAY_LEN(list));
	for (size_t i = 0; i < n; i++)
		list[i] = &v[i];
	r.sandbox_id = (char *)"vm";
	r.storages = list;
	r.n_storages = n;
	(void)lab_must("CreateSandbox", &r, NULL);
}

static void grow_ephemeral(void)
{
	Grpc__UpdateEphemeralMountsRequest r = GRPC__UPDATE_EPHEMERAL_MOUNTS_REQUEST__INIT;
	Grpc__Storage s, *list[] = { &s };

	storage(&s, "ephemeral", "tmpfs", "tmpfs", "size=2m", KATA "/sandbox/tmp");
	r.storages = list;
	r.n_storages = 1;
	ck_assert_uint_eq(vm_volume_size(s.mount_point), 1 << 20);
	(void)lab_must("UpdateEphemeralMounts", &r, NULL);
	ck_assert_uint_eq(vm_volume_size(s.mount_point), 2 << 20);
	s.mount_point = (char *)KATA "/sandbox/scsi";
	lab_must_fail("UpdateEphemeralMounts", &r, E_STATE);
	s.mount_point = (char *)"/etc";
	lab_must_fail("UpdateEphemeralMounts", &r, E_INVALID);
}

static void see_huge_pages(void)
{
	guest_says("huge",
		   "grep -c 'HugePages_Total: *2$' /guest/meminfo; grep -c "
		   "' /run/kata-containers/sandbox/huge hugetlbfs .*pagesize=2M' /guest/1/mounts; "
		   "stat -c '%a %g' /k/sandbox/huge",
		   "1\n1\n2777 77\n");
}

static void add_swaps(void)
{
	uint32_t slots[] = { 7 };
	Grpc__AddSwapRequest by_slot = GRPC__ADD_SWAP_REQUEST__INIT;
	Grpc__AddSwapPathRequest by_path = GRPC__ADD_SWAP_PATH_REQUEST__INIT;

	by_slot.pcipath = slots;
	by_slot.n_pcipath = 1;
	(void)lab_must("AddSwap", &by_slot, NULL);
	by_path.path = (char *)vm_disk(2);
	(void)lab_must("AddSwapPath", &by_path, NULL);
	guest_says("swap", "grep -c '^/dev/vd[b-d] ' /guest/swaps", "2\n");
	lab_must_fail("AddSwapPath", &by_path, E_FAILED); /* it is in use */
}

/* What the host changes is seen by a container that has the directory already. */
static void watch_for_changes(void)
{
	static const char name[] = LAB_SHARED "/config/key";

	guest_says("before", "cat /k/shared/containers/watchable/config/key", "old");
	vm_copy(name, S_IFREG | 0644, "new", 3);
	guest_says("after",
		   "for i in 0 1 2 3 4 5 6 7 8 9; do grep -q new "
		   "/k/shared/containers/watchable/config/key && break; sleep 1; done; "
		   "cat /k/shared/containers/watchable/config/key",
		   "new");
}

#define DISK(file, id) "if=none,id=" id ",format=raw,file=" file

START_TEST(storages_of_every_kind)
{
	AUTO(str) char *one = vm_make_disk("one", "/sbin/mkfs.ext4");
	AUTO(str) char *two = vm_make_disk("two", "/sbin/mkfs.ext4");
	AUTO(str) char *three = vm_make_disk("three", "/sbin/mkswap");
	AUTO(str) char *four = vm_make_disk("four", "/sbin/mkswap");
	AUTO(str) char *d1 = str_fmt(DISK("%s", "d1"), one), *d2 = str_fmt(DISK("%s", "d2"), two);
	AUTO(str)
	char *d3 = str_fmt(DISK("%s", "d3"), three), *d4 = str_fmt(DISK("%s", "d4"), four);
	Grpc__RemoveStaleVirtiofsShareMountsRequest stale =
		GRPC__REMOVE_STALE_VIRTIOFS_SHARE_MOUNTS_REQUEST__INIT;
	Grpc__Storage v[9];
	AUTO(str)
	char *is = str_fmt("/dev/sda /run/kata-containers/sandbox/scsi ext4 rw\n"
			   "%s /run/kata-containers/sandbox/mmio ext4 ro\n"
			   "tmpfs /run/kata-containers/sandbox/tmp tmpfs rw\n"
			   "overlay /run/kata-containers/sandbox/overlay overlay rw\n"
			   "tmpfs /run/kata-containers/sandbox/bound tmpfs ro\n"
			   "tmp 2777 77\nlocal/up 2770 78\nlocal/work 755 0\nlow\nlow\nup\nkept\n"
			   "lost+found\nnew\n",
			   vm_disk(0));

	vm_boot_with("quiet", ARGV("-drive", d1, "-drive", d2, "-drive", d3, "-drive", d4,
				   "-device", "virtio-scsi-pci,id=s", "-device",
				   "scsi-hd,drive=d1,bus=s.0,scsi-id=1,lun=2", "-device",
				   "virtio-blk-pci,drive=d2,addr=6", "-device",
				   "virtio-blk-pci,drive=d3,addr=7", "-device",
				   "virtio-blk-pci,drive=d4,addr=8"));
	vm_copy(LAB_SHARED "/lower/file", S_IFREG | 0644, "low\n", 4);
	vm_copy(LAB_SHARED "/config/key", S_IFREG | 0644, "old", 3);
	storage(&v[0], "scsi", "1:2", "ext4", "noatime", KATA "/sandbox/scsi");
	storage(&v[1], "mmioblk", vm_disk(0), "ext4", "ro", KATA "/sandbox/mmio");
	storage(&v[2], "ephemeral", "tmpfs", "tmpfs", "size=1m,noexec,fsgid=77",
		KATA "/sandbox/tmp");
	storage(&v[3], "local", "local", "local", "mode=0770,fsgid=78", KATA "/sandbox/local/up");
	storage(&v[4], "local", "local", "local", "mode=0755", KATA "/sandbox/local/work");
	storage(&v[5], "overlayfs", "overlay", "overlay",
		"lowerdir=" LAB_SHARED "/lower,upperdir=" KATA "/sandbox/local/up,workdir=" KATA
		"/sandbox/local/work",
		KATA "/sandbox/overlay");
	storage(&v[6], "bind", LAB_SHARED "/lower", "bind", "ro", KATA "/sandbox/bound");
	storage(&v[7], "watchable-bind", LAB_SHARED "/config", "bind", "",
		LAB_SHARED "/watchable/config");
	storage(&v[8], "ephemeral", "nodev", "hugetlbfs", "pagesize=2097152,size=4194304,fsgid=77",
		KATA "/sandbox/huge");
	create_with(v, ARRAY_LEN(v));
	vm_copy_busybox();
	guest_says(
		"kinds",
		"cd /k/sandbox; for d in scsi mmio tmp overlay bound; do grep -o "
		"'^[^ ]* /run/kata-containers/sandbox/'$d' [^,]*' /guest/1/mounts; done; stat -c "
		"'%n %a %g' tmp local/up local/work; cat overlay/file bound/file; echo up > "
		"overlay/new; cat local/up/new; echo x > bound/new || echo x > mmio/new || echo "
		"kept; "
		"echo x > scsi/new && ls scsi",
		is);
	grow_ephemeral();
	see_huge_pages();
	add_swaps();
	watch_for_changes();
	(void)lab_must("RemoveStaleVirtiofsShareMounts", &stale, NULL);
	vm_end();
}
END_TEST

START_TEST(a_disk_comes_grows_and_holds_a_container)
{
	AUTO(str) char *disk = vm_make_disk("disk", "/sbin/mkfs.ext4");
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

	vm_boot_with("quiet", ARGV("-device", "pcie-root-port,id=rp0,bus=pcie.0,chassis=1,addr=5"));
	create_with(NULL, 0);
	vm_copy_busybox();
	fd = vm_qmp_open();
	vm_qmp(fd, add);
	vm_qmp(fd, "{\"execute\":\"device_add\",\"arguments\":{\"driver\":\"virtio-blk-pci\","
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
	before = vm_volume_size(s.mount_point);
	vm_qmp(fd, "{\"execute\":\"block_resize\",\"arguments\":{\"node-name\":\"d\","
		   "\"size\":67108864}}");
	resize.volume_guest_path = s.mount_point;
	resize.size = 64 << 20;
	(void)lab_must("ResizeVolume", &resize, NULL);
	ck_assert_uint_gt(vm_volume_size(s.mount_point), before * 3);
	gone.container_id = (char *)"disk";
	(void)lab_must("RemoveContainer", &gone, NULL);
	(void)close(fd);
	vm_end();
}
END_TEST

static void add_tests(TCase *tc)
{
	tcase_add_test(tc, storages_of_every_kind);
	tcase_add_test(tc, a_disk_comes_grows_and_holds_a_container);
}

int main(void)
{
	if (!path_exists("/sbin/mkfs.ext4") || !path_exists("/sbin/mkswap")) {
		(void)printf("skipped: needs mkfs.ext4 and mkswap\n");
		return 0;
	}
	return vm_main("agent's storages in a VM", add_tests);
}
