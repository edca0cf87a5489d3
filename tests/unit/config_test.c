// SPDX-License-Identifier: Apache-2.0
/* runtime/config: every key of upstream's configuration.toml is honoured or refused; where the
 * file is searched, drop-ins, annotations, and the errors of wrong files. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "config/config.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BASE                                                            \
	"[hypervisor.qemu]\npath = \"/bin/sh\"\nkernel = \"/bin/sh\"\n" \
	"initrd = \"/bin/sh\"\nvirtio_fs_daemon = \"/bin/sh\"\n"

static struct err err;
static char dir[SCRATCH_DIR], file[96];

static void write_to(const char *path, const char *text)
{
	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &err) == 0,
		      "%s", err.msg);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "config");
	(void)str_print(file, sizeof(file), "%s/configuration.toml", dir);
	(void)unsetenv("KATA_CONF_FILE");
}

static void teardown(void)
{
	scratch_remove(dir);
}

static struct runtime_config *load(const char *asked, const char *const *annotations)
{
	struct runtime_config *c = config_load(asked, annotations, &err);

	ck_assert_msg(c != NULL, "%s", err.msg);
	return c;
}

/* Loading fails with this code, and the error has all these texts. */
static void fails(const char *asked, const char *const *annotations, enum err_code code,
		  const char *const *says)
{
	struct runtime_config *c = config_load(asked, annotations, &err);

	ck_assert_msg(c == NULL, "loaded, without: %s", says[0]);
	ck_assert_msg(err.code == code, "%s: %s", err_slug(err.code), err.msg);
	for (const char *const *text = says; *text; text++)
		ck_assert_msg(strstr(err.msg, *text) != NULL, "'%s' does not say '%s'", err.msg,
			      *text);
	err_clear(&err);
}

#define SAYS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* --- every key --- */

#define Q "hypervisor.qemu"
#define A "agent.kata"
#define R "runtime"
#define F "factory"

/*
 * One row a key. good is accepted, bad (NULL: every value of the type is fine) is refused, and so
 * is a value of another type. at: where good is to be found in the struct; ignored: what good is
 * has no effect, because it is the only possibility.
 */
enum { NOWHERE = -1 };
#define AT(m) (long)offsetof(struct runtime_config, m)

