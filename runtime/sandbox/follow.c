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
	PLUG_MS = 20000
};

struct follower {
	struct sandbox *s;
	int fd;
	struct watch *watch, *pause; /* loop */
	pthread_mutex_t lock;        /* guards what follows */
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
		record_forget_interface(s->record, e->link.name);
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

/* The interface was added to the namespace. */
static void add(struct follower *f, struct endpoint *e)
{
	struct err err = ERR_INIT;

	if (plug(f->s, e, &err) < 0) {
		complain(e, &err, "the guest does not get an interface that has come");
		e->skipped = true;
	} else if (interfaces_update(f->s, e, soon(f), &err) < 0) {
		complain(e, &err, "cannot tell the guest of an interface");
	}
}

/* The interface's addresses, name or MTU have changed. */
static void change(struct follower *f, struct endpoint *e)
{
	struct err err = ERR_INIT;

	if (network_adjust(&f->s->network, e, &err) < 0)
		complain(e, &err, "cannot adjust the tap of an interface");
	if (interfaces_update(f->s, e, soon(f), &err) < 0)
		complain(e, &err, "cannot tell the guest of an interface");
}

/* The interface was removed from the namespace. Returns true if nothing of it is left in the VM;
 * else its endpoint stays in the list, and the next rescan tries again. */
static bool leave(struct follower *f, struct endpoint *e)
{
	struct err err = ERR_INIT;

	if (!e->skipped)
		record(f->s, e, false);
	if (!e->connected)
		return true;
	if (!e->plugged) {
		if (!e->skipped && interfaces_update(f->s, e, soon(f), &err) < 0)
			complain(e, &err, "cannot tell the guest of an interface");
		e->skipped = true;
		return false;
	}
	e->skipped = true;
	if (vm_unplug_nic(f->s->vm, e->tap, deadline_in(PLUG_MS), &err) == 0 ||
	    err.code == E_NOT_FOUND) /* after an earlier attempt */
		return true;
	complain(e, &err, "an interface that has gone is still in the guest");
	return false;
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

/* Removed interfaces come first: they free slots of the VM, and names, for added ones. */
static void catch_up(struct follower *f)
{
	struct network *n = &f->s->network;
	struct err err = ERR_INIT;

	if (network_rescan(n, &err) < 0) {
		log_err(LOG_WARN, &err, "cannot see what has changed in the network namespace");
		return;
	}
	for (size_t i = n->endpoints.list.n; i-- > 0 && !is_stopping(f);) {
		if (n->endpoints.list.v[i].gone && leave(f, &n->endpoints.list.v[i]))
			network_drop(n, i);
	}
	vec_each(struct endpoint, e, &n->endpoints.list) {
		if (e->gone || e->skipped || is_stopping(f))
			continue;
		if (!e->connected)
			add(f, e);
		else if (!e->synced)
			change(f, e);
	}
	if (!is_stopping(f) && interfaces_route(f->s, soon(f), &err) < 0)
		log_err(LOG_WARN, &err, "cannot give the guest its routes");
}

/* --- when to rescan --- */

/* Loop: the thread has ended. */
static void on_done(void *arg)
{
	struct follower *f = arg;

	(void)pthread_mutex_lock(&f->lock);
	f->busy = false;
	if (f->watch)
		watch_set(f->watch, EPOLLIN);
	(void)pthread_cond_broadcast(&f->changed);
	(void)pthread_mutex_unlock(&f->lock);
}

static void *follow_main(void *arg)
{
	struct follower *f = arg;

	catch_up(f);
	loop_post(f->s->loop, on_done, f);
	return NULL;
}

/* Loop. The queued events are dropped before the rescan, so that a change during it starts
 * another. */
static void on_settled(void *arg)
{
	struct follower *f = arg;
	struct err err = ERR_INIT;

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
