// SPDX-License-Identifier: Apache-2.0
/*
 * deploy/release/build.h: a release is built from a tree, with the same bytes whoever builds it;
 * tar, zstd and minisign can read it; errors in a tree or a release are found.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "archive/walk.h"
#include "base/deadline.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TEXT_MAX = 8 << 20, BIG = 300000 };

#define CREATED UINT64_C(1700000000)

static const char components[] = "components:\n"
				 "  - name: runtime\n"
				 "    text: what runs\n"
				 "    required: true\n"
				 "    paths: [\"bin/*\", etc, share/defaults]\n"
				 "  - name: guest\n"
				 "    text: what boots\n"
				 "    paths: [share/guest]\n"
				 "    sources: share/guest/sources.yaml\n"
				 "  - name: nothing\n"
				 "    text: is not there\n"
				 "    paths: [libexec]\n"
				 "copies:\n"
				 "  - from: share/defaults/kata.toml\n"
				 "    to: etc/kata.toml\n";

#define SOURCE_SUM "91aca71520040edc40b8d437aa3004dae614f58e286cf653ee8996c07af2962f"

/* The sources of the component guest. */
static const char sources[] = "sources:\n"
			      "  - name: linux\n"
			      "    version: \"6.1\"\n"
			      "    licence: GPL-2.0-only\n"
			      "    package: pkg:deb/debian/linux@6.1?arch=source\n"
			      "    file: linux.tar.xz\n"
			      "    sha256: \"" SOURCE_SUM "\"\n"
			      "  - name: zlib\n"
			      "    version: 1.2.13\n"
			      "    licence: Zlib\n"
			      "    package: pkg:deb/debian/zlib@1.2.13?arch=source\n"
			      "    file: zlib_1.2.13.dsc\n"
			      "    sha256: \"" SOURCE_SUM "\"\n"
			      "    linked: true\n";

static char dir[SCRATCH_DIR];
static struct err err;

/* The path dir/NAME, valid until the next test. */
static const char *in(const char *name)
{
	static char *kept[64];
	static unsigned next;

	next = (next + 1) % ARRAY_LEN(kept);
	free(kept[next]);
	kept[next] = path_join(dir, name);
	return kept[next];
}

static void put_bytes(const char *name, const void *data, size_t len, mode_t mode)
{
	scratch_write(dir, name, data, len, mode);
}

static void put(const char *name, const char *text, mode_t mode)
{
	put_bytes(name, text, strlen(text), mode);
}

static void get(const char *name, struct buf *out)
{
	ck_assert_msg(file_read(AT_FDCWD, in(name), TEXT_MAX, out, &err) == 0, "%s", err.msg);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "build");
	ck_assert_int_eq(chmod(dir, 0777), 0);
	put("components.yaml", components, 0644);
}

static void teardown(void)
{
	scratch_remove(dir);
}

/* Pseudo-random bytes, which do not compress; the same for the same seed. */
static void noise(unsigned char *to, size_t len, uint32_t seed)
{
	for (size_t i = 0; i < len; i++) {
		seed = seed * 1664525 + 1013904223;
		to[i] = (unsigned char)(seed >> 24);
	}
}

/* A tree below dir/NAME; the larger file differs a little from version to version. */
static void make_tree(const char *name, unsigned version)
{
	AUTO(mem) unsigned char *big = xmalloc(BIG);
	AUTO(str) char *base = str_fmt("%s/", name), *path = NULL;

	noise(big, BIG, 7);
	big[BIG / 2] ^= (unsigned char)version;
	path = str_fmt("%sshare/guest/vmlinux", base);
	put_bytes(path, big, BIG, 0644);
	noise(big, 5000, version);
	free(path);
	path = str_fmt("%sshare/guest/random", base);
	put_bytes(path, big, 5000, 0644);
	free(path);
	path = str_fmt("%sbin/shim", base);
	put(path, "#!shim\n", 0755);
	free(path);
	path = str_fmt("%sshare/guest/%0120d", base, 1); /* more than a ustar name */
	put(path, "long\n", 0644);
	free(path);
	path = str_fmt("%sshare/defaults/kata.toml", base);
	put(path, "debug = false\n", 0644);
	free(path);
	path = str_fmt("%sshare/guest/sources.yaml", base);
	put(path, sources, 0644);
	free(path);
	path = xstrdup(in(name));
	AUTO(str) char *link = path_join(path, "bin/kata");
	ck_assert_int_eq(symlink("shim", link), 0);
}

