// SPDX-License-Identifier: Apache-2.0
/*
 * Builds QEMU's command line. The machine is q35, which hotplug needs, or microvm. The kernel is an
 * uncompressed one, booted by PVH with the firmware qboot if QEMU has it.
 */

#include "vmm/qemu/cmdline.h"
#include "vmm/qemu/tsc.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "vmm/vsock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

/* How long the agent waits for a plugged device. Its own default, 3 s, is too short on a busy host
 * without KVM. */
enum { HOTPLUG_S = 20 };

/* Ports for console, agent and the agent's log. The guest allocates queues for each possible port;
 * with QEMU's default of 31 these would take most of a megabyte. */
enum { SERIAL_PORTS = 3 };

enum { KIB = 1024, MEMINFO_MAX = 64 * KIB };
#define HUGE_PAGE "Hugepagesize:"

static bool is_microvm(const struct runtime_config *c)
{
	return str_eq(c->machine_type, "microvm");
}

static const char *bus(const struct runtime_config *c)
{
	return is_microvm(c) ? "device" : "pci";
}

/* See tsc.h. */
static bool needs_tsc(const struct vmm_request *r)
{
	return is_microvm(r->config) && str_eq(r->accelerator, "tcg");
}

/* The guest's name for the disk with the root image, which is its first one; "pN" or "N" is a
 * partition. */
static const char *root_disk(const struct runtime_config *c)
{
	return config_has_nvdimm(c) ? "/dev/pmem0p" : "/dev/vda";
}

/*
 * Kernel parameters for a root on dm-verity: "NAME,UUID,MINOR,FLAGS,TABLE" (the kernel's
 * Documentation/admin-guide/device-mapper: dm-init, verity). With panic_on_corruption a block that
 * does not match the root hash ends the VM, and the console has the reason; else only the program
 * that reads the block would get an I/O error. The kernel must wait for an nvdimm, which it finds
 * later than disks.
 */
static char *verity_words(const struct runtime_config *c)
{
	const struct root_image *i = &c->root;
	const char *disk = root_disk(c);
	AUTO(str)
	char *wait = config_has_nvdimm(c) ? str_fmt(" dm-mod.waitfor=%s2", disk) : xstrdup("");

	return str_fmt(
		"root=/dev/dm-0 dm-mod.create=\"dm-verity,,,ro,0 %llu verity 1 %s1 %s2 %u %u "
		"%llu 0 sha256 %s %s 1 panic_on_corruption\"%s",
		(unsigned long long)(i->blocks * i->data_block / 512), disk, disk, i->data_block,
		i->hash_block, (unsigned long long)i->blocks, i->root_hash, i->salt, wait);
}

/* Kernel parameters for a root without dm-verity. */
static char *plain_words(const struct runtime_config *c)
{
	const char *disk = root_disk(c);
	int whole = (int)strlen(disk) - (config_has_nvdimm(c) ? 1 : 0);

	return str_fmt("root=%.*s%s%s", c->root.partitioned ? (int)strlen(disk) : whole, disk,
		       c->root.partitioned ? "1" : "",
		       !config_has_nvdimm(c) ? ""
		       : c->root.dax         ? " rootwait rootflags=dax"
					     : " rootwait");
}

/* Kernel parameters that make an image the root, or ""; heap. The last ones are for images with
 * systemd. */
static char *root_words(const struct runtime_config *c)
{
	AUTO(str) char *where = NULL;

	if (!*c->image)
		return xstrdup("");
	where = *c->root.root_hash ? verity_words(c) : plain_words(c);
	return str_fmt(
		" %s rootfstype=%s ro systemd.unit=kata-containers.target "
		"systemd.mask=systemd-networkd.service systemd.mask=systemd-networkd.socket%s",
		where, c->root.fs, c->hypervisor_debug ? "" : " systemd.show_status=false");
}

/*
 * The buckets of the table of tracked connections. The kernel allows eight connections for each
 * (its own choice is one, and 2048 in all in a VM of 256 MiB, which a service mesh with 20 new
 * connections a second exceeds): one for each page of memory, and from 1 GiB on 262144, as on a node.
 */
