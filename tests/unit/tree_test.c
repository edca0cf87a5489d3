// SPDX-License-Identifier: Apache-2.0
/* base/tree.h: deep and wide trees with few fds, and trees that change during a walk. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "base/tree.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEEP = 20000, WIDE = 60 };

static char dir[SCRATCH_DIR];
static int root = -1;
static struct err err;

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "tree");
	scratch_mount(dir);
	root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(root, 0);
}

static void teardown(void)
{
	err_clear(&err);
	fd_close(&root);
	scratch_unmount(dir);
	scratch_remove(dir);
	ck_assert(!path_exists(dir));
}

/* Leaves n fds free and limits the stack to 256 KiB. */
static void limit(int n)
{
	struct rlimit fds = { RLIM_INFINITY, RLIM_INFINITY }, stack = { 256 << 10, 256 << 10 };
	int used[TREE_FDS + 2];

	ck_assert(getrlimit(RLIMIT_NOFILE, &fds) == 0);
	for (int i = 0; i < n; i++) {
		used[i] = dup(root);
		ck_assert_int_ge(used[i], 0);
		fds.rlim_cur = (rlim_t)used[i] + 1;
	}
	for (int i = 0; i < n; i++)
		(void)close(used[i]);
	ck_assert(setrlimit(RLIMIT_NOFILE, &fds) == 0 && setrlimit(RLIMIT_STACK, &stack) == 0);
}

struct count {
	size_t files, enters, leaves, deepest;
};

static int count(void *arg, const struct tree_at *at, struct err *e)
{
	struct count *c = arg;

	(void)e;
	c->files += at->when == TREE_FILE;
	c->enters += at->when == TREE_ENTER;
	c->leaves += at->when == TREE_LEAVE;
	if (at->depth > c->deepest)
		c->deepest = at->depth;
	return TREE_GO_ON;
}

