// SPDX-License-Identifier: Apache-2.0
/* configuration.toml: the table of its keys, finding and reading it, and checks. */

#include "config/config-internal.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "toml/toml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <unistd.h>

/*
 * A row for each key. A key with a member is supported. A key without one is accepted only with a
 * value in `only` ("a|b"; a list only if it is empty); why is the reason for refusing others.
 */
struct key {
	const char *table, *name;
	enum config_kind kind;
	size_t member; /* offset in struct runtime_config, or SIZE_MAX */
	int64_t min, max, number;
	const char *text; /* default of a string */
	const char *only, *why;
};

#define AT(m) offsetof(struct runtime_config, m)

#define Q "hypervisor.qemu"
#define A "agent.kata"
#define R "runtime"
#define F "factory"

#define STR_KEY(t, n, m, d)                                        \
	{                                                          \
		t, n, CONFIG_STRING, AT(m), 0, 0, 0, d, NULL, NULL \
	}
#define CHOICE_KEY(t, n, m, d, o, w)                         \
	{                                                    \
		t, n, CONFIG_STRING, AT(m), 0, 0, 0, d, o, w \
	}
#define INT_KEY(t, n, m, lo, hi, d)                                  \
	{                                                            \
		t, n, CONFIG_INT, AT(m), lo, hi, d, NULL, NULL, NULL \
	}
/* A double: only its sum with the containers' processors is rounded up. */
#define CPUS_KEY(t, n, m, lo, hi, d)                                  \
	{                                                             \
		t, n, CONFIG_CPUS, AT(m), lo, hi, d, NULL, NULL, NULL \
	}
#define BOOL_KEY(t, n, m, d)                                        \
	{                                                           \
		t, n, CONFIG_BOOL, AT(m), 0, 0, d, NULL, NULL, NULL \
	}
#define LIST_KEY(t, n, m)                                              \
	{                                                              \
		t, n, CONFIG_STRINGS, AT(m), 0, 0, 0, NULL, NULL, NULL \
	}
#define FIXED_STR(t, n, o, w)                                      \
	{                                                          \
		t, n, CONFIG_STRING, SIZE_MAX, 0, 0, 0, NULL, o, w \
	}
#define FIXED_BOOL(t, n, o, w)                                   \
	{                                                        \
		t, n, CONFIG_BOOL, SIZE_MAX, 0, 0, 0, NULL, o, w \
	}
#define FIXED_INT(t, n, lo, hi, w)                                   \
	{                                                            \
		t, n, CONFIG_INT, SIZE_MAX, lo, hi, 0, NULL, NULL, w \
	}
#define FIXED_LIST(t, n, w)                                          \
	{                                                            \
		t, n, CONFIG_STRINGS, SIZE_MAX, 0, 0, 0, NULL, "", w \
	}
/* A list of what annotations may set; annotation.c reads it. */
#define GATE_LIST(t, n)                                                   \
	{                                                                 \
		t, n, CONFIG_STRINGS, SIZE_MAX, 0, 0, 0, NULL, NULL, NULL \
	}

/* QEMU's limits of a disk's sector size, and the unit of an nvdimm's size. */
enum { SECTOR_MIN = 512, SECTOR_MAX = 1 << 16, NVDIMM_STEP = 2 << 20 };

/* Characters of the kernel's command line: x86's COMMAND_LINE_SIZE, what vmm/qemu puts before the
 * configured parameters, and what it adds for an image. */
enum { COMMAND_LINE_MAX = 2047, OWN_PARAMS_MAX = 511, IMAGE_PARAMS_MAX = 512 };

#define NO_TRACE    "tracing is not built in"
#define NO_VHOST    "vhost-user devices are not supported"
#define NO_NVDIMM   "the guest has no persistent memory"
#define NO_CONSOLE  "the agent's debug console is not reachable from the host"
#define NO_TEMPLATE "VM templates are not supported"