static struct release_build_options options(const char *tree, const char *out)
{
	return (struct release_build_options){
		.tree = tree,
		.out = out,
		.components = in("components.yaml"),
		.version = "3.10.0",
		.architecture = "x86_64",
		.serial = 7,
		.created = CREATED,
		.guest_kernel = "6.1.170",
		.agent = "3.10.0",
		.source = "git+https://example.org/kata",
		.commit = "0123456789012345678901234567890123456789",
		.level = 3,
	};
}

static void build(const char *tree, const char *out, char *const *old, const char *version)
{
	AUTO(str) char *from = xstrdup(in(tree)), *to = xstrdup(in(out));
	struct release_build_options o = options(from, to);

	o.old = old;
	o.serial += old ? 1 : 0;
	o.version = version;
	ck_assert_msg(release_build(&o, &err) == 0, "%s", err.msg);
}

/* Makes the tree "t", and builds the release "r" from it. */
static void usual(void)
{
	make_tree("t", 1);
	build("t", "r", NULL, "3.10.0");
}

static void load(const char *name, struct release *r)
{
	ck_assert_msg(release_load(in(name), r, &err) == 0, "%s", err.msg);
}

static int run(char *const *argv)
{
	struct spawn s = { .argv = argv, .cwd = dir };
	struct err failed = ERR_INIT;

	return spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &failed);
}

START_TEST(a_release_is_what_the_tree_was)
{
	AUTO(release) struct release r = RELEASE_INIT;
	const struct entry *e;

	usual();
	load("r", &r);
	ck_assert_str_eq(r.version, "3.10.0");
	ck_assert_uint_eq(r.created, CREATED);
	ck_assert_uint_gt(r.expires, CREATED);
	ck_assert_uint_eq(r.components.n, 2);
	ck_assert_ptr_null(release_component(&r, "nothing"));
	ck_assert(release_component(&r, "runtime")->required);
	ck_assert_uint_eq(r.layout.entries.n, 8);
	e = layout_find(&r.layout, "bin/shim");
	ck_assert(e && entry_is_exec(e) && e->mode == 0555);
	ck_assert_str_eq(layout_find(&r.layout, "bin/kata")->target, "shim");
	ck_assert(entry_is_conf(layout_find(&r.layout, "etc/kata.toml")));
	ck_assert_ptr_nonnull(layout_find(&r.layout, "share/defaults/kata.toml"));
	ck_assert_msg(release_check(in("r"), NULL, &err) == 0, "%s", err.msg);
}
END_TEST

/* tar and zstd unpack it to the same tree. */
START_TEST(a_blob_is_a_plain_archive)
{
	AUTO(release) struct release r = RELEASE_INIT;

	usual();
	load("r", &r);
	ck_assert_int_eq(mkdir(in("x"), 0755), 0);
	vec_each(struct release_component, c, &r.components) {
		AUTO(str) char *blob = str_fmt("r/blobs/%s.tar.zst", c->blob);

		ck_assert_int_eq(run(ARGV("tar", "--zstd", "-xf", blob, "-C", "x")), 0);
	}
	ck_assert_int_eq(run(ARGV("rm", "-r", "x/etc")), 0);
	ck_assert_int_eq(run(ARGV("diff", "-r", "--no-dereference", "t", "x")), 0);
}
END_TEST

