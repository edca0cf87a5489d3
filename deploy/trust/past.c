// SPDX-License-Identifier: Apache-2.0
/* Parses, formats and merges the memory, state/trust.json. */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/trust-internal.h"
#include "json/fields.h"

#include <fcntl.h>
#include <string.h>

/* Schema 1, which is read too, has no "channel", no "remembered", and no roles in "root". */
enum { SCHEMA = 2 };

#define NAME "trust.json"

void trust_past_release(struct trust_past *past)
{
	vec_each(struct trust_serial, s, &past->serials)
		free(s->name);
	vec_release(&past->serials);
	trust_root_release(&past->root);
	trust_root_release(&past->keys);
	free(past->channel);
	json_free(past->decided);
	*past = (struct trust_past)TRUST_PAST_INIT;
}

struct trust_serial *trust_past_serial(struct trust_past *past, const char *name)
{
	vec_each(struct trust_serial, s, &past->serials) {
		if (str_eq(s->name, name))
			return s;
	}
	return NULL;
}

void trust_past_raise(struct trust_past *past, const char *name, uint64_t serial, uint64_t time)
{
	struct trust_serial *seen = trust_past_serial(past, name);
	struct trust_serial fresh = { NULL, serial };

	if (!seen) {
		fresh.name = xstrdup(name);
		vec_push(&past->serials, fresh);
	} else if (serial > seen->serial) {
		seen->serial = serial;
	}
	if (time > past->time)
		past->time = time;
}

void trust_past_restart(struct trust_past *past)
{
	vec_each(struct trust_serial, s, &past->serials) {
		if (!str_eq(s->name, "release"))
			s->serial = 0;
	}
	past->time = 0;
}

bool trust_past_has_channel(const struct trust_past *past)
{
	vec_each(struct trust_serial, s, &past->serials) {
		if (!str_eq(s->name, "release"))
			return true;
	}
	return false;
}

/* Restarts the memory that missed a rotation: it may have what the old keys for channels signed. */
static void catch_up(struct trust_past *a, struct trust_past *b)
{
	bool first = a->root.version < b->root.version;

	if (a->root.version != b->root.version &&
	    !trust_root_agrees(&a->root, &b->root, TRUST_CHANNEL))
		trust_past_restart(first ? a : b);
}

int trust_past_merge(struct trust_past *past, struct trust_past *from, bool own, struct err *err)
{
	catch_up(past, from);
	vec_each(struct trust_serial, s, &from->serials)
		trust_past_raise(past, s->name, s->serial, from->time);
	if (past->serials.n > TRUST_SERIALS_MAX)
		return err_set(err, E_LIMIT, "more than %d channels are remembered",
			       TRUST_SERIALS_MAX);
	if (from->time > past->time)
		past->time = from->time;
	if (from->root.version > past->root.version &&
	    trust_root_copy(&past->root, &from->root, err) < 0)
		return -1;
	if (!own)
		str_set(&past->channel, from->channel);
	return 0;
}

static int parse_serials(struct trust_past *past, const struct json *j, struct err *err)
{
	if (json_count(j) > TRUST_SERIALS_MAX)
		return err_set(err, E_LIMIT, NAME " has more than %d serials", TRUST_SERIALS_MAX);
	for (void *it = json_begin(j); it; it = json_after(j, it)) {
		struct trust_serial s = { 0 };

		if (json_kind(json_value(it)) != JSON_IS_INT ||
		    json_u64(json_value(it), &s.serial) < 0)
			return err_set(err, E_INVALID, NAME ": serial of '%s' is not a number",
				       json_key(it));
		s.name = xstrdup(json_key(it));
		vec_push(&past->serials, s);
	}
	return 0;
}

static int parse_key(struct trust_root *keys, const struct json *j, struct err *err)
{
	const char *name, *line, *since;
	AUTO(strv) char **roles = NULL;
	const struct json *list;
	struct minisig_key key;
	unsigned bits = 0;
	struct fields f;

	if (fields_begin(&f, j, NAME ", a key", err) < 0 ||
	    fields_text(&f, "key", true, &line, err) < 0 ||
	    fields_text(&f, "name", true, &name, err) < 0 ||
	    fields_text(&f, "since", true, &since, err) < 0 ||
	    fields_array(&f, "roles", &list, err) < 0 || fields_end(&f, err) < 0 ||
	    minisig_key_parse(&key, line, strlen(line), NAME ", a key", err) < 0)
		return -1;
	for (unsigned role = 0; json_get_strings(j, "roles", &roles) == 0 && role < TRUST_ROLES;
	     role++) {
		if (strv_has(roles, trust_role_name(role)))
			bits |= TRUST_BIT(role);
	}
	if (!bits || trust_root_find(keys, &key))
		return err_set(err, E_INVALID, NAME ": a key has no role, or is there twice");
	if (trust_root_add(keys, &key, bits, name, err) < 0)
		return -1;
	return stamp_parse(since, NAME ", a key", &keys->keys.v[keys->keys.n - 1].since, err);
}

