// SPDX-License-Identifier: Apache-2.0
/*
 * Annotations that override the configuration. Anyone who may start a container can set them. So
 * only names in the table are accepted, and those that change the VM only if the node's
 * administrator allows them (enable_annotations). Each is translated to a line of TOML, which is
 * merged into the document.
 */

#include "config/config-internal.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define FAMILY      "io.katacontainers."
#define PREFIX      FAMILY "config."
#define CONFIG_PATH FAMILY "config_path"
#define HASH_TYPE   "asset_hash_type"

#define Q "hypervisor.qemu"
#define A "agent.kata"
#define R "runtime"

#define ANYWHERE "" /* valid of a path that need not match a pattern */

static const struct row {
	const char *name; /* after PREFIX */
	const char *table, *key;
	const char *valid; /* of a path: the key with the patterns that it must match; else NULL */
	const char *separator; /* of a list of plain words; NULL: a list is a TOML array */
} rows[] = {
	{ "hypervisor.path", Q, "path", "valid_hypervisor_paths", NULL },
	{ "hypervisor.kernel", Q, "kernel", ANYWHERE, NULL },
	{ "hypervisor.initrd", Q, "initrd", ANYWHERE, NULL },
	{ "hypervisor.image", Q, "image", ANYWHERE, NULL },
	{ "hypervisor.kernel_verity_params", Q, "kernel_verity_params", NULL, NULL },
	{ "hypervisor.firmware", Q, "firmware", ANYWHERE, NULL },
	{ "hypervisor.firmware_volume", Q, "firmware_volume", ANYWHERE, NULL },
	{ "hypervisor.kernel_params", Q, "kernel_params", NULL, NULL },
	{ "hypervisor.machine_type", Q, "machine_type", NULL, NULL },
	{ "hypervisor.machine_accelerators", Q, "machine_accelerators", NULL, NULL },
	{ "hypervisor.cpu_features", Q, "cpu_features", NULL, NULL },
	{ "hypervisor.default_vcpus", Q, "default_vcpus", NULL, NULL },
	{ "hypervisor.default_max_vcpus", Q, "default_maxvcpus", NULL, NULL },
	{ "hypervisor.default_memory", Q, "default_memory", NULL, NULL },
	{ "hypervisor.memory_slots", Q, "memory_slots", NULL, NULL },
	{ "hypervisor.memory_offset", Q, "memory_offset", NULL, NULL },
	{ "hypervisor.enable_virtio_mem", Q, "enable_virtio_mem", NULL, NULL },
	{ "hypervisor.enable_mem_prealloc", Q, "enable_mem_prealloc", NULL, NULL },
	{ "hypervisor.enable_hugepages", Q, "enable_hugepages", NULL, NULL },
	{ "hypervisor.enable_iommu", Q, "enable_iommu", NULL, NULL },
	{ "hypervisor.enable_iommu_platform", Q, "enable_iommu_platform", NULL, NULL },
	{ "hypervisor.enable_guest_swap", Q, "enable_guest_swap", NULL, NULL },
	{ "hypervisor.rootless", Q, "rootless", NULL, NULL },
	{ "hypervisor.file_mem_backend", Q, "file_mem_backend", "valid_file_mem_backends", NULL },
	{ "hypervisor.block_device_driver", Q, "block_device_driver", NULL, NULL },
	{ "hypervisor.block_device_aio", Q, "block_device_aio", NULL, NULL },
	{ "hypervisor.block_device_logical_sector_size", Q, "block_device_logical_sector_size",
	  NULL, NULL },
	{ "hypervisor.block_device_physical_sector_size", Q, "block_device_physical_sector_size",
	  NULL, NULL },
	{ "hypervisor.blk_logical_sector_size", Q, "block_device_logical_sector_size", NULL, NULL },
	{ "hypervisor.blk_physical_sector_size", Q, "block_device_physical_sector_size", NULL,
	  NULL },
	{ "hypervisor.disable_block_device_use", Q, "disable_block_device_use", NULL, NULL },
	{ "hypervisor.enable_iothreads", Q, "enable_iothreads", NULL, NULL },
	{ "hypervisor.block_device_cache_set", Q, "block_device_cache_set", NULL, NULL },
	{ "hypervisor.block_device_cache_direct", Q, "block_device_cache_direct", NULL, NULL },
	{ "hypervisor.block_device_cache_noflush", Q, "block_device_cache_noflush", NULL, NULL },
	{ "hypervisor.shared_fs", Q, "shared_fs", NULL, NULL },
	{ "hypervisor.virtio_fs_daemon", Q, "virtio_fs_daemon", "valid_virtio_fs_daemon_paths",
	  NULL },
	{ "hypervisor.virtio_fs_cache", Q, "virtio_fs_cache", NULL, NULL },
	{ "hypervisor.virtio_fs_cache_size", Q, "virtio_fs_cache_size", NULL, NULL },
	{ "hypervisor.virtio_fs_extra_args", Q, "virtio_fs_extra_args", NULL, NULL },
	{ "hypervisor.msize_9p", Q, "msize_9p", NULL, NULL },
	{ "hypervisor.disable_vhost_net", Q, "disable_vhost_net", NULL, NULL },
	{ "hypervisor.disable_image_nvdimm", Q, "disable_image_nvdimm", NULL, NULL },
	{ "hypervisor.hotplug_vfio_on_root_bus", Q, "hotplug_vfio_on_root_bus", NULL, NULL },
	{ "hypervisor.use_legacy_serial", Q, "use_legacy_serial", NULL, NULL },
	{ "hypervisor.pcie_root_port", Q, "pcie_root_port", NULL, NULL },
	{ "hypervisor.rx_rate_limiter_max_rate", Q, "rx_rate_limiter_max_rate", NULL, NULL },
	{ "hypervisor.tx_rate_limiter_max_rate", Q, "tx_rate_limiter_max_rate", NULL, NULL },
	{ "hypervisor.entropy_source", Q, "entropy_source", "valid_entropy_sources", NULL },
	{ "hypervisor.enable_vhost_user_store", Q, "enable_vhost_user_store", NULL, NULL },
	{ "hypervisor.vhost_user_store_path", Q, "vhost_user_store_path",
	  "valid_vhost_user_store_paths", NULL },
	{ "hypervisor.guest_hook_path", Q, "guest_hook_path", NULL, NULL },

	{ "agent.enable_tracing", A, "enable_tracing", NULL, NULL },
	{ "agent.kernel_modules", A, "kernel_modules", NULL, ";" },

	{ "runtime.disable_guest_seccomp", R, "disable_guest_seccomp", NULL, NULL },
	{ "runtime.sandbox_cgroup_only", R, "sandbox_cgroup_only", NULL, NULL },
	{ "runtime.enable_vcpus_pinning", R, "enable_vcpus_pinning", NULL, NULL },
	{ "runtime.enable_pprof", R, "enable_pprof", NULL, NULL },
	{ "runtime.disable_new_netns", R, "disable_new_netns", NULL, NULL },
	{ "runtime.experimental", R, "experimental", NULL, " " },
	{ "runtime.internetworking_model", R, "internetworking_model", NULL, NULL },
	{ "runtime.vfio_mode", R, "vfio_mode", NULL, NULL },
	{ "runtime.create_container_timeout", R, "create_container_timeout", NULL, NULL },
};