static const struct row {
	const char *table, *key, *good, *bad;
	long at;
} rows[] = {
	{ Q, "path", "\"/bin/cat\"", "\"/no/such\"", AT(qemu_path) },
	{ Q, "kernel", "\"/bin/cat\"", "\"/no/such\"", AT(kernel) },
	{ Q, "initrd", "\"/bin/cat\"", "\"/no/such\"", AT(initrd) },
	{ Q, "image", "\"\"", NULL, AT(image) }, /* root_image_test has more */
	{ Q, "rootfs_type", "\"erofs\"", "\"btrfs\"", AT(rootfs_type) },
	{ Q, "kernel_verity_params", "\"x\"", NULL, AT(verity_params) },
	{ Q, "machine_type", "\"microvm\"", "\"pc\"", AT(machine_type) },
	{ Q, "confidential_guest", "false", "true", NOWHERE },
	{ Q, "rootless", "true", NULL, AT(rootless) },
	{ Q, "enable_annotations", "[\"kernel\"]", NULL, NOWHERE },
	{ Q, "valid_hypervisor_paths", "[\"/bin/*\"]", NULL, NOWHERE },
	{ Q, "kernel_params", "\"a=b\"", NULL, AT(kernel_params) },
	{ Q, "firmware", "\"/bin/cat\"", "\"/no/such\"", AT(firmware) },
	{ Q, "firmware_volume", "\"\"", "\"/bin/sh\"", NOWHERE },
	{ Q, "machine_accelerators", "\"nvdimm=off\"", NULL, AT(machine_accelerators) },
	{ Q, "seccompsandbox", "\"on\"", NULL, AT(seccomp_sandbox) },
	{ Q, "cpu_features", "\"pmu=off\"", NULL, AT(cpu_features) },
	{ Q, "default_vcpus", "3", "241", AT(vcpus) },
	{ Q, "default_maxvcpus", "5", "-1", AT(max_vcpus) },
	{ Q, "default_bridges", "0", "2", AT(bridges) },
	{ Q, "default_memory", "300", "1", AT(memory_mib) },
	{ Q, "memory_slots", "4", "256", AT(memory_slots) },
	{ Q, "default_maxmemory", "4096", "-1", AT(max_memory_mib) },
	{ Q, "memory_offset", "0", "1", NOWHERE },
	{ Q, "enable_virtio_mem", "true", NULL, AT(virtio_mem) },
	{ Q, "disable_block_device_use", "true", NULL, AT(block_off) },
	{ Q, "shared_fs", "\"virtio-9p\"", "\"virtio-fs-nydus\"", AT(shared_fs) },
	{ Q, "virtio_fs_daemon", "\"/bin/cat\"", "\"/no/such\"", AT(virtiofsd) },
	{ Q, "valid_virtio_fs_daemon_paths", "[\"/bin/*\"]", NULL, NOWHERE },
	{ Q, "virtio_fs_cache_size", "0", "1", NOWHERE },
	{ Q, "virtio_fs_extra_args", "[\"-o\", \"x\"]", NULL, AT(virtiofsd_args) },
	{ Q, "virtio_fs_cache", "\"metadata\"", "\"sometimes\"", AT(virtiofs_cache) },
	{ Q, "block_device_driver", "\"virtio-scsi\"", "\"nvdimm\"", AT(block_driver) },
	{ Q, "block_device_aio", "\"native\"", "\"posix\"", AT(block_aio) },
	{ Q, "block_device_cache_set", "true", NULL, AT(block_cache_set) },
	{ Q, "block_device_cache_direct", "true", NULL, AT(block_cache_direct) },
	{ Q, "block_device_cache_noflush", "true", NULL, AT(block_cache_noflush) },
	{ Q, "block_device_logical_sector_size", "4096", "-1", AT(logical_sector) },
	{ Q, "block_device_physical_sector_size", "4096", "131072", AT(physical_sector) },
	{ Q, "enable_iothreads", "false", "true", NOWHERE },
	{ Q, "enable_mem_prealloc", "true", NULL, AT(mem_prealloc) },
	{ Q, "enable_hugepages", "true", NULL, AT(hugepages) },
	{ Q, "enable_vhost_user_store", "false", "true", NOWHERE },
	{ Q, "vhost_user_store_path", "\"/var/run/kata-containers/vhost-user\"", "\"/x\"",
	  NOWHERE },
	{ Q, "valid_vhost_user_store_paths", "[\"/x\"]", NULL, NOWHERE },
	{ Q, "enable_iommu", "false", "true", NOWHERE },
	{ Q, "enable_iommu_platform", "false", "true", NOWHERE },
	{ Q, "file_mem_backend", "\"/dev/shm\"", NULL, AT(file_mem_backend) },
	{ Q, "valid_file_mem_backends", "[\"/x\"]", NULL, NOWHERE },
	{ Q, "pflashes", "[]", "[\"/x\"]", NOWHERE },
	{ Q, "enable_debug", "true", NULL, AT(hypervisor_debug) },
	{ Q, "disable_nesting_checks", "true", NULL, NOWHERE },
	{ Q, "msize_9p", "8192", "0", AT(msize_9p) },
	{ Q, "disable_image_nvdimm", "true", NULL, AT(image_nvdimm_off) },
	{ Q, "hotplug_vfio_on_root_bus", "false", "true", NOWHERE },
	{ Q, "pcie_root_port", "2", "17", AT(pcie_root_ports) },
	{ Q, "disable_vhost_net", "true", NULL, AT(vhost_net_off) },
	{ Q, "entropy_source", "\"/dev/random\"", NULL, AT(entropy_source) },
	{ Q, "valid_entropy_sources", "[\"/x\"]", NULL, NOWHERE },
	{ Q, "guest_hook_path", "\"/hooks\"", NULL, AT(guest_hook_path) },
	{ Q, "rx_rate_limiter_max_rate", "800000", "-1", AT(rx_max_rate) },
	{ Q, "tx_rate_limiter_max_rate", "900000", "-1", AT(tx_max_rate) },
	{ Q, "guest_memory_dump_path", "\"\"", "\"/x\"", NOWHERE },
	{ Q, "guest_memory_dump_paging", "false", "true", NOWHERE },
	{ Q, "enable_guest_swap", "true", NULL, AT(guest_swap) },
	{ Q, "use_legacy_serial", "true", NULL, AT(legacy_serial) },
	{ Q, "disable_selinux", "true", NULL, AT(selinux_off) },
	{ Q, "accelerator", "\"tcg\"", "\"hvf\"", AT(accelerator) },
	{ Q, "transport", "\"vsock\"", "\"hvsock\"", AT(transport) },
	{ A, "enable_debug", "true", NULL, AT(agent_debug) },
	{ A, "enable_tracing", "false", "true", NOWHERE },
	{ A, "kernel_modules", "[\"m a=b\"]", NULL, AT(kernel_modules) },
	{ A, "debug_console_enabled", "false", "true", NOWHERE },
	{ A, "dial_timeout", "7", "0", AT(dial_timeout_s) },
	{ A, "request_timeout", "8", "0", AT(request_timeout_s) },
	{ A, "health_timeout", "0", "-1", AT(health_timeout_s) },
	{ R, "enable_debug", "true", NULL, AT(debug) },
	{ R, "internetworking_model", "\"macvtap\"", "\"l3forwarding\"", AT(net_model) },
	{ R, "disable_guest_seccomp", "true", NULL, AT(guest_seccomp_off) },
	{ R, "enable_tracing", "false", "true", NOWHERE },
	{ R, "jaeger_endpoint", "\"\"", "\"http://x\"", NOWHERE },
	{ R, "jaeger_user", "\"\"", "\"x\"", NOWHERE },
	{ R, "jaeger_password", "\"\"", "\"x\"", NOWHERE },
	{ R, "disable_new_netns", "false", NULL, NOWHERE },
	{ R, "sandbox_cgroup_only", "true", NULL, AT(sandbox_cgroup_only) },
	{ R, "enable_vcpus_pinning", "true", NULL, AT(pin_vcpus) },
	{ R, "static_sandbox_resource_mgmt", "true", NULL, AT(static_size) },
	{ R, "sandbox_bind_mounts", "[\"/etc\"]", NULL, AT(sandbox_bind_mounts) },
	{ R, "valid_config_paths", "[\"/etc\"]", NULL, NOWHERE },
	{ R, "vfio_mode", "\"vfio\"", "\"x\"", NOWHERE },
	{ R, "disable_guest_empty_dir", "true", NULL, NOWHERE },
	{ R, "experimental", "[]", "[\"x\"]", NOWHERE },
	{ R, "enable_pprof", "false", "true", NOWHERE },
	{ R, "create_container_timeout", "9", "0", AT(create_container_timeout_s) },
	{ F, "enable_template", "false", "true", NOWHERE },
	{ F, "template_path", "\"/run/vc/vm/template\"", "\"/x\"", NOWHERE },
	{ F, "vm_cache_number", "0", "1", NOWHERE },
	{ F, "vm_cache_endpoint", "\"/var/run/kata-containers/cache.sock\"", "\"/x\"", NOWHERE },
};

