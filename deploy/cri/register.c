// SPDX-License-Identifier: Apache-2.0
/*
 * Plans registrations and their removal, for all back ends: undoes the recorded edits, adds the new
 * ones, has the manager check the result, and adds a restart if its files change or it does not
 * serve the handlers that they have.
 */
#include "base/deadline.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "cli/advice.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/cri.h"
#include "deploy/cri/default.h"
#include "deploy/cri/edit.h"
#include "deploy/cri/lost.h"
#include "deploy/cri/process.h"
#include "deploy/cri/restart.h"
#include "json/json.h"

#include <string.h>

struct change {
	struct edits edits;
	VEC(struct deploy_file) files;
	VEC(struct cri_steps *) managers; /* the steps of each manager that is restarted */
	VEC(struct deploy_step) steps;    /* of all of them */
	struct json *record;
};

void cri_change_release(struct cri_change *out)
{
	struct change *ch = out->own;

	free(out->reason);
	out->reason = NULL;
	if (!ch)
		return;
	edits_release(&ch->edits);
	vec_release(&ch->files);
	vec_each(struct cri_steps *, one, &ch->managers)
		steps_free(*one);
	vec_release(&ch->managers);
	vec_release(&ch->steps);
	json_free(ch->record);
	free(ch);
	*out = (struct cri_change)CRI_CHANGE_INIT;
}

static struct change *change_new(struct cri_change *out, const char *root)
{
	struct change *ch = NEW(struct change);

	*out = (struct cri_change)CRI_CHANGE_INIT;
	out->own = ch;
	ch->edits = (struct edits)EDITS_INIT(root);
	return ch;
}

static void list_files(struct change *ch, struct cri_change *out)
{
	vec_each(const struct work_file, f, &ch->edits.files) {
		struct deploy_file file = { .path = f->real,
					    .data = f->want,
					    .len = f->want ? strlen(f->want) : 0,
					    .base = f->now ? f->now : "" };

		if (!str_eq(f->now, f->want))
			vec_push(&ch->files, file);
	}
	out->change.files = ch->files.v;
	out->change.nfiles = ch->files.n;
}

/* False for errors that a manager which is starting does not have: its socket is missing, nobody
 * listens there, connections are closed, or the CRI service refuses every call until it has found its
 * pods again. */
static bool may_be_starting(const struct err *err)
{
	return err->code != E_UNSUPPORTED && err->code != E_PERMISSION && err->code != E_CANCELLED;
}

/* A manager that does not answer now: a restart could not be verified. One that has been started a
 * moment ago, by another installation or an upgrade of its package, gets time. */
static int wait_until_up(const struct cri *c, struct err *err)
{
	struct deadline deadline = deadline_in(CRI_START_MS);

	while (c->back->answers(c->socket, deadline_min(deadline, deadline_in(CRI_ASK_MS)), err) <
	       0) {
		if (!may_be_starting(err) || deadline_passed(deadline)) {
			err_wrap(err, "%s runs, but does not answer", c->back->name);
			return err_hint(err, "see its log, and start it again");
		}
		err_clear(err);
		if (interrupt_sleep(CRI_POLL_MS, err) < 0)
			return err_wrap(err, "wait for %s", c->back->name);
	}
	return 0;
}

/* Takes the steps that the plan of a restart consists of. */
static void take_steps(struct change *ch, const struct json *plan, char *const *handlers,
		       struct cri_change *out)
{
	const struct deploy_step *list;
	size_t n;

	vec_push(&ch->managers, steps_new(plan, handlers));
	list = steps_list(ch->managers.v[ch->managers.n - 1], &n);
	for (size_t i = 0; i < n; i++)
		vec_push(&ch->steps, list[i]);
	out->change.steps = ch->steps.v;
	out->change.nsteps = ch->steps.n;
}

/* Of a manager that does not run: it may be started before its files are changed. Where no way to
 * restart it is known, it is left to whoever starts it. */
static void add_late_steps(const struct cri *c, struct change *ch, char *const *handlers,
			   struct cri_change *out)
{
	AUTO(json) struct json *plan = json_make_object();
	struct err ignored = ERR_INIT;

	if (!*c->root && c->socket && restart_plan(c, plan, &ignored) == 0)
		take_steps(ch, plan, handlers, out);
}