static unsigned connection_buckets(const struct vmm_request *r)
{
	return (unsigned)(r->size.memory_mib < 1024 ? r->size.memory_mib : 1024) * 32;
}

/*
 * What programs find on a node, where a distribution or the kubelet has set it. Memory for watched
 * files and for mappings counts for the container that has them.
 * Watched files: the most that the kernel chooses, by the memory; 8192 in a small VM, which editors
 * and build tools exceed. Mappings: as distributions have it; Elasticsearch does not start with the
 * kernel's 65530. Memory: as the kubelet has it; a program may reserve more than the VM has, as Redis
 * wants to for a snapshot. kernel_params can set other values.
 */
static const char node_sysctls[] =
	"sysctl.fs.inotify.max_user_watches=1048576 sysctl.fs.protected_fifos=1 "
	"sysctl.fs.protected_regular=1 sysctl.vm.max_map_count=1048576 "
	"sysctl.vm.overcommit_memory=1";

/*
 * Parameters for a fast boot: no calibration loops, no patching for one CPU, no waiting after a
 * panic. No bounce buffers, which take 64 MB of a guest with memory above 4 GiB: virtual devices
 * reach all of it. Without KVM programs are loaded at fixed addresses, so that QEMU can reuse
 * translations; this gives up the guest's ASLR, but TCG guarantees no isolation anyway. The timer
 * check is also disabled there: on a busy host ticks arrive too late, and the guest would reject
 * the timer. No dummy0, which no network namespace of a pod has, and which a container may want to
 * make.
 */
static char *kernel_command_line(const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	AUTO(str) char *root = root_words(c);
	AUTO(str)
	char *agent = qemu_has_vsock(r)
			      ? str_fmt("agent.server_addr=vsock://-1:%d agent.log_vport=%d",
					VSOCK_AGENT_PORT, VSOCK_LOG_PORT)
			      : xstrdup("agent.server_addr=serial://agent "
					"agent.log_addr=serial://log");

	AUTO(str)
	char *tsc = needs_tsc(r) ? str_fmt(" tsc_early_khz=%llu", (unsigned long long)tsc_khz())
				 : xstrdup("");

	return str_fmt(
		"%s panic=-1 noreplace-smp lapic_timer_hz=1000000000 net.ifnames=0 reboot=k "
		"swiotlb=noforce dummy.numdummies=0 nf_conntrack.hashsize=%u console=%s %s %s "
		"agent.hotplug_timeout=%d%s%s%s%s%s%s%s",
		c->hypervisor_debug ? "debug" : "quiet", connection_buckets(r),
		c->legacy_serial ? "ttyS0" : "hvc0", node_sysctls, agent, HOTPLUG_S, root,
		str_eq(r->accelerator, "tcg") ? " norandmaps no_timer_check" : "", tsc,
		/* The agent scans the address of each disk that it is to use. */
		qemu_has_scsi(r->config) ? " scsi_mod.scan=none" : "",
		c->agent_debug ? " agent.log=debug" : "", *c->kernel_params ? " " : "",
		c->kernel_params);
}

static void add_machine(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	bool kvm = str_eq(r->accelerator, "kvm");

	strv_push(argv, "-machine");
	strv_pushf(argv, "%s,accel=%s,memory-backend=ram,dump-guest-core=off%s%s%s%s",
		   is_microvm(c) ? "microvm" : "q35", r->accelerator,
		   is_microvm(c) ? ",isa-serial=off" : ",vmport=off",
		   config_has_nvdimm(c) ? ",nvdimm=on" : "", *c->machine_accelerators ? "," : "",
		   c->machine_accelerators);
	/* microvm's devices are of virtio 0.9 by default, which virtiofsd does not support. */
	if (is_microvm(c)) {
		strv_push(argv, "-global");
		strv_push(argv, "virtio-mmio.force-legacy=false");
	}
	strv_push(argv, "-cpu");
	/* Under TCG the "fast" string instructions are slow (a byte at a time), so both flags are
	 * removed: a guest with fsrm expects erms too. */
	strv_pushf(argv, "%s%s%s", kvm ? "host" : "max,erms=off,fsrm=off",
		   *c->cpu_features ? "," : "", c->cpu_features);
}

