// SPDX-License-Identifier: Apache-2.0
/*
 * Edits of other programs' files, and their undo. Nothing is written here: files are read once,
 * changed in memory, and handed to the engine. Each edit is recorded, so that its undo removes
 * exactly that, whatever else was changed since.
 */
#include "deploy/cri/edit.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "deploy/cri/docker-json.h"
#include "toml/edit.h"
#include "toml/toml.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BLOCK_BEGIN "# kata-deploy: begin. `kata-deploy uninstall` takes these lines out again.\n"
#define BLOCK_END   "# kata-deploy: end.\n"
/* Searched for if the whole lines were changed. */
#define BEGIN_MARK "# kata-deploy: begin"
#define END_MARK   "# kata-deploy: end"

static const char *const kinds[] = { [EDIT_FILE] = "file",
				     [EDIT_BLOCK] = "block",
				     [EDIT_IMPORT] = "import",
				     [EDIT_DOCKER] = "docker" };

static void edit_release(struct edit *e)
{
	free(e->path);
	free(e->text);
	free(e->base);
}

void edits_release(struct edits *e)
{
	vec_each(struct work_file, f, &e->files) {
		free(f->path);
		free(f->real);
		free(f->now);
		free(f->want);
	}
	vec_each(struct edit, done, &e->done)
		edit_release(done);
	vec_release(&e->files);
	vec_release(&e->done);
	free(e->reason);
}

static int load(const char *real, char **text, struct err *err)
{
	AUTO(buf) struct buf b = BUF_INIT(CRI_FILE_MAX);
	struct err why = ERR_INIT;

	*text = NULL;
	if (file_read(AT_FDCWD, real, CRI_FILE_MAX, &b, &why) < 0) {
		if (why.code == E_NOT_FOUND || why.sys == ENOTDIR)
			return 0;
		*err = why;
		return -1;
	}
	if (b.len != strlen(buf_cstr(&b)))
		return err_set(err, E_CONFIG, "%s has a NUL byte in it; correct it by hand", real);
	*text = xstrdup(buf_cstr(&b));
	return 0;
}

static struct work_file *find_file(struct edits *e, const char *path, struct err *err)
{
	struct work_file f = { NULL, NULL, NULL, NULL };

	vec_each(struct work_file, there, &e->files) {
		if (str_eq(there->path, path))
			return there;
	}
	f.real = *e->root ? path_from_root(e->root, path, err) : xstrdup(path);
	if (!f.real)
		return NULL;
	if (load(f.real, &f.now, err) < 0) {
		free(f.real);
		return NULL;
	}
	f.path = xstrdup(path);
	f.want = f.now ? xstrdup(f.now) : NULL;
	vec_push(&e->files, f);
	return &e->files.v[e->files.n - 1];
}

int edits_read(struct edits *e, const char *path, const char **text, struct err *err)
{
	const struct work_file *f = find_file(e, path, err);

	*text = f ? f->want : NULL;
	return f ? 0 : -1;
}

bool edits_change(const struct edits *e)
{
	vec_each(const struct work_file, f, &e->files) {
		if (!str_eq(f->now, f->want))
			return true;
	}
	return false;
}

static void note(struct edits *e, const struct work_file *f, struct edit done)
{
	done.path = xstrdup(f->path);
	vec_push(&e->done, done);
}

int edit_file(struct edits *e, const char *path, const char *text, struct err *err)
{
	struct work_file *f = find_file(e, path, err);

	if (!f)
		return -1;
	str_set(&f->want, text);
	note(e, f, (struct edit){ .kind = EDIT_FILE });
	return 0;
}

int edit_block(struct edits *e, const char *path, const char *fresh, const char *lines,
	       struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf block = BUF_INIT(CRI_FILE_MAX);
	const char *before;

	if (!f)
		return -1;
	before = f->want ? f->want : fresh;
	/* The file has no final newline: the one added belongs to the block. */
	if (*before && !str_ends(before, "\n"))
		buf_chr(&block, '\n');
	buf_str(&block, BLOCK_BEGIN);
	if (f->want)
		buf_str(&block, fresh);
	buf_str(&block, lines);
	buf_str(&block, BLOCK_END);
	if (buf_check(&block, path, err) < 0)
		return -1;
	note(e, f,
	     (struct edit){ .kind = EDIT_BLOCK,
			    .text = xstrdup(block.data),
			    .base = f->want ? NULL : xstrdup(fresh) });
	char *with = str_fmt("%s%s", before, block.data);

	free(f->want);
	f->want = with;
	return 0;
}