/* {"keys": [{"key", "name", "since", "roles"}], "threshold"} */
static int parse_remembered(struct trust_root *keys, const struct json *j, struct err *err)
{
	const struct json *list;
	uint64_t threshold;
	struct fields f;

	if (fields_begin(&f, j, NAME ", remembered", err) < 0 ||
	    fields_array(&f, "keys", &list, err) < 0 ||
	    fields_u64(&f, "threshold", true, &threshold, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(list); i++) {
		if (parse_key(keys, json_at(list, i), err) < 0)
			return -1;
	}
	if (threshold > trust_root_count(keys, TRUST_RELEASE))
		return err_set(err, E_INVALID, NAME ": threshold %llu of %zu remembered keys",
			       (unsigned long long)threshold,
			       trust_root_count(keys, TRUST_RELEASE));
	keys->threshold[TRUST_RELEASE] = (unsigned)threshold;
	return 0;
}

/* Parses the members that trust.json and the copy that survives an uninstall both have. */
static int parse_members(struct trust_past *past, struct fields *f, struct err *err)
{
	const struct json *serials, *root;
	const char *channel;

	if (fields_u64(f, "time", true, &past->time, err) < 0 ||
	    fields_object(f, "serials", &serials, err) < 0 ||
	    fields_text(f, "channel", false, &channel, err) < 0 ||
	    fields_object(f, "root", &root, err) < 0)
		return -1;
	str_set(&past->channel, channel);
	if (serials && parse_serials(past, serials, err) < 0)
		return -1;
	return root ? trust_root_parse(&past->root, root, NAME, err) : 0;
}

int trust_past_take(struct trust_past *past, const struct json *j, const char *name,
		    struct err *err)
{
	struct fields f;

	return fields_begin(&f, j, name, err) < 0 || parse_members(past, &f, err) < 0
		       ? -1
		       : fields_end(&f, err);
}

static int parse(struct trust_past *past, const struct json *j, struct err *err)
{
	const struct json *decided, *remembered;
	uint64_t schema;
	struct fields f;

	if (fields_begin(&f, j, NAME, err) < 0 || fields_u64(&f, "schema", true, &schema, err) < 0)
		return -1;
	if (schema > SCHEMA)
		return err_set(err, E_UNSUPPORTED,
			       NAME " has schema %llu; it was written by a newer kata-deploy",
			       (unsigned long long)schema);
	if (parse_members(past, &f, err) < 0 ||
	    fields_object(&f, "remembered", &remembered, err) < 0 ||
	    fields_object(&f, "decided", &decided, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	if (remembered && parse_remembered(&past->keys, remembered, err) < 0)
		return -1;
	past->decided = decided ? json_share(decided) : NULL;
	return 0;
}

int trust_past_parse(struct trust_past *past, const char *text, size_t len, struct err *err)
{
	AUTO(json) struct json *j = json_parse(text, len, NAME, err);

	return j ? parse(past, j, err) : -1;
}

int trust_past_load(struct trust_past *past, int state, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(TRUST_MEMORY_MAX);
	AUTO(fd) int fd = state < 0 ? -1 : openat(state, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return state < 0 || errno == ENOENT ? 0 : err_sys(err, "open " NAME);
	if (file_read_fd(fd, NAME, TRUST_MEMORY_MAX, &text, err) == 0 &&
	    trust_past_parse(past, buf_cstr(&text), text.len, err) == 0)
		return 1;
	/* This program writes nothing above a limit, so it is damaged. */
	if (err->code == E_LIMIT)
		err->code = E_INVALID;
	return err->code == E_INVALID ? err_hint(err, "run %s", advice("recover")) : -1;
}

int trust_check_memory(int state, struct err *err)
{
	AUTO(trust_past) struct trust_past past = TRUST_PAST_INIT;

	return trust_past_load(&past, state, err) < 0 ? -1 : 0;
}

struct json *trust_roles_json(const struct trust_key *k)
{
	struct json *roles = json_make_array();

	for (unsigned role = 0; role < TRUST_ROLES; role++) {
		if (k->roles & TRUST_BIT(role))
			json_add(roles, json_make_string(trust_role_name(role)));
	}
	return roles;
}

static struct json *remembered_json(const struct trust_root *keys)
{
	struct json *j = json_make_object(), *list = json_make_array();

	vec_each(struct trust_key, k, &keys->keys) {
		AUTO(str) char *line = trust_key_line(&k->key);
		struct json *key = json_make_object();
		char since[STAMP_SIZE];

		stamp_format(k->since, since);
		json_put(key, "key", json_make_string(line));
		json_put(key, "name", json_make_string(k->name));
		json_put(key, "since", json_make_string(since));
		json_put(key, "roles", trust_roles_json(k));
		json_add(list, key);
	}
	json_put(j, "keys", list);
	json_put(j, "threshold", json_make_u64(keys->threshold[TRUST_RELEASE]));
	return j;
}

void trust_past_put(const struct trust_past *past, struct json *j)
{
	struct json *serials = json_make_object();

	json_put(j, "time", json_make_u64(past->time));
	vec_each(struct trust_serial, s, &past->serials)
		json_put(serials, s->name, json_make_u64(s->serial));
	json_put(j, "serials", serials);
	if (past->channel)
		json_put(j, "channel", json_make_string(past->channel));
	if (past->root.version)
		json_put(j, "root", trust_root_json(&past->root));
}

char *trust_past_format(const struct trust_past *past)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "schema", json_make_int(SCHEMA));
	trust_past_put(past, j);
	if (past->keys.keys.n)
		json_put(j, "remembered", remembered_json(&past->keys));
	if (past->decided)
		json_put(j, "decided", json_share(past->decided));
	AUTO(str) char *text = json_format(j, true);
	return str_fmt("%s\n", text);
}
