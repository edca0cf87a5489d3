// SPDX-License-Identifier: Apache-2.0
/*
 * The epoll loop. A removed watch stays allocated (dead) until the current batch of events, which
 * may refer to it, has been handled. All timers share the loop's timerfd: what begins while a process
 * has no fd left needs timers, too, and has nobody to report to. Neither has a watch for which the
 * kernel has no room: a timer adds it to the epoll set later.
 */

#include "loop/loop.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { BATCH = 32, ROOM_MS = 100 };

struct watch {
	struct loop *loop;
	int fd;
	int own_fd;      /* signal fd that the watch owns, else -1 */
	uint32_t events; /* 0: not in the epoll set */
	bool late;       /* not in it yet, and in the loop's list */
	bool dead;
	loop_fd_fn on_fd;
	loop_fn on_timer; /* a timer, in the loop's list; without an fd */
	uint64_t at_us;   /* when it is due; 0: it is stopped */
	uint64_t span_us; /* when again after that; 0: not */
	loop_signal_fn on_signal;
	void *arg;
};

struct post {
	loop_fn fn;
	void *arg;
};

struct loop {
	int epoll, wake, clock; /* clock: a timerfd, set to next_us */
	struct watch *waker, *ticker;
	struct watch *room; /* a timer, made when it is needed */
	uint64_t next_us;   /* 0: no timer is due */
	VEC(struct watch *) timers;
	VEC(struct watch *) dead;
	VEC(struct watch *) late; /* the kernel has had no room for them */
	pthread_mutex_t lock;     /* guards the three below */
	VEC(struct post) posts;
	bool stop, closing;
	pthread_t thread; /* valid while running */
	bool running;
};

static void run_posts(struct loop *loop)
{
	struct post *posts;
	size_t n;

	(void)pthread_mutex_lock(&loop->lock);
	posts = loop->posts.v;
	n = loop->posts.n;
	loop->posts.v = NULL;
	loop->posts.n = loop->posts.cap = 0;
	(void)pthread_mutex_unlock(&loop->lock);
	for (size_t i = 0; i < n; i++)
		posts[i].fn(posts[i].arg);
	free(posts);
}

static void on_wake(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	uint64_t count;

	(void)events;
	if (read(loop->wake, &count, sizeof(count)) < 0 && errno != EAGAIN)
		bug("read of an eventfd: errno %d", errno);
	run_posts(loop);
}

/* --- timers --- */

/* The timer that is due first, or NULL. */
static struct watch *first_timer(const struct loop *loop)
{
	struct watch *first = NULL;

	for (size_t i = 0; i < loop->timers.n; i++) {
		struct watch *w = loop->timers.v[i];

		if (w->at_us && (!first || w->at_us < first->at_us))
			first = w;
	}
	return first;
}

