// SPDX-License-Identifier: Apache-2.0
/*
 * Completes the request's specification: the sandbox's shared namespaces, namespaces that every
 * container has, and hooks of the guest image.
 */

#include "agent/spec.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOOKS_MAX = 64 };

/* --- shared namespaces --- */

/* Returns the namespace of that type, which is added if the specification has none. */
static struct oci_namespace *add_namespace(struct oci_spec *spec, const char *type)
{
	struct oci_linux *l = &spec->linux_;
	struct oci_namespace *found = oci_namespace(spec, type);

	if (found)
		return found;
	l->namespaces = xreallocarray(l->namespaces, l->n_namespaces + 1, sizeof(*l->namespaces));
	l->namespaces[l->n_namespaces] = (struct oci_namespace){ xstrdup(type), NULL };
	return &l->namespaces[l->n_namespaces++];
}

static void set_path(struct oci_namespace *ns, int fd)
{
	AUTO(str) char *path = fd < 0 ? NULL : str_fmt("/proc/%d/fd/%d", (int)getpid(), fd);

	if (ns)
		str_set(&ns->path, path);
}

/* Drops the paths in the request, which are the host's. Shared namespaces get paths of our own
 * fds. */
static void set_namespaces(struct sandbox *s, int pid_ns, struct oci_spec *spec)
{
	(void)add_namespace(spec, "pid");
	(void)add_namespace(spec, "mount");
	(void)add_namespace(spec, "cgroup");
	if (!str_empty(spec->hostname))
		(void)add_namespace(spec, "uts");
	(void)pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < spec->linux_.n_namespaces; i++)
		str_set(&spec->linux_.namespaces[i].path, NULL);
	set_path(oci_namespace(spec, "ipc"), s->ipc_ns);
	set_path(oci_namespace(spec, "uts"), s->uts_ns);
	set_path(oci_namespace(spec, "pid"), pid_ns);
	if (s->uts_ns >= 0 && s->hostname) /* the hostname is the sandbox's */
		str_set(&spec->hostname, NULL);
	(void)pthread_mutex_unlock(&s->lock);
}

const char *spec_pid_target(const struct oci_spec *spec)
{
	static const char scheme[] = "container:";
	const struct oci_namespace *ns = oci_namespace(spec, "pid");

	return ns && ns->path && str_starts(ns->path, scheme) ? ns->path + strlen(scheme) : NULL;
}

/* --- guest hooks --- */

static void add_hook(struct oci_hook_list *list, const char *path, const char *name,
		     const char *kind)
{
	struct oci_hook hook = { .path = path_join(path, name), .timeout = { true, 10 } };

	strv_push(&hook.args, name);
	strv_push(&hook.args, kind);
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = hook;
}

/* Adds the executable regular files of hook_path/kind as hooks, sorted by name. */
static int add_hooks(struct oci_hook_list *list, const char *hook_path, const char *kind,
		     struct err *err)
{
	AUTO(str) char *path = path_join(hook_path, kind);
	struct dirent **names = NULL;
	int n = scandir(path, &names, NULL, alphasort);
	int result = 0;

	for (int i = 0; i < n; i++) {
		AUTO(str) char *file = path_join(path, names[i]->d_name);
		struct stat st;

		if (stat(file, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111)) {
			if (list->n < HOOKS_MAX)
				add_hook(list, path, names[i]->d_name, kind);
			else if (result == 0)
				result = err_set(err, E_LIMIT, "more than %d hooks", HOOKS_MAX);
		}
		free(names[i]);
	}
	free(names);
	return result;
}

static int add_guest_hooks(struct sandbox *s, struct oci_spec *spec, struct err *err)
{
	AUTO(str) char *path = NULL;

	(void)pthread_mutex_lock(&s->lock);
	path = s->hook_path ? xstrdup(s->hook_path) : NULL;
	(void)pthread_mutex_unlock(&s->lock);
	if (!path)
		return 0;
	if (add_hooks(&spec->hooks.prestart, path, "prestart", err) < 0 ||
	    add_hooks(&spec->hooks.poststart, path, "poststart", err) < 0)
		return -1;
	return add_hooks(&spec->hooks.poststop, path, "poststop", err);
}

void spec_adjust_process(struct oci_process *p)
{
	if (!p->oom_score_adj.set)
		p->oom_score_adj = (struct oci_i64){ true, 0 };
}

int spec_adjust(struct sandbox *s, int pid_ns, struct oci_spec *spec, struct err *err)
{
	if (!spec->process)
		return err_set(err, E_INVALID, "the specification has no process");
	if (!spec->process->args || !*spec->process->args)
		return err_set(err, E_INVALID, "the specification's process has no arguments");
	if (str_empty(spec->root_path))
		return err_set(err, E_INVALID, "the specification has no root path");
	spec_adjust_process(spec->process);
	set_namespaces(s, pid_ns, spec);
	return add_guest_hooks(s, spec, err);
}
