// SPDX-License-Identifier: Apache-2.0
/* The tables, and freeing and copying with them. Names: OCI runtime specification 1.2,
 * config*.md. */

#include "oci/table.h"

#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"

#include <stdlib.h>
#include <string.h>

#define FIELD(k, s, m, n)                                  \
	{                                                  \
		k, n, NULL, offsetof(struct s, m), 0, NULL \
	}
#define COUNTED(k, s, m, n)                                                        \
	{                                                                          \
		k, n, NULL, offsetof(struct s, m), offsetof(struct s, n_##m), NULL \
	}
#define LIST(s, m, n, t)                                                               \
	{                                                                              \
		OCI_LIST, n, NULL, offsetof(struct s, m), offsetof(struct s, n_##m), t \
	}
#define LIST_IN(s, v, c, n, t)                                                     \
	{                                                                          \
		OCI_LIST, n, NULL, offsetof(struct s, v), offsetof(struct s, c), t \
	}
#define OBJECT(s, m, n, t)                                       \
	{                                                        \
		OCI_OBJECT, n, NULL, offsetof(struct s, m), 0, t \
	}
#define GROUP(n, t)                         \
	{                                   \
		OCI_GROUP, n, NULL, 0, 0, t \
	}
#define GROUP_AT(s, m, n, t)                                    \
	{                                                       \
		OCI_GROUP, n, NULL, offsetof(struct s, m), 0, t \
	}
#define TYPE(name, s) static const struct oci_type name = { sizeof(struct s), name##_fields }
#define END                                     \
	{                                       \
		OCI_END, NULL, NULL, 0, 0, NULL \
	}

/* --- process --- */

static const struct oci_field box_fields[] = {
	FIELD(OCI_U32, oci_process, console_height, "height"),
	FIELD(OCI_U32, oci_process, console_width, "width"),
	END,
};
TYPE(box, oci_process);

static const struct oci_field user_fields[] = {
	FIELD(OCI_U32, oci_user, uid, "uid"),
	FIELD(OCI_U32, oci_user, gid, "gid"),
	FIELD(OCI_OPT_I64, oci_user, umask, "umask"),
	COUNTED(OCI_U32S, oci_user, additional_gids, "additionalGids"),
	FIELD(OCI_STR, oci_user, username, "username"),
	END,
};
TYPE(user, oci_user);

static const struct oci_field capabilities_fields[] = {
	FIELD(OCI_STRV, oci_capabilities, bounding, "bounding"),
	FIELD(OCI_STRV, oci_capabilities, effective, "effective"),
	FIELD(OCI_STRV, oci_capabilities, inheritable, "inheritable"),
	FIELD(OCI_STRV, oci_capabilities, permitted, "permitted"),
	FIELD(OCI_STRV, oci_capabilities, ambient, "ambient"),
	END,
};
TYPE(capabilities, oci_capabilities);

static const struct oci_field rlimit_fields[] = {
	FIELD(OCI_STR, oci_rlimit, type, "type"),
	FIELD(OCI_U64, oci_rlimit, hard, "hard"),
	FIELD(OCI_U64, oci_rlimit, soft, "soft"),
	END,
};
TYPE(rlimit, oci_rlimit);

static const struct oci_field process_fields[] = {
	FIELD(OCI_BOOL, oci_process, terminal, "terminal"),
	GROUP("consoleSize", &box),
	GROUP_AT(oci_process, user, "user", &user),
	FIELD(OCI_STRV, oci_process, args, "args"),
	FIELD(OCI_STRV, oci_process, env, "env"),
	FIELD(OCI_STR, oci_process, cwd, "cwd"),
	OBJECT(oci_process, capabilities, "capabilities", &capabilities),
	LIST(oci_process, rlimits, "rlimits", &rlimit),
	FIELD(OCI_BOOL, oci_process, no_new_privileges, "noNewPrivileges"),
	FIELD(OCI_STR, oci_process, apparmor_profile, "apparmorProfile"),
	FIELD(OCI_OPT_I64, oci_process, oom_score_adj, "oomScoreAdj"),
	FIELD(OCI_STR, oci_process, selinux_label, "selinuxLabel"),
	END,
};
const struct oci_type oci_process_type = { sizeof(struct oci_process), process_fields };

/* --- mounts, hooks, root --- */

static const struct oci_field mapping_fields[] = {
	FIELD(OCI_U32, oci_id_mapping, container_id, "containerID"),
	FIELD(OCI_U32, oci_id_mapping, host_id, "hostID"),
	FIELD(OCI_U32, oci_id_mapping, size, "size"),
	END,
};
TYPE(mapping, oci_id_mapping);

static const struct oci_field mount_fields[] = {
	FIELD(OCI_STR, oci_mount, destination, "destination"),
	FIELD(OCI_STR, oci_mount, type, "type"),
	FIELD(OCI_STR, oci_mount, source, "source"),
	FIELD(OCI_STRV, oci_mount, options, "options"),
	LIST(oci_mount, uid_mappings, "uidMappings", &mapping),
	LIST(oci_mount, gid_mappings, "gidMappings", &mapping),
	END,
};
TYPE(mount, oci_mount);

static const struct oci_field hook_fields[] = {
	FIELD(OCI_STR, oci_hook, path, "path"),
	FIELD(OCI_STRV, oci_hook, args, "args"),
	FIELD(OCI_STRV, oci_hook, env, "env"),
	FIELD(OCI_OPT_I64, oci_hook, timeout, "timeout"),
	END,
};
TYPE(hook, oci_hook);

#define HOOKS(m, label) LIST_IN(oci_hooks, m.v, m.n, label, &hook)
static const struct oci_field hooks_fields[] = {
	HOOKS(prestart, "prestart"),
	HOOKS(create_runtime, "createRuntime"),
	HOOKS(create_container, "createContainer"),
	HOOKS(start_container, "startContainer"),
	HOOKS(poststart, "poststart"),
	HOOKS(poststop, "poststop"),
	END,
};
TYPE(hooks, oci_hooks);

static const struct oci_field root_fields[] = {
	FIELD(OCI_STR, oci_spec, root_path, "path"),
	FIELD(OCI_BOOL, oci_spec, root_readonly, "readonly"),
	END,
};
TYPE(root, oci_spec);

/* --- resources --- */

static const struct oci_field rule_fields[] = {
	FIELD(OCI_STATED_BOOL, oci_device_rule, allow, "allow"),
	FIELD(OCI_STR, oci_device_rule, type, "type"),
	FIELD(OCI_ANY_I64, oci_device_rule, major, "major"),
	FIELD(OCI_ANY_I64, oci_device_rule, minor, "minor"),
	FIELD(OCI_STR, oci_device_rule, access, "access"),
	END,
};
TYPE(rule, oci_device_rule);

static const struct oci_field memory_fields[] = {
	FIELD(OCI_OPT_I64, oci_resources, memory.limit, "limit"),
	FIELD(OCI_OPT_I64, oci_resources, memory.reservation, "reservation"),
	FIELD(OCI_OPT_I64, oci_resources, memory.swap, "swap"),
	FIELD(OCI_OPT_I64, oci_resources, memory.kernel, "kernel"),
	FIELD(OCI_OPT_I64, oci_resources, memory.kernel_tcp, "kernelTCP"),
	FIELD(OCI_OPT_U64, oci_resources, memory.swappiness, "swappiness"),
	FIELD(OCI_BOOL, oci_resources, memory.disable_oom_killer, "disableOOMKiller"),
	FIELD(OCI_BOOL, oci_resources, memory.use_hierarchy, "useHierarchy"),
	FIELD(OCI_BOOL, oci_resources, memory.check_before_update, "checkBeforeUpdate"),
	END,
};
TYPE(memory, oci_resources);

static const struct oci_field cpu_fields[] = {
	FIELD(OCI_OPT_U64, oci_resources, cpu.shares, "shares"),
	FIELD(OCI_OPT_I64, oci_resources, cpu.quota, "quota"),
	FIELD(OCI_OPT_U64, oci_resources, cpu.burst, "burst"),
	FIELD(OCI_OPT_U64, oci_resources, cpu.period, "period"),
	FIELD(OCI_OPT_I64, oci_resources, cpu.realtime_runtime, "realtimeRuntime"),
	FIELD(OCI_OPT_U64, oci_resources, cpu.realtime_period, "realtimePeriod"),
	FIELD(OCI_STR, oci_resources, cpu.cpus, "cpus"),
	FIELD(OCI_STR, oci_resources, cpu.mems, "mems"),
	FIELD(OCI_OPT_I64, oci_resources, cpu.idle, "idle"),
	END,
};
TYPE(cpu, oci_resources);

static const struct oci_field pids_fields[] = {
	FIELD(OCI_OPT_I64, oci_resources, pids_limit, "limit"),
	END,
};
TYPE(pids, oci_resources);

static const struct oci_field weight_fields[] = {
	FIELD(OCI_I64, oci_weight_device, major, "major"),
	FIELD(OCI_I64, oci_weight_device, minor, "minor"),
	FIELD(OCI_OPT_U64, oci_weight_device, weight, "weight"),
	FIELD(OCI_OPT_U64, oci_weight_device, leaf_weight, "leafWeight"),
	END,
};
TYPE(weight, oci_weight_device);

static const struct oci_field throttle_fields[] = {
	FIELD(OCI_I64, oci_throttle_device, major, "major"),
	FIELD(OCI_I64, oci_throttle_device, minor, "minor"),
	FIELD(OCI_U64, oci_throttle_device, rate, "rate"),
	END,
};
TYPE(throttle, oci_throttle_device);

#define THROTTLE(m, label) LIST_IN(oci_resources, block_io.m.v, block_io.m.n, label, &throttle)
static const struct oci_field block_io_fields[] = {
	FIELD(OCI_OPT_U64, oci_resources, block_io.weight, "weight"),
	FIELD(OCI_OPT_U64, oci_resources, block_io.leaf_weight, "leafWeight"),
	LIST_IN(oci_resources, block_io.weight_device, block_io.n_weight_device, "weightDevice",
		&weight),
	THROTTLE(read_bps, "throttleReadBpsDevice"),
	THROTTLE(write_bps, "throttleWriteBpsDevice"),
	THROTTLE(read_iops, "throttleReadIOPSDevice"),
	THROTTLE(write_iops, "throttleWriteIOPSDevice"),
	END,
};
TYPE(block_io, oci_resources);

static const struct oci_field hugepage_fields[] = {
	FIELD(OCI_STR, oci_hugepage_limit, page_size, "pageSize"),
	FIELD(OCI_U64, oci_hugepage_limit, limit, "limit"),
	END,
};
TYPE(hugepage, oci_hugepage_limit);

static const struct oci_field priority_fields[] = {
	FIELD(OCI_STR, oci_interface_priority, name, "name"),
	FIELD(OCI_U32, oci_interface_priority, priority, "priority"),
	END,
};
TYPE(priority, oci_interface_priority);

static const struct oci_field network_fields[] = {
	FIELD(OCI_OPT_U64, oci_resources, network.class_id, "classID"),
	LIST_IN(oci_resources, network.priorities, network.n_priorities, "priorities", &priority),
	END,
};
TYPE(network, oci_resources);

static const struct oci_field resources_fields[] = {
	LIST(oci_resources, devices, "devices", &rule),
	GROUP("memory", &memory),
	GROUP("cpu", &cpu),
	GROUP("pids", &pids),
	GROUP("blockIO", &block_io),
	LIST(oci_resources, hugepage_limits, "hugepageLimits", &hugepage),
	GROUP("network", &network),
	COUNTED(OCI_MAP, oci_resources, unified, "unified"),
	END,
};
const struct oci_type oci_resources_type = { sizeof(struct oci_resources), resources_fields };

/* --- linux --- */

static const struct oci_field namespace_fields[] = {
	FIELD(OCI_STR, oci_namespace, type, "type"),
	FIELD(OCI_STR, oci_namespace, path, "path"),
	END,
};
TYPE(namespace, oci_namespace);

static const struct oci_field device_fields[] = {
	FIELD(OCI_STR, oci_device, path, "path"),
	FIELD(OCI_STR, oci_device, type, "type"),
	FIELD(OCI_I64, oci_device, major, "major"),
	FIELD(OCI_I64, oci_device, minor, "minor"),
	FIELD(OCI_OPT_I64, oci_device, file_mode, "fileMode"),
	FIELD(OCI_U32, oci_device, uid, "uid"),
	FIELD(OCI_U32, oci_device, gid, "gid"),
	END,
};
TYPE(device, oci_device);

static const struct oci_field arg_fields[] = {
	FIELD(OCI_U32, oci_seccomp_arg, index, "index"),
	FIELD(OCI_U64, oci_seccomp_arg, value, "value"),
	FIELD(OCI_U64, oci_seccomp_arg, value_two, "valueTwo"),
	FIELD(OCI_STR, oci_seccomp_arg, op, "op"),
	END,
};
TYPE(arg, oci_seccomp_arg);

static const struct oci_field syscall_rule_fields[] = {
	FIELD(OCI_STRV, oci_syscall, names, "names"),
	FIELD(OCI_STR, oci_syscall, action, "action"),
	FIELD(OCI_OPT_U64, oci_syscall, errno_ret, "errnoRet"),
	LIST(oci_syscall, args, "args", &arg),
	END,
};
TYPE(syscall_rule, oci_syscall);

static const struct oci_field seccomp_fields[] = {
	FIELD(OCI_STR, oci_seccomp, default_action, "defaultAction"),
	FIELD(OCI_OPT_U64, oci_seccomp, default_errno_ret, "defaultErrnoRet"),
	FIELD(OCI_STRV, oci_seccomp, architectures, "architectures"),
	FIELD(OCI_STRV, oci_seccomp, flags, "flags"),
	FIELD(OCI_STR, oci_seccomp, listener_path, "listenerPath"),
	LIST(oci_seccomp, syscalls, "syscalls", &syscall_rule),
	END,
};
TYPE(seccomp, oci_seccomp);

static const struct oci_field rdt_fields[] = {
	FIELD(OCI_STR, oci_linux, intel_rdt_l3_schema, "l3CacheSchema"),
	END,
};
TYPE(rdt, oci_linux);

static const struct oci_field linux_part_fields[] = {
	LIST(oci_linux, uid_mappings, "uidMappings", &mapping),
	LIST(oci_linux, gid_mappings, "gidMappings", &mapping),
	COUNTED(OCI_MAP, oci_linux, sysctl, "sysctl"),
	OBJECT(oci_linux, resources, "resources", &oci_resources_type),
	FIELD(OCI_STR, oci_linux, cgroups_path, "cgroupsPath"),
	LIST(oci_linux, namespaces, "namespaces", &namespace),
	LIST(oci_linux, devices, "devices", &device),
	OBJECT(oci_linux, seccomp, "seccomp", &seccomp),
	FIELD(OCI_STR, oci_linux, rootfs_propagation, "rootfsPropagation"),
	FIELD(OCI_STRV, oci_linux, masked_paths, "maskedPaths"),
	FIELD(OCI_STRV, oci_linux, readonly_paths, "readonlyPaths"),
	FIELD(OCI_STR, oci_linux, mount_label, "mountLabel"),
	GROUP("intelRdt", &rdt),
	END,
};
TYPE(linux_part, oci_linux);

static const struct oci_field spec_fields[] = {
	{ OCI_STR, "ociVersion", "Version", offsetof(struct oci_spec, version), 0, NULL },
	OBJECT(oci_spec, process, "process", &oci_process_type),
	GROUP("root", &root),
	FIELD(OCI_STR, oci_spec, hostname, "hostname"),
	FIELD(OCI_STR, oci_spec, domainname, "domainname"),
	LIST(oci_spec, mounts, "mounts", &mount),
	GROUP_AT(oci_spec, hooks, "hooks", &hooks),
	COUNTED(OCI_MAP, oci_spec, annotations, "annotations"),
	GROUP_AT(oci_spec, linux_, "linux", &linux_part),
	END,
};
const struct oci_type oci_spec_type = { sizeof(struct oci_spec), spec_fields };

/* --- freeing --- */

static void release_fields(const struct oci_type *type, void *obj);

static void release_list(const struct oci_field *f, char *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		release_fields(f->type, v + i * f->type->size);
	free(v);
}

static void release_map(struct oci_pair *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(v[i].key);
		free(v[i].value);
	}
	free(v);
}

static void release_field(const struct oci_field *f, char *obj)
{
	void *at = obj + f->offset;

	switch (f->kind) {
	case OCI_STR:
	case OCI_U32S:
		free(*(void **)at);
		break;
	case OCI_STRV:
		strv_free(*(char ***)at);
		break;
	case OCI_GROUP:
		release_fields(f->type, at);
		break;
	case OCI_OBJECT:
		if (*(void **)at)
			release_fields(f->type, *(void **)at);
		free(*(void **)at);
		break;
	case OCI_LIST:
		release_list(f, *(char **)at, *(size_t *)(void *)(obj + f->count));
		break;
	case OCI_MAP:
		release_map(*(struct oci_pair **)at, *(size_t *)(void *)(obj + f->count));
		break;
	case OCI_END:
	case OCI_BOOL:
	case OCI_STATED_BOOL:
	case OCI_U32:
	case OCI_I64:
	case OCI_U64:
	case OCI_OPT_I64:
	case OCI_ANY_I64:
	case OCI_OPT_U64:
		break;
	}
}

static void release_fields(const struct oci_type *type, void *obj)
{
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++)
		release_field(f, obj);
}