bool qemu_grows_cpus(const struct vmm_request *r)
{
	return !is_microvm(r->config) && r->most.vcpus > r->size.vcpus;
}

/* 1 on a machine without huge pages, of which QEMU will say so. */
static uint64_t huge_page_mib(void)
{
	AUTO(buf) struct buf text = BUF_INIT(MEMINFO_MAX);
	struct err ignored = ERR_INIT;
	const char *line;
	uint64_t kib;

	(void)!file_read(AT_FDCWD, "/proc/meminfo", MEMINFO_MAX, &text, &ignored);
	line = strstr(buf_cstr(&text), HUGE_PAGE);
	kib = line ? strtoull(line + strlen(HUGE_PAGE), NULL, 10) : 0;
	return kib > KIB ? kib / KIB : 1;
}

uint64_t qemu_memory_unit(const struct runtime_config *c)
{
	struct statfs fs;

	if (!*c->file_mem_backend)
		return c->hugepages ? huge_page_mib() : 1;
	if (statfs(c->file_mem_backend, &fs) < 0 || fs.f_type != HUGETLBFS_MAGIC ||
	    fs.f_bsize < KIB * KIB)
		return 1;
	return (uint64_t)fs.f_bsize / (KIB * KIB);
}

uint64_t qemu_memory_step(const struct runtime_config *c)
{
	enum { BLOCK = 128 };
	uint64_t unit = qemu_memory_unit(c);

	return unit > BLOCK ? unit : BLOCK;
}

/* For memory that is plugged in. */
static uint64_t slots_of(const struct runtime_config *c)
{
	return is_microvm(c) ? 0 : c->virtio_mem ? 1 : (uint64_t)c->memory_slots;
}

/*
 * True if the memory with which the guest boots reaches up to 64 GiB, with the gap of 2 GiB below 4
 * GiB; or if all but the first 2 GiB may be above 1 TiB: QEMU begins there, instead of at 4 GiB, if the
 * VM can grow so far that it would reach into the addresses below 1 TiB that AMD's processors lack.
 */
static bool boots_high(const struct vmm_request *r)
{
	enum { HIGH_MIB = 62 << 10, SPLIT_MIB = 2816, FAR_MIB = 640 << 10 };
	uint64_t mib = r->size.memory_mib;

	return mib >= HIGH_MIB || (mib >= SPLIT_MIB && r->most.memory_mib >= FAR_MIB);
}

uint64_t qemu_boot_memory(const struct vmm_request *r)
{
	const uint64_t unit = qemu_memory_unit(r->config), step = qemu_memory_step(r->config);
	uint64_t mib = qemu_round_up(r->size.memory_mib, unit);
	uint64_t odd = qemu_round_up(mib, step) | step;

	return odd <= r->most.memory_mib && slots_of(r->config) && boots_high(r) ? odd : mib;
}

/* The bits of an address in the guest: with KVM the processor is the host's. */
static unsigned address_bits(const char *accelerator)
{
	enum { EMULATED = 40 };
#if defined(__x86_64__)
	unsigned a, b, c, d;

	if (str_eq(accelerator, "kvm") && __get_cpuid(0x80000008, &a, &b, &c, &d))
		return a & 0xff;
#else
	(void)accelerator;
#endif
	return EMULATED;
}

/* How much memory has an address, in MiB. QEMU refuses to start with more. The rest is for gaps, of
 * which each slot may need one of 1 GiB, and for devices, of which those of PCI take 32 GiB. */
static uint64_t addressable(const struct vmm_request *r)
{
	enum { REST = 48 << 10, SLOT = 1 << 10 };
	uint64_t all = UINT64_C(1) << (address_bits(r->accelerator) - 20);
	uint64_t rest = (all / 8 > REST ? all / 8 : REST) + slots_of(r->config) * SLOT;

	return all > rest ? all - rest : 0;
}

