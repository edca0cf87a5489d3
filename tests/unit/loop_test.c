// SPDX-License-Identifier: Apache-2.0
/* libs/loop: watches that remove themselves and others, timers, posts from threads, signals. */

#include "tests/unit/sanitized.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "loop/listener.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct loop *loop;
static int count;

static void setup(void)
{
	loop = loop_new(&(struct err)ERR_INIT);
	count = 0;
}

static void teardown(void)
{
	loop_free(loop);
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

/* --- watches --- */

static int pipes[2][2];
static struct watch *watches[2], *timer;

static void readable_pipes(loop_fd_fn fn)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < 2; i++) {
		ck_assert(fd_pipe(pipes[i], &err) == 0);
		ck_assert(write(pipes[i][1], "x", 1) == 1);
		watches[i] = loop_watch(loop, pipes[i][0], EPOLLIN, fn, &watches[i]);
	}
}

static void close_pipes(void)
{
	for (int i = 0; i < 4; i++)
		fd_close(&pipes[i / 2][i % 2]);
}

static void remove_self(void *arg, uint32_t events)
{
	struct watch **w = arg;

	ck_assert(events & EPOLLIN);
	ck_assert(loop_is_current(loop));
	watch_remove(*w);
	watch_remove(*w); /* the second time does nothing */
	if (++count == 2)
		loop_stop(loop);
}

START_TEST(a_handler_removes_its_own_watch)
{
	readable_pipes(remove_self);
	loop_run(loop);
	ck_assert_int_eq(count, 2);
	ck_assert(!loop_is_current(loop));
	close_pipes();
}
END_TEST

/* Both watches have an event in the same batch. The second one was fetched already and must be
 * dropped. */
static void remove_both(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	count++;
	watch_remove(watches[0]);
	watch_remove(watches[1]);
	timer_set(timer, 20, false);
}

START_TEST(a_removed_watch_is_never_called)
{
	timer = loop_timer(loop, 600000, false, stop, NULL);
	readable_pipes(remove_both);
	loop_run(loop);
	ck_assert_int_eq(count, 1);
	watch_remove(timer);
	close_pipes();
}
END_TEST

/* Both watches, and the first one again, are called; the timer fires after each pause. */
static void silence(void *arg, uint32_t events)
{
	struct watch **w = arg;

	(void)events;
	watch_set(*w, 0);
	if (++count >= 2)
		timer_set(timer, 30, false);
}

static void unsilence_or_stop(void *arg)
{
	if (count == 2)
		watch_set(watches[0], EPOLLIN);
	else
		stop(arg);
}

/* In the place of libc's. To use up the kernel's room would need much memory. */
static int no_room; /* the error of each addition to an epoll set, or 0 */

int epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
	if (no_room && op == EPOLL_CTL_ADD) {
		errno = no_room;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, set, op, fd, event);
}

static const int shortages[] = { ENOSPC, ENOMEM };

static void make_room(void *arg)
{
	(void)arg;
	ck_assert_int_eq(count, 0);
	no_room = 0;
}

START_TEST(a_watch_waits_for_room_in_the_kernel)
{
	no_room = shortages[_i];
	readable_pipes(remove_self);
	timer = loop_timer(loop, 250, false, make_room, NULL);
	loop_run(loop);
	ck_assert_int_eq(count, 2);
	watch_remove(timer);
	close_pipes();
}
END_TEST

START_TEST(a_watch_that_waits_for_room_can_be_changed)
{
	no_room = shortages[_i];
	readable_pipes(remove_self);
	watch_set(watches[0], 0);
	watch_set(watches[1], EPOLLIN | EPOLLHUP);
	watch_remove(watches[1]);
	no_room = 0;
	timer = loop_timer(loop, 300, false, stop, NULL);
	loop_run(loop);
	ck_assert_int_eq(count, 0);
	watch_set(watches[0], EPOLLIN);
	watch_remove(watches[0]);
	watch_remove(timer);
	close_pipes();
}
END_TEST

