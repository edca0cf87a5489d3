// SPDX-License-Identifier: Apache-2.0
/* cli/advice.h: the commands in messages. */

#include "tests/unit/suite.h"

#include "base/err.h"
#include "base/str.h"
#include "cli/advice.h"

#include <check.h>
#include <string.h>

START_TEST(a_command_has_the_options_of_the_run)
{
	ck_assert_str_eq(advice("recover"), "kata-deploy recover");
	advice_option("--prefix", "/srv/kata");
	advice_option("--root", NULL);
	advice_option("--lock", "/run/a lock's file");
	ck_assert_str_eq(advice("recover"), "kata-deploy recover --prefix /srv/kata "
					    "--lock '/run/a lock'\\''s file'");
	advice_option("--prefix", "");
	advice_option("--lock", NULL);
	advice_option("--root", "/$HOME");
	ck_assert_str_eq(advice("timer unhold"), "kata-deploy timer unhold --prefix '' "
						 "--root '/$HOME'");
}
END_TEST

START_TEST(a_command_may_have_another_value_or_one_option)
{
	advice_option("--prefix", "/srv/kata");
	advice_option("--root", "/image");
	ck_assert_str_eq(advice_with("timer disable", "--prefix", "/opt/two words"),
			 "kata-deploy timer disable --root /image --prefix '/opt/two words'");
	ck_assert_str_eq(advice_only("doctor", "--prefix"),
			 "kata-deploy doctor --prefix /srv/kata");
}
END_TEST

START_TEST(four_commands_can_be_in_one_message)
{
	const char *first = advice("install"), *last;

	(void)advice("gc");
	(void)advice("status");
	last = advice("verify");
	ck_assert_str_eq(first, "kata-deploy install");
	ck_assert_str_eq(last, "kata-deploy verify");
}
END_TEST

START_TEST(a_long_path_is_cut)
{
	char path[5000];

	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	advice_option("--prefix", path);
	ck_assert_uint_lt(strlen(advice("gc")), sizeof(((struct err *)NULL)->msg));
	ck_assert(str_starts(advice("gc"), "kata-deploy gc --prefix xxx"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("advice");
	TCase *tc = tcase_create("advice");

	tcase_add_test(tc, a_command_has_the_options_of_the_run);
	tcase_add_test(tc, a_command_may_have_another_value_or_one_option);
	tcase_add_test(tc, four_commands_can_be_in_one_message);
	tcase_add_test(tc, a_long_path_is_cut);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