static const struct key keys[] = {
	STR_KEY(Q, "path", qemu_path, "bin/qemu-system-x86_64"),
	STR_KEY(Q, "kernel", kernel, NULL),
	STR_KEY(Q, "initrd", initrd, ""),
	STR_KEY(Q, "image", image, ""),
	CHOICE_KEY(Q, "rootfs_type", rootfs_type, "", "|ext4|xfs|erofs|squashfs",
		   "the guest's kernel has no other"),
	STR_KEY(Q, "kernel_verity_params", verity_params, ""),
	CHOICE_KEY(Q, "machine_type", machine_type, "q35", "q35|microvm", "unknown machine"),
	FIXED_BOOL(Q, "confidential_guest", "false", "confidential guests are not supported"),
	BOOL_KEY(Q, "rootless", rootless, false),
	GATE_LIST(Q, "enable_annotations"),
	GATE_LIST(Q, "valid_hypervisor_paths"),
	STR_KEY(Q, "kernel_params", kernel_params, ""),
	STR_KEY(Q, "firmware", firmware, ""),
	FIXED_STR(Q, "firmware_volume", "", "split firmware is not supported; use firmware"),
	STR_KEY(Q, "machine_accelerators", machine_accelerators, ""),
	STR_KEY(Q, "seccompsandbox", seccomp_sandbox, ""),
	STR_KEY(Q, "cpu_features", cpu_features, ""),
	CPUS_KEY(Q, "default_vcpus", vcpus, -1, 240, 1),
	INT_KEY(Q, "default_maxvcpus", max_vcpus, 0, 240, 0),
	INT_KEY(Q, "default_bridges", bridges, 0, 1, 1),
	INT_KEY(Q, "default_memory", memory_mib, 64, 1 << 24, 2048),
	INT_KEY(Q, "memory_slots", memory_slots, 0, 255, 10),
	INT_KEY(Q, "default_maxmemory", max_memory_mib, 0, 1 << 24, 0),
	FIXED_INT(Q, "memory_offset", 0, 0, NO_NVDIMM),
	BOOL_KEY(Q, "enable_virtio_mem", virtio_mem, false),
	BOOL_KEY(Q, "disable_block_device_use", block_off, false),
	CHOICE_KEY(Q, "shared_fs", shared_fs, "", "|virtio-fs|virtio-9p|none",
		   "unknown shared file system"),
	STR_KEY(Q, "virtio_fs_daemon", virtiofsd, "libexec/virtiofsd"),
	GATE_LIST(Q, "valid_virtio_fs_daemon_paths"),
	FIXED_INT(Q, "virtio_fs_cache_size", 0, 0, "there is no DAX window"),
	LIST_KEY(Q, "virtio_fs_extra_args", virtiofsd_args),
	CHOICE_KEY(Q, "virtio_fs_cache", virtiofs_cache, "auto", "none|auto|always|never|metadata",
		   "unknown cache mode"),
	CHOICE_KEY(Q, "block_device_driver", block_driver, "virtio-blk", "virtio-scsi|virtio-blk",
		   "unknown driver"),
	CHOICE_KEY(Q, "block_device_aio", block_aio, "threads", "threads|native|io_uring",
		   "unknown way"),
	BOOL_KEY(Q, "block_device_cache_set", block_cache_set, false),
	BOOL_KEY(Q, "block_device_cache_direct", block_cache_direct, false),
	BOOL_KEY(Q, "block_device_cache_noflush", block_cache_noflush, false),
	INT_KEY(Q, "block_device_logical_sector_size", logical_sector, 0, SECTOR_MAX, 0),
	INT_KEY(Q, "block_device_physical_sector_size", physical_sector, 0, SECTOR_MAX, 0),
	FIXED_BOOL(Q, "enable_iothreads", "false", "QEMU's own thread serves the disks"),
	BOOL_KEY(Q, "enable_mem_prealloc", mem_prealloc, false),
	BOOL_KEY(Q, "enable_hugepages", hugepages, false),
	FIXED_BOOL(Q, "enable_vhost_user_store", "false", NO_VHOST),
	FIXED_STR(Q, "vhost_user_store_path", "|/var/run/kata-containers/vhost-user", NO_VHOST),
	GATE_LIST(Q, "valid_vhost_user_store_paths"),
	FIXED_BOOL(Q, "enable_iommu", "false", "there is no virtual IOMMU"),
	FIXED_BOOL(Q, "enable_iommu_platform", "false", "there is no virtual IOMMU"),
	STR_KEY(Q, "file_mem_backend", file_mem_backend, ""),
	GATE_LIST(Q, "valid_file_mem_backends"),
	FIXED_LIST(Q, "pflashes", "flash devices are not supported"),
	BOOL_KEY(Q, "enable_debug", hypervisor_debug, false),
	FIXED_BOOL(Q, "disable_nesting_checks", "false|true", NULL),
	INT_KEY(Q, "msize_9p", msize_9p, 4096, 1 << 20, 131072),
	BOOL_KEY(Q, "disable_image_nvdimm", image_nvdimm_off, false),
	FIXED_BOOL(Q, "hotplug_vfio_on_root_bus", "false", "VFIO devices are not supported"),
	INT_KEY(Q, "pcie_root_port", pcie_root_ports, 0, 16, 0),
	BOOL_KEY(Q, "disable_vhost_net", vhost_net_off, false),
	STR_KEY(Q, "entropy_source", entropy_source, "/dev/urandom"),
	GATE_LIST(Q, "valid_entropy_sources"),
	STR_KEY(Q, "guest_hook_path", guest_hook_path, ""),
	INT_KEY(Q, "rx_rate_limiter_max_rate", rx_max_rate, 0, INT64_MAX, 0),
	INT_KEY(Q, "tx_rate_limiter_max_rate", tx_max_rate, 0, INT64_MAX, 0),
	FIXED_STR(Q, "guest_memory_dump_path", "", "guest memory dumps are not supported"),
	FIXED_BOOL(Q, "guest_memory_dump_paging", "false", "guest memory dumps are not supported"),
	BOOL_KEY(Q, "enable_guest_swap", guest_swap, false),
	BOOL_KEY(Q, "use_legacy_serial", legacy_serial, false),
	BOOL_KEY(Q, "disable_selinux", selinux_off, false),
	CHOICE_KEY(Q, "accelerator", accelerator, "", "|kvm|tcg", "unknown accelerator"),
	CHOICE_KEY(Q, "transport", transport, "", "|vsock|serial", "unknown transport"),

	BOOL_KEY(A, "enable_debug", agent_debug, false),
	FIXED_BOOL(A, "enable_tracing", "false", NO_TRACE),
	LIST_KEY(A, "kernel_modules", kernel_modules),
	FIXED_BOOL(A, "debug_console_enabled", "false", NO_CONSOLE),
	INT_KEY(A, "dial_timeout", dial_timeout_s, 1, 3600, 30),
	INT_KEY(A, "request_timeout", request_timeout_s, 1, 3600, 60),
	INT_KEY(A, "health_timeout", health_timeout_s, 0, 86400, 90),

	BOOL_KEY(R, "enable_debug", debug, false),
	CHOICE_KEY(R, "internetworking_model", net_model, "tcfilter", "tcfilter|macvtap|none",
		   "unknown way to connect interfaces"),
	BOOL_KEY(R, "disable_guest_seccomp", guest_seccomp_off, false),
	FIXED_BOOL(R, "enable_tracing", "false", NO_TRACE),
	FIXED_STR(R, "jaeger_endpoint", "", NO_TRACE),
	FIXED_STR(R, "jaeger_user", "", NO_TRACE),
	FIXED_STR(R, "jaeger_password", "", NO_TRACE),
	BOOL_KEY(R, "disable_new_netns", new_netns_off, false),
	BOOL_KEY(R, "sandbox_cgroup_only", sandbox_cgroup_only, false),
	BOOL_KEY(R, "enable_vcpus_pinning", pin_vcpus, false),
	BOOL_KEY(R, "static_sandbox_resource_mgmt", static_size, false),
	LIST_KEY(R, "sandbox_bind_mounts", sandbox_bind_mounts),
	GATE_LIST(R, "valid_config_paths"),
	FIXED_STR(R, "vfio_mode", "guest-kernel|vfio", "unknown mode"),
	BOOL_KEY(R, "disable_guest_empty_dir", guest_empty_dir_off, true),
	FIXED_LIST(R, "experimental", "there are no experimental features"),
	FIXED_BOOL(R, "enable_pprof", "false", "there is no profiling server"),
	INT_KEY(R, "create_container_timeout", create_container_timeout_s, 1, 3600, 60),

	FIXED_BOOL(F, "enable_template", "false", NO_TEMPLATE),
	FIXED_STR(F, "template_path", "|/run/vc/vm/template", NO_TEMPLATE),
	FIXED_INT(F, "vm_cache_number", 0, 0, NO_TEMPLATE),
	FIXED_STR(F, "vm_cache_endpoint", "|/var/run/kata-containers/cache.sock", NO_TEMPLATE),
};