/* Groups share the struct of their owner, which is cleared as a whole. */
void oci_release(const struct oci_type *type, void *obj)
{
	release_fields(type, obj);
	memset(obj, 0, type->size);
}

static void free_all(const struct oci_type *type, void *obj)
{
	if (obj)
		release_fields(type, obj);
	free(obj);
}

void oci_spec_free(struct oci_spec *spec)
{
	free_all(&oci_spec_type, spec);
}

void oci_process_free(struct oci_process *process)
{
	free_all(&oci_process_type, process);
}

void oci_resources_free(struct oci_resources *resources)
{
	free_all(&oci_resources_type, resources);
}

void oci_hooks_release(struct oci_hooks *h)
{
	oci_release(&hooks, h);
}

void oci_seccomp_free(struct oci_seccomp *s)
{
	free_all(&seccomp, s);
}

void oci_namespace_release(struct oci_namespace *ns)
{
	oci_release(&namespace, ns);
}

void oci_device_release(struct oci_device *d)
{
	oci_release(&device, d);
}

void oci_annotations_release(struct oci_spec *spec)
{
	release_map(spec->annotations, spec->n_annotations);
	spec->annotations = NULL;
	spec->n_annotations = 0;
}

void oci_unified_filter(struct oci_resources *r,
			bool (*keep)(struct oci_pair *p, const void *given), const void *given)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n_unified; i++) {
		struct oci_pair *p = &r->unified[i];

		if (keep(p, given)) {
			r->unified[kept++] = *p;
			continue;
		}
		free(p->key);
		free(p->value);
	}
	r->n_unified = kept;
}

