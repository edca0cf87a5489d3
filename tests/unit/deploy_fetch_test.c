// SPDX-License-Identifier: Apache-2.0
/*
 * deploy/fetch: a release comes from a directory, a tar archive, a pipe, a web server and its
 * mirrors into staging, whole or by patches, or not at all; and it can be copied.
 */

#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/engine/engine.h"
#include "deploy/fetch/fetch-internal.h"
#include "deploy/release/build.h"
#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"
#include "tests/unit/tar_lab.h"
#include "tests/unit/web_lab.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BIG = 400000, NOISE = 5000 };

static char dir[SCRATCH_DIR];
static struct err err;
static struct web web;
static struct release old, now;
static int staging;
static struct source_cost cost;
static pid_t writer; /* the child that writes to our standard input */

static const char *in(const char *name)
{
	static char *kept[64];
	static unsigned next;

	next = (next + 1) % ARRAY_LEN(kept);
	free(kept[next]);
	kept[next] = path_join(dir, name);
	return kept[next];
}

static void put(const char *name, const void *data, size_t len)
{
	scratch_write(dir, name, data, len, 0755);
}

static void noise(unsigned char *to, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		to[i] = (unsigned char)(seed >> 24);
	}
}

/* --- releases --- */

static const char components[] =
	"components:\n"
	"  - {name: runtime, text: runs, required: true, paths: [bin, etc]}\n"
	"  - {name: guest, text: boots, paths: [share]}\n"
	"copies: []\n";

static void make_tree(const char *name, unsigned version)
{
	AUTO(mem) unsigned char *data = xmalloc(BIG);
	const struct {
		const char *path;
		uint32_t seed;
		size_t len;
	} files[] = {
		{ "share/guest/vmlinux", 7, BIG },    { "share/guest/again", 7, BIG },
		{ "share/guest/steady", 9, BIG / 2 }, { "bin/shim", 100 + version, NOISE },
		{ "etc/conf.toml", 12, 100 },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(str) char *path = str_fmt("%s/%s", name, files[i].path);

		noise(data, files[i].len, files[i].seed);
		if (i < 2)
			data[BIG / 2] ^= (unsigned char)version;
		put(path, data, files[i].len);
	}
	AUTO(str) char *link = str_fmt("%s/%s/bin/kata", dir, name);
	ck_assert_int_eq(symlink("shim", link), 0);
}

static void build(const char *tree, const char *out, char *const *before, const char *version,
		  struct release *r)
{
	AUTO(str) char *from = xstrdup(in(tree)), *to = xstrdup(in(out));
	struct release_build_options o = { .tree = from,
					   .out = to,
					   .components = in("components.yaml"),
					   .version = version,
					   .architecture = "x86_64",
					   .serial = before ? 8 : 7,
					   .created = 1700000000,
					   .old = before,
					   .level = 3 };

	ck_assert_msg(release_build(&o, &err) == 0, "%s", err.msg);
	*r = (struct release)RELEASE_INIT;
	ck_assert_msg(release_load(to, r, &err) == 0, "%s", err.msg);
}

static void setup(void)
{
	AUTO(strv) char **before = NULL;

	err_clear(&err);
	web.pid = writer = -1;
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	scratch_make(dir, "fetch");
	put("components.yaml", components, strlen(components));
	make_tree("t1", 1);
	make_tree("t2", 2);
	build("t1", "r1", NULL, "3.10.0", &old);
	strv_push(&before, in("r1"));
	build("t2", "r2", before, "3.11.0", &now);
	put("r2/release.yaml.minisig", "first\n", 6);
	put("r2/release.yaml.1.minisig", "second\n", 7);
	put("r2/release.yaml.2.minisig", "third\n", 6);
	ck_assert_int_eq(mkdir(in("staging"), 0700), 0);
	staging = open(in("staging"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	web_start(&web, in("r2"));
}

static void teardown(void)
{
	web_stop(&web);
	if (writer > 0)
		(void)waitpid(writer, NULL, 0);
	if (staging >= 0)
		(void)close(staging);
	release_release(&old);
	release_release(&now);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	scratch_remove(dir);
}

/* --- sources --- */

static struct source *open_source(char *const *releases)
{
	AUTO(str) char *cache = xstrdup(in("cache"));
	struct source_options o = { .releases = releases,
				    .cache = cache,
				    .http = { .pause_ms = 10, .stall = 5 },
				    .patience_ms = 60000 };
	struct source *s = NULL;

	if (source_open(&o, &s, &err) < 0)
		return NULL;
	return s;
}

static struct source *open_one(const char *release)
{
	char *const releases[] = { (char *)(uintptr_t)release, NULL };

	return open_source(releases);
}

static void make_tar(const char *name, const char *what)
{
	AUTO(str) char *to = xstrdup(in(name));
	AUTO(str) char *from = xstrdup(str_eq(what, ".") ? in("r2") : dir);
	struct spawn s = { .argv = ARGV("tar", "-cf", to, what), .cwd = from };

	ck_assert_int_eq(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err), 0);
}

enum { BY_HTTP, BY_MIRRORS, BY_DIRECTORY, BY_FILE_URL, BY_TAR, BY_TAR_OF_FOLDER, BY_PIPE, WAYS };

static void use_stdin(const char *file)
{
	int ends[2];

	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	writer = fork();
	if (writer == 0) {
		AUTO(fd) int from = open(file, O_RDONLY);
		char chunk[4096];
		ssize_t n;

		while ((n = read(from, chunk, sizeof(chunk))) > 0) {
			if (write(ends[1], chunk, (size_t)n) != n)
				break;
		}
		_exit(0);
	}
	(void)close(ends[1]);
	ck_assert_int_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	(void)close(ends[0]);
}

/* Opens the release as callers do: mirrors that do not have it are skipped. */
static struct source *settled(struct source *s)
{
	AUTO(buf) struct buf text = BUF_INIT(0);

	while (s && source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err) < 0)
		ck_assert_msg(source_distrust(s, &err), "%s", err.msg);
	return s;
}

static struct source *open_way(int way)
{
	AUTO(str) char *url = web_url(&web, way == BY_MIRRORS ? "cut-once" : "ok");
	AUTO(str) char *missing = web_url(&web, "404");
	char *const mirrors[] = { missing, url, NULL };
	AUTO(str) char *file_url = str_fmt("file://%s/r%%32", dir);