int edit_import(struct edits *e, const char *path, const char *fresh, const char *element,
		struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	const char *before;
	int how;

	if (!f)
		return -1;
	before = f->want ? f->want : fresh;
	how = toml_edit_add_string(f->real, before, strlen(before), "imports", element, &out, err);
	if (how < 0)
		return -1;
	if (how > 0)
		note(e, f,
		     (struct edit){ .kind = EDIT_IMPORT,
				    .text = xstrdup(element),
				    .base = f->want ? NULL : xstrdup(fresh),
				    .made_key = how == TOML_EDITED_NEW });
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

int edit_docker(struct edits *e, const char *path, const char *name, const char *value,
		struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	bool made_key = false;

	if (!f || docker_json_add(f->real, f->want ? f->want : "{}\n", name, value, &made_key, &out,
				  err) < 0)
		return -1;
	note(e, f,
	     (struct edit){ .kind = EDIT_DOCKER,
			    .text = xstrdup(name),
			    .base = f->want ? NULL : xstrdup("{}\n"),
			    .made_key = made_key });
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

/* --- undoing --- */

/* Finds the lines of a block: exactly as written, or between the remaining marks. */
static bool find_block(const char *text, const char *block, size_t *from, size_t *to)
{
	const char *at = NULL, *end;

	/* Ours are at the end: of two equal blocks, the last. */
	for (const char *hit = strstr(text, block); hit; hit = strstr(hit + 1, block))
		at = hit;
	if (at) {
		*from = (size_t)(at - text);
		*to = *from + strlen(block);
		/* The newline that was missing at the end has been added since. */
		if (*block == '\n' && text[*to])
			(*from)++;
		return true;
	}
	at = strstr(text, BEGIN_MARK);
	end = at ? strstr(at, END_MARK) : NULL;
	if (!end || (at > text && at[-1] != '\n'))
		return false;
	*from = (size_t)(at - text);
	end = strchr(end, '\n');
	*to = end ? (size_t)(end - text) + 1 : strlen(text);
	if (*block == '\n' && *from > 0 && !text[*to])
		(*from)--;
	return true;
}

static int undo_block(struct work_file *f, const struct edit *e)
{
	size_t from, to;

	if (find_block(f->want, e->text, &from, &to)) {
		char *without = str_fmt("%.*s%s", (int)from, f->want, f->want + to);

		free(f->want);
		f->want = without;
	}
	return 0;
}

static int undo_toml(struct work_file *f, const struct edit *e, struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);

	if (toml_edit_remove_string(f->real, f->want, strlen(f->want), "imports", e->text,
				    e->made_key, &out, err) < 0)
		return err_hint(err, "take '%s' out of its imports by hand", e->text);
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

static int undo_docker(struct work_file *f, const struct edit *e, struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);

	if (docker_json_remove(f->real, f->want, e->text, e->made_key, &out, err) < 0)
		return err_hint(err, "take '%s' out of its runtimes by hand", e->text);
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

static int undo_one(struct edits *all, const struct edit *e, struct err *err)
{
	struct work_file *f = find_file(all, e->path, err);
	int rc = 0;

	if (!f)
		return -1;
	if (!f->want)
		return 0;
	if (e->kind == EDIT_FILE)
		str_set(&f->want, NULL);
	else if (!e->text)
		bug("an edit of %s without its text", e->path);
	else if (e->kind == EDIT_BLOCK)
		rc = undo_block(f, e);
	else if (e->kind == EDIT_IMPORT)
		rc = undo_toml(f, e, err);
	else
		rc = undo_docker(f, e, err);
	/* We created the file and its other contents are unchanged. */
	if (rc == 0 && e->base && str_eq(f->want, e->base))
		str_set(&f->want, NULL);
	return rc;
}

/* --- without a record --- */

/* The lines between our comments, if they lead to the shim. */
static bool find_own_lines(const char *text, const char *shim, size_t *from, size_t *to)
{
	const char *begin = strstr(text, BEGIN_MARK), *end = begin ? strstr(begin, END_MARK) : NULL;
	const char *hit = end ? strstr(begin, shim) : NULL;

	if (!hit || hit > end || (begin > text && begin[-1] != '\n'))
		return false;
	end = strchr(end, '\n');
	*from = (size_t)(begin - text);
	*to = end ? (size_t)(end - text) + 1 : strlen(text);
	return true;
}

int edits_adopt(struct edits *e, const char *path, const char *shim, struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(str) char *quoted = str_fmt("\"%s\"", shim);
	size_t from, to;

	if (!f)
		return -1;
	if (!f->want)
		return 0;
	if (str_starts(f->want, CRI_OWN_FILE)) {
		if (strstr(f->want, quoted))
			str_set(&f->want, NULL);
	} else if (find_own_lines(f->want, quoted, &from, &to)) {
		char *without = str_fmt("%.*s%s", (int)from, f->want, f->want + to);

		free(f->want);
		f->want = without;
	}
	return 0;
}

int edits_adopt_import(struct edits *e, const char *path, const char *element, struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	struct err ignored = ERR_INIT; /* errors are reported when it is read next */

	if (!f)
		return -1;
	if (!f->want || !strstr(f->want, element) ||
	    toml_edit_remove_string(f->real, f->want, strlen(f->want), "imports", element, false,
				    &out, &ignored) < 0)
		return 0;
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

/* A member with the value that we would write. */
int edits_adopt_docker(struct edits *e, const char *path, const char *name, const char *value,
		       struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	struct err ignored = ERR_INIT; /* errors are reported when it is edited */

	if (!f)
		return -1;
	AUTO(json)
	struct json *j = f->want ? json_parse(f->want, strlen(f->want), f->real, &ignored) : NULL;
	const struct json *runtimes = j && json_kind(j) == JSON_IS_OBJECT ? json_get(j, "runtimes")
									  : NULL;
	const struct json *is = runtimes && json_kind(runtimes) == JSON_IS_OBJECT
					? json_get(runtimes, name)
					: NULL;
	AUTO(str) char *text = is ? json_format(is, false) : NULL;

	if (!str_eq(text, value) || !text ||
	    docker_json_remove(f->real, f->want, name, false, &out, &ignored) < 0)
		return 0;
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

/* --- records --- */

static bool bool_of(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && json_kind(j) == JSON_IS_BOOL && json_bool(j);
}

static int read_edit(const struct json *j, struct edit *out, struct err *err)
{
	const char *kind = json_kind(j) == JSON_IS_OBJECT ? json_get_text(j, "kind") : NULL;
	const char *path = kind ? json_get_text(j, "path") : NULL;
	const char *text = kind ? json_get_text(j, "text") : NULL;
	size_t k = 0;

	while (k < ARRAY_LEN(kinds) && !str_eq(kinds[k], kind))
		k++;
	if (k == ARRAY_LEN(kinds) || !path || *path != '/' || (!text && k != EDIT_FILE))
		return err_set(err, E_INVALID, "the record of the registration is damaged");
	*out = (struct edit){ .kind = (enum edit_kind)k,
			      .path = xstrdup(path),
			      .text = text ? xstrdup(text) : NULL,
			      .made_key = bool_of(j, "made-key") };
	if (json_get_text(j, "base"))
		out->base = xstrdup(json_get_text(j, "base"));
	return 0;
}

int edits_undo(struct edits *e, const struct json *recorded, struct err *err)
{
	const struct json *list = recorded ? json_get(recorded, "edits") : NULL;

	if (list && json_kind(list) != JSON_IS_ARRAY)
		return err_set(err, E_INVALID, "the record of the registration is damaged");
	for (size_t i = list ? json_count(list) : 0; i-- > 0;) {
		struct edit one = { .text = NULL };
		int rc;

		if (read_edit(json_at(list, i), &one, err) < 0)
			return -1;
		rc = undo_one(e, &one, err);
		edit_release(&one);
		if (rc < 0)
			return -1;
	}
	return 0;
}

struct json *edits_record(const struct edits *e)
{
	struct json *list = json_make_array();

	vec_each(const struct edit, done, &e->done) {
		struct json *j = json_make_object();

		json_put(j, "kind", json_make_string(kinds[done->kind]));
		json_put(j, "path", json_make_string(done->path));
		if (done->text)
			json_put(j, "text", json_make_string(done->text));
		if (done->base)
			json_put(j, "base", json_make_string(done->base));
		if (done->made_key)
			json_put(j, "made-key", json_make_bool(true));
		json_add(list, j);
	}
	return list;
}