#define NO_JAILER    "QEMU runs without a jailer"
#define NO_CONTROL   "QEMU has no control program"
#define NO_VFIO      "devices of the host are not passed to a VM"
#define NO_IOTHREADS "QEMU's own thread serves the disks"
#define NO_NUMA      "a VM has one NUMA node"
#define NO_POLICY    "the agent has no policy"
#define CONFIDENTIAL "confidential guests are not supported"

/* Annotations of other versions or VMMs of Kata Containers that are never possible here. They are
 * refused with the reason, before enable_annotations is looked at. */
static const struct {
	const char *name, *why;
} impossible[] = {
	{ "hypervisor.jailer_path", NO_JAILER },
	{ "hypervisor.jailer_hash", NO_JAILER },
	{ "hypervisor.ctlpath", NO_CONTROL },
	{ "hypervisor.hypervisorctl_hash", NO_CONTROL },
	{ "hypervisor.firmware_volume_hash", "split firmware is not supported; use firmware_hash" },
	{ "hypervisor.use_vsock", "it is found out whether there is a vsock" },
	{ "hypervisor.indep_iothreads", NO_IOTHREADS },
	{ "hypervisor.reclaim_guest_freed_memory",
	  "memory goes back to the host when containers go (enable_virtio_mem)" },
	{ "hypervisor.cold_plug_vfio", NO_VFIO },
	{ "hypervisor.hot_plug_vfio", NO_VFIO },
	{ "hypervisor.pcie_switch_port", NO_VFIO },
	{ "hypervisor.default_gpus", NO_VFIO },
	{ "hypervisor.default_gpu_model", NO_VFIO },
	{ "hypervisor.numa_mapping", NO_NUMA },
	{ "hypervisor.enable_numa", NO_NUMA },
	{ "hypervisor.vhost_user_reconnect_timeout_sec", "vhost-user devices are not supported" },
	{ "hypervisor.cc_init_data", CONFIDENTIAL },
	{ "agent.cdh_api_timeout", CONFIDENTIAL },
	{ "agent.policy", NO_POLICY },
	{ "agent.visible_cdi_devices", NO_VFIO },
	{ "agent.launch_process_timeout", "the agent starts no other daemons" },
	{ "runtime.experimental_force_guest_pull", "images are pulled by the container manager" },
	{ "runtime.guest_selinux_label", "the guest has no SELinux" },
};

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (str_eq(rows[i].name, name))
			return &rows[i];
	}
	return NULL;
}

