// SPDX-License-Identifier: Apache-2.0
/* What a QEMU lacks of what the runtime can ask it for. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "vmm/qemu/devices.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { LONG_MS = 60000 };

static char dir[SCRATCH_DIR];
static struct err err;

static void set_up(void)
{
	err_clear(&err);
	scratch_make(dir, "devices");
}

static void tear_down(void)
{
	scratch_remove(dir);
}

/* As QEMU 7.2 prints them. */
static const char machines[] = "Supported machines are:\n"
			       "microvm              microvm (i386)\n"
			       "q35                  Standard PC (alias of pc-q35-7.2)\n"
			       "none                 empty machine";
static const char devices[] = "Network devices:\n"
			      "name \"virtio-net-pci\", bus PCI, alias \"virtio-net\"\n"
			      "name \"virtio-net-device\", bus virtio-bus\n\n"
			      "USB devices:\n"
			      "name \"scsi-hd\", bus SCSI, desc \"virtual SCSI disk\"\n";
static const char objects[] = "List of user creatable objects:\n"
			      "  memory-backend-file\n"
			      "  rng-random\n";

static const struct {
	const char *help, *name;
	bool has;
} names[] = {
	{ machines, "q35", true },
	{ machines, "microvm", true },
	{ machines, "none", true },
	{ machines, "pc-q35-7.2", false }, /* only mentioned */
	{ machines, "q3", false },
	{ devices, "virtio-net-pci", true },
	{ devices, "scsi-hd", true },
	{ devices, "virtio-net", false },
	{ devices, "name", false },
	{ devices, "virtio-blk-pci", false },
	{ objects, "rng-random", true },
	{ objects, "memory-backend-file", true },
	{ objects, "memory-backend", false },
	{ "", "q35", false },
	{ "q35", "q35", true },
};

START_TEST(names_are_found_in_the_help_of_qemu)
{
	ck_assert_msg(qemu_lists(names[_i].help, names[_i].name) == names[_i].has, "%s",
		      names[_i].name);
}
END_TEST

/* A program in QEMU's place, heap. */
static char *stand_in(const char *script)
{
	char *path = path_join(dir, "qemu");
	AUTO(str) char *text = str_fmt("#!/bin/sh\n%s\n", script);

	ck_assert_msg(file_replace(AT_FDCWD, path, text, strlen(text), 0755, &err) == 0, "%s",
		      err.msg);
	return path;
}

/* Lists every device of devices.def except those in $out. */
static const char everything[] =
	"out='%s'\n"
	"sed -nE \"s/^QEMU_(MACHINE|DEVICE|OBJECT)\\(\\\"([^\\\"]*)\\\".*/\\2 of it/p\" "
	"runtime/vmm/qemu/devices.def | grep -vE \"^($out) \"";

START_TEST(missing_devices_are_named)
{
	static const struct {
		const char *without;
		const char *missing[3];
	} cases[] = {
		{ "nothing", { NULL } },
		{ "virtio-mem-pci", { "virtio-mem-pci", NULL } },
		{ "microvm|rng-random", { "microvm", "rng-random", NULL } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *script = str_fmt(everything, cases[i].without);
		AUTO(str) char *qemu = stand_in(script);
		AUTO(strv) char **missing = NULL;
		size_t n = 0;

		ck_assert_msg(qemu_missing(qemu, &missing, deadline_in(LONG_MS), &err) == 0, "%s",
			      err.msg);
		for (; cases[i].missing[n]; n++) {
			ck_assert_uint_lt(n, strv_len(missing));
			ck_assert_str_eq(missing[n], cases[i].missing[n]);
		}
		ck_assert_uint_eq(strv_len(missing), n);
	}
}
END_TEST

START_TEST(a_program_that_is_no_qemu_is_refused)
{
	static const struct {
		const char *script;
		int ms;
		enum err_code code;
		const char *says;
	} cases[] = {
		{ "echo 'invalid option' >&2; exit 1", LONG_MS, E_FAILED, "invalid option" },
		{ "exec sleep 1000", 300, E_TIMEOUT, "qemu" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *qemu = stand_in(cases[i].script);
		AUTO(strv) char **missing = NULL;

		ck_assert_int_eq(qemu_missing(qemu, &missing, deadline_in(cases[i].ms), &err), -1);
		ck_assert_msg(err.code == cases[i].code, "%s", err.msg);
		ck_assert_msg(strstr(err.msg, cases[i].says) != NULL, "%s", err.msg);
		ck_assert_ptr_null(missing);
		err_clear(&err);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices");
	TCase *tc = tcase_create("devices");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, names_are_found_in_the_help_of_qemu, 0, (int)ARRAY_LEN(names));
	tcase_add_test(tc, missing_devices_are_named);
	tcase_add_test(tc, a_program_that_is_no_qemu_is_refused);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
