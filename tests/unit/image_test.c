// SPDX-License-Identifier: Apache-2.0
/* libs/image: the contents of layers, and adding to layouts. tests/image.sh reads the images with
 * other programs. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "archive/walk.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "image/image.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static struct err err;

static char *at(const char *name)
{
	return path_join(dir, name);
}

static void write_file(const char *name, mode_t mode)
{
	scratch_write(dir, name, name, strlen(name), mode);
}

static void make_dir(const char *name)
{
	AUTO(str) char *path = at(name);

	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "image");
	make_dir("tree");
	make_dir("tree/a");
	write_file("tree/a/z", 0600);
	write_file("tree/a-b", 0700);
	AUTO(str) char *link = at("tree/link");
	ck_assert_int_eq(symlink("a/z", link), 0);
}

static void teardown(void)
{
	scratch_remove(dir);
}

static struct image *open_at(const char *name)
{
	AUTO(str) char *path = at(name);

	return image_open(path, &err);
}

/* Appends "TYPE PATH[ -> TARGET]" lines. */
static int list(void *arg, const struct archive_item *item, struct err *e)
{
	struct buf *to = arg;

	(void)e;
	buf_fmt(to, "%c %s%s%s\n",
		S_ISDIR(item->type)   ? 'd'
		: S_ISLNK(item->type) ? 'l'
				      : '-',
		item->path, item->target ? " -> " : "", item->target ? item->target : "");
	return 0;
}

static void read_layer(const char *layout, const struct image_layer *layer, struct buf *to)
{
	AUTO(str) char *below = at(layout), *blob = image_blob_path(layer->descriptor);
	AUTO(str) char *path = path_join(below, blob);
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct archive_visitor v = { .begin = list, .arg = to };

	ck_assert_msg(archive_walk(fd, path, &v, &err) == 0, "%s", err.msg);
}

/* Directories come before what is in them, each once, and sorting is by bytes. */
START_TEST(layer)
{
	AUTO(image) struct image *image = open_at("layout");
	struct image_layer l = { 0 };
	AUTO(buf) struct buf text = BUF_INIT(4096);
	AUTO(strv) char **parts = NULL;

	strv_pushf(&parts, "usr/share=%s/tree", dir);
	strv_pushf(&parts, "usr/bin/tool=%s/tree/a-b", dir);
	ck_assert_ptr_nonnull(image);
	ck_assert_msg(image_add_layer(image, parts, PACK_PLAIN, &l, &err) == 0, "%s", err.msg);
	AUTO(json) struct json *kept = l.descriptor;
	read_layer("layout", &l, &text);
	ck_assert_str_eq(buf_cstr(&text), "d usr/\n"
					  "d usr/bin/\n"
					  "- usr/bin/tool\n"
					  "d usr/share/\n"
					  "d usr/share/a/\n"
					  "- usr/share/a-b\n"
					  "- usr/share/a/z\n"
					  "l usr/share/link -> a/z\n");
	ck_assert_str_eq(l.diff_id, json_get_text(kept, "digest"));
}
END_TEST

/* A compressed layer has two digests; one of them is that of the plain layer. */
START_TEST(compressed)
{
	AUTO(image) struct image *image = open_at("layout");
	struct image_layer plain = { 0 }, small = { 0 };
	AUTO(strv) char **parts = NULL;

	strv_pushf(&parts, "t=%s/tree", dir);
	ck_assert_int_eq(image_add_layer(image, parts, PACK_PLAIN, &plain, &err), 0);
	ck_assert_int_eq(image_add_layer(image, parts, PACK_GZIP, &small, &err), 0);
	AUTO(json) struct json *one = plain.descriptor, *two = small.descriptor;
	ck_assert_str_eq(plain.diff_id, small.diff_id);
	ck_assert_str_ne(json_get_text(one, "digest"), json_get_text(two, "digest"));
	ck_assert_str_eq(json_get_text(two, "mediaType"), IMAGE_TYPE "layer.v1.tar+gzip");
}
END_TEST

static const struct {
	const char *parts; /* of DIR, with blanks between them */
	enum err_code code;
} wrong[] = {
	{ "tool", E_USAGE },
	{ "=tree", E_USAGE },
	{ "/usr/tool=tree/a-b", E_USAGE },
	{ "../tool=tree/a-b", E_USAGE },
	{ "usr//tool=tree/a-b", E_USAGE },
	{ "x=none", E_NOT_FOUND },
	{ "x=/dev/null", E_INVALID },
	{ "x=tree/a-b x=tree/a/z", E_EXISTS },
	{ "x=tree/a x=tree/a-b", E_EXISTS },
	{ "x=tree/a-b x/y=tree/a-b", E_EXISTS },
};

START_TEST(refused)
{
	AUTO(image) struct image *image = open_at("layout");
	struct image_layer l = { 0 };
	AUTO(strv) char **words = strv_split(wrong[_i].parts, " "), **parts = NULL;

	strv_each(word, words) {
		const char *equals = strchr(*word, '=');

		if (equals && equals[1] != '/')
			strv_pushf(&parts, "%.*s=%s/%s", (int)(equals - *word), *word, dir,
				   equals + 1);
		else
			strv_push(&parts, *word);
	}
	ck_assert_int_eq(image_add_layer(image, parts, PACK_PLAIN, &l, &err), -1);
	ck_assert_msg(err.code == wrong[_i].code, "%s: %s", wrong[_i].parts, err.msg);
	ck_assert_ptr_null(l.descriptor);
}
END_TEST

static struct json *add(struct image *image, const char *text)
{
	struct json *j = image_add_blob(image, IMAGE_MANIFEST, text, strlen(text), &err);

	ck_assert_ptr_nonnull(j);
	return j;
}

/* A tag is replaced by a new one with the same name; other tags stay. */
START_TEST(extended)
{
	AUTO(image) struct image *first = open_at("layout");
	AUTO(json) struct json *one = add(first, "{\"n\":1}"), *two = add(first, "{\"n\":2}");

	image_tag(first, one, "registry/name:old");
	image_tag(first, one, "registry/name:new");
	ck_assert_int_eq(image_finish(first, &err), 0);
	AUTO(image) struct image *again = open_at("layout");
	image_tag(again, two, "registry/name:new");
	ck_assert_int_eq(image_finish(again, &err), 0);
	AUTO(image) struct image *third = open_at("layout");
	ck_assert_str_eq(json_get_text(image_find(third, "old"), "digest"),
			 json_get_text(one, "digest"));
	AUTO(json) struct json *read = image_read(third, image_find(third, "new"), &err);
	ck_assert_int_eq(json_int(json_get(read, "n")), 2);
	ck_assert_ptr_null(image_find(third, "name"));
}
END_TEST

START_TEST(not_a_layout)
{
	ck_assert_ptr_null(open_at("tree"));
	ck_assert_int_eq(err.code, E_INVALID);
	AUTO(str) char *left = at("tree/blobs");
	ck_assert(!path_exists(left));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("image");
	TCase *t = tcase_create("image");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, layer);
	tcase_add_test(t, compressed);
	tcase_add_loop_test(t, refused, 0, (int)ARRAY_LEN(wrong));
	tcase_add_test(t, extended);
	tcase_add_test(t, not_a_layout);
	suite_add_tcase(s, t);
	return suite_run(s);
}
