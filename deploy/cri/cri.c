// SPDX-License-Identifier: Apache-2.0
/*
 * The table of back ends, the detection of the manager, and what all back ends have in common: undo
 * the recorded edits, add the new ones, have the manager check the result, restart it if its files
 * changed or it does not serve the handlers in them.
 */
#include "deploy/cri/cri.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "deploy/cri/cri-internal.h"

#include <string.h>

/* The first one found is used: managers with a containerd of their own come before containerd. */
static const struct cri_backend *const table[] = { &backend_k3s,    &backend_rke2,
						   &backend_k0s,    &backend_microk8s,
						   &backend_crio,   &backend_containerd,
						   &backend_docker, &backend_nerdctl };

const struct cri_backend *backend_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		if (str_eq(table[i]->name, name))
			return table[i];
	return NULL;
}

static char *names(void)
{
	AUTO(strv) char **list = NULL;

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		strv_push(&list, table[i]->name);
	return strv_join(list, ", ");
}

/* --- detection --- */

bool backend_runs_as(const struct cri_backend *back, const struct process *p)
{
	if (back->is_mine)
		return back->is_mine(p);
	for (size_t i = 0; back->exes && back->exes[i]; i++) {
		const char *exe = back->exes[i];

		if (strchr(exe, '/') ? str_starts(p->exe, exe) : str_eq(path_basename(p->exe), exe))
			return true;
	}
	return false;
}

/* Chooses the process with the given configuration, or else with the default one. */
static int pick_process(const struct cri_backend *back, const struct processes *all,
			const char *config, const struct process **out, struct err *err)
{
	const struct process *only = NULL, *usual = NULL;
	size_t n = 0;

	*out = NULL;
	vec_each(const struct process, p, &all->rows) {
		const char *theirs;

		if (!backend_runs_as(back, p))
			continue;
		theirs = back->flags ? process_option(p, "config", "-c") : NULL;
		if (config && str_eq(theirs ? theirs : back->config, config)) {
			*out = p;
			return 0;
		}
		if (!theirs || str_eq(theirs, back->config))
			usual = p;
		only = p;
		n++;
	}
	if (config)
		return 0;
	if (!usual && n > 1) {
		err_set(err, E_STATE, "%zu %s run here, none with %s", n, back->name, back->config);
		return err_hint(err, "select one with --cri-config");
	}
	*out = usual ? usual : only;
	return 0;
}

static const char *first_of(const char *root, const char *const *paths)
{
	for (size_t i = 0; paths && paths[i]; i++) {
		AUTO(str) char *path = str_fmt("%s%s", root, paths[i]);

		if (path_exists(path))
			return paths[i];
	}
	return NULL;
}

/* The address in a containerd's own configuration, or NULL. */
static char *configured_socket(const struct cri *c)
{
	AUTO(str) char *path = cri_path(c, c->config);
	struct err ignored = ERR_INIT; /* reported when the file is needed and read again */
	AUTO(toml) struct toml_value *root = toml_load(path, &ignored);
	struct toml_value *grpc = root ? toml_find(root, "grpc") : NULL;
	const struct toml_value *v = grpc && grpc->type == TOML_TABLE ? toml_find(grpc, "address")
								      : NULL;

	return v && v->type == TOML_STRING && *v->string.text == '/' ? xstrdup(v->string.text)
								     : NULL;
}

static void take_process(struct cri *c, const struct process *p)
{
	const char *config = c->back->flags ? process_option(p, "config", "-c") : NULL;
	const char *address = c->back->flags ? process_option(p, "address", "-a") : NULL;

	c->found = c->running = true;
	c->why = str_fmt("runs as process %d", (int)p->pid);
	c->unit = p->unit ? xstrdup(p->unit) : NULL;
	if (config && *config == '/' && !c->o->config)
		str_set(&c->config, config);
	if (address && *address == '/')
		str_set(&c->socket, address);
	if (str_eq(path_basename(p->exe), "containerd") || str_eq(path_basename(p->exe), "crio"))
		str_set(&c->binary, p->exe);
}

