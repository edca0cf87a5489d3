// SPDX-License-Identifier: Apache-2.0
/*
 * Every annotation of upstream, old and new, either has its effect, on QEMU's command line or in
 * the settings of the agent and the shim, or is refused with an error that has its name and a
 * remedy. None is silently ignored.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "config/config.h"
#include "vmm/qemu/cmdline.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha512.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define K "io.katacontainers."
#define C K "config."
#define H C "hypervisor."

static struct err err;
static char dir[SCRATCH_DIR];
static struct runtime_config *config;

/* @ in values and in what is expected stands for the test's directory. */
static char *in_dir(const char *text)
{
	char *out = xstrdup(text), *at;

	while ((at = strchr(out, '@')) != NULL) {
		char *more = str_fmt("%.*s%s%s", (int)(at - out), out, dir, at + 1);

		free(out);
		out = more;
	}
	return out;
}

static void put(const char *name, const char *text)
{
	scratch_write(dir, name, text, strlen(text), 0755);
}

static void setup(void)
{
	static const char *const files[] = { "qemu", "kernel", "initrd",  "daemon",
					     "bios", "other",  "ok/other" };
	AUTO(str) char *text = NULL, *ok = NULL;

	err_clear(&err);
	config = NULL;
	scratch_make(dir, "annotation");
	ok = path_join(dir, "ok");
	ck_assert_int_eq(mkdir(ok, 0755), 0);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put(files[i], files[i]);
	text = in_dir("[hypervisor.qemu]\npath = \"@/qemu\"\nkernel = \"@/kernel\"\n"
		      "initrd = \"@/initrd\"\nvirtio_fs_daemon = \"@/daemon\"\n"
		      "kernel_params = \"quiet\"\nenable_annotations = [\".*\"]\n"
		      "valid_hypervisor_paths = [\"@/ok/*\"]\n"
		      "valid_virtio_fs_daemon_paths = [\"@/ok/*\"]\n"
		      "valid_entropy_sources = [\"/dev/urandom\", \"/dev/random\"]\n"
		      "valid_file_mem_backends = [\"/dev/sh?\", \"\"]\n");
	put("configuration.toml", text);
}

static void teardown(void)
{
	if (config)
		config_free(config);
	scratch_remove(dir);
}

static void load(const char *name, const char *value)
{
	AUTO(str) char *file = path_join(dir, "configuration.toml"), *there = in_dir(value);
	const char *const list[] = { name, there, NULL };

	config = config_load(file, list, &err);
}

/* The command line of a VM with a share, a network card and a serial port for the agent. */
static char *command_line(void)
{
	static const struct vmm_device devices[] = {
		{ .kind = VMM_FS_9P, .fs = { "tag", "/share" } },
		{ .kind = VMM_NIC, .nic = { "02:00:00:00:00:01", 40, 41 } },
	};
	const struct vmm_request r = { .config = config,
				       .dir = "/dir",
				       .accelerator = "kvm",
				       .devices = devices,
				       .ndevices = ARRAY_LEN(devices),
				       .netns = -1,
				       .vhost_vsock = -1,
				       .size = { 1, 256 },
				       .most = { 1, 256 } };
	AUTO(strv) char **argv = qemu_command_line(&r);

	return strv_join(argv, " ");
}

/* As sha512sum has them; in either case. */
#define SHA512_OF_KERNEL                                                   \
	"d51a20d67571fe70bcd6c36e1382a3c342f42671c710090b75fcfc2405ce2448" \
	"8e03a7131eefe4751d0bd3aeaad816605ad10c8e3258d72fcf379e32416cbf3b"
#define SHA512_OF_INITRD                                                   \
	"40F9DC38EF0C1BE8ADF880F5EC9C8A5D26BDB671778A7AFAC464316E3FDB4929" \
	"541A5D4EFD1A8B9DE3BAB8701EE1DC6323BDF3D25B5652C88B691B94FDC86EDA"

/* --- those with an effect on the command line --- */

