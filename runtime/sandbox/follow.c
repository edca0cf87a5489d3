// SPDX-License-Identifier: Apache-2.0
/* Brings changes of a network namespace into the guest: rescans the namespace on a thread, 200 ms
 * after the first event, and syncs each interface. */

#include "sandbox/follow.h"

#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/thread.h"
#include "sandbox/interfaces.h"
#include "sandbox/record.h"

#include <pthread.h>

enum {
	SETTLE_MS = 200, /* a network plugin takes several steps */
	PLUG_MS = 20000,
	/* What has failed is tried again after pauses that grow, so often without an event. */
	AGAIN_MS = 1000,
	AGAIN_MAX_MS = 60000,
	TRIES = 10
};

struct follower {
	struct sandbox *s;
	int fd;
	struct watch *watch, *pause; /* loop */
	/* Used by the thread, and by the loop while there is none. */
	unsigned failures;     /* of the last rescans, one after the other */
	struct deadline again; /* when a rescan is due without an event */
	pthread_mutex_t lock;  /* guards what follows */
	pthread_cond_t changed;
	bool busy, stopping;
};

/* --- one endpoint --- */

static struct deadline soon(const struct follower *f)
{
	return deadline_in((uint64_t)f->s->config->request_timeout_s * 1000);
}

static void complain(const struct endpoint *e, struct err *err, const char *what)
{
	log_err(LOG_WARN, err, what, LOG_S("interface", e->link.name));
	err_clear(err);
}

static void record(struct sandbox *s, const struct endpoint *e, bool connected)
{
	struct err err = ERR_INIT;

	if (connected)
		record_interface(s->record, &s->network, e);
	else
		record_forget_interface(s->record, e->tap);
	if (record_write(s->record, &err) < 0)
		complain(e, &err, "cannot record an interface");
}

/* Connects a new interface and plugs its card in. It is recorded first, as by sandbox_start(). */
static int plug(struct sandbox *s, struct endpoint *e, struct err *err)
{
	struct vmm_device card;

	record(s, e, true);
	if (network_plug(&s->network, e, err) == 0) {
		card = network_device(e);
		if (vm_plug_nic(s->vm, e->tap, &card, deadline_in(PLUG_MS), err) == 0) {
			e->plugged = true;
			network_hand_over(&s->network);
			return 0;
		}
		network_unplug(&s->network, e);
	}
	record(s, e, false);
	return -1;
}

static bool update(struct follower *f, struct endpoint *e)
{
	struct err err = ERR_INIT;

	if (interfaces_update(f->s, e, soon(f), &err) == 0)
		return true;
	complain(e, &err, "cannot tell the guest of an interface");
	return false;
}

/* Every attempt to connect an interface causes events, so the pause after it is the interface's
 * own. */
static void put_off(struct endpoint *e)
{
	e->failures++;
	e->waiting = e->failures < TRIES;
	e->skipped = !e->waiting;
	e->next = deadline_again(e->failures, AGAIN_MS, AGAIN_MAX_MS);
}

/* True if the guest has a card with the hardware address of a new interface, whose own interface has
 * gone: the agent would take one for the other. A card that cannot be unplugged has lost its address
 * once the agent was told. */
static bool has_predecessor(const struct network *n, const struct endpoint *e)
{
	vec_each(const struct endpoint, old, &n->endpoints.list) {
		if (old->gone && old->connected && (old->plugged || !old->skipped) &&
		    str_eq(old->link.mac, e->link.mac))
			return true;
	}
	return false;
}

/* The interface was added to the namespace. Each of these returns false if something is left to be
 * tried again. */
static bool add(struct follower *f, struct endpoint *e)
{
	struct err err = ERR_INIT;

	if (has_predecessor(&f->s->network, e))
		(void)err_set(&err, E_STATE, "one that has gone has its hardware address");
	else if (plug(f->s, e, &err) == 0)
		return update(f, e);
	complain(e, &err, "the guest does not get an interface that has come");
	put_off(e);
	return false;
}

/* The interface's addresses, name or MTU have changed. `delete` would not find it by a former
 * name. */
static bool change(struct follower *f, struct endpoint *e)
{
	struct err err = ERR_INIT;

	record(f->s, e, true);
	if (network_adjust(&f->s->network, e, &err) < 0)
		complain(e, &err, "cannot adjust the tap of an interface");
	return update(f, e);
}

/* The interface was removed from the namespace. One that was plugged in is removed from the list
 * once it is no longer in the VM; one that the VM had at boot stays there without addresses. */
static bool leave(struct follower *f, struct endpoint *e, bool *left)
{
	struct err err = ERR_INIT;

	*left = !e->connected;
	if (!e->skipped)
		record(f->s, e, false);
	if (!e->connected)
		return true;
	if (!e->plugged) {
		e->skipped = e->skipped || update(f, e);
		return e->skipped;
	}
	e->skipped = true;
	*left = vm_unplug_nic(f->s->vm, e->tap, deadline_in(PLUG_MS), &err) == 0 ||
		err.code == E_NOT_FOUND; /* after an earlier attempt */
	if (!*left)
		complain(e, &err, "an interface that has gone is still in the guest");
	return *left;
}

/* --- all endpoints --- */

static bool is_stopping(struct follower *f)
{
	bool stopping;

	(void)pthread_mutex_lock(&f->lock);
	stopping = f->stopping;
	(void)pthread_mutex_unlock(&f->lock);
	return stopping;
}

