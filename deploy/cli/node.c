// SPDX-License-Identifier: Apache-2.0
/* Opens the prefix of a node, plans the registration, and recalls what an earlier change
 * recorded. */

#include "deploy/cli/node.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/cli/unused.h"
#include "deploy/timer/units.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HANDLERS_MAX = 64 };

/* With --root the root directory itself is locked: it may have no /run. */
static const char *lock_path(const struct cli_place *place)
{
	if (place->lock)
		return place->lock;
	return place->root ? place->root : DEPLOY_LOCK;
}

/* Makes /run/lock, which not every system makes at boot. A lock in another directory instead would
 * not exclude a process that finds /run/lock. The directory of a file of --lock is not made. */
static int make_lock_directory(const char *lock, struct err *err)
{
	AUTO(str) char *dir = xstrndup(lock, (size_t)(path_basename(lock) - lock));

	int there = *dir ? path_look(AT_FDCWD, dir, err) : 1;

	if (there)
		return there < 0 ? -1 : 0;
	if (str_eq(lock, DEPLOY_LOCK) && path_make(dir, 0755, err) == 0)
		return 0;
	if (!err->code)
		err_set(err, E_NOT_FOUND, "there is no directory %s for the lock", dir);
	return err_hint(err, "make it, or choose another file with --lock FILE");
}

/* Returns the kinds of steps that a journal may need to undo, NULL at the end. */
static const struct deploy_step_ops **step_kinds(void)
{
	static const struct deploy_step_ops *kinds[16] = { &prove_step, &prove_clean_step,
							   &unused_step };
	size_t n = 3;

	for (size_t i = 0; cri_step_kinds[i]; i++)
		kinds[n++] = cri_step_kinds[i];
	for (size_t i = 0; units_step_kinds[i]; i++)
		kinds[n++] = units_step_kinds[i];
	if (n >= ARRAY_LEN(kinds))
		bug("%zu kinds of steps", n);
	return kinds;
}

/* Fills out, which borrows *prefix (heap). */
static int find_place(struct cli_place *place, enum deploy_access access, char **prefix,
		      struct deploy_options *out, struct err *err)
{
	if (place_settle(place, err) < 0)
		return -1;
	*prefix = place->root ? path_from_root(place->root, place->prefix, err)
			      : xstrdup(place->prefix);
	if (!*prefix)
		return -1;
	*out = (struct deploy_options){
		.prefix = *prefix,
		.root = place->root,
		.lock = lock_path(place),
		.lock_seconds = place->lock_wait,
		.now = place_now(place),
		.kinds = step_kinds(),
	};
	if (access == DEPLOY_CHANGE && !place->root && geteuid() != 0) {
		err_set(err, E_PERMISSION, "only root may change %s", *prefix);
		return err_hint(err, "use sudo, or --root DIR to work on another tree");
	}
	if (access != DEPLOY_LOOK && make_lock_directory(out->lock, err) < 0)
		return -1;
	return 0;
}

enum deploy_access node_may_hold(void)
{
	return geteuid() == 0 ? DEPLOY_HOLD : DEPLOY_LOOK;
}

int node_open(struct cli_place *place, enum deploy_access access, struct deploy **out,
	      struct err *err)
{
	AUTO(str) char *prefix = NULL;
	struct deploy_options o;

	return find_place(place, access, &prefix, &o, err) < 0 ? -1
							       : deploy_open(&o, access, out, err);
}

int node_recover(struct cli_place *place, deploy_found *found, void *arg, struct err *undone,
		 struct err *err)
{
	AUTO(str) char *prefix = NULL;
	struct deploy_options o;

	if (find_place(place, DEPLOY_CHANGE, &prefix, &o, err) < 0)
		return -1;
	o.undone = undone;
	return deploy_recover(&o, found, arg, err);
}

int node_need_installed(const struct deploy *d, const struct cli_place *place, struct err *err)
{
	if (deploy_installed(d)->current)
		return 0;
	err_set(err, E_STATE, "nothing is installed below %s", place->prefix);
	return err_hint(err, "run %s", advice("install"));
}

int node_layout(const struct deploy *d, struct layout *out, struct err *err)
{
	const char *current = deploy_installed(d)->current;

	return current ? deploy_layout(d, current, out, err) : 0;
}

