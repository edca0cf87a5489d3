// SPDX-License-Identifier: Apache-2.0
/* How long a VM that boots is waited for. */

#include "tests/unit/suite.h"

#include "sandbox/vm-internal.h"

#include <check.h>

static const struct {
	int64_t dial_timeout_s;
	const char *accelerator;
	bool unproved;
	uint64_t ms;
} waits[] = {
	{ 30, "kvm", false, 30000 }, /* a busy host may need all of it */
	{ 30, "kvm", true, 10000 },  /* else there is no time for an attempt without KVM */
	{ 4, "kvm", true, 4000 },    { 30, "tcg", false, 90000 },
	{ 30, "tcg", true, 90000 }, /* the last attempt */
};

START_TEST(the_agent_has_the_time_that_it_needs)
{
	const struct runtime_config config = { .dial_timeout_s = waits[_i].dial_timeout_s };

	ck_assert_uint_eq(vm_answer_ms(&config, waits[_i].accelerator, waits[_i].unproved),
			  waits[_i].ms);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot");
	TCase *tc = tcase_create("boot");

	tcase_add_loop_test(tc, the_agent_has_the_time_that_it_needs, 0,
			    (int)(sizeof(waits) / sizeof(*waits)));
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