uint64_t qemu_grows_memory(const struct vmm_request *r)
{
	uint64_t boot = qemu_boot_memory(r), most = addressable(r), more;

	most = r->most.memory_mib < most ? r->most.memory_mib : most;
	more = most > boot ? most - boot : 0;
	return slots_of(r->config) ? more - more % qemu_memory_step(r->config) : 0;
}

/* The address space that an nvdimm takes: memory that is plugged behind it begins at a whole
 * step. */
static uint64_t image_mib(const struct runtime_config *c)
{
	return qemu_round_up(c->root.size, qemu_memory_step(c) << 20) >> 20;
}

/*
 * Room for more processors and DIMMs costs the guest next to nothing. A virtio-mem device costs
 * more, so it is plugged only when the memory grows, into a port of its own.
 */
static void add_size(char ***argv, const struct vmm_request *r)
{
	uint64_t boot = qemu_boot_memory(r), more = qemu_grows_memory(r);
	const struct runtime_config *c = r->config;
	/* An nvdimm takes a slot, and its size in the address space. */
	bool nvdimm = config_has_nvdimm(c);
	uint64_t slots = more ? slots_of(c) : 0;

	strv_push(argv, "-smp");
	if (qemu_grows_cpus(r))
		strv_pushf(argv, "%u,maxcpus=%u", r->size.vcpus, r->most.vcpus);
	else
		strv_pushf(argv, "%u", r->size.vcpus);
	strv_push(argv, "-m");
	if (!more && !nvdimm) {
		strv_pushf(argv, "%lluM", (unsigned long long)boot);
		return;
	}
	strv_pushf(argv, "%lluM,slots=%llu,maxmem=%lluM", (unsigned long long)boot,
		   (unsigned long long)slots + nvdimm,
		   (unsigned long long)(boot + more + (nvdimm ? image_mib(c) : 0)));
	if (more && c->virtio_mem) {
		strv_push(argv, "-device");
		strv_push(argv,
			  "pcie-root-port,id=" QEMU_GROWTH_PORT ",bus=pcie.0,chassis=1,slot=0");
	}
}

bool qemu_shares_memory(const struct vmm_request *r)
{
	for (size_t i = 0; i < r->ndevices; i++) {
		if (r->devices[i].kind == VMM_FS_VHOST_USER)
			return true;
	}
	return false;
}

const char *qemu_memory_type(const struct runtime_config *c, bool shared)
{
	if (*c->file_mem_backend)
		return QEMU_MEMORY_FILE;
	return shared || c->hugepages ? QEMU_MEMORY_MEMFD : QEMU_MEMORY_RAM;
}

static void add_memory(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	const char *type = qemu_memory_type(c, qemu_shares_memory(r));
	AUTO(str) char *file = NULL;

	if (str_eq(type, QEMU_MEMORY_FILE))
		file = str_fmt(",share=on,mem-path=%s", c->file_mem_backend);
	else if (str_eq(type, QEMU_MEMORY_MEMFD))
		file = str_fmt(",share=on%s", c->hugepages ? ",hugetlb=on" : "");
	strv_push(argv, "-object");
	strv_pushf(argv, "%s,id=ram,size=%lluM,prealloc=%s%s", type,
		   (unsigned long long)qemu_boot_memory(r), c->mem_prealloc ? "on" : "off",
		   file ? file : "");
}

static void add_device(char ***argv, const char *kind, const char *spec)
{
	strv_push(argv, kind);
	strv_push(argv, spec);
}

static void add_connection(char ***argv, const char *name, int fd)
{
	strv_push(argv, "-chardev");
	strv_pushf(argv, "socket,id=%s,fd=%d", name, fd);
}

