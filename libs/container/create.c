// SPDX-License-Identifier: Apache-2.0
/* Creates a container, up to the point where its init waits to execute the workload. */

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/core.h"
#include "container/wire.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Links are resolved, so that the same path can be opened again after something is mounted on
 * it. */
static char *root_path(const struct container_options *o, struct err *err)
{
	AUTO(str) char *path = NULL;
	char *real;

	if (str_empty(o->spec->root_path)) {
		err_set(err, E_INVALID, "the specification has no root path");
		return NULL;
	}
	path = *o->spec->root_path == '/' ? xstrdup(o->spec->root_path)
					  : path_join(o->bundle, o->spec->root_path);
	real = realpath(path, NULL);
	if (!real)
		err_sys(err, "root file system %s", path);
	else if (str_eq(real, "/"))
		err_set(err, E_INVALID,
			"the root of a container cannot be \"/\", the root of the guest");
	if (real && err->code) {
		free(real);
		return NULL;
	}
	return real;
}

static struct cgroup *group_of(const struct container_options *o, struct err *err)
{
	const char *given = o->cgroup_path ? o->cgroup_path : o->spec->linux_.cgroups_path;
	AUTO(str) char *path = xstrdup(str_empty(given) ? o->id : given);

	/* "slice:prefix:name" of the systemd driver: the same three as folders. */
	for (char *p = path; *p != '/' && (p = strchr(p, ':'));)
		*p = '/';
	return cgroup_new(path, o->lenient_cgroup, err);
}

static struct container *container_new(const struct container_options *o, struct err *err)
{
	AUTO(container) struct container *c = NEW(struct container);

	c->pidfd = c->sock = -1;
	for (int k = 0; k < NS_COUNT; k++)
		c->ns[k] = -1;
	(void)pthread_mutex_init(&c->freezer, NULL);
	(void)pthread_mutex_init(&c->lock, NULL);
	c->seccomp = o->seccomp;
	c->reserved_tasks = o->reserved_tasks;
	c->bundle = xstrdup(str_empty(o->bundle) ? "/" : o->bundle);
	if (str_check_id(o->id, "container", err) < 0)
		return NULL;
	c->id = xstrdup(o->id);
	if (!o->spec->process) {
		err_set(err, E_INVALID, "the specification has no process");
		return NULL;
	}
	c->root = root_path(o, err);
	c->spec = c->root ? oci_spec_copy(o->spec) : NULL;
	c->cgroup = c->spec ? group_of(o, err) : NULL;
	return c->cgroup ? STEAL(c, NULL) : NULL;
}

void container_free(struct container *c)
{
	fd_close(&c->pidfd);
	fd_close(&c->sock);
	for (int k = 0; k < NS_COUNT; k++)
		fd_close(&c->ns[k]);
	if (c->cgroup)
		cgroup_free(c->cgroup);
	if (c->spec)
		oci_spec_free(c->spec);
	(void)pthread_mutex_destroy(&c->freezer);
	(void)pthread_mutex_destroy(&c->lock);
	free(c->id);
	free(c->bundle);
	free(c->root);
	free(c);
}

struct hook_state container_hook_state(const struct container *c, const char *status)
{
	return (struct hook_state){ c->id, c->bundle, status, c->pid, c->spec };
}

/*
 * The limits that only slow processes down are applied when setup is finished: with 1 % of a CPU it
 * would take seconds. The limits that protect the machine apply from the beginning.
 */
static struct oci_resources limits_of_setup(const struct oci_resources *r)
{
	struct oci_resources early = *r, none = { 0 };

	early.cpu.quota = early.cpu.realtime_runtime = none.cpu.quota;
	early.cpu.period = early.cpu.realtime_period = early.cpu.burst = none.cpu.period;
	memcpy(&early.block_io, &none.block_io, sizeof(none.block_io));
	early.unified = NULL;
	early.n_unified = 0;
	return early;
}

static struct oci_resources limits_of_workload(const struct oci_resources *r)
{
	struct oci_resources late = { .unified = r->unified, .n_unified = r->n_unified };

	late.cpu.quota = r->cpu.quota;
	late.cpu.period = r->cpu.period;
	late.cpu.burst = r->cpu.burst;
	late.cpu.realtime_runtime = r->cpu.realtime_runtime;
	late.cpu.realtime_period = r->cpu.realtime_period;
	memcpy(&late.block_io, &r->block_io, sizeof(r->block_io));
	return late;
}