static const struct {
	const char *name, *value, *has;
} effects[] = {
	{ H "path", "@/ok/other", "@/ok/other -name" },
	{ H "kernel", "@/other", "-kernel @/other" },
	{ H "initrd", "@/other", "-initrd @/other" },
	{ H "firmware", "@/bios", "-bios @/bios" },
	{ H "kernel_params", "one=1 two", "quiet one=1 two" },
	{ H "machine_type", "microvm", "-machine microvm," },
	{ H "machine_accelerators", "kernel_irqchip=split", ",kernel_irqchip=split -cpu" },
	{ H "cpu_features", "pmu=off", "-cpu host,pmu=off" },
	{ H "enable_mem_prealloc", "true", "prealloc=on" },
	{ H "enable_hugepages", "true", "hugetlb=on" },
	{ H "file_mem_backend", "/dev/shm", "mem-path=/dev/shm" },
	{ H "entropy_source", "/dev/random", "rng-random,id=rng0,filename=/dev/random" },
	{ H "use_legacy_serial", "true", "isa-serial,chardev=console" },
	{ H "pcie_root_port", "2", "pcie-root-port,id=rp1" },
	{ C "agent.container_pipe_size", "4096", "agent.container_pipe_size=4096" },
	{ H "kernel_hash", SHA512_OF_KERNEL, "-kernel /proc/self/fd/62" },
	{ H "initrd_hash", SHA512_OF_INITRD, "-initrd /proc/self/fd/61" },
};

START_TEST(an_annotation_is_on_the_command_line)
{
	AUTO(str) char *has = in_dir(effects[_i].has), *line = NULL;

	load(effects[_i].name, effects[_i].value);
	ck_assert_msg(config != NULL, "%s: %s", effects[_i].name, err.msg);
	line = command_line();
	ck_assert_msg(strstr(line, has) != NULL, "%s: no '%s' in %s", effects[_i].name, has, line);
}
END_TEST

/* --- those that shim and agent are told --- */

static char *settings(void)
{
	AUTO(str) char *args = strv_join(config->virtiofsd_args, ",");
	AUTO(str) char *modules = strv_join(config->kernel_modules, ",");

	return str_fmt(
		"vcpus=%g max=%lld memory=%lld share=%s daemon=%s cache=%s args=%s "
		"msize=%lld vhost_off=%d hooks=%s modules=%s seccomp_off=%d model=%s "
		"timeout=%lld slots=%lld virtio_mem=%d swap=%d rootless=%d driver=%s block_off=%d "
		"cache=set:%d,direct:%d,noflush:%d aio=%s sectors=%lld,%lld rx=%lld tx=%lld "
		"cgroup_only=%d pinning=%d ",
		config->vcpus, (long long)config->max_vcpus, (long long)config->memory_mib,
		config->shared_fs, config->virtiofsd, config->virtiofs_cache, args,
		(long long)config->msize_9p, config->vhost_net_off, config->guest_hook_path,
		modules, config->guest_seccomp_off, config->net_model,
		(long long)config->create_container_timeout_s, (long long)config->memory_slots,
		config->virtio_mem, config->guest_swap, config->rootless, config->block_driver,
		config->block_off, config->block_cache_set, config->block_cache_direct,
		config->block_cache_noflush, config->block_aio, (long long)config->logical_sector,
		(long long)config->physical_sector, (long long)config->rx_max_rate,
		(long long)config->tx_max_rate, config->sandbox_cgroup_only, config->pin_vcpus);
}

