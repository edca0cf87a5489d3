// SPDX-License-Identifier: Apache-2.0
/* OCI hooks: one program after the other, the container's state on its stdin, a time limit each. */

#include "hook/hook.h"

#include "base/deadline.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "json/json.h"

#include <string.h>

static char *state_format(const struct hook_state *state)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *annotations = json_make_object();
	const struct oci_spec *spec = state->spec;

	json_put(j, "ociVersion",
		 json_make_string(spec && spec->version ? spec->version : "1.0.2"));
	json_put(j, "id", json_make_string(state->id));
	json_put(j, "status", json_make_string(state->status));
	if (state->pid > 0)
		json_put(j, "pid", json_make_int(state->pid));
	json_put(j, "bundle", json_make_string(state->bundle ? state->bundle : ""));
	for (size_t i = 0; spec && i < spec->n_annotations; i++)
		json_put(annotations, spec->annotations[i].key,
			 json_make_string(spec->annotations[i].value));
	json_put(j, "annotations", annotations);
	return json_format(j, false);
}

static int hook_run(const struct oci_hook *hook, const char *state, unsigned default_timeout,
		    const int *ns, struct err *err)
{
	int64_t seconds = hook->timeout.set ? hook->timeout.v : default_timeout;
	char *path_only[] = { hook->path, NULL };
	static char *const no_env[] = { NULL };
	struct spawn s = { .argv = strv_len(hook->args) ? hook->args : path_only,
			   .program = hook->path,
			   .env = hook->env ? hook->env : no_env,
			   .ns = ns };
	int code;

	if (str_empty(hook->path) || *hook->path != '/')
		return err_set(err, E_INVALID, "the path of a hook must be absolute");
	if (seconds <= 0)
		return err_set(err, E_INVALID, "the timeout of a hook must be positive");
	code = spawn_run(&s, state, strlen(state), NULL, deadline_in((uint64_t)seconds * 1000),
			 err);
	return code == 0 ? 0 : err_wrap(err, "%s", hook->path);
}

static int hook_run_in(const struct oci_hook *hook, const char *list_name, const char *state,
		       unsigned default_timeout, const int *ns, struct err *err)
{
	if (hook_run(hook, state, default_timeout, ns, err) == 0)
		return 0;
	err->code = E_HOOK;
	return err_wrap(err, "%s hook", list_name);
}

int hooks_run(const struct oci_hook_list *hooks, const char *list_name,
	      const struct hook_state *state, unsigned default_timeout, const int *ns,
	      struct err *err)
{
	AUTO(str) char *text = hooks->n ? state_format(state) : NULL;

	for (size_t i = 0; i < hooks->n; i++) {
		if (hook_run_in(&hooks->v[i], list_name, text, default_timeout, ns, err) < 0)
			return -1;
	}
	return 0;
}

size_t hooks_run_all(const struct oci_hook_list *hooks, const char *list_name,
		     const struct hook_state *state, unsigned default_timeout, const int *ns)
{
	AUTO(str) char *text = hooks->n ? state_format(state) : NULL;
	size_t failed = 0;

	for (size_t i = 0; i < hooks->n; i++) {
		struct err err = ERR_INIT;

		if (hook_run_in(&hooks->v[i], list_name, text, default_timeout, ns, &err) == 0)
			continue;
		log_err(LOG_WARN, &err, "hook failed, continuing", LOG_S("container", state->id));
		failed++;
	}
	return failed;
}