/* Adds a restart. handlers: those that the manager has to serve then, or NULL. */
static int add_steps(const struct cri *c, struct change *ch, char *const *handlers,
		     struct cri_change *out, struct err *err)
{
	AUTO(json) struct json *plan = json_make_object();
	bool reload;

	if (handlers && c->socket && wait_until_up(c, err) < 0)
		return -1;
	if (restart_plan(c, plan, err) < 0)
		return -1;
	take_steps(ch, plan, handlers, out);
	reload = c->back->restart == RESTART_HANGUP && !c->o->restart_with;
	out->reload = reload && (out->reload || !out->restart);
	out->restart = true;
	return 0;
}

static char **handler_names(const struct cri *c)
{
	char **list = NULL;

	for (size_t i = 0; i < c->o->nhandlers; i++)
		strv_push(&list, c->o->handlers[i].name);
	return list;
}

static struct json *make_record(const struct cri *c, const struct edits *e)
{
	struct json *record = json_make_object(), *list = json_make_array();

	json_put(record, "name", json_make_string(c->back->name));
	json_put(record, "config", json_make_string(c->config));
	if (c->socket)
		json_put(record, "socket", json_make_string(c->socket));
	if (c->o->restart_with)
		json_put(record, "restart-with", json_make_string(c->o->restart_with));
	for (size_t i = 0; i < c->o->nhandlers; i++)
		json_add(list, json_make_string(c->o->handlers[i].name));
	json_put(record, "handlers", list);
	json_put(record, "edits", edits_record(e));
	return record;
}

/* Returns false only if the running process can be queried and does not serve the handlers. */
static bool is_served(const struct cri *c, char *const *handlers)
{
	AUTO(strv) char **served = NULL;
	struct err ignored = ERR_INIT; /* cannot be queried */

	if (!c->socket ||
	    c->back->served(c->socket, deadline_in(CRI_ASK_MS), &served, &ignored) < 0)
		return true;
	strv_each(name, handlers) {
		if (!strv_has(served, *name))
			return false;
	}
	return true;
}

char *cri_problem(const struct cri *c, char *const *handlers)
{
	AUTO(strv) char **served = NULL;
	struct err why = ERR_INIT;

	if (!c->running)
		return str_fmt("%s does not run", c->back->name);
	if (!c->socket)
		return NULL;
	if (c->back->served(c->socket, deadline_in(CRI_ASK_MS), &served, &why) < 0)
		return why.code == E_UNSUPPORTED
			       ? NULL
			       : str_fmt("%s does not list its runtime handlers: %s", c->back->name,
					 why.msg);
	strv_each(name, handlers) {
		if (!strv_has(served, *name))
			return str_fmt("%s does not serve the runtime handler '%s'", c->back->name,
				       *name);
	}
	return NULL;
}

static void give_reason(const struct cri *c, const struct edits *e, bool changes, bool served,
			const char *unchecked, struct cri_change *out)
{
	const char *name = c->back->name;

	if (e->reason)
		out->reason = xstrdup(e->reason);
	else if (!changes && served)
		out->reason = str_fmt("%s has the runtime handlers already", name);
	else if (!changes)
		out->reason = str_fmt("%s has not read its configuration since it was changed",
				      name);
	else if (!c->running)
		out->reason = str_fmt("%s does not run; it reads its configuration when it starts",
				      name);
	else if (out->reload)
		out->reason = str_fmt("%s reads its configuration again on SIGHUP and goes on",
				      name);
	else
		out->reason = str_fmt("%s reads its configuration only when it starts%s", name,
				      c->socket ? ""
						: "; without a socket it cannot be queried for "
						  "the handlers");
	if (unchecked && changes) {
		char *both = str_fmt("%s; %s", out->reason, unchecked);

		free(out->reason);
		out->reason = both;
	}
}

int cri_adopt_own(const struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *shim = cri_shim(c);

	for (size_t i = 0; c->back->own && c->back->own[i]; i++) {
		AUTO(str) char *path = cri_own_file(c, c->back->own[i]);
		/* Earlier versions had one name for every prefix. */
		AUTO(str) char *plain = beside(c->config, c->back->own[i]);

		if (edits_adopt(e, path, shim, err) < 0 || edits_adopt(e, plain, shim, err) < 0)
			return -1;
	}
	return edits_adopt(e, c->config, shim, err);
}

