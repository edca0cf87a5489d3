// SPDX-License-Identifier: Apache-2.0
/* Which bind mounts are made in the guest instead of shared, and what it mounts for them. */

#include "tests/unit/suite.h"

#include "share/volume.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <check.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR    "/tmp/volumes"
#define VOLUME DIR "/pods/u/volumes/kubernetes.io~empty-dir"

static void make(const char *path, const char *type, const char *source, const char *data,
		 unsigned long flags)
{
	struct err err = ERR_INIT;

	ck_assert_msg(path_make(path, 0777, &err) == 0, "%s", err.msg);
	if (type)
		ck_assert_msg(mount(source, path, type, flags, data) == 0, "%s: %m", path);
}

static void make_node(void)
{
	ck_assert(unshare(CLONE_NEWNS) == 0 && mount("tmp", "/tmp", "tmpfs", 0, NULL) == 0);
	make(VOLUME "/plain", NULL, NULL, NULL, 0);
	make(VOLUME "/group", NULL, NULL, NULL, 0);
	ck_assert(chown(VOLUME "/group", 0, 77) == 0 && chmod(VOLUME "/group", 02775) == 0);
	make(VOLUME "/memory", "tmpfs", "tmpfs", "size=1m,mode=0777", 0);
	make(VOLUME "/unlimited", "tmpfs", "tmpfs", "mode=0700", MS_NOEXEC);
	make(VOLUME "/odd", "tmpfs", "tmpfs", "size=64k,nr_inodes=99,mode=2770,gid=78", 0);
	make(VOLUME "/huge", "hugetlbfs", "nodev", "pagesize=2M,mode=0777", 0);
	make(VOLUME "/memory/below", NULL, NULL, NULL, 0);
	make(DIR "/secret/kubernetes.io~secret/s", "tmpfs", "tmpfs", "size=1m", 0);
	make(DIR "/sandboxes/p/shm", "tmpfs", "shm", "size=65536k,mode=1777",
	     MS_NOSUID | MS_NODEV | MS_NOEXEC);
	make(DIR "/sandboxes/p/shm/below", NULL, NULL, NULL, 0);
	ck_assert(symlink(VOLUME "/memory", DIR "/link") == 0);
}

#define GUEST    "/run/kata-containers/"
#define POD_ROOT GUEST "shared/containers/pod/rootfs"

static const struct volume {
	const char *source, *destination;
	bool local;
	const char *path; /* NULL: shared */
	const char *storage;
} volumes[] = {
	{ VOLUME "/plain", "/data", false, NULL, NULL },
	{ VOLUME "/plain", "/data", true, GUEST "shared/containers/pod/rootfs/local/plain",
	  "local local local mode=755" },
	{ VOLUME "/group", "/data", true, GUEST "shared/containers/pod/rootfs/local/group",
	  "local local local mode=2775,fsgid=77" },
	{ VOLUME "/memory", "/data", false, GUEST "sandbox/ephemeral/memory",
	  "ephemeral tmpfs tmpfs size=1024k,mode=777" },
	{ VOLUME "/memory/", "/dev/shm", true, GUEST "sandbox/ephemeral/memory",
	  "ephemeral tmpfs tmpfs size=1024k,mode=777" },
	{ VOLUME "/unlimited", "/data", false, GUEST "sandbox/ephemeral/unlimited",
	  "ephemeral tmpfs tmpfs noexec,mode=700" },
	{ VOLUME "/odd", "/data", false, GUEST "sandbox/ephemeral/odd",
	  "ephemeral tmpfs tmpfs size=64k,nr_inodes=99,mode=2770,fsgid=78" },
	{ VOLUME "/huge", "/data", false, GUEST "sandbox/ephemeral/huge",
	  "ephemeral nodev hugetlbfs pagesize=2097152,size=4194304,mode=777" },
	{ VOLUME "/memory/below", "/data", true, NULL, NULL },
	{ DIR "/link", "/data", true, NULL, NULL },
	{ DIR "/secret/kubernetes.io~secret/s", "/data", true, NULL, NULL },
	{ DIR "/secret/kubernetes.io~secret/s", "/dev/shm", true, NULL, NULL },
	{ DIR "/sandboxes/p/shm", "/dev/shm", false, GUEST "sandbox/shm",
	  "ephemeral shm tmpfs noexec,nosuid,nodev,size=65536k,mode=1777" },
	{ DIR "/sandboxes/p/shm", "/dev/shm/", false, GUEST "sandbox/shm",
	  "ephemeral shm tmpfs noexec,nosuid,nodev,size=65536k,mode=1777" },
	{ DIR "/sandboxes/p/shm", "/shm", false, NULL, NULL },
	{ DIR "/sandboxes/p/shm/below", "/dev/shm", false, NULL, NULL },
	{ "/dev/shm", "/dev/shm", true, NULL, NULL },
};

