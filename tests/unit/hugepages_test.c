// SPDX-License-Identifier: Apache-2.0
/* Which huge pages the agent reserves for limits and volumes; the kernel's files are ours. */

#include "tests/unit/suite.h"

#include "agent/hugepages.h"
#include "agent/storage/storage.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB      (UINT64_C(1) << 20)
#define HUGE_DIR "/sys/kernel/mm/hugepages"
#define COUNT    HUGE_DIR "/hugepages-2048kB/nr_hugepages"
#define VOLUME   "/run/kata-containers/sandbox/ephemeral/"

/* A guest without huge pages, whose kernel can make as many as it is asked for. */
static void setup(void)
{
	struct err err = ERR_INIT;

	ck_assert(unshare(CLONE_NEWNS) == 0 &&
		  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		  mount("none", "/sys/kernel/mm", "tmpfs", 0, NULL) == 0 &&
		  mount("none", "/run", "tmpfs", 0, NULL) == 0);
	ck_assert(path_make(HUGE_DIR "/hugepages-2048kB", 0755, &err) == 0);
	ck_assert(file_replace_volatile(AT_FDCWD, COUNT, "0\n", 2, 0644, &err) == 0);
}

static void expect_pages(unsigned n)
{
	struct err err = ERR_INIT;
	AUTO(str) char *is = file_read_line(AT_FDCWD, COUNT, &err), *want = str_fmt("%u", n);

	ck_assert_str_eq(is, want);
}

/* A container with a limit of pages of 2 MiB. */
static void keep(const char *container, uint64_t bytes)
{
	struct oci_hugepage_limit limit = { (char *)"2MB", bytes };
	const struct oci_resources r = { .hugepage_limits = &limit, .n_hugepage_limits = 1 };

	hugepages_keep(container, &r);
}

static int add_with(struct storages *s, const char *name, uint64_t bytes, const char *more,
		    struct err *err)
{
	AUTO(str)
	char *options = str_fmt("pagesize=2097152,size=%llu%s", (unsigned long long)bytes, more);
	AUTO(str) char *mount_point = path_join(VOLUME, name);
	Grpc__Storage storage = GRPC__STORAGE__INIT;

	storage.driver = (char *)"ephemeral";
	storage.fstype = (char *)"hugetlbfs";
	storage.mount_point = mount_point;
	storage.options = &options;
	storage.n_options = 1;
	return storage_add(s, &storage, deadline_in(10000), err);
}

static void add(struct storages *s, const char *name, uint64_t bytes)
{
	struct err err = ERR_INIT;

	ck_assert_msg(add_with(s, name, bytes, "", &err) == 0, "%s", err.msg);
}

/* As its container and the sandbox do: a volume stays when its container ends. */
static void drop(struct storages *s, const char *name)
{
	AUTO(str) char *mount_point = path_join(VOLUME, name);

	storage_drop(s, mount_point);
	storage_drop(s, mount_point);
}

START_TEST(a_volume_keeps_its_pages_when_limits_change)
{
	struct storages s;

	storages_init(&s, NULL, 0);
	add(&s, "v", 8 * MIB);
	expect_pages(4);
	keep("c", 4 * MIB); /* it has fewer */
	expect_pages(4);
	keep("d", 6 * MIB);
	expect_pages(5);
	hugepages_drop("d");
	hugepages_drop("c");
	expect_pages(4);
	storage_drop_all(&s);
	expect_pages(0);
	storages_release(&s);
}
END_TEST

/* What a container writes to a volume counts for its limit. */
START_TEST(limits_and_volumes_are_not_added)
{
	struct storages s;

	storages_init(&s, NULL, 0);
	keep("a", 4 * MIB);
	add(&s, "a1", 4 * MIB);
	add(&s, "a2", 4 * MIB); /* also within its limit */
	expect_pages(2);
	keep("b", 4 * MIB);
	add(&s, "b1", 4 * MIB);
	expect_pages(4);
	hugepages_drop("a"); /* its volumes stay, and b may use as much as before */
	expect_pages(4);
	keep("a-again", 4 * MIB);
	expect_pages(4);
	hugepages_drop("a-again");
	hugepages_drop("b");
	drop(&s, "a1");
	expect_pages(4);
	drop(&s, "a2");
	expect_pages(2);
	drop(&s, "b1");
	expect_pages(0);
	storages_release(&s);
}
END_TEST

START_TEST(a_new_limit_replaces_the_old_one)
{
	keep("a", 4 * MIB);
	keep("b", 2 * MIB);
	expect_pages(3);
	keep("a", 8 * MIB);
	expect_pages(5);
	keep("a", INT64_MAX / (2 * MIB) * 2 * MIB); /* no limit */
	expect_pages(1);
	hugepages_keep("b", NULL);
	expect_pages(0);
	hugepages_drop("a");
	hugepages_drop("unknown");
	expect_pages(0);
}
END_TEST