int node_uses(const struct cli_place *place, struct use_list *out, struct err *err)
{
	return place->root ? 0 : use_find(place->prefix, out, err);
}

int node_in_use(const struct cli_place *place, char ***ids, struct err *err)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;

	if (node_uses(place, &l, err) < 0)
		return -1;
	*ids = use_generations(&l);
	return 0;
}

int node_recall(const struct deploy *d, const char *member, struct json **doc,
		const struct json **out, struct err *err)
{
	const char *extra = deploy_installed(d)->extra;

	*out = NULL;
	if (!extra)
		return 0;
	if (!*doc)
		*doc = json_parse(extra, strlen(extra), "install.json, extra", err);
	if (!*doc)
		return -1;
	*out = json_get(*doc, member);
	return 0;
}

/* Finds "release" as node_recall(); NULL too if it does not have the key. */
static int recall_with(const struct deploy *d, const char *key, struct json **doc,
		       const struct json **out, struct err *err)
{
	const struct json *memory;

	*out = NULL;
	if (node_recall(d, "release", doc, &memory, err) < 0)
		return -1;
	if (memory && json_kind(memory) != JSON_IS_OBJECT)
		return err_set(err, E_INVALID,
			       "install.json: extra.release is not an object; name the release and "
			       "its components again: --release, --components, --without");
	*out = memory && json_get(memory, key) ? memory : NULL;
	return 0;
}

int node_recall_text(const struct deploy *d, const char *key, char **out, struct err *err)
{
	AUTO(json) struct json *doc = NULL;
	const struct json *memory;

	*out = NULL;
	if (recall_with(d, key, &doc, &memory, err) < 0)
		return -1;
	if (!memory)
		return 0;
	if (!json_get_text(memory, key))
		return err_set(err, E_INVALID,
			       "install.json: extra.release.%s is not a string; name the release "
			       "again, and how to reach it: --release, --proxy, --cacert",
			       key);
	*out = xstrdup(json_get_text(memory, key));
	return 0;
}

int node_recall_release(const struct deploy *d, const char *list, char ***out, struct err *err)
{
	AUTO(json) struct json *doc = NULL;
	const struct json *memory;

	if (recall_with(d, list, &doc, &memory, err) < 0)
		return -1;
	if (!memory)
		return 0;
	return json_get_strings(memory, list, out) < 0
		       ? err_set(err, E_INVALID,
				 "install.json: extra.release.%s is not a list of strings; name "
				 "the release and its components again: --release, --components, "
				 "--without",
				 list)
		       : 0;
}

/* --- the registration --- */

void registration_release(struct registration *reg)
{
	json_free(reg->doc);
	free(reg->steps);
	free(reg->extra);
	free(reg->state);
	cri_change_release(&reg->told);
	cri_free(reg->cri);
}

/* The options that are recorded, and the offsets of their values. */
static const struct {
	const char *key;
	size_t value;
} options[] = {
	{ "cri", offsetof(struct cli_manager, name) },
	{ "cri-config", offsetof(struct cli_manager, config) },
	{ "cri-socket", offsetof(struct cli_manager, socket) },
	{ "restart-with", offsetof(struct cli_manager, restart_with) },
};

static const char **option(struct cli_manager *m, size_t i)
{
	return (const char **)(void *)((char *)m + options[i].value);
}

int node_recall_manager(const struct deploy *d, struct cli_manager *m, struct json **doc,
			struct err *err)
{
	const struct json *was, *value;

	if (node_recall(d, "cri", doc, &was, err) < 0)
		return -1;
	m->registered = was ? json_get_text(was, "name") : NULL;
	m->registered_config = was ? json_get_text(was, "config") : NULL;
	if (node_recall(d, "options", doc, &was, err) < 0)
		return -1;
	/* The recorded paths are not those of another manager. */
	value = was ? json_get(was, "cri") : NULL;
	if (!was || (m->name && !(value && str_eq(json_text(value), m->name))))
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		value = json_get(was, options[i].key);
		if (!*option(m, i) && value)
			*option(m, i) = json_text(value);
	}
	value = json_get(was, "no-default-handlers");
	if (m->keep_handlers && !m->handlers && value && json_kind(value) == JSON_IS_BOOL)
		m->only_handlers |= json_bool(value);
	value = json_get(was, "handlers");
	for (size_t i = 0; m->keep_handlers && !m->handlers && value && i < json_count(value); i++)
		strv_push(&m->handlers, json_text(json_at(value, i)));
	return 0;
}

