// SPDX-License-Identifier: Apache-2.0
/*
 * Finds the node's container manager: the one that is named, or else that runs, or else that is
 * installed.
 */
#include "base/deadline.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/cri.h"
#include "deploy/cri/dropins.h"
#include "deploy/cri/process.h"
#include "toml/toml.h"

#include <stdlib.h>
#include <string.h>

/* Chooses the manager's process with the given configuration (NULL: with the default one, or the
 * only process). *out is NULL if there is none. */
static int pick_process(const struct cri_backend *back, const struct processes *all,
			const char *config, const struct process **out, struct err *err)
{
	const struct process *only = NULL, *usual = NULL, *named = NULL;
	AUTO(strv) char **others = NULL; /* the configurations */

	*out = NULL;
	vec_each(const struct process, p, &all->rows) {
		if (!backend_runs_as(back, p))
			continue;
		AUTO(str) char *theirs = back->config_of ? back->config_of(p) : NULL;
		if (config && str_eq(theirs ? theirs : back->config, config)) {
			*out = p;
			return 0;
		}
		if (!theirs || str_eq(theirs, back->config))
			usual = p;
		if (theirs)
			named = p;
		/* While it starts a program, the new process looks like the manager itself. */
		if (theirs && !strv_has(others, theirs))
			strv_push(&others, theirs);
		only = p;
	}
	if (config)
		return 0;
	if (back->single && named) {
		*out = named;
		return 0;
	}
	if (!usual && strv_len(others) > 1) {
		err_set(err, E_STATE, "%zu %s run here, none with %s", strv_len(others), back->name,
			back->config);
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

/* The keys that lead to the socket in the configuration of a containerd, before and since version 4
 * of its schema, and of CRI-O. */
static const char *const socket_keys[][4] = {
	{ "grpc", "address" },
	{ "plugins", "io.containerd.server.v1.grpc", "address" },
	{ "crio", "api", "listen" },
};

/* Returns the socket that a file of the configuration names, heap, or NULL. */
static char *socket_in(const char *path)
{
	struct err ignored = ERR_INIT; /* reported when the file is needed and read again */
	AUTO(toml) struct toml_value *root = toml_load(path, &ignored);

	for (size_t i = 0; i < ARRAY_LEN(socket_keys); i++) {
		const struct toml_value *v = root;

		for (size_t k = 0; v && k < ARRAY_LEN(socket_keys[i]) && socket_keys[i][k]; k++)
			v = v->type == TOML_TABLE ? toml_find(v, socket_keys[i][k]) : NULL;
		if (v && v->type == TOML_STRING && *v->string.text == '/')
			return xstrdup(v->string.text);
	}
	return NULL;
}

/* The last of the drop-ins that names a socket counts, before the main file. */
static char *configured_socket(const struct cri *c)
{
	AUTO(str) char *path = cri_path(c, c->config);
	AUTO(strv) char **files = NULL;
	struct err ignored = ERR_INIT; /* reported when the files are needed and read again */
	char *socket = NULL;

	if (dropins_list(c, &files, &ignored) < 0)
		files = NULL;
	for (size_t n = strv_len(files); n > 0 && !socket; n--) {
		AUTO(str) char *file = cri_path(c, files[n - 1]);

		socket = socket_in(file);
	}
	return socket ? socket : socket_in(path);
}

/* Executables that are containerd, CRI-O or Docker themselves and can check a configuration; k3s,
 * for example, is a program of its own. */
static const char *const programs[] = { "containerd", "crio", "dockerd", NULL };

static void take_process(struct cri *c, const struct process *p)
{
	AUTO(str) char *config = c->back->config_of ? c->back->config_of(p) : NULL;
	AUTO(str) char *address = c->back->socket_of ? c->back->socket_of(p) : NULL;
	/* dockerd and crio have this option. */
	const char *preferred = process_option(p, "default-runtime", NULL);

	c->found = c->running = true;
	c->why = str_fmt("runs as process %d", (int)p->pid);
	c->unit = p->unit ? xstrdup(p->unit) : NULL;
	c->login = p->login;
	c->default_runtime = preferred ? xstrdup(preferred) : NULL;
	if (config && !c->o->config)
		str_set(&c->config, config);
	if (address)
		str_set(&c->socket, address);
	if (strv_has((char *const *)programs, path_basename(p->exe)))
		c->binary = process_program(p->exe);
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
	/* The managers of another root do not run here. */
	if (*c->root || !c->socket || peer_look(c->socket, &p, &ignored) < 0)
		return;
	if (!c->found || !c->running) {
		free(c->why);
		c->why = str_fmt("answers at %s", c->socket);
	}
	c->found = c->running = true;
}

int cri_look(const struct cri_options *o, const struct cri_backend *back,
	     const struct processes *all, struct cri **out, struct err *err)
{
	AUTO(cri) struct cri *c = NEW(struct cri);
	const char *const elsewhere[] = { back->other_config, NULL };
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
	if (!mark && first_of(c->root, elsewhere)) {
		mark = back->other_config;
		if (!o->config)
			str_set(&c->config, mark);
	}
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
	free(c->default_runtime);
	free(c->why);
	free(c->spelled);
	free(c->have);
	free(c);
}

const char *cri_name(const struct cri *c)
{
	return c->back->name;
}

char *cri_state(const struct cri *c)
{
	AUTO(str) char *path = cri_path(c, c->config);
	struct err ignored = ERR_INIT; /* the default */
	AUTO(toml) struct toml_value *root = c->back->state ? toml_load(path, &ignored) : NULL;
	const struct toml_value *v = root ? toml_find(root, "state") : NULL;

	if (v && v->type == TOML_STRING && *v->string.text == '/')
		return xstrdup(v->string.text);
	return c->back->state ? xstrdup(c->back->state) : NULL;
}

bool cri_runs(const struct cri *c)
{
	return c->running;
}

const char *cri_socket(const struct cri *c)
{
	return c->socket;
}

static bool has_process(const struct cri_backend *back, const struct processes *all)
{
	vec_each(const struct process, p, &all->rows) {
		if (backend_runs_as(back, p))
			return true;
	}
	return false;
}

/* The table has managers that include a containerd before it, and its front ends behind it. */
char *cri_other_runs(const struct cri *c)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;

	if (*c->root)
		return NULL;
	processes_scan(&all);
	for (size_t i = 0; backends[i]; i++) {
		const char *name = backends[i]->name;

		if (backends[i] != c->back && has_process(backends[i], &all))
			return str_fmt("%s runs here: name it with --cri %s%s", name, name,
				       process_sees_host() ? " (the chart: k8sDistribution)" : "");
	}
	return NULL;
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

		/* The rule for the handler of a Kubernetes RuntimeClass. */
		if (!is_label(h->name))
			return err_set(
				err, E_USAGE,
				"the handler name '%s' may only have lower-case letters, digits "
				"and dashes; choose another",
				h->name);
		for (size_t k = 0; k < ARRAY_LEN(taken); k++)
			if (str_eq(h->name, taken[k]))
				return err_set(err, E_USAGE,
					       "the handler name '%s' is reserved; choose another",
					       h->name);
		for (size_t k = 0; k < i; k++)
			if (str_eq(h->name, o->handlers[k].name))
				return err_set(err, E_USAGE,
					       "the handler '%s' is given twice; leave one out",
					       h->name);
		if (h->config && *h->config != '/')
			return err_set(err, E_USAGE,
				       "the path '%s' is not absolute; begin it with /", h->config);
	}
	if (*o->prefix != '/' || (o->config && *o->config != '/'))
		return err_set(err, E_USAGE, "the path '%s' is not absolute; begin it with /",
			       *o->prefix != '/' ? o->prefix : o->config);
	return 0;
}