/* The main file is complete; the key is line 2 of the drop-in. */
static void drop_in(const struct row *r, const char *value)
{
	AUTO(str) char *d = str_fmt("%s/config.d", dir), *path = path_join(d, "50-key.toml");
	AUTO(str) char *text = str_fmt("[%s]\n%s = %s\n", r->table, r->key, value);

	write_to(file, BASE);
	ck_assert(path_make(d, 0700, &err) == 0);
	write_to(path, text);
}

/* A member of the struct, as it would be written in TOML. */
static char *as_toml(const struct row *r, struct runtime_config *c)
{
	void *member = (char *)c + r->at;
	AUTO(str) char *joined = NULL;

	switch (r->good[0]) {
	case '"':
		return str_fmt("\"%s\"", *(char **)member);
	case '[':
		joined = strv_join(*(char ***)member, "\", \"");
		return str_fmt("[\"%s\"]", joined);
	case 't':
		return str_fmt("%s", *(bool *)member ? "true" : "false");
	default:
		if (r->at == AT(vcpus))
			return str_fmt("%g", *(double *)member);
		return str_fmt("%lld", (long long)*(int64_t *)member);
	}
}

START_TEST(a_key_is_honoured_or_refused)
{
	const struct row *r = &rows[_i];
	AUTO(str) char *where = str_fmt("%s/config.d/50-key.toml", dir);
	AUTO(str) char *place = str_fmt("%s:2: ", where);
	struct runtime_config *c;

	drop_in(r, r->good);
	c = load(file, NULL);
	if (r->at != NOWHERE) {
		AUTO(str) char *got = as_toml(r, c);

		ck_assert_str_eq(got, r->good);
	}
	config_free(c);
	drop_in(r, r->good[0] == '1' ? "\"x\"" : "1979-05-27");
	fails(file, NULL, E_CONFIG, SAYS(place, r->key, "expected"));
	if (!r->bad)
		return;
	drop_in(r, r->bad);
	if (str_eq(r->bad, "\"/no/such\"")) /* seen when all is read: by key and path */
		fails(file, NULL, E_CONFIG, SAYS(r->key, "/no/such", "; install it or"));
	else
		fails(file, NULL, E_CONFIG, SAYS(place, r->key));
}
END_TEST

