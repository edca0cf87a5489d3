// SPDX-License-Identifier: Apache-2.0
/* Disks of a VM with several users, with a VMM that only counts; and swap files. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "device/disks.h"
#include "device/swap.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *a, *b;
static struct disks disks;
static unsigned added, removed;
static bool refuse_add;
static long add_ns;                 /* how long it takes */
static enum err_code refuse_remove; /* E_OK: no */
static uint64_t grown;

static int add(struct vmm *vmm, const char *id, const struct vmm_device *d,
	       struct vmm_address *address, struct deadline deadline, struct err *err)
{
	const struct timespec moment = { .tv_nsec = add_ns };

	(void)vmm, (void)deadline;
	ck_assert_int_eq(d->kind, VMM_DISK);
	(void)nanosleep(&moment, NULL); /* lets other threads come in between */
	if (refuse_add)
		return err_set(err, E_LIMIT, "no room");
	(void)!str_print(address->pci, sizeof(address->pci), "%s", id);
	(void)__atomic_add_fetch(&added, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int take(struct vmm *vmm, const char *id, struct deadline deadline, struct err *err)
{
	(void)vmm, (void)id, (void)deadline;
	if (refuse_remove)
		return err_set(err, refuse_remove, "the guest holds it");
	(void)__atomic_add_fetch(&removed, 1, __ATOMIC_SEQ_CST);
	return 0;
}

static int grow(struct vmm *vmm, const char *id, uint64_t bytes, struct deadline deadline,
		struct err *err)
{
	(void)vmm, (void)id, (void)deadline, (void)err;
	grown = bytes;
	return 0;
}

static const struct vmm_ops ops = { .add = add, .remove = take, .grow = grow };
static struct vmm vmm = { .ops = &ops };

static void setup(void)
{
	scratch_make(dir, "disks");
	a = path_join(dir, "a");
	b = path_join(dir, "b");
	ck_assert(close(open(a, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
	ck_assert(link(a, b) == 0); /* the same */
	ck_assert(truncate(a, 1 << 20) == 0);
	disks_init(&disks);
	added = removed = 0;
	refuse_add = false;
	refuse_remove = E_OK;
	add_ns = 20000000;
}

static void teardown(void)
{
	disks_release(&disks);
	free(a);
	free(b);
	scratch_remove(dir);
}

static struct disk *plug(const char *path, bool readonly)
{
	struct err err = ERR_INIT;
	struct disk *disk = NULL;

	ck_assert_msg(disks_plug(&disks, &vmm, path, readonly, &disk, deadline_in(60000), &err) ==
			      0,
		      "%s", err.msg);
	return disk;
}

static void unplug(struct disk *disk)
{
	struct err err = ERR_INIT;

	ck_assert_msg(disks_unplug(&disks, &vmm, disk, deadline_in(60000), &err) == 0, "%s",
		      err.msg);
}

START_TEST(a_device_is_plugged_in_once)
{
	struct disk *one = plug(a, false), *two = plug(b, false), *three = plug(a, true);

	ck_assert_ptr_eq(one, two);
	ck_assert_ptr_ne(one, three);
	ck_assert_uint_eq(added, 2);
	ck_assert(disks_are_plugged(&disks));
	unplug(two);
	ck_assert_uint_eq(removed, 0);
	unplug(one);
	unplug(three);
	ck_assert_uint_eq(removed, 2);
	ck_assert(!disks_are_plugged(&disks));
	unplug(plug(a, false));
	ck_assert_uint_eq(added, 3);
}
END_TEST

START_TEST(a_failed_plug_changes_nothing)
{
	struct disk *disk = NULL;
	struct err err = ERR_INIT;

	ck_assert_int_lt(
		disks_plug(&disks, &vmm, "/no/such", false, &disk, deadline_in(1000), &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	refuse_add = true;
	ck_assert_int_lt(disks_plug(&disks, &vmm, a, false, &disk, deadline_in(1000), &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	ck_assert(!disks_are_plugged(&disks));
	err_clear(&err);
	refuse_add = false;
	unplug(plug(a, false));
	ck_assert_uint_eq(added, 1);
}
END_TEST

static void unplug_fails(struct disk *disk)
{
	struct err err = ERR_INIT;

	ck_assert_int_lt(disks_unplug(&disks, &vmm, disk, deadline_in(1000), &err), 0);
	ck_assert_int_eq(err.code, refuse_remove);
}

/* The guest may let go of the disk at any time, so nobody gets it as it is. */
START_TEST(a_disk_that_is_leaving_is_plugged_in_anew)
{
	struct disk *disk = plug(a, false);
	struct err err = ERR_INIT;

	refuse_remove = E_TIMEOUT;
	unplug_fails(disk);
	ck_assert(disks_are_plugged(&disks));
	ck_assert_int_lt(disks_plug(&disks, &vmm, a, false, &disk, deadline_in(1000), &err), 0);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	ck_assert_uint_eq(added, 1);
	refuse_remove = _i ? E_NOT_FOUND : E_OK; /* it has let go of it meanwhile, or does now */
	disk = plug(b, false);
	ck_assert_uint_eq(added, 2);
	refuse_remove = E_OK;
	ck_assert_ptr_eq(plug(a, false), disk);
	unplug(disk);
	ck_assert(disks_are_plugged(&disks));
	unplug(disk);
	ck_assert(!disks_are_plugged(&disks));
}
END_TEST

START_TEST(a_disk_that_the_guest_refuses_to_give_stays)
{
	struct disk *disk = plug(a, false);

	refuse_remove = E_STATE;
	unplug_fails(disk);
	ck_assert_ptr_eq(plug(a, false), disk);
	ck_assert_uint_eq(added, 1);
	refuse_remove = E_OK;
	unplug(disk);
	ck_assert_uint_eq(removed, 1);
}
END_TEST

static void *come_and_go(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		unplug(plug(a, i % 2));
	return NULL;
}

START_TEST(many_threads_plug_and_unplug_one_device)
{
	pthread_t threads[8];

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		ck_assert(pthread_create(&threads[i], NULL, come_and_go, NULL) == 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		(void)pthread_join(threads[i], NULL);
	ck_assert_uint_eq(added, removed);
	ck_assert(!disks_are_plugged(&disks));
}
END_TEST

static void *plug_soon(void *arg)
{
	struct err err = ERR_INIT;
	struct disk *disk;

	(void)arg;
	ck_assert_int_lt(disks_plug(&disks, &vmm, a, false, &disk, deadline_in(4), &err), 0);
	return NULL;
}

/* The disk that the second one waits for is gone when its deadline passes. */
START_TEST(a_plug_that_fails_late_gives_nobody_a_disk)
{
	refuse_add = true;
	for (int i = 0; i < 300; i++) {
		pthread_t threads[2];

		add_ns = 3500000 + i % 100 * 10000;
		for (size_t t = 0; t < ARRAY_LEN(threads); t++)
			ck_assert(pthread_create(&threads[t], NULL, plug_soon, NULL) == 0);
		for (size_t t = 0; t < ARRAY_LEN(threads); t++)
			(void)pthread_join(threads[t], NULL);
	}
	ck_assert(!disks_are_plugged(&disks));
}
END_TEST

START_TEST(an_image_grows_and_never_shrinks)
{
	struct disk *disk = plug(a, false);
	struct err err = ERR_INIT;

	ck_assert_int_eq(disks_grow(&vmm, disk, 2 << 20, deadline_in(1000), &err), 0);
	ck_assert_uint_eq(grown, 2 << 20);
	ck_assert_int_lt(disks_grow(&vmm, disk, 4096, deadline_in(1000), &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_uint_eq(grown, 2 << 20);
	unplug(disk);
}
END_TEST

START_TEST(a_swap_file_has_a_header)
{
	AUTO(str) char *path = path_join(dir, "swap");
	AUTO(fd) int fd = -1;
	struct err err = ERR_INIT;
	uint32_t numbers[3];
	char magic[10];
	struct stat st;

	ck_assert_msg(swap_make(path, (1 << 20) + 1, &err) == 0, "%s", err.msg);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert(fstat(fd, &st) == 0 && st.st_size == (258 << 12));
	ck_assert_int_lt(st.st_blocks * 512, 64 << 10); /* sparse */
	ck_assert(pread(fd, numbers, sizeof(numbers), 1024) == sizeof(numbers));
	ck_assert_uint_eq(numbers[0], 1);
	ck_assert_uint_eq(numbers[1], 257);
	ck_assert_uint_eq(numbers[2], 0);
	ck_assert(pread(fd, magic, sizeof(magic), 4086) == sizeof(magic));
	ck_assert(memcmp(magic, "SWAPSPACE2", 10) == 0);
	ck_assert_int_lt(swap_make(path, 1 << 20, &err), 0);
	ck_assert_int_eq(err.code, E_EXISTS);
	err_clear(&err);
	ck_assert_int_lt(swap_make(b, 0, &err), 0);
	err_clear(&err);
	AUTO(str) char *huge = path_join(dir, "huge");
	ck_assert_int_lt(swap_make(huge, 7ULL << 40, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
	ck_assert(!path_exists(huge));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("disks");
	TCase *tc = tcase_create("disks");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_device_is_plugged_in_once);
	tcase_add_test(tc, a_failed_plug_changes_nothing);
	tcase_add_loop_test(tc, a_disk_that_is_leaving_is_plugged_in_anew, 0, 2);
	tcase_add_test(tc, a_disk_that_the_guest_refuses_to_give_stays);
	tcase_add_test(tc, many_threads_plug_and_unplug_one_device);
	tcase_add_test(tc, a_plug_that_fails_late_gives_nobody_a_disk);
	tcase_add_test(tc, an_image_grows_and_never_shrinks);
	tcase_add_test(tc, a_swap_file_has_a_header);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
