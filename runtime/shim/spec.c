// SPDX-License-Identifier: Apache-2.0
/* Converts the manager's specification to the guest's: settings that have a meaning only on the
 * host are removed or replaced. No side effects except sharing mount sources. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MIB = 1 << 20, ANNOTATIONS_MAX = MIB, VCPUS_MAX = 240 };

static bool has_option(const struct oci_mount *m, const char *option)
{
	return strv_has(m->options, option);
}

/* Of an option and its opposite the last one wins. */
static bool last_option_is(const struct oci_mount *m, const char *yes, const char *no)
{
	bool on = false;

	strv_each(o, m->options)
		on = str_eq(*o, yes) || (on && !str_eq(*o, no));
	return on;
}

static bool is_bind(const struct oci_mount *m)
{
	return str_eq(m->type, "bind") || has_option(m, "bind") || has_option(m, "rbind");
}

/* Kernel file systems, device nodes and direct-assigned volumes are the guest's, not the host's. */
static bool is_guests_own(const struct oci_mount *m)
{
	struct stat st;

	if (path_is_below(m->source, "/proc") || path_is_below(m->source, "/sys") ||
	    path_is_below(m->source, DEVICES_VOLUME_DIR))
		return true;
	return stat(m->source, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
}

/* As runc has it: only rbind is recursive, and of the read-only ones only rro. */
static int share_mount(const struct share *share, const char *id, struct oci_mount *m,
		       struct err *err)
{
	const struct share_how how = { .recursive = has_option(m, "rbind"),
				       .readonly = last_option_is(m, "ro", "rw"),
				       .readonly_below = last_option_is(m, "rro", "rrw") };
	struct shared shared = { NULL, false };

	if (share_add(share, id, m->source, &how, &shared, err) < 0)
		return err_wrap(err, "mount %s", m->destination ? m->destination : "");
	free(m->source);
	m->source = shared.guest;
	if (shared.writable_below)
		strv_remove(m->options, "ro");
	return 0;
}

static int share_mounts(const struct share *share, const char *id, struct oci_spec *spec,
			struct err *err)
{
	for (size_t i = 0; i < spec->n_mounts; i++) {
		struct oci_mount *m = &spec->mounts[i];

		if (is_bind(m) && !str_empty(m->source) && !is_guests_own(m) &&
		    share_mount(share, id, m, err) < 0)
			return -1;
	}
	return 0;
}

/*
 * net.* sysctls are set in the guest, whose network belongs to the container or its pod. With the
 * host's network they would change a different network: refused, as runc does.
 */
static int check_sysctls(const struct oci_linux *l, struct err *err)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		if (str_eq(l->namespaces[i].type, "network"))
			return 0;
	}
	for (size_t i = 0; i < l->n_sysctl; i++) {
		if (str_starts(l->sysctl[i].key, "net.") || str_starts(l->sysctl[i].key, "net/"))
			return err_set(
				err, E_INVALID,
				"sysctl %s: the specification has no network namespace of its "
				"own, and a container in a VM cannot change the host's",
				l->sysctl[i].key);
	}
	return 0;
}

/* A request to the agent has at most 4 MiB, config.json up to 16 MiB. Large annotations are left
 * out: in the guest only its hooks would see them. */
static void drop_annotations(struct oci_spec *spec)
{
	size_t total = 0;

	for (size_t i = 0; i < spec->n_annotations; i++)
		total += strlen(spec->annotations[i].key) + strlen(spec->annotations[i].value);
	if (total <= ANNOTATIONS_MAX)
		return;
	log_warn("the annotations are too large for the guest and are left out",
		 LOG_I("bytes", total));
	oci_annotations_release(spec);
}

static void drop_namespaces(struct oci_linux *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		struct oci_namespace *ns = &l->namespaces[i];

		/* The guest itself is the network namespace; the agent makes the cgroup namespace.
		 */
		if (str_eq(ns->type, "network") || str_eq(ns->type, "cgroup")) {
			oci_namespace_release(ns);
			continue;
		}
		str_set(&ns->path, NULL);
		l->namespaces[kept++] = *ns;
	}
	l->n_namespaces = kept;
}

static void drop_resources(struct oci_resources *r)
{
	/* Removes numbers of the host's CPUs and NUMA nodes. Device rules are kept: the guest's
	 * devices have the same numbers, and without rules a container could create any node. */
	str_set(&r->cpu.cpus, NULL);
	str_set(&r->cpu.mems, NULL);
}

