// SPDX-License-Identifier: Apache-2.0
/* The list of containers, and container_take_down(), which undoes Create. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"
#include "manage/manage.h"
#include "mount/mount.h"
#include "protocols/agent.pb-c.h"
#include "sandbox/copies.h"

#include <stdlib.h>

enum { REMOVE_MS = 10000, RESIZE_MS = 10000 };

struct container *container_new(struct shim *s, const char *id)
{
	struct container *c = NEW(struct container);

	c->shim = s;
	c->refs = 1;
	c->id = xstrdup(id);
	c->creating = true;
	c->holder = (struct netns_holder)NETNS_HOLDER_NONE;
	vec_push(&s->containers, c);
	return c;
}

void container_unref(struct container *c)
{
	if (--c->refs)
		return;
	vec_release(&c->execs);
	devices_release(&c->devices);
	oci_spec_free(c->spec);
	free(c->block_root);
	free(c->id);
	free(c->bundle);
	free(c->rootfs);
	free(c);
}

void container_remove(struct container *c)
{
	struct shim *s = c->shim;

	for (size_t i = 0; i < s->containers.n; i++) {
		if (s->containers.v[i] == c) {
			vec_remove(&s->containers, i);
			break;
		}
	}
	(void)pthread_cond_broadcast(&s->changed);
	container_unref(c);
}

pid_t container_pid(const struct container *c)
{
	return c->pid ? c->pid : c->shim->pid;
}

bool shim_is_empty(const struct shim *s)
{
	return s->containers.n == 0;
}

/* --- taking down --- */

/* With the lock held. */
static bool others_stay(const struct container *c)
{
	for (size_t i = 0; i < c->shim->containers.n; i++) {
		const struct container *other = c->shim->containers.v[i];

		if (other != c && !other->leaving)
			return true;
	}
	return false;
}

/* Marks the container as leaving. Returns true if it is the last one, after waiting for others that
 * were leaving before it. */
static bool leave(struct container *c)
{
	struct shim *s = c->shim;
	bool last;

	(void)pthread_mutex_lock(&s->lock);
	c->leaving = true;
	last = !others_stay(c);
	while (last && s->containers.n > 1)
		(void)cond_wait_until(&s->changed, &s->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&s->lock);
	return last;
}

/* Has the agent kill the container's processes and remove the container. */
static void remove_from_guest(struct container *c)
{
	Grpc__RemoveContainerRequest request = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	struct err err = ERR_INIT;

	request.container_id = c->id;
	if (c->in_guest && sandbox_call(c->shim->sandbox, "RemoveContainer", &request, NULL,
					deadline_in(REMOVE_MS), NULL, &err) < 0)
		log_err(LOG_DEBUG, &err, "the guest did not remove the container");
}

/* On the loop, whose handlers read c->init and s->sandbox without the lock. */
static void forget_init(void *arg)
{
	struct container *c = arg;

	(void)pthread_mutex_lock(&c->shim->lock);
	c->init = NULL;
	(void)pthread_mutex_unlock(&c->shim->lock);
}

static void forget_sandbox(void *arg)
{
	struct shim *s = arg;

	(void)pthread_mutex_lock(&s->lock);
	s->sandbox = NULL;
	s->pid = s->share_pid = 0;
	(void)pthread_mutex_unlock(&s->lock);
}

/* After the last container was taken down. */
static void drop_sandbox(struct shim *s)
{
	struct sandbox *sb = s->sandbox;

	manage_free(STEAL(s->manage, NULL));
	loop_call(s->loop, forget_sandbox, s);
	if (sb)
		sandbox_free(sb);
	if (s->config)
		config_free(STEAL(s->config, NULL));
}

static void unshare_rootfs(const struct container *c)
{
	struct err err = ERR_INIT;

	copies_forget(c->shim->sandbox, c->id);
	if (share_remove(&c->shim->sandbox->share, c->id, &err) < 0)
		log_err(LOG_WARN, &err, "cannot take the container's files out of the share");
}

void container_stop_holder(struct container *c)
{
	struct netns_holder holder;

	(void)pthread_mutex_lock(&c->shim->lock);
	holder = c->holder;
	c->holder = (struct netns_holder)NETNS_HOLDER_NONE;
	(void)pthread_mutex_unlock(&c->shim->lock);
	netns_holder_stop(&holder);
}

static void *stop_holder_main(void *arg)
{
	netns_holder_stop(arg);
	free(arg);
	return NULL;
}

void container_stop_holder_async(struct container *c)
{
	struct netns_holder *holder;
	struct err err = ERR_INIT;

	if (c->holder.child.pid <= 0)
		return;
	holder = NEW(struct netns_holder);
	*holder = c->holder;
	if (thread_detach(stop_holder_main, holder, 0, &err) == 0) {
		c->holder = (struct netns_holder)NETNS_HOLDER_NONE;
		return;
	}
	log_err(LOG_WARN, &err, "a process stands for the container until that is deleted");
	free(holder);
}

void container_take_down(struct container *c)
{
	struct shim *s = c->shim;
	struct process *init = c->init;
	bool last = leave(c);
	struct err err = ERR_INIT;

	if (init)
		io_finish(process_take_io(init), deadline_in(0));
	if (s->sandbox && last)
		sandbox_stop(s->sandbox);
	else if (s->sandbox && c->kind != KIND_IN_POD)
		shim_end(s);
	else if (s->sandbox) {
		remove_from_guest(c);
		devices_unplug(&c->devices, s->sandbox->vm);
		sandbox_unuse_swap(s->sandbox, STEAL(c->swap, 0));
	}
	/* From here on no answer of the agent refers to the process. */
	loop_call(s->loop, forget_init, c);
	if (!last && s->sandbox) {
		if (shim_place(s, deadline_in(REMOVE_MS), &err) < 0)
			log_err(LOG_WARN, &err, "cannot give back the processors of the container");
		err_clear(&err);
		shim_score(s);
	}
	if (last)
		drop_sandbox(s);
	else if (s->sandbox) {
		sandbox_settle(s->sandbox, c->id, NULL, deadline_in(RESIZE_MS));
		unshare_rootfs(c);
	}
	if (c->rootfs_mounted && mount_detach_below(c->rootfs, &err) < 0)
		log_err(LOG_WARN, &err, "cannot unmount the root file system");
	c->rootfs_mounted = false;
	if (init)
		process_drop(init);
	container_stop_holder(c);
}
