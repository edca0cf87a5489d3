// SPDX-License-Identifier: Apache-2.0
/* Flows that resize a VM at the same time, or fail: the limits of the containers are right in any
 * case, and the VM has what they need. */

#include "tests/unit/suite.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "sandbox/sandbox.h"

#include <check.h>
#include <pthread.h>
#include <string.h>

enum { LONG_MS = 60000, SHORT_MS = 50 };

static char file[] = "/etc/config.toml";
static char machine[] = "q35";
static const struct runtime_config config = { .file = file,
					      .machine_type = machine,
					      .vcpus = 1,
					      .memory_mib = 256,
					      .max_vcpus = 8,
					      .max_memory_mib = 4096 };
static struct sandbox sandbox = { .config = &config };

/* --- the VM --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool blocked, in_resize; /* resizes wait until blocked is false; one does */
static bool refuses;            /* the guest does not bring online what it got */
static unsigned resized, placed;

bool vm_is_dead(struct vm *v)
{
	(void)v;
	return false;
}

int vm_resize(struct vm *v, const struct vmm_size *wanted, struct vmm_size *got,
	      struct deadline deadline, struct err *err)
{
	(void)v;
	(void)deadline;
	(void)pthread_mutex_lock(&lock);
	in_resize = true;
	resized++;
	(void)pthread_cond_broadcast(&changed);
	while (blocked)
		(void)pthread_cond_wait(&changed, &lock);
	in_resize = false;
	(void)pthread_mutex_unlock(&lock);
	*got = *wanted;
	return refuses ? err_set(err, E_TIMEOUT, "0 of 1 processors came online") : 0;
}

int sandbox_place_vcpus(struct sandbox *s, struct deadline deadline, struct err *err)
{
	(void)s;
	(void)deadline;
	(void)err;
	placed++;
	return 0;
}

static void block(bool on)
{
	(void)pthread_mutex_lock(&lock);
	blocked = on;
	(void)pthread_cond_broadcast(&changed);
	(void)pthread_mutex_unlock(&lock);
}

static void await_resize(void)
{
	(void)pthread_mutex_lock(&lock);
	while (!in_resize)
		(void)pthread_cond_wait(&changed, &lock);
	(void)pthread_mutex_unlock(&lock);
}

/* --- containers --- */

static void grow(const char *id, int64_t mib)
{
	struct oci_resources r = { .memory.limit = { true, mib << 20 } };
	struct limits_change change;
	struct err err = ERR_INIT;

	ck_assert_msg(sandbox_grow(&sandbox, id, &r, true, &change, deadline_in(LONG_MS), &err) ==
			      0,
		      "%s", err.msg);
}

static void *grow_b(void *arg)
{
	(void)arg;
	grow("b", 512);
	return NULL;
}

static void setup(void)
{
	(void)pthread_mutex_init(&sandbox.size.lock, NULL);
	cond_init(&sandbox.size.changed);
	sandbox.size.sizing = sizing_for(&config);
	sandbox.size.now = sizing_now(&sandbox.size.sizing);
	sandbox.size.most = (struct vmm_size){ 8, 4096 };
	log_set_fd(-1);
}

static void is(uint64_t memory_mib)
{
	ck_assert_uint_eq(sizing_now(&sandbox.size.sizing).memory_mib, memory_mib);
	ck_assert_uint_eq(sandbox.size.now.memory_mib, memory_mib);
	ck_assert(!sandbox.size.busy);
	ck_assert_uint_eq(sandbox.size.late.n, 0);
}

START_TEST(a_container_that_goes_takes_its_limits_with_it)
{
	setup();
	grow("a", 1024);
	is(256 + 1024);
	sandbox_settle(&sandbox, "a", NULL, deadline_in(LONG_MS));
	is(256);
	sizing_release(&sandbox.size.sizing);
}
END_TEST

/* Also if the VM is resized for another container all the time that the removal may take. */
START_TEST(limits_that_change_during_a_long_resize_count_after_it)
{
	const struct limits lower = { .memory = 128 << 20 };
	pthread_t thread;

	setup();
	grow("a", 1024);
	grow("c", 256);
	block(true);
	ck_assert(pthread_create(&thread, NULL, grow_b, NULL) == 0);
	await_resize();
	sandbox_settle(&sandbox, "a", NULL, deadline_in(SHORT_MS));
	sandbox_settle(&sandbox, "c", &lower, deadline_in(SHORT_MS));
	block(false);
	ck_assert(pthread_join(thread, NULL) == 0);
	ck_assert_ptr_null(sizing_find(&sandbox.size.sizing, "a"));
	is(256 + 512 + 128);
	sizing_release(&sandbox.size.sizing);
}
END_TEST

static int grow_cpus(void)
{
	struct oci_resources r = { .cpu = { .quota = { true, 200000 },
					    .period = { true, 100000 } } };
	struct limits_change change;
	struct err err = ERR_INIT;

	return sandbox_grow(&sandbox, "a", &r, false, &change, deadline_in(LONG_MS), &err);
}

/* Processors that were plugged in are of no use before the guest has brought them online. */
START_TEST(what_a_resize_left_undone_is_done_by_the_next)
{
	setup();
	refuses = true;
	ck_assert_int_eq(grow_cpus(), -1);
	ck_assert_uint_eq(sandbox.size.now.vcpus, 3);
	ck_assert_int_eq(grow_cpus(), -1);
	ck_assert_uint_eq(placed, 0);
	refuses = false;
	ck_assert_int_eq(grow_cpus(), 0);
	ck_assert_uint_eq(resized, 3);
	ck_assert_uint_eq(placed, 1);
	ck_assert_int_eq(grow_cpus(), 0);
	ck_assert_uint_eq(resized, 3);
	sizing_release(&sandbox.size.sizing);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("resize");
	TCase *tc = tcase_create("resize");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, a_container_that_goes_takes_its_limits_with_it);
	tcase_add_test(tc, limits_that_change_during_a_long_resize_count_after_it);
	tcase_add_test(tc, what_a_resize_left_undone_is_done_by_the_next);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