static struct oci_mount mount_of(const struct volume *v)
{
	return (struct oci_mount){ .source = (char *)v->source,
				   .destination = (char *)v->destination };
}

static struct oci_hugepage_limit pages[] = { { (char *)"1GB", 1 << 30 },
					     { (char *)"2MB", 4 << 20 } };
static const struct oci_resources limits = { .hugepage_limits = pages, .n_hugepage_limits = 2 };

static char *describe(const Grpc__Storage *s)
{
	AUTO(str) char *options = strv_join(s->options, ",");

	ck_assert_uint_eq(s->n_options, strv_len(s->options));
	return str_fmt("%s %s %s %s", s->driver, s->source, s->fstype, options);
}

START_TEST(a_volume_is_shared_or_made_in_the_guest)
{
	const struct volume *v = &volumes[_i];
	struct volume_rules rules = { POD_ROOT, v->local, &limits };
	const struct oci_mount m = mount_of(v);
	AUTO(storages) struct storages list = STORAGES_INIT;
	AUTO(str) char *path = NULL, *said = NULL;
	struct err err = ERR_INIT;

	make_node();
	ck_assert_msg(volume_in_guest(&m, &rules, &list, &path, &err) == 0, "%s", err.msg);
	ck_assert_msg(str_eq(path, v->path), "%s: %s", v->source, path);
	ck_assert_uint_eq(list.n, v->path ? 1 : 0);
	if (!v->path)
		return;
	said = describe(list.v[0]);
	ck_assert_str_eq(said, v->storage);
	ck_assert_str_eq(list.v[0]->mount_point, v->path);
}
END_TEST

#define SUBPATHS DIR "/pods/u/volume-subpaths"

/* As the kubelet mounts it. */
static void make_subpath(const char *source, const char *name)
{
	AUTO(str) char *path = path_join(SUBPATHS, name);

	make(path, NULL, NULL, NULL, 0);
	ck_assert(mount(source, path, NULL, MS_BIND, NULL) == 0);
}

static const struct subpath {
	const char *volume, *below; /* what is mounted */
	const char *name;           /* VOLUME/CONTAINER/N */
	bool local;
	const char *path;    /* NULL: shared */
	const char *storage; /* the second one, after the volume's; NULL: there is one */
} subpaths[] = {
	{ "memory", "/below", "memory/c1/0", false, GUEST "sandbox/subpaths/memory/c1/0",
	  "bind " GUEST "sandbox/ephemeral/memory/below bind "
	  "rbind,X-kata.beneath=" GUEST "sandbox/ephemeral/memory,mode=755" },
	{ "odd", "/a/b", "odd/c1/1", false, GUEST "sandbox/subpaths/odd/c1/1",
	  "bind " GUEST "sandbox/ephemeral/odd/a/b bind "
	  "rbind,X-kata.beneath=" GUEST "sandbox/ephemeral/odd,mode=2755,fsgid=78" },
	{ "memory", "", "memory/c2/0", false, GUEST "sandbox/ephemeral/memory", NULL },
	{ "plain", "/below", "plain/c1/0", false, NULL, NULL },
	{ "plain", "/below", "plain/c1/0", true, GUEST "sandbox/subpaths/plain/c1/0",
	  "bind " GUEST "shared/containers/pod/rootfs/local/plain/below bind "
	  "rbind,X-kata.beneath=" GUEST "shared/containers/pod/rootfs/local/plain,mode=755" },
	/* Of a volume that is no emptyDir, and of another one than it says. */
	{ "memory", "/below", "other/c1/0", true, NULL, NULL },
	{ "memory", "/below", "plain/c1/0", true, NULL, NULL },
};

