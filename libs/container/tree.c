// SPDX-License-Identifier: Apache-2.0
/*
 * Mounts that a process in a container's user namespace may not make: bind mounts with mapped
 * owners (idmap), for which the kernel requires rights over the file system; and kernel file
 * systems that show a namespace (mqueue: ipc, sysfs: network), for which it requires rights over
 * that namespace, which the container has only if it makes the namespace itself. They are made as
 * detached mounts before the container's namespaces.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "container/init.h"
#include "container/namespace.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct mapping {
	const struct oci_id_mapping *uid, *gid;
	size_t n_uid, n_gid;
};

/* Sets *fd to the user namespace that the container joins by path, or to -1 if it joins none. */
static int joined_namespace(const struct oci_linux *l, int *fd, struct err *err)
{
	*fd = -1;
	for (size_t i = 0; i < l->n_namespaces; i++) {
		const struct oci_namespace *ns = &l->namespaces[i];

		if (ns_find(ns->type ? ns->type : "") != NS_USER || str_empty(ns->path))
			continue;
		*fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		return *fd < 0 ? err_sys(err, "open user namespace %s", ns->path) : 0;
	}
	return 0;
}

/* An fd of a user namespace with these maps and no process in it. */
static int make_namespace(const struct mapping *m, struct err *err)
{
	AUTO(str) char *path = NULL;
	pid_t pid = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	int fd = -1;

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	if (pid < 0)
		return err_sys(err, "make a user namespace for the mapping");
	path = str_fmt("/proc/%d/ns/user", (int)pid);
	if (ns_write_id_maps(pid, m->uid, m->n_uid, m->gid, m->n_gid, err) == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			err_sys(err, "open %s", path);
	}
	(void)kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return fd;
}

/* The mapping of the mount, or else that of the container. */
static int mapping_open(const struct oci_linux *l, const struct oci_mount *m, struct err *err)
{
	struct mapping own = { m->uid_mappings, m->gid_mappings, m->n_uid_mappings,
			       m->n_gid_mappings };
	const struct mapping all = { l->uid_mappings, l->gid_mappings, l->n_uid_mappings,
				     l->n_gid_mappings };
	int fd;

	if (!own.n_uid && !own.n_gid) {
		if (joined_namespace(l, &fd, err) < 0)
			return -1;
		if (fd >= 0)
			return fd;
		own = all;
	}
	if (!own.n_uid || !own.n_gid)
		return err_set(err, E_INVALID,
			       "idmap without uidMappings and gidMappings of the mount, and "
			       "without those of a user namespace");
	return make_namespace(&own, err);
}

/* --- kernel file systems --- */

/* The kind of namespace that a file system shows, or -1. */
static int shown_namespace(const char *type)
{
	if (str_eq(type, "mqueue"))
		return NS_IPC;
	return str_eq(type, "sysfs") ? NS_NET : -1;
}

/* Enters the namespace of this kind that the container joins by path, if any. Sets *made if the
 * container makes a new one. */
static int enter_joined(const struct oci_linux *l, int kind, bool *made, struct err *err)
{
	struct ns_plan plan;
	int r = 0;

	if (ns_plan_make(l, &plan, err) < 0)
		return -1;
	*made = plan.make & ns_flag((enum ns_kind)kind);
	if (plan.join[kind] >= 0 && setns(plan.join[kind], ns_flag((enum ns_kind)kind)) < 0)
		r = err_sys(err, "join the %s namespace", ns_file((enum ns_kind)kind));
	ns_plan_release(&plan);
	return r;
}

static int prepare_shown(const struct init *in, const struct oci_mount *m, int *tree,
			 struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	int kind = shown_namespace(m->type);
	bool made;

	if (kind < 0 || !ns_own(&in->spec->linux_, NS_USER))
		return 0;
	if (enter_joined(&in->spec->linux_, kind, &made, err) < 0 ||
	    mount_options_parse(m->options, &o, err) < 0)
		return -1;
	if (made || rootfs_is_bind(m, &o))
		return 0;
	*tree = mount_detached(m->source, m->type, &o, err);
	return *tree < 0 ? -1 : 0;
}

/* --- mapped owners --- */

static int prepare_mapped(const struct init *in, const struct oci_mount *m, int *tree,
			  struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	mode_t like;

	if (mount_options_parse(m->options, &o, err) < 0)
		return -1;
	if (!o.idmap && !m->n_uid_mappings && !m->n_gid_mappings)
		return 0;
	if (!rootfs_is_bind(m, &o))
		return err_set(err, E_UNSUPPORTED, "idmap of a mount that is not a bind mount");
	AUTO(fd) int source = rootfs_source(in, m->source ? m->source : "", &like, err);
	if (source < 0)
		return -1;
	AUTO(fd) int userns = mapping_open(&in->spec->linux_, m, err);
	if (userns < 0)
		return -1;
	o.idmap = true;
	o.userns = userns;
	*tree = mount_clone(source, &o, err);
	if (*tree < 0 && err->sys == EINVAL)
		return err_hint(err, "the file system of %s may not support idmapped mounts",
				m->source);
	return *tree < 0 ? -1 : 0;
}

int trees_open(struct init *in, struct err *err)
{
	in->trees = xcalloc(in->spec->n_mounts + 1, sizeof(*in->trees));
	for (size_t i = 0; i < in->spec->n_mounts; i++)
		in->trees[i] = -1;
	for (size_t i = 0; i < in->spec->n_mounts; i++) {
		const struct oci_mount *m = &in->spec->mounts[i];

		if (prepare_mapped(in, m, &in->trees[i], err) < 0 ||
		    (in->trees[i] < 0 && prepare_shown(in, m, &in->trees[i], err) < 0))
			return err_wrap(err, "mount %s", m->destination ? m->destination : "");
	}
	return 0;
}