static struct toml_value *qemu_table(const struct toml_value *root)
{
	return toml_find(toml_find(root, "hypervisor"), "qemu");
}

/* --- allowed --- */

/* *out: the expression matches the whole name; "enable_iommu" does not match longer names. */
static int matches(const char *expression, const char *name, bool *out, struct err *err)
{
	AUTO(str) char *whole = str_fmt("^(%s)$", expression);
	regex_t re;

	if (regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, E_CONFIG,
			       "enable_annotations: '%s' is not a regular expression; see regex(7)",
			       expression);
	*out = regexec(&re, name, 0, NULL, 0) == 0;
	regfree(&re);
	return 0;
}

static int check_allowed(const struct toml_value *root, const char *file, const char *name,
			 struct err *err)
{
	AUTO(strv) char **list = NULL;
	bool allowed = false;

	if (toml_get_strings(qemu_table(root), "enable_annotations", &list, err) < 0)
		return -1;
	strv_each(expression, list) {
		if (matches(*expression, name, &allowed, err) < 0)
			return err_wrap(err, "%s", file);
		if (allowed)
			return 0;
	}
	err_set(err, E_PERMISSION, "not allowed by %s", file);
	return err_hint(err, "the node's administrator can list '%s' in enable_annotations", name);
}

/* The pattern with symbolic links resolved as far as it has no wildcard, heap: a directory that the
 * administrator lists may be a link. */
static char *real_pattern(const char *pattern)
{
	size_t plain = strcspn(pattern, "*?[\\");
	AUTO(str) char *head = NULL, *real = NULL;

	if (pattern[plain]) {
		while (plain && pattern[plain - 1] != '/')
			plain--;
	}
	head = xstrndup(pattern, plain);
	real = *head == '/' ? realpath(head, NULL) : NULL;
	if (!real)
		return xstrdup(pattern);
	return str_fmt("%s%s%s", real, pattern[plain] && !str_eq(real, "/") ? "/" : "",
		       pattern + plain);
}