	switch (way) {
	case BY_HTTP:
		return open_one(url);
	case BY_MIRRORS:
		return settled(open_source(mirrors));
	case BY_DIRECTORY:
		return open_one(in("r2"));
	case BY_FILE_URL:
		return open_one(file_url);
	case BY_TAR:
		make_tar("r2.tar", ".");
		return open_one(in("r2.tar"));
	case BY_TAR_OF_FOLDER:
		make_tar("r2.tar", "r2");
		return open_one(in("r2.tar"));
	default:
		make_tar("r2.tar", ".");
		use_stdin(in("r2.tar"));
		return open_one("-");
	}
}

static bool has_nothing(void *arg, const struct entry *e)
{
	(void)arg, (void)e;
	return false;
}

/* The engine has the files of the older release. */
static bool has_old(void *arg, const struct entry *e)
{
	(void)arg;
	vec_each(struct entry, o, &old.layout.entries) {
		if (str_eq(o->sha256, e->sha256) && e->type == ENTRY_FILE)
			return true;
	}
	return false;
}

static int old_file(void *arg, const char *sha256)
{
	(void)arg;
	vec_each(struct entry, o, &old.layout.entries) {
		AUTO(str) char *path = str_fmt("%s/t1/%s", dir, o->path);

		if (o->type == ENTRY_FILE && str_eq(o->sha256, sha256))
			return open(path, O_RDONLY | O_CLOEXEC);
	}
	return -1;
}

static int stage(struct source *s, const struct release *r,
		 bool (*has)(void *arg, const struct entry *e),
		 int (*base)(void *arg, const char *sha256))
{
	ck_assert_msg(s != NULL, "%s", err.msg);
	return source_stage(s, r, &r->layout, has, base, NULL, staging, NULL, &cost, &err);
}