/* --- one key's value --- */

static bool is_one_of(const char *value, const char *choices)
{
	size_t len = strlen(value);

	for (const char *c = choices;; c++) {
		size_t n = strcspn(c, "|");

		if (n == len && strncmp(c, value, n) == 0)
			return true;
		c += n;
		if (!*c)
			return false;
	}
}

static int refuse(const struct toml_value *table, const struct key *k, const char *value,
		  struct err *err)
{
	const struct toml_value *v = toml_find(table, k->name);

	err_set(err, E_CONFIG, "%s:%u: %s = %s is not supported: %s", toml_file(v), v->span.line,
		k->name, value, k->why);
	if (!k->only || !*k->only || str_eq(k->only, "|"))
		return err_hint_else(err, "leave it out");
	return err_hint(err, "possible: %s", k->only);
}

static int take_string(struct toml_value *table, const struct key *k, void *member, struct err *err)
{
	const char *value;

	if (toml_get_string(table, k->name, k->text, &value, err) < 0)
		return -1;
	if (value && k->only && toml_find(table, k->name) && !is_one_of(value, k->only))
		return refuse(table, k, *value ? value : "\"\"", err);
	if (member)
		str_set(member, value);
	return 0;
}

static int take_bool(struct toml_value *table, const struct key *k, void *member, struct err *err)
{
	bool value;

	if (toml_get_bool(table, k->name, k->number != 0, &value, err) < 0)
		return -1;
	if (k->only && toml_find(table, k->name) && !is_one_of(value ? "true" : "false", k->only))
		return refuse(table, k, value ? "true" : "false", err);
	if (member)
		*(bool *)member = value;
	return 0;
}

