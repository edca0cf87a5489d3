// SPDX-License-Identifier: Apache-2.0
/* How long a VM that boots is waited for, and what is learned of the host by it. */

#include "tests/unit/expect.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/file.h"
#include "base/str.h"
#include "sandbox/vm-internal.h"
#include "vmm/probe.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct {
	int64_t dial_timeout_s;
	const char *accelerator;
	bool unproved;
	struct vmm_size size;
	uint64_t ms;
} waits[] = {
	{ 30, "kvm", false, { 1, 256 }, 30000 }, /* a busy host may need all of it */
	{ 30,
	  "kvm",
	  true,
	  { 1, 256 },
	  10050 }, /* else there is no time for an attempt without KVM */
	{ 30, "kvm", true, { 64, 200 << 10 }, 23200 }, /* a large guest boots for longer */
	{ 30, "kvm", true, { 240, 1 << 20 }, 30000 },
	{ 4, "kvm", true, { 1, 256 }, 4000 },
	{ 30, "tcg", false, { 1, 256 }, 90000 },
	{ 30, "tcg", true, { 1, 256 }, 90000 }, /* the last attempt */
};

START_TEST(the_agent_has_the_time_that_it_needs)
{
	const struct runtime_config config = { .dial_timeout_s = waits[_i].dial_timeout_s };

	ck_assert_uint_eq(
		vm_answer_ms(&config, waits[_i].accelerator, waits[_i].unproved, &waits[_i].size),
		waits[_i].ms);
}
END_TEST

/* A note of that age; what is settled by it, and what is noted after a VM that ran without KVM. */
static const struct {
	const char *noted;
	int age_s;
	const char *settled, *then;
} notes[] = {
	{ NULL, 0, NULL, "tcg" },        { "kvm", 0, "kvm", "kvm" },
	{ "kvm", 100000, "kvm", "kvm" }, { "tcg", 0, "tcg", "tcg" },
	{ "tcg", 540, "tcg", "tcg" },    { "tcg", 660, NULL, "tcg" },
	{ "tcg", -3600, NULL, "tcg" }, /* the host's clock was set back */
	{ "nonsense", 0, NULL, "tcg" },
};

START_TEST(a_slow_guest_does_not_end_kvm_for_good)
{
	static const char file[] = "/run/vc/accelerator";
	struct err err = ERR_INIT;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("run", "/run", "tmpfs", 0, NULL) < 0) {
		(void)puts("skipped: needs root to mount");
		return;
	}
	ck_assert_int_eq(mkdir("/run/vc", 0755), 0);
	if (notes[_i].noted) {
		const time_t then = time(NULL) - notes[_i].age_s;
		const struct timespec times[] = { { .tv_sec = then }, { .tv_sec = then } };

		OK(file_note(file, notes[_i].noted, strlen(notes[_i].noted), 0644, &err));
		ck_assert_int_eq(utimensat(AT_FDCWD, file, times, 0), 0);
	}
	ck_assert_pstr_eq(vmm_settled(VMM_ACCELERATOR, ""), notes[_i].settled);
	ck_assert_str_eq(vmm_settled(VMM_ACCELERATOR, "kvm"), "kvm");
	vmm_remember(VMM_ACCELERATOR, "tcg");
	ck_assert_str_eq(vmm_known(VMM_ACCELERATOR), notes[_i].then);
	if (!str_eq(notes[_i].noted, "kvm"))
		ck_assert_str_eq(vmm_settled(VMM_ACCELERATOR, NULL), "tcg");
}
END_TEST

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

/* A guest may make QEMU or virtiofsd report something endlessly; /run is the host's memory. */
START_TEST(the_logs_of_a_vm_are_bounded)
{
	const struct runtime_config config = { .dial_timeout_s = 1 };
	const struct spawn sleeper = { .argv = ARGV("sleep", "1000") };
	AUTO(str) char *log = NULL;
	AUTO(fd) int fd = -1;
	AUTO(buf) struct buf text = BUF_INIT(8 << 20);
	struct deadline soon = deadline_in(60000);
	struct loop *loop = loop_new(&(struct err)ERR_INIT);
	char dir[SCRATCH_DIR];
	struct err err = ERR_INIT;
	struct stat st = { .st_size = 0 };
	pthread_t thread;
	struct vm *v;
	int ends[2];

	scratch_make(dir, "boot");
	log = path_join(dir, "virtiofsd.log");
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	v = vm_new(loop, &config, dir);
	while (buf_fmt(&text, "line %zu\n", text.len), text.len < 3 << 20)
		;
	OK(fd_write_all(fd, text.data, text.len, &err));
	OK(spawn_start(&sleeper, &v->vmm.child, &err));
	OK(fd_socketpair(SOCK_STREAM, ends, &err));
	v->vmm.ops = &vmm_qemu;
	v->vmm.console = ends[0];
	v->vmm.agent = v->vmm.log = -1;
	ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, loop), 0);
	vm_watch(v);
	do /* it is empty for a moment */
		(void)usleep(10000);
	while (stat(log, &st) == 0 && (st.st_size > 1 << 20 || st.st_size < 1 << 17) &&
	       !deadline_passed(soon));
	OK(fd_write_all(fd, "the reason\n", 11, &err));
	vm_free(v);
	loop_stop(loop);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	loop_free(loop);
	fd_close(&ends[1]);
	buf_clear(&text);
	OK(file_read(AT_FDCWD, log, 1 << 20, &text, &err));
	ck_assert(str_starts(buf_cstr(&text), "line "));
	ck_assert(str_ends(buf_cstr(&text), "\nthe reason\n"));
	ck_assert_uint_gt(text.len, 1 << 17);
	scratch_remove(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("boot");
	TCase *tc = tcase_create("boot");

	tcase_add_loop_test(tc, the_agent_has_the_time_that_it_needs, 0, ARRAY_LEN(waits));
	tcase_add_loop_test(tc, a_slow_guest_does_not_end_kvm_for_good, 0, ARRAY_LEN(notes));
	tcase_add_test(tc, the_logs_of_a_vm_are_bounded);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