static int match_path(const struct toml_value *root, const char *file, const struct row *n,
		      const char *asked, const char *real, struct err *err)
{
	AUTO(strv) char **list = NULL;

	if (toml_get_strings(qemu_table(root), n->valid, &list, err) < 0)
		return -1;
	strv_each(pattern, list) {
		AUTO(str) char *there = real_pattern(*pattern);

		if (real && fnmatch(there, real, FNM_PATHNAME) == 0)
			return 0;
	}
	err_set(err, E_PERMISSION, "no pattern of %s in %s matches '%.200s'", n->valid, file,
		asked);
	return err_hint(err,
			"the node's administrator can list the file there, by its path without "
			"symbolic links");
}

/*
 * The path with symbolic links resolved, heap: a link may lead to another file later, and to one
 * that the patterns do not match. If there are patterns, a file that does not exist gets the same
 * error as one that they do not match: whether a file exists must not be revealed.
 */
static char *take_path(const struct toml_value *root, const char *file, const struct row *n,
		       const char *path, struct err *err)
{
	AUTO(str) char *real = *path ? realpath(path, NULL) : xstrdup("");

	if (*path && *path != '/') {
		err_set(err, E_INVALID, "'%.200s' is not an absolute path", path);
		return NULL;
	}
	if (*n->valid && match_path(root, file, n, path, real, err) < 0)
		return NULL;
	if (!real)
		err_sys(err, "%.200s", path);
	return STEAL(real, NULL);
}

const char *config_annotation(const char *const *annotations, const char *name)
{
	for (size_t i = 0; annotations && annotations[i]; i += 2) {
		if (str_eq(annotations[i], name))
			return annotations[i + 1];
	}
	return NULL;
}

/* True if the real path is below one of the directories. Their links are resolved, too. */
static bool is_below_one(const char *real, char *const *directories)
{
	strv_each(directory, directories) {
		AUTO(str) char *there = realpath(*directory, NULL);

		if (**directory == '/' && there && path_is_below(real, there))
			return true;
	}
	return false;
}

char *config_chosen(const struct toml_value *root, const char *file, const char *const *annotations,
		    struct err *err)
{
	const char *path = config_annotation(annotations, CONFIG_PATH);
	AUTO(strv) char **directories = NULL;
	AUTO(str) char *real = NULL;

	if (!path)
		return NULL;
	if (toml_get_strings(toml_find(root, "runtime"), "valid_config_paths", &directories, err) <
	    0)
		return NULL;
	/* The same error whether or not the file exists, since that must not be revealed. */
	real = *path == '/' ? realpath(path, NULL) : NULL;
	if (real && is_below_one(real, directories))
		return STEAL(real, NULL);
	err_set(err, E_PERMISSION,
		"annotation " CONFIG_PATH
		": '%.200s' is no file below a directory of valid_config_paths",
		path);
	err_hint(err, "the node's administrator can list its directory in [runtime] of %s", file);
	return NULL;
}

/* --- values --- */

static char *quote(const char *text)
{
	char *out = xstrdup("\""), *longer;

	for (const char *c = text; *c; c++) {
		unsigned char u = (unsigned char)*c;

		if (*c == '"' || *c == '\\')
			longer = str_fmt("%s\\%c", out, *c);
		else if (u < 0x20 || u == 0x7f)
			longer = str_fmt("%s\\u%04x", out, u);
		else
			longer = str_fmt("%s%c", out, *c);
		free(out);
		out = longer;
	}
	longer = str_fmt("%s\"", out);
	free(out);
	return longer;
}

static char *quote_words(const char *text, const char *separator)
{
	AUTO(strv) char **words = strv_split(text, separator), **quoted = NULL;
	AUTO(str) char *joined = NULL;

	strv_each(word, words) {
		AUTO(str) char *q = quote(*word);

		strv_push(&quoted, q);
	}
	joined = strv_join(quoted, ", ");
	return str_fmt("[%s]", joined);
}