static int take_int(struct toml_value *table, const struct key *k, void *member, struct err *err)
{
	int64_t value;

	if (toml_get_int(table, k->name, k->min, k->max, k->number, &value, err) < 0)
		return k->why ? err_hint(err, "%s", k->why) : -1;
	if (member)
		*(int64_t *)member = value;
	return 0;
}

static int take_cpus(struct toml_value *table, const struct key *k, double *member, struct err *err)
{
	const struct toml_value *v = toml_find(table, k->name);
	double number = 0;
	int64_t whole;

	if (!v || v->type != TOML_FLOAT) {
		if (toml_get_int(table, k->name, k->min, k->max, k->number, &whole, err) < 0)
			return -1;
		*member = (double)whole;
		return 0;
	}
	if (toml_get_float(table, k->name, 0, &number, err) < 0)
		return -1;
	/* Written so that NaN is refused too. */
	if (!(number >= (double)k->min && number <= (double)k->max))
		return err_set(err, E_CONFIG, "%s:%u: key '%s': %g is not between %lld and %lld",
			       toml_file(v), v->span.line, k->name, number, (long long)k->min,
			       (long long)k->max);
	*member = number;
	return 0;
}

static int take_strings(struct toml_value *table, const struct key *k, void *member,
			struct err *err)
{
	AUTO(strv) char **value = NULL;

	if (toml_get_strings(table, k->name, &value, err) < 0)
		return -1;
	if (k->only && value)
		return refuse(table, k, "[...]", err);
	if (member)
		*(char ***)member = STEAL(value, NULL);
	return 0;
}

static int take(struct toml_value *table, const struct key *k, struct runtime_config *c,
		struct err *err)
{
	void *member = k->member == SIZE_MAX ? NULL : (char *)c + k->member;

	switch (k->kind) {
	case CONFIG_STRING:
		return take_string(table, k, member, err);
	case CONFIG_BOOL:
		return take_bool(table, k, member, err);
	case CONFIG_INT:
		return take_int(table, k, member, err);
	case CONFIG_CPUS:
		return take_cpus(table, k, member, err);
	case CONFIG_STRINGS:
		return take_strings(table, k, member, err);
	}
	bug("kind of key %s", k->name);
}

/* --- documents --- */

/* *out: the table "a.b", or NULL if it is absent. */
static int find_table(struct toml_value *root, const char *path, struct toml_value **out,
		      struct err *err)
{
	AUTO(strv) char **parts = strv_split(path, ".");
	struct toml_value *t = root;