static void remember_options(struct cli_manager *m, struct json *extra)
{
	struct json *now = json_make_object(), *handlers;

	for (size_t i = 0; i < ARRAY_LEN(options); i++) {
		if (*option(m, i))
			json_put(now, options[i].key, json_make_string(*option(m, i)));
	}
	if (m->handlers) {
		handlers = json_make_array();
		strv_each(handler, m->handlers)
			json_add(handlers, json_make_string(*handler));
		json_put(now, "handlers", handlers);
	}
	if (m->only_handlers)
		json_put(now, "no-default-handlers", json_make_bool(true));
	if (json_count(now))
		json_put(extra, "options", now);
	else
		json_free(now);
}

static struct cri_options manager(const struct cli_place *place, const struct cli_manager *m)
{
	return (struct cri_options){ .root = place->root ? place->root : "",
				     .prefix = place->prefix,
				     .name = m->name,
				     .config = m->config,
				     .socket = m->socket,
				     .registered = m->registered,
				     .registered_config = m->registered_config,
				     .restart_with = m->restart_with,
				     .restart_seconds = m->restart_seconds };
}

int node_manager(const struct deploy *d, const struct cli_place *place, struct cli_manager *m,
		 struct json **doc, struct cri **out, struct err *err)
{
	struct cri_options o;

	if (node_recall_manager(d, m, doc, err) < 0)
		return -1;
	o = manager(place, m);
	return cri_find(&o, out, err);
}

/* The handlers of an installation; names and paths point into copies. */
struct handlers {
	struct cri_handler rows[HANDLERS_MAX];
	size_t n;
	char **copies;
};

static void handlers_release(struct handlers *h)
{
	strv_free(h->copies);
}
DEFINE_AUTO_STRUCT(handlers, struct handlers, handlers_release)

/* Fills in kata and kata-qemu, for which the shim finds its configuration itself, and those of
 * --handler. */
static int handlers_read(const struct cli_manager *m, struct handlers *h, struct err *err)
{
	*h = (struct handlers){ .copies = strv_dup(m->handlers) };
	if (!m->only_handlers) {
		h->rows[h->n++] = (struct cri_handler){ "kata", NULL };
		h->rows[h->n++] = (struct cri_handler){ "kata-qemu", NULL };
	}
	strv_each(copy, h->copies) {
		char *equals = strchr(*copy, '=');

		if (!equals || equals == *copy || equals[1] != '/')
			return err_set(
				err, E_USAGE,
				"--handler %s has no path; give NAME=/PATH/TO/configuration.toml",
				*copy);
		if (h->n == HANDLERS_MAX)
			return err_set(err, E_USAGE, "more than %d handlers; leave some out",
				       HANDLERS_MAX);
		*equals = '\0';
		if (str_check_id(*copy, "--handler", err) < 0)
			return -1;
		h->rows[h->n++] = (struct cri_handler){ *copy, equals + 1 };
	}
	return 0;
}

static int need_one(const struct handlers *h, struct err *err)
{
	if (h->n)
		return 0;
	err_set(err, E_USAGE, "--no-default-handlers leaves no handler");
	return err_hint(err, "name some with --handler NAME=CONFIG");
}

int node_check_handlers(const struct cli_manager *m, struct err *err)
{
	AUTO(handlers) struct handlers h = { .n = 0 };

	if (handlers_read(m, &h, err) < 0)
		return -1;
	/* An upgrade takes the recorded handlers. */
	return m->keep_handlers ? 0 : need_one(&h, err);
}

const char *node_handler(const struct json *record)
{
	const struct json *list = record ? json_get(record, "handlers") : NULL;

	return list && json_kind(list) == JSON_IS_ARRAY && json_count(list)
		       ? json_text(json_at(list, 0))
		       : NULL;
}