START_TEST(depth_costs_no_descriptors_and_no_stack)
{
	struct count c = { 0 };
	const struct tree_walk w = { .visit = count, .arg = &c };
	struct rlimit before;

	scratch_nest(root, DEEP);
	ck_assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
	limit(TREE_FDS);
	ck_assert_msg(tree_walk(root, &w, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(c.enters, DEEP);
	ck_assert_uint_eq(c.leaves, DEEP);
	ck_assert_uint_eq(c.files, 1);
	ck_assert_uint_eq(c.deepest, DEEP);
	/* Removal needs two more fds: for the parent of the tree and for the tree. */
	ck_assert(setrlimit(RLIMIT_NOFILE, &before) == 0);
	limit(TREE_FDS + 2);
	ck_assert_msg(path_remove_below(root, "d", &err) == 0, "%s", err.msg);
	ck_assert(faccessat(root, "d", F_OK, 0) < 0 && errno == ENOENT);
}
END_TEST

/* Each of many directories has a branch that is deeper than the number of fds that stay open. */
START_TEST(what_was_closed_is_taken_up_again)
{
	struct count c = { 0 };
	const struct tree_walk w = { .visit = count, .arg = &c };
	char name[256];

	for (int i = 0; i < WIDE; i++) {
		(void)str_print(name, sizeof(name), "%s/w%d/a/b/c/d/e/f/g/h/i/j/k/l/m/n", dir, i);
		ck_assert_msg(path_make(name, 0700, &err) == 0, "%s", err.msg);
		(void)str_print(name, sizeof(name), "w%d/file", i);
		(void)close(openat(root, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	}
	ck_assert_msg(tree_walk(root, &w, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(c.enters, WIDE * 15);
	ck_assert_uint_eq(c.leaves, WIDE * 15);
	ck_assert_uint_eq(c.files, WIDE);
}
END_TEST

/* --- the tree changes during the walk --- */

/* When the walk is in the deepest directory, moves a directory whose fd was closed. */
static int move_away(void *arg, const struct tree_at *at, struct err *e)
{
	(void)arg;
	(void)e;
	if (at->when == TREE_FILE)
		ck_assert(mkdirat(root, "other", 0700) == 0 &&
			  renameat(root, "d/d", root, "other/d") == 0);
	return TREE_GO_ON;
}

START_TEST(a_walk_does_not_follow_what_is_moved)
{
	const struct tree_walk w = { .visit = move_away, .name = "tree" };

	scratch_nest(root, 30);
	ck_assert_int_eq(tree_walk(root, &w, &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	ck_assert_ptr_nonnull(strstr(err.msg, "was moved"));
}
END_TEST

/* A directory becomes a link that leads out of the tree before it is opened. */
static int replace(void *arg, const struct tree_at *at, struct err *e)
{
	struct count *c = arg;

	(void)e;
	c->files += at->when == TREE_FILE;
	if (at->when != TREE_ENTER)
		return TREE_GO_ON;
	c->enters++;
	ck_assert(unlinkat(at->dir, at->name, AT_REMOVEDIR) == 0);
	ck_assert(symlinkat("/etc", at->dir, at->name) == 0);
	return TREE_GO_ON;
}

START_TEST(a_link_is_not_followed)
{
	struct count c = { 0 };
	const struct tree_walk w = { .visit = replace, .arg = &c };

	ck_assert(mkdirat(root, "d", 0700) == 0);
	ck_assert_msg(tree_walk(root, &w, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(c.enters, 1);
	ck_assert_uint_eq(c.files, 1); /* the link itself */
	ck_assert_msg(path_remove_below(root, "d", &err) == 0, "%s", err.msg);
	ck_assert(path_exists("/etc/passwd"));
}
END_TEST

/* --- mount points --- */

/* A bind mount within a file system has the same device number as the directory below it. */
START_TEST(removal_stops_at_a_bind_mount)
{
	AUTO(str) char *kept = path_join(dir, "kept/file"), *at = path_join(dir, "gone/deep/at");
	AUTO(str) char *from = path_join(dir, "kept"), *gone = path_join(dir, "gone");

	if (geteuid() != 0) {
		(void)puts("skipped: needs root");
		return;
	}
	ck_assert(path_make(from, 0700, &err) == 0 && path_make(at, 0700, &err) == 0);
	(void)close(open(kept, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	ck_assert(mount(from, at, NULL, MS_BIND, NULL) == 0);
	ck_assert_int_eq(path_remove_tree(gone, &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	ck_assert_ptr_nonnull(strstr(err.msg, at));
	ck_assert(path_exists(kept));
	ck_assert(umount2(at, 0) == 0);
}
END_TEST

START_TEST(a_message_names_what_it_is_about)
{
	AUTO(str) char *begin = str_fmt("%s/d/d/d/d/d/...", dir), *gone = path_join(dir, "d");

	if (geteuid() != 0) {
		(void)puts("skipped: needs root");
		return;
	}
	scratch_nest(root, 100);
	AUTO(buf) struct buf file = BUF_INIT(4096);
	buf_str(&file, dir);
	for (int i = 0; i < 100; i++)
		buf_str(&file, "/d");
	buf_str(&file, "/f");
	ck_assert(mount(buf_cstr(&file), buf_cstr(&file), NULL, MS_BIND, NULL) == 0);
	ck_assert_int_eq(path_remove_tree(gone, &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	ck_assert_msg(strstr(err.msg, begin) && strstr(err.msg, "/d/f is a mount point"), "%s",
		      err.msg);
	ck_assert(umount2(buf_cstr(&file), 0) == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("tree");
	TCase *t = tcase_create("tree");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, depth_costs_no_descriptors_and_no_stack);
	tcase_add_test(t, what_was_closed_is_taken_up_again);
	tcase_add_test(t, a_walk_does_not_follow_what_is_moved);
	tcase_add_test(t, a_link_is_not_followed);
	tcase_add_test(t, removal_stops_at_a_bind_mount);
	tcase_add_test(t, a_message_names_what_it_is_about);
	suite_add_tcase(s, t);
	return suite_run(s);
}
