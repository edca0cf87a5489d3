// SPDX-License-Identifier: Apache-2.0
/*
 * Makes and undoes edits of configuration files in memory. Each file is read once.
 */
#include "deploy/cri/edit.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/advice.h"
#include "deploy/cri/docker-json.h"
#include "toml/edit.h"
#include "toml/toml.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BLOCK_BEGIN "# kata-deploy: begin. `kata-deploy uninstall` takes these lines out again.\n"
#define BLOCK_END   "# kata-deploy: end.\n"
/* The parts of these lines that are searched for, in case somebody changed the rest. */
#define BEGIN_MARK "# kata-deploy: begin"
#define END_MARK   "# kata-deploy: end"

static const char *const kinds[] = { [EDIT_FILE] = "file",
				     [EDIT_BLOCK] = "block",
				     [EDIT_IMPORT] = "import",
				     [EDIT_DOCKER] = "docker",
				     [EDIT_CUT] = "cut" };

static void edit_release(struct edit *e)
{
	free(e->path);
	free(e->text);
	free(e->base);
	free(e->fresh);
}

static void undone_release(struct undone *u)
{
	edit_release(&u->edit);
	free(u->with);
	free(u->without);
}

void edits_release(struct edits *e)
{
	vec_each(struct work_file, f, &e->files) {
		free(f->path);
		free(f->real);
		free(f->now);
		free(f->want);
		free(f->built_in);
		vec_each(struct undone, u, &f->undone)
			undone_release(u);
		vec_release(&f->undone);
	}
	vec_each(struct edit, done, &e->done)
		edit_release(done);
	free(e->shim);
	vec_release(&e->files);
	vec_each(struct edit, lost, &e->lost)
		edit_release(lost);
	vec_release(&e->done);
	vec_release(&e->lost);
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

/* Returns a file, which is read at the first call; borrowed until the next call. */
static struct work_file *find_file(struct edits *e, const char *path, struct err *err)
{
	struct work_file f = { .undone = VEC_INIT };

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

int edits_disk(struct edits *e, const char *path, const char **text, struct err *err)
{
	const struct work_file *f = find_file(e, path, err);

	*text = f ? f->now : NULL;
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

/* Adds an edit to the record. */
static void note(struct edits *e, const struct work_file *f, struct edit done)
{
	done.path = xstrdup(f->path);
	vec_push(&e->done, done);
}

static const char *without_newline(const char *text)
{
	return *text == '\n' ? text + 1 : text;
}

/*
 * Makes the edit that was undone last again, at its old position. At the end of the file, behind an
 * edit of another installation, it would change the file, and the manager would be restarted for
 * nothing. part: text that the file must have with the edit. Returns false if the edit is a
 * different one.
 */
static bool make_again(struct edits *e, struct work_file *f, enum edit_kind kind, const char *text,
		       const char *part)
{
	struct undone *u = f->undone.n ? &f->undone.v[f->undone.n - 1] : NULL;

	if (!u || u->edit.kind != kind || !str_eq(f->want, u->without) ||
	    !str_eq(without_newline(u->edit.text), without_newline(text)) ||
	    !strstr(u->with, without_newline(part)))
		return false;
	str_set(&f->want, u->with);
	note(e, f,
	     (struct edit){ .kind = kind,
			    .text = STEAL(u->edit.text, NULL),
			    .base = STEAL(u->edit.base, NULL),
			    .fresh = STEAL(u->edit.fresh, NULL),
			    .made_key = u->edit.made_key,
			    .made_all = u->edit.made_all });
	undone_release(u);
	f->undone.n--;
	return true;
}

int edit_file(struct edits *e, const char *path, const char *text, struct err *err)
{
	struct work_file *f = find_file(e, path, err);

	if (!f)
		return -1;
	if (f->want) {
		err_set(err, E_EXISTS,
			"%s is there already, and this installation did not write it", f->real);
		return err_hint(err, "remove it, if nothing needs it");
	}
	str_set(&f->want, text);
	note(e, f, (struct edit){ .kind = EDIT_FILE });
	return 0;
}

/* Returns the text of a file with the line fresh, heap; *added: what was appended for that, heap, or
 * NULL. */
static char *with_fresh(const struct work_file *f, const char *fresh, char **added)
{
	*added = NULL;
	if (!f->want)
		return xstrdup(fresh);
	if (!*fresh)
		return xstrdup(f->want);
	*added = str_fmt("%s%s", *f->want && !str_ends(f->want, "\n") ? "\n" : "", fresh);
	return str_fmt("%s%s", f->want, *added);
}

int edit_block(struct edits *e, const char *path, const char *fresh, const char *lines,
	       struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf block = BUF_INIT(CRI_FILE_MAX);
	AUTO(str) char *added = NULL;

	if (!f)
		return -1;
	AUTO(str) char *before = with_fresh(f, fresh, &added);
	/* If the file has no final newline, the one that is added belongs to the block. */
	if (*before && !str_ends(before, "\n"))
		buf_chr(&block, '\n');
	buf_str(&block, BLOCK_BEGIN);
	buf_str(&block, lines);
	buf_str(&block, BLOCK_END);
	if (buf_check(&block, path, err) < 0)
		return -1;
	if (make_again(e, f, EDIT_BLOCK, block.data, block.data))
		return 0;
	note(e, f,
	     (struct edit){ .kind = EDIT_BLOCK,
			    .text = xstrdup(block.data),
			    .base = f->want ? NULL : xstrdup(fresh),
			    .fresh = STEAL(added, NULL) });
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
	AUTO(str) char *added = NULL;
	int how;

	if (!f)
		return -1;
	if (make_again(e, f, EDIT_IMPORT, element, element))
		return 0;
	AUTO(str) char *before = with_fresh(f, fresh, &added);
	how = toml_edit_add_string(f->real, before, strlen(before), "imports", element, &out, err);
	if (how < 0)
		return -1;
	if (how > 0)
		note(e, f,
		     (struct edit){ .kind = EDIT_IMPORT,
				    .text = xstrdup(element),
				    .base = f->want ? NULL : xstrdup(fresh),
				    .fresh = STEAL(added, NULL),
				    .made_key = how == TOML_EDITED_NEW });
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

int edit_docker(struct edits *e, const char *path, const char *name, const char *value,
		struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	AUTO(str) char *member = str_fmt("\"%s\": %s", name, value);
	bool made_key = false;

	if (!f)
		return -1;
	if (make_again(e, f, EDIT_DOCKER, name, member))
		return 0;
	AUTO(str) char *empty = f->want && is_blank(f->want) ? str_fmt("{}%s", f->want) : NULL;
	const char *before = empty ? empty : f->want ? f->want : "{}\n";

	if (docker_json_add(f->real, before, name, value, &made_key, &out, err) < 0)
		return -1;
	note(e, f,
	     (struct edit){ .kind = EDIT_DOCKER,
			    .text = xstrdup(name),
			    .base = f->want ? NULL : xstrdup("{}\n"),
			    .made_key = made_key,
			    .made_all = empty });
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

static size_t line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

/* Returns the first line with more than blanks, and the empty ones before it, heap. */
static char *first_line(const char *text)
{
	size_t blanks = strspn(text, " \t\r\n");

	return xstrndup(text, blanks + strcspn(text + blanks, "\n"));
}

bool edit_cut(struct edits *e, const char *path, const char *without)
{
	struct err ignored = ERR_INIT; /* the file has been read */
	struct work_file *f = find_file(e, path, &ignored);
	size_t same = 0, gone, len = strlen(without);

	if (!f || !f->want || strlen(f->want) <= len)
		return false;
	gone = strlen(f->want) - len;
	while (f->want[same] == without[same])
		same++;
	same = line_start(without, same);
	if (!str_eq(f->want + same + gone, without + same))
		return false;
	AUTO(str) char *text = xstrndup(f->want + same, gone);

	if (make_again(e, f, EDIT_CUT, text, ""))
		return true;
	note(e, f,
	     (struct edit){ .kind = EDIT_CUT,
			    .text = STEAL(text, NULL),
			    .base = first_line(without + same) });
	str_set(&f->want, without);
	return true;
}

/* --- undoing --- */

/* Lines between our comments. */
struct block {
	size_t from, to;
};

/* Finds the next block, of this or another installation, from at on. */
static bool next_block(const char *text, size_t at, struct block *b)
{
	for (const char *begin = strstr(text + at, BEGIN_MARK); begin;
	     begin = strstr(begin + 1, BEGIN_MARK)) {
		const char *end = strstr(begin, END_MARK);

		if (!end)
			return false;
		if (begin > text && begin[-1] != '\n')
			continue;
		end = strchr(end, '\n');
		*b = (struct block){ (size_t)(begin - text),
				     end ? (size_t)(end - text) + 1 : strlen(text) };
		return true;
	}
	return false;
}

/* Returns the next path of a shim in a text, between quotes, from *at on; heap; NULL: there is
 * none. Moves *at behind it. */
static char *next_shim(const char **at, const char *end)
{
	static const char name[] = "/bin/containerd-shim-kata-v2\"";
	const char *hit = strstr(*at, name), *begin = hit;

	if (!hit || hit + strlen(name) > end)
		return NULL;
	while (begin > *at && *begin != '"')
		begin--;
	*at = hit + strlen(name);
	return *begin == '"' ? xstrndup(begin + 1, (size_t)(*at - begin) - 2) : xstrdup("");
}

/* True if a part of a text has the path of that shim, however it is spelled: "/opt/kata//bin/...".
 * *spelling (may be NULL) is set to that. */
static bool mentions(const char *text, const struct block *b, const char *shim, char **spelling)
{
	const char *at = text + b->from, *end = text + b->to;

	for (;;) {
		AUTO(str) char *found = next_shim(&at, end);
		AUTO(str) char *clean = found ? path_clean(found) : NULL;

		if (!found)
			return false;
		if (!str_eq(clean, shim))
			continue;
		if (spelling)
			str_set(spelling, found);
		return true;
	}
}

/* True if a block has the header of a handler's table as one of these lines. Of two installations
 * each has handlers of its own; runc may be in the block of either. */
static bool has_table_of(const char *text, const struct block *b, const char *lines)
{
	AUTO(str) char *inside = xstrndup(text + b->from, b->to - b->from);
	AUTO(strv) char **here = strv_split(inside, "\n"), **known = strv_split(lines, "\n");

	strv_each(line, known) {
		if (**line == '[' && !str_ends(*line, ".runtimes.runc]") && strv_has(here, *line))
			return true;
	}
	return false;
}

/* True if a block has the path of no shim: it is of no use to any installation. */
static bool is_spent(const char *text, const struct block *b)
{
	const char *at = text + b->from;
	AUTO(str) char *shim = next_shim(&at, text + b->to);

	return !shim;
}

/* Finds a block whose lines somebody changed: the one with the shim of lines, or with the table of
 * one of its handlers, or one of which little is left. */
static bool find_changed(const char *text, const char *lines, struct block *b)
{
	const char *inside = lines;
	AUTO(str) char *spelled = next_shim(&inside, lines + strlen(lines));
	AUTO(str) char *shim = spelled ? path_clean(spelled) : NULL;

	for (size_t at = 0; shim && next_block(text, at, b); at = b->to) {
		if (mentions(text, b, shim, NULL))
			return true;
	}
	for (size_t at = 0; next_block(text, at, b); at = b->to) {
		if (has_table_of(text, b, lines) || is_spent(text, b))
			return true;
	}
	return false;
}

/* Finds the lines of a block: exactly as written, or between the remaining marks. */
static bool find_block(const char *text, const char *lines, struct block *b)
{
	const char *at = NULL;

	/* We append blocks: of two equal ones, ours is the last. */
	for (const char *hit = strstr(text, lines); hit; hit = strstr(hit + 1, lines))
		at = hit;
	if (at) {
		*b = (struct block){ (size_t)(at - text), (size_t)(at - text) + strlen(lines) };
		/* Somebody appended lines to the file: they need the newline before the block. */
		if (*lines == '\n' && text[b->to])
			b->from++;
		return true;
	}
	if (!find_changed(text, lines, b))
		return false;
	if (*lines == '\n' && b->from > 0 && !text[b->to])
		b->from--;
	return true;
}

/* Removes a block; keeps its lines about runc for edits_settle(). */
static void take_out(struct work_file *f, const struct block *b)
{
	AUTO(str) char *lines = xstrndup(f->want + b->from, b->to - b->from);
	const char *built_in = strstr(lines, CRI_BUILT_IN), *end = built_in;
	char *without = str_fmt("%.*s%s", (int)b->from, f->want, f->want + b->to);

	for (int i = 0; end && i < 3; i++) {
		end = strchr(end, '\n');
		end = end ? end + 1 : NULL;
	}
	if (end) {
		free(f->built_in);
		f->built_in = xstrndup(built_in, (size_t)(end - built_in));
	}
	free(f->want);
	f->want = without;
}

void edits_settle(struct edits *e)
{
	vec_each(struct work_file, f, &e->files) {
		struct block b;
		char *with;
		size_t at;

		if (!f->built_in || !f->want || strstr(f->want, f->built_in) ||
		    !next_block(f->want, 0, &b))
			continue;
		at = b.from + strcspn(f->want + b.from, "\n") + 1;
		with = str_fmt("%.*s%s%s", (int)at, f->want, f->built_in, f->want + at);
		free(f->want);
		f->want = with;
	}
}

char *edits_without_blocks(const char *text)
{
	AUTO(buf) struct buf rest = BUF_INIT(CRI_FILE_MAX);
	struct block b;
	size_t at = 0;

	for (; next_block(text, at, &b); at = b.to)
		buf_add(&rest, text + at, b.from - at);
	buf_str(&rest, text + at);
	return xstrdup(buf_cstr(&rest));
}

static struct edit edit_copy(const struct edit *e)
{
	return (struct edit){ .kind = e->kind,
			      .path = xstrdup(e->path),
			      .text = e->text ? xstrdup(e->text) : NULL,
			      .base = e->base ? xstrdup(e->base) : NULL,
			      .fresh = e->fresh ? xstrdup(e->fresh) : NULL,
			      .made_key = e->made_key,
			      .made_all = e->made_all };
}

void edits_keep(struct edits *e, const struct edit *lost)
{
	vec_push(&e->done, edit_copy(lost));
}

int edits_write(struct edits *e, const char *path, const char *text, struct err *err)
{
	struct work_file *f = find_file(e, path, err);

	if (!f)
		return -1;
	str_set(&f->want, text);
	return 0;
}

static int undo_block(struct edits *all, struct work_file *f, const struct edit *e)
{
	struct block b;

	if (find_block(f->want, e->text, &b))
		take_out(f, &b);
	else
		vec_push(&all->lost, edit_copy(e));
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

/* True if a runtime of docker runs that shim, however its path is spelled. */
static bool runs_in_docker(const struct json *runtime, const char *shim)
{
	const char *type = json_kind(runtime) == JSON_IS_OBJECT
				   ? json_get_text(runtime, "runtimeType")
				   : NULL;
	AUTO(str) char *clean = type ? path_clean(type) : NULL;

	return clean && str_eq(clean, shim);
}

/* Returns the runtimes in docker's file, borrowed from *doc, which the caller frees; NULL: there are
 * none. */
static const struct json *docker_runtimes(const struct work_file *f, struct json **doc)
{
	struct err ignored = ERR_INIT; /* reported when the file is edited */
	const struct json *runtimes;

	*doc = f->want ? json_parse(f->want, strlen(f->want), f->real, &ignored) : NULL;
	runtimes = *doc && json_kind(*doc) == JSON_IS_OBJECT ? json_get(*doc, "runtimes") : NULL;
	return runtimes && json_kind(runtimes) == JSON_IS_OBJECT ? runtimes : NULL;
}

/* True if somebody else has put another program in the place of our runtime. */
static bool was_replaced(const struct edits *all, const struct work_file *f, const struct edit *e)
{
	AUTO(json) struct json *doc = NULL;
	const struct json *runtimes = docker_runtimes(f, &doc);
	const struct json *there = runtimes ? json_get(runtimes, e->text) : NULL;

	return all->shim && there && !runs_in_docker(there, all->shim);
}

static int undo_docker(const struct edits *all, struct work_file *f, const struct edit *e,
		       struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	const char *left;

	if (is_blank(f->want) || was_replaced(all, f, e))
		return 0;
	if (docker_json_remove(f->real, f->want, e->text, e->made_key, &out, err) < 0)
		return err_hint(err, "take '%s' out of its runtimes by hand", e->text);
	left = buf_cstr(&out);
	if (e->made_all && str_starts(left, "{}") && is_blank(left + 2))
		left += 2;
	str_set(&f->want, left);
	return 0;
}

/* Puts lines back: before the line that followed, or else to the end; unless their first line is there
 * again. */
static int undo_cut(struct work_file *f, const struct edit *e)
{
	AUTO(str) char *first = xstrndup(e->text, strcspn(e->text, "\n") + 1);
	const char *at = e->base && *e->base ? strstr(f->want, e->base) : NULL;
	const char *blanks = "";

	if (strstr(f->want, first + strspn(first, " \t")))
		return 0;
	if (!at || strstr(at + 1, e->base))
		at = f->want + strlen(f->want);
	if (!*at && at > f->want && at[-1] != '\n')
		blanks = "\n";
	char *with = str_fmt("%.*s%s%s%s", (int)(at - f->want), f->want, blanks, e->text, at);

	free(f->want);
	f->want = with;
	return 0;
}

static int undo_text(struct edits *all, struct work_file *f, const struct edit *e, struct err *err)
{
	if (!e->text)
		bug("an edit of %s without its text", e->path);
	if (e->kind == EDIT_BLOCK)
		return undo_block(all, f, e);
	if (e->kind == EDIT_CUT)
		return undo_cut(f, e);
	return e->kind == EDIT_IMPORT ? undo_toml(f, e, err) : undo_docker(all, f, e, err);
}

static void keep_undone(struct work_file *f, const struct edit *e, char *with)
{
	struct undone u = { { .kind = e->kind,
			      .text = xstrdup(e->text),
			      .base = e->base ? xstrdup(e->base) : NULL,
			      .fresh = e->fresh ? xstrdup(e->fresh) : NULL,
			      .made_key = e->made_key,
			      .made_all = e->made_all },
			    with,
			    f->want ? xstrdup(f->want) : NULL };

	vec_push(&f->undone, u);
}

/* Removes the line that was appended to a file without any, if it is the only one still. */
static void undo_fresh(struct work_file *f, const char *fresh)
{
	struct err ignored = ERR_INIT; /* the line stays */
	AUTO(toml)
	struct toml_value *root = toml_parse(f->real, f->want, strlen(f->want), NULL, &ignored);
	const char *at = strstr(f->want, fresh);

	if (!at || !root || root->table.n != 1)
		return;
	char *without = str_fmt("%.*s%s", (int)(at - f->want), f->want, at + strlen(fresh));

	free(f->want);
	f->want = without;
}

static int undo_one(struct edits *all, const struct edit *e, struct err *err)
{
	struct work_file *f = find_file(all, e->path, err);
	AUTO(str) char *with = NULL;

	if (!f)
		return -1;
	if (!f->want)
		return 0;
	if (e->kind == EDIT_FILE) {
		str_set(&f->want, NULL);
		return 0;
	}
	with = xstrdup(f->want);
	if (undo_text(all, f, e, err) < 0)
		return -1;
	if (e->fresh)
		undo_fresh(f, e->fresh);
	/* The edit created the file, and nothing else is in it. */
	if (e->kind != EDIT_CUT && e->base && str_eq(f->want, e->base))
		str_set(&f->want, NULL);
	if (!str_eq(f->want, with))
		keep_undone(f, e, STEAL(with, NULL));
	return 0;
}

/* --- without a record --- */

int edits_adopt(struct edits *e, const char *path, const char *shim, struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	struct block b;

	if (!f)
		return -1;
	if (!f->want)
		return 0;
	if (str_starts(f->want, CRI_OWN_FILE)) {
		b = (struct block){ 0, strlen(f->want) };
		if (mentions(f->want, &b, shim, NULL))
			str_set(&f->want, NULL);
		return 0;
	}
	for (size_t at = 0; next_block(f->want, at, &b); at = b.to) {
		if (!mentions(f->want, &b, shim, NULL))
			continue;
		take_out(f, &b);
		return 0;
	}
	return 0;
}

int edits_adopt_import(struct edits *e, const char *path, const char *element, struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);
	struct err ignored = ERR_INIT; /* reported when the file is read next */

	if (!f)
		return -1;
	if (!f->want || !strstr(f->want, element) ||
	    toml_edit_remove_string(f->real, f->want, strlen(f->want), "imports", element, false,
				    &out, &ignored) < 0)
		return 0;
	str_set(&f->want, buf_cstr(&out));
	return 0;
}

/* True if a runtime has the form of those that we write, with that shim. */
static bool is_docker_ours(const struct json *runtime, const char *shim)
{
	const struct json *options;

	if (!runs_in_docker(runtime, shim))
		return false;
	options = json_get(runtime, "options");
	if (!options)
		return json_count(runtime) == 1;
	return json_count(runtime) == 2 && json_kind(options) == JSON_IS_OBJECT &&
	       json_count(options) == 1 && json_get_text(options, "ConfigPath");
}

static int adopt_runtimes(struct work_file *f, const struct json *runtimes, const char *shim,
			  struct err *err)
{
	for (void *it = json_begin(runtimes); it; it = json_after(runtimes, it)) {
		AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);

		if (!is_docker_ours(json_value(it), shim))
			continue;
		if (docker_json_remove(f->real, f->want, json_key(it), false, &out, err) < 0)
			return -1;
		str_set(&f->want, buf_cstr(&out));
	}
	return 0;
}

int edits_adopt_docker(struct edits *e, const char *path, const char *shim, struct err *err)
{
	struct work_file *f = find_file(e, path, err);
	AUTO(json) struct json *doc = NULL;
	const struct json *runtimes;

	if (!f)
		return -1;
	runtimes = docker_runtimes(f, &doc);
	return runtimes ? adopt_runtimes(f, runtimes, shim, err) : 0;
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
		return err_set(err, E_INVALID,
			       "the record of the registration is damaged; %s writes it again",
			       advice("install --cri NAME"));
	*out = (struct edit){ .kind = (enum edit_kind)k,
			      .path = xstrdup(path),
			      .text = text ? xstrdup(text) : NULL,
			      .made_key = bool_of(j, "made-key"),
			      .made_all = bool_of(j, "made-all") };
	if (json_get_text(j, "base"))
		out->base = xstrdup(json_get_text(j, "base"));
	if (json_get_text(j, "fresh"))
		out->fresh = xstrdup(json_get_text(j, "fresh"));
	return 0;
}

int edits_undo(struct edits *e, const struct json *recorded, struct err *err)
{
	const struct json *list = recorded ? json_get(recorded, "edits") : NULL;

	if (list && json_kind(list) != JSON_IS_ARRAY)
		return err_set(err, E_INVALID,
			       "the record of the registration is damaged; %s writes it again",
			       advice("install --cri NAME"));
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

int edits_spelling(struct edits *e, const struct json *recorded, const char *shim, char **spelling,
		   struct err *err)
{
	const struct json *list = recorded ? json_get(recorded, "edits") : NULL;
	size_t n = list && json_kind(list) == JSON_IS_ARRAY ? json_count(list) : 0;

	for (size_t i = 0; i < n; i++) {
		struct edit one = { .text = NULL };
		const struct work_file *f;
		struct block all;

		if (read_edit(json_at(list, i), &one, err) < 0)
			return -1;
		f = find_file(e, one.path, err);
		edit_release(&one);
		if (!f)
			return -1;
		all = (struct block){ 0, f->now ? strlen(f->now) : 0 };
		if (f->now && mentions(f->now, &all, shim, spelling))
			return 0;
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
		if (done->fresh)
			json_put(j, "fresh", json_make_string(done->fresh));
		if (done->made_key)
			json_put(j, "made-key", json_make_bool(true));
		if (done->made_all)
			json_put(j, "made-all", json_make_bool(true));
		json_add(list, j);
	}
	return list;
}