/* TOML's word for a boolean: of a pod's annotations upstream accepts what Go's strconv.ParseBool
 * does. */
static char *as_bool(const char *value, struct err *err)
{
	static const char *const words[] = { "true",  "True",  "TRUE",  "t", "T", "1",
					     "false", "False", "FALSE", "f", "F", "0" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (str_eq(value, words[i]))
			return xstrdup(i < ARRAY_LEN(words) / 2 ? "true" : "false");
	}
	err_set(err, E_INVALID, "'%.50s' is not a boolean; write true or false", value);
	return NULL;
}

/* The value as TOML, heap. An unquoted value must be a single line, so that it cannot add keys. */
static char *as_toml(const struct row *n, const char *value, struct err *err)
{
	enum config_kind kind = config_kind_of(n->table, n->key);

	if (kind == CONFIG_STRING)
		return quote(value);
	if (kind == CONFIG_BOOL)
		return as_bool(value, err);
	if (n->separator)
		return quote_words(value, n->separator);
	if (strpbrk(value, "\r\n")) {
		err_set(err, E_INVALID, "the value has more than one line");
		return NULL;
	}
	return xstrdup(value);
}

/* The configured kernel parameters with those of an annotation appended, heap. */
static char *appended(const struct toml_value *root, const char *value)
{
	const struct toml_value *now = toml_find(qemu_table(root), "kernel_params");

	if (!now || now->type != TOML_STRING || !now->string.len)
		return xstrdup(value);
	return str_fmt("%s %s", now->string.text, value);
}

static char *assignment(const struct row *n, const char *value, struct err *err)
{
	AUTO(str) char *toml = as_toml(n, value, err);

	return toml ? str_fmt("%s.%s = %s\n", n->table, n->key, toml) : NULL;
}

/* The line for agent.container_pipe_size, which reaches the agent as a kernel parameter; heap. */
static char *assign_pipe_size(const struct toml_value *root, const char *value, struct err *err)
{
	const struct row *n = find_row("hypervisor.kernel_params");
	AUTO(str) char *word = NULL, *all = NULL;
	uint64_t size;

	if (str_u64(value, 10, 0, 1 << 20, "pipe size", &size, err) < 0)
		return NULL;
	word = str_fmt("agent.container_pipe_size=%llu", (unsigned long long)size);
	all = appended(root, word);
	if (!n)
		bug("no annotation for the kernel command line");
	return assignment(n, all, err);
}

static void refuse_unknown(const char *name, struct err *err)
{
	const char *names[ARRAY_LEN(rows) + 1], *near;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		names[i] = rows[i].name;
	names[ARRAY_LEN(rows)] = NULL;
	near = str_nearest(name, names);
	err_set(err, E_UNSUPPORTED, "not supported");
	if (near)
		err_hint(err, "did you mean " PREFIX "%s?", near);
	else
		err_hint(err, "remove it from the pod");
}

static int check_possible(const char *name, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(impossible); i++) {
		if (!str_eq(impossible[i].name, name))
			continue;
		err_set(err, E_UNSUPPORTED, "not supported: %s", impossible[i].why);
		return err_hint(err, "remove it from the pod");
	}
	return 0;
}

static char *check_hash_type(const char *value, struct err *err)
{
	if (str_eq(value, "sha512"))
		return xstrdup("");
	err_set(err, E_UNSUPPORTED, "digests of the kind '%.50s' are not supported", value);
	err_hint(err, "use sha512");
	return NULL;
}

