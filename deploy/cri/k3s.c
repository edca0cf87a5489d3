// SPDX-License-Identifier: Apache-2.0
/*
 * The back ends of k3s and rke2, which generate the configuration of their containerd at every
 * start. The configuration of newer versions imports a directory for drop-ins. For older ones our
 * lines are appended to the template that they use, which is in Go's template language, not TOML.
 */
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/handlers.h"
#include "toml/toml.h"

#include <string.h>

/* Its service counts as started when the node is, of a server the control plane too: minutes. Its
 * unit sets no limit for that. */
enum { RESTART_LONG = 300 };

/* The first line of a template that extends the built-in one. A second one would render every table
 * twice, which containerd refuses. */
static const char base_template[] = "{{ template \"base\" . }}\n";

static const char *const own[] = { "config.toml.d/kata-deploy.toml",
				   "config-v3.toml.d/kata-deploy.toml", NULL };
static const char *const templates[] = { "config.toml.tmpl", "config-v3.toml.tmpl", NULL };

/* Templates are searched too, besides the files of cri_adopt_own(). */
static int adopt(const struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *shim = cri_shim(c);

	for (size_t i = 0; templates[i]; i++) {
		AUTO(str) char *path = beside(c->config, templates[i]);

		if (edits_adopt(e, path, shim, err) < 0)
			return -1;
	}
	return cri_adopt_own(c, e, err);
}

static int check(struct cri *c, struct edits *e, const char *config, char **why, struct err *err)
{
	(void)e;
	(void)err;
	if (*c->root)
		*why = xstrdup("not checked: it is below another root");
	else
		*why = str_fmt("not checked: %s generates %s when it starts", c->back->name,
			       config);
	return 0;
}

static int look_at_imports(struct cri *c, struct edits *e, const struct toml_value *root,
			   struct err *err)
{
	AUTO(strv) char **files = import_files(c, root, c->config);

	strv_each(file, files) {
		if (containerd_look_at(c, e, *file, err) < 0)
			return -1;
	}
	return 0;
}

/* True if the table of a handler is in a template, which is not TOML. Ours are not there any more. */
static int in_template(struct cri *c, struct edits *e, const char *name, struct err *err)
{
	AUTO(str) char *bare = str_fmt(".runtimes.%s]", name);
	AUTO(str) char *quoted = str_fmt(".runtimes.\"%s\"]", name);

	for (size_t i = 0; templates[i]; i++) {
		AUTO(str) char *path = beside(c->config, templates[i]);
		const char *text;

		if (edits_read(e, path, &text, err) < 0)
			return -1;
		if (text && (strstr(text, bare) || strstr(text, quoted)))
			return 1;
	}
	return 0;
}

/* Marks the handlers that are an administrator's: of those in the root file the ones that are in a
 * template. The others were rendered from lines of ours, which are gone. */
static int look_at_all(struct cri *c, struct edits *e, const struct toml_value *root,
		       struct err *err)
{
	if (containerd_look_at(c, e, c->config, err) < 0)
		return -1;
	for (size_t i = 0; i < c->o->nhandlers; i++) {
		int there = c->have[i] ? in_template(c, e, c->o->handlers[i].name, err) : 0;

		if (there < 0)
			return -1;
		c->have[i] = there;
	}
	return look_at_imports(c, e, root, err);
}

/* Adds the drop-in; root is what has been rendered last. */
static int add_dropin(struct cri *c, struct edits *e, const struct toml_value *root, int schema,
		      struct err *err)
{
	AUTO(str) char *old = beside(c->config, templates[0]);
	const char *text;

	if (look_at_all(c, e, root, err) < 0 || edits_read(e, old, &text, err) < 0)
		return -1;
	/* With containerd 2 it is rendered with version 2 only because of a template of that version,
	 * which was ours if it is gone; then the next one has version 3. */
	if (schema < 3 && !text)
		schema = 3;
	AUTO(str) char *dropin = cri_own_file(c, own[schema >= 3]);
	if (containerd_own_handlers(c, e, dropin, err) < 0)
		return -1;
	return handlers_all(c) ? 0 : containerd_dropin(c, e, dropin, schema, err);
}

static bool is_blank(const char *text)
{
	return !text[strspn(text, " \t\r\n")];
}

static int check_template(struct cri *c, struct edits *e, const char *path, const char **text,
			  struct err *err)
{
	if (edits_read(e, path, text, err) < 0)
		return -1;
	if (!*text || !is_blank(*text))
		return 0;
	err_set(err, E_CONFIG, "%s%s is empty, so %s gives its containerd an empty file", c->root,
		path, c->back->name);
	return err_hint(err, "remove it, and restart %s", c->back->name);
}

/* k3s and rke2 write their file in place when they start. While it is empty, its schema is not known,
 * nor whether it imports drop-ins. */
