// SPDX-License-Identifier: Apache-2.0
/*
 * Edits daemon.json. libs/json validates the text and locates errors; relying on that, this code
 * looks for quotes, brackets and commas only.
 */
#include "deploy/cri/docker-json.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "json/json.h"

#include <string.h>

/* A member of an object, as pointers into the text. */
struct member {
	const char *key, *value, *end; /* end: just after the value */
};

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t\r\n");
}

static const char *skip_string(const char *at)
{
	for (at++; *at && *at != '"'; at++)
		if (*at == '\\' && at[1])
			at++;
	return *at ? at + 1 : at;
}

static const char *skip_value(const char *at)
{
	unsigned open = 0;

	do {
		if (*at == '"') {
			at = skip_string(at);
			continue;
		}
		if (*at == '{' || *at == '[') {
			open++;
			at++;
		} else if (*at == '}' || *at == ']') {
			open--;
			at++;
		} else if (open) {
			at++;
		} else {
			at += strcspn(at, ",]} \t\r\n");
		}
	} while (*at && open);
	return at;
}

/* Finds the next member; at points just behind '{' or a value. Returns false at the object's
 * end. */
static bool next_member(const char *at, struct member *m)
{
	at = skip_blanks(at);
	if (*at == ',')
		at = skip_blanks(at + 1);
	if (*at != '"')
		return false;
	m->key = at;
	at = skip_blanks(skip_string(at));
	m->value = skip_blanks(at + 1);
	m->end = skip_value(m->value);
	return true;
}

/* Compares a key with its escapes resolved, by libs/json. */
static bool is_key(const struct member *m, const char *name)
{
	AUTO(str) char *list = NULL;
	struct err ignored = ERR_INIT; /* it was parsed before */
	const char *end = skip_string(m->key);

	list = str_fmt("[%.*s]", (int)(end - m->key), m->key);
	AUTO(json) struct json *j = json_parse(list, strlen(list), "key", &ignored);
	return j && str_eq(json_text(json_at(j, 0)), name);
}

/* Finds a member by name; object points to '{'. *last: the member before it, or the last member if
 * it is not found; last->end is NULL if there is no such member. */
static bool find_member(const char *object, const char *name, struct member *found,
			struct member *last)
{
	struct member m;
	const char *at = object + 1;

	*last = (struct member){ NULL, NULL, NULL };
	while (next_member(at, &m)) {
		if (is_key(&m, name)) {
			*found = m;
			return true;
		}
		*last = m;
		at = m.end;
	}
	return false;
}

static int check(const char *file, const char *text, struct err *err)
{
	AUTO(json) struct json *j = json_parse(text, strlen(text), file, err);
	const struct json *runtimes;

	if (!j) {
		if (err->code == E_INVALID)
			err->code = E_CONFIG;
		return -1;
	}
	if (json_kind(j) != JSON_IS_OBJECT)
		return err_set(err, E_CONFIG, "%s is %s, not an object; correct it by hand", file,
			       json_kind_name(json_kind(j)));
	runtimes = json_get(j, "runtimes");
	if (runtimes && json_kind(runtimes) != JSON_IS_OBJECT)
		return err_set(err, E_CONFIG,
			       "%s: 'runtimes' is %s, not an object; correct it by hand", file,
			       json_kind_name(json_kind(runtimes)));
	return 0;
}

/* Puts a member at the end of an object, with the white space of the member before it. */
static void insert(const char *text, const char *object, const struct member *last,
		   const char *what, struct buf *out)
{
	const char *at = last->end ? last->end : object + 1;
	const char *blanks = last->key;

	buf_add(out, text, (size_t)(at - text));
	if (last->end) {
		while (blanks > object + 1 && strchr(" \t\r\n", blanks[-1]))
			blanks--;
		buf_fmt(out, ",%.*s", (int)(last->key - blanks), blanks);
	}
	buf_str(out, what);
	buf_str(out, at);
}

int docker_json_add(const char *file, const char *text, const char *name, const char *value,
		    bool *made_key, struct buf *out, struct err *err)
{
	const char *root = skip_blanks(text);
	struct member runtimes, found, last;
	AUTO(str) char *member = str_fmt("\"%s\": %s", name, value);

	if (check(file, text, err) < 0)
		return -1;
	*made_key = !find_member(root, "runtimes", &runtimes, &last);
	if (*made_key) {
		AUTO(str) char *object = str_fmt("\"runtimes\": {%s}", member);

		insert(text, root, &last, object, out);
	} else if (find_member(runtimes.value, name, &found, &last)) {
		return err_set(err, E_EXISTS,
			       "%s: there is a runtime '%s' already; remove or rename it", file,
			       name);
	} else {
		insert(text, runtimes.value, &last, member, out);
	}
	return buf_check(out, file, err);
}

/* Removes a member with a comma: the one before it, or else the one behind it. */
static void cut(const char *text, const struct member *m, const struct member *before,
		struct buf *out)
{
	const char *from = before->end ? before->end : m->key, *to = m->end;

	if (!before->end && *skip_blanks(to) == ',')
		to = skip_blanks(skip_blanks(to) + 1);
	buf_add(out, text, (size_t)(from - text));
	buf_str(out, to);
}

int docker_json_remove(const char *file, const char *text, const char *name, bool made_key,
		       struct buf *out, struct err *err)
{
	const char *root = skip_blanks(text);
	struct member runtimes, found, before, before_runtimes;
	bool only;

	if (check(file, text, err) < 0)
		return -1;
	if (!find_member(root, "runtimes", &runtimes, &before_runtimes) ||
	    !find_member(runtimes.value, name, &found, &before)) {
		buf_str(out, text);
		return buf_check(out, file, err);
	}
	only = !before.end && *skip_blanks(found.end) == '}';
	if (only && made_key)
		cut(text, &runtimes, &before_runtimes, out);
	else
		cut(text, &found, &before, out);
	return buf_check(out, file, err);
}
