// SPDX-License-Identifier: Apache-2.0
/* kata-deploy status: generations and their users, drift, expiry, the health of the manager. */

#include "base/mem.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/cli/node.h"
#include "deploy/cli/say.h"
#include "deploy/release/stamp.h"
#include "deploy/verbs/verbs.h"
#include "http/http.h"

#include <string.h>
#include <time.h>

static struct {
	bool check;
	struct cli_place place;
	struct cli_talk talk;
} o;

const struct opt status_opts[] = {
	OPT_FLAG(0, "check", &o.check, "hash every file instead of comparing sizes"),
	CLI_PLACE(o.place),
	CLI_JSON(o.talk),
	OPT_END,
};

static void drifted(void *arg, const char *path, const char *what)
{
	struct json *j = json_make_object();

	json_put(j, "path", json_make_string(path));
	json_put(j, "what", json_make_string(what));
	json_add(arg, j);
}

static void put_text(struct json *j, const char *key, const char *text)
{
	if (text)
		json_put(j, key, json_make_string(text));
}

static struct json *holders(const struct use_list *uses, const char *generation)
{
	struct json *list = json_make_array();

	vec_each(struct use, u, &uses->rows) {
		struct json *j;

		if (!str_eq(u->generation, generation))
			continue;
		j = json_make_object();
		put_text(j, "sandbox", u->sandbox);
		put_text(j, "namespace", u->space);
		put_text(j, "process", u->process);
		if (u->pid)
			json_put(j, "pid", json_make_int(u->pid));
		put_text(j, "path", u->path);
		json_add(list, j);
	}
	return list;
}

static struct json *generations(const struct installed *in, const struct use_list *uses)
{
	struct json *list = json_make_array();

	vec_each(struct generation, g, &in->generations) {
		struct json *j = json_make_object();

		json_put(j, "id", json_make_string(g->id));
		json_put(j, "version", json_make_string(g->version));
		json_put(j, "current", json_make_bool(str_eq(g->id, in->current)));
		json_put(j, "previous", json_make_bool(str_eq(g->id, in->previous)));
		json_put(j, "since", json_make_u64(g->since));
		json_put(j, "files", json_make_u64(g->files));
		json_put(j, "bytes", json_make_u64(g->bytes));
		json_put(j, "verity", json_make_u64(g->verity));
		json_put(j, "pods", json_make_u64(use_pods(uses, g->id)));
		json_put(j, "holders", holders(uses, g->id));
		json_add(list, j);
	}
	return list;
}

/* Returns the record of the release without the users and passwords of its sources and proxy. */
static struct json *show_release(const struct json *release)
{
	struct json *shown = json_make_object(), *from = json_make_array();
	AUTO(str) char *proxy = NULL;
	AUTO(strv) char **sources = NULL;

	for (void *it = json_begin(release); it; it = json_after(release, it))
		json_put(shown, json_key(it), json_share(json_value(it)));
	if (json_get(release, "from") && json_get_strings(release, "from", &sources) == 0) {
		strv_each(source, sources) {
			AUTO(str) char *url = http_shown(*source);

			json_add(from, json_make_string(url));
		}
		json_put(shown, "from", from);
	} else {
		json_free(from);
	}
	if (json_get_text(release, "proxy")) {
		proxy = http_shown(json_get_text(release, "proxy"));
		json_put(shown, "proxy", json_make_string(proxy));
	}
	return shown;
}

/* Adds what install.json has recorded of the release and of the registration. */
static int add_memory(const struct deploy *d, struct json *j, struct err *err)
{
	static const char *const members[] = { "release", "cri" };
	AUTO(json) struct json *doc = NULL;
	const struct json *memory, *expires;
	uint64_t when;

	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		if (node_recall(d, members[i], &doc, &memory, err) < 0)
			return -1;
		if (memory)
			json_put(j, members[i],
				 i == 0 && json_kind(memory) == JSON_IS_OBJECT
					 ? show_release(memory)
					 : json_share(memory));
	}
	memory = json_get(j, "release");
	expires = memory && json_kind(memory) == JSON_IS_OBJECT ? json_get(memory, "expires")
								: NULL;
	if (expires && json_u64(expires, &when) == 0)
		json_put(j, "expired", json_make_bool(when < (uint64_t)time(NULL)));
	return 0;
}

