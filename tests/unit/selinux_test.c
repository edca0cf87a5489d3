// SPDX-License-Identifier: Apache-2.0
/* The label of a VMM, with files in the place of the kernel's. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "vmm/selinux.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "system_u:system_r:container_kvm_t:s0:c1,c2"

static char dir[SCRATCH_DIR];
static struct selinux_places places;
static char *attr;

static void put(const char *name, const char *text)
{
	scratch_write_text(dir, name, text);
}

static void setup(void)
{
	scratch_make(dir, "selinux");
	attr = path_join(dir, "exec");
	places = (struct selinux_places){ dir, attr };
	put("exec", "");
}

static void teardown(void)
{
	free(attr);
	scratch_remove(dir);
}

static void expect(const char *text)
{
	AUTO(buf) struct buf has = BUF_INIT(4096);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, attr, 4096, &has, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(strncmp(buf_cstr(&has), text, strlen(text)), 0);
	ck_assert(*text || !has.len);
}

START_TEST(the_label_is_that_of_the_next_exec)
{
	struct err err = ERR_INIT;

	put("enforce", "0");
	ck_assert_msg(selinux_label(&places, LABEL, &err) == 0, "%s", err.msg);
	expect(LABEL);
	selinux_unlabel(&places);
	expect("\n");
}
END_TEST

START_TEST(without_selinux_nothing_is_done)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(selinux_label(&places, LABEL, &err), 0);
	selinux_unlabel(&places);
	expect("");
	ck_assert_int_eq(selinux_label(NULL, "", &err), 0);
}
END_TEST

START_TEST(without_a_label_nothing_is_done)
{
	struct err err = ERR_INIT;

	put("enforce", "1");
	ck_assert_int_eq(selinux_label(&places, "", &err), 0);
	ck_assert_int_eq(selinux_label(&places, NULL, &err), 0);
	expect("");
}
END_TEST

START_TEST(a_label_that_is_refused_is_named)
{
	struct err err = ERR_INIT;

	put("enforce", "1");
	places.exec = "/proc/no-such/attr/exec";
	ck_assert_int_eq(selinux_label(&places, LABEL, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, LABEL));
	ck_assert_ptr_nonnull(strstr(err.msg, "; allow it"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("SELinux");
	TCase *t = tcase_create("label");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_label_is_that_of_the_next_exec);
	tcase_add_test(t, without_selinux_nothing_is_done);
	tcase_add_test(t, without_a_label_nothing_is_done);
	tcase_add_test(t, a_label_that_is_refused_is_named);
	suite_add_tcase(s, t);
	return suite_run(s);
}