/* Composes the change: the manager's files and steps, between the two steps of the proof. */
static void compose(struct registration *reg, bool proof)
{
	const struct deploy_change *told = &reg->told.change;
	size_t n = 0;

	reg->change.files = told->files;
	reg->change.nfiles = told->nfiles;
	reg->steps = xcalloc(told->nsteps + 2, sizeof(*reg->steps));
	if (proof)
		reg->steps[n++] = (struct deploy_step){ .ops = &prove_clean_step,
							.name = "clean up after the proof",
							.arg = &reg->proof,
							.before_files = true };
	if (told->nsteps)
		memcpy(reg->steps + n, told->steps, told->nsteps * sizeof(*reg->steps));
	n += told->nsteps;
	if (proof)
		reg->steps[n++] = (struct deploy_step){ .ops = &prove_step,
							.name = "proof in a VM",
							.arg = &reg->proof };
	reg->change.steps = reg->steps;
	/* In a container, the restart of the manager may end this process. */
	reg->change.resumes = process_sees_host();
	reg->change.nsteps = n;
}

static bool wants_proof(const struct registration *reg)
{
	return !reg->manager->no_proof && !reg->place->root && !str_eq(reg->manager->name, "none");
}

/* Returns "start MANAGER", with the command if it is known; heap. If another one runs, that was
 * probably meant. */
static char *how_to_start(const struct cri *c)
{
	AUTO(str) char *command = cri_start_command(c), *other = cri_other_runs(c);

	return str_fmt("%s%sstart %s%s%s%s", other ? other : "", other ? ", or " : "", cri_name(c),
		       command ? " (" : "", command ? command : "", command ? ")" : "");
}

/* Returns the remedy for a manager that does not run but is needed for the proof; heap. */
static char *how_to_prove(const struct cri *c)
{
	AUTO(str) char *start = how_to_start(c);

	return str_fmt("the proof in a VM needs it: %s, or use --no-proof", start);
}

int node_need_running(const struct cri *c, struct err *err)
{
	AUTO(str) char *start = NULL;

	if (cri_runs(c))
		return 0;
	start = how_to_start(c);
	err_set(err, E_STATE, "%s does not run", cri_name(c));
	return err_hint(err, "%s", start);
}

/* True if the proof is left out for a manager that can run none. */
static bool goes_unproved(const struct registration *reg, const struct cri *c)
{
	return reg->manager->proof_if_can && !prove_can(cri_name(c));
}

/* Sets *proof if a proof is wanted, and fills in reg->proof. E_UNSUPPORTED: the manager cannot run
 * it. */
static int set_proof(struct registration *reg, const struct json *record,
		     const struct prove_expect *expect, bool *proof, struct err *err)
{
	/* Without a manager nothing can run a container. */
	*proof = expect && wants_proof(reg) && reg->cri && !goes_unproved(reg, reg->cri);
	if (!*proof)
		return 0;
	if (!prove_can(cri_name(reg->cri))) {
		err_set(err, E_UNSUPPORTED,
			"a container cannot be run through %s to prove the install",
			cri_name(reg->cri));
		return err_hint(err, "use --no-proof to install without a proof");
	}
	reg->state = cri_state(reg->cri);
	reg->proof = (struct prove){ .manager = cri_name(reg->cri),
				     .socket = cri_socket(reg->cri),
				     .state = reg->state,
				     .prefix = reg->place->prefix,
				     .handler = node_handler(record),
				     .expect = *expect };
	prove_name(&reg->proof);
	if (!cri_runs(reg->cri)) {
		AUTO(str) char *how = how_to_prove(reg->cri);
		char *both = str_fmt("%s; %s", reg->told.reason ? reg->told.reason : "", how);

		free(reg->told.reason);
		reg->told.reason = both;
	}
	return 0;
}

int registration_can_prove(const struct deploy *d, struct registration *reg, struct err *err)
{
	AUTO(cri) struct cri *c = NULL;

	if (node_recall_manager(d, reg->manager, &reg->doc, err) < 0)
		return -1;
	if (!wants_proof(reg))
		return 0;
	struct cri_options o = manager(reg->place, reg->manager);
	if (cri_find(&o, &c, err) < 0)
		return -1;
	if (goes_unproved(reg, c)) {
		log_warn("no container can be run through this manager: the upgrade is not proved",
			 LOG_S("manager", cri_name(c)));
		return 0;
	}
	if (cri_runs(c)) {
		struct prove proof = { .manager = cri_name(c),
				       .socket = cri_socket(c),
				       .prefix = reg->place->prefix };

		return process_sees_host() ? prove_ready(&proof, err) : 0;
	}
	AUTO(str) char *how = how_to_prove(c);
	err_set(err, E_STATE, "%s does not run", cri_name(c));
	return err_hint(err, "%s", how);
}

