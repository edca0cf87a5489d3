// SPDX-License-Identifier: Apache-2.0
/* state/trust.json: the trust state that is kept between installs. */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/trust/trust-internal.h"
#include "json/fields.h"

#include <fcntl.h>
#include <string.h>

enum { SCHEMA = 1 };

#define NAME "trust.json"

void trust_past_release(struct trust_past *past)
{
	vec_each(struct trust_serial, s, &past->serials)
		free(s->name);
	vec_release(&past->serials);
	trust_root_release(&past->root);
}

struct trust_serial *trust_past_serial(struct trust_past *past, const char *name)
{
	vec_each(struct trust_serial, s, &past->serials) {
		if (str_eq(s->name, name))
			return s;
	}
	return NULL;
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

static int parse(struct trust_past *past, const struct json *j, struct err *err)
{
	const struct json *serials, *root, *decided;
	uint64_t schema;
	struct fields f;

	if (fields_begin(&f, j, NAME, err) < 0 || fields_u64(&f, "schema", true, &schema, err) < 0)
		return -1;
	if (schema != SCHEMA)
		return err_set(err, E_UNSUPPORTED,
			       NAME " has schema %llu; it was written by a newer kata-deploy",
			       (unsigned long long)schema);
	if (fields_u64(&f, "time", true, &past->time, err) < 0 ||
	    fields_object(&f, "serials", &serials, err) < 0 ||
	    fields_object(&f, "root", &root, err) < 0 ||
	    fields_object(&f, "decided", &decided, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	if (serials && parse_serials(past, serials, err) < 0)
		return -1;
	return root ? trust_root_parse(&past->root, root, NAME, err) : 0;
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
	if (file_read_fd(fd, NAME, TRUST_MEMORY_MAX, &text, err) < 0)
		return -1;
	if (trust_past_parse(past, buf_cstr(&text), text.len, err) == 0)
		return 0;
	return err->code == E_INVALID ? err_hint(err, "run kata-deploy recover") : -1;
}

int trust_check_memory(int state, struct err *err)
{
	struct trust_past past = { 0 };
	int rc = trust_past_load(&past, state, err);

	trust_past_release(&past);
	return rc;
}

char *trust_past_format(const struct trust_past *past, struct json *decided)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *serials = json_make_object();

	json_put(j, "schema", json_make_int(SCHEMA));
	json_put(j, "time", json_make_u64(past->time));
	vec_each(struct trust_serial, s, &past->serials)
		json_put(serials, s->name, json_make_u64(s->serial));
	json_put(j, "serials", serials);
	if (past->root.version)
		json_put(j, "root", trust_root_json(&past->root));
	json_put(j, "decided", decided);
	AUTO(str) char *text = json_format(j, true);
	return str_fmt("%s\n", text);
}
