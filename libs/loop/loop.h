// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The event loop: one epoll set, and one thread that runs it; handlers must not block. Signals are
 * received through a signalfd, all timers share a timerfd, children are watched by their pidfd.
 *
 *	struct loop *loop = loop_new(err);	// NULL: no fds are left
 *	struct watch *w = loop_watch(loop, fd, EPOLLIN, on_readable, arg);
 *	...
 *	loop_run(loop);			// until loop_stop
 *
 * Threads: loop_post, loop_call and loop_stop may be called from any thread; all else only on the
 * loop's thread (or before loop_run). A handler may remove any watch, its own included: events of a
 * removed watch that were already fetched are dropped. The loop never closes the fds it watches.
 */

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop;
struct watch;

typedef void (*loop_fd_fn)(void *arg, uint32_t events);
typedef void (*loop_fn)(void *arg);
typedef void (*loop_signal_fn)(void *arg, int signo);

/* NULL if there are no fds or no memory of the kernel for it. */
struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop);

/* Calls fn when fd is ready for events (EPOLL*, level triggered). A file that epoll cannot watch (a
 * regular file) is a bug; one for which the kernel has no room (fs.epoll.max_user_watches, memory) is
 * watched as soon as it has. Free the watch with watch_remove(), before fd is closed. */
struct watch *loop_watch(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *arg);
/* Changes the events. With 0 the watch is silent, for errors too, and epoll does not hold the
 * fd. */
void watch_set(struct watch *w, uint32_t events);
void watch_remove(struct watch *w); /* NULL is accepted */

/* Calls fn once after ms milliseconds, or every ms if repeat; the time during which the machine is
 * suspended counts. Takes no fd, and cannot fail. Free it with watch_remove(), also after it has
 * fired; watch_set() is not for it. */
struct watch *loop_timer(struct loop *loop, uint64_t ms, bool repeat, loop_fn fn, void *arg);
void timer_set(struct watch *timer, uint64_t ms, bool repeat); /* 0 stops it */
/* Calls fn once after ms milliseconds, by the timer *timer, which is made if it is NULL. */
void loop_delay(struct loop *loop, struct watch **timer, uint64_t ms, loop_fn fn, void *arg);

/* Blocks the signals of set in the calling thread (call it before creating threads) and delivers
 * them on the loop. NULL if there is no fd for them. */
struct watch *loop_signals(struct loop *loop, const sigset_t *set, loop_signal_fn fn, void *arg,
			   struct err *err);

/* Any thread: runs fn(arg) on the loop's thread, in the order posted. Posting after loop_free has
 * begun is a bug; pending posts are run by loop_free. */
void loop_post(struct loop *loop, loop_fn fn, void *arg);

/* Any thread: runs fn(arg) on the loop's thread and returns when it has run; called on that thread,
 * runs it at once. For flows that access data owned by the loop. The loop must be running or be
 * freed, or the call never returns. */
void loop_call(struct loop *loop, loop_fn fn, void *arg);

void loop_run(struct loop *loop);              /* until loop_stop() */
void loop_stop(struct loop *loop);             /* any thread */
bool loop_is_current(const struct loop *loop); /* are we on its thread? */
