// SPDX-License-Identifier: Apache-2.0
/* Reads the results of jobs from the documents of the verbs (docs/json.md); formats and parses
 * struct machine_kept. */
#include "deploy/node/machine.h"

#include "base/spawn.h"
#include "base/str.h"
#include "json/fields.h"

#include <signal.h>
#include <string.h>

enum { KILLED = 128 + SIGKILL };

#define COPY(to, text) message_text((to), sizeof(to), (text))

static bool flag(const struct json *j, const char *key)
{
	const struct json *v = json_get(j, key);

	return v && json_kind(v) == JSON_IS_BOOL && json_bool(v);
}

static uint64_t number(const struct json *j, const char *key)
{
	const struct json *v = j ? json_get(j, key) : NULL;
	uint64_t n = 0;

	return v && json_kind(v) == JSON_IS_INT && json_u64(v, &n) == 0 ? n : 0;
}

static size_t count(const struct json *j, const char *key)
{
	const struct json *v = json_get(j, key);

	return v && json_kind(v) == JSON_IS_ARRAY ? json_count(v) : 0;
}

static const struct json *object(const struct json *j, const char *key)
{
	const struct json *v = j ? json_get(j, key) : NULL;

	return v && json_kind(v) == JSON_IS_OBJECT ? v : NULL;
}

static void read_status(struct outcome *o, const struct json *j)
{
	const struct json *list = json_get(j, "generations");

	o->installed = flag(j, "installed");
	o->interrupted = flag(j, "interrupted");
	o->drift = count(j, "drift");
	o->serial = number(object(j, "release"), "serial");
	for (size_t i = 0; i < count(j, "generations"); i++) {
		const struct json *g = json_at(list, i);

		if (json_kind(g) != JSON_IS_OBJECT || !flag(g, "current"))
			continue;
		COPY(o->version, json_get_text(g, "version"));
		COPY(o->generation, json_get_text(g, "id"));
	}
	if (object(j, "cri"))
		COPY(o->manager, json_get_text(object(j, "cri"), "name"));
	if (object(j, "health"))
		COPY(o->problem, json_get_text(object(j, "health"), "problem"));
}

static void read_install(struct outcome *o, const struct json *j)
{
	o->restarted = flag(j, "restarted");
	if (!object(j, "proof"))
		return;
	COPY(o->kernel, json_get_text(object(j, "proof"), "kernel"));
	COPY(o->agent, json_get_text(object(j, "proof"), "agent"));
}

static void read_error(struct outcome *o, const struct json *j, int exit_code)
{
	const struct json *error = j ? object(j, "error") : NULL;

	COPY(o->code, error ? json_get_text(error, "code") : "failed");
	if (error && json_get_text(error, "message"))
		COPY(o->message, json_get_text(error, "message"));
	else if (exit_code == KILLED)
		(void)str_print(o->message, sizeof(o->message),
				"kata-deploy %s was killed, perhaps because its memory did not "
				"suffice; give this container more (resources.node of the chart)",
				node_job_verb(o->job));
	else
		(void)str_print(o->message, sizeof(o->message),
				"kata-deploy %s ended with status %d; see the log of this program",
				node_job_verb(o->job), exit_code);
}

void outcome_read(struct outcome *o, enum node_job job, int exit_code, const char *text, size_t len)
{
	struct err ignored = ERR_INIT; /* a verb that was killed prints no document */
	AUTO(json) struct json *j = json_parse(text, len, node_job_verb(job), &ignored);

	*o = (struct outcome){ .job = job };
	if (j && json_kind(j) != JSON_IS_OBJECT) {
		json_free(j);
		j = NULL;
	}
	if (exit_code != 0 || !j) {
		read_error(o, j, exit_code);
		return;
	}
	o->ok = true;
	if (job == JOB_STATUS || job == JOB_HASH)
		read_status(o, j);
	if (job == JOB_INSTALL)
		read_install(o, j);
	if (job == JOB_RECOVER)
		COPY(o->undone, json_get_text(j, "undone"));
	if (job == JOB_PLAN) {
		o->changes = flag(j, "changes") || count(j, "actions");
		o->restart = flag(j, "restart");
		COPY(o->reason, json_get_text(j, "reason"));
	}
}

/* --- struct machine_kept --- */

#define TEXTS(X)   X(turn) X(ended) X(ended_reason) X(code) X(message)
#define FLAGS(X)   X(held) X(ended_good) X(uninstalling) X(uninstalled)
#define NUMBERS(X) X(failures) X(retry)

struct json *kept_json(const struct machine_kept *k)
{
	struct json *j = json_make_object();

#define X(m) json_put(j, #m, json_make_string(k->m));
	TEXTS(X)
#undef X
#define X(m) json_put(j, #m, json_make_bool(k->m));
	FLAGS(X)
#undef X
#define X(m) json_put(j, #m, json_make_u64(k->m));
	NUMBERS(X)
#undef X
	json_put(j, "release", json_make_string(k->release));
	return j;
}

int kept_parse(struct machine_kept *k, const struct json *j, struct err *err)
{
	struct fields f;
	const char *text;

	memset(k, 0, sizeof(*k));
	if (fields_begin(&f, j, "node.json", err) < 0)
		return -1;
#define X(m)                                           \
	if (fields_text(&f, #m, true, &text, err) < 0) \
		return -1;                             \
	COPY(k->m, text);
	TEXTS(X)
#undef X
#define X(m)                                     \
	if (fields_bool(&f, #m, &k->m, err) < 0) \
		return -1;
	FLAGS(X)
#undef X
#define X(m)                                          \
	if (fields_u64(&f, #m, true, &k->m, err) < 0) \
		return -1;
	NUMBERS(X)
#undef X
	if (fields_text(&f, "release", false, &text, err) < 0)
		return -1;
	COPY(k->release, text);
	return fields_end(&f, err);
}
