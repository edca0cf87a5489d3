// SPDX-License-Identifier: Apache-2.0
/*
 * Creating a container, from top to bottom: cgroup, FIFO, init up to its wait, hooks. Everything is
 * undone when a step fails.
 */

#include "container/container-internal.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "hook/hook.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HOOK_SECONDS = 10 };

static const struct oci_namespace *find_namespace(const struct oci_spec *s, const char *type)
{
	for (size_t i = 0; i < s->linux_.n_namespaces; i++) {
		if (str_eq(s->linux_.namespaces[i].type, type))
			return &s->linux_.namespaces[i];
	}
	return NULL;
}

/* What is wrong with a specification is said before anything is made. */
static int check_spec(const struct oci_spec *s, struct err *err)
{
	if (!s->process || !strv_len(s->process->args))
		return err_set(err, E_INVALID, "the specification has no process.args");
	if (str_empty(s->root_path))
		return err_set(err, E_INVALID, "the specification has no root.path");
	if (str_empty(s->process->cwd) || s->process->cwd[0] != '/')
		return err_set(err, E_INVALID, "process.cwd '%s' is not absolute",
			       s->process->cwd ? s->process->cwd : "");
	if (!find_namespace(s, "mount"))
		return err_set(err, E_INVALID, "the specification has no mount namespace");
	for (size_t i = 0; i < s->linux_.n_namespaces; i++) {
		const char *type = s->linux_.namespaces[i].type;

		if (namespace_index(type) < 0)
			return err_set(err, E_INVALID, "unknown namespace type '%s'",
				       type ? type : "");
	}
	if ((!str_empty(s->hostname) || !str_empty(s->domainname)) && !find_namespace(s, "uts"))
		return err_set(err, E_INVALID, "a hostname needs a uts namespace");
	return 0;
}

static int make_cgroup(struct container *c, const struct container_options *o, struct err *err)
{
	const char *path = o->cgroup_path;
	AUTO(str) char *own = NULL;

	if (!path)
		path = c->spec->linux_.cgroups_path;
	if (str_empty(path))
		path = own = str_fmt("/%s", c->id);
	if (cgroup_make(NULL, path, &c->cgroup, err) == 0) {
		if (c->spec->linux_.resources)
			return cgroup_set(c->cgroup, c->spec->linux_.resources, err);
		return 0;
	}
	if (!o->lenient_cgroup)
		return -1;
	log_err(LOG_WARN, err, "container runs without a cgroup", LOG_S("container", c->id));
	err_clear(err);
	return 0;
}

static int make_fifo(struct container *c, struct err *err)
{
	AUTO(str) char *path = path_join(c->state_dir, "exec.fifo");
	int fd;

	if (mkfifo(path, 0600) < 0)
		return err_sys(err, "make %s", path);
	fd = open(path, O_PATH | O_CLOEXEC);
	return fd < 0 ? err_sys(err, "open %s", path) : fd;
}

static int write_map(pid_t pid, const char *file, const struct oci_id_mapping *v, size_t n,
		     struct err *err)
{
	AUTO(str) char *path = str_fmt("/proc/%d/%s", (int)pid, file);
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);

	for (size_t i = 0; i < n; i++)
		buf_fmt(&text, "%u %u %u\n", v[i].container_id, v[i].host_id, v[i].size);
	if (buf_check(&text, file, err) < 0)
		return -1;
	return n ? file_write(AT_FDCWD, path, buf_cstr(&text), err) : 0;
}

static int runtime_hooks(struct container *c, pid_t pid, struct err *err)
{
	struct hook_state state = { c->id, c->bundle, "creating", pid, c->spec };

	if (hooks_run(&c->spec->hooks.prestart, "prestart", &state, HOOK_SECONDS, NULL, err) < 0)
		return -1;
	return hooks_run(&c->spec->hooks.create_runtime, "createRuntime", &state, HOOK_SECONDS,
			 NULL, err);
}

/* Init exists and waits for GO: what has to be done to it from outside. */
static int prepare_init(struct container *c, pid_t pid, struct err *err)
{
	const struct oci_linux *l = &c->spec->linux_;

	c->init = pid;
	if (write_map(pid, "uid_map", l->uid_mappings, l->n_uid_mappings, err) < 0 ||
	    write_map(pid, "gid_map", l->gid_mappings, l->n_gid_mappings, err) < 0)
		return -1;
	if (c->cgroup && cgroup_add(c->cgroup, pid, err) < 0)
		return -1;
	return runtime_hooks(c, pid, err);
}

