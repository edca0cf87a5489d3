// SPDX-License-Identifier: Apache-2.0
/* Converts containerd's specification to the guest's: settings that have a meaning only on the host
 * are removed or replaced. The only side effect is that sources of mounts are shared. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "share/volume.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Where the guest keeps its copies of watched volumes. */
#define WATCHED_DIR "/run/kata-containers/sandbox/watchable"

enum { ANNOTATIONS_MAX = 1 << 20 };

/* --- namespaces --- */

const char *spec_namespace_path(const struct oci_spec *spec, const char *type)
{
	const struct oci_namespace *ns = oci_namespace(spec, type);

	return ns && !str_empty(ns->path) ? ns->path : NULL;
}

/* --- mounts --- */

static bool has_option(const struct oci_mount *m, const char *option)
{
	return strv_has(m->options, option);
}

/* True if yes is among the options and no does not follow it: the last one of the two wins. */
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

/* True for kernel file systems, device nodes and direct-assigned volumes: the source is in the
 * guest. */
static bool is_guests_own(const struct oci_mount *m)
{
	struct stat st;

	if (path_is_below(m->source, "/proc") || path_is_below(m->source, "/sys") ||
	    path_is_below(m->source, DEVICES_VOLUME_DIR))
		return true;
	return stat(m->source, &st) == 0 && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode));
}

/* The last option about mount propagation, or NULL. */
static const char *propagation(const struct oci_mount *m)
{
	static const char *const names[] = { "private",    "rprivate",    "slave",
					     "rslave",     "shared",      "rshared",
					     "unbindable", "runbindable", NULL };
	const char *found = NULL;

	strv_each(o, m->options) {
		if (strv_has((char *const *)names, *o))
			found = *o;
	}
	return found;
}

/* How the share is to bind the source. Mounts of the host can propagate to the guest, but no mount
 * of the guest can propagate to the host: E_UNSUPPORTED. */
static int how_to_share(const struct oci_mount *m, struct share_how *how, struct err *err)
{
	const char *mode = propagation(m);

	if (str_eq(mode, "shared") || str_eq(mode, "rshared")) {
		err_set(err, E_UNSUPPORTED,
			"%s: mount propagation to the host (Bidirectional) is not possible from a "
			"VM",
			mode);
		return err_hint(err, "use rslave (HostToContainer), or another runtime class");
	}
	/* As in runc: only rbind is recursive, and only rro makes the mounts below read-only. */
	*how = (struct share_how){ .recursive = has_option(m, "rbind"),
				   .readonly = last_option_is(m, "ro", "rw"),
				   .readonly_below = last_option_is(m, "rro", "rrw"),
				   .follows = str_eq(mode, "slave") || str_eq(mode, "rslave") };
	/* Only the pod writes to its emptyDir: one writable mount serves readers and writers. */
	if (volume_is_empty_dir(m->source))
		how->readonly = how->readonly_below = false;
	return 0;
}

/*
 * A volume that the kubelet changes: the agent copies it into the guest's memory and keeps the copy
 * up to date. A change on the host makes no inotify event in the guest, and programs wait for one
 * to read their configuration again. For read-only mounts only: what a container wrote to the copy
 * would be lost.
 */
static void watch_mount(struct oci_mount *m, struct storages *storages)
{
	AUTO(str) char *copy = path_join(WATCHED_DIR, path_basename(m->source));

	storages_add(storages, "watchable-bind", m->source, "bind", copy);
	str_set(&m->source, copy);
}

static int share_mount(struct share *share, const char *id, struct oci_mount *m,
		       struct storages *storages, struct err *err)
{
	bool watched = copy_is_live(m->source);
	struct shared shared = { NULL, false };
	struct share_how how;

	if (how_to_share(m, &how, err) < 0 ||
	    share_add(share, id, m->source, &how, &shared, err) < 0)
		return -1;
	free(m->source);
	m->source = shared.guest;
	if (shared.writable_below)
		strv_remove(m->options, "ro");
	else if (watched && how.readonly)
		watch_mount(m, storages);
	return 0;
}

