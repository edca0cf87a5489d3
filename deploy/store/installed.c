// SPDX-License-Identifier: Apache-2.0
/* Parses and formats state/install.json. */

#include "deploy/store/installed.h"

#include "base/mem.h"
#include "base/str.h"
#include "json/fields.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum { SCHEMA = 1 };

static void generation_release(struct generation *g)
{
	free(g->id);
	free(g->version);
	free(g->unguarded);
}

void installed_release(struct installed *in)
{
	vec_each(struct generation, g, &in->generations)
		generation_release(g);
	vec_release(&in->generations);
	free(in->current);
	free(in->previous);
	free(in->extra);
	strv_free(in->made_dirs);
	*in = (struct installed)INSTALLED_INIT;
}

struct generation *installed_find(const struct installed *in, const char *id)
{
	vec_each(struct generation, g, &in->generations) {
		if (str_eq(g->id, id))
			return g;
	}
	return NULL;
}

void installed_add(struct installed *in, const struct generation *g)
{
	struct generation copy = *g;

	copy.id = xstrdup(g->id);
	copy.version = xstrdup(g->version);
	copy.unguarded = g->unguarded ? xstrdup(g->unguarded) : NULL;
	vec_push(&in->generations, copy);
}

void installed_drop(struct installed *in, const char *id)
{
	struct generation *g = installed_find(in, id);

	if (!g)
		return;
	generation_release(g);
	vec_remove(&in->generations, (size_t)(g - in->generations.v));
}

static struct json *generation_json(const struct generation *g)
{
	struct json *j = json_make_object();

	json_put(j, "id", json_make_string(g->id));
	json_put(j, "version", json_make_string(g->version));
	json_put(j, "since", json_make_u64(g->since));
	json_put(j, "files", json_make_u64(g->files));
	json_put(j, "bytes", json_make_u64(g->bytes));
	json_put(j, "verity", json_make_u64(g->verity));
	if (g->unguarded)
		json_put(j, "unguarded", json_make_string(g->unguarded));
	return j;
}

char *installed_format(const struct installed *in)
{
	struct err ignored = ERR_INIT; /* extra was parsed before it got here */
	struct json *generations = json_make_array(), *dirs = json_make_array(), *extra;
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "schema", json_make_int(SCHEMA));
	if (in->current)
		json_put(j, "current", json_make_string(in->current));
	if (in->previous)
		json_put(j, "previous", json_make_string(in->previous));
	json_put(j, "made_prefix", json_make_bool(in->made_prefix));
	vec_each(struct generation, g, &in->generations)
		json_add(generations, generation_json(g));
	json_put(j, "generations", generations);
	strv_each(dir, in->made_dirs)
		json_add(dirs, json_make_string(*dir));
	json_put(j, "made_dirs", dirs);
	extra = in->extra ? json_parse(in->extra, strlen(in->extra), "extra", &ignored) : NULL;
	if (extra)
		json_put(j, "extra", extra);
	AUTO(str) char *text = json_format(j, true);
	return str_fmt("%s\n", text);
}

mode_t installed_mode(const struct installed *in)
{
	static const char scheme[] = "://";

	for (const char *url = in->extra ? strstr(in->extra, scheme) : NULL; url;
	     url = strstr(url, scheme)) {
		url += strlen(scheme);
		if (memchr(url, '@', strcspn(url, "/?#\"")))
			return 0600;
	}
	return 0644;
}

static int parse_generation(struct installed *in, const struct json *j, struct err *err)
{
	const char *id, *version, *unguarded;
	struct generation g = { 0 };
	struct fields f;

	if (fields_begin(&f, j, "generation", err) < 0 ||
	    fields_text(&f, "id", true, &id, err) < 0 ||
	    fields_text(&f, "version", true, &version, err) < 0 ||
	    fields_u64(&f, "since", true, &g.since, err) < 0 ||
	    fields_u64(&f, "files", true, &g.files, err) < 0 ||
	    fields_u64(&f, "bytes", true, &g.bytes, err) < 0 ||
	    fields_u64(&f, "verity", true, &g.verity, err) < 0 ||
	    fields_text(&f, "unguarded", false, &unguarded, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	/* Ids become file names. */
	if (str_check_id(id, "generation", err) < 0)
		return -1;
	if (installed_find(in, id))
		return err_set(err, E_INVALID, "generation %s is listed twice", id);
	g.id = (char *)id;
	g.version = (char *)version;
	g.unguarded = (char *)unguarded;
	installed_add(in, &g);
	return 0;
}

static int parse_dirs(struct installed *in, const struct json *dirs, struct err *err)
{
	for (size_t i = 0; i < json_count(dirs); i++) {
		const struct json *dir = json_at(dirs, i);

		if (json_kind(dir) != JSON_IS_STRING || *json_text(dir) != '/')
			return err_set(err, E_INVALID,
				       "made_dirs has an element that is not an absolute path");
		strv_push(&in->made_dirs, json_text(dir));
	}
	return 0;
}

static int parse_all(struct installed *in, const struct json *j, struct err *err)
{
	const struct json *generations, *dirs, *extra;
	const char *current, *previous;
	uint64_t schema;
	struct fields f;

	if (fields_begin(&f, j, "document", err) < 0 ||
	    fields_u64(&f, "schema", true, &schema, err) < 0)
		return -1;
	if (schema != SCHEMA)
		return err_set(err, E_UNSUPPORTED, "schema %llu; a newer kata-deploy wrote it",
			       (unsigned long long)schema);
	if (fields_text(&f, "current", false, &current, err) < 0 ||
	    fields_text(&f, "previous", false, &previous, err) < 0 ||
	    fields_bool(&f, "made_prefix", &in->made_prefix, err) < 0 ||
	    fields_array(&f, "generations", &generations, err) < 0 ||
	    fields_array(&f, "made_dirs", &dirs, err) < 0 ||
	    fields_object(&f, "extra", &extra, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	/* Older versions could add one more. */
	if (json_count(generations) > INSTALLED_MAX + 1)
		return err_set(err, E_INVALID, "more than %d generations", INSTALLED_MAX);
	for (size_t i = 0; i < json_count(generations); i++) {
		if (parse_generation(in, json_at(generations, i), err) < 0)
			return -1;
	}
	str_set(&in->current, current);
	str_set(&in->previous, previous);
	if ((current && !installed_find(in, current)) ||
	    (previous && !installed_find(in, previous)))
		return err_set(err, E_INVALID, "the current or previous generation is not listed");
	in->extra = extra ? json_format(extra, false) : NULL;
	return parse_dirs(in, dirs, err);
}

int installed_parse(struct installed *in, const char *text, size_t len, struct err *err)
{
	AUTO(json) struct json *j = json_parse(text, len, "install.json", err);

	if (!j)
		return -1;
	return parse_all(in, j, err) < 0 ? err_wrap(err, "install.json") : 0;
}