	strv_each(part, parts) {
		if (toml_get_table(t, *part, &t, err) < 0)
			return -1;
	}
	*out = t;
	return 0;
}

static int read_table(struct toml_value *root, const char *path, struct runtime_config *c,
		      struct err *err)
{
	const char *known[ARRAY_LEN(keys) + 1];
	struct toml_value *table;
	size_t n = 0;

	if (find_table(root, path, &table, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (!str_eq(keys[i].table, path))
			continue;
		known[n++] = keys[i].name;
		if (take(table, &keys[i], c, err) < 0)
			return -1;
	}
	known[n] = NULL;
	return table ? toml_unused(table, known, err) : 0;
}

static int check_outer(struct toml_value *root, struct err *err)
{
	static const char *const tables[] = { "hypervisor", "agent", "runtime", "factory", NULL };
	static const char *const vmms[] = { "qemu", NULL }, *const agents[] = { "kata", NULL };
	struct toml_value *outer;

	if (toml_unused(root, tables, err) < 0 ||
	    toml_get_table(root, "hypervisor", &outer, err) < 0 ||
	    (outer && toml_unused(outer, vmms, err) < 0) ||
	    toml_get_table(root, "agent", &outer, err) < 0)
		return -1;
	return outer ? toml_unused(outer, agents, err) : 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int not_hidden(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

/* Merges every file of config.d/, beside the main file, into the document. */
static int merge_dropins(struct toml_value *root, const char *file, struct err *err)
{
	AUTO(str) char *dir = str_fmt("%.*sconfig.d", (int)(path_basename(file) - file), file);
	struct dirent **list = NULL;
	int n = scandir(dir, &list, not_hidden, by_name), result = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : err_sys(err, "list %s", dir);
	for (int i = 0; i < n; i++) {
		AUTO(str) char *path = path_join(dir, list[i]->d_name);
		struct toml_value *over = result == 0 ? toml_load(path, err) : NULL;

		if (over)
			toml_merge(root, over);
		else
			result = -1;
		free(list[i]);
	}
	free(list);
	return result;
}

char *config_prefix(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	AUTO(str) char *up = NULL;

	if (n <= 0)
		return xstrdup(KATA_PREFIX);
	self[n] = '\0';
	up = str_fmt("%s/../..", self);
	return path_clean(up);
}

/* The path of the configuration that administrators edit, heap. All generations of an installed
 * release share the etc/ beside generations/. */
static char *edited_below(const char *prefix)
{
	AUTO(str) char *up = str_fmt("%s/..", prefix), *parent = path_clean(up);

	if (str_eq(path_basename(parent), "generations"))
		return str_fmt("%.*setc/configuration.toml", (int)(path_basename(parent) - parent),
			       parent);
	return path_join(prefix, "etc/configuration.toml");
}

char *config_find(const char *asked, struct err *err)
{
	const char *env = getenv("KATA_CONF_FILE");
	AUTO(str) char *prefix = config_prefix(), *edited = edited_below(prefix);
	AUTO(str)
	char *own = path_join(prefix, "share/defaults/kata-containers/configuration.toml");

	/* A file that was named must exist: config_load() does not fall back to another one. */
	if (!str_empty(asked))
		return xstrdup(asked);
	if (!str_empty(env))
		return xstrdup(env);
	const char *const places[] = { "/etc/kata-containers/configuration.toml", edited, own };
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		/* One that cannot be seen must not be replaced by the next. */
		int there = path_look(AT_FDCWD, places[i], err);

		if (there)
			return there < 0 ? NULL : xstrdup(places[i]);
	}
	err_set(err, E_NOT_FOUND,
		"no configuration: neither /etc/kata-containers/configuration.toml nor %s exists",
		own);
	err_hint(err, "install one or set KATA_CONF_FILE");
	return NULL;
}

/* Makes a relative path absolute, below PREFIX: so a release works in any directory, with its own
 * files. */
static void below_prefix(char **path)
{
	AUTO(str) char *prefix = config_prefix(), *absolute = NULL;

	if (str_empty(*path) || **path == '/')
		return;
	absolute = path_join(prefix, *path);
	str_set(path, absolute);
}

bool config_brings(const char *path)
{
	AUTO(str) char *prefix = config_prefix();

	return path_is_below(path, prefix);
}

/* Checks a file that the VM needs. Checked early, so that the error can name the key. */
static int check_file(const struct runtime_config *c, const char *key, const char *path, int mode,
		      struct err *err)
{
	if (str_empty(path)) {
		err_set(err, E_CONFIG, "%s: [hypervisor.qemu] has no '%s'", c->file, key);
		return err_hint(err, "name the file there");
	}
	if (access(path, mode) < 0) {
		err_sys(err, "%s: %s = \"%s\"", c->file, key, path);
		err->code = E_CONFIG;
		return err_hint(err, "install it or correct the path");
	}
	return 0;
}

static int check_sector(const struct runtime_config *c, const char *key, int64_t size,
			struct err *err)
{
	if (!size || (size >= SECTOR_MIN && (size & (size - 1)) == 0))
		return 0;
	err_set(err, E_CONFIG, "%s: %s = %lld is no size of a sector", c->file, key,
		(long long)size);
	return err_hint(err, "set a power of two from %d to %d, or 0 for QEMU's own", SECTOR_MIN,
			SECTOR_MAX);
}

static int check_sectors(const struct runtime_config *c, struct err *err)
{
	if (check_sector(c, "block_device_logical_sector_size", c->logical_sector, err) < 0 ||
	    check_sector(c, "block_device_physical_sector_size", c->physical_sector, err) < 0)
		return -1;
	if (!c->physical_sector || c->physical_sector >= c->logical_sector)
		return 0;
	err_set(err, E_CONFIG,
		"%s: block_device_physical_sector_size = %lld is below "
		"block_device_logical_sector_size = %lld",
		c->file, (long long)c->physical_sector, (long long)c->logical_sector);
	return err_hint(err, "a physical sector holds one or more logical ones");
}

/* Exactly one of initrd and image must be set. */
static int check_root(const struct runtime_config *c, struct err *err)
{
	if (*c->image && *c->initrd) {
		err_set(err, E_CONFIG, "%s: image = \"%s\" and initrd = \"%s\" exclude each other",
			c->file, c->image, c->initrd);
		return err_hint(err, "set the other one to \"\"");
	}
	if (!*c->image && !*c->initrd) {
		err_set(err, E_CONFIG, "%s: [hypervisor.qemu] has neither 'initrd' nor 'image'",
			c->file);
		return err_hint(err, "name the file there");
	}
	return *c->image ? check_file(c, "image", c->image, R_OK, err)
			 : check_file(c, "initrd", c->initrd, R_OK, err);
}

static int check_kernel_params(const struct runtime_config *c, struct err *err)
{
	int limit = COMMAND_LINE_MAX - OWN_PARAMS_MAX - (*c->image ? IMAGE_PARAMS_MAX : 0);

	if (strlen(c->kernel_params) <= (size_t)limit)
		return 0;
	return err_set(
		err, E_CONFIG,
		"%s: kernel_params, with those of annotations, has %zu characters; the limit "
		"is %d: the kernel's command line ends after %d, of which the runtime needs "
		"the rest",
		c->file, strlen(c->kernel_params), limit, COMMAND_LINE_MAX);
}

static int check(const struct runtime_config *c, struct err *err)
{
	if (check_sectors(c, err) < 0)
		return -1;
	if (check_file(c, "path", c->qemu_path, X_OK, err) < 0 ||
	    check_file(c, "kernel", c->kernel, R_OK, err) < 0 || check_root(c, err) < 0)
		return -1;
	if (!str_empty(c->firmware) && check_file(c, "firmware", c->firmware, R_OK, err) < 0)
		return -1;
	if (!str_eq(c->shared_fs, "virtio-9p") && !str_eq(c->shared_fs, "none") &&
	    check_file(c, "virtio_fs_daemon", c->virtiofsd, X_OK, err) < 0)
		return err_hint(err, "or set shared_fs = \"virtio-9p\"");
	if (check_kernel_params(c, err) < 0)
		return -1;
	if (c->new_netns_off && !str_eq(c->net_model, "none")) {
		err_set(err, E_CONFIG,
			"%s: disable_new_netns = true leaves the VMM in the host's network, from "
			"where it cannot serve a pod's",
			c->file);
		return err_hint(err, "set internetworking_model = \"none\" with it");
	}
	if (c->rx_max_rate && str_eq(c->net_model, "macvtap")) {
		err_set(err, E_CONFIG,
			"%s: rx_rate_limiter_max_rate: what arrives by a macvtap cannot be limited",
			c->file);
		return err_hint(err, "set internetworking_model = \"tcfilter\" with it");
	}
	if (c->max_memory_mib && c->max_memory_mib < c->memory_mib)
		return err_set(err, E_CONFIG,
			       "%s: default_maxmemory = %lld is below default_memory = %lld; "
			       "raise it, or use 0 for all of the host's",
			       c->file, (long long)c->max_memory_mib, (long long)c->memory_mib);
	return 0;
}

enum config_kind config_kind_of(const char *table, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (str_eq(keys[i].table, table) && str_eq(keys[i].name, name))
			return keys[i].kind;
	}
	bug("no key %s in [%s]", name, table);
}

/* The document of a file, overridden by its drop-ins; for toml_free(). NULL on failure. */
static struct toml_value *load_document(const char *file, struct err *err)
{
	AUTO(toml) struct toml_value *root = toml_load(file, err);