/* Staging has every file that was requested, with its contents, and no other. */
static void check_staged(const struct release *r, bool (*has)(void *arg, const struct entry *e))
{
	struct stat st;

	vec_each(struct entry, e, &r->layout.entries) {
		bool wanted = e->type == ENTRY_FILE && !has(NULL, e);
		AUTO(fd)
		int fd = openat(staging, e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		uint64_t size;
		char hex[65];

		ck_assert_msg((fd >= 0) == wanted, "%s", e->path);
		if (!wanted)
			continue;
		ck_assert_int_eq(sha256_fd(fd, e->path, hex, &size, &err), 0);
		ck_assert_str_eq(hex, e->sha256);
		ck_assert_int_eq(fstat(fd, &st), 0);
		ck_assert_uint_eq(st.st_mode, S_IFREG | 0600);
		ck_assert_uint_eq(st.st_uid, geteuid() == 0 ? CONFINE_NOBODY : geteuid());
	}
	ck_assert_int_eq(fstat(staging, &st), 0);
	ck_assert_uint_eq(st.st_uid, geteuid());
}

static void nothing_stays_in_the_cache(void)
{
	ck_assert_msg(!path_exists(in("cache")), "the cache is not empty");
}

START_TEST(a_release_comes_every_way)
{
	AUTO(source) struct source *s = open_way(_i);
	AUTO(buf) struct buf text = BUF_INIT(0), there = BUF_INIT(0);
	AUTO(strv) char **signatures = NULL;

	ck_assert_msg(s != NULL, "%s", err.msg);
	ck_assert_msg(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(file_read(AT_FDCWD, in("r2/release.yaml"), RELEASE_TEXT_MAX, &there, &err),
			 0);
	ck_assert(text.len == there.len && memcmp(text.data, there.data, text.len) == 0);
	ck_assert_msg(source_signatures(s, "release.yaml", &signatures, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(signatures), 3);
	ck_assert_str_eq(signatures[2], "third\n");
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	check_staged(&now, has_nothing);
	ck_assert_uint_eq(cost.blobs, 2);
	ck_assert_uint_eq(cost.patches, 0);
	ck_assert_uint_eq(cost.unpacked, layout_bytes(&now.layout));
	if (_i == BY_HTTP)
		ck_assert_uint_eq(cost.received,
				  now.components.v[0].size + now.components.v[1].size);
	source_close(STEAL(s, NULL));
	nothing_stays_in_the_cache();
}
END_TEST

START_TEST(only_what_is_missing_comes)
{
	AUTO(source) struct source *s = open_way(_i ? BY_DIRECTORY : BY_HTTP);

	ck_assert_msg(stage(s, &now, has_old, old_file) == 0, "%s", err.msg);
	check_staged(&now, has_old);
	/* One patch makes two copies of the kernel; the noise has no patch and comes in its blob. */
	ck_assert_uint_eq(cost.patches, 2);
	ck_assert_uint_eq(cost.blobs, 1);
	ck_assert_uint_eq(cost.unpacked, 2 * BIG + NOISE);
	if (!_i)
		ck_assert_uint_lt(cost.received, 20000);
}
END_TEST

static bool has_all(void *arg, const struct entry *e)
{
	(void)arg, (void)e;
	return true;
}

START_TEST(nothing_missing_costs_nothing)
{
	AUTO(source) struct source *s = open_way(BY_HTTP);

	ck_assert_msg(stage(s, &now, has_all, NULL) == 0, "%s", err.msg);
	ck_assert_uint_eq(cost.blobs + cost.patches + cost.received, 0);
	ck_assert_uint_eq(web_count(&web), 0);
}
END_TEST

static void damage(const char *name, size_t at)
{
	AUTO(fd) int fd = open(in(name), O_RDWR | O_CLOEXEC);
	char byte;

	ck_assert_int_eq((int)pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	ck_assert_int_eq((int)pwrite(fd, &byte, 1, (off_t)at), 1);
}

/* The patch is missing, damaged, or makes another file. */
START_TEST(a_bad_patch_is_replaced_by_the_blob)
{
	AUTO(source) struct source *s = open_way(_i % 2 ? BY_DIRECTORY : BY_HTTP);
	AUTO(str) char *patch = NULL;

	ck_assert_uint_eq(now.patches.n, 1);
	patch = str_fmt("r2/patches/%s.zst", now.patches.v[0].sha256);
	if (_i < 2) {
		ck_assert_int_eq(unlink(in(patch)), 0);
	} else if (_i < 4) {
		damage(patch, 12);
	} else {
		/* the base has changed: the patch is intact, but makes another file */
		damage("t1/share/guest/vmlinux", 5);
		damage("t1/share/guest/again", 5);
	}
	ck_assert_msg(stage(s, &now, has_old, old_file) == 0, "%s", err.msg);
	check_staged(&now, has_old);
	ck_assert_uint_eq(cost.patches, 0);
	ck_assert_uint_eq(cost.blobs, 2);
}
END_TEST

START_TEST(a_wrong_blob_is_refused)
{
	static const struct {
		int way, wrong;
		enum err_code code;
	} cases[] = {
		{ BY_HTTP, 0, E_INVALID },      { BY_HTTP, 1, E_INVALID },
		{ BY_HTTP, 2, E_NOT_FOUND },    { BY_DIRECTORY, 0, E_INVALID },
		{ BY_DIRECTORY, 1, E_INVALID }, { BY_DIRECTORY, 2, E_NOT_FOUND },
		{ BY_TAR, 0, E_INVALID },
	};
	AUTO(str) char *blob = str_fmt("r2/blobs/%s.tar.zst", now.components.v[0].blob);
	AUTO(source) struct source *s = NULL;

	if (cases[_i].wrong == 0)
		damage(blob, 1000);
	else if (cases[_i].wrong == 1)
		ck_assert_int_eq(truncate(in(blob), 1000), 0);
	else
		ck_assert_int_eq(unlink(in(blob)), 0);
	s = open_way(cases[_i].way);
	ck_assert_int_lt(stage(s, &now, has_nothing, NULL), 0);
	ck_assert_msg(err.code == cases[_i].code, "%s: %s", err_slug(err.code), err.msg);
}
END_TEST

/* 10 GB of zeros in a signed blob: the packager's key was stolen. */
START_TEST(a_bomb_is_refused)
{
	AUTO(source) struct source *s = open_way(BY_DIRECTORY);
	AUTO(buf) struct buf tar = BUF_INIT(1 << 20), blob = BUF_INIT(1 << 20);
	struct release_component *c = &now.components.v[0];
	AUTO(str) char *path = NULL;
	struct rusage use;

	tar_add(&tar, &(struct tar_entry){ "share/guest/vmlinux", '0', 0644, _i ? 8000000000 : BIG,
					   NULL, NULL });
	zstd_repeat(&tar, 0, UINT64_C(10000000000), 23, &blob);
	sha256_hex(blob.data, blob.len, c->blob);
	c->size = blob.len;
	path = str_fmt("r2/blobs/%s.tar.zst", c->blob);
	put(path, blob.data, blob.len);
	ck_assert_int_lt(stage(s, &now, has_nothing, NULL), 0);
	ck_assert_msg(err.code == E_INVALID || err.code == E_LIMIT, "%s", err.msg);
	ck_assert_int_eq(getrusage(RUSAGE_CHILDREN, &use), 0);
	ck_assert(SANITIZED || use.ru_maxrss < 32 << 10); /* KiB */
}
END_TEST

/* --- interrupted runs --- */

START_TEST(an_interrupted_download_is_resumed)
{
	AUTO(source) struct source *s = open_way(BY_HTTP);
	struct release_component *c = release_component(&now, "guest") == &now.components.v[0]
					      ? &now.components.v[0]
					      : &now.components.v[1];
	AUTO(str) char *blob = str_fmt("r2/blobs/%s.tar.zst", c->blob);
	AUTO(str) char *part = str_fmt("cache/%s", c->blob), *tag = str_fmt("%s.tag", part);
	AUTO(buf) struct buf data = BUF_INIT(0);
	bool ranged = false;

	/* What a killed run leaves: half of a blob. Earlier versions left an entity tag too. */
	ck_assert_int_eq(file_read(AT_FDCWD, in(blob), 8 << 20, &data, &err), 0);
	ck_assert_int_eq(mkdir(in("cache"), 0700), 0);
	put(part, data.data, data.len / 2);
	ck_assert_int_eq(chmod(in(part), 0600), 0);
	if (_i)
		put(tag, "\"two\"", 5);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	check_staged(&now, has_nothing);
	for (unsigned i = 0; i < web_count(&web); i++) {
		const struct web_request *r = web_request(&web, i);

		if (*r->range) {
			ranged = true;
			ck_assert_str_eq(r->if_range, "");
		}
	}
	ck_assert(ranged);
	ck_assert_uint_eq(cost.received,
			  now.components.v[0].size + now.components.v[1].size - data.len / 2);
	source_close(STEAL(s, NULL));
	nothing_stays_in_the_cache();
}
END_TEST

/* The next run fetches the rest only. */
START_TEST(a_failed_run_keeps_what_it_has_fetched)
{
	AUTO(str) char *cut = web_url(&web, "cut"), *good = web_url(&web, "ok");
	struct source *s = open_one(cut);
	uint64_t all = now.components.v[0].size + now.components.v[1].size;

	ck_assert_int_lt(stage(s, &now, has_nothing, NULL), 0);
	err_clear(&err);
	source_close(s);
	ck_assert(path_exists(in("cache")));
	s = open_one(good);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	ck_assert_uint_lt(cost.received, all / 2);
	source_close(s);
	nothing_stays_in_the_cache();
}
END_TEST

#define GONE "1111111111111111111111111111111111111111111111111111111111111111"

/* Each newer release that fails would leave its parts, until the disk is full. */
START_TEST(parts_of_other_releases_are_removed)
{
	AUTO(str)
	char *url = web_url(&web, "cut"), *part = str_fmt("cache/%s", now.patches.v[0].sha256);
	char *const releases[] = { url, NULL };
	AUTO(str) char *cache = xstrdup(in("cache"));
	struct source_options o = { .releases = releases,
				    .cache = cache,
				    .keep_cache = _i,
				    .http = { .pause_ms = 10, .stall = 5 } };
	AUTO(source) struct source *s = NULL;

	ck_assert_int_eq(mkdir(in("cache"), 0700), 0);
	put("cache/" GONE, "part", 4);
	put("cache/" GONE ".tag", "\"one\"", 5);
	put("cache/notes", "a person's", 10);
	put(part, "part", 4);
	ck_assert_int_eq(source_open(&o, &s, &err), 0);
	ck_assert_int_lt(stage(s, &now, has_nothing, NULL), 0);
	ck_assert_int_eq(path_exists(in("cache/" GONE)), _i);
	ck_assert_int_eq(path_exists(in("cache/" GONE ".tag")), _i);
	ck_assert(path_exists(in(part)) && path_exists(in("cache/notes")));
}
END_TEST

static uint64_t in_cache(const char *name)
{
	AUTO(str) char *path = str_fmt("cache/%s", name);
	struct stat st;

	return stat(in(path), &st) < 0 ? 0 : (uint64_t)st.st_size;
}

static bool is_half_there(const struct release_component *c)
{
	return in_cache(c->blob) >= c->size / 2;
}

/* Killed in the middle of a download, at a server that hangs. No child is left, and the next run
 * continues the download. */
START_TEST(a_killed_run_is_resumed)
{
	AUTO(str) char *hang = web_url(&web, "hang"), *good = web_url(&web, "ok");
	struct deadline deadline = deadline_in(30000);
	struct source *s;
	unsigned before;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		s = open_one(hang);
		_exit(stage(s, &now, has_nothing, NULL) < 0 ? 1 : 0);
	}
	while (!is_half_there(&now.components.v[0]) || !is_half_there(&now.components.v[1])) {
		ck_assert(!deadline_passed(deadline));
		(void)poll(NULL, 0, 5);
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	while (atomic_load(&web.log->together) && !deadline_passed(deadline))
		(void)poll(NULL, 0, 5); /* the child held the connections */
	ck_assert_uint_eq(atomic_load(&web.log->together), 0);
	before = web_count(&web);
	s = open_one(good);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	check_staged(&now, has_nothing);
	for (unsigned i = before; i < web_count(&web); i++)
		ck_assert(*web_request(&web, i)->range);
	source_close(s);
	nothing_stays_in_the_cache();
}
END_TEST

START_TEST(a_cache_that_others_can_write_is_not_used)
{
	AUTO(source) struct source *s = open_way(BY_HTTP);

	ck_assert_int_eq(mkdir(in("cache"), 0700), 0);
	if (_i == 0)
		ck_assert_int_eq(chmod(in("cache"), 0777), 0);
	else if (_i == 1)
		ck_assert_int_eq(rmdir(in("cache")) || symlink("/tmp", in("cache")), 0);
	else if (geteuid() == 0)
		ck_assert_int_eq(chown(in("cache"), 1000, 1000), 0);
	else
		return;
	ck_assert_int_lt(stage(s, &now, has_nothing, NULL), 0);
	ck_assert_msg(err.code == E_PERMISSION || err.code == E_IO, "%s", err.msg);
}
END_TEST

START_TEST(the_cache_has_one_user_at_a_time)
{
	AUTO(str) char *path = xstrdup(in("var/new/cache"));
	struct cache one = { xstrdup(path), -1, NULL }, other = { xstrdup(path), -1, NULL };

	ck_assert_int_eq(mkdir(in("var"), 0755), 0);

	ck_assert_int_eq(cache_open(&one, &err), 0);
	ck_assert_int_lt(cache_open(&other, &err), 0);
	ck_assert_int_eq(err.code, E_STATE);
	cache_close(&other);
	cache_close(&one);
	ck_assert(!path_exists(in("var/new")) && path_exists(in("var")));
}
END_TEST

/* --- a full disk, a signal --- */

/* A file system of 128 KiB. */
static bool mount_small(const char *name)
{
	if (geteuid() != 0) {
		printf("skipped: a full disk needs root\n");
		return false;
	}
	(void)mkdir(in(name), 0700);
	ck_assert_int_eq(mount("small", in(name), "tmpfs", 0, "size=128k,mode=0700"), 0);
	return true;
}

/* The disk of the cache; of staging, for blobs and for patches. No other mirror is tried. */
START_TEST(a_full_disk_is_an_error_of_its_own)
{
	static const char *const places[] = { "cache", "staging", "staging" };
	struct source *s;
	int rc;

	if (!mount_small(places[_i]))
		return;
	(void)close(staging);
	staging = open(in("staging"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	s = open_way(BY_HTTP);
	rc = _i == 2 ? stage(s, &now, has_old, old_file) : stage(s, &now, has_nothing, NULL);
	source_close(s);
	(void)close(staging);
	staging = -1;
	ck_assert_int_eq(umount2(in(places[_i]), MNT_DETACH), 0);
	ck_assert_int_lt(rc, 0);
	ck_assert_msg(err.code == E_IO && err.sys == ENOSPC, "%s", err.msg);
	ck_assert_msg(strstr(err.msg, "--cache") && strstr(err.msg, in("cache")), "%s", err.msg);
}
END_TEST

/* With E_CANCELLED, and its children end too. */
START_TEST(a_signal_ends_it)
{
	AUTO(str) char *hang = web_url(&web, "hang");
	struct deadline deadline = deadline_in(30000);
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		interrupt_catch("deploy_fetch_test", "nothing");
		struct source *s = open_one(hang);
		int rc = stage(s, &now, has_nothing, NULL);

		if (rc == 0 || waitpid(-1, NULL, WNOHANG) != -1)
			_exit(1);
		source_close(s);
		free(STEAL(hang, NULL));
		_exit(err.code == E_CANCELLED ? 0 : 2);
	}
	while (!is_half_there(&now.components.v[0]) || !is_half_there(&now.components.v[1])) {
		ck_assert(!deadline_passed(deadline));
		(void)poll(NULL, 0, 5);
	}
	ck_assert_int_eq(kill(pid, _i ? SIGINT : SIGTERM), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* --- names --- */

START_TEST(an_archive_is_known_by_its_names)
{
	static const struct {
		const char *path, *name;
	} cases[] = {
		{ "release.yaml", "release.yaml" },
		{ "./release.yaml.1.minisig", "release.yaml.1.minisig" },
		{ "kata-3.9/channel.yaml", "channel.yaml" },
		{ "a/b/release.yaml", NULL },
		{ "../release.yaml", "release.yaml" }, /* a name, not a path */
		{ "blobs/0123456789012345678901234567890123456789012345678901234567890123.tar.zst",
		  "blobs/"
		  "0123456789012345678901234567890123456789012345678901234567890123.tar.zst" },
		{ "blobs/012345678901234567890123456789012345678901234567890123456789012.tar.zst",
		  NULL },
		{ "x/patches/0123456789012345678901234567890123456789012345678901234567890123.zst",
		  "patches/0123456789012345678901234567890123456789012345678901234567890123.zst" },
		{ "patches/../../etc/passwd", NULL },
		{ "/release.yaml", "release.yaml" },
		{ "README", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(str) char *prefix = NULL;
		const char *name = name_in_archive(&prefix, cases[i].path);

		ck_assert_msg(str_eq(name, cases[i].name), "%s: %s", cases[i].path, name);
		if (name)
			ck_assert_ptr_null(name_in_archive(&prefix, "other/release.yaml"));
	}
}
END_TEST

START_TEST(locations_that_are_no_source_are_refused)
{
	static const struct {
		const char *release, *other;
		enum err_code code;
	} cases[] = {
		{ NULL, NULL, E_USAGE },          { "/nonexistent/r", NULL, E_NOT_FOUND },
		{ "/dev/null", NULL, E_USAGE },   { "file://elsewhere/r", NULL, E_USAGE },
		{ "file:///a%2", NULL, E_USAGE }, { "file:///a%00", NULL, E_USAGE },
		{ "http:///x", NULL, E_USAGE },   { "http://h/", "/tmp", E_USAGE },
		{ "/tmp", "http://h/", E_USAGE }, { "/etc/passwd", NULL, E_INVALID },
	};
	char *const releases[] = { (char *)(uintptr_t)cases[_i].release,
				   (char *)(uintptr_t)cases[_i].other, NULL };

	ck_assert_ptr_null(open_source(releases));
	ck_assert_msg(err.code == cases[_i].code, "%s: %s", err_slug(err.code), err.msg);
	nothing_stays_in_the_cache();
}
END_TEST

/* An http server may redirect to https, and a proxy may be https. The child cannot read the file, so
 * it is read in any case, and may be missing only if nothing is known to need it. */
START_TEST(certificates_are_read_for_redirects)
{
	static const struct {
		const char *url, *proxy;
		bool exists, opens;
	} cases[] = {
		{ "http://127.0.0.1/", NULL, true, true },
		{ "http://127.0.0.1/", NULL, false, true },
		{ "https://127.0.0.1/", NULL, false, false },
		{ "http://127.0.0.1/", "HTTPS://127.0.0.1:1", false, false },
		{ "http://127.0.0.1/", "http://127.0.0.1:1", false, true },
	};
	char *const releases[] = { (char *)(uintptr_t)cases[_i].url, NULL };
	AUTO(str) char *cache = xstrdup(in("cache"));
	struct source_options o = { .releases = releases,
				    .cache = cache,
				    .http = { .proxy = cases[_i].proxy } };
	AUTO(source) struct source *s = NULL;

	put("ca.pem", "certificates", 12);
	(void)setenv("SSL_CERT_FILE", in(cases[_i].exists ? "ca.pem" : "none.pem"), 1);
	ck_assert_int_eq(source_open(&o, &s, &err) == 0, cases[_i].opens);
	if (!cases[_i].opens)
		ck_assert_msg(err.code == E_NOT_FOUND, "%s", err.msg);
	else if (cases[_i].exists)
		ck_assert_str_eq(s->http.ca_pem, "certificates");
	else
		ck_assert_ptr_null(s->http.ca_pem);
}
END_TEST

START_TEST(documents_are_bounded)
{
	AUTO(source) struct source *s = open_way(_i % 2 ? BY_DIRECTORY : BY_HTTP);
	AUTO(buf) struct buf text = BUF_INIT(0);

	if (_i < 2) {
		ck_assert_int_lt(source_document(s, "release.yaml", 100, &text, &err), 0);
		ck_assert_int_eq(err.code, E_LIMIT);
	} else {
		ck_assert_int_lt(source_document(s, "none.yaml", 100, &text, &err), 0);
		ck_assert_int_eq(err.code, E_NOT_FOUND);
	}
}
END_TEST

START_TEST(a_mirror_can_be_distrusted)
{
	AUTO(str) char *bad = web_url(&web, "swapped"), *good = web_url(&web, "ok");
	char *const mirrors[] = { bad, good, NULL };
	AUTO(source) struct source *s = open_source(mirrors);
	AUTO(buf) struct buf text = BUF_INIT(0), again = BUF_INIT(0), right = BUF_INIT(0);
	struct err why = ERR_INIT;

	(void)err_set(&why, E_TRUST, "it is another one");

	ck_assert_int_eq(file_read(AT_FDCWD, in("r2/release.yaml"), RELEASE_TEXT_MAX, &right, &err),
			 0);
	ck_assert_int_eq(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err), 0);
	ck_assert(memcmp(text.data, right.data, right.len) != 0);
	ck_assert(source_distrust(s, &why));
	ck_assert_int_eq(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &again, &err), 0);
	ck_assert(again.len == right.len && memcmp(again.data, right.data, right.len) == 0);
	(void)err_set(&why, E_TRUST, "its serial is older");
	ck_assert(!source_distrust(s, &why));
	ck_assert_msg(strstr(why.msg, "older") && strstr(why.msg, "another one"), "%s", why.msg);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
}
END_TEST

/* The answer of another mirror is used, and the dead one costs only a moment, without the pauses
 * and time limits of a download. */
START_TEST(a_dead_mirror_is_passed_over)
{
	struct deaf deaf = { 0 };
	int kind = _i / 2;
	AUTO(str) char *good = web_url(&web, "ok");
	AUTO(str) char *dead = NULL;
	AUTO(buf) struct buf text = BUF_INIT(0);
	AUTO(source) struct source *s = NULL;
	struct deadline deadline = deadline_in(25000);

	deaf_start(&deaf);
	dead = kind == 0   ? str_fmt("http://127.0.0.1:%d/", web_free_port())
	       : kind == 1 ? str_fmt("http://127.0.0.1:%d/", deaf.port)
	       : kind == 2 ? xstrdup("http://kata.invalid/")
	       : kind == 3 ? web_url(&web, "silent")
			   : web_url(&web, "busy");
	char *const mirrors[] = { _i % 2 ? good : dead, _i % 2 ? dead : good, NULL };
	AUTO(str) char *cache = xstrdup(in("cache"));
	struct source_options o = { .releases = mirrors,
				    .cache = cache,
				    .patience_ms = _i % 2 ? 60000 : 0 };
	ck_assert_int_eq(source_open(&o, &s, &err), 0);
	ck_assert_int_lt(source_document(s, "none.yaml", CHANNEL_TEXT_MAX, &text, &err), 0);
	ck_assert_msg(err.code == E_NOT_FOUND && strstr(err.msg, good), "%s", err.msg);
	err_clear(&err);
	ck_assert_msg(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err) == 0, "%s",
		      err.msg);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	check_staged(&now, has_nothing);
	ck_assert(!deadline_passed(deadline));
	ck_assert_uint_eq(sites_usable(&s->sites), _i % 2 ? 2 : 1);
	deaf_stop(&deaf);
}
END_TEST

/* The first to answer may have another release, or none: then the slower one is asked again. */
START_TEST(a_slow_mirror_is_asked_again)
{
	AUTO(str) char *slow = web_url(&web, "late"), *bad = web_url(&web, _i ? "swapped" : "404");
	char *const mirrors[] = { slow, bad, NULL };
	AUTO(str) char *cache = xstrdup(in("cache"));
	struct source_options o = { .releases = mirrors, .cache = cache, .patience_ms = 1 };
	AUTO(source) struct source *s = NULL;
	AUTO(buf) struct buf text = BUF_INIT(0);
	struct err why = ERR_INIT;

	(void)err_set(&why, E_TRUST, "it is another one");
	ck_assert_int_eq(source_open(&o, &s, &err), 0);
	ck_assert_int_eq(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err),
			 _i ? 0 : -1);
	ck_assert(source_distrust(s, _i ? &why : &err));
	buf_clear(&text);
	ck_assert_msg(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err) == 0, "%s",
		      err.msg);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	/* Not a third time. */
	err_clear(&why);
	(void)err_set(&why, E_TRUST, "its serial is older");
	ck_assert(!source_distrust(s, &why));
	ck_assert_msg(strstr(why.msg, bad), "%s", why.msg);
}
END_TEST

/* Also if that mirror fails between two documents. */
START_TEST(documents_come_from_one_mirror)
{
	AUTO(str) char *one = web_url(&web, "plain"), *two = web_url(&web, "ok");
	char *const mirrors[] = { one, two, NULL };
	AUTO(source) struct source *s = settled(open_source(mirrors));
	AUTO(buf) struct buf text = BUF_INIT(0);
	AUTO(strv) char **signatures = NULL;

	ck_assert_int_eq(source_signatures(s, "release.yaml", &signatures, &err), 0);
	ck_assert_uint_eq(strv_len(signatures), 3);
	ck_assert_int_lt(source_document(s, "none.yaml", CHANNEL_TEXT_MAX, &text, &err), 0);
	err_clear(&err);
	ck_assert_int_eq(source_enter(s, "none", &err), 0);
	ck_assert_int_lt(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err), 0);
	for (unsigned i = 0; i < web_count(&web); i++)
		ck_assert_msg(str_starts(web_request(&web, i)->path, "plain/"), "%s",
			      web_request(&web, i)->path);
	ck_assert(source_distrust(s, &err));
	/* The next mirror is read from its root again, not below "none". */
	ck_assert_msg(source_document(s, "release.yaml", RELEASE_TEXT_MAX, &text, &err) == 0, "%s",
		      err.msg);
}
END_TEST

/* In the place of a document: a FIFO, a link, and others. */
START_TEST(a_directory_may_be_hostile)
{
	AUTO(source) struct source *s = open_way(BY_DIRECTORY);
	AUTO(buf) struct buf text = BUF_INIT(0);

	ck_assert_int_eq(unlink(in("r2/release.yaml")), 0);
	if (_i == 0)
		ck_assert_int_eq(mkfifo(in("r2/release.yaml"), 0644), 0);
	else if (_i == 1)
		ck_assert_int_eq(symlink("/etc/passwd", in("r2/release.yaml")), 0);
	else if (_i == 2)
		ck_assert_int_eq(symlink("../components.yaml", in("r2/release.yaml")), 0);
	else
		ck_assert_int_eq(mkdir(in("r2/release.yaml"), 0755), 0);
	ck_assert_int_lt(source_document(s, "release.yaml", 1 << 20, &text, &err), 0);
	ck_assert_msg(err.code != E_OK && text.len == 0, "%s", err.msg);
}
END_TEST

/* --- copies --- */

static unsigned count_files(const char *name)
{
	DIR *d = opendir(in(name));
	unsigned n = 0;
	struct dirent *e;

	while (d && (e = readdir(d)))
		n += e->d_name[0] != '.';
	if (d)
		(void)closedir(d);
	return n;
}

START_TEST(a_copy_is_a_source)
{
	AUTO(source) struct source *s = open_way(_i % WAYS);
	AUTO(str) char *copy = xstrdup(in("copy"));
	AUTO(fd) int to = -1;
	bool changed = false;

	ck_assert_msg(s != NULL, "%s", err.msg);
	ck_assert_int_eq(mkdir(copy, 0755), 0);
	to = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(source_copy(s, &now, NULL, to, NULL, &changed, &err) == 0, "%s", err.msg);
	ck_assert(changed);
	/* again: there is nothing left to do */
	ck_assert_msg(source_copy(s, &now, NULL, to, NULL, &changed, &err) == 0, "%s", err.msg);
	ck_assert(!changed);
	ck_assert_msg(release_check(copy, NULL, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(count_files("copy"), count_files("r2"));
	source_close(STEAL(s, NULL));
	s = open_one(copy);
	ck_assert_msg(stage(s, &now, has_nothing, NULL) == 0, "%s", err.msg);
	check_staged(&now, has_nothing);
}
END_TEST

START_TEST(a_copy_of_some_components)
{
	AUTO(source) struct source *s = open_way(_i ? BY_DIRECTORY : BY_HTTP);
	AUTO(str) char *copy = xstrdup(in("copy"));
	char *const names[] = { (char *)(uintptr_t) "runtime", NULL };
	AUTO(fd) int to = -1;
	bool changed = false;

	ck_assert_int_eq(mkdir(copy, 0755), 0);
	to = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(source_copy(s, &now, names, to, NULL, &changed, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(count_files("copy/blobs"), 1);
	ck_assert(changed);
}
END_TEST

START_TEST(a_bad_copy_is_no_release)
{
	AUTO(source) struct source *s = open_way(_i ? BY_DIRECTORY : BY_HTTP);
	AUTO(str) char *blob = str_fmt("r2/blobs/%s.tar.zst", now.components.v[0].blob);
	AUTO(str) char *copy = xstrdup(in("copy"));
	AUTO(fd) int to = -1;
	bool changed;

	damage(blob, 100);
	ck_assert_int_eq(mkdir(copy, 0755), 0);
	to = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_lt(source_copy(s, &now, NULL, to, NULL, &changed, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert(!path_exists(in("copy/release.yaml")));
}
END_TEST

START_TEST(one_copies_to_a_directory_at_a_time)
{
	AUTO(source) struct source *s = open_way(BY_DIRECTORY);
	AUTO(fd) int to = -1, other = -1;
	bool changed = false;

	ck_assert_int_eq(mkdir(in("copy"), 0755), 0);
	to = open(in("copy"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	other = open(in("copy"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(source_copy(s, &now, NULL, other, NULL, &changed, &err) == 0, "%s", err.msg);
	ck_assert_int_lt(source_copy(s, &now, NULL, to, NULL, &changed, &err), 0);
	ck_assert_msg(err.code == E_STATE && strstr(err.msg, "wait until it has ended"), "%s",
		      err.msg);
	err_clear(&err);
	(void)close(STEAL(other, -1));
	ck_assert_msg(source_copy(s, &now, NULL, to, NULL, &changed, &err) == 0, "%s", err.msg);
}
END_TEST

/* What was synced while the copy had no release.yaml. */
static struct buf synced = BUF_INIT(16384);

int fsync(int fd)
{
	AUTO(str) char *self = str_fmt("/proc/self/fd/%d", fd);
	char name[PATH_MAX] = "";

	if (readlink(self, name, sizeof(name) - 1) > 0 && !path_exists(in("copy/release.yaml")))
		buf_fmt(&synced, "%s\n", path_basename(name));
	return (int)syscall(SYS_fsync, fd);
}

/* Otherwise after a power failure release.yaml could be there without them. */
START_TEST(the_blobs_of_a_copy_are_on_disk_before_its_release)
{
	AUTO(source) struct source *s = open_way(BY_DIRECTORY);
	AUTO(fd) int to = -1;
	bool changed = false;

	ck_assert_int_eq(mkdir(in("copy"), 0755), 0);
	to = open(in("copy"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(source_copy(s, &now, NULL, to, NULL, &changed, &err) == 0, "%s", err.msg);
	ck_assert_msg(strstr(buf_cstr(&synced), "\nblobs\npatches\n"), "%s", buf_cstr(&synced));
	buf_release(&synced);
}
END_TEST

/* A killed or failed fetch leaves the older copy unchanged and usable. */
START_TEST(an_older_copy_stays_until_the_new_one_is_there)
{
	AUTO(str) char *hang = web_url(&web, "hang"), *good = web_url(&web, "ok");
	AUTO(str) char *copy = xstrdup(in("copy")), *r1 = xstrdup(in("r1"));
	AUTO(str) char *part = str_fmt("copy/blobs/%s.tar.zst.part", now.components.v[0].blob);
	struct deadline deadline = deadline_in(30000);
	struct source *s = open_one(r1);
	struct stat st = { 0 };
	AUTO(fd) int to = -1;
	bool changed = false;
	pid_t pid;

	ck_assert_int_eq(mkdir(copy, 0755), 0);
	to = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_msg(source_copy(s, &old, NULL, to, NULL, &changed, &err) == 0, "%s", err.msg);
	source_close(s);
	pid = fork();
	if (pid == 0) {
		/* Documents come whole, blobs do not. */
		char *const mirrors[] = { good, hang, NULL };
		AUTO(buf) struct buf text = BUF_INIT(0);
		char **texts;

		s = settled(open_source(mirrors));
		(void)!source_signatures(s, "release.yaml", &texts, &err);
		(void)!source_document(s, "channel.yaml", CHANNEL_TEXT_MAX, &text, &err);
		(void)!source_signatures(s, "channel.yaml", &texts, &err);
		(void)err_set(&err, E_TRUST, "to have its blobs from the other");
		(void)sites_set_aside(&s->sites, 0, &err);
		err_clear(&err);
		(void)!source_copy(s, &now, NULL, to, NULL, &changed, &err);
		_exit(0);
	}
	while (stat(in(part), &st) < 0 || st.st_size == 0) {
		ck_assert(!deadline_passed(deadline));
		(void)poll(NULL, 0, 5);
	}
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_msg(release_check(copy, NULL, &err) == 0, "%s", err.msg);
	/* After a complete fetch it is the new one, without missing or additional files. */
	s = open_one(good);
	ck_assert_msg(source_copy(s, &now, NULL, to, NULL, &changed, &err) == 0, "%s", err.msg);
	source_close(s);
	ck_assert_msg(release_check(copy, NULL, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(count_files("copy/blobs"), count_files("r2/blobs"));
	ck_assert_uint_eq(count_files("copy/patches"), count_files("r2/patches"));
	ck_assert_uint_eq(count_files("copy"), count_files("r2"));
}
END_TEST

/* --- fetching and laying down --- */

static bool engine_has(void *arg, const struct entry *e)
{
	return deploy_has(arg, e);
}

START_TEST(what_was_fetched_can_be_laid_down)
{
	AUTO(source) struct source *s = open_way(_i ? BY_TAR : BY_HTTP);
	AUTO(str) char *prefix = xstrdup(in("opt")), *lock = xstrdup(in("lock"));
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1700000001 };
	struct deploy_change change = { 0 };
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(buf) struct buf text = BUF_INIT(0);

	ck_assert_msg(deploy_open(&o, DEPLOY_CHANGE, &d, &err) == 0, "%s", err.msg);
	AUTO(fd) int to = deploy_stage(d, "release", &err);
	ck_assert_int_ge(to, 0);
	ck_assert_msg(
		source_stage(s, &now, &now.layout, engine_has, NULL, d, to, NULL, &cost, &err) == 0,
		"%s", err.msg);
	ck_assert_msg(deploy_lay_down(d, &now.layout, "release", &change, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(file_read(AT_FDCWD, in("opt/bin/kata"), NOISE, &text, &err), 0);
	ck_assert_uint_eq(text.len, NOISE);
	struct stat st;
	ck_assert_int_eq(stat(in("opt/bin/kata"), &st), 0);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_uint_eq(st.st_mode & 07777, 0555);
}
END_TEST

/* The digest of the blob is right, but not those of its files, which the engine computes before it
 * lays anything down. */
START_TEST(a_signed_blob_with_other_contents_is_refused)
{
	AUTO(source) struct source *s = open_way(_i ? BY_DIRECTORY : BY_HTTP);
	AUTO(str) char *prefix = xstrdup(in("opt")), *lock = xstrdup(in("lock"));
	struct deploy_options o = { .prefix = prefix, .lock = lock, .now = 1700000001 };
	struct deploy_change change = { 0 };
	AUTO(deploy) struct deploy *d = NULL;

	vec_each(struct entry, e, &now.layout.entries) {
		if (str_eq(e->path, "bin/shim"))
			e->sha256[0] = e->sha256[0] == '0' ? '1' : '0';
	}
	ck_assert_msg(deploy_open(&o, DEPLOY_CHANGE, &d, &err) == 0, "%s", err.msg);
	AUTO(fd) int to = deploy_stage(d, "release", &err);
	ck_assert_int_ge(to, 0);
	if (source_stage(s, &now, &now.layout, engine_has, NULL, d, to, NULL, &cost, &err) == 0)
		ck_assert_int_lt(deploy_lay_down(d, &now.layout, "release", &change, &err), 0);
	ck_assert_msg(err.code == E_INVALID && strstr(err.msg, "bin/shim"), "%s", err.msg);
	deploy_close(STEAL(d, NULL));
	ck_assert(!path_exists(in("opt")));
}
END_TEST

struct progress_seen {
	uint64_t fetched, unpacked;
};

static void on_progress(void *arg, const char *phase, uint64_t done, uint64_t total)
{
	struct progress_seen *p = arg;

	ck_assert_uint_le(done, total);
	if (str_eq(phase, "fetch"))
		p->fetched = done;
	else
		p->unpacked = done;
}

START_TEST(progress_counts_every_byte)
{
	AUTO(source) struct source *s = open_way(BY_HTTP);
	struct progress_seen seen = { 0 };
	struct source_progress progress = { on_progress, &seen };
	uint64_t all = now.components.v[0].size + now.components.v[1].size;

	ck_assert_msg(source_stage(s, &now, &now.layout, has_nothing, NULL, NULL, staging,
				   &progress, &cost, &err) == 0,
		      "%s", err.msg);
	ck_assert_uint_eq(seen.fetched, all);
	ck_assert_uint_eq(seen.unpacked, all);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_fetch");
	TCase *t = tcase_create("deploy_fetch");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, a_release_comes_every_way, 0, WAYS);
	tcase_add_loop_test(t, only_what_is_missing_comes, 0, 2);
	tcase_add_test(t, nothing_missing_costs_nothing);
	tcase_add_loop_test(t, a_bad_patch_is_replaced_by_the_blob, 0, 6);
	tcase_add_loop_test(t, a_wrong_blob_is_refused, 0, 7);
	tcase_add_loop_test(t, a_signed_blob_with_other_contents_is_refused, 0, 2);
	tcase_add_loop_test(t, a_bomb_is_refused, 0, 2);
	tcase_add_loop_test(t, an_interrupted_download_is_resumed, 0, 2);
	tcase_add_test(t, a_failed_run_keeps_what_it_has_fetched);
	tcase_add_loop_test(t, parts_of_other_releases_are_removed, 0, 2);
	tcase_add_test(t, a_killed_run_is_resumed);
	tcase_add_loop_test(t, a_cache_that_others_can_write_is_not_used, 0, 3);
	tcase_add_test(t, the_cache_has_one_user_at_a_time);
	tcase_add_loop_test(t, a_full_disk_is_an_error_of_its_own, 0, 3);
	tcase_add_loop_test(t, a_signal_ends_it, 0, 2);
	tcase_add_test(t, an_archive_is_known_by_its_names);
	tcase_add_loop_test(t, locations_that_are_no_source_are_refused, 0, 10);
	tcase_add_loop_test(t, certificates_are_read_for_redirects, 0, 5);
	tcase_add_loop_test(t, documents_are_bounded, 0, 4);
	tcase_add_test(t, a_mirror_can_be_distrusted);
	tcase_add_loop_test(t, a_dead_mirror_is_passed_over, 0, 10);
	tcase_add_loop_test(t, a_slow_mirror_is_asked_again, 0, 2);
	tcase_add_test(t, documents_come_from_one_mirror);
	tcase_add_loop_test(t, a_directory_may_be_hostile, 0, 4);
	tcase_add_loop_test(t, a_copy_is_a_source, 0, WAYS);
	tcase_add_loop_test(t, a_copy_of_some_components, 0, 2);
	tcase_add_loop_test(t, a_bad_copy_is_no_release, 0, 2);
	tcase_add_test(t, one_copies_to_a_directory_at_a_time);
	tcase_add_test(t, the_blobs_of_a_copy_are_on_disk_before_its_release);
	tcase_add_test(t, an_older_copy_stays_until_the_new_one_is_there);
	tcase_add_loop_test(t, what_was_fetched_can_be_laid_down, 0, 2);
	tcase_add_test(t, progress_counts_every_byte);
	suite_add_tcase(s, t);
	return suite_run(s);
}