/* Searches a containerd's root file and the files that it imports; also removes the import of our
 * drop-in if that does not exist any more. */
static int adopt_containerd(const struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *shim = cri_shim(c);
	AUTO(strv) char **imported = containerd_imported(c);
	AUTO(str) char *import = cri_own_file(c, c->back->own[0]);
	const char *there;

	strv_each(path, imported) {
		if (edits_adopt(e, *path, shim, err) < 0)
			return -1;
	}
	if (cri_adopt_own(c, e, err) < 0 || edits_read(e, import, &there, err) < 0)
		return -1;
	/* A drop-in that still exists belongs to another prefix. */
	return there ? 0 : edits_adopt_import(e, c->config, import, err);
}

/* If a prefix was removed by hand, its record is lost, and its registration would look like one
 * that the administrator wrote. So registrations are found by our comments and removed; the new one
 * replaces them. */
static int adopt(const struct cri *c, struct edits *e, struct err *err)
{
	if (c->back->adopt)
		return c->back->adopt(c, e, err);
	return c->back->own == containerd_own ? adopt_containerd(c, e, err)
					      : cri_adopt_own(c, e, err);
}

static int plan_register(struct cri *c, const struct json *recorded, struct change *ch,
			 struct cri_change *out, struct err *err)
{
	AUTO(strv) char **handlers = handler_names(c);
	AUTO(str) char *unchecked = NULL, *shim = cri_shim(c);
	bool changes, served;

	ch->edits.shim = path_clean(shim);
	/* Keep the spelling of the shim's path: another one is no reason for a restart. */
	if (edits_spelling(&ch->edits, recorded, shim, &c->spelled, err) < 0)
		return -1;
	if ((recorded ? edits_undo(&ch->edits, recorded, err) : adopt(c, &ch->edits, err)) < 0 ||
	    lost_settle(&ch->edits, false, err) < 0 || c->back->edit(c, &ch->edits, err) < 0 ||
	    (recorded && default_check(c, &ch->edits, recorded, err) < 0))
		return -1;
	edits_settle(&ch->edits);
	changes = edits_change(&ch->edits);
	if (changes && c->back->check &&
	    c->back->check(c, &ch->edits, c->config, &unchecked, err) < 0)
		return -1;
	list_files(ch, out);
	served = ch->edits.off || !c->running || is_served(c, handlers);
	if (c->running && (changes || !served) && !ch->edits.off &&
	    add_steps(c, ch, handlers, out, err) < 0)
		return -1;
	if (!c->running && changes && !ch->edits.off)
		add_late_steps(c, ch, handlers, out);
	give_reason(c, &ch->edits, changes, served, unchecked, out);
	ch->record = make_record(c, &ch->edits);
	return 0;
}

int cri_register(struct cri *c, const struct json *recorded, struct cri_change *out,
		 const struct json **record, struct err *err)
{
	struct change *ch = change_new(out, c->root);

	if (plan_register(c, recorded, ch, out, err) < 0) {
		cri_change_release(out);
		if (err->code == E_CONFIG)
			err_hint_else(err, "correct it, or name another file with --cri-config");
		return err_wrap(err, "register with %s", c->back->name);
	}
	*record = ch->record;
	return 0;
}