/* --- documents --- */

START_TEST(mistakes_have_a_line_and_a_remedy)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ BASE "kernl = \"x\"\n", ":6: unknown key 'kernl'; did you mean 'kernel'?" },
		{ BASE "[agent.kata]\ndial_timout = 3\n",
		  ":7: unknown key 'dial_timout'; did you" },
		{ BASE "[hypervisor.clh]\npath = \"x\"\n", ":6: unknown key 'clh'" },
		{ BASE "[image]\nprovision = \"x\"\n", ":6: unknown key 'image'" },
		{ "hypervisor = 5\n", ":1: key 'hypervisor': expected a table" },
		{ BASE "default_vcpus = \"many\"\n", ":6: key 'default_vcpus': expected" },
		{ BASE "default_vcpus = 1000\n", ":6: key 'default_vcpus'" },
		{ BASE "default_vcpus = 1\ndefault_vcpus = 2\n", ":7:1: " },
		{ BASE "kernel = [\n", ":6:1: " },
		{ "[hypervisor.qemu\n", ":1:" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_to(file, cases[i].text);
		fails(file, NULL, E_CONFIG, SAYS(file, cases[i].says));
	}
}
END_TEST

START_TEST(files_that_cannot_be_read_are_named)
{
	AUTO(str) char *missing = str_fmt("%s/missing.toml", dir), *loop = str_fmt("%s/loop", dir);

	fails(missing, NULL, E_NOT_FOUND, SAYS(missing));
	fails(dir, NULL, E_IO, SAYS(dir));
	ck_assert(symlink(loop, loop) == 0);
	fails(loop, NULL, E_IO, SAYS(loop, "symbolic links"));
}
END_TEST

/* Root may read everything, so another user has to try. */
START_TEST(an_unreadable_file_is_a_permission)
{
	int status;
	pid_t pid;

	write_to(file, BASE);
	ck_assert(chmod(dir, 0755) == 0 && chmod(file, 0) == 0);
	pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		if (config_load(file, NULL, &err))
			_exit(3);
		_exit(err.code == E_PERMISSION && strstr(err.msg, file) ? 0 : 4);
	}
	ck_assert(waitpid(pid, &status, 0) == pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(drop_ins_are_laid_over_in_order)
{
	AUTO(str) char *d = str_fmt("%s/config.d", dir), *ten = path_join(d, "10-a.toml");
	AUTO(str) char *nine = path_join(d, "9-b.toml"), *hidden = path_join(d, ".20-c.toml");
	struct runtime_config *c;

	write_to(file, BASE "default_vcpus = 2\nvirtio_fs_extra_args = [\"a\", \"b\"]\n");
	ck_assert(path_make(d, 0700, &err) == 0);
	write_to(ten, "[hypervisor.qemu]\ndefault_vcpus = 3\ndefault_memory = 300\n");
	write_to(nine, "[hypervisor.qemu]\ndefault_vcpus = 4\nvirtio_fs_extra_args = [\"c\"]\n");
	write_to(hidden, "nonsense");
	c = load(file, NULL);
	ck_assert_double_eq(c->vcpus, 4); /* "10" is before "9" */
	ck_assert_int_eq(c->memory_mib, 300);
	ck_assert_uint_eq(strv_len(c->virtiofsd_args), 1); /* replaced, not appended */
	ck_assert_str_eq(c->kernel, "/bin/sh");
	config_free(c);
	write_to(nine, "[hypervisor.qemu\n");
	fails(file, NULL, E_CONFIG, SAYS(nine, ":1:"));
}
END_TEST

/* A path without a leading slash is below the prefix, which the release has filled. */
START_TEST(a_release_uses_what_it_brings)
{
	static const char *const keys[] = { "path", "virtio_fs_daemon", "kernel", "initrd",
					    "firmware" };
	AUTO(str) char *prefix = config_prefix(), *missing = NULL;

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO(str) char *dropin = str_fmt("%s/config.d/1.toml", dir);
		AUTO(str) char *over = str_fmt("[hypervisor.qemu]\n%s = \"no/such\"\n", keys[i]);
		AUTO(str) char *folder = str_fmt("%s/config.d", dir);

		write_to(file, BASE);
		ck_assert_int_eq(path_make(folder, 0755, &err), 0);
		write_to(dropin, over);
		free(STEAL(missing, NULL));
		missing = str_fmt("%s = \"%s/no/such\"", keys[i], prefix);
		fails(file, NULL, E_CONFIG, SAYS(missing));
	}
	/* A missing key means the file of the release. */
	scratch_remove(dir);
	ck_assert_int_eq(path_make(dir, 0755, &err), 0);
	write_to(file, "[hypervisor.qemu]\nkernel = \"/bin/sh\"\ninitrd = \"/bin/sh\"\n");
	free(STEAL(missing, NULL));
	missing = str_fmt("path = \"%s/bin/qemu-system-x86_64\"", prefix);
	fails(file, NULL, E_CONFIG, SAYS(missing));
	free(STEAL(missing, NULL));
	missing = str_fmt("%s/bin/x", prefix);
	ck_assert(config_brings(missing));
	ck_assert(!config_brings("/bin/sh"));
}
END_TEST