static void set_clock(struct loop *loop)
{
	const struct watch *first = first_timer(loop);
	uint64_t at = first ? first->at_us : 0;
	const struct itimerspec when = { .it_value = { (time_t)(at / 1000000),
						       (long)(at % 1000000) * 1000 } };

	if (at == loop->next_us)
		return;
	if (timerfd_settime(loop->clock, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		bug("timerfd_settime: errno %d", errno);
	loop->next_us = at;
}

/* What a handler sets is due after now, so this ends. A timer that repeats fires once, however often
 * it was due. */
static void on_clock(void *arg, uint32_t events)
{
	struct loop *loop = arg;
	uint64_t count, now = clock_us();
	struct watch *w;

	(void)events;
	if (read(loop->clock, &count, sizeof(count)) < 0)
		return; /* set anew meanwhile */
	while ((w = first_timer(loop)) && w->at_us <= now) {
		uint64_t next = w->at_us + w->span_us;

		w->at_us = !w->span_us ? 0 : next > now ? next : now + w->span_us;
		w->on_timer(w->arg);
	}
	loop->next_us = 0; /* it has expired */
	set_clock(loop);
}

struct watch *loop_timer(struct loop *loop, uint64_t ms, bool repeat, loop_fn fn, void *arg)
{
	struct watch *w = NEW(struct watch);

	w->loop = loop;
	w->fd = w->own_fd = -1;
	w->on_timer = fn;
	w->arg = arg;
	vec_push(&loop->timers, w);
	timer_set(w, ms, repeat);
	return w;
}

void timer_set(struct watch *timer, uint64_t ms, bool repeat)
{
	const uint64_t most = (uint64_t)INT32_MAX * 1000; /* decades */
	uint64_t span = (ms < most ? ms : most) * 1000;

	timer->at_us = span ? clock_us() + span : 0;
	timer->span_us = repeat ? span : 0;
	set_clock(timer->loop);
}

static void forget_timer(struct watch *timer)
{
	struct loop *loop = timer->loop;

	for (size_t i = 0; i < loop->timers.n; i++) {
		if (loop->timers.v[i] != timer)
			continue;
		vec_remove(&loop->timers, i);
		set_clock(loop);
		return;
	}
}

void loop_delay(struct loop *loop, struct watch **timer, uint64_t ms, loop_fn fn, void *arg)
{
	if (*timer)
		timer_set(*timer, ms, false);
	else
		*timer = loop_timer(loop, ms, false, fn, arg);
}

/* --- watches --- */

struct loop *loop_new(struct err *err)
{
	AUTO(fd) int epoll = epoll_create1(EPOLL_CLOEXEC);
	AUTO(fd) int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	AUTO(fd) int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop *loop;

	if (epoll < 0 || wake < 0 || timer < 0) {
		err_sys(err, "make an event loop");
		return NULL;
	}
	loop = NEW(struct loop);
	loop->epoll = STEAL(epoll, -1);
	loop->wake = STEAL(wake, -1);
	loop->clock = STEAL(timer, -1);
	(void)pthread_mutex_init(&loop->lock, NULL);
	loop->waker = loop_watch(loop, loop->wake, EPOLLIN, on_wake, loop);
	loop->ticker = loop_watch(loop, loop->clock, EPOLLIN, on_clock, loop);
	if (!loop->late.n)
		return loop;
	/* These two are needed to add the others later. */
	err_set(err, E_LIMIT, "make an event loop: fs.epoll.max_user_watches or memory is used up");
	loop_free(loop);
	return NULL;
}

static void free_dead(struct loop *loop)
{
	for (size_t i = 0; i < loop->dead.n; i++)
		free(loop->dead.v[i]);
	loop->dead.n = 0;
}

void loop_free(struct loop *loop)
{
	if (!loop)
		return;
	run_posts(loop);
	(void)pthread_mutex_lock(&loop->lock);
	loop->closing = true;
	(void)pthread_mutex_unlock(&loop->lock);
	run_posts(loop);
	watch_remove(loop->waker);
	watch_remove(loop->ticker);
	watch_remove(loop->room);
	free_dead(loop);
	vec_release(&loop->dead);
	vec_release(&loop->late);
	vec_release(&loop->timers);
	fd_close(&loop->clock);
	fd_close(&loop->wake);
	fd_close(&loop->epoll);
	(void)pthread_mutex_destroy(&loop->lock);
	free(loop);
}

struct watch *loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct watch *w = NEW(struct watch);

	w->loop = loop;
	w->fd = fd;
	w->own_fd = -1;
	w->on_fd = fn;
	w->arg = arg;
	watch_set(w, events);
	return w;
}

/* False if the kernel has no room for it. */
static bool change_set(struct watch *w, int op, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .ptr = w } };

	if (epoll_ctl(w->loop->epoll, op, w->fd, &event) == 0)
		return true;
	if (op != EPOLL_CTL_ADD || (errno != ENOSPC && errno != ENOMEM))
		bug("epoll_ctl %d of fd %d: errno %d", op, w->fd, errno);
	return false;
}

/* Adds those that are late, in their order, as far as there is room. */
static void add_late(void *arg)
{
	struct loop *loop = arg;

	while (loop->late.n &&
	       change_set(loop->late.v[0], EPOLL_CTL_ADD, loop->late.v[0]->events)) {
		loop->late.v[0]->late = false;
		vec_remove(&loop->late, 0);
	}
	if (loop->late.n)
		loop_delay(loop, &loop->room, ROOM_MS, add_late, loop);
}

static void be_late(struct watch *w)
{
	struct loop *loop = w->loop;

	if (!loop->late.n) {
		log_warn("the kernel has no room to watch one more fd, trying again",
			 LOG_I("errno", errno));
		loop_delay(loop, &loop->room, ROOM_MS, add_late, loop);
	}
	w->late = true;
	vec_push(&loop->late, w);
}

static void forget_late(struct watch *w)
{
	struct loop *loop = w->loop;

	for (size_t i = 0; i < loop->late.n; i++) {
		if (loop->late.v[i] == w) {
			vec_remove(&loop->late, i);
			break;
		}
	}
	w->late = false;
}