static void add_agent(char ***argv, const struct vmm_request *r)
{
	if (qemu_has_vsock(r)) {
		strv_push(argv, "-device");
		strv_pushf(argv, "vhost-vsock-%s,id=vsock0,vhostfd=%d,guest-cid=%u", bus(r->config),
			   QEMU_VHOST_VSOCK_FD, r->cid);
		return;
	}
	add_connection(argv, "agent", QEMU_AGENT_FD);
	add_device(argv, "-device", "virtserialport,chardev=agent,name=agent");
	add_connection(argv, "log", QEMU_LOG_FD);
	add_device(argv, "-device", "virtserialport,chardev=log,name=log");
}

static void add_fs_9p(char ***argv, const struct vmm_request *r, size_t index)
{
	const struct vmm_device *d = &r->devices[index];

	strv_push(argv, "-fsdev");
	strv_pushf(argv, "local,id=fs,path=%s,security_model=none,multidevs=remap", d->fs.source);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-9p-%s,fsdev=fs,mount_tag=%s", bus(r->config), d->fs.tag);
}

static void add_fs_vhost_user(char ***argv, const struct vmm_request *r, size_t index)
{
	const struct vmm_device *d = &r->devices[index];

	add_connection(argv, "fs", qemu_fs_fd(index));
	strv_push(argv, "-device");
	strv_pushf(argv, "vhost-user-fs-%s,chardev=fs,tag=%s", bus(r->config), d->fs.tag);
}

/* On PCI without an option ROM: nothing boots from the network. */
static void add_nic(char ***argv, const struct vmm_request *r, size_t index)
{
	AUTO(str)
	char *vhost = qemu_uses_vhost_net(r, index)
			      ? str_fmt(",vhost=on,vhostfd=%d", qemu_vhost_net_fd(index))
			      : xstrdup("");

	strv_push(argv, "-netdev");
	strv_pushf(argv, "tap,id=net%zu,fd=%d%s", index, qemu_tap_fd(index), vhost);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-net-%s,netdev=net%zu,mac=%s%s", bus(r->config), index,
		   r->devices[index].nic.mac, is_microvm(r->config) ? "" : ",romfile=");
}

/* The function for each kind of device. */
static void (*const device_adders[])(char ***argv, const struct vmm_request *r, size_t index) = {
	[VMM_FS_9P] = add_fs_9p,
	[VMM_FS_VHOST_USER] = add_fs_vhost_user,
	[VMM_NIC] = add_nic,
};

/* The bridge, and the source of entropy behind it. disable-legacy: a legacy virtio device has I/O
 * ports, for which the bridge has no addresses. */
static void add_entropy(char ***argv, const struct vmm_request *r)
{
	if (qemu_has_bridge(r->config)) {
		strv_push(argv, "-device");
		strv_pushf(argv, "pci-bridge,id=bridge0,bus=pcie.0,addr=0x%x,chassis_nr=1,shpc=off",
			   QEMU_BRIDGE_SLOT);
	}
	strv_push(argv, "-object");
	strv_pushf(argv, "rng-random,id=rng0,filename=%s", r->config->entropy_source);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-rng-%s,rng=rng0%s", bus(r->config),
		   qemu_has_bridge(r->config) ? ",bus=bridge0,addr=0x1,disable-legacy=on" : "");
}

/* The text as a value in one of QEMU's options: commas are doubled. Heap. */
static char *escaped(const char *text)
{
	AUTO(buf) struct buf out = BUF_INIT(2 * PATH_MAX);

	for (; *text; text++) {
		buf_chr(&out, *text);
		if (*text == ',')
			buf_chr(&out, ',');
	}
	return xstrdup(buf_cstr(&out));
}

/* The disk or nvdimm with the root image, read-only. */
static void add_image(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	AUTO(str) char *path = NULL;

	if (!*c->image)
		return;
	path = c->checked[ASSET_IMAGE] ? str_fmt("/proc/self/fd/%d", qemu_asset_fd(ASSET_IMAGE))
				       : escaped(c->image);
	if (config_has_nvdimm(c)) {
		strv_push(argv, "-object");
		strv_pushf(
			argv,
			"memory-backend-file,id=image,mem-path=%s,size=%llu,readonly=on,share=on",
			path, (unsigned long long)c->root.size);
		add_device(argv, "-device", "nvdimm,id=image0,memdev=image,unarmed=on");
		return;
	}
	strv_push(argv, "-blockdev");
	strv_pushf(argv, "driver=file,node-name=image,filename=%s,read-only=on", path);
	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-blk-%s,id=image0,drive=image", bus(c));
}