/* --- copying --- */

/* In a struct that was copied byte for byte, replaces everything that it points to with copies. */
static void copy_owned(const struct oci_type *type, void *obj);

static char *copy_text(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void *copy_array(const void *v, size_t n, size_t size)
{
	return v ? xmemdup(v, n * size) : NULL;
}

static void copy_list(const struct oci_field *f, char **v, size_t n)
{
	*v = copy_array(*v, n, f->type->size);
	for (size_t i = 0; i < n; i++)
		copy_owned(f->type, *v + i * f->type->size);
}

static void copy_map(struct oci_pair **v, size_t n)
{
	*v = copy_array(*v, n, sizeof(**v));
	for (size_t i = 0; i < n; i++) {
		(*v)[i].key = copy_text((*v)[i].key);
		(*v)[i].value = copy_text((*v)[i].value);
	}
}

static void copy_field(const struct oci_field *f, char *obj)
{
	void *at = obj + f->offset;
	size_t n = f->count ? *(const size_t *)(const void *)(obj + f->count) : 0;

	switch (f->kind) {
	case OCI_STR:
		*(char **)at = copy_text(*(char **)at);
		break;
	case OCI_U32S:
		*(uint32_t **)at = copy_array(*(uint32_t **)at, n, sizeof(uint32_t));
		break;
	case OCI_STRV:
		if (*(char ***)at)
			*(char ***)at = strv_dup(*(char ***)at);
		break;
	case OCI_GROUP:
		copy_owned(f->type, at);
		break;
	case OCI_OBJECT:
		*(void **)at = copy_array(*(void **)at, 1, f->type->size);
		if (*(void **)at)
			copy_owned(f->type, *(void **)at);
		break;
	case OCI_LIST:
		copy_list(f, at, n);
		break;
	case OCI_MAP:
		copy_map(at, n);
		break;
	case OCI_END:
	case OCI_BOOL:
	case OCI_STATED_BOOL:
	case OCI_U32:
	case OCI_I64:
	case OCI_U64:
	case OCI_OPT_I64:
	case OCI_ANY_I64:
	case OCI_OPT_U64:
		break;
	}
}

static void copy_owned(const struct oci_type *type, void *obj)
{
	for (const struct oci_field *f = type->fields; f->kind != OCI_END; f++)
		copy_field(f, obj);
}

struct oci_spec *oci_spec_copy(const struct oci_spec *spec)
{
	struct oci_spec *copy = xmemdup(spec, sizeof(*spec));

	copy_owned(&oci_spec_type, copy);
	return copy;
}

const char *oci_annotation(const struct oci_spec *spec, const char *key)
{
	for (size_t i = 0; i < spec->n_annotations; i++) {
		if (str_eq(spec->annotations[i].key, key))
			return spec->annotations[i].value;
	}
	return NULL;
}

struct oci_namespace *oci_namespace(const struct oci_spec *spec, const char *type)
{
	for (size_t i = 0; i < spec->linux_.n_namespaces; i++) {
		if (str_eq(spec->linux_.namespaces[i].type, type))
			return &spec->linux_.namespaces[i];
	}
	return NULL;
}
