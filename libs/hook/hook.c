// SPDX-License-Identifier: Apache-2.0
/* Running hooks: one after the other, with a time limit each, the state on stdin. */

#include "hook/hook.h"

#include "base/deadline.h"
#include "base/spawn.h"
#include "base/str.h"
#include "json/json.h"

#include <string.h>

/* The state of the OCI runtime specification, runtime.md. */
static char *format_state(const struct hook_state *s)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *annotations = json_make_object();

	json_put(j, "ociVersion", json_make_string(s->spec->version ? s->spec->version : "1.0.2"));
	json_put(j, "id", json_make_string(s->id));
	json_put(j, "status", json_make_string(s->status));
	if (s->pid > 0)
		json_put(j, "pid", json_make_int(s->pid));
	json_put(j, "bundle", json_make_string(s->bundle));
	for (size_t i = 0; i < s->spec->n_annotations; i++)
		json_put(annotations, s->spec->annotations[i].key,
			 json_make_string(s->spec->annotations[i].value));
	json_put(j, "annotations", annotations);
	return json_format(j, false);
}

static int run_one(const struct oci_hook *hook, const char *state, unsigned default_timeout,
		   const int *ns, struct err *err)
{
	static char *const no_env[] = { NULL };
	char *const alone[] = { hook->path, NULL };
	int64_t seconds = hook->timeout.set ? hook->timeout.v : default_timeout;
	struct spawn s = { .argv = strv_len(hook->args) ? hook->args : alone,
			   .program = hook->path,
			   .env = hook->env ? hook->env : no_env,
			   .ns = ns };
	int code;

	if (str_empty(hook->path) || hook->path[0] != '/')
		return err_set(err, E_INVALID, "its path is not absolute");
	if (seconds <= 0)
		return err_set(err, E_INVALID, "timeout %lld is not positive", (long long)seconds);
	code = spawn_run(&s, state, strlen(state), NULL, deadline_in((uint64_t)seconds * 1000),
			 err);
	if (code == 0)
		return 0;
	if (err->code == E_TIMEOUT)
		err_hint(err, "the limit is %lld s", (long long)seconds);
	return -1;
}

int hooks_run(const struct oci_hook_list *hooks, const char *list_name,
	      const struct hook_state *state, unsigned default_timeout, const int *ns,
	      struct err *err)
{
	AUTO(str) char *text = hooks->n ? format_state(state) : NULL;

	for (size_t i = 0; i < hooks->n; i++) {
		if (run_one(&hooks->v[i], text, default_timeout, ns, err) < 0) {
			err->code = E_HOOK;
			return err_wrap(err, "%s hook %s", list_name,
					hooks->v[i].path ? hooks->v[i].path : "(no path)");
		}
	}
	return 0;
}