START_TEST(a_loop_without_room_is_not_made)
{
	struct err err = ERR_INIT;

	no_room = shortages[_i];
	ck_assert_ptr_null(loop_new(&err));
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

START_TEST(a_silent_watch_is_kept)
{
	timer = loop_timer(loop, 600000, false, unsilence_or_stop, NULL);
	readable_pipes(silence);
	loop_run(loop);
	ck_assert_int_eq(count, 3);
	for (int i = 0; i < 2; i++)
		watch_remove(watches[i]);
	watch_remove(timer);
	watch_remove(NULL);
	close_pipes();
}
END_TEST

/* --- timers --- */

static void tick(void *arg)
{
	(void)arg;
	if (++count < 5)
		return;
	watch_remove(timer);
	loop_stop(loop);
}

START_TEST(a_timer_repeats_until_it_is_removed)
{
	uint64_t start = clock_ms();

	timer = loop_timer(loop, 10, true, tick, NULL);
	loop_run(loop);
	ck_assert_int_eq(count, 5);
	ck_assert_uint_ge(clock_ms() - start, 40);
}
END_TEST

static void never(void *arg)
{
	(void)arg;
	ck_abort_msg("a stopped timer fired");
}

START_TEST(a_timer_is_stopped_and_set_again)
{
	struct watch *stopped = loop_timer(loop, 5, false, never, NULL);
	struct watch *end = loop_timer(loop, 600000, false, stop, NULL);

	timer_set(stopped, 0, false);
	timer_set(end, 30, false);
	loop_run(loop);
	watch_remove(stopped);
	watch_remove(end);
}
END_TEST

static char order[16];

static void note(void *arg)
{
	order[count++] = *(const char *)arg;
}

/* The loop is busy while they become due. One that repeats and is late does not catch up. */
static void be_busy(void *arg)
{
	(void)arg;
	(void)usleep(100000);
}

START_TEST(late_timers_fire_in_their_order)
{
	struct watch *timers[] = {
		loop_timer(loop, 1, false, be_busy, NULL),
		loop_timer(loop, 60, false, note, (void *)"c"),
		loop_timer(loop, 20, false, note, (void *)"a"),
		loop_timer(loop, 40, true, note, (void *)"b"),
		loop_timer(loop, 105, false, stop, NULL),
	};

	loop_run(loop);
	ck_assert_str_eq(order, "abc");
	for (size_t i = 0; i < ARRAY_LEN(timers); i++)
		watch_remove(timers[i]);
}
END_TEST

static void remove_timer(void *arg)
{
	watch_remove(*(struct watch **)arg);
}

START_TEST(a_timer_that_is_due_can_be_removed)
{
	struct watch *due[2];
	struct watch *busy = loop_timer(loop, 1, false, be_busy, NULL);
	struct watch *end = loop_timer(loop, 150, false, stop, NULL);

	due[0] = loop_timer(loop, 20, false, remove_timer, &due[1]);
	due[1] = loop_timer(loop, 30, false, never, NULL);
	loop_run(loop);
	watch_remove(due[0]);
	watch_remove(busy);
	watch_remove(end);
}
END_TEST

START_TEST(a_timer_needs_no_fd)
{
	struct rlimit before, none;
	struct err err = ERR_INIT;
	sigset_t set;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	ck_assert_ptr_null(loop_new(&err));
	ck_assert_int_eq(err.sys, EMFILE);
	err_clear(&err);
	(void)sigemptyset(&set);
	ck_assert_ptr_null(loop_signals(loop, &set, NULL, NULL, &err));
	ck_assert_int_eq(err.sys, EMFILE);
	timer = loop_timer(loop, 10, true, tick, NULL);
	loop_run(loop);
	ck_assert_int_eq(count, 5);
	/* A sanitizer needs files for its report. */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
}
END_TEST

/* --- posts --- */

enum { POSTERS = 4, POSTS = 500 };

struct poster {
	pthread_t thread;
	int next; /* the number that must come next from it */
};

struct message {
	struct poster *from;
	int number;
};

static struct poster posters[POSTERS];
static struct message messages[POSTERS][POSTS];

static void on_message(void *arg)
{
	struct message *m = arg;

	ck_assert(loop_is_current(loop));
	ck_assert_int_eq(m->number, m->from->next++);
	if (++count == POSTERS * POSTS)
		loop_stop(loop);
}

static void *post_all(void *arg)
{
	struct poster *p = arg;

	for (int i = 0; i < POSTS; i++) {
		struct message *m = &messages[p - posters][i];

		*m = (struct message){ p, i };
		loop_post(loop, on_message, m);
	}
	return NULL;
}

START_TEST(posts_of_a_thread_arrive_in_order)
{
	for (int i = 0; i < POSTERS; i++)
		ck_assert_int_eq(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]),
				 0);
	loop_run(loop);
	for (int i = 0; i < POSTERS; i++)
		ck_assert_int_eq(pthread_join(posters[i].thread, NULL), 0);
	ck_assert_int_eq(count, POSTERS * POSTS);
}
END_TEST

static void add_one(void *arg)
{
	(void)arg;
	count++;
}

START_TEST(posts_that_were_not_run_are_run_by_free)
{
	struct loop *other = loop_new(&(struct err)ERR_INIT);

	loop_post(other, add_one, NULL);
	loop_post(other, add_one, NULL);
	loop_free(other);
	ck_assert_int_eq(count, 2);
	loop_free(NULL);
}
END_TEST

