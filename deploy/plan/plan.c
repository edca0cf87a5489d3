// SPDX-License-Identifier: Apache-2.0
/* Plans: building, printing, and the form in which the journal keeps an action. */

#include "deploy/plan/plan.h"

#include "base/mem.h"
#include "base/str.h"
#include "json/fields.h"

#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	bool after;
} kinds[] = {
#define X(sym, name, after) { name, after },
	PLAN_KINDS(X)
#undef X
};

void plan_begin(struct plan *p, const char *verb)
{
	str_set(&p->verb, verb);
}

static char *copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
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
	free(a->kept);
	free(a->step);
	free(a->record);
	free(a->data);
	free(a->source);
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
	return kinds[kind].after;
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

static void put_text(struct json *j, const char *key, const char *value)
{
	if (value)
		json_put(j, key, json_make_string(value));
}

struct json *plan_action_json(const struct plan_action *a)
{
	struct json *j = json_make_object();

	json_put(j, "action", json_make_string(kinds[a->kind].name));
	put_text(j, "path", a->path);
	put_text(j, "was", a->was);
	put_text(j, "will", a->will);
	put_text(j, "kept", a->kept);
	put_text(j, "step", a->step);
	put_text(j, "record", a->record);
	if (a->kind == PLAN_DIR || (a->kind == PLAN_FILE && a->was)) {
		json_put(j, "mode", json_make_int(a->mode));
		json_put(j, "uid", json_make_int(a->uid));
		json_put(j, "gid", json_make_int(a->gid));
	}
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

/* The journal is our own file, but paths in it are used as root: validate them. */
static int check_action(const struct plan_action *a, struct err *err)
{
	bool foreign = a->kind == PLAN_DIR || a->kind == PLAN_FILE || a->kind == PLAN_STEP;
	AUTO(strv) char **parts = a->path ? strv_split(a->path, "/") : NULL;

	if (a->kind == PLAN_SYNC || a->kind == PLAN_DROP_HOME || a->kind == PLAN_STEP)
		return a->kind != PLAN_STEP || (a->step && a->record)
			       ? 0
			       : err_set(err, E_INVALID, "a step lacks its kind or record");
	if (strv_len(parts) == 0 || strv_has(parts, "..") || (*a->path == '/' && !foreign))
		return err_set(err, E_INVALID, "an action has the invalid path '%s'",
			       a->path ? a->path : "");
	if (a->kept && (strchr(a->kept, '/') || *a->kept == '.'))
		return err_set(err, E_INVALID, "a kept file has the invalid name '%s'", a->kept);
	if (a->kind == PLAN_FILE && a->was && !a->kept)
		return err_set(err, E_INVALID, "'%s' has no kept copy", a->path);
	return 0;
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
	const char *name, *text[6];
	static const char *const keys[] = { "path", "was", "will", "kept", "step", "record" };
	char **const to[] = { &a->path, &a->was, &a->will, &a->kept, &a->step, &a->record };
	uint64_t mode, uid, gid;
	struct fields f;

	if (fields_begin(&f, j, "action", err) < 0 ||
	    fields_text(&f, "action", true, &name, err) < 0 || parse_kind(name, &a->kind, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (fields_text(&f, keys[i], false, &text[i], err) < 0)
			return -1;
		*to[i] = copy(text[i]);
	}
	if (fields_u64(&f, "mode", false, &mode, err) < 0 ||
	    fields_u64(&f, "uid", false, &uid, err) < 0 ||
	    fields_u64(&f, "gid", false, &gid, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	if (mode > 07777 || uid > UINT32_MAX || gid > UINT32_MAX)
		return err_set(err, E_INVALID, "invalid mode or owner of '%s'",
			       a->path ? a->path : "");
	a->mode = (mode_t)mode;
	a->uid = (uid_t)uid;
	a->gid = (gid_t)gid;
	return check_action(a, err);
}