static int find_named(const struct cri_options *o, const struct processes *all, struct cri **out,
		      struct err *err)
{
	const struct cri_backend *back = backend_find(o->name);
	AUTO(str) char *list = backend_names();
	AUTO(cri) struct cri *c = NULL;

	if (!back)
		return err_set(err, E_USAGE, "unknown container manager '%s'; supported are %s",
			       o->name, list);
	if (cri_look(o, back, all, &c, err) < 0)
		return -1;
	/* A file or a socket given on the command line is assumed to exist. */
	if (!c->found && !o->config && !o->socket)
		return err_set(err, E_NOT_FOUND,
			       "%s was not found: neither its files nor a process; name its "
			       "configuration with --cri-config, or another manager with --cri",
			       o->name);
	*out = STEAL(c, NULL);
	return 0;
}

/* docker is a front end of a containerd: any other manager takes precedence. */
static bool is_front(const struct cri_backend *back)
{
	return back == &backend_docker;
}

/* A manager that runs takes precedence over one that is only installed: Debian's docker package
 * installs a containerd that need not run. nerdctl never does: it is only a program, and what
 * answers at its socket is a containerd. */
static bool better(const struct cri *a, const struct cri *b)
{
	if (b && a->back == &backend_nerdctl)
		return false;
	if (!b || a->running != b->running)
		return !b || a->running;
	return !is_front(a->back) && is_front(b->back);
}