START_TEST(pages_of_the_boot_stay)
{
	struct err err = ERR_INIT;

	ck_assert(file_write(AT_FDCWD, COUNT, "3\n", &err) == 0);
	ck_assert(hugepages_keep_volume(VOLUME "v", 2 * MIB, 4 * MIB, &err) == 0);
	expect_pages(3);
	keep("a", 10 * MIB);
	expect_pages(5);
	hugepages_drop("a");
	hugepages_drop(VOLUME "v");
	expect_pages(3);
}
END_TEST

START_TEST(a_volume_that_cannot_be_reserved_fails)
{
	struct err large = ERR_INIT, none = ERR_INIT, bad = ERR_INIT;
	struct storages s;

	storages_init(&s, NULL, 0);
	ck_assert_int_lt(add_with(&s, "v", INT64_MAX, "", &large), 0);
	ck_assert_int_eq(large.code, E_LIMIT);
	ck_assert_int_lt(hugepages_keep_volume(VOLUME "v", 1024 * MIB, 0, &none), 0);
	ck_assert_int_eq(none.code, E_NOT_FOUND);
	/* The kernel does not mount it. */
	ck_assert_int_lt(add_with(&s, "v", 8 * MIB, ",uid=nobody", &bad), 0);
	expect_pages(0);
	add(&s, "v", 8 * MIB);
	expect_pages(4);
	storage_drop_all(&s);
	storages_release(&s);
}
END_TEST

/* --- a kernel that makes fewer pages --- */

static unsigned long long most, asked;
static pthread_mutex_t asked_lock = PTHREAD_MUTEX_INITIALIZER; /* guards asked */

static void answer(unsigned long long n)
{
	AUTO(str) char *text = str_fmt("%llu\n", n);
	AUTO(fd) int fd = open(COUNT, O_WRONLY | O_CLOEXEC);

	ck_assert(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
}

/* The count is a FIFO: it is read once, then written and read by turns. */
static void *be_the_kernel(void *arg)
{
	for (;;) {
		struct err err = ERR_INIT;
		AUTO(str) char *text = NULL;
		uint64_t n;

		answer(asked < most ? asked : most);
		text = file_read_line(AT_FDCWD, COUNT, &err);
		ck_assert(text && str_u64(text, 10, 0, UINT64_MAX, "count", &n, &err) == 0);
		(void)pthread_mutex_lock(&asked_lock);
		asked = n;
		(void)pthread_mutex_unlock(&asked_lock);
	}
	return arg;
}

static unsigned long long was_asked(void)
{
	unsigned long long n;

	(void)pthread_mutex_lock(&asked_lock);
	n = asked;
	(void)pthread_mutex_unlock(&asked_lock);
	return n;
}

START_TEST(fewer_pages_are_an_error_for_a_volume_only)
{
	struct err err = ERR_INIT;
	pthread_t kernel;

	most = 3;
	ck_assert(unlink(COUNT) == 0 && mkfifo(COUNT, 0600) == 0);
	ck_assert(pthread_create(&kernel, NULL, be_the_kernel, NULL) == 0);
	ck_assert_int_lt(hugepages_keep_volume(VOLUME "v", 2 * MIB, 8 * MIB, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	ck_assert_uint_eq(was_asked(), 0); /* given back */
	err_clear(&err);
	keep("a", 8 * MIB);
	ck_assert_uint_eq(was_asked(), 4);
	/* There are enough for this one, though not for the limit. */
	ck_assert(hugepages_keep_volume(VOLUME "v", 2 * MIB, 6 * MIB, &err) == 0);
	hugepages_drop("a");
	hugepages_drop(VOLUME "v");
	ck_assert_uint_eq(was_asked(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hugepages");
	TCase *tc = tcase_create("hugepages");

	log_set_fd(-1);
	if (unshare(CLONE_NEWNS) < 0 || access(HUGE_DIR "/hugepages-2048kB", F_OK) < 0) {
		(void)puts("skipped: no mounts of our own here, or no huge pages");
		return EXIT_SUCCESS;
	}
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_volume_keeps_its_pages_when_limits_change);
	tcase_add_test(tc, limits_and_volumes_are_not_added);
	tcase_add_test(tc, a_new_limit_replaces_the_old_one);
	tcase_add_test(tc, pages_of_the_boot_stay);
	tcase_add_test(tc, a_volume_that_cannot_be_reserved_fails);
	tcase_add_test(tc, fewer_pages_are_an_error_for_a_volume_only);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
