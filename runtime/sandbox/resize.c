// SPDX-License-Identifier: Apache-2.0
/*
 * Resizes a sandbox's VM with its containers. The VM grows before the guest applies higher limits
 * (sandbox_grow) and shrinks after it has applied lower ones (sandbox_settle), so that the limits
 * never exceed what the VM has.
 */

#include "sandbox/sandbox.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>

/* --- one flow at a time --- */

/* With the lock held: waits until no other flow resizes the VM. */
static int begin_locked(struct sandbox *s, struct deadline deadline, struct err *err)
{
	while (s->size.busy && cond_wait_until(&s->size.changed, &s->size.lock, deadline))
		;
	if (s->size.busy)
		return err_set(err, E_TIMEOUT, "the VM is still being resized");
	s->size.busy = true;
	return 0;
}

static int begin(struct sandbox *s, struct deadline deadline, struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&s->size.lock);
	result = begin_locked(s, deadline, err);
	(void)pthread_mutex_unlock(&s->size.lock);
	return result;
}

/* As begin(). If that fails, the flow that resizes the VM gets the limits; they are set in any case,
 * since those of a removed container would otherwise count for the rest of the pod's life. */
static int begin_or_leave(struct sandbox *s, const char *id, const struct limits *l,
			  struct deadline deadline, struct err *err)
{
	struct late_limits late = { NULL, !l, l ? *l : (struct limits){ 0 } };
	int result;

	(void)pthread_mutex_lock(&s->size.lock);
	result = begin_locked(s, deadline, err);
	if (result < 0) {
		late.id = id ? xstrdup(id) : NULL;
		vec_push(&s->size.late, late);
	}
	(void)pthread_mutex_unlock(&s->size.lock);
	return result;
}

/* --- resizing --- */

/* Why the VM cannot be resized, or NULL. */
static const char *fixed(const struct sandbox *s)
{
	if (s->config->static_size)
		return "static_sandbox_resource_mgmt is set";
	if (str_eq(s->config->machine_type, "microvm"))
		return "machine_type is microvm";
	return NULL;
}

/* What failed before is done again: a VM that has the size may have processors that the guest has not
 * brought online, or that are not in the sandbox's control group. */
static int resize(struct sandbox *s, const struct vmm_size *to, struct deadline deadline,
		  struct err *err)
{
	const struct vmm_size before = s->size.now;
	int result;

	if (to->vcpus == before.vcpus && to->memory_mib == before.memory_mib && !s->size.undone)
		return 0;
	result = vm_resize(s->vm, to, &s->size.now, deadline, err);
	if (result == 0 && (s->size.now.vcpus != before.vcpus || s->size.undone))
		result = sandbox_place_vcpus(s, deadline, err);
	s->size.undone = result < 0;
	log_info("VM resized", LOG_I("vcpus", s->size.now.vcpus),
		 LOG_I("memory_mib", s->size.now.memory_mib), LOG_I("wanted_vcpus", to->vcpus),
		 LOG_I("wanted_memory_mib", to->memory_mib));
	return result;
}

/* Resizes to what the limits need, but not below the present size and not above the largest. */
static int grow(struct sandbox *s, struct deadline deadline, struct err *err)
{
	const struct vmm_size bound = s->size.most;
	struct vmm_size to = sizing_now(&s->size.sizing);

	to.vcpus = to.vcpus > bound.vcpus ? bound.vcpus : to.vcpus;
	to.vcpus = to.vcpus < s->size.now.vcpus ? s->size.now.vcpus : to.vcpus;
	to.memory_mib = to.memory_mib > bound.memory_mib ? bound.memory_mib : to.memory_mib;
	to.memory_mib = to.memory_mib < s->size.now.memory_mib ? s->size.now.memory_mib
							       : to.memory_mib;
	return resize(s, &to, deadline, err);
}

/* --- limits of containers --- */

/* id NULL: the pod's. l NULL: removes a container's. */
static void put(struct sandbox *s, const char *id, const struct limits *l)
{
	if (id)
		sizing_put(&s->size.sizing, id, l);
	else if (l)
		sizing_put_pod(&s->size.sizing, l);
}

static const struct limits *find(const struct sandbox *s, const char *id)
{
	return id ? sizing_find(&s->size.sizing, id) : &s->size.sizing.pod;
}

/* sandbox_grow() for the flow that holds size.busy. */
static int admit(struct sandbox *s, const char *id, const struct oci_resources *r, bool must,
		 struct limits_change *change, struct deadline deadline, struct err *err)
{
	struct sizing *z = &s->size.sizing;
	const struct limits *had = find(s, id);
	bool is_new = !had, updated = z->pod_updated;
	struct limits both;

	change->before = had ? *had : (struct limits){ 0 };
	change->after = change->before;
	if (r)
		limits_update(&change->after, r);
	both = limits_higher(&change->before, &change->after);
	put(s, id, &both);
	if ((!must ||
	     sizing_check(z, &change->before, &change->after, &s->size.most, fixed(s), err) == 0) &&
	    grow(s, deadline, err) == 0)
		return 0;
	put(s, id, is_new ? NULL : &change->before);
	z->pod_updated = updated;
	return -1;
}

/* The VM gives back the memory that the limits do not need. */
static void shrink(struct sandbox *s, struct deadline deadline)
{
	struct vmm_size to = sizing_now(&s->size.sizing);
	struct err err = ERR_INIT;

	to.vcpus = s->size.now.vcpus; /* processors are never unplugged */
	if (to.memory_mib < s->size.now.memory_mib && resize(s, &to, deadline, &err) < 0)
		log_err(LOG_WARN, &err, "the VM keeps what a container does not need");
}

/* With the lock held: sets the limits that others have left. False if there are none. */
static bool take_late(struct sandbox *s)
{
	bool any = s->size.late.n != 0;

	vec_each(struct late_limits, late, &s->size.late) {
		put(s, late->id, late->removed ? NULL : &late->limits);
		free(late->id);
	}
	vec_release(&s->size.late);
	return any;
}

/* Ends what begin() began, and does what flows have left that could not wait for it. */
static void end(struct sandbox *s, struct deadline deadline)
{
	(void)pthread_mutex_lock(&s->size.lock);
	while (take_late(s)) {
		(void)pthread_mutex_unlock(&s->size.lock);
		shrink(s, deadline);
		(void)pthread_mutex_lock(&s->size.lock);
	}
	s->size.busy = false;
	(void)pthread_cond_signal(&s->size.changed);
	(void)pthread_mutex_unlock(&s->size.lock);
}

int sandbox_grow(struct sandbox *s, const char *id, const struct oci_resources *r, bool must,
		 struct limits_change *change, struct deadline deadline, struct err *err)
{
	int result;

	if (begin(s, deadline, err) < 0)
		return -1;
	result = admit(s, id, r, must, change, deadline, err);
	end(s, deadline);
	return result;
}

void sandbox_settle(struct sandbox *s, const char *id, const struct limits *l,
		    struct deadline deadline)
{
	struct err err = ERR_INIT;

	if (vm_is_dead(s->vm))
		return;
	if (begin_or_leave(s, id, l, deadline, &err) < 0) {
		log_err(LOG_WARN, &err, "the VM keeps what a container does not need for longer");
		return;
	}
	put(s, id, l);
	shrink(s, deadline);
	end(s, deadline);
}