START_TEST(the_environment_names_the_file)
{
	AUTO(str) char *other = str_fmt("%s/other.toml", dir), *gone = str_fmt("%s/gone", dir);
	struct runtime_config *c;

	write_to(file, BASE "default_vcpus = 2\n");
	write_to(other, BASE "default_vcpus = 3\n");
	ck_assert(setenv("KATA_CONF_FILE", file, 1) == 0);
	c = load(NULL, NULL);
	ck_assert_str_eq(c->file, file);
	ck_assert_double_eq(c->vcpus, 2);
	config_free(c);
	c = load(other, NULL); /* what was asked for wins */
	ck_assert_double_eq(c->vcpus, 3);
	config_free(c);
	/* A missing file that is named is an error; no other is used. */
	ck_assert(setenv("KATA_CONF_FILE", gone, 1) == 0);
	fails(NULL, NULL, E_NOT_FOUND, SAYS(gone));
}
END_TEST

/* --- annotations --- */

#define C "io.katacontainers.config."
#define H C "hypervisor."

START_TEST(annotations_are_laid_over)
{
	const char *list[] = { H "default_vcpus",
			       "3",
			       H "default_max_vcpus",
			       "9",
			       H "enable_hugepages",
			       "true",
			       H "kernel_params",
			       "c=\"d\"\\",
			       H "virtio_fs_extra_args",
			       "[\"-o\", \"y\"]",
			       H "virtio_fs_daemon",
			       "/bin/cat",
			       C "agent.kernel_modules",
			       "one a=b;two",
			       C "agent.container_pipe_size",
			       "4096",
			       C "runtime.disable_guest_seccomp",
			       "true",
			       "io.kubernetes.something",
			       "else",
			       NULL };
	AUTO(str) char *cat = realpath("/bin/cat", NULL); /* /bin may be a link */
	struct runtime_config *c;

	write_to(file, BASE "kernel_params = \"a=b\"\nenable_annotations = [\"default_.*\", "
			    "\"enable_hugepages|kernel_params\", \"virtio_fs_.*\"]\n"
			    "valid_virtio_fs_daemon_paths = [\"/nothing\", \"/bin/c*\"]\n");
	c = load(file, list);
	ck_assert_double_eq(c->vcpus, 3);
	ck_assert_int_eq(c->max_vcpus, 9);
	ck_assert(c->hugepages && c->guest_seccomp_off);
	ck_assert_str_eq(c->kernel_params, "a=b c=\"d\"\\ agent.container_pipe_size=4096");
	ck_assert_str_eq(c->virtiofsd_args[1], "y");
	ck_assert_str_eq(c->virtiofsd, cat);
	ck_assert_uint_eq(strv_len(c->kernel_modules), 2);
	ck_assert_str_eq(c->kernel_modules[0], "one a=b");
	config_free(c);
}
END_TEST

