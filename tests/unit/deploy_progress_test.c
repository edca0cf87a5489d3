// SPDX-License-Identifier: Apache-2.0
/* deploy/cli/progress.c: the lines of --progress-fd. */

#include "base/fd.h"
#include "base/str.h"
#include "deploy/cli/progress.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct err err;

/* Otherwise it would wait in the middle of a change, with the lock. */
START_TEST(a_reader_that_stands_still_misses_lines)
{
	AUTO(str) char *number = NULL;
	char text[1 << 16];
	ssize_t n;
	int ends[2];

	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	ck_assert_int_gt(fcntl(ends[1], F_SETPIPE_SZ, 4 * 4096), 0);
	number = str_fmt("%d", ends[1]);
	ck_assert_int_eq(progress_open(number, &err), 0);
	for (unsigned i = 0; i < 1000; i++)
		progress_phase(i % 2 ? "fetch" : "unpack");
	/* Those that it gets are whole. */
	n = read(ends[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert(strncmp(text, "{\"phase\": \"unpack\"", 18) == 0 && text[n - 1] == '\n');
	progress_phase("commit");
	n = read(ends[0], text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	ck_assert_ptr_nonnull(strstr(text, "{\"phase\": \"commit\""));
	fd_close(&ends[0]);
	fd_close(&ends[1]);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_progress");
	TCase *t = tcase_create("deploy_progress");

	tcase_set_timeout(t, 20);
	tcase_add_test(t, a_reader_that_stands_still_misses_lines);
	suite_add_tcase(s, t);
	return suite_run(s);
}