/* Namespaces outlive a pid that was reused: they are held by fd from now on. */
static int pin_namespaces(struct container *c, struct err *err)
{
	for (int i = 0; i < NAMESPACES; i++) {
		AUTO(str) char *path = NULL;

		if (!find_namespace(c->spec, namespace_kinds[i].name))
			continue;
		path = str_fmt("/proc/%d/ns/%s", (int)c->init, namespace_kinds[i].file);
		c->ns[i] = open(path, O_RDONLY | O_CLOEXEC);
		if (c->ns[i] < 0)
			return err_sys(err, "open %s", path);
	}
	return 0;
}

static struct container *new_container(const struct container_options *o, struct err *err)
{
	struct container *c = NEW(struct container);
	AUTO(str) char *json = oci_spec_format(o->spec);

	c->id = xstrdup(o->id);
	c->bundle = xstrdup(o->bundle);
	c->state_dir = xstrdup(o->state_dir);
	c->seccomp = o->seccomp;
	c->state = CONTAINER_CREATED;
	(void)pthread_mutex_init(&c->lock, NULL);
	for (int i = 0; i < NAMESPACES; i++)
		c->ns[i] = -1;
	c->spec = oci_spec_parse(json, strlen(json), o->id, err); /* a deep copy */
	if (c->spec && o->spec->root_path && o->spec->root_path[0] != '/') {
		AUTO(str) char *full = path_join(o->bundle, o->spec->root_path);

		str_set(&c->spec->root_path, full);
	}
	return c;
}

void container_forget(struct container *c)
{
	for (int i = 0; i < NAMESPACES; i++)
		fd_close(&c->ns[i]);
	cgroup_free(c->cgroup);
	oci_spec_free(c->spec);
	free(c->id);
	free(c->bundle);
	free(c->state_dir);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static int start_init(struct container *c, const struct container_options *o,
		      struct container_process *init, struct err *err)
{
	AUTO(str) char *json = oci_spec_format(c->spec);
	AUTO(fd) int fifo = make_fifo(c, err);
	struct helper h = { .role = INIT_CREATE,
			    .json = json,
			    .stdio = &o->stdio,
			    .fds = { fifo },
			    .n_fds = 1,
			    .seccomp = o->seccomp,
			    .user_namespace = c->spec->linux_.n_uid_mappings > 0,
			    .prepare = prepare_init };
	int sock;

	if (fifo < 0 || helper_run(c, &h, o->deadline, init, &sock, err) < 0)
		return -1;
	fd_close(&sock);
	if (pin_namespaces(c, err) == 0)
		return 0;
	spawn_kill(&init->child);
	fd_close(&init->console);
	return -1;
}

int container_create(const struct container_options *o, struct container **out,
		     struct container_process *init, struct err *err)
{
	struct container *c = new_container(o, err);
	struct err undo = ERR_INIT;

	*init = (struct container_process){ CHILD_NONE, -1 };
	if (c->spec && check_spec(c->spec, err) == 0 && make_cgroup(c, o, err) == 0 &&
	    start_init(c, o, init, err) == 0) {
		*out = c;
		return 0;
	}
	if (c->cgroup && cgroup_remove(c->cgroup, deadline_in(5000), &undo) < 0)
		log_err(LOG_WARN, &undo, "cgroup of a failed container stays");
	err_clear(&undo);
	AUTO(str) char *fifo = path_join(c->state_dir, "exec.fifo");
	(void)unlink(fifo);
	container_forget(c);
	return err_wrap(err, "create container %s", o->id);
}

/* ------------------------------------------------------------------------------------- questions
 */

enum container_state container_state(struct container *c)
{
	enum container_state state;

	(void)pthread_mutex_lock(&c->lock);
	state = c->state;
	(void)pthread_mutex_unlock(&c->lock);
	return state;
}

void container_set_state(struct container *c, enum container_state state)
{
	(void)pthread_mutex_lock(&c->lock);
	if (c->state != CONTAINER_STOPPED)
		c->state = state;
	(void)pthread_mutex_unlock(&c->lock);
}

void container_init_ended(struct container *c)
{
	container_set_state(c, CONTAINER_STOPPED);
}

const char *container_id(const struct container *c)
{
	return c->id;
}

pid_t container_init_pid(const struct container *c)
{
	return c->init;
}

int container_namespace(const struct container *c, const char *type)
{
	int i = namespace_index(type);

	return i < 0 ? -1 : c->ns[i];
}
