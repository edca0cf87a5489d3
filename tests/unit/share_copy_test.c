// SPDX-License-Identifier: Apache-2.0
/* Copies for a guest without a share: what is sent, in which order, and again after a change. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "share/copy.h"
#include "share/watch.h"

#include "base/deadline.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 20000, LIMIT = 4 << 20 };

static char dir[SCRATCH_DIR];
static char *tree;

/* --- the guest --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char **got; /* "PATH MODE UID:GID OFFSET/SIZE LENGTH" */
static int fail_at = -1, failures;

static int take(void *arg, const Grpc__CopyFileRequest *r, struct err *err)
{
	int result = 0;

	(void)arg;
	(void)pthread_mutex_lock(&lock);
	if (fail_at == (int)strv_len(got)) {
		failures++;
		result = err_set(err, E_IO, "the guest is full");
	} else {
		strv_pushf(&got, "%s %o %d:%d %lld/%lld %zu", r->path, r->file_mode, r->uid, r->gid,
			   (long long)r->offset, (long long)r->file_size, r->data.len);
	}
	(void)pthread_mutex_unlock(&lock);
	return result;
}

static const struct copy_to to = { take, NULL, LIMIT };

static size_t index_of(const char *start)
{
	size_t i = 0;

	strv_each(line, got) {
		if (str_starts(*line, start))
			return i;
		i++;
	}
	ck_abort_msg("%s was not sent", start);
}

#define GUEST "/run/kata-containers/shared/containers/copied/c/rootfs"

/* --- the host --- */

static void write_at(const char *name, const char *text)
{
	AUTO(str) char *path = path_join(tree, name);
	struct err err = ERR_INIT;

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0640, &err) == 0,
		      "%s", err.msg);
}

static void make_at(const char *name)
{
	AUTO(str) char *path = path_join(tree, name);
	struct err err = ERR_INIT;

	ck_assert_msg(path_make(path, 0750, &err) == 0, "%s", err.msg);
}

static void link_at(const char *target, const char *name)
{
	AUTO(str) char *path = path_join(tree, name);

	ck_assert(symlink(target, path) == 0);
}

static void make_tree(void)
{
	scratch_make(dir, "copy");
	tree = path_join(dir, "tree");
	make_at("a/b");
	make_at("empty");
	write_at("a/b/file", "words");
	write_at("a/nothing", "");
	link_at("a/b/file", "0link");
	link_at("/nowhere", "a/out");
}

static void remove_tree(void)
{
	scratch_remove(dir);
	free(tree);
	strv_free(STEAL(got, NULL));
}

static struct copies list_of(const char *source)
{
	struct copies list = COPIES_INIT;
	AUTO(str) char *guest = NULL;

	copies_add(&list, source, "c", "rootfs", &guest);
	ck_assert_str_eq(guest, GUEST);
	return list;
}

static int send_one(const char *source, struct err *err)
{
	AUTO(copies) struct copies list = list_of(source);

	return copy_send(&list.v[0], &to, err);
}

/* --- the tests --- */

