// SPDX-License-Identifier: Apache-2.0
/* agent/forget.c with a share that does not answer. For the loop, time passes a hundred times faster. */

#include "tests/unit/suite.h"

#include "agent/forget.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

enum { FASTER = 100, SECOND_NS = 1000000000, PERIOD_MS = 10000 };

/* --- in the place of libc's --- */

static long long ns_of(const struct timespec *t)
{
	return (long long)t->tv_sec * SECOND_NS + t->tv_nsec;
}

static struct timespec time_of(long long ns)
{
	return (struct timespec){ .tv_sec = (time_t)(ns / SECOND_NS),
				  .tv_nsec = (long)(ns % SECOND_NS) };
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, clock, now) < 0)
		return -1;
	if (clock == CLOCK_BOOTTIME)
		*now = time_of(ns_of(now) * FASTER);
	return 0;
}

int timerfd_settime(int fd, int flags, const struct itimerspec *when, struct itimerspec *old)
{
	const struct itimerspec real = { .it_value = time_of(ns_of(&when->it_value) / FASTER) };

	return (int)syscall(SYS_timerfd_settime, fd, flags, &real, old);
}

static pthread_mutex_t hung = PTHREAD_MUTEX_INITIALIZER;
static unsigned n_looks;

/* There is no share in the end, and so the caches of this machine stay. */
int statfs(const char *path, struct statfs *fs)
{
	(void)path;
	(void)fs;
	(void)__atomic_add_fetch(&n_looks, 1, __ATOMIC_RELEASE);
	(void)pthread_mutex_lock(&hung);
	(void)pthread_mutex_unlock(&hung);
	errno = ENOTCONN;
	return -1;
}

/* --- tests --- */

static struct loop *loop;

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static unsigned looks(void)
{
	return __atomic_load_n(&n_looks, __ATOMIC_ACQUIRE);
}

static void stop_after_two(void *arg)
{
	if (looks() >= 2)
		stop(arg);
}

START_TEST(a_share_that_hangs_costs_one_thread)
{
	struct watch *end;

	loop = loop_new(&(struct err)ERR_INIT);
	(void)pthread_mutex_lock(&hung);
	forget_begin(loop);
	end = loop_timer(loop, 6 * PERIOD_MS, false, stop, NULL);
	loop_run(loop);
	watch_remove(end);
	ck_assert_uint_eq(looks(), 1);
	(void)pthread_mutex_unlock(&hung);
	forget_end();
	forget_stop();
	loop_free(loop);
}
END_TEST

START_TEST(names_are_forgotten_again_and_again)
{
	struct watch *end;

	loop = loop_new(&(struct err)ERR_INIT);
	forget_begin(loop);
	end = loop_timer(loop, PERIOD_MS, true, stop_after_two, NULL);
	loop_run(loop);
	watch_remove(end);
	forget_end();
	forget_stop();
	loop_free(loop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("forget");
	TCase *tc = tcase_create("forget");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_share_that_hangs_costs_one_thread);
	tcase_add_test(tc, names_are_forgotten_again_and_again);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