static int find_any(const struct cri_options *o, const struct processes *all, struct cri **out,
		    struct err *err)
{
	AUTO(cri) struct cri *best = NULL;
	AUTO(str) char *list = backend_names();

	for (size_t i = 0; backends[i]; i++) {
		AUTO(cri) struct cri *c = NULL;

		if (cri_look(o, backends[i], all, &c, err) < 0)
			return -1;
		if (!c->found)
			continue;
		if (best && best->running && c->running && !is_front(best->back) &&
		    !is_front(c->back) && c->back != &backend_nerdctl) {
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

static int find(const struct cri_options *o, const struct processes *all, struct cri **out,
		struct err *err)
{
	return o->name ? find_named(o, all, out, err) : find_any(o, all, out, err);
}

static bool on_this_system(const struct cri_options *o)
{
	return str_empty(o->root) || str_eq(o->root, "/");
}

/* --- the manager of the recorded registration --- */

/* Returns its back end; NULL: there is none, or the options select another one. */
static const struct cri_backend *registered(const struct cri_options *o)
{
	if (!on_this_system(o) || o->config || !o->registered ||
	    (o->name && !str_eq(o->name, o->registered)))
		return NULL;
	return backend_find(o->registered);
}

static bool is_registered(const struct cri_options *o, const struct cri *c)
{
	return c && str_eq(c->back->name, o->registered) && str_eq(c->config, o->registered_config);
}

/* Looks for it: *out has ->found and ->running. */
static int look_at_registered(const struct cri_options *o, const struct cri_backend *back,
			      const struct processes *all, struct cri **out, struct err *err)
{
	struct cri_options recorded = *o;

	recorded.config = o->registered_config;
	return cri_look(&recorded, back, all, out, err);
}

static struct deadline patience(const struct cri_options *o)
{
	uint64_t ms = 1000ULL * o->restart_seconds;

	return deadline_in(ms && ms < CRI_START_MS ? ms : CRI_START_MS);
}

/* As find(). While the manager of the registration is restarted, by its service manager or its
 * package, only others run: the registration must not move to one of them. So that manager gets
 * time to come back. If it does not, another one has its place, unless none runs. */
static int find_with_registered(const struct cri_options *o, const struct cri_backend *back,
				struct cri **out, struct err *err)
{
	struct deadline deadline = patience(o);

	for (bool ran = false, said = false;;) {
		AUTO(processes) struct processes all = PROCESSES_INIT;
		AUTO(cri) struct cri *chosen = NULL, *was = NULL;
		struct err why = ERR_INIT;
		int rc;

		processes_scan(&all);
		rc = find(o, &all, &chosen, &why);
		if (!is_registered(o, chosen) && look_at_registered(o, back, &all, &was, err) < 0)
			return -1;
		/* If it ran before and after, the choice was not affected by a restart. */
		if (!was || !was->found || (rc == 0 && !chosen->running) || (ran && was->running) ||
		    deadline_passed(deadline)) {
			if (rc < 0)
				*err = why;
			else if (was && was->found && !chosen->running)
				*out = STEAL(was, NULL);
			else
				*out = STEAL(chosen, NULL);
			return rc;
		}
		ran = was->running;
		if (ran)
			continue;
		if (!said)
			log_info("waiting for the manager that has the registration",
				 LOG_S("manager", o->registered));
		said = true;
		if (interrupt_sleep(CRI_POLL_MS, err) < 0)
			return err_wrap(err, "wait for %s", o->registered);
	}
}

int cri_find(const struct cri_options *o, struct cri **out, struct err *err)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	const struct cri_backend *was = registered(o);

	if (check_options(o, err) < 0)
		return -1;
	if (was)
		return find_with_registered(o, was, out, err);
	if (on_this_system(o))
		processes_scan(&all);
	return find(o, &all, out, err);
}

void cri_seen_release(struct cri_seen_list *l)
{
	vec_each(struct cri_seen, row, &l->rows) {
		free(row->version);
		free(row->config);
		free(row->why);
		free(row->start);
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
	for (size_t i = 0; backends[i]; i++) {
		AUTO(cri) struct cri *c = NULL;
		struct err why = ERR_INIT;
		struct cri_seen row = { .name = backends[i]->name };

		row.chosen = chosen && chosen->back == backends[i];
		if (cri_look(o, backends[i], &all, &c, &why) < 0) {
			row.running = true;
			row.config = xstrdup(backends[i]->config);
			row.why = xstrdup(why.msg);
		} else if (c->found) {
			row.running = c->running;
			row.start = c->running ? NULL : cri_start_command(c);
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