static const struct {
	const char *name, *value, *has;
} told[] = {
	{ H "default_vcpus", "3", "vcpus=3 " },
	{ H "default_max_vcpus", "5", "max=5 " },
	{ H "default_memory", "300", "memory=300 " },
	{ H "shared_fs", "virtio-9p", "share=virtio-9p " },
	{ H "virtio_fs_daemon", "@/ok/other", "daemon=@/ok/other " },
	{ H "virtio_fs_cache", "always", "cache=always " },
	{ H "virtio_fs_extra_args", "[\"-o\", \"x\"]", "args=-o,x " },
	{ H "msize_9p", "65536", "msize=65536 " },
	{ H "disable_vhost_net", "true", "vhost_off=1 " },
	{ H "guest_hook_path", "/hooks", "hooks=/hooks " },
	{ C "agent.kernel_modules", "a b=c;d", "modules=a b=c,d " },
	{ C "runtime.disable_guest_seccomp", "true", "seccomp_off=1 " },
	{ C "runtime.internetworking_model", "none", "model=none " },
	{ C "runtime.create_container_timeout", "77", "timeout=77 " },
	{ H "memory_slots", "12", "slots=12 " },
	{ H "enable_virtio_mem", "true", "virtio_mem=1 " },
	{ H "enable_guest_swap", "true", "swap=1 " },
	{ H "rootless", "true", "rootless=1 " },
	{ H "block_device_driver", "virtio-scsi", "driver=virtio-scsi " },
	{ H "disable_block_device_use", "true", "block_off=1 " },
	{ H "block_device_cache_set", "true", "cache=set:1," },
	{ H "block_device_cache_direct", "true", ",direct:1," },
	{ H "block_device_cache_noflush", "true", ",noflush:1 " },
	{ H "block_device_aio", "io_uring", "aio=io_uring " },
	{ H "block_device_logical_sector_size", "4096", "sectors=4096," },
	{ H "block_device_physical_sector_size", "8192", "sectors=0,8192 " },
	{ H "blk_logical_sector_size", "512", "sectors=512," },
	{ H "blk_physical_sector_size", "1024", "sectors=0,1024 " },
	{ H "rx_rate_limiter_max_rate", "1000000", "rx=1000000 " },
	{ H "tx_rate_limiter_max_rate", "2000000", "tx=2000000 " },
	{ C "runtime.sandbox_cgroup_only", "true", "cgroup_only=1 " },
	{ C "runtime.enable_vcpus_pinning", "true", "pinning=1 " },
	/* These ask for what is so anyway. */
	{ K "asset_hash_type", "sha512", "" },
	{ H "asset_hash_type", "sha512", "" },
	{ H "disable_image_nvdimm", "true", "" },
	{ H "kernel_verity_params", "", "" },
	{ C "runtime.vfio_mode", "guest-kernel", "" },
	/* Not for this to read. */
	{ K "pkg.oci.bundle_path", "/run/x", "" },
	{ K "container.resource.swap_in_bytes", "1", "" },
	{ "io.kubernetes.cri.sandbox-id", "x", "" },
};

START_TEST(an_annotation_reaches_the_agent_or_the_shim)
{
	AUTO(str) char *has = in_dir(told[_i].has), *line = NULL;

	load(told[_i].name, told[_i].value);
	ck_assert_msg(config != NULL, "%s: %s", told[_i].name, err.msg);
	line = settings();
	ck_assert_msg(strstr(line, has) != NULL, "%s: no '%s' in %s", told[_i].name, has, line);
}
END_TEST

static const struct {
	const char *value, *has;
} booleans[] = {
	{ "1", "rootless=1 " },     { "t", "rootless=1 " },     { "T", "rootless=1 " },
	{ "true", "rootless=1 " },  { "True", "rootless=1 " },  { "TRUE", "rootless=1 " },
	{ "0", "rootless=0 " },     { "f", "rootless=0 " },     { "F", "rootless=0 " },
	{ "false", "rootless=0 " }, { "False", "rootless=0 " }, { "FALSE", "rootless=0 " },
};

/* All of the words that upstream accepts. */
START_TEST(a_boolean_has_several_words)
{
	AUTO(str) char *line = NULL;

	load(H "rootless", booleans[_i].value);
	ck_assert_msg(config != NULL, "%s: %s", booleans[_i].value, err.msg);
	line = settings();
	ck_assert_msg(strstr(line, booleans[_i].has) != NULL, "%s: %s", booleans[_i].value, line);
}
END_TEST

/* --- those that are refused --- */