/* True if the release is installed even where it cannot be told with which manager to register it:
 * nobody named one, and no container is wanted as a proof. A package is installed so, perhaps before
 * the manager. In a container a manager always runs, which has started it. */
static bool goes_unregistered(const struct registration *reg)
{
	const struct cli_manager *m = reg->manager;

	return m->no_proof && !m->name && !m->config && !m->socket && !process_sees_host();
}

/* As cri_find(); leaves reg->cri NULL, with a warning, where the release goes unregistered. */
static int choose_manager(const struct cri_options *o, struct registration *reg, struct err *err)
{
	if (cri_find(o, &reg->cri, err) == 0)
		return 0;
	if (!goes_unregistered(reg) || (err->code != E_NOT_FOUND && err->code != E_STATE))
		return -1;
	log_err(LOG_WARN, err,
		err->code == E_STATE ? "kata is not registered with a container manager; repeat "
				       "the command with --cri NAME"
				     : "kata is not registered with a container manager; repeat "
				       "the command when there is one");
	err_clear(err);
	return 0;
}

static int find_manager(const struct json *was, const struct json **record,
			struct registration *reg, struct err *err)
{
	struct cri_options o = manager(reg->place, reg->manager);
	AUTO(handlers) struct handlers h = { .n = 0 };

	if (handlers_read(reg->manager, &h, err) < 0 || need_one(&h, err) < 0)
		return -1;
	o.handlers = h.rows;
	o.nhandlers = h.n;
	if (choose_manager(&o, reg, err) < 0)
		return -1;
	if (!reg->cri) {
		/* What an earlier change has registered stays recorded: the uninstall removes it. */
		*record = was;
		return 0;
	}
	/* The manager that has started our container is being restarted. Without the step of a
	 * restart the change would not wait for its turn (deploy/node/machine.h). */
	if (process_sees_host() && node_need_running(reg->cri, err) < 0)
		return -1;
	return cri_register(reg->cri, was, &reg->told, record, err);
}

int registration_add(const struct deploy *d, const struct json *release,
		     const struct prove_expect *proof, struct registration *reg, struct err *err)
{
	AUTO(json) struct json *extra = json_make_object();
	const struct json *was, *record = NULL;
	bool proves;

	if (node_recall_manager(d, reg->manager, &reg->doc, err) < 0 ||
	    node_recall(d, "cri", &reg->doc, &was, err) < 0)
		return -1;
	if (str_eq(reg->manager->name, "none"))
		record = was;
	else if (find_manager(was, &record, reg, err) < 0)
		return -1;
	if (set_proof(reg, record, proof, &proves, err) < 0)
		return -1;
	if (record)
		json_put(extra, "cri", json_share(record));
	remember_options(reg->manager, extra);
	if (!release && node_recall(d, "release", &reg->doc, &release, err) < 0)
		return -1;
	if (release)
		json_put(extra, "release", json_share(release));
	reg->extra = json_format(extra, false);
	compose(reg, proves);
	reg->change.extra = reg->extra;
	return 0;
}

int registration_drop(const struct deploy *d, struct registration *reg, struct err *err)
{
	const struct json *was;
	struct cri_options o;
	int rc = 0;

	if (node_recall_manager(d, reg->manager, &reg->doc, err) < 0 ||
	    node_recall(d, "cri", &reg->doc, &was, err) < 0)
		return -1;
	o = manager(reg->place, reg->manager);
	if (was)
		rc = cri_unregister(&o, was, &reg->told, err);
	else if ((!deploy_installed(d)->current || !deploy_installed(d)->extra) &&
		 !str_eq(reg->manager->name, "none"))
		rc = cri_drop_left(&o, &reg->told, err);
	if (rc < 0)
		return -1;
	compose(reg, false);
	return 0;
}
