// SPDX-License-Identifier: Apache-2.0
/* Namespaces: the specification's list, joining, pinning, and the maps of user namespaces. */

#include "container/namespace.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static const struct {
	const char *file, *name;
	int flag;
} kinds[NS_COUNT] = {
	[NS_IPC] = { "ipc", "ipc", CLONE_NEWIPC },
	[NS_UTS] = { "uts", "uts", CLONE_NEWUTS },
	[NS_NET] = { "net", "network", CLONE_NEWNET },
	[NS_PID] = { "pid", "pid", CLONE_NEWPID },
	[NS_CGROUP] = { "cgroup", "cgroup", CLONE_NEWCGROUP },
	[NS_TIME] = { "time", "time", CLONE_NEWTIME },
	[NS_MNT] = { "mnt", "mount", CLONE_NEWNS },
	[NS_USER] = { "user", "user", CLONE_NEWUSER },
};

const char *ns_file(enum ns_kind kind)
{
	return kinds[kind].file;
}

int ns_flag(enum ns_kind kind)
{
	return kinds[kind].flag;
}

int ns_find(const char *name)
{
	for (int k = 0; k < NS_COUNT; k++) {
		if (str_eq(name, kinds[k].name) || str_eq(name, kinds[k].file))
			return k;
	}
	return -1;
}

static int join_open(const struct oci_namespace *ns, int kind, struct err *err)
{
	/* O_NONBLOCK in case the path is a FIFO. */
	AUTO(fd) int fd = open(ns->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return err_sys(err, "open %s namespace %s", ns->type, ns->path);
	if (ioctl(fd, NS_GET_NSTYPE) != kinds[kind].flag)
		return err_set(err, E_INVALID, "%s is not a %s namespace", ns->path, ns->type);
	return STEAL(fd, -1);
}

static int plan_add(struct ns_plan *plan, const struct oci_namespace *ns, struct err *err)
{
	int kind = ns->type ? ns_find(ns->type) : -1;

	if (kind < 0)
		return err_set(err, E_INVALID, "unknown namespace type '%s'",
			       ns->type ? ns->type : "");
	if ((plan->make & kinds[kind].flag) || plan->join[kind] >= 0)
		return err_set(err, E_INVALID, "namespace %s is given twice", ns->type);
	if (str_empty(ns->path)) {
		plan->make |= kinds[kind].flag;
		return 0;
	}
	plan->join[kind] = join_open(ns, kind, err);
	return plan->join[kind] < 0 ? -1 : 0;
}

int ns_plan_make(const struct oci_linux *l, struct ns_plan *plan, struct err *err)
{
	plan->make = 0;
	for (int k = 0; k < NS_COUNT; k++)
		plan->join[k] = -1;
	for (size_t i = 0; i < l->n_namespaces; i++) {
		if (plan_add(plan, &l->namespaces[i], err) < 0) {
			ns_plan_release(plan);
			return -1;
		}
	}
	return 0;
}

void ns_plan_release(struct ns_plan *plan)
{
	for (int k = 0; k < NS_COUNT; k++)
		fd_close(&plan->join[k]);
}

bool ns_own(const struct oci_linux *l, enum ns_kind kind)
{
	for (size_t i = 0; i < l->n_namespaces; i++) {
		if (ns_find(l->namespaces[i].type) == (int)kind)
			return true;
	}
	return false;
}

int ns_join(const int fds[NS_COUNT], struct err *err)
{
	for (int k = 0; k < NS_COUNT; k++) {
		if (fds[k] >= 0 && setns(fds[k], kinds[k].flag) < 0)
			return err_sys(err, "join the %s namespace", kinds[k].name);
	}
	return 0;
}

int ns_pin(pid_t pid, const struct oci_linux *l, int fds[NS_COUNT], struct err *err)
{
	for (int k = 0; k < NS_COUNT; k++) {
		AUTO(str) char *path = str_fmt("/proc/%d/ns/%s", (int)pid, kinds[k].file);

		fds[k] = -1;
		if (!ns_own(l, (enum ns_kind)k))
			continue;
		fds[k] = open(path, O_RDONLY | O_CLOEXEC);
		if (fds[k] < 0)
			return err_sys(err, "open %s", path);
	}
	return 0;
}

static int write_map(pid_t pid, const char *file, const struct oci_id_mapping *v, size_t n,
		     struct err *err)
{
	AUTO(str) char *path = str_fmt("/proc/%d/%s", (int)pid, file);
	AUTO(buf) struct buf b = BUF_INIT(64 * 1024);

	for (size_t i = 0; i < n; i++)
		buf_fmt(&b, "%u %u %u\n", v[i].container_id, v[i].host_id, v[i].size);
	if (buf_check(&b, file, err) < 0)
		return -1;
	return n ? file_write(AT_FDCWD, path, buf_cstr(&b), err) : 0;
}

int ns_write_id_maps(pid_t pid, const struct oci_id_mapping *uid, size_t n_uid,
		     const struct oci_id_mapping *gid, size_t n_gid, struct err *err)
{
	if (write_map(pid, "uid_map", uid, n_uid, err) < 0)
		return -1;
	return write_map(pid, "gid_map", gid, n_gid, err);
}

int ns_write_maps(pid_t pid, const struct oci_linux *l, struct err *err)
{
	if (!l->n_uid_mappings || !l->n_gid_mappings)
		return err_set(err, E_INVALID, "a user namespace needs uid and gid mappings");
	return ns_write_id_maps(pid, l->uid_mappings, l->n_uid_mappings, l->gid_mappings,
				l->n_gid_mappings, err);
}