static const struct {
	const char *name, *value;
	enum err_code code;
	const char *says;
} refusals[] = {
	{ H "image", "@/other", E_INVALID, "is no root image" },
	{ H "firmware_volume", "@/other", E_CONFIG, "use firmware" },
	{ H "image_hash", "0", E_INVALID, "128 hexadecimal digits" },
	{ H "firmware_volume_hash", "0", E_UNSUPPORTED, "use firmware_hash" },
	{ H "firmware_hash", "0", E_INVALID, "128 hexadecimal digits" },
	{ H "kernel_hash", "00", E_INVALID, "128 hexadecimal digits" },
	{ H "hypervisor_hash", "", E_INVALID, "128 hexadecimal digits" },
	{ H "hypervisorctl_hash", "0", E_UNSUPPORTED, "no control program" },
	{ H "jailer_hash", "0", E_UNSUPPORTED, "without a jailer" },
	{ H "jailer_path", "/x", E_UNSUPPORTED, "without a jailer" },
	{ H "ctlpath", "/x", E_UNSUPPORTED, "no control program" },
	{ K "asset_hash_type", "sha256", E_UNSUPPORTED, "use sha512" },
	{ H "asset_hash_type", "md5", E_UNSUPPORTED, "use sha512" },
	{ H "memory_offset", "1", E_CONFIG, "memory_offset" },
	{ H "virtio_fs_cache_size", "1", E_CONFIG, "DAX" },
	{ H "enable_iommu", "true", E_CONFIG, "no virtual IOMMU" },
	{ H "enable_iommu_platform", "true", E_CONFIG, "no virtual IOMMU" },
	{ H "hotplug_vfio_on_root_bus", "true", E_CONFIG, "VFIO" },
	{ H "vhost_user_store_path", "/x", E_PERMISSION, "valid_vhost_user_store_paths" },
	{ H "enable_vhost_user_store", "true", E_CONFIG, "vhost-user" },
	{ H "use_vsock", "true", E_UNSUPPORTED, "vsock" },
	{ C "runtime.enable_pprof", "true", E_CONFIG, "profiling" },
	{ C "runtime.disable_new_netns", "true", E_CONFIG, "internetworking_model" },
	{ C "runtime.experimental", "one two", E_CONFIG, "experimental" },
	{ C "agent.enable_tracing", "true", E_CONFIG, "tracing" },
	{ "sgx.intel.com/epc", "1Mi", E_UNSUPPORTED, "SGX" },
	{ K "something", "x", E_UNSUPPORTED, "not supported" },
	/* of the newest upstream */
	{ C "agent.cdh_api_timeout", "50", E_UNSUPPORTED, "confidential" },
	{ C "agent.policy", "x", E_UNSUPPORTED, "policy" },
	{ C "agent.launch_process_timeout", "1", E_UNSUPPORTED, "daemons" },
	{ C "agent.visible_cdi_devices", "x", E_UNSUPPORTED, "devices" },
	{ H "cold_plug_vfio", "root-port", E_UNSUPPORTED, "devices" },
	{ H "hot_plug_vfio", "root-port", E_UNSUPPORTED, "devices" },
	{ H "default_gpus", "1", E_UNSUPPORTED, "devices" },
	{ H "default_gpu_model", "x", E_UNSUPPORTED, "devices" },
	{ H "numa_mapping", "0", E_UNSUPPORTED, "NUMA" },
	{ H "pcie_switch_port", "1", E_UNSUPPORTED, "devices" },
	{ H "vhost_user_reconnect_timeout_sec", "1", E_UNSUPPORTED, "vhost-user" },
	{ H "enable_iothreads", "true", E_CONFIG, "QEMU's own thread" },
	{ H "indep_iothreads", "1", E_UNSUPPORTED, "QEMU's own thread" },
	{ H "reclaim_guest_freed_memory", "true", E_UNSUPPORTED, "enable_virtio_mem" },
	{ H "enable_numa", "true", E_UNSUPPORTED, "NUMA" },
	{ H "block_device_driver", "virtio-mmio", E_CONFIG, "virtio-scsi|virtio-blk" },
	{ H "block_device_aio", "posix", E_CONFIG, "threads|native|io_uring" },
	{ H "block_device_logical_sector_size", "513", E_CONFIG, "a power of two" },
	{ H "blk_physical_sector_size", "256", E_CONFIG, "a power of two" },
	{ H "memory_slots", "many", E_CONFIG, "memory_slots" },
	{ H "memory_slots", "256", E_CONFIG, "255" },
	{ H "rootless", "yes", E_INVALID, "is not a boolean; write true or false" },
	{ H "rootless", " true", E_INVALID, "' true' is not a boolean" },
	{ H "rootless", "tRUE", E_INVALID, "'tRUE' is not a boolean" },
	{ H "rootless", "true # x", E_INVALID, "'true # x' is not a boolean" },
	{ H "rootless", "", E_INVALID, "'' is not a boolean" },
	{ H "cc_init_data", "x", E_UNSUPPORTED, "confidential" },
	{ C "runtime.experimental_force_guest_pull", "true", E_UNSUPPORTED, "pulled" },
	{ C "runtime.guest_selinux_label", "x", E_UNSUPPORTED, "SELinux" },
};