static int copy_mount(struct copies *copies, const char *id, size_t n, struct oci_mount *m,
		      struct err *err)
{
	AUTO(str) char *name = str_fmt("mount-%zu", n), *source = STEAL(m->source, NULL);
	bool readonly = last_option_is(m, "ro", "rw") || last_option_is(m, "rro", "rrw");

	if (copy_check(source, readonly, err) < 0)
		return -1;
	copies_add(copies, source, id, name, &m->source);
	return 0;
}

static int give_mount(const struct container *c, size_t n, const struct volume_rules *rules,
		      struct guest *g, struct err *err)
{
	struct oci_mount *m = &g->spec->mounts[n];
	struct share *share = &c->shim->sandbox->share;
	AUTO(str) char *path = NULL;

	if (volume_in_guest(m, rules, &g->storages, &path, err) < 0)
		return -1;
	if (!path)
		return share_is_none(share) ? copy_mount(&g->copies, c->id, n, m, err)
					    : share_mount(share, c->id, m, &g->storages, err);
	str_set(&m->source, path);
	return 0;
}

/* Where the guest has the root file system of the pod's sandbox container, heap. NULL for a single
 * container. */
static char *root_of_pod(const struct container *c)
{
	struct shim *s = c->shim;
	char *root = NULL;

	if (c->kind == KIND_SINGLE)
		return NULL;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->containers.n && !root; i++) {
		const struct container *pod = s->containers.v[i];

		if (pod->kind == KIND_POD && pod->block_root)
			root = xstrdup(pod->block_root);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return root ? root : share_guest_rootfs(s->inv->id);
}

static int give_mounts(const struct container *c, struct guest *g, struct err *err)
{
	AUTO(str) char *root = root_of_pod(c);
	const struct volume_rules rules = {
		.pod_root = root,
		.empty_dirs = !c->shim->config->guest_empty_dir_off ||
			      share_is_none(&c->shim->sandbox->share),
		.limits = g->spec->linux_.resources,
	};

	for (size_t i = 0; i < g->spec->n_mounts; i++) {
		const struct oci_mount *m = &g->spec->mounts[i];

		if (is_bind(m) && !str_empty(m->source) && !is_guests_own(m) &&
		    give_mount(c, i, &rules, g, err) < 0)
			return err_wrap(err, "mount %s", m->destination ? m->destination : "");
	}
	return 0;
}

/*
 * net.* sysctls are set in the guest, whose network is that of the container or its pod. A
 * container without a network namespace would mean the host's network: refused, as by runc.
 */
static int check_sysctls(const struct oci_spec *spec, struct err *err)
{
	const struct oci_linux *l = &spec->linux_;

	if (oci_namespace(spec, "network"))
		return 0;
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

/* A request to the agent has at most 4 MiB, but config.json may have 16 MiB. If annotations are
 * large they are left out: only hooks of the guest would read them. */
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

/* Paths are of the host's namespaces: container_load() has refused those that a container with a VM
 * of its own cannot join, and the containers of a pod share the guest's. */
static void drop_namespaces(struct oci_linux *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n_namespaces; i++) {
		struct oci_namespace *ns = &l->namespaces[i];

		/* The guest's own network is the container's; the agent adds the cgroup
		 * namespace. */
		if (str_eq(ns->type, "network") || str_eq(ns->type, "cgroup")) {
			oci_namespace_release(ns);
			continue;
		}
		str_set(&ns->path, NULL);
		l->namespaces[kept++] = *ns;
	}
	l->n_namespaces = kept;
}

static void drop_resources(const struct container *c, struct oci_resources *r)
{
	/* CPUs and NUMA nodes have other numbers in the guest. Device rules stay: the guest's
	 * devices have the host's numbers, and without rules a container could make any node. */
	str_set(&r->cpu.cpus, NULL);
	str_set(&r->cpu.mems, NULL);
	devices_limit(&c->devices, r);
}

