// SPDX-License-Identifier: Apache-2.0
/* Builds and prints plans; formats and parses an action of the journal. */

#include "deploy/plan/plan.h"

#include "base/mem.h"
#include "base/str.h"
#include "json/fields.h"

#include <stdlib.h>
#include <string.h>

/* --- the members of an action besides path, was and will --- */

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

static void put_text(struct json *j, const char *key, const char *value)
{
	if (value)
		json_put(j, key, json_make_string(value));
}

static int take_text(struct fields *f, const char *key, char **to, struct err *err)
{
	const char *text;

	if (fields_text(f, key, false, &text, err) < 0)
		return -1;
	*to = copy(text);
	return 0;
}

static void put_owner(struct json *j, mode_t mode, uid_t uid, gid_t gid)
{
	json_put(j, "mode", json_make_int(mode));
	json_put(j, "uid", json_make_int(uid));
	json_put(j, "gid", json_make_int(gid));
}

static int take_owner(struct fields *f, mode_t *mode, uid_t *uid, gid_t *gid, struct err *err)
{
	uint64_t m, u, g;

	if (fields_u64(f, "mode", false, &m, err) < 0 || fields_u64(f, "uid", false, &u, err) < 0 ||
	    fields_u64(f, "gid", false, &g, err) < 0)
		return -1;
	if (m > 07777 || u > UINT32_MAX || g > UINT32_MAX)
		return err_set(err, E_INVALID, "an invalid mode or owner");
	*mode = (mode_t)m;
	*uid = (uid_t)u;
	*gid = (gid_t)g;
	return 0;
}

/* The functions for one such member; NULL where it has nothing to write, read or free. */
struct more {
	void (*put)(const struct plan_action *a, struct json *j); /* into the journal */
	int (*take)(struct plan_action *a, struct fields *f, struct err *err);
	void (*release)(struct plan_action *a);
};

static const struct more more_nothing, more_tree;

static void put_dir(const struct plan_action *a, struct json *j)
{
	put_owner(j, a->dir.mode, a->dir.uid, a->dir.gid);
}

static int take_dir(struct plan_action *a, struct fields *f, struct err *err)
{
	return take_owner(f, &a->dir.mode, &a->dir.uid, &a->dir.gid, err);
}

static const struct more more_dir = { put_dir, take_dir, NULL };

static void release_adopt(struct plan_action *a)
{
	free(a->adopt.source);
}

static const struct more more_adopt = { NULL, NULL, release_adopt };

static void put_file(const struct plan_action *a, struct json *j)
{
	if (!a->was)
		return;
	put_text(j, "kept", a->file.kept);
	put_owner(j, a->file.mode, a->file.uid, a->file.gid);
}

static int take_file(struct plan_action *a, struct fields *f, struct err *err)
{
	if (take_text(f, "kept", &a->file.kept, err) < 0 ||
	    take_owner(f, &a->file.mode, &a->file.uid, &a->file.gid, err) < 0)
		return -1;
	if (a->file.kept && (strchr(a->file.kept, '/') || *a->file.kept == '.'))
		return err_set(err, E_INVALID, "a kept file has the invalid name '%s'",
			       a->file.kept);
	if (a->was && !a->file.kept)
		return err_set(err, E_INVALID, "it has no kept copy");
	return 0;
}

static void release_file(struct plan_action *a)
{
	free(a->file.kept);
	free(a->file.data);
	free(a->file.source);
}

static const struct more more_file = { put_file, take_file, release_file };

static void put_step(const struct plan_action *a, struct json *j)
{
	put_text(j, "step", a->step.kind);
	put_text(j, "record", a->step.record);
}

static int take_step(struct plan_action *a, struct fields *f, struct err *err)
{
	if (take_text(f, "step", &a->step.kind, err) < 0 ||
	    take_text(f, "record", &a->step.record, err) < 0)
		return -1;
	return a->step.kind && a->step.record
		       ? 0
		       : err_set(err, E_INVALID, "a step lacks its kind or record");
}

static void release_step(struct plan_action *a)
{
	free(a->step.kind);
	free(a->step.record);
}

static const struct more more_step = { put_step, take_step, release_step };

/* The columns of PLAN_KINDS. */
enum path_rule { NOWHERE, BELOW, ANYWHERE };
enum moment { BEFORE, AFTER };