static void look_at_socket(struct cri *c)
{
	struct err ignored = ERR_INIT; /* it does not run */
	struct peer p;
	char *configured = NULL;

	if (c->o->socket) {
		str_set(&c->socket, c->o->socket);
	} else if (!c->socket) {
		configured = configured_socket(c);
		str_set(&c->socket, configured ? configured : c->back->socket);
		free(configured);
	}
	/* Below another root no manager runs. */
	if (*c->root || !c->socket || peer_look(c->socket, &p, &ignored) < 0)
		return;
	if (!c->found || !c->running) {
		free(c->why);
		c->why = str_fmt("answers at %s", c->socket);
	}
	c->found = c->running = true;
}

static int look(const struct cri_options *o, const struct cri_backend *back,
		const struct processes *all, struct cri **out, struct err *err)
{
	AUTO(cri) struct cri *c = NEW(struct cri);
	const struct process *p = NULL;
	const char *mark;

	c->back = back;
	c->own = *o;
	c->o = &c->own;
	c->root = xstrdup(str_empty(o->root) || str_eq(o->root, "/") ? "" : o->root);
	c->have = xcalloc(o->nhandlers + 1, sizeof(*c->have));
	c->config = xstrdup(o->config ? o->config : back->config);
	if (!*c->root && pick_process(back, all, o->config, &p, err) < 0)
		return -1;
	mark = first_of(c->root, back->marks);
	if (p)
		take_process(c, p);
	else if (mark)
		c->why = str_fmt("%s exists", mark);
	c->found |= mark != NULL;
	if (!c->binary && first_of(c->root, back->binaries))
		c->binary = xstrdup(first_of(c->root, back->binaries));
	look_at_socket(c);
	if (!c->why)
		c->why = xstrdup("not found");
	if (c->binary && c->found && !*c->root)
		c->version = program_version(c->binary);
	*out = STEAL(c, NULL);
	return 0;
}

void cri_free(struct cri *c)
{
	if (!c)
		return;
	free(c->root);
	free(c->config);
	free(c->socket);
	free(c->binary);
	free(c->version);
	free(c->unit);
	free(c->why);
	free(c->have);
	free(c);
}

const char *cri_name(const struct cri *c)
{
	return c->back->name;
}

const char *cri_socket(const struct cri *c)
{
	return c->socket;
}

/* --- choosing --- */

static bool is_label(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= 63 && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n &&
	       name[0] != '-' && name[n - 1] != '-';
}

static int check_options(const struct cri_options *o, struct err *err)
{
	static const char *const taken[] = { "runc", "crun", "default", "untrusted" };

	for (size_t i = 0; i < o->nhandlers; i++) {
		const struct cri_handler *h = &o->handlers[i];

		/* Kubernetes' rule for the handler of a RuntimeClass. */
		if (!is_label(h->name))
			return err_set(
				err, E_USAGE,
				"the handler name '%s' may only have lower-case letters, digits "
				"and dashes",
				h->name);
		for (size_t k = 0; k < ARRAY_LEN(taken); k++)
			if (str_eq(h->name, taken[k]))
				return err_set(err, E_USAGE, "the handler name '%s' is reserved",
					       h->name);
		for (size_t k = 0; k < i; k++)
			if (str_eq(h->name, o->handlers[k].name))
				return err_set(err, E_USAGE, "the handler '%s' is given twice",
					       h->name);
		if (h->config && *h->config != '/')
			return err_set(err, E_USAGE, "the path '%s' is not absolute", h->config);
	}
	if (*o->prefix != '/' || (o->config && *o->config != '/'))
		return err_set(err, E_USAGE, "the path '%s' is not absolute",
			       *o->prefix != '/' ? o->prefix : o->config);
	return 0;
}

static int find_named(const struct cri_options *o, const struct processes *all, struct cri **out,
		      struct err *err)
{
	const struct cri_backend *back = backend_find(o->name);
	AUTO(str) char *list = names();
	AUTO(cri) struct cri *c = NULL;

	if (!back)
		return err_set(err, E_USAGE, "unknown container manager '%s'; supported are %s",
			       o->name, list);
	if (look(o, back, all, &c, err) < 0)
		return -1;
	/* A file or a socket given on the command line is assumed to exist. */
	if (!c->found && !o->config && !o->socket)
		return err_set(err, E_NOT_FOUND,
			       "%s was not found: neither its files nor a process", o->name);
	*out = STEAL(c, NULL);
	return 0;
}