/* Interfaces whose pause has ended take part in the rescan again, so that their routes are read. */
static void end_pauses(struct network *n)
{
	vec_each(struct endpoint, e, &n->endpoints.list)
		e->waiting = e->waiting && !deadline_passed(e->next);
}

/* Removed interfaces come first: they free slots of the VM, names and hardware addresses, for added
 * ones. */
static bool sync_endpoints(struct follower *f)
{
	struct network *n = &f->s->network;
	bool done = true, left;

	for (size_t i = n->endpoints.list.n; i-- > 0 && !is_stopping(f);) {
		if (!n->endpoints.list.v[i].gone)
			continue;
		done &= leave(f, &n->endpoints.list.v[i], &left);
		if (left)
			network_drop(n, i);
	}
	vec_each(struct endpoint, e, &n->endpoints.list) {
		if (e->gone || e->skipped || e->waiting || is_stopping(f))
			continue;
		if (!e->connected)
			done &= add(f, e);
		else if (!e->synced)
			done &= change(f, e);
	}
	return done;
}

static bool rescan(struct network *n)
{
	struct err err = ERR_INIT;

	if (network_rescan(n, &err) == 0)
		return true;
	log_err(LOG_WARN, &err, "cannot see what has changed in the network namespace");
	return false;
}

/* Returns false if something has failed and is to be tried again. After a failure the guest must
 * not be given the routes of an interface that it has not got. */
static bool catch_up(struct follower *f)
{
	struct network *n = &f->s->network;
	struct err err = ERR_INIT;
	bool done;

	end_pauses(n);
	if (!rescan(n))
		return false;
	done = sync_endpoints(f);
	if (!done && !is_stopping(f) && !rescan(n))
		return false;
	if (is_stopping(f) || interfaces_route(f->s, soon(f), &err) == 0)
		return done;
	log_err(LOG_WARN, &err, "cannot give the guest its routes");
	return false;
}

/* When to rescan although there is no event. */
static struct deadline next_rescan(const struct follower *f)
{
	struct deadline next = DEADLINE_NEVER;

	if (f->failures && f->failures < TRIES)
		next = deadline_again(f->failures, AGAIN_MS, AGAIN_MAX_MS);
	vec_each(const struct endpoint, e, &f->s->network.endpoints.list)
		next = e->waiting ? deadline_min(next, e->next) : next;
	return next;
}

/* --- when to rescan --- */

/* Loop: the thread has ended. */
static void on_done(void *arg)
{
	struct follower *f = arg;
	int left = deadline_left(f->again);

	(void)pthread_mutex_lock(&f->lock);
	f->busy = false;
	if (f->watch) {
		watch_set(f->watch, EPOLLIN);
		if (left >= 0)
			timer_set(f->pause, left > SETTLE_MS ? (uint64_t)left : SETTLE_MS, false);
	}
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

static void *follow_main(void *arg)
{
	struct follower *f = arg;

	f->failures = catch_up(f) ? 0 : f->failures + 1;
	f->again = next_rescan(f);
	loop_post(f->s->loop, on_done, f);
	return NULL;
}

/* Loop. No further event is received until the rescan is done. The queued ones are dropped before
 * it, so that a change during it starts another. */
static void on_settled(void *arg)
{
	struct follower *f = arg;
	struct err err = ERR_INIT;

	watch_set(f->watch, 0);
	netlink_watch_drain(f->fd);
	(void)pthread_mutex_lock(&f->lock);
	f->busy = !f->stopping && thread_detach(follow_main, f, 0, &err) == 0;
	if (!f->busy && !f->stopping)
		timer_set(f->pause, SETTLE_MS, false); /* no thread could be started: try later */
	(void)pthread_mutex_unlock(&f->lock);
}

/* Loop. No further event is received until the rescan is done. */
static void on_change(void *arg, uint32_t events)
{
	struct follower *f = arg;

	(void)events;
	f->failures = 0;
	watch_set(f->watch, 0);
	timer_set(f->pause, SETTLE_MS, false);
}

static void attach(void *arg)
{
	struct follower *f = arg;

	f->watch = loop_watch(f->s->loop, f->fd, EPOLLIN, on_change, f);
	f->pause = loop_timer(f->s->loop, SETTLE_MS, false, on_settled, f);
	watch_set(f->watch, 0); /* begin with a rescan, for changes before the watch */
}

static void detach(void *arg)
{
	struct follower *f = arg;

	(void)pthread_mutex_lock(&f->lock);
	f->stopping = true;
	(void)pthread_mutex_unlock(&f->lock);
	watch_remove(STEAL(f->watch, NULL));
	watch_remove(STEAL(f->pause, NULL));
}

struct follower *follow_start(struct sandbox *s, struct err *err)
{
	struct follower *f;
	int fd;

	if (s->network.netns < 0 || str_eq(s->network.model, "none"))
		return NULL;
	fd = network_watch(&s->network, err);
	if (fd < 0)
		return NULL;
	f = NEW(struct follower);
	f->s = s;
	f->fd = fd;
	(void)pthread_mutex_init(&f->lock, NULL);
	cond_init(&f->changed);
	loop_call(s->loop, attach, f);
	return f;
}

void follow_stop(struct follower *f)
{
	if (!f)
		return;
	loop_call(f->s->loop, detach, f);
	(void)pthread_mutex_lock(&f->lock);
	while (f->busy)
		(void)cond_wait_until(&f->changed, &f->lock, DEADLINE_NEVER);
	(void)pthread_mutex_unlock(&f->lock);
	fd_close(&f->fd);
	(void)pthread_mutex_destroy(&f->lock);
	(void)pthread_cond_destroy(&f->changed);
	free(f);
}