START_TEST(a_subpath_is_where_its_volume_is)
{
	const struct subpath *v = &subpaths[_i];
	AUTO(str) char *source = str_fmt(VOLUME "/%s%s", v->volume, v->below);
	AUTO(str) char *there = path_join(SUBPATHS, v->name);
	struct volume_rules rules = { POD_ROOT, v->local, &limits };
	const struct oci_mount m = { .source = there, .destination = (char *)"/data" };
	AUTO(storages) struct storages list = STORAGES_INIT;
	AUTO(str) char *path = NULL, *said = NULL;
	struct err err = ERR_INIT;

	make_node();
	make(source, NULL, NULL, NULL, 0);
	make_subpath(source, v->name);
	ck_assert_msg(volume_in_guest(&m, &rules, &list, &path, &err) == 0, "%s", err.msg);
	ck_assert_msg(str_eq(path, v->path), "%s: %s", v->name, path);
	ck_assert_uint_eq(list.n, v->path ? 1 + (v->storage != NULL) : 0);
	if (!v->storage)
		return;
	said = describe(list.v[1]);
	ck_assert_str_eq(said, v->storage);
	ck_assert_str_eq(list.v[1]->mount_point, v->path);
}
END_TEST

START_TEST(a_single_container_has_no_empty_dirs)
{
	const struct volume v = { VOLUME "/memory", "/data", true, NULL, NULL };
	struct volume_rules rules = { NULL, true, NULL };
	const struct oci_mount m = mount_of(&v);
	AUTO(storages) struct storages list = STORAGES_INIT;
	AUTO(str) char *path = NULL;
	struct err err = ERR_INIT;

	make_node();
	ck_assert(volume_in_guest(&m, &rules, &list, &path, &err) == 0);
	ck_assert_ptr_null(path);
}
END_TEST

static const char *const bad_sizes[] = { "",     "2",   "MB",   "2X",
					 "2MBs", "0MB", "-2MB", "99999999999999999999MB" };

START_TEST(the_size_of_huge_pages_is_checked)
{
	const struct volume v = { VOLUME "/huge", "/data", false, NULL, NULL };
	struct oci_hugepage_limit bad = { (char *)bad_sizes[_i], 1 };
	const struct oci_resources r = { .hugepage_limits = &bad, .n_hugepage_limits = 1 };
	struct volume_rules rules = { POD_ROOT, false, &r };
	const struct oci_mount m = mount_of(&v);
	AUTO(storages) struct storages list = STORAGES_INIT;
	AUTO(str) char *path = NULL;
	struct err err = ERR_INIT;

	make_node();
	ck_assert(volume_in_guest(&m, &rules, &list, &path, &err) < 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_ptr_null(path);
}
END_TEST

START_TEST(a_missing_volume_is_named)
{
	const struct volume v = { VOLUME "/gone", "/data", false, NULL, NULL };
	struct volume_rules rules = { POD_ROOT, false, NULL };
	const struct oci_mount m = mount_of(&v);
	AUTO(storages) struct storages list = STORAGES_INIT;
	AUTO(str) char *path = NULL;
	struct err err = ERR_INIT;

	make_node();
	ck_assert(volume_in_guest(&m, &rules, &list, &path, &err) < 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, VOLUME "/gone"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("share, volumes");
	TCase *t = tcase_create("volumes");

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		(void)puts("skipped: no mounts of our own here");
		return EXIT_SUCCESS;
	}
	tcase_add_loop_test(t, a_volume_is_shared_or_made_in_the_guest, 0, (int)ARRAY_LEN(volumes));
	tcase_add_loop_test(t, a_subpath_is_where_its_volume_is, 0, (int)ARRAY_LEN(subpaths));
	tcase_add_test(t, a_single_container_has_no_empty_dirs);
	tcase_add_loop_test(t, the_size_of_huge_pages_is_checked, 0, (int)ARRAY_LEN(bad_sizes));
	tcase_add_test(t, a_missing_volume_is_named);
	suite_add_tcase(s, t);
	return suite_run(s);
}