static void note_thread(void *arg)
{
	pthread_t *on = arg;

	*on = pthread_self();
	loop_call(loop, add_one, NULL); /* on the loop's own thread, this is a plain call */
	count++;
}

static void *call_and_stop(void *arg)
{
	loop_call(loop, note_thread, arg);
	count *= 10; /* both have run */
	loop_stop(loop);
	return NULL;
}

START_TEST(a_call_has_run_on_the_loop_when_it_returns)
{
	pthread_t caller, on = 0;

	ck_assert_int_eq(pthread_create(&caller, NULL, call_and_stop, &on), 0);
	loop_run(loop);
	ck_assert_int_eq(pthread_join(caller, NULL), 0);
	ck_assert(pthread_equal(on, pthread_self()));
	ck_assert_int_eq(count, 20);
}
END_TEST

/* --- signals --- */

static void on_signal(void *arg, int signo)
{
	ck_assert_ptr_eq(arg, &count);
	count += signo == SIGUSR1 ? 1 : signo == SIGUSR2 ? 10 : 100;
	if (count == 11)
		loop_stop(loop);
}

START_TEST(signals_are_delivered_on_the_loop)
{
	struct watch *w;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	w = loop_signals(loop, &set, on_signal, &count, &(struct err)ERR_INIT);
	ck_assert_int_eq(kill(getpid(), SIGUSR2), 0);
	ck_assert_int_eq(kill(getpid(), SIGUSR1), 0);
	loop_run(loop);
	ck_assert_int_eq(count, 11);
	watch_remove(w);
}
END_TEST

/* --- listener --- */

static int accepted = -1;

static void on_connection(void *arg, int fd)
{
	(void)arg;
	accepted = fd;
	loop_stop(loop);
}

static uint64_t cpu_ms(void)
{
	struct rusage r;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &r), 0);
	return (uint64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000 +
	       (uint64_t)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1000;
}

static void limit_fds(rlim_t n)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = n;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static uint64_t since, cpu_since;

static void look_and_give_fds(void *arg)
{
	(void)arg;
	ck_assert_uint_lt((cpu_ms() - cpu_since) * 4, clock_ms() - since);
	ck_assert_int_eq(accepted, -1);
	limit_fds(256);
}

/* Without a free fd a connection waits, and the loop does not spin meanwhile. */
START_TEST(a_listener_without_fds_waits)
{
	char dir[] = "/tmp/loop_test-XXXXXX", path[64];
	struct err err = ERR_INIT;
	struct listener *l;
	int client;

	if (UNDER_VALGRIND) /* whose limit closes what the kernel has accepted */
		return;
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_ge(str_print(path, sizeof(path), "%s/socket", dir), 0);
	l = listener_new(loop, fd_unix_listen(path, &err), SOCK_NONBLOCK, on_connection, NULL);
	client = fd_unix_connect(path, &err);
	ck_assert_int_ge(client, 0);
	timer = loop_timer(loop, 500, false, look_and_give_fds, NULL);
	limit_fds(3);
	since = clock_ms();
	cpu_since = cpu_ms();
	loop_run(loop);
	ck_assert_int_ge(accepted, 0);
	ck_assert(fcntl(accepted, F_GETFL) & O_NONBLOCK);
	watch_remove(timer);
	listener_free(l);
	fd_close(&accepted);
	fd_close(&client);
	ck_assert_int_eq(path_remove_tree(dir, &err), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("loop");
	TCase *tc = tcase_create("loop");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_handler_removes_its_own_watch);
	tcase_add_test(tc, a_removed_watch_is_never_called);
	tcase_add_loop_test(tc, a_watch_waits_for_room_in_the_kernel, 0, ARRAY_LEN(shortages));
	tcase_add_loop_test(tc, a_watch_that_waits_for_room_can_be_changed, 0,
			    ARRAY_LEN(shortages));
	tcase_add_loop_test(tc, a_loop_without_room_is_not_made, 0, ARRAY_LEN(shortages));
	tcase_add_test(tc, a_silent_watch_is_kept);
	tcase_add_test(tc, a_timer_repeats_until_it_is_removed);
	tcase_add_test(tc, a_timer_is_stopped_and_set_again);
	tcase_add_test(tc, late_timers_fire_in_their_order);
	tcase_add_test(tc, a_timer_that_is_due_can_be_removed);
	tcase_add_test(tc, a_timer_needs_no_fd);
	tcase_add_test(tc, posts_of_a_thread_arrive_in_order);
	tcase_add_test(tc, posts_that_were_not_run_are_run_by_free);
	tcase_add_test(tc, a_call_has_run_on_the_loop_when_it_returns);
	tcase_add_test(tc, signals_are_delivered_on_the_loop);
	tcase_add_test(tc, a_listener_without_fds_waits);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