/* docker and nerdctl use a containerd, and come after every other manager. */
static bool is_front(const struct cri_backend *back)
{
	return back == &backend_docker || back == &backend_nerdctl;
}

/* What runs counts before what is installed: Debian's docker brings the files of a
 * containerd that need not run. */
static bool better(const struct cri *a, const struct cri *b)
{
	if (!b || a->running != b->running)
		return !b || a->running;
	return !is_front(a->back) && is_front(b->back);
}

static int find_any(const struct cri_options *o, const struct processes *all, struct cri **out,
		    struct err *err)
{
	AUTO(cri) struct cri *best = NULL;
	AUTO(str) char *list = names();

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO(cri) struct cri *c = NULL;

		if (look(o, table[i], all, &c, err) < 0)
			return -1;
		if (!c->found)
			continue;
		if (best && best->running && c->running && !is_front(c->back) &&
		    !is_front(best->back)) {
			err_set(err, E_STATE, "%s and %s both run here", best->back->name,
				c->back->name);
			return err_hint(err, "select one with --cri");
		}
		if (better(c, best)) {
			cri_free(best);
			best = STEAL(c, NULL);
		}
	}
	if (!best) {
		err_set(err, E_NOT_FOUND,
			"no container manager was found; looked for files and processes of %s",
			list);
		return err_hint(err, "install one, or name yours with --cri and --cri-config");
	}
	*out = STEAL(best, NULL);
	return 0;
}

int cri_find(const struct cri_options *o, struct cri **out, struct err *err)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;

	if (check_options(o, err) < 0)
		return -1;
	if (str_empty(o->root) || str_eq(o->root, "/"))
		processes_scan(&all);
	return o->name ? find_named(o, &all, out, err) : find_any(o, &all, out, err);
}

void cri_seen_release(struct cri_seen_list *l)
{
	vec_each(struct cri_seen, row, &l->rows) {
		free(row->version);
		free(row->config);
		free(row->why);
	}
	vec_release(&l->rows);
}

int cri_list(const struct cri_options *o, struct cri_seen_list *out, struct err *err)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	AUTO(cri) struct cri *chosen = NULL;
	struct err ignored = ERR_INIT; /* none is chosen */

	if (check_options(o, err) < 0)
		return -1;
	processes_scan(&all);
	if (cri_find(o, &chosen, &ignored) < 0)
		chosen = NULL;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		AUTO(cri) struct cri *c = NULL;
		struct err why = ERR_INIT;
		struct cri_seen row = { .name = table[i]->name };

		row.chosen = chosen && chosen->back == table[i];
		if (look(o, table[i], &all, &c, &why) < 0) {
			row.running = true;
			row.config = xstrdup(table[i]->config);
			row.why = xstrdup(why.msg);
		} else if (c->found) {
			row.running = c->running;
			row.version = STEAL(c->version, NULL);
			row.config = STEAL(c->config, NULL);
			row.why = STEAL(c->why, NULL);
		} else {
			continue;
		}
		vec_push(&out->rows, row);
	}
	return 0;
}

/* --- changes --- */

struct change {
	struct edits edits;
	VEC(struct deploy_file) files;
	struct cri_steps *steps;
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
	steps_free(ch->steps);
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
		struct deploy_file file = { f->real, f->want, f->want ? strlen(f->want) : 0, 0 };

		if (!str_eq(f->now, f->want))
			vec_push(&ch->files, file);
	}
	out->change.files = ch->files.v;
	out->change.nfiles = ch->files.n;
}

static int add_steps(const struct cri *c, struct change *ch, char *const *handlers,
		     struct cri_change *out, struct err *err)
{
	AUTO(json) struct json *plan = json_make_object();