START_TEST(a_tree_is_sent_with_its_links_last)
{
	static const char *const lines[] = {
		GUEST " 40750 ",           GUEST "/a 40750 ",          GUEST "/a/b 40750 ",
		GUEST "/a/b/file 100640 ", GUEST "/a/nothing 100640 ", GUEST "/empty 40750 ",
		GUEST "/0link 120777 ",    GUEST "/a/out 120777 ",
	};
	AUTO(str) char *file = str_fmt(GUEST "/a/b/file 100640 %d:%d 0/5 5", geteuid(), getegid());
	struct err err = ERR_INIT;

	ck_assert_msg(send_one(tree, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(got), ARRAY_LEN(lines));
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		(void)index_of(lines[i]);
	ck_assert_uint_eq(index_of(GUEST " "), 0);
	ck_assert_uint_lt(index_of(GUEST "/a "), index_of(GUEST "/a/b "));
	ck_assert_uint_lt(index_of(GUEST "/a/b "), index_of(GUEST "/a/b/file "));
	ck_assert_uint_ge(index_of(GUEST "/0link "), 6);
	ck_assert_uint_ge(index_of(GUEST "/a/out "), 6);
	(void)index_of(file);
	(void)index_of(GUEST "/a/nothing 100640 ");
}
END_TEST

START_TEST(a_large_file_is_sent_in_chunks)
{
	AUTO(str) char *path = path_join(tree, "a/b/file");
	struct err err = ERR_INIT;

	ck_assert(truncate(path, (5 << 20) / 2) == 0);
	ck_assert_msg(send_one(path, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(got), 3);
	ck_assert(str_ends(got[0], " 0/2621440 1048576"));
	ck_assert(str_ends(got[1], " 1048576/2621440 1048576"));
	ck_assert(str_ends(got[2], " 2097152/2621440 524288"));
}
END_TEST

START_TEST(a_source_beyond_the_limit_is_refused)
{
	AUTO(str) char *path = path_join(tree, "a/b/file");
	struct err err = ERR_INIT;

	ck_assert(truncate(path, LIMIT + 1) == 0);
	ck_assert_int_eq(send_one(tree, &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
	ck_assert_ptr_nonnull(strstr(err.msg, tree));
	ck_assert_ptr_nonnull(strstr(err.msg, "default_memory"));
}
END_TEST

/* Deeper than PATH_MAX, and than the limit of file descriptors. */
START_TEST(a_deep_tree_is_sent)
{
	enum { DEPTH = 3000 };
	AUTO(fd) int fd = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;

	for (int i = 0; i < DEPTH; i++) {
		int below;

		ck_assert(mkdirat(fd, "deep", 0755) == 0);
		below = openat(fd, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		ck_assert_int_ge(below, 0);
		ck_assert(close(fd) == 0);
		fd = below;
	}
	ck_assert_msg(send_one(tree, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(got), DEPTH + 8);
}
END_TEST

START_TEST(special_files_are_left_out)
{
	AUTO(str) char *path = path_join(tree, "a/fifo");
	struct err err = ERR_INIT;

	ck_assert(mkfifo(path, 0600) == 0);
	ck_assert_msg(send_one(tree, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(got), 8);
}
END_TEST

START_TEST(a_failing_guest_ends_the_copy)
{
	struct err err = ERR_INIT;

	fail_at = _i;
	ck_assert_int_eq(send_one(tree, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, tree));
	ck_assert_ptr_nonnull(strstr(err.msg, "the guest is full"));
	ck_assert_uint_eq(strv_len(got), _i);
}
END_TEST

START_TEST(sources_that_cannot_be_copied_are_refused)
{
	AUTO(str) char *file = path_join(tree, "a/b/file"), *fifo = path_join(tree, "fifo");
	struct err err = ERR_INIT;

	ck_assert(mkfifo(fifo, 0600) == 0);
	ck_assert_int_eq(copy_check(file, false, &err), 0);
	ck_assert_int_eq(copy_check(file, true, &err), 0);
	ck_assert_int_eq(copy_check(tree, true, &err), 0);
	ck_assert_int_eq(copy_check(tree, false, &err), -1);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	err_clear(&err);
	ck_assert_int_eq(copy_check(fifo, true, &err), -1);
	ck_assert_int_eq(err.code, E_UNSUPPORTED);
	err_clear(&err);
	ck_assert_int_eq(copy_check("/nonexistent", true, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
}
END_TEST

START_TEST(volumes_that_change_are_recognized)
{
	ck_assert(copy_is_live("/pods/u/volumes/kubernetes.io~configmap/c"));
	ck_assert(copy_is_live("/pods/u/volumes/kubernetes.io~secret/c/"));
	ck_assert(copy_is_live("/pods/u/volumes/kubernetes.io~projected/c"));
	ck_assert(copy_is_live("/pods/u/volumes/kubernetes.io~downward-api/c"));
	ck_assert(!copy_is_live("/pods/u/volumes/kubernetes.io~configmap/c/file"));
	ck_assert(!copy_is_live("/pods/u/volumes/kubernetes.io~empty-dir/c"));
	ck_assert(!copy_is_live("/"));
}
END_TEST

/* --- changes --- */

static void await(const char *start)
{
	struct deadline d = deadline_in(WAIT_MS);

	for (;;) {
		bool found = false;

		(void)pthread_mutex_lock(&lock);
		strv_each(line, got)
			found = found || str_starts(*line, start);
		(void)pthread_mutex_unlock(&lock);
		if (found)
			return;
		ck_assert_msg(!deadline_passed(d), "%s was not sent", start);
		(void)poll(NULL, 0, 5);
	}
}

/* As the kubelet does it. */
static void change(const char *version)
{
	AUTO(str)
	char *folder = str_fmt("..%s", version), *file = str_fmt("..%s/key", version),
	     *from = path_join(tree, "..tmp"), *data = path_join(tree, "..data");

	make_at(folder);
	write_at(file, version);
	link_at(folder, "..tmp");
	ck_assert(rename(from, data) == 0);
}

START_TEST(a_change_is_sent_again)
{
	AUTO(copies) struct copies list = list_of(tree);
	struct err err = ERR_INIT;
	struct copy_watch *w = copy_watch_new(&to, &err);

	ck_assert_msg(w != NULL, "%s", err.msg);
	ck_assert_msg(copy_watch_add(w, &list.v[0], &err) == 0, "%s", err.msg);
	ck_assert_msg(copy_watch_add(w, &list.v[0], &err) == 0, "%s", err.msg);
	change("1");
	await(GUEST "/..1/key");
	await(GUEST "/..data");
	change("3");
	await(GUEST "/..3/key");
	copy_watch_remove(w, "another");
	change("4");
	await(GUEST "/..4/key");
	copy_watch_remove(w, "c");
	copy_watch_free(w);
}
END_TEST

static void set_failing(bool failing)
{
	(void)pthread_mutex_lock(&lock);
	fail_at = failing ? (int)strv_len(got) : -1;
	(void)pthread_mutex_unlock(&lock);
}

static void await_failures(int n)
{
	struct deadline d = deadline_in(WAIT_MS);
	int now = 0;

	while (now < n) {
		ck_assert_msg(!deadline_passed(d), "%d failures instead of %d", now, n);
		(void)poll(NULL, 0, 5);
		(void)pthread_mutex_lock(&lock);
		now = failures;
		(void)pthread_mutex_unlock(&lock);
	}
}

/* Without a further change, and whenever the guest can take it. */
START_TEST(a_copy_that_failed_is_made_again)
{
	AUTO(copies) struct copies list = list_of(tree);
	struct err err = ERR_INIT;
	struct copy_watch *w = copy_watch_new(&to, &err);

	ck_assert_msg(w != NULL, "%s", err.msg);
	ck_assert_msg(copy_watch_add(w, &list.v[0], &err) == 0, "%s", err.msg);
	set_failing(true);
	change("1");
	await_failures(2);
	set_failing(false);
	await(GUEST "/..1/key");
	set_failing(true);
	change("2");
	await_failures(3);
	copy_watch_free(w); /* does not wait for the next try */
}
END_TEST

START_TEST(only_directories_are_watched)
{
	AUTO(str) char *file = path_join(tree, "a/b/file");
	AUTO(copies) struct copies list = list_of(file);
	struct err err = ERR_INIT;
	struct copy_watch *w = copy_watch_new(&to, &err);

	ck_assert_ptr_nonnull(w);
	ck_assert_int_eq(copy_watch_add(w, &list.v[0], &err), -1);
	ck_assert_ptr_nonnull(strstr(err.msg, file));
	copy_watch_free(w);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("share, copies");
	TCase *t = tcase_create("copies");

	tcase_add_checked_fixture(t, make_tree, remove_tree);
	tcase_add_test(t, a_tree_is_sent_with_its_links_last);
	tcase_add_test(t, a_large_file_is_sent_in_chunks);
	tcase_add_test(t, a_source_beyond_the_limit_is_refused);
	tcase_add_test(t, a_deep_tree_is_sent);
	tcase_add_test(t, special_files_are_left_out);
	tcase_add_loop_test(t, a_failing_guest_ends_the_copy, 0, 8);
	tcase_add_test(t, sources_that_cannot_be_copied_are_refused);
	tcase_add_test(t, volumes_that_change_are_recognized);
	tcase_add_test(t, a_change_is_sent_again);
	tcase_add_test(t, a_copy_that_failed_is_made_again);
	tcase_add_test(t, only_directories_are_watched);
	suite_add_tcase(s, t);
	return suite_run(s);
}