/* systemd's "slice:prefix:name" as a path. */
static void guest_cgroup(struct oci_linux *l, const char *id)
{
	AUTO(strv) char **parts = l->cgroups_path ? strv_split(l->cgroups_path, ":") : NULL;
	AUTO(str) char *path = NULL;

	if (parts && strv_len(parts) == 3)
		path = str_fmt("/%s/%s", parts[1], parts[2]);
	else
		path = str_fmt("/kata/%s", id);
	str_set(&l->cgroups_path, path);
}

int spec_for_guest(const struct share *share, const struct runtime_config *config, const char *id,
		   struct oci_spec *spec, struct err *err)
{
	struct oci_linux *l = &spec->linux_;

	if (!spec->process)
		return err_set(err, E_INVALID, "the specification has no process");
	for (size_t i = 0; i < l->n_devices; i++) {
		if (!str_eq(l->devices[i].type, "b"))
			log_debug("device node is the guest's own",
				  LOG_S("device", l->devices[i].path));
	}
	if (spec->process->user.umask.set)
		log_warn("umask of the process is not passed on: the agent's protocol has no field "
			 "for it, 022 holds");
	if (check_sysctls(l, err) < 0)
		return -1;
	oci_hooks_release(&spec->hooks);
	drop_annotations(spec);
	drop_namespaces(l);
	if (l->resources)
		drop_resources(l->resources);
	guest_cgroup(l, id);
	str_set(&spec->process->apparmor_profile, NULL);
	str_set(&spec->process->selinux_label, NULL);
	str_set(&l->mount_label, NULL);
	if (config->guest_seccomp_off && l->seccomp) {
		oci_seccomp_free(l->seccomp);
		l->seccomp = NULL;
	}
	return share_mounts(share, id, spec, err);
}

/* What decides the size of a VM; 0: no limit. */
struct limits {
	uint64_t quota, period, memory;
};

static struct limits own_limits(const struct oci_spec *spec)
{
	const struct oci_resources *r = spec->linux_.resources;
	struct limits l = { 0 };

	if (r && r->cpu.quota.set && r->cpu.quota.v > 0)
		l.quota = (uint64_t)r->cpu.quota.v;
	if (r && r->cpu.period.set)
		l.period = r->cpu.period.v;
	if (r && r->memory.limit.set && r->memory.limit.v > 0)
		l.memory = (uint64_t)r->memory.limit.v;
	return l;
}

/* The sums over the containers of the pod, which containerd (1.6) and later say; -1 and 0 are no
 * limit. */
static int pod_limits(const struct oci_spec *spec, struct limits *l, struct err *err)
{
	const struct {
		const char *key;
		uint64_t *to;
	} said[] = {
		{ "io.kubernetes.cri.sandbox-cpu-quota", &l->quota },
		{ "io.kubernetes.cri.sandbox-cpu-period", &l->period },
		{ "io.kubernetes.cri.sandbox-memory", &l->memory },
	};

	for (size_t i = 0; i < ARRAY_LEN(said); i++) {
		const char *text = oci_annotation(spec, said[i].key);

		if (!str_empty(text) && *text != '-' &&
		    str_u64(text, 10, 0, INT64_MAX, said[i].key, said[i].to, err) < 0)
			return -1;
	}
	return 0;
}

int spec_size(const struct runtime_config *c, const struct oci_spec *spec, enum container_kind kind,
	      struct sandbox_size *out, struct err *err)
{
	long host = sysconf(_SC_NPROCESSORS_ONLN);
	double vcpus = c->vcpus < 0 ? (double)host : c->vcpus;
	int64_t most = c->max_vcpus ? c->max_vcpus : host > VCPUS_MAX ? VCPUS_MAX : host;
	int64_t memory = c->memory_mib, whole;
	struct limits l = { 0 };

	if (kind == KIND_POD && pod_limits(spec, &l, err) < 0)
		return -1;
	if (kind == KIND_SINGLE)
		l = own_limits(spec);
	if (l.quota && l.period)
		vcpus += (double)l.quota / (double)l.period;
	memory += (int64_t)(l.memory / MIB + (l.memory % MIB != 0));
	if (c->max_memory_mib && memory > c->max_memory_mib)
		memory = c->max_memory_mib;
	whole = vcpus > (double)most ? most : (int64_t)vcpus;
	whole += whole < most && (double)whole < vcpus; /* up, as upstream does with the sum */
	*out = (struct sandbox_size){ whole < 1 ? 1 : (unsigned)whole, (uint64_t)memory };
	return 0;
}

bool spec_shares_pids(const struct oci_spec *spec)
{
	for (size_t i = 0; i < spec->linux_.n_namespaces; i++) {
		if (str_eq(spec->linux_.namespaces[i].type, "pid"))
			return !str_empty(spec->linux_.namespaces[i].path);
	}
	return false;
}