/* Builds the same release as another user, with another umask, elsewhere, at another time. */
static void build_as_other(const char *tree, const char *out, const char *old)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		AUTO(strv) char **olds = NULL;
		AUTO(str) char *from = NULL, *to = NULL;
		struct release_build_options o;

		if (getuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		(void)umask(077);
		make_tree(tree, 2);
		from = xstrdup(in(tree));
		to = xstrdup(in(out));
		if (run(ARGV("find", tree, "-exec", "touch", "-h", "-d", "@1234567890", "{}",
			     "+")) != 0)
			_exit(3);
		o = options(from, to);
		strv_push(&olds, old);
		o.old = olds;
		o.serial++;
		o.version = "3.11.0";
		_exit(release_build(&o, &err) < 0 ? 4 : 0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

START_TEST(a_release_is_the_same_whoever_builds_it)
{
	AUTO(strv) char **old = NULL;
	AUTO(release) struct release r = RELEASE_INIT;

	usual();
	strv_push(&old, in("r"));
	make_tree("t2", 2);
	build("t2", "r2", old, "3.11.0");
	ck_assert_int_eq(mkdir(in("elsewhere"), 0777), 0);
	ck_assert_int_eq(chmod(in("elsewhere"), 0777), 0);
	build_as_other("elsewhere/deeper/tree", "elsewhere/out", old[0]);
	ck_assert_int_eq(run(ARGV("diff", "-r", "r2", "elsewhere/out")), 0);
	load("elsewhere/out", &r);
	ck_assert_uint_eq(r.patches.n, 1);
}
END_TEST

START_TEST(a_patch_makes_the_new_file)
{
	AUTO(strv) char **old = NULL;
	AUTO(release) struct release r = RELEASE_INIT;
	const struct release_patch *p;

	usual();
	strv_push(&old, in("r"));
	make_tree("t2", 2);
	build("t2", "r2", old, "3.11.0");
	load("r2", &r);
	/* There is no patch for unchanged files, nor where it would hardly be smaller. */
	ck_assert_uint_eq(r.patches.n, 1);
	p = &r.patches.v[0];
	ck_assert_str_eq(p->target, layout_find(&r.layout, "share/guest/vmlinux")->sha256);
	ck_assert_uint_lt(p->size, BIG / 10);
	ck_assert_ptr_eq(release_patch(&r, p->base, p->target), p);
	ck_assert_ptr_null(release_patch(&r, p->target, p->base));
	AUTO(str) char *patch = str_fmt("r2/patches/%s.zst", p->sha256);
	ck_assert_int_eq(run(ARGV("zstd", "-q", "-d", "--long=31",
				  "--patch-from=t/share/guest/vmlinux", patch, "-o", "made")),
			 0);
	ck_assert_int_eq(run(ARGV("cmp", "made", "t2/share/guest/vmlinux")), 0);
	ck_assert_msg(release_check(in("r2"), NULL, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(access(in("r2/patches/base"), F_OK), -1);
	ck_assert_int_eq(access(in("r2/patches/new"), F_OK), -1);
	AUTO(release) struct release before = RELEASE_INIT;
	load("r", &before);
	AUTO(json) struct json *diff = release_diff(&before, &r);
	const struct json *files = json_get(diff, "files");
	ck_assert_uint_eq(json_count(json_get(files, "added")), 0);
	ck_assert_uint_eq(json_count(json_get(files, "removed")), 0);
	ck_assert_uint_eq(json_count(json_get(files, "changed")), 2);
	/* "random" has no patch, so the blob is needed. */
	ck_assert_int_eq(json_int(json_get(diff, "download")),
			 (int64_t)release_component(&r, "guest")->size);
}
END_TEST

/* Two files with the same change share one patch file, with a row in the manifest for each. */
START_TEST(a_patch_can_be_for_two_files)
{
	AUTO(strv) char **old = NULL;
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(mem) unsigned char *data = xmalloc(20000);

	make_tree("t", 1);
	make_tree("t2", 1);
	for (unsigned i = 0; i < 2; i++) {
		AUTO(str) char *was = str_fmt("t/share/guest/same%u", i);
		AUTO(str) char *is = str_fmt("t2/share/guest/same%u", i);

		noise(data, 20000, 100 + i);
		put_bytes(was, data, 20000, 0644);
		data[10000] = 'x';
		put_bytes(is, data, 20000, 0644);
	}
	build("t", "r", NULL, "3.10.0");
	strv_push(&old, in("r"));
	build("t2", "r2", old, "3.11.0");
	load("r2", &r);
	ck_assert_uint_eq(r.patches.n, 2);
	ck_assert_str_eq(r.patches.v[0].sha256, r.patches.v[1].sha256);
	ck_assert_msg(release_check(in("r2"), NULL, &err) == 0, "%s", err.msg);
}
END_TEST

START_TEST(differences_of_releases_are_listed)
{
	AUTO(release) struct release a = RELEASE_INIT, b = RELEASE_INIT;
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	AUTO(file) FILE *to = NULL;

	usual();
	ck_assert_int_eq(unlink(in("t/bin/kata")), 0);
	put("t/bin/more", "more\n", 0755);
	put("t/bin/shim", "#!newer shim\n", 0755);
	build("t", "r2", NULL, "3.11.0");
	load("r", &a);
	load("r2", &b);
	AUTO(json) struct json *diff = release_diff(&a, &b);
	const struct json *files = json_get(diff, "files");
	ck_assert_str_eq(json_text(json_get(json_at(json_get(files, "added"), 0), "path")),
			 "bin/more");
	ck_assert_str_eq(json_text(json_get(json_at(json_get(files, "removed"), 0), "path")),
			 "bin/kata");
	ck_assert_str_eq(json_text(json_get(json_at(json_get(files, "changed"), 0), "path")),
			 "bin/shim");
	ck_assert_int_eq(json_int(json_get(diff, "download")),
			 (int64_t)release_component(&b, "runtime")->size);
	to = fopen(in("text"), "w");
	ck_assert_ptr_nonnull(to);
	release_diff_print(diff, to);
	(void)fflush(to);
	get("text", &text);
	ck_assert_msg(strstr(text.data, "+ bin/more 5\n") && strstr(text.data, "- bin/kata 0\n") &&
			      strstr(text.data, "~ bin/shim 7 -> 13\n"),
		      "%s", text.data);
	AUTO(json) struct json *none = release_diff(&a, &a);
	ck_assert_int_eq(json_int(json_get(none, "download")), 0);
}
END_TEST

static const struct {
	const char *what;
	enum err_code code;
	const char *says;
} wrong_trees[] = {
	{ "unowned", E_INVALID, "lib/stray" },
	{ "owned twice", E_INVALID, "both" },
	{ "setuid", E_INVALID, "bin/su" },
	{ "fifo", E_INVALID, "bin/fifo" },
	{ "link out", E_INVALID, "bad target" },
	{ "foreign top", E_INVALID, "below bin" },
	{ "required", E_INVALID, "'guest' is required" },
	{ "not empty", E_EXISTS, "not empty" },
	{ "no copy", E_NOT_FOUND, "kata.toml" },
	{ "no tree", E_NOT_FOUND, "tree" },
	{ "no time", E_USAGE, "SOURCE_DATE_EPOCH" },
	{ "old serial", E_USAGE, "not above 7, that of kata 3.10.0 in" },
	{ "old is none", E_NOT_FOUND, "patches from" },
	{ "old is damaged", E_NOT_FOUND, "patches from" },
	{ "no sources", E_NOT_FOUND, "read the sources of component 'guest'" },
	{ "a source without a digest", E_INVALID, "share/guest/sources.yaml: source 1" },
};

/* Makes the tree wrong, in the cases that are about the tree. */
static void spoil_tree(int what)
{
	switch (what) {
	case 0:
		put("t/lib/stray", "x", 0644);
		break;
	case 2:
		put("t/bin/su", "x", 0755);
		ck_assert_int_eq(chmod(in("t/bin/su"), 04755), 0);
		break;
	case 3:
		ck_assert_int_eq(mkfifo(in("t/bin/fifo"), 0644), 0);
		break;
	case 4:
		ck_assert_int_eq(symlink("/etc/passwd", in("t/bin/passwd")), 0);
		break;
	case 7:
		put("r/x", "x", 0644);
		break;
	case 8:
		ck_assert_int_eq(unlink(in("t/share/defaults/kata.toml")), 0);
		break;
	case 14:
		ck_assert_int_eq(unlink(in("t/share/guest/sources.yaml")), 0);
		break;
	case 15:
		put("t/share/guest/sources.yaml",
		    "sources:\n  - {name: a, version: \"1\", licence: Zlib, package: \"pkg:a\", "
		    "file: a}\n",
		    0644);
		break;
	default:
		break;
	}
}

/* Makes the list of components wrong. */
static void spoil_components(int what)
{
	switch (what) {
	case 1:
		put("components.yaml",
		    "components:\n  - {name: a, text: a, paths: [\"*\"]}\n"
		    "  - {name: b, text: b, paths: [bin]}\ncopies: []\n",
		    0644);
		break;
	case 5:
		put("components.yaml",
		    "components:\n  - {name: a, text: a, paths: [\"*\"]}\n"
		    "copies: []\n",
		    0644);
		put("t/state/x", "x", 0644);
		break;
	case 6:
		put("components.yaml",
		    "components:\n  - {name: a, text: a, paths: [\"*\"]}\n"
		    "  - {name: guest, text: b, required: true, paths: [x]}\n"
		    "copies: []\n",
		    0644);
		break;
	default:
		break;
	}
}

static void usual_release(const char *name)
{
	build("t", name, NULL, "3.10.0");
}

/* Makes the options wrong. */
static void spoil_options(int what, struct release_build_options *o)
{
	static char gone[] = "/nonexistent";
	static char *const old[] = { gone, NULL };
	static char *before[] = { NULL, NULL };

	before[0] = (char *)in("before");

	switch (what) {
	case 9:
		o->tree = "/nonexistent";
		break;
	case 10:
		(void)unsetenv("SOURCE_DATE_EPOCH");
		o->created = 0;
		break;
	case 11:
		usual_release("before");
		o->old = before;
		break;
	case 12:
		o->old = old;
		break;
	case 13:
		usual_release("before");
		put("t/bin/shim", "another one\n", 0755);
		ck_assert_int_eq(run(ARGV("rm", "-r", "before/blobs")), 0);
		o->serial++;
		o->old = before;
		break;
	default:
		break;
	}
}

START_TEST(a_tree_that_is_wrong_is_refused)
{
	AUTO(str) char *tree = xstrdup(in("t")), *out = xstrdup(in("r"));
	struct release_build_options o = options(tree, out);

	make_tree("t", 1);
	spoil_tree(_i);
	spoil_components(_i);
	spoil_options(_i, &o);
	ck_assert_int_lt(release_build(&o, &err), 0);
	ck_assert_msg(err.code == wrong_trees[_i].code, "%s: %s", wrong_trees[_i].what, err.msg);
	ck_assert_msg(strstr(err.msg, wrong_trees[_i].says) != NULL, "%s: %s", wrong_trees[_i].what,
		      err.msg);
	/* Existing files stay; no part of the release is left. */
	ck_assert_int_eq(path_exists(out), path_exists(in("r/x")));
}
END_TEST

START_TEST(the_time_comes_from_the_environment)
{
	AUTO(str) char *tree = xstrdup(in("t")), *out = xstrdup(in("r"));
	struct release_build_options o = options(tree, out);
	AUTO(release) struct release r = RELEASE_INIT;

	make_tree("t", 1);
	o.created = 0;
	(void)setenv("SOURCE_DATE_EPOCH", "1600000000", 1);
	ck_assert_msg(release_build(&o, &err) == 0, "%s", err.msg);
	load("r", &r);
	ck_assert_uint_eq(r.created, 1600000000);
}
END_TEST

static void make_key(struct minisig_secret *secret, const char *name)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig_key key;

	ck_assert_int_eq(minisig_generate(secret, &err), 0);
	minisig_public(secret, &key);
	minisig_key_format(&key, &text);
	put(name, text.data, 0644);
}

static struct trust *trusting(const char *one, const char *other)
{
	AUTO(str) char *first = xstrdup(in(one)), *second = xstrdup(in(other));
	char *const keys[] = { first, second, NULL };
	struct trust_options o = { .keys = keys, .threshold = 2, .allow_expired = true };
	struct trust *t = NULL;

	ck_assert_msg(trust_open(&o, -1, &t, &err) == 0, "%s", err.msg);
	return t;
}

START_TEST(signatures_stand_side_by_side)
{
	AUTO(minisig_secret) struct minisig_secret one, other;
	AUTO(trust) struct trust *t = NULL;

	usual();
	make_key(&one, "one.pub");
	make_key(&other, "other.pub");
	t = trusting("one.pub", "other.pub");
	ck_assert_msg(release_sign(in("r"), &one, "one", &err) == 0, "%s", err.msg);
	ck_assert_int_lt(release_check(in("r"), t, &err), 0);
	ck_assert_int_eq(err.code, E_TRUST);
	err_clear(&err);
	ck_assert_int_eq(release_sign(in("r"), &other, "other", &err), 0);
	ck_assert_int_eq(release_sign(in("r"), &one, "again", &err), 0);
	ck_assert_int_eq(access(in("r/release.yaml.1.minisig"), F_OK), 0);
	ck_assert_int_eq(access(in("r/release.yaml.2.minisig"), F_OK), -1);
	ck_assert_int_eq(access(in("r/channel.yaml.1.minisig"), F_OK), 0);
	ck_assert_msg(release_check(in("r"), t, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(run(ARGV("minisign", "-V", "-p", "one.pub", "-m", "r/release.yaml")), 0);
	ck_assert_int_eq(run(ARGV("minisign", "-V", "-p", "other.pub", "-m", "r/channel.yaml", "-x",
				  "r/channel.yaml.1.minisig")),
			 0);
}
END_TEST

/* Replaces the first from by to, of the same length, in a file. */
static void edit(const char *name, const char *from, const char *to)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	char *at;

	get(name, &text);
	at = strstr(text.data, from);
	ck_assert_msg(at != NULL, "'%s' is not in %s", from, name);
	memcpy(at, to, strlen(from));
	put_bytes(name, text.data, text.len, 0644);
}

static void flip(const char *name, size_t at)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);

	get(name, &text);
	text.data[at] ^= 1;
	put_bytes(name, text.data, text.len, 0644);
}

START_TEST(a_release_that_was_changed_is_noticed)
{
	AUTO(minisig_secret) struct minisig_secret one, other;
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(strv) char **old = NULL;
	AUTO(trust) struct trust *t = NULL;
	AUTO(str) char *blob = NULL, *patch = NULL;
	enum err_code code = E_INVALID;

	usual();
	strv_push(&old, in("r"));
	make_tree("t2", 2);
	build("t2", "r2", old, "3.11.0");
	make_key(&one, "one.pub");
	make_key(&other, "other.pub");
	t = trusting("one.pub", "other.pub");
	ck_assert_int_eq(release_sign(in("r2"), &one, "one", &err), 0);
	ck_assert_int_eq(release_sign(in("r2"), &other, "other", &err), 0);
	load("r2", &r);
	blob = str_fmt("r2/blobs/%s.tar.zst", r.components.v[0].blob);
	patch = str_fmt("r2/patches/%s.zst", r.patches.v[0].sha256);
	switch (_i) {
	case 0:
		flip(blob, 1000);
		break;
	case 1:
		ck_assert_int_eq(truncate(in(blob), 1000), 0);
		break;
	case 2:
		ck_assert_int_eq(unlink(in(blob)), 0);
		code = E_NOT_FOUND;
		break;
	case 3:
		flip(patch, 10);
		break;
	case 4:
		edit("r2/" RELEASE_SBOM, "what runs", "what walks");
		break;
	case 5:
		edit("r2/" RELEASE_PROVENANCE, "example.org", "example.com");
		break;
	case 6:
		edit("r2/release.yaml", "what runs", "what reads");
		code = E_TRUST;
		break;
	case 7:
		edit("r2/channel.yaml", "stable", "stably");
		code = E_TRUST;
		break;
	default:
		put("r2/channel.yaml.minisig", "nonsense\n", 0644);
		break;
	}
	ck_assert_int_lt(release_check(in("r2"), t, &err), 0);
	ck_assert_msg(err.code == code, "%s", err.msg);
}
END_TEST

/* Only the contents of the blobs show this: the manifest has the digests of other files. */
/* Replaces the digest of a file, in another file, by the digest of its present contents. */
static void edit_digest(const char *name, const char *from, const char *of)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	char now[65];

	get(of, &text);
	sha256_hex(text.data, text.len, now);
	edit(name, from, now);
}

START_TEST(each_blob_must_be_a_subject)
{
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	char before[65];

	usual();
	load("r", &r);
	get("r/release.yaml", &text);
	sha256_hex(text.data, text.len, before);
	ck_assert_uint_ge(r.components.n, 2);
	/* One subject is listed twice, another is missing; each is named and has a digest. */
	for (int i = 0; i < 2; i++)
		edit("r/" RELEASE_PROVENANCE, r.components.v[0].blob, r.components.v[1].blob);
	edit_digest("r/release.yaml", r.provenance, "r/" RELEASE_PROVENANCE);
	edit_digest("r/channel.yaml", before, "r/release.yaml");
	ck_assert_int_lt(release_check(in("r"), NULL, &err), 0);
	ck_assert_msg(strstr(err.msg, "subject") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(a_blob_with_other_contents_is_noticed)
{
	AUTO(str) char *digest = xcalloc(1, SHA256_HEX + 1), *zeros = xcalloc(1, SHA256_HEX + 1);
	AUTO(release) struct release r = RELEASE_INIT;

	usual();
	load("r", &r);
	if (_i == 0) {
		memcpy(digest, layout_find(&r.layout, "bin/shim")->sha256, SHA256_HEX);
		memset(zeros, '0', SHA256_HEX);
		edit("r/release.yaml", digest, zeros);
	} else if (_i == 1) {
		edit("r/release.yaml", "path: bin/shim", "path: bin/ship");
	} else if (_i == 2) {
		edit("r/release.yaml", "target: shim", "target: kata");
	} else {
		edit("r/release.yaml", "component: runtime", "component: guest  ");
	}
	ck_assert_int_lt(release_check(in("r"), NULL, &err), 0);
	ck_assert_msg(err.code == E_INVALID, "%s", err.msg);
}
END_TEST

/* For each rule of SPDX that sbom_check() checks, a document that breaks it. */
START_TEST(a_bill_of_materials_keeps_the_rules)
{
	static const char *const edits[][2] = {
		{ "SPDX-2.3", "SPDX-2.2" },
		{ "CC0-1.0", "CC1-1.0" },
		{ "SPDXRef-DOCUMENT", "SPDXRef-DOCUMENU" },
		{ "https://spdx.org", "https#//spdx.org" },
		{ "2023-11-14T", "2023-11-14 " },
		{ "Tool: ", "" }, /* marks: no creators */
		{ "SPDXRef-Package-1", "SPDXRef-Package_1" },
		{ "SPDXRef-Package-2", "SPDXRef-Package-1" },
		{ "SPDXRef-File-2", "SPDXRef-File-1" },
		{ "DESCRIBES", "DESCRIBED" },
		{ "CONTAINS", "DEPENDED" },
		{ "\"SHA1\"", "\"SHA0\"" },
		{ "\"SHA256\"", "\"SHA257\"" },
		{ "./bin/shim", "./bin/shin" },
		{ "./bin/shim", "/.bin/shim" },
		{ "packageVerificationCodeValue\": \"", "packageVerificationCodeValue\": \"x" },
		{ "downloadLocation", "downloadLocatiom" },
		{ "\"name\": \"guest\"", "\"name\": \"ghost\"" },
		{ "GENERATED_FROM", "GENERATED" },
		{ "STATIC_LINK", "DESCRIBES" },
		{ "SPDXRef-Source-1", "SPDXRef-Source-2" },
		{ "licenseDeclared\": \"Zlib", "licenceDeclared\": \"Zlib" },
		{ SOURCE_SUM, "91aca7" },
	};
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX), changed = BUF_INIT(TEXT_MAX);
	AUTO(json) struct json *good = NULL, *j = NULL;
	const char *from, *to, *at;

	if ((size_t)_i >= ARRAY_LEN(edits))
		return;
	from = edits[_i][0];
	to = edits[_i][1];
	usual();
	load("r", &r);
	get("r/" RELEASE_SBOM, &text);
	good = json_parse(text.data, text.len, "sbom", &err);
	ck_assert_msg(good && sbom_check(&r, good, &err) == 0, "%s", err.msg);
	if (str_eq(from, "Tool: ")) {
		json_put((struct json *)json_get(good, "creationInfo"), "creators",
			 json_make_array());
		j = json_share(good);
	} else {
		at = strstr(text.data, from);
		ck_assert_msg(at != NULL, "%s", from);
		buf_add(&changed, text.data, (size_t)(at - text.data));
		buf_str(&changed, to);
		buf_str(&changed, at + strlen(from));
		j = json_parse(changed.data, changed.len, "sbom", &err);
	}
	ck_assert_msg(j != NULL, "%s", err.msg);
	ck_assert_msg(sbom_check(&r, j, &err) < 0, "%s", from);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

/* In the SBOM and in the provenance. */
START_TEST(sources_are_listed_by_digest)
{
	static const char *const bill[] = { "\"name\": \"linux\"",
					    "\"licenseDeclared\": \"GPL-2.0-only\"",
					    "\"relationshipType\": \"GENERATED_FROM\"",
					    "\"relationshipType\": \"STATIC_LINK\"",
					    "pkg:deb/debian/zlib@1.2.13?arch=source",
					    SOURCE_SUM };
	static const char *const history[] = { "\"uri\": \"pkg:deb/debian/linux@6.1?arch=source\"",
					       "\"name\": \"linux.tar.xz\"", SOURCE_SUM };
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);

	usual();
	get("r/" RELEASE_SBOM, &text);
	for (size_t i = 0; i < ARRAY_LEN(bill); i++)
		ck_assert_msg(strstr(buf_cstr(&text), bill[i]) != NULL, "%s", bill[i]);
	buf_clear(&text);
	get("r/" RELEASE_PROVENANCE, &text);
	for (size_t i = 0; i < ARRAY_LEN(history); i++)
		ck_assert_msg(strstr(buf_cstr(&text), history[i]) != NULL, "%s", history[i]);
}
END_TEST

static int no_item(void *arg, const struct archive_item *item, struct err *e)
{
	(void)arg, (void)item, (void)e;
	return 0;
}

START_TEST(a_file_that_is_no_archive_is_refused)
{
	struct archive_visitor v = { no_item, NULL, NULL, NULL };

	put("x", _i ? "PK\003\004 this is a zip, or so it says" : "nothing of the kind", 0644);
	AUTO(fd) int fd = open(in("x"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_lt(archive_walk(fd, "x", &v, &err), 0);
	ck_assert_int_eq(err.code, E_INVALID);
}
END_TEST

/* packaging's list of components covers all files of make install. */
START_TEST(our_components_own_what_is_installed)
{
	static const char *const files[] = {
		"bin/containerd-shim-kata-v2",
		"bin/kata-runtime",
		"share/kata-containers/vmlinux.container",
		"share/kata-containers/kata-containers-initrd.img",
		"share/defaults/kata-containers/configuration.toml",
		"bin/kata-deploy",
		"bin/qemu-system-x86_64",
		"libexec/virtiofsd",
		"share/kata-qemu/qboot.rom",
		"share/kata-qemu/sources.yaml",
		"share/kata-sources/runtime.yaml",
		"share/kata-sources/guest.yaml",
		"share/kata-sources/tools.yaml",
	};
	AUTO(str) char *tree = xstrdup(in("t")), *out = xstrdup(in("r"));
	struct release_build_options o = options(tree, out);
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	AUTO(buf) struct buf made = BUF_INIT(TEXT_MAX);
	const char *once;

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(str) char *path = path_join("t", files[i]);

		put(path, str_ends(path, ".yaml") ? sources : files[i], 0755);
	}
	o.components = "packaging/components.yaml";
	ck_assert_msg(release_build(&o, &err) == 0, "%s", err.msg);
	load("r", &r);
	ck_assert_uint_eq(r.layout.entries.n, ARRAY_LEN(files) + 1);
	ck_assert_ptr_nonnull(layout_find(&r.layout, "etc/configuration.toml"));
	get("r/" RELEASE_SBOM, &text);
	ck_assert_ptr_nonnull(strstr(buf_cstr(&text), "GENERATED_FROM"));
	/* A source of several components is in the provenance only once. */
	get("r/" RELEASE_PROVENANCE, &made);
	once = strstr(buf_cstr(&made), "pkg:");
	ck_assert_ptr_nonnull(once);
	for (const char *at = once + 1; (at = strstr(at, "pkg:")); at++)
		ck_assert_int_ne(strncmp(at, once, strcspn(once, "\"")), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_release_build");
	TCase *t = tcase_create("deploy_release_build");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_release_is_what_the_tree_was);
	tcase_add_test(t, a_blob_is_a_plain_archive);
	tcase_add_test(t, sources_are_listed_by_digest);
	tcase_add_test(t, a_release_is_the_same_whoever_builds_it);
	tcase_add_test(t, a_patch_makes_the_new_file);
	tcase_add_test(t, a_patch_can_be_for_two_files);
	tcase_add_test(t, differences_of_releases_are_listed);
	tcase_add_loop_test(t, a_tree_that_is_wrong_is_refused, 0, ARRAY_LEN(wrong_trees));
	tcase_add_test(t, the_time_comes_from_the_environment);
	tcase_add_test(t, signatures_stand_side_by_side);
	tcase_add_loop_test(t, a_release_that_was_changed_is_noticed, 0, 9);
	tcase_add_test(t, each_blob_must_be_a_subject);
	tcase_add_loop_test(t, a_blob_with_other_contents_is_noticed, 0, 4);
	tcase_add_loop_test(t, a_bill_of_materials_keeps_the_rules, 0, 23);
	tcase_add_loop_test(t, a_file_that_is_no_archive_is_refused, 0, 2);
	tcase_add_test(t, our_components_own_what_is_installed);
	suite_add_tcase(s, t);
	return suite_run(s);
}
