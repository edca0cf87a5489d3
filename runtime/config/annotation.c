// SPDX-License-Identifier: Apache-2.0
/*
 * Annotations that override the configuration. Anyone who may start a container can set them, so
 * known names are listed here, and those that change the VM must be allowed by the node's
 * administrator (enable_annotations).
 */

#include "config/config-internal.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX      "io.katacontainers.config."
#define CONFIG_PATH "io.katacontainers.config_path"

#define Q "hypervisor.qemu"
#define A "agent.kata"
#define R "runtime"

/* A list is a TOML array, or plain words if the row has a separator. */
static const struct note {
	const char *name; /* after the prefix */
	const char *table, *key;
	const char *valid; /* key of the patterns that a path must match */
	const char *separator;
} notes[] = {
	{ "hypervisor.path", Q, "path", "valid_hypervisor_paths", NULL },
	{ "hypervisor.kernel", Q, "kernel", NULL, NULL },
	{ "hypervisor.initrd", Q, "initrd", NULL, NULL },
	{ "hypervisor.image", Q, "image", NULL, NULL },
	{ "hypervisor.firmware", Q, "firmware", NULL, NULL },
	{ "hypervisor.firmware_volume", Q, "firmware_volume", NULL, NULL },
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
	{ "hypervisor.vhost_user_store_path", Q, "vhost_user_store_path",
	  "valid_vhost_user_store_paths", NULL },
	{ "hypervisor.guest_hook_path", Q, "guest_hook_path", NULL, NULL },

	{ "agent.enable_tracing", A, "enable_tracing", NULL, NULL },
	{ "agent.kernel_modules", A, "kernel_modules", NULL, ";" },

	{ "runtime.disable_guest_seccomp", R, "disable_guest_seccomp", NULL, NULL },
	{ "runtime.sandbox_cgroup_only", R, "sandbox_cgroup_only", NULL, NULL },
	{ "runtime.enable_pprof", R, "enable_pprof", NULL, NULL },
	{ "runtime.disable_new_netns", R, "disable_new_netns", NULL, NULL },
	{ "runtime.experimental", R, "experimental", NULL, " " },
	{ "runtime.internetworking_model", R, "internetworking_model", NULL, NULL },
	{ "runtime.vfio_mode", R, "vfio_mode", NULL, NULL },
	{ "runtime.create_container_timeout", R, "create_container_timeout", NULL, NULL },
};

static const struct note *find_note(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(notes); i++) {
		if (str_eq(notes[i].name, name))
			return &notes[i];
	}
	return NULL;
}

static struct toml_value *qemu_table(const struct toml_value *root)
{
	return toml_find(toml_find(root, "hypervisor"), "qemu");
}

/* --- allowed --- */

/* True if an expression matches the whole name: "enable_iommu" does not match longer names. */
static int matches(const char *expression, const char *name, bool *out, struct err *err)
{
	AUTO(str) char *whole = str_fmt("^(%s)$", expression);
	regex_t re;

	if (regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) != 0)
		return err_set(err, E_CONFIG,
			       "enable_annotations: '%s' is not a regular expression", expression);
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

static int check_path(const struct toml_value *root, const char *file, const struct note *n,
		      const char *path, struct err *err)
{
	AUTO(strv) char **list = NULL;

	if (toml_get_strings(qemu_table(root), n->valid, &list, err) < 0)
		return -1;
	strv_each(pattern, list) {
		if (fnmatch(*pattern, path, FNM_PATHNAME) == 0)
			return 0;
	}
	return err_set(err, E_PERMISSION, "no pattern of %s in %s matches '%s'", n->valid, file,
		       path);
}

static const char *value_of(const char *const *annotations, const char *name)
{
	for (size_t i = 0; annotations && annotations[i]; i += 2) {
		if (str_eq(annotations[i], name))
			return annotations[i + 1];
	}
	return NULL;
}

/* Compares real paths: a link must not lead out of the directory. */
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
	const char *path = value_of(annotations, CONFIG_PATH);
	AUTO(strv) char **directories = NULL;
	AUTO(str) char *real = NULL;

	if (!path)
		return NULL;
	if (toml_get_strings(toml_find(root, "runtime"), "valid_config_paths", &directories, err) <
	    0)
		return NULL;
	/* The same error whether or not the file exists: this must not be revealed. */
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

/* The value as TOML. An unquoted value must be a single line, so that it cannot add keys. */
static char *as_toml(const struct note *n, const char *value, struct err *err)
{
	enum config_kind kind = config_kind_of(n->table, n->key);

	if (kind == CONFIG_STRING)
		return quote(value);
	if (n->separator)
		return quote_words(value, n->separator);
	if (strpbrk(value, "\r\n")) {
		err_set(err, E_INVALID, "the value has more than one line");
		return NULL;
	}
	return xstrdup(value);
}

/* Kernel parameters of an annotation are appended to the configured ones. */
static char *appended(const struct toml_value *root, const char *value)
{
	const struct toml_value *now = toml_find(qemu_table(root), "kernel_params");

	if (!now || now->type != TOML_STRING || !now->string.len)
		return xstrdup(value);
	return str_fmt("%s %s", now->string.text, value);
}

static char *assignment(const struct note *n, const char *value, struct err *err)
{
	AUTO(str) char *toml = as_toml(n, value, err);

	return toml ? str_fmt("%s.%s = %s\n", n->table, n->key, toml) : NULL;
}

/* Passed to the agent as a kernel parameter. */
static char *assign_pipe_size(const struct toml_value *root, const char *value, struct err *err)
{
	const struct note *n = find_note("hypervisor.kernel_params");
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
	const char *names[ARRAY_LEN(notes) + 1], *near;

	for (size_t i = 0; i < ARRAY_LEN(notes); i++)
		names[i] = notes[i].name;
	names[ARRAY_LEN(notes)] = NULL;
	near = str_nearest(name, names);
	err_set(err, E_UNSUPPORTED, "not supported");
	if (near)
		err_hint(err, "did you mean " PREFIX "%s?", near);
}

/* The annotation as a line of TOML, heap, or NULL. name is without the prefix. */
static char *translate(const struct toml_value *root, const char *file, const char *name,
		       const char *value, struct err *err)
{
	const struct note *n = find_note(name);
	AUTO(str) char *all = NULL;

	if (str_starts(name, "hypervisor.") &&
	    check_allowed(root, file, name + strlen("hypervisor."), err) < 0)
		return NULL;
	if (str_eq(name, "agent.container_pipe_size"))
		return assign_pipe_size(root, value, err);
	if (!n) {
		refuse_unknown(name, err);
		return NULL;
	}
	if (n->valid && check_path(root, file, n, value, err) < 0)
		return NULL;
	if (str_eq(n->key, "kernel_params"))
		all = appended(root, value);
	return assignment(n, all ? all : value, err);
}

int config_annotate(struct toml_value *root, const char *file, const char *const *annotations,
		    struct err *err)
{
	for (size_t i = 0; annotations && annotations[i]; i += 2) {
		AUTO(str) char *label = str_fmt("annotation %.200s", annotations[i]), *line = NULL;
		struct toml_value *over;

		if (!str_starts(annotations[i], PREFIX))
			continue;
		line = translate(root, file, annotations[i] + strlen(PREFIX), annotations[i + 1],
				 err);
		if (!line)
			return err_wrap(err, "%s", label);
		over = toml_parse(label, line, strlen(line), NULL, err);
		if (!over)
			return -1;
		toml_merge(root, over);
	}
	return 0;
}