/* The annotation PREFIX NAME as a line of TOML, which may be empty; heap, or NULL with an error. */
static char *translate(const struct toml_value *root, const char *file, const char *name,
		       const char *value, struct err *err)
{
	const struct row *n = find_row(name);
	AUTO(str) char *taken = NULL;

	if (str_eq(name, "hypervisor." HASH_TYPE))
		return check_hash_type(value, err);
	if (check_possible(name, err) < 0 ||
	    (str_starts(name, "hypervisor.") &&
	     check_allowed(root, file, name + strlen("hypervisor."), err) < 0))
		return NULL;
	if (config_is_digest(name))
		return xstrdup(""); /* config_check_assets() checks it when the path is known */
	if (str_eq(name, "agent.container_pipe_size"))
		return assign_pipe_size(root, value, err);
	if (!n) {
		refuse_unknown(name, err);
		return NULL;
	}
	if (n->valid)
		taken = take_path(root, file, n, value, err);
	else if (str_eq(n->key, "kernel_params"))
		taken = appended(root, value);
	else
		taken = xstrdup(value);
	return taken ? assignment(n, taken, err) : NULL;
}

/* True for annotations that others read: config_chosen(), shim/annotation.c, or nobody here. */
static bool is_of_others(const char *name)
{
	return str_eq(name, CONFIG_PATH) || str_starts(name, FAMILY "container.") ||
	       str_starts(name, FAMILY "pkg.oci.");
}

/* As translate(), for an annotation of any name. */
static char *read_annotation(const struct toml_value *root, const char *file, const char *name,
			     const char *value, struct err *err)
{
	if (str_starts(name, PREFIX))
		return translate(root, file, name + strlen(PREFIX), value, err);
	if (str_eq(name, FAMILY HASH_TYPE))
		return check_hash_type(value, err);
	if (str_eq(name, "sgx.intel.com/epc"))
		err_set(err, E_UNSUPPORTED, "not supported: a VM has no SGX memory");
	else if (str_starts(name, FAMILY) && !is_of_others(name))
		err_set(err, E_UNSUPPORTED, "not supported");
	else
		return xstrdup("");
	err_hint(err, "remove it from the pod");
	return NULL;
}

/* True if an annotation sets that key of the hypervisor. */
static bool names(const char *const *annotations, const char *name)
{
	AUTO(str) char *whole = str_fmt(PREFIX "hypervisor.%s", name);

	return !str_empty(config_annotation(annotations, whole));
}

/* If an annotation names initrd or image, removes the configured ones and what is configured about
 * them. */
static int replace_root(struct toml_value *root, const char *const *annotations, struct err *err)
{
	static const char unset[] = Q ".initrd = \"\"\n" Q ".image = \"\"\n" Q
				      ".kernel_verity_params = \"\"\n" Q ".rootfs_type = \"\"\n";
	bool image = names(annotations, "image"), initrd = names(annotations, "initrd");
	struct toml_value *over;

	if (image && initrd) {
		err_set(err, E_INVALID,
			"the annotations " PREFIX "hypervisor.image and " PREFIX
			"hypervisor.initrd exclude each other");
		return err_hint(err, "remove one of them");
	}
	if (!image && !initrd)
		return 0;
	over = toml_parse("annotations", unset, strlen(unset), NULL, err);
	if (!over)
		return -1;
	toml_merge(root, over);
	return 0;
}

int config_annotate(struct toml_value *root, const char *file, const char *const *annotations,
		    struct err *err)
{
	if (replace_root(root, annotations, err) < 0)
		return -1;
	for (size_t i = 0; annotations && annotations[i]; i += 2) {
		AUTO(str) char *label = str_fmt("annotation %.200s", annotations[i]), *line = NULL;
		struct toml_value *over;

		line = read_annotation(root, file, annotations[i], annotations[i + 1], err);
		if (!line)
			return err_wrap(err, "%s", label);
		over = toml_parse(label, line, strlen(line), NULL, err);
		if (!over)
			return -1;
		toml_merge(root, over);
	}
	return 0;
}

void config_blame(const char *const *annotations, struct err *err)
{
	AUTO(strv) char **names = NULL;
	AUTO(str) char *all = NULL;

	for (size_t i = 0; annotations && annotations[i]; i += 2) {
		if (str_starts(annotations[i], PREFIX))
			strv_push(&names, annotations[i]);
	}
	all = strv_join(names, ", ");
	if (names)
		err_wrap(err, "with the annotations %.300s", all);
}