START_TEST(annotations_are_refused)
{
	static const struct {
		const char *name, *value;
		enum err_code code;
		const char *says;
	} cases[] = {
		/* not listed; listed is enable_iommu, which is not enable_iommu_platform */
		{ H "kernel", "/bin/cat", E_PERMISSION, "can list 'kernel' in enable_annotations" },
		{ H "enable_iommu_platform", "true", E_PERMISSION, "not allowed" },
		/* listed, and still not for annotations */
		{ H "valid_hypervisor_paths", "[\"/\"]", E_PERMISSION, "not allowed" },
		{ H "default_x", "1", E_UNSUPPORTED, "not supported" },
		{ C "runtime.sandbox_bind_mounts", "[\"/\"]", E_UNSUPPORTED, "not supported" },
		{ C "runtime.vfio_mod", "x", E_UNSUPPORTED,
		  "did you mean " C "runtime.vfio_mode?" },
		{ C "other", "x", E_UNSUPPORTED, "not supported" },
		/* paths */
		{ H "path", "/bin/cat", E_PERMISSION, "no pattern of valid_hypervisor_paths" },
		/* values */
		{ H "enable_iommu", "true", E_CONFIG, "enable_iommu = true is not supported" },
		{ H "default_vcpus", "many", E_CONFIG, "default_vcpus:1:" },
		{ H "default_vcpus", "1000", E_CONFIG, "key 'default_vcpus'" },
		{ H "default_vcpus", "240.5", E_CONFIG, "key 'default_vcpus': 240.5" },
		{ H "default_vcpus", "nan", E_CONFIG, "key 'default_vcpus': nan" },
		{ H "default_memory", "300.5", E_CONFIG, "key 'default_memory': expected" },
		{ H "default_vcpus", "\"1\"", E_CONFIG, "key 'default_vcpus': expected" },
		{ H "default_vcpus", "1\nhypervisor.qemu.path = \"/bin/cat\"", E_INVALID,
		  "one line" },
		{ H "default_vcpus", "", E_CONFIG, "default_vcpus:1:" },
		{ C "agent.container_pipe_size", "much", E_INVALID, "pipe size" },
	};

	write_to(file, BASE "enable_annotations = [\"enable_iommu\", \"default_.*\", \"path\"]\n"
			    "valid_hypervisor_paths = [\"/usr/*\"]\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *list[] = { cases[i].name, cases[i].value, NULL };

		fails(file, list, cases[i].code, SAYS("annotation ", cases[i].name, cases[i].says));
	}
	write_to(file, BASE "enable_annotations = [\"(\"]\n");
	fails(file, SAYS(H "kernel", "/bin/cat"), E_CONFIG,
	      SAYS(file, "'(' is not a regular expression"));
}
END_TEST

START_TEST(too_many_kernel_parameters_are_refused)
{
	const char *list[] = { H "kernel_params", NULL, NULL };
	char params[3001];

	memset(params, 'x', sizeof(params) - 1);
	params[sizeof(params) - 1] = '\0';
	list[1] = params;
	write_to(file, BASE "enable_annotations = [\"kernel_params\"]\n");
	fails(file, list, E_CONFIG,
	      SAYS("kernel_params", "has 3000 characters; the limit is 1536"));
	params[1536] = '\0';
	config_free(load(file, list));
}
END_TEST

START_TEST(what_arrives_by_a_macvtap_is_not_limited)
{
	static const char rate[] = "rx_rate_limiter_max_rate = 1000000\n";
	AUTO(str) char *text = str_fmt("%s%s[runtime]\ninternetworking_model = ", BASE, rate);
	AUTO(str) char *bad = str_fmt("%s\"macvtap\"\n", text);
	AUTO(str) char *good = str_fmt("%s\"tcfilter\"\n", text);

	write_to(file, bad);
	fails(file, NULL, E_CONFIG, SAYS(file, "rx_rate_limiter_max_rate", "macvtap"));
	write_to(file, good);
	config_free(load(file, NULL));
}
END_TEST

START_TEST(a_vmm_outside_the_namespace_has_no_network)
{
	AUTO(str) char *text = str_fmt("%s[runtime]\ndisable_new_netns = true\n", BASE);
	AUTO(str) char *both = str_fmt("%sinternetworking_model = \"none\"\n", text);
	struct runtime_config *c;

	write_to(file, text);
	fails(file, NULL, E_CONFIG, SAYS(file, "disable_new_netns", "internetworking_model"));
	write_to(file, both);
	c = load(file, NULL);
	ck_assert(c->new_netns_off);
	config_free(c);
}
END_TEST

