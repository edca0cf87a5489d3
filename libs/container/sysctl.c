// SPDX-License-Identifier: Apache-2.0
/* Kernel parameters that belong to a namespace of the container; all others would be the guest's.
 */

#include "container/container-internal.h"

#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

static bool has_namespace(const struct oci_spec *s, const char *type)
{
	for (size_t i = 0; i < s->linux_.n_namespaces; i++) {
		if (str_eq(s->linux_.namespaces[i].type, type))
			return true;
	}
	return false;
}

/* The namespace that owns a parameter, or NULL. */
static const char *owner(const char *key)
{
	static const char *const ipc[] = {
		"kernel.msgmax", "kernel.msgmnb",          "kernel.msgmni",
		"kernel.sem",    "kernel.shmall",          "kernel.shmmax",
		"kernel.shmmni", "kernel.shm_rmid_forced", NULL
	};

	if (strv_has((char *const *)ipc, key) || str_starts(key, "fs.mqueue."))
		return "ipc";
	if (str_starts(key, "net."))
		return "network";
	return str_eq(key, "kernel.domainname") ? "uts" : NULL;
}

static int apply(int sys, const char *key, const char *value, struct err *err)
{
	AUTO(str) char *path = strdup(key);
	AUTO(fd) int fd = -1;

	/* "net/ipv4/conf/eth0.1/..." may be written with slashes to keep its dots. */
	for (char *p = path; !strchr(key, '/') && *p; p++)
		*p = *p == '.' ? '/' : *p;
	fd = path_open(sys, path, PATH_BENEATH, O_WRONLY, 0, err);
	if (fd < 0)
		return -1;
	return fd_write_all(fd, value, strlen(value), err);
}

int sysctl_apply(const struct oci_spec *spec, struct err *err)
{
	AUTO(fd) int sys = -1;
	struct statfs fs;

	if (!spec->linux_.n_sysctl)
		return 0;
	sys = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (sys < 0 || fstatfs(sys, &fs) < 0)
		return err_sys(err, "open /proc/sys");
	if (fs.f_type != PROC_SUPER_MAGIC)
		return err_set(err, E_STATE, "/proc/sys is not a procfs");
	for (size_t i = 0; i < spec->linux_.n_sysctl; i++) {
		const struct oci_pair *p = &spec->linux_.sysctl[i];
		const char *ns = owner(p->key);

		/* The network namespace may be the sandbox's own: net.* is its business anyway. */
		if (!ns || (!str_eq(ns, "network") && !has_namespace(spec, ns)))
			return err_set(err, E_INVALID,
				       "sysctl %s does not belong to a namespace "
				       "of the container",
				       p->key);
		if (apply(sys, p->key, p->value, err) < 0)
			return err_wrap(err, "sysctl %s", p->key);
	}
	return 0;
}