START_TEST(an_annotation_is_refused)
{
	const char *name = refusals[_i].name, *says = refusals[_i].says;

	load(name, refusals[_i].value);
	ck_assert_msg(config == NULL, "%s is accepted", name);
	ck_assert_msg(strstr(err.msg, name) != NULL, "'%s' does not name %s", err.msg, name);
	ck_assert_msg(strstr(err.msg, says) != NULL, "'%s' lacks '%s'", err.msg, says);
	ck_assert_msg(err.code == refusals[_i].code, "%s: %s", name, err.msg);
	/* A range says what to do by itself. */
	ck_assert_msg(strstr(err.msg, "; ") || strstr(err.msg, "is not between"),
		      "%s: no remedy: %s", name, err.msg);
}
END_TEST

/* Whoever may start a pod may not choose the node's VMM: unless the administrator allows it, each
 * annotation of the hypervisor is refused, and the error has the key to set. */
START_TEST(no_hypervisor_annotation_is_allowed_by_default)
{
	const char *name = _i < (int)ARRAY_LEN(effects) ? effects[_i].name
							: told[_i - (int)ARRAY_LEN(effects)].name;
	AUTO(str) char *list = NULL;
	AUTO(str)
	char *text = in_dir("[hypervisor.qemu]\npath = \"@/qemu\"\nkernel = \"@/kernel\"\n"
			    "initrd = \"@/initrd\"\nvirtio_fs_daemon = \"@/daemon\"\n"
			    "enable_annotations = [\"other\", \"x.*\"]\n");

	if (!str_starts(name, H) || str_eq(name, H "asset_hash_type"))
		return;
	put("configuration.toml", text);
	load(name, "1");
	ck_assert_msg(config == NULL, "%s is accepted", name);
	list = str_fmt("'%s' in enable_annotations", name + strlen(H));
	ck_assert_msg(strstr(err.msg, name) != NULL && strstr(err.msg, list) != NULL, "%s",
		      err.msg);
	ck_assert_int_eq(err.code, E_PERMISSION);
}
END_TEST

/* --- paths and digests --- */

/* A link in an allowed directory that points outside, and a path with "..". */
START_TEST(a_link_does_not_lead_around_a_pattern)
{
	AUTO(str) char *link = path_join(dir, "ok/link"), *target = path_join(dir, "other");
	AUTO(str) char *inner = path_join(dir, "ok/inner"), *ok = path_join(dir, "ok/other");
	AUTO(str) char *outer = path_join(dir, "outer");

	ck_assert(symlink(target, link) == 0 && symlink("other", inner) == 0);
	ck_assert_int_eq(symlink(ok, outer), 0);
	load(H "path", "@/ok/link");
	ck_assert_ptr_null(config);
	ck_assert_int_eq(err.code, E_PERMISSION);
	ck_assert_ptr_nonnull(strstr(err.msg, "valid_hypervisor_paths"));
	err_clear(&err);
	load(H "path", "@/ok/../other");
	ck_assert_ptr_null(config);
	err_clear(&err);
	load(H "path", "@/ok/none");
	ck_assert_ptr_nonnull(strstr(err.msg, "no pattern"));
	err_clear(&err);
	load(H "path", "@/ok/inner");
	ck_assert_msg(config != NULL, "%s", err.msg);
	ck_assert_str_eq(config->qemu_path, ok);
	config_free(config);
	load(H "path", "@/outer");
	ck_assert_msg(config != NULL, "%s", err.msg);
	ck_assert_str_eq(config->qemu_path, ok);
}
END_TEST

