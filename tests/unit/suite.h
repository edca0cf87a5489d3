// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The end of each test program's main:
 *
 *	int main(void)
 *	{
 *		Suite *suite = suite_create("json");
 *		TCase *tc = tcase_create("json");
 *
 *		tcase_add_test(tc, nesting_is_limited);
 *		suite_add_tcase(suite, tc);
 *		return suite_run(suite);
 *	}
 */

#include <check.h>
#include <stdlib.h>

/* Runs all tests of the suite and frees it. Returns the exit status of the program. CK_VERBOSITY
 * and the other variables of Check apply. */
static inline int suite_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