static void add_devices(char ***argv, const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;

	strv_push(argv, "-device");
	strv_pushf(argv, "virtio-serial-%s,id=serial0,max_ports=%d", bus(c), SERIAL_PORTS);
	add_agent(argv, r);
	add_connection(argv, "console", QEMU_CONSOLE_FD);
	add_device(argv, "-device",
		   c->legacy_serial ? "isa-serial,chardev=console" : "virtconsole,chardev=console");
	add_entropy(argv, r);
	add_image(argv, r);
	for (int64_t i = 0; i < c->pcie_root_ports; i++) {
		strv_push(argv, "-device");
		strv_pushf(argv, "pcie-root-port,id=rp%lld,bus=pcie.0,chassis=0,slot=%lld",
			   (long long)i, (long long)i);
	}
	if (qemu_has_scsi(r->config))
		add_device(argv, "-device", "virtio-scsi-pci,id=scsi0");
	for (size_t i = 0; i < r->ndevices; i++)
		device_adders[r->devices[i].kind](argv, r, i);
}

/* A file of the configuration: by its fd if its digest was checked, else by its path. */
static void add_asset(char ***argv, const struct runtime_config *c, const char *option,
		      enum config_asset asset, const char *path)
{
	strv_push(argv, option);
	if (c->checked[asset])
		strv_pushf(argv, "/proc/self/fd/%d", qemu_asset_fd(asset));
	else
		strv_push(argv, path);
}

/* The path of qboot.rom below share/ beside the bin/ of that QEMU, in the release's folder or in a
 * distribution's; heap, or NULL. */
static char *find_qboot(const char *qemu)
{
	static const char *const names[] = { "share/kata-qemu/qboot.rom", "share/qemu/qboot.rom" };
	int bin = (int)(path_basename(qemu) - qemu);

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(str) char *beside = str_fmt("%.*s../%s", bin, qemu, names[i]);
		AUTO(str) char *path = path_clean(beside);

		if (access(path, R_OK) == 0)
			return STEAL(path, NULL);
	}
	return NULL;
}

char **qemu_command_line(const struct vmm_request *r)
{
	const struct runtime_config *c = r->config;
	AUTO(str) char *qboot = *c->firmware ? NULL : find_qboot(c->qemu_path);
	AUTO(str) char *append = kernel_command_line(r);
	char **argv = NULL;

	strv_push(&argv, c->qemu_path);
	strv_push(&argv, "-name");
	/* record_undo() finds an unrecorded QEMU by this name, as the first option. debug-threads
	 * gives names to the threads, so that an operator can tell the guest's processors from the
	 * others. */
	strv_pushf(&argv, "sandbox-%s,debug-threads=on", path_basename(r->dir));
	add_machine(&argv, r);
	add_size(&argv, r);
	add_memory(&argv, r);
	add_connection(&argv, "qmp", QEMU_QMP_FD);
	add_device(&argv, "-mon", "chardev=qmp,mode=control");
	add_devices(&argv, r);
	if (*c->firmware || qboot)
		add_asset(&argv, c, "-bios", ASSET_FIRMWARE, *c->firmware ? c->firmware : qboot);
	add_asset(&argv, c, "-kernel", ASSET_KERNEL, c->kernel);
	if (*c->initrd)
		add_asset(&argv, c, "-initrd", ASSET_INITRD, c->initrd);
	add_device(&argv, "-append", append);
	if (*c->seccomp_sandbox)
		add_device(&argv, "-sandbox", c->seccomp_sandbox);
	strv_push(&argv, "-nodefaults");
	strv_push(&argv, "-no-user-config");
	strv_push(&argv, "-no-reboot");
	add_device(&argv, "-display", "none");
	add_device(&argv, "-vga", "none");
	return argv;
}