	/* Whether it comes back could not be verified. */
	if (handlers && c->socket &&
	    c->back->answers(c->socket, deadline_in(CRI_ASK_MS), err) < 0) {
		err_wrap(err, "%s runs, but does not answer", c->back->name);
		return err_hint(err, "see its log, and start it again");
	}
	if (restart_plan(c, plan, err) < 0)
		return -1;
	ch->steps = steps_new(plan, handlers);
	out->change.steps = steps_list(ch->steps, &out->change.nsteps);
	out->restart = true;
	out->reload = c->back->restart == RESTART_HANGUP && !c->o->restart_with;
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

/* The files list the handlers; does the running process serve them? Only a definite no is false. */
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

/* If a prefix was removed by hand, its record is lost. Its registration is found by our marks and
 * becomes part of the new record; otherwise it would be taken for the administrator's own. */
static int adopt(const struct cri *c, struct edits *e, struct err *err)
{
	static const char *const ours[] = {
		"conf.d/kata-deploy.toml",
		"containerd.d/kata-deploy.toml",
		"config.toml.d/kata-deploy.toml",
		"config-v3.toml.d/kata-deploy.toml",
		"config.toml.tmpl",
		"config-v3.toml.tmpl",
	};
	AUTO(str) char *shim = cri_shim(c);
	AUTO(str) char *import = beside(c->config, ours[0]);
	AUTO(strv) char **imported = NULL;
	const char *there;

	if (c->back->adopt)
		return c->back->adopt(c, e, err);
	if (c->back->edit == containerd_edit)
		imported = containerd_imported(c);
	strv_each(path, imported) {
		if (edits_adopt(e, *path, shim, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		AUTO(str) char *path = beside(c->config, ours[i]);

		if (edits_adopt(e, path, shim, err) < 0)
			return -1;
	}
	if (edits_adopt(e, c->config, shim, err) < 0 || edits_read(e, import, &there, err) < 0)
		return -1;
	/* A shim that still exists belongs to another prefix. */
	return there || c->back->edit != containerd_edit
		       ? 0
		       : edits_adopt_import(e, c->config, import, err);
}

char *cri_leftover(const struct cri_options *o)
{
	AUTO(cri) struct cri *c = NULL;
	struct err ignored = ERR_INIT; /* where there is no manager, there is nothing left */

	if (cri_find(o, &c, &ignored) < 0)
		return NULL;
	AUTO(edits) struct edits e = EDITS_INIT(c->root);
	if (adopt(c, &e, &ignored) < 0)
		return NULL;
	vec_each(const struct work_file, f, &e.files) {
		if (!str_eq(f->now, f->want))
			return xstrdup(f->real);
	}
	return NULL;
}

static int plan_register(struct cri *c, const struct json *recorded, struct change *ch,
			 struct cri_change *out, struct err *err)
{
	AUTO(strv) char **handlers = handler_names(c);
	AUTO(str) char *unchecked = NULL;
	bool changes, served;

	if ((recorded ? edits_undo(&ch->edits, recorded, err) : adopt(c, &ch->edits, err)) < 0 ||
	    c->back->edit(c, &ch->edits, err) < 0)
		return -1;
	changes = edits_change(&ch->edits);
	if (changes && c->back->check &&
	    c->back->check(c, &ch->edits, c->config, &unchecked, err) < 0)
		return -1;
	list_files(ch, out);
	served = ch->edits.off || !c->running || is_served(c, handlers);
	if (c->running && (changes || !served) && !ch->edits.off &&
	    add_steps(c, ch, handlers, out, err) < 0)
		return -1;
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
		return err_wrap(err, "register with %s", c->back->name);
	}
	*record = ch->record;
	return 0;
}

/* Recorded options are the defaults for those of the caller. */
static int plan_unregister(const struct cri_options *o, const struct json *recorded,
			   struct change *ch, struct cri_change *out, struct err *err)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	const struct cri_backend *back = backend_find(json_get_text(recorded, "name"));
	struct cri_options as_recorded = *o;
	AUTO(cri) struct cri *c = NULL;
	bool changes;

	if (!back)
		return err_set(err, E_INVALID, "the record of the registration is damaged");
	as_recorded.nhandlers = 0;
	if (!o->config)
		as_recorded.config = json_get_text(recorded, "config");
	if (!o->socket)
		as_recorded.socket = json_get_text(recorded, "socket");
	if (!o->restart_with)
		as_recorded.restart_with = json_get_text(recorded, "restart-with");
	processes_scan(&all);
	if (edits_undo(&ch->edits, recorded, err) < 0 ||
	    look(&as_recorded, back, &all, &c, err) < 0)
		return -1;
	changes = edits_change(&ch->edits);
	list_files(ch, out);
	if (changes && c->running && add_steps(c, ch, NULL, out, err) < 0)
		return -1;
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