/* Somebody may change the link before the path is used. */
START_TEST(the_path_that_is_used_has_no_links)
{
	AUTO(str) char *link = path_join(dir, "link"), *target = path_join(dir, "other");

	ck_assert_int_eq(symlink(target, link), 0);
	load(H "kernel", "@/link");
	ck_assert_msg(config != NULL, "%s", err.msg);
	ck_assert_str_eq(config->kernel, target);
	config_free(config);
	load(H "kernel", "link");
	ck_assert_ptr_null(config);
	ck_assert_ptr_nonnull(strstr(err.msg, "not an absolute path"));
	err_clear(&err);
	load(H "kernel", "@/nothing");
	ck_assert_ptr_null(config);
	ck_assert_ptr_nonnull(strstr(err.msg, H "kernel"));
}
END_TEST

START_TEST(a_pattern_may_be_below_a_link)
{
	AUTO(str) char *link = path_join(dir, "way"), *ok = path_join(dir, "ok");
	AUTO(str)
	char *text = in_dir("[hypervisor.qemu]\npath = \"@/qemu\"\nkernel = \"@/kernel\"\n"
			    "initrd = \"@/initrd\"\nvirtio_fs_daemon = \"@/daemon\"\n"
			    "enable_annotations = [\"path\"]\n"
			    "valid_hypervisor_paths = [\"@/way/o*\", \"@/way/link\"]\n");

	ck_assert_int_eq(symlink(ok, link), 0);
	put("configuration.toml", text);
	load(H "path", "@/ok/other");
	ck_assert_msg(config != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_file_with_another_digest_is_refused)
{
	char zeros[SHA512_HEX + 1];

	(void)memset(zeros, '0', SHA512_HEX);
	zeros[SHA512_HEX] = '\0';
	load(H "initrd_hash", zeros);
	ck_assert_ptr_null(config);
	ck_assert_int_eq(err.code, E_TRUST);
	ck_assert_ptr_nonnull(strstr(err.msg, H "initrd_hash"));
	ck_assert_ptr_nonnull(strstr(err.msg, "/initrd"));
}
END_TEST

/* The open file is used, even if another file replaces it. */
START_TEST(a_checked_file_is_kept_open)
{
	AUTO(str) char *kernel = path_join(dir, "kernel");
	char text[16] = "";

	load(H "kernel_hash", SHA512_OF_KERNEL);
	ck_assert_msg(config != NULL, "%s", err.msg);
	ck_assert_int_ge(config->checked[ASSET_KERNEL], 3);
	ck_assert_int_eq(unlink(kernel), 0);
	put("kernel", "evil");
	ck_assert_int_eq(pread(config->checked[ASSET_KERNEL], text, sizeof(text) - 1, 0), 6);
	ck_assert_str_eq(text, "kernel");
	for (size_t i = 0; i < ASSETS; i++)
		ck_assert(i == ASSET_KERNEL || !config->checked[i]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("annotations");
	TCase *t = tcase_create("annotations");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, an_annotation_is_on_the_command_line, 0, (int)ARRAY_LEN(effects));
	tcase_add_loop_test(t, an_annotation_reaches_the_agent_or_the_shim, 0,
			    (int)ARRAY_LEN(told));
	tcase_add_loop_test(t, a_boolean_has_several_words, 0, (int)ARRAY_LEN(booleans));
	tcase_add_loop_test(t, an_annotation_is_refused, 0, (int)ARRAY_LEN(refusals));
	tcase_add_loop_test(t, no_hypervisor_annotation_is_allowed_by_default, 0,
			    (int)(ARRAY_LEN(effects) + ARRAY_LEN(told)));
	tcase_add_test(t, a_link_does_not_lead_around_a_pattern);
	tcase_add_test(t, the_path_that_is_used_has_no_links);
	tcase_add_test(t, a_pattern_may_be_below_a_link);
	tcase_add_test(t, a_file_with_another_digest_is_refused);
	tcase_add_test(t, a_checked_file_is_kept_open);
	suite_add_tcase(s, t);
	return suite_run(s);
}