	if (!root) {
		err_wrap(err, "configuration %s", file);
		return NULL;
	}
	if (merge_dropins(root, file, err) < 0 || check_outer(root, err) < 0)
		return NULL;
	return STEAL(root, NULL);
}

/* Reads the image's properties, from the open file if its digest was checked. */
static int read_image(struct runtime_config *c, struct err *err)
{
	AUTO(fd) int fd = -1;
	int is = c->checked[ASSET_IMAGE];

	if (!*c->image)
		return 0;
	if (!is)
		is = fd = open(c->image, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (is < 0)
		return err_sys(err, "open %s", c->image);
	if (root_image_read(is, c->image, c->verity_params, c->rootfs_type, &c->root, err) < 0)
		return err_wrap(err, "%s", c->file);
	if (!config_has_nvdimm(c) || c->root.size % NVDIMM_STEP == 0)
		return 0;
	err_set(err, E_CONFIG, "%s: %s has %llu bytes; an nvdimm has a multiple of %d", c->file,
		c->image, (unsigned long long)c->root.size, NVDIMM_STEP);
	return err_hint(err, "set disable_image_nvdimm = true");
}

/* The document of *file or, if an annotation selects another file, that one's; *file is then its
 * name. */
static struct toml_value *choose_document(char **file, const char *const *annotations,
					  struct err *err)
{
	AUTO(toml) struct toml_value *root = load_document(*file, err);
	char *chosen = root ? config_chosen(root, *file, annotations, err) : NULL;

	if (!chosen)
		return err->code ? NULL : STEAL(root, NULL);
	free(*file);
	*file = chosen;
	return load_document(*file, err);
}

struct runtime_config *config_load(const char *asked, const char *const *annotations,
				   struct err *err)
{
	AUTO(config) struct runtime_config *c = NEW(struct runtime_config);
	AUTO(toml) struct toml_value *root = NULL;

	c->file = config_find(asked, err);
	if (!c->file)
		return NULL;
	root = choose_document(&c->file, annotations, err);
	if (!root || config_annotate(root, c->file, annotations, err) < 0 ||
	    read_table(root, Q, c, err) < 0 || read_table(root, A, c, err) < 0 ||
	    read_table(root, R, c, err) < 0 || read_table(root, F, c, err) < 0)
		return NULL;
	below_prefix(&c->qemu_path);
	below_prefix(&c->virtiofsd);
	below_prefix(&c->kernel);
	below_prefix(&c->initrd);
	below_prefix(&c->image);
	below_prefix(&c->firmware);
	if (check(c, err) < 0) {
		config_blame(annotations, err);
		return NULL;
	}
	if (config_check_assets(c, annotations, err) < 0)
		return NULL;
	if (read_image(c, err) < 0) {
		config_blame(annotations, err);
		return NULL;
	}
	return STEAL(c, NULL);
}

void config_free(struct runtime_config *c)
{
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		void *member;

		if (keys[i].member == SIZE_MAX)
			continue;
		member = (char *)c + keys[i].member;
		if (keys[i].kind == CONFIG_STRING)
			free(*(char **)member);
		else if (keys[i].kind == CONFIG_STRINGS)
			strv_free(*(char ***)member);
	}
	config_release_assets(c);
	free(c->file);
	free(c);
}