void watch_set(struct watch *w, uint32_t events)
{
	int op = !w->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;

	if (w->events == events)
		return;
	if (w->late && !events)
		forget_late(w);
	else if (!w->late && !change_set(w, op, events))
		be_late(w);
	w->events = events;
}

void watch_remove(struct watch *w)
{
	if (!w || w->dead)
		return;
	watch_set(w, 0);
	if (w->on_timer)
		forget_timer(w);
	fd_close(&w->own_fd);
	w->dead = true;
	vec_push(&w->loop->dead, w);
}

static void on_signal(void *arg, uint32_t events)
{
	struct watch *w = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (!w->dead && read(w->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		w->on_signal(w->arg, (int)info.ssi_signo);
}

struct watch *loop_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *arg,
			   struct err *err)
{
	int fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	struct watch *w;

	if (fd < 0) {
		err_sys(err, "make an fd for signals");
		return NULL;
	}
	(void)pthread_sigmask(SIG_BLOCK, set, NULL); /* cannot fail */
	w = loop_watch(loop, fd, EPOLLIN, on_signal, NULL);
	w->own_fd = fd;
	w->on_signal = fn;
	w->arg = arg;
	return w;
}

static void wake(struct loop *loop)
{
	uint64_t one = 1;

	if (write(loop->wake, &one, sizeof(one)) < 0 && errno != EAGAIN)
		bug("write of an eventfd: errno %d", errno);
}

void loop_post(struct loop *loop, loop_fn fn, void *arg)
{
	struct post post = { fn, arg };

	(void)pthread_mutex_lock(&loop->lock);
	if (loop->closing)
		bug("post to a loop that is being freed");
	vec_push(&loop->posts, post);
	/* With the lock held: after unlock the loop may be freed. */
	wake(loop);
	(void)pthread_mutex_unlock(&loop->lock);
}

/* --- loop_call --- */

struct errand {
	loop_fn fn;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
};

static void run_errand(void *arg)
{
	struct errand *e = arg;

	e->fn(e->arg);
	(void)pthread_mutex_lock(&e->lock);
	e->done = true;
	(void)pthread_cond_signal(&e->cond);
	(void)pthread_mutex_unlock(&e->lock);
}

void loop_call(struct loop *loop, loop_fn fn, void *arg)
{
	struct errand e = { .fn = fn,
			    .arg = arg,
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .cond = PTHREAD_COND_INITIALIZER };

	if (loop_is_current(loop)) {
		fn(arg);
		return;
	}
	loop_post(loop, run_errand, &e);
	(void)pthread_mutex_lock(&e.lock);
	while (!e.done)
		(void)pthread_cond_wait(&e.cond, &e.lock);
	(void)pthread_mutex_unlock(&e.lock);
	(void)pthread_mutex_destroy(&e.lock);
	(void)pthread_cond_destroy(&e.cond);
}

void loop_stop(struct loop *loop)
{
	(void)pthread_mutex_lock(&loop->lock);
	loop->stop = true;
	wake(loop);
	(void)pthread_mutex_unlock(&loop->lock);
}

static bool stopped(struct loop *loop)
{
	bool stop;

	(void)pthread_mutex_lock(&loop->lock);
	stop = loop->stop;
	(void)pthread_mutex_unlock(&loop->lock);
	return stop;
}

static void dispatch(struct watch *w, uint32_t events)
{
	if (w->dead || !w->events)
		return;
	if (w->on_signal)
		w->on_fd(w, events);
	else
		w->on_fd(w->arg, events);
}

void loop_run(struct loop *loop)
{
	loop->thread = pthread_self();
	__atomic_store_n(&loop->running, true, __ATOMIC_RELEASE);
	while (!stopped(loop)) {
		struct epoll_event events[BATCH];
		int n = epoll_wait(loop->epoll, events, BATCH, -1);

		if (n < 0 && errno != EINTR)
			bug("epoll_wait: errno %d", errno);
		for (int i = 0; i < n; i++)
			dispatch(events[i].data.ptr, events[i].events);
		free_dead(loop);
	}
	__atomic_store_n(&loop->running, false, __ATOMIC_RELEASE);
}

bool loop_is_current(const struct loop *loop)
{
	return __atomic_load_n(&loop->running, __ATOMIC_ACQUIRE) &&
	       pthread_equal(loop->thread, pthread_self());
}