/* Options that the caller does not give are taken from the record. */
static int plan_unregister(const struct cri_options *o, const struct json *recorded,
			   struct change *ch, struct cri_change *out, struct err *err)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	const struct cri_backend *back = backend_find(json_get_text(recorded, "name"));
	struct cri_options as_recorded = *o;
	AUTO(cri) struct cri *c = NULL;
	bool changes;

	if (!back)
		return err_set(err, E_INVALID,
			       "the record of the registration is damaged; %s writes it again",
			       advice("install --cri NAME"));
	/* From here on as the registration was made. */
	as_recorded.nhandlers = 0;
	AUTO(str) char *shim = str_fmt("%s/bin/containerd-shim-kata-v2", o->prefix);
	ch->edits.shim = path_clean(shim);
	if (!o->config)
		as_recorded.config = json_get_text(recorded, "config");
	if (!o->socket)
		as_recorded.socket = json_get_text(recorded, "socket");
	if (!o->restart_with)
		as_recorded.restart_with = json_get_text(recorded, "restart-with");
	processes_scan(&all);
	if (edits_undo(&ch->edits, recorded, err) < 0 || lost_settle(&ch->edits, true, err) < 0 ||
	    cri_look(&as_recorded, back, &all, &c, err) < 0)
		return -1;
	if (default_check(c, &ch->edits, recorded, err) < 0)
		return -1;
	lost_warn(c, &ch->edits);
	edits_settle(&ch->edits);
	changes = edits_change(&ch->edits);
	list_files(ch, out);
	if (changes && c->running && add_steps(c, ch, NULL, out, err) < 0)
		return -1;
	if (changes && !c->running)
		add_late_steps(c, ch, NULL, out);
	give_reason(c, &ch->edits, changes, true, NULL, out);
	if (!changes)
		str_set(&out->reason, "the configuration has no registration any more");
	return 0;
}

int cri_unregister(const struct cri_options *o, const struct json *recorded, struct cri_change *out,
		   struct err *err)
{
	struct change *ch = change_new(out, o->root && !str_eq(o->root, "/") ? o->root : "");

	if (plan_unregister(o, recorded, ch, out, err) < 0) {
		cri_change_release(out);
		return err_wrap(err, "undo the registration");
	}
	return 0;
}

/* Returns how many files are changed so far. */
static size_t changed(const struct edits *e)
{
	size_t n = 0;

	vec_each(const struct work_file, f, &e->files)
		n += !str_eq(f->now, f->want);
	return n;
}

/* Removes registrations from one configuration; NULL: from that of the manager as it is
 * detected. */
static int drop_left_in(const struct cri_options *o, const struct cri_backend *back,
			const char *config, const struct processes *all, struct change *ch,
			struct cri_change *out, struct err *err)
{
	AUTO(cri) struct cri *c = NULL;
	struct cri_options theirs = *o;
	size_t before = changed(&ch->edits);

	theirs.config = config;
	if (cri_look(&theirs, back, all, &c, err) < 0 || adopt(c, &ch->edits, err) < 0)
		return -1;
	if (changed(&ch->edits) == before)
		return 0;
	if (default_check(c, &ch->edits, NULL, err) < 0)
		return -1;
	edits_settle(&ch->edits);
	if (c->running)
		return add_steps(c, ch, NULL, out, err);
	add_late_steps(c, ch, NULL, out);
	return 0;
}

/* Removes registrations from the files of one manager: also if it is not installed any more, since
 * it may be installed again; and from the configuration of each of its processes, since it is not
 * known with which of them it was made. */
static int drop_left(const struct cri_options *o, const struct cri_backend *back,
		     const struct processes *all, struct change *ch, struct cri_change *out,
		     struct err *err)
{
	AUTO(strv) char **configs = NULL;

	if (o->config || !back->config_of)
		return drop_left_in(o, back, o->config, all, ch, out, err);
	vec_each(const struct process, p, &all->rows) {
		AUTO(str) char *config = backend_runs_as(back, p) ? back->config_of(p) : NULL;

		if (config && !strv_has(configs, config))
			strv_push(&configs, config);
	}
	if (!strv_has(configs, back->config))
		strv_push(&configs, back->config);
	strv_each(config, configs) {
		if (drop_left_in(o, back, *config, all, ch, out, err) < 0)
			return -1;
	}
	return 0;
}

int cri_drop_left(const struct cri_options *o, struct cri_change *out, struct err *err)
{
	struct change *ch = change_new(out, o->root && !str_eq(o->root, "/") ? o->root : "");
	AUTO(processes) struct processes all = PROCESSES_INIT;
	int rc = 0;

	if (!*ch->edits.root)
		processes_scan(&all);
	for (size_t i = 0; backends[i] && rc == 0; i++) {
		if (!o->name || str_eq(o->name, backends[i]->name))
			rc = drop_left(o, backends[i], &all, ch, out, err);
	}
	if (rc < 0) {
		cri_change_release(out);
		return err_wrap(err, "remove what is left of a registration");
	}
	list_files(ch, out);
	out->reason = xstrdup("its installation was removed, and the record with it");
	return 0;
}