START_TEST(processors_may_be_fractions)
{
	static const struct {
		const char *value;
		double vcpus;
	} cases[] = {
		{ "1.5", 1.5 }, { "2.0", 2 }, { "0.1", 0.1 }, { "-1.0", -1 }, { "2", 2 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *list[] = { H "default_vcpus", cases[i].value, NULL };
		AUTO(str) char *text = str_fmt(BASE "default_vcpus = %s\n", cases[i].value);
		struct runtime_config *c;

		write_to(file, BASE "enable_annotations = [\"default_vcpus\"]\n");
		c = load(file, list);
		ck_assert_double_eq(c->vcpus, cases[i].vcpus);
		config_free(c);
		write_to(file, text);
		c = load(file, NULL);
		ck_assert_double_eq(c->vcpus, cases[i].vcpus);
		config_free(c);
	}
}
END_TEST

/* --- another file --- */

#define PATH "io.katacontainers.config_path"

/* DIR/allowed/other.toml, a link beside it that leads out, and one into it from outside. */
static void two_files(void)
{
	AUTO(str)
	char *allowed = path_join(dir, "allowed"), *other = path_join(allowed, "other.toml");
	AUTO(str) char *out = path_join(allowed, "out.toml"), *in = path_join(dir, "in.toml");
	AUTO(str) char *like = path_join(dir, "allowed-not");
	AUTO(str) char *beside = path_join(like, "other.toml");

	ck_assert(path_make(allowed, 0700, &err) == 0 && path_make(like, 0700, &err) == 0);
	write_to(other, BASE "default_vcpus = 7\nenable_annotations = [\"default_memory\"]\n");
	write_to(beside, BASE "default_vcpus = 8\n");
	ck_assert(symlink(file, out) == 0 && symlink(other, in) == 0);
}

START_TEST(an_annotation_chooses_only_what_the_node_allows)
{
	AUTO(str)
	char *allow = str_fmt(BASE "[runtime]\nvalid_config_paths = [\"%s/allowed\"]\n", dir);
	static const char *const refused[] = { "allowed/out.toml", "allowed-not/other.toml",
					       "allowed/none", "allowed/../configuration.toml" };
	AUTO(str)
	char *other = path_join(dir, "allowed/other.toml"), *in = path_join(dir, "in.toml");
	const char *list[] = { PATH, other, H "default_memory", "300", NULL };
	struct runtime_config *c;

	two_files();
	write_to(file, BASE);
	fails(file, list, E_PERMISSION,
	      SAYS(PATH, "no file below", "can list its directory", file));
	write_to(file, allow);
	c = load(file, list);
	ck_assert_str_eq(c->file, other);
	ck_assert_double_eq(c->vcpus, 7);
	ck_assert_int_eq(c->memory_mib, 300); /* as the other file allows */
	config_free(c);
	list[1] = in;
	config_free(load(file, list));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		AUTO(str) char *path = path_join(dir, refused[i]);

		list[1] = path;
		fails(file, list, E_PERMISSION, SAYS(PATH, path));
	}
	list[1] = "configuration.toml";
	fails(file, list, E_PERMISSION, SAYS(PATH, "'configuration.toml'"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_key_is_honoured_or_refused, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, mistakes_have_a_line_and_a_remedy);
	tcase_add_test(t, files_that_cannot_be_read_are_named);
	tcase_add_test(t, an_unreadable_file_is_a_permission);
	tcase_add_test(t, drop_ins_are_laid_over_in_order);
	tcase_add_test(t, a_release_uses_what_it_brings);
	tcase_add_test(t, the_environment_names_the_file);
	tcase_add_test(t, annotations_are_laid_over);
	tcase_add_test(t, annotations_are_refused);
	tcase_add_test(t, too_many_kernel_parameters_are_refused);
	tcase_add_test(t, a_vmm_outside_the_namespace_has_no_network);
	tcase_add_test(t, what_arrives_by_a_macvtap_is_not_limited);
	tcase_add_test(t, processors_may_be_fractions);
	tcase_add_test(t, an_annotation_chooses_only_what_the_node_allows);
	suite_add_tcase(s, t);
	return suite_run(s);
}