static const struct {
	const char *name;
	enum path_rule rule;
	enum moment when;
	const struct more *more;
} kinds[] = {
#define X(sym, name, path, more, when, keep, apply, undo) { name, path, when, &more_##more },
	PLAN_KINDS(X)
#undef X
};

/* --- plans --- */

void plan_begin(struct plan *p, const char *verb)
{
	str_set(&p->verb, verb);
}

struct plan_action *plan_add(struct plan *p, enum plan_kind kind, const char *path, const char *was,
			     const char *will)
{
	struct plan_action a = {
		.kind = kind, .path = copy(path), .was = copy(was), .will = copy(will)
	};

	vec_push(&p->actions, a);
	return &p->actions.v[p->actions.n - 1];
}

void plan_action_release(struct plan_action *a)
{
	free(a->path);
	free(a->was);
	free(a->will);
	if (kinds[a->kind].more->release)
		kinds[a->kind].more->release(a);
	*a = (struct plan_action){ 0 };
}

void plan_release(struct plan *p)
{
	vec_each(struct plan_action, a, &p->actions)
		plan_action_release(a);
	vec_release(&p->actions);
	free(p->verb);
	p->verb = NULL;
}

bool plan_is_after_commit(enum plan_kind kind)
{
	return kinds[kind].when == AFTER;
}

const char *plan_kind_name(enum plan_kind kind)
{
	return kinds[kind].name;
}

bool plan_is_empty(const struct plan *p)
{
	return p->actions.n == 0;
}

/* Digests are abbreviated, targets are not. */
static void print_state(struct buf *to, const char *state)
{
	if (!state)
		buf_str(to, "nothing");
	else
		buf_fmt(to, strlen(state) == 64 ? "%.12s" : "%s", state);
}

void plan_print(const struct plan *p, struct buf *to)
{
	vec_each(struct plan_action, a, &p->actions) {
		buf_fmt(to, "%-10s %s", kinds[a->kind].name, a->path ? a->path : "");
		if (a->was || a->will) {
			buf_str(to, ": ");
			print_state(to, a->was);
			buf_str(to, " -> ");
			print_state(to, a->will);
		}
		buf_chr(to, '\n');
	}
}

struct json *plan_action_json(const struct plan_action *a)
{
	struct json *j = json_make_object();

	json_put(j, "action", json_make_string(kinds[a->kind].name));
	put_text(j, "path", a->path);
	put_text(j, "was", a->was);
	put_text(j, "will", a->will);
	if (kinds[a->kind].more->put)
		kinds[a->kind].more->put(a, j);
	return j;
}

struct json *plan_json(const struct plan *p)
{
	struct json *j = json_make_object(), *actions = json_make_array();

	json_put(j, "verb", json_make_string(p->verb));
	json_put(j, "changes", json_make_bool(!plan_is_empty(p)));
	vec_each(struct plan_action, a, &p->actions)
		json_add(actions, plan_action_json(a));
	json_put(j, "actions", actions);
	return j;
}

/* The journal is root's own file, but a damaged one must not make recovery touch other files. */
static int check_path(const struct plan_action *a, struct err *err)
{
	AUTO(strv) char **parts = a->path ? strv_split(a->path, "/") : NULL;
	enum path_rule rule = kinds[a->kind].rule;

	if (rule == NOWHERE || (strv_len(parts) > 0 && !strv_has(parts, "..") &&
				(*a->path != '/' || rule == ANYWHERE)))
		return 0;
	return err_set(err, E_INVALID, "an action has the invalid path '%s'",
		       a->path ? a->path : "");
}

static int parse_kind(const char *name, enum plan_kind *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(kinds[i].name, name)) {
			*out = (enum plan_kind)i;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown action '%s'", name);
}

int plan_action_parse(struct plan_action *a, const struct json *j, struct err *err)
{
	const char *name;
	struct fields f;

	if (fields_begin(&f, j, "action", err) < 0 ||
	    fields_text(&f, "action", true, &name, err) < 0 ||
	    parse_kind(name, &a->kind, err) < 0 || take_text(&f, "path", &a->path, err) < 0 ||
	    take_text(&f, "was", &a->was, err) < 0 || take_text(&f, "will", &a->will, err) < 0 ||
	    check_path(a, err) < 0)
		return -1;
	if (kinds[a->kind].more->take && kinds[a->kind].more->take(a, &f, err) < 0)
		return err_wrap(err, "%s '%s'", name, a->path ? a->path : "");
	return fields_end(&f, err);
}