/* Adds the health of the registered manager; a manager that is not found is a problem too. */
static void add_health(const struct deploy *d, struct json *j)
{
	const struct json *record = json_get(j, "cri");
	AUTO(strv) char **handlers = NULL;
	AUTO(json) struct json *doc = NULL;
	AUTO(cri) struct cri *cri = NULL;
	struct cli_manager manager = { 0 };
	AUTO(str) char *problem = NULL;
	struct err err = ERR_INIT;
	struct json *health;

	if (!record || o.place.root || json_get_strings(record, "handlers", &handlers) < 0)
		return;
	if (node_manager(d, &o.place, &manager, &doc, &cri, &err) < 0)
		problem = xstrdup(err.msg);
	else
		problem = cri_problem(cri, handlers);
	health = json_make_object();
	json_put(health, "manager", json_make_string(cri ? cri_name(cri) : NULL));
	json_put(health, "problem", json_make_string(problem));
	json_put(j, "health", health);
}

static int collect(const struct deploy *d, const struct use_list *uses, struct json *j,
		   struct err *err)
{
	const struct installed *in = deploy_installed(d);
	struct json *drift = json_make_array();

	json_put(j, "prefix", json_make_string(o.place.prefix));
	json_put(j, "installed", json_make_bool(in->current));
	json_put(j, "interrupted", json_make_bool(deploy_is_interrupted(d)));
	json_put(j, "generations", generations(in, uses));
	json_put(j, "drift", drift);
	if (in->current &&
	    deploy_verify(d, o.check ? DEPLOY_HASH : DEPLOY_GLANCE, drifted, drift, err) < 0)
		return -1;
	if (add_memory(d, j, err) < 0)
		return -1;
	add_health(d, j);
	return 0;
}

/* --- text output --- */

static void print_generation(const struct json *g)
{
	bool current = json_bool(json_get(g, "current")),
	     previous = json_bool(json_get(g, "previous"));
	char since[STAMP_SIZE];

	stamp_format((uint64_t)json_int(json_get(g, "since")), since);
	say("%c %-32s %s  %s in %lld files%s",
	    current    ? '*'
	    : previous ? '-'
		       : ' ',
	    json_text(json_get(g, "id")), since,
	    say_bytes((unsigned long long)json_int(json_get(g, "bytes"))),
	    (long long)json_int(json_get(g, "files")), current ? ", current" : "");
	for (size_t i = 0; i < json_count(json_get(g, "holders")); i++) {
		const struct json *h = json_at(json_get(g, "holders"), i);
		const struct json *pod = json_get(h, "sandbox"), *process = json_get(h, "process");

		say("    held by %s%s%s", pod ? json_text(pod) : "", pod && process ? ", " : "",
		    process ? json_text(process) : "");
	}
}

/* Prints the checks that were waived for the installed release. */
static void print_waived(const struct json *release)
{
	const struct json *list = release && json_kind(release) == JSON_IS_OBJECT
					  ? json_get(release, "waived")
					  : NULL;

	for (size_t i = 0; list && json_kind(list) == JSON_IS_ARRAY && i < json_count(list); i++) {
		const struct json *w = json_at(list, i);

		say("accepted without the check of %s of '%s', by %s",
		    str_eq(json_get_text(w, "rule"), "channel")  ? "the presence"
		    : str_eq(json_get_text(w, "rule"), "serial") ? "the serial"
								 : "the expiry",
		    json_get_text(w, "document"), json_get_text(w, "by"));
	}
}

static void print(const struct json *j)
{
	const struct json *list = json_get(j, "generations"), *drift = json_get(j, "drift"),
			  *expired = json_get(j, "expired"), *cri = json_get(j, "cri"),
			  *health = json_get(j, "health");

	if (json_bool(json_get(j, "interrupted")))
		say("a change was interrupted; run %s", advice("recover"));
	if (!json_bool(json_get(j, "installed"))) {
		say("nothing is installed below %s", json_text(json_get(j, "prefix")));
		return;
	}
	for (size_t i = 0; i < json_count(list); i++)
		print_generation(json_at(list, i));
	for (size_t i = 0; i < json_count(drift); i++)
		say("drift: %s: %s", json_text(json_get(json_at(drift, i), "path")),
		    json_text(json_get(json_at(drift, i), "what")));
	if (json_count(drift))
		say("run %s", advice("repair"));
	print_waived(json_get(j, "release"));
	if (expired && json_bool(expired))
		say("the release has expired: upgrade to a newer one");
	if (json_get_text(health, "problem"))
		say("problem: %s", json_get_text(health, "problem"));
	else if (json_get_text(cri, "name"))
		say("registered with %s", json_get_text(cri, "name"));
}

int verb_status(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(use_list) struct use_list uses = USE_LIST_INIT;
	AUTO(json) struct json *j = json_make_object();

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_LOOK, &d, err) < 0 ||
	    node_uses(&o.place, &uses, err) < 0 || collect(d, &uses, j, err) < 0)
		return -1;
	if (o.talk.json)
		say_json(j);
	else
		print(j);
	return 0;
}