static int group_make(struct container *c, struct err *err)
{
	const struct oci_resources *r = c->spec->linux_.resources;
	struct oci_resources early;

	if (c->cgroup->n == 0)
		return 0;
	if (c->cgroup->ops->make(c->cgroup, err) < 0 ||
	    (c->reserved_tasks && cgroup_reserve_tasks(c->cgroup, c->reserved_tasks, err) < 0))
		return -1;
	if (!r)
		return 0;
	early = limits_of_setup(r);
	return c->cgroup->ops->apply(c->cgroup, &early, err);
}

static int group_limit(struct container *c, struct err *err)
{
	const struct oci_resources *r = c->spec->linux_.resources;
	struct oci_resources late;

	if (c->cgroup->n == 0 || !r)
		return 0;
	late = limits_of_workload(r);
	return c->cgroup->ops->apply(c->cgroup, &late, err);
}

static int runtime_hooks(struct launch *l, struct err *err)
{
	const struct oci_hooks *h = &l->c->spec->hooks;
	struct hook_state state = container_hook_state(l->c, "creating");

	if (wire_recv(l->sock, WIRE_HOOKS, NULL, NULL, l->deadline, err) < 0)
		return -1;
	if (hooks_run(&h->prestart, "prestart", &state, HOOK_DEFAULT_SECONDS, NULL, err) < 0 ||
	    hooks_run(&h->create_runtime, "createRuntime", &state, HOOK_DEFAULT_SECONDS, NULL,
		      err) < 0)
		return -1;
	return wire_send(l->sock, WIRE_GO, NULL, 0, -1, l->deadline, err);
}

static int init_make(struct container *c, struct launch *l, int *console, bool *hooked,
		     struct err *err)
{
	if (launch_start(l, err) < 0)
		return -1;
	c->pid = l->child.pid;
	if (launch_go(l, err) < 0 || launch_console(l, console, err) < 0)
		return -1;
	*hooked = true;
	if (runtime_hooks(l, err) < 0)
		return -1;
	if (launch_ready(l, err) < 0 || group_limit(c, err) < 0)
		return -1;
	c->pidfd = fd_dup(l->child.pidfd, err);
	return c->pidfd < 0 ? -1 : ns_pin(c->pid, &c->spec->linux_, c->ns, err);
}

static void undo(struct container *c, struct launch *l, bool hooked)
{
	struct hook_state state = container_hook_state(c, "stopped");
	struct err e = ERR_INIT;

	if (cgroup_signal(c->cgroup, SIGKILL, &e) < 0)
		err_clear(&e); /* it may not exist; init is killed below anyway */
	spawn_abandon(&l->child);
	if (cgroup_remove(c->cgroup, deadline_in(5000), &e) < 0)
		log_err(LOG_DEBUG, &e, "a cgroup is left behind", LOG_S("container", c->id));
	err_clear(&e);
	if (hooked)
		(void)hooks_run_all(&c->spec->hooks.poststop, "poststop", &state,
				    HOOK_DEFAULT_SECONDS, NULL);
}

int container_create(const struct container_options *o, struct container **out,
		     struct container_process *init, struct err *err)
{
	AUTO(container) struct container *c = container_new(o, err);
	struct launch l = {
		.c = c, .stdio = &o->stdio, .deadline = o->deadline, .sock = -1, .child = CHILD_NONE
	};
	AUTO(fd) int console = -1;
	bool hooked = false;

	if (!c)
		return -1;
	l.spec = c->spec;
	if (sysctls_apply_shared(&c->spec->linux_, o->own_network, err) < 0 ||
	    cgroup_check_empty(c->cgroup, err) < 0)
		return err_wrap(err, "create container %s", c->id);
	if (group_make(c, err) < 0 || init_make(c, &l, &console, &hooked, err) < 0) {
		undo(c, &l, hooked);
		fd_close(&l.sock);
		return err_wrap(err, "create container %s", c->id);
	}
	c->sock = l.sock;
	*init = (struct container_process){ l.child, STEAL(console, -1) };
	*out = STEAL(c, NULL);
	return 0;
}