static int refuse_empty(struct cri *c, struct edits *e, struct err *err)
{
	const char *text;

	for (size_t i = 0; templates[i]; i++) {
		AUTO(str) char *path = beside(c->config, templates[i]);

		if (check_template(c, e, path, &text, err) < 0)
			return -1;
	}
	err_set(err, E_STATE, "%s%s is empty: %s is just writing it", c->root, c->config,
		c->back->name);
	return err_hint(err, "try again in a moment; if it stays empty, restart %s", c->back->name);
}

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *real = cri_path(c, c->config);
	AUTO(str) char *dropins = NULL, *template = NULL;
	const char *text;
	int schema;

	if (edits_read(e, c->config, &text, err) < 0)
		return -1;
	if (!text) {
		AUTO(str) char *other = cri_other_runs(c);

		err_set(err, E_STATE, "%s is missing", real);
		/* k3s and rke2 have the same socket, so the other one seems to run. */
		if (other)
			return err_hint(err, "%s", other);
		return err_hint(err,
				"start %s once, which creates it; if it runs with --data-dir DIR, "
				"use --cri-config DIR/agent/etc/containerd/config.toml",
				c->back->name);
	}
	if (is_blank(text))
		return refuse_empty(c, e, err);
	AUTO(toml) struct toml_value *root = toml_parse(real, text, strlen(text), NULL, err);
	schema = root ? containerd_schema(root, err) : -1;
	if (schema < 0)
		return -1;
	dropins = cri_own_file(c, own[schema >= 3]);
	/* Drop-ins are merged by containerd 2 only. */
	if (import_has(c, root, c->config, dropins) &&
	    (schema >= 3 || version_major(c->version) >= 2))
		return add_dropin(c, e, root, schema, err);
	template = beside(c->config, templates[schema >= 3]);
	if (check_template(c, e, template, &text, err) < 0)
		return -1;
	return containerd_block(c, e, template, text ? "" : base_template, schema, false, err);
}

static bool is_k3s(const struct process *p)
{
	return str_eq(path_basename(p->exe), "k3s");
}

/* The containerd of RKE2 is a program of its own. */
static bool is_rke2(const struct process *p)
{
	return str_eq(path_basename(p->exe), "rke2") || k3s_starts(p);
}

bool k3s_starts(const struct process *p)
{
	const char *config = process_option(p, "config", "-c");

	return str_eq(path_basename(p->exe), "containerd") && config &&
	       str_ends(config, "/agent/etc/containerd/config.toml");
}

/* k3s hides its own options, but not those of its containerd, which is another run of its
 * program. */
static char *config_of(const struct process *p)
{
	bool is_containerd = p->argv && str_eq(path_basename(p->argv[0]), "containerd");

	return is_containerd ? containerd_config_of(p) : NULL;
}

/* The program of k3s is kubectl, crictl and ctr too. */
static const char *const clients[] = { "kubectl",       "crictl",      "ctr",
				       "etcd-snapshot", "certificate", "secrets-encrypt",
				       "check-config",  NULL };
static const char *const k3s_marks[] = { "/var/lib/rancher/k3s/agent/etc/containerd",
					 "/etc/rancher/k3s", NULL };
static const char *const rke2_marks[] = { "/var/lib/rancher/rke2/agent/etc/containerd",
					  "/etc/rancher/rke2", NULL };
static const char *const k3s_binaries[] = { "/var/lib/rancher/k3s/data/current/bin/containerd",
					    NULL };
static const char *const rke2_binaries[] = { "/var/lib/rancher/rke2/bin/containerd", NULL };
static const char *const k3s_units[] = { "k3s", "k3s-agent", NULL };
static const char *const rke2_units[] = { "rke2-server", "rke2-agent", NULL };

const struct cri_backend backend_k3s = {
	.name = "k3s",
	.config = "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
	.state = "/run/k3s/containerd",
	.socket = "/run/k3s/containerd/containerd.sock",
	.marks = k3s_marks,
	.binaries = k3s_binaries,
	.units = k3s_units,
	.single = true,
	.is_mine = is_k3s,
	.clients = clients,
	.config_of = config_of,
	.restart = RESTART_COMMAND,
	.restart_seconds = RESTART_LONG,
	.own = own,
	.edit = edit,
	.adopt = adopt,
	.check = check,
	.answers = containerd_answers,
	.served = cri_client_handlers,
};

const struct cri_backend backend_rke2 = {
	.name = "rke2",
	.config = "/var/lib/rancher/rke2/agent/etc/containerd/config.toml",
	.state = "/run/k3s/containerd",
	.socket = "/run/k3s/containerd/containerd.sock",
	.marks = rke2_marks,
	.binaries = rke2_binaries,
	.units = rke2_units,
	.single = true,
	.is_mine = is_rke2,
	.clients = clients,
	.config_of = config_of,
	.restart = RESTART_COMMAND,
	.restart_seconds = RESTART_LONG,
	.own = own,
	.edit = edit,
	.adopt = adopt,
	.check = check,
	.answers = containerd_answers,
	.served = cri_client_handlers,
};
