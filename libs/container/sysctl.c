// SPDX-License-Identifier: Apache-2.0
/*
 * Sysctls of namespaces. They are written to our own proc file system before the container's root
 * is entered, so the container cannot substitute another file. Only sysctls of the container's own
 * namespaces are allowed: the others would change the guest for all containers. The network of a
 * guest belongs to its pod: its sysctls are set by the parent, which has the rights even if the
 * container is in a user namespace.
 */

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/core.h"
#include "container/init.h"
#include "container/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The kind of namespace that a sysctl belongs to, or -1. */
static int sysctl_namespace(const char *name)
{
	static const char *const ipc[] = {
		"kernel/msgmax", "kernel/msgmnb",          "kernel/msgmni",
		"kernel/sem",    "kernel/shmall",          "kernel/shmmax",
		"kernel/shmmni", "kernel/shm_rmid_forced", NULL
	};

	if (strv_has((char *const *)ipc, name) || str_starts(name, "fs/mqueue/"))
		return NS_IPC;
	if (str_eq(name, "kernel/domainname"))
		return NS_UTS;
	if (str_starts(name, "net/"))
		return NS_NET;
	if (str_starts(name, "user/")) /* how many objects of a kind it may have */
		return NS_USER;
	return -1;
}

/*
 * "a.b.c", or "a/b.c/d" for names with dots in them, as sysctl(8) has it. NULL if it is not a plain
 * list of names: the name compared with the lists above must be the file that is opened.
 */
static char *sysctl_path(const char *key)
{
	AUTO(str) char *path = xstrdup(key);
	bool dots = path[strcspn(path, "./")] == '.';
	size_t n;

	for (char *p = path; dots && *p; p++)
		*p = *p == '.' ? '/' : *p == '/' ? '.' : *p;
	for (const char *p = path;; p += n + 1) {
		n = strcspn(p, "/");
		if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && strncmp(p, "..", 2) == 0))
			return NULL;
		if (p[n] == '\0')
			return STEAL(path, NULL);
	}
}

/* Finds path and namespace of a sysctl. shared: the caller's network namespace counts as one of the
 * container's. */
static int sysctl_find(const struct oci_linux *l, const char *key, bool shared, char **path,
		       struct err *err)
{
	AUTO(str) char *found = sysctl_path(key);
	int kind;

	if (!found)
		return err_set(err, E_INVALID,
			       "sysctl '%s' is not a dotted name such as net.ipv4.ip_forward", key);
	kind = sysctl_namespace(found);
	if (kind < 0)
		return err_set(err, E_INVALID,
			       "sysctl %s belongs to no namespace: it would change every container",
			       key);
	if (!ns_own(l, (enum ns_kind)kind) && !(kind == NS_NET && shared))
		return err_set(err, E_INVALID, "sysctl %s without a %s namespace", key,
			       ns_file((enum ns_kind)kind));
	*path = STEAL(found, NULL);
	return kind;
}

static int sysctl_write(int dir, const char *path, const char *value, struct err *err)
{
	AUTO(fd) int fd = path_open(dir, path, PATH_BENEATH, O_WRONLY, 0, err);

	if (fd < 0)
		return -1;
	return fd_write_all(fd, value, strlen(value), err);
}

/* Sets either the sysctls of the network namespace shared with us, or those of the container's own
 * namespaces. */
static int apply(const struct oci_linux *l, bool shared, struct err *err)
{
	AUTO(fd) int dir = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (!l->n_sysctl)
		return 0;
	if (dir < 0 || fstatfs(dir, &fs) < 0)
		return err_sys(err, "open /proc/sys");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, E_FAILED, "/proc/sys is not on a proc file system");
	for (size_t i = 0; i < l->n_sysctl; i++) {
		AUTO(str) char *path = NULL;
		int kind = sysctl_find(l, l->sysctl[i].key, true, &path, err);

		if (kind < 0)
			return -1;
		if (ns_own(l, (enum ns_kind)kind) == shared)
			continue;
		if (sysctl_write(dir, path, l->sysctl[i].value, err) < 0)
			return err_wrap(err, "sysctl %s", l->sysctl[i].key);
	}
	return 0;
}

int sysctls_apply_shared(const struct oci_linux *l, bool network, struct err *err)
{
	for (size_t i = 0; i < l->n_sysctl; i++) {
		AUTO(str) char *path = NULL;

		if (sysctl_find(l, l->sysctl[i].key, network, &path, err) < 0)
			return -1;
	}
	return apply(l, true, err);
}

int sysctls_apply(const struct oci_linux *l, struct err *err)
{
	return apply(l, false, err);
}