/* The path of the container's cgroup in the guest: of systemd's "slice:prefix:name" the last
 * two. */
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

/* True for a profile that a container engine gives to all its containers: the VM protects the host
 * in its place. A profile that a user asked for by name may restrict more than that. */
static bool is_default_profile(const char *profile)
{
	static const char *const names[] = { "unconfined", "cri-containerd.apparmor.d",
					     "docker-default", "nerdctl-default", "crio-default" };
	static const char *const versioned[] = { "crio-default-", "containers-default-" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(profile, names[i]))
			return true;
	}
	for (size_t i = 0; i < ARRAY_LEN(versioned); i++) {
		if (str_starts(profile, versioned[i]) &&
		    isdigit((unsigned char)profile[strlen(versioned[i])]))
			return true;
	}
	return false;
}

/* True if the VMM runs with another label than the one that the container asks for. */
static bool has_label_of_its_own(const struct container *c)
{
	const char *label = c->spec->process->selinux_label;
	struct shim *s = c->shim;
	bool differs = false;

	if (str_empty(label) || s->config->selinux_off)
		return false;
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->containers.n; i++) {
		const struct container *pod = s->containers.v[i];

		if (pod->kind == KIND_POD && pod->spec && pod->spec->process)
			differs = !str_eq(label, pod->spec->process->selinux_label);
	}
	(void)pthread_mutex_unlock(&s->lock);
	return differs;
}

/* The guest's kernel has neither AppArmor nor SELinux. SELinux labels are not refused: engines
 * generate one for every container, and the VMM has that of the sandbox. */
static int drop_labels(const struct container *c, struct oci_spec *spec, struct err *err)
{
	const char *profile = spec->process->apparmor_profile;

	if (!str_empty(profile) && !is_default_profile(profile)) {
		err_set(err, E_UNSUPPORTED,
			"AppArmor profile '%.200s': the container's kernel is the guest's, which "
			"has no AppArmor",
			profile);
		return err_hint(err, "choose RuntimeDefault or Unconfined for it, or run the pod "
				     "with another runtime class");
	}
	if (has_label_of_its_own(c))
		log_warn("the container's SELinux label is left out: the VM has the label of its "
			 "sandbox, and its kernel has no SELinux",
			 LOG_S("container", c->id),
			 LOG_S("label", c->spec->process->selinux_label));
	str_set(&spec->process->apparmor_profile, NULL);
	str_set(&spec->process->selinux_label, NULL);
	str_set(&spec->linux_.mount_label, NULL);
	return 0;
}

int spec_for_guest(const struct container *c, struct guest *g, struct err *err)
{
	struct oci_spec *spec = g->spec;
	struct oci_linux *l = &spec->linux_;

	if (!spec->process)
		return err_set(err, E_INVALID, "the specification has no process");
	for (size_t i = 0; i < l->n_devices; i++) {
		if (!str_eq(l->devices[i].type, "b"))
			log_debug("device node is the guest's own",
				  LOG_S("device", l->devices[i].path));
	}
	if (check_sysctls(spec, err) < 0)
		return -1;
	oci_hooks_release(&spec->hooks);
	drop_annotations(spec);
	drop_namespaces(l);
	if (l->resources)
		drop_resources(c, l->resources);
	guest_cgroup(l, c->id);
	if (drop_labels(c, spec, err) < 0)
		return -1;
	if (c->shim->config->guest_seccomp_off && l->seccomp) {
		oci_seccomp_free(l->seccomp);
		l->seccomp = NULL;
	}
	return give_mounts(c, g, err);
}

void spec_share_pids(struct oci_spec *guest, const char *container)
{
	AUTO(str) char *path = str_fmt("container:%s", container);

	str_set(&oci_namespace(guest, "pid")->path, path);
}
