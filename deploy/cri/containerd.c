// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of containerd, and functions for managers that include a containerd.
 *
 * containerd 2 merges the files of `imports` key by key: our handlers are in a separate file, and
 * the root file gets at most one element of imports.
 *
 * containerd 1 uses, for each plugin, only the section of the last file that has one: a drop-in of
 * ours would hide the CRI settings of the root file. So our tables are appended to the file whose
 * section is used. A table of runtimes in a file also replaces the built-in one, so ours must
 * define runc if the file does not.
 */
#include "deploy/cri/containerd.h"
#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/handlers.h"
#include "toml/toml.h"

#include <fnmatch.h>
#include <glob.h>
#include <string.h>

/* --- imports --- */

char *beside(const char *config, const char *name)
{
	AUTO(str) char *dir = xstrndup(config, (size_t)(path_basename(config) - config));
	AUTO(str) char *full = path_join(dir, name);

	return path_clean(full);
}

/* Returns the absolute path of an element of imports, heap. It is relative to the importing file;
 * but containerd before 1.7 resolves a relative pattern from its working directory, / for a
 * service. */
static char *import_path(const struct cri *c, const char *config, const char *element)
{
	bool old = version_major(c->version) == 1 && version_minor(c->version) < 7;

	if (*element == '/')
		return path_clean(element);
	return beside(old && strchr(element, '*') ? "/" : config, element);
}

static const struct toml_value *imports_of(const struct toml_value *root)
{
	const struct toml_value *v = toml_find(root, "imports");

	return v && v->type == TOML_ARRAY ? v : NULL;
}

char **import_files(const struct cri *c, const struct toml_value *root, const char *config)
{
	const struct toml_value *v = imports_of(root);
	char **files = NULL;

	for (size_t i = 0; v && i < v->array.n; i++) {
		const struct toml_value *item = v->array.items[i];
		glob_t found = { .gl_pathc = 0 };

		if (item->type != TOML_STRING)
			continue;
		AUTO(str) char *path = import_path(c, config, item->string.text);
		if (!strchr(path, '*')) {
			strv_push(&files, path);
			continue;
		}
		AUTO(str) char *real = cri_path(c, path);
		if (glob(real, 0, NULL, &found) == 0) {
			for (size_t k = 0; k < found.gl_pathc; k++)
				strv_push(&files, found.gl_pathv[k] + strlen(c->root));
			globfree(&found);
		}
	}
	return files;
}

char **containerd_imported(const struct cri *c)
{
	AUTO(str) char *real = cri_path(c, c->config);
	struct err ignored = ERR_INIT; /* reported when the file is edited */
	AUTO(toml) struct toml_value *root = toml_load(real, &ignored);

	return root ? import_files(c, root, c->config) : NULL;
}

bool import_has(const struct cri *c, const struct toml_value *root, const char *config,
		const char *path)
{
	const struct toml_value *v = imports_of(root);

	for (size_t i = 0; v && i < v->array.n; i++) {
		const struct toml_value *item = v->array.items[i];

		if (item->type != TOML_STRING)
			continue;
		AUTO(str) char *pattern = import_path(c, config, item->string.text);
		if (strchr(pattern, '*') ? fnmatch(pattern, path, FNM_PATHNAME) == 0
					 : str_eq(pattern, path))
			return true;
	}
	return false;
}

/* --- reading --- */

int containerd_schema(const struct toml_value *root, struct err *err)
{
	const struct toml_value *v = toml_find(root, "version");

	if (root->table.n == 0)
		return 0;
	if (!v)
		return 1;
	if (v->type != TOML_INTEGER || v->integer < 1 || v->integer > 99)
		return err_set(err, E_CONFIG, "%s:%u: 'version' is not a version; make it 2 or 3",
			       toml_file(v), v->span.line);
	return (int)v->integer;
}

static int parse(struct edits *e, const char *path, struct toml_value **out, struct err *err)
{
	const char *text;
	AUTO(str) char *real = str_fmt("%s%s", e->root, path);

	*out = NULL;
	if (edits_read(e, path, &text, err) < 0)
		return -1;
	if (!text)
		return 0;
	*out = toml_parse(real, text, strlen(text), NULL, err);
	return *out ? 0 : -1;
}

int containerd_look_at(struct cri *c, struct edits *e, const char *path, struct err *err)
{
	AUTO(toml) struct toml_value *tree = NULL;
	int schema;

	if (parse(e, path, &tree, err) < 0)
		return -1;
	if (!tree)
		return 0;
	schema = containerd_schema(tree, err);
	return schema < 0 ? -1 : handlers_there(c, handlers_find(tree, schema), path, err);
}

static const struct toml_value *runtimes_in(const struct toml_value *tree)
{
	struct err ignored = ERR_INIT; /* it has none */
	int schema = tree ? containerd_schema(tree, &ignored) : -1;

	return schema < 0 ? NULL : handlers_find(tree, schema);
}

int containerd_own_handlers(struct cri *c, struct edits *e, const char *path, struct err *err)
{
	AUTO(toml) struct toml_value *before = NULL, *after = NULL;
	struct err ignored = ERR_INIT; /* somebody has damaged our file, which is written anew */
	const char *text;

	if (edits_disk(e, path, &text, err) < 0 || parse(e, path, &after, err) < 0)
		return -1;
	before = text ? toml_parse(path, text, strlen(text), NULL, &ignored) : NULL;
	handlers_own(c, runtimes_in(before), runtimes_in(after));
	return 0;
}

int containerd_look(struct cri *c, struct edits *e, const struct toml_value *root, struct err *err)
{
	AUTO(strv) char **files = import_files(c, root, c->config);

	if (containerd_look_at(c, e, c->config, err) < 0)
		return -1;
	strv_each(file, files) {
		if (containerd_look_at(c, e, *file, err) < 0)
			return -1;
	}
	return 0;
}

/* True if the plugin CRI is disabled, as in Docker's package of containerd. */
static bool is_off(const struct toml_value *root)
{
	const struct toml_value *v = toml_find(root, "disabled_plugins");

	for (size_t i = 0; v && v->type == TOML_ARRAY && i < v->array.n; i++) {
		const struct toml_value *item = v->array.items[i];

		if (item->type == TOML_STRING && (str_eq(item->string.text, "cri") ||
						  str_eq(item->string.text, handlers_section(2)) ||
						  str_eq(item->string.text, handlers_section(3))))
			return true;
	}
	return false;
}

/* --- writing --- */

int containerd_dropin(struct cri *c, struct edits *e, const char *path, int schema, struct err *err)
{
	const char *note = c->back->note;
	AUTO(buf) struct buf text = BUF_INIT(CRI_FILE_MAX);

	buf_fmt(&text, CRI_OWN_FILE "%sversion = %d\n", note ? note : "", schema);
	if (handlers_write(c, schema, false, &text, err) < 0)
		return -1;
	return edit_file(e, path, buf_cstr(&text), err);
}

/* containerd before 1.7 ignores runtime_path. */
static bool needs_type(const struct cri *c, int schema)
{
	int major = version_major(c->version);

	return major < 0 ? schema <= 2 : major < 2 && version_minor(c->version) < 7;
}

int containerd_block(struct cri *c, struct edits *e, const char *path, const char *fresh,
		     int schema, bool runc, struct err *err)
{
	AUTO(buf) struct buf lines = BUF_INIT(CRI_FILE_MAX);

	if (c->back->note)
		buf_str(&lines, c->back->note);
	if (runc) {
		buf_fmt(&lines,
			CRI_BUILT_IN "[plugins.\"%s\".containerd.runtimes.runc]\n"
				     "runtime_type = \"io.containerd.runc.v2\"\n",
			handlers_section(schema));
	}
	if (handlers_write(c, schema, needs_type(c, schema), &lines, err) < 0)
		return -1;
	return edit_block(e, path, fresh, buf_cstr(&lines), err);
}

/* *lacks: our lines in a file must define runc, since neither the administrator has a table of
 * runtimes there nor the block of another installation defines it. */
static int lacks_runc(struct edits *e, const char *path, int schema, bool *lacks, struct err *err)
{
	AUTO(toml) struct toml_value *tree = NULL, *own = NULL;
	const struct toml_value *all, *theirs;
	const char *text;

	if (edits_read(e, path, &text, err) < 0)
		return -1;
	AUTO(str) char *rest = edits_without_blocks(text ? text : "");
	tree = toml_parse(path, text ? text : "", text ? strlen(text) : 0, NULL, err);
	own = tree ? toml_parse(path, rest, strlen(rest), NULL, err) : NULL;
	if (!own)
		return -1;
	all = handlers_find(tree, schema);
	theirs = handlers_find(own, schema);
	*lacks = !(theirs && theirs->table.n) && !(all && toml_find(all, "runc"));
	return 0;
}

/* Finds the file (heap) whose CRI section containerd 1 uses: the last that has one. *runc: our
 * lines there must define runc. */
static int find_section_file(struct cri *c, struct edits *e, const struct toml_value *root,
			     int schema, char **found, bool *runc, struct err *err)
{
	AUTO(strv) char **files = import_files(c, root, c->config);

	*found = xstrdup(c->config);
	strv_each(file, files) {
		AUTO(toml) struct toml_value *tree = NULL;
		const struct toml_value *plugins, *section;

		if (str_eq(*file, c->config))
			continue;
		if (parse(e, *file, &tree, err) < 0)
			return -1;
		plugins = tree ? toml_find(tree, "plugins") : NULL;
		section = plugins && plugins->type == TOML_TABLE
				  ? toml_find(plugins, handlers_section(schema))
				  : NULL;
		if (section)
			str_set(found, *file);
	}
	return lacks_runc(e, *found, schema, runc, err);
}

static int add_block(struct cri *c, struct edits *e, const struct toml_value *root,
		     const char *fresh, int schema, struct err *err)
{
	AUTO(str) char *path = NULL;
	AUTO(toml) struct toml_value *again = NULL;
	bool runc = false;

	if (version_major(c->version) >= 2)
		path = xstrdup(c->config);
	else if (find_section_file(c, e, root, schema, &path, &runc, err) < 0)
		return -1;
	if (containerd_block(c, e, path, fresh, schema, runc, err) < 0)
		return -1;
	if (parse(e, path, &again, err) < 0)
		return err_wrap(err, "add the runtime handlers to %s", path);
	return 0;
}

static int add_dropin(struct cri *c, struct edits *e, const struct toml_value *root,
		      const char *fresh, int schema, struct err *err)
{
	AUTO(str) char *path = cri_own_file(c, containerd_own[0]);

	if (containerd_dropin(c, e, path, schema, err) < 0)
		return -1;
	return import_has(c, root, c->config, path) ? 0
						    : edit_import(e, c->config, fresh, path, err);
}

/* Returns the file of our handlers, heap. NULL: containerd 1 uses the section of one file only, so that
 * a copy in a later file hides them. */
static char *merged_file(const struct cri *c, int schema)
{
	if (schema >= 3)
		return cri_own_file(c, containerd_own[0]);
	return version_major(c->version) >= 2 ? xstrdup(c->config) : NULL;
}

int containerd_edit(struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *real = cri_path(c, c->config);
	AUTO(str) char *fresh = xstrdup("");
	const char *text;
	int schema;

	if (edits_read(e, c->config, &text, err) < 0)
		return -1;
	AUTO(toml)
	struct toml_value *root = toml_parse(real, text ? text : "", text ? strlen(text) : 0, NULL,
					     err);
	schema = root ? containerd_schema(root, err) : -1;
	if (schema < 0)
		return -1;
	if (is_off(root)) {
		e->off = true;
		e->reason = str_fmt("CRI is disabled in %s; ctr and nerdctl find the runtime "
				    "by its path",
				    c->config);
		return 0;
	}
	AUTO(str) char *own = merged_file(c, schema);
	if (containerd_look(c, e, root, err) < 0 ||
	    (own && containerd_own_handlers(c, e, own, err) < 0))
		return -1;
	if (handlers_all(c))
		return 0;
	if (schema == 0) {
		schema = version_major(c->version) >= 2 ? 3 : 2;
		free(fresh);
		fresh = str_fmt("version = %d\n", schema);
	}
	return schema >= 3 ? add_dropin(c, e, root, fresh, schema, err)
			   : add_block(c, e, root, fresh, schema, err);
}

int containerd_answers(const char *socket, struct deadline deadline, struct err *err)
{
	AUTO(cri_version) struct cri_version v = { .name = NULL };

	return cri_client_version(socket, deadline, &v, err);
}

static char *path_option(const struct process *p, const char *name, const char *short_name)
{
	const char *value = process_option(p, name, short_name);

	return value && *value == '/' ? xstrdup(value) : NULL;
}

char *containerd_config_of(const struct process *p)
{
	return path_option(p, "config", "-c");
}

char *containerd_socket_of(const struct process *p)
{
	return path_option(p, "address", "-a");
}

static bool is_mine(const struct process *p)
{
	const char *config = process_option(p, "config", "-c");

	return str_eq(path_basename(p->exe), "containerd") && !str_starts(p->exe, "/snap/") &&
	       !str_starts(p->exe, "/var/lib/") && !k3s_starts(p) && !k0s_starts(p) &&
	       !(config &&
		 (str_starts(config, "/run/docker/") || str_starts(config, "/var/run/docker/")));
}

static const char *const marks[] = { "/etc/containerd", "/usr/bin/containerd",
				     "/usr/local/bin/containerd", NULL };
static const char *const binaries[] = { "/usr/bin/containerd", "/usr/local/bin/containerd",
					"/bin/containerd", NULL };
static const char *const units[] = { "containerd", NULL };
const char *const containerd_clients[] = { "dump",     "default",   "migrate", "publish",
					   "oci-hook", "--version", "-v",      NULL };
const char *const containerd_own[] = { "conf.d/kata-deploy.toml", NULL };

const struct cri_backend backend_containerd = {
	.name = "containerd",
	.config = "/etc/containerd/config.toml",
	.state = "/run/containerd",
	.socket = "/run/containerd/containerd.sock",
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.own = containerd_own,
	.is_mine = is_mine,
	.clients = containerd_clients,
	.config_of = containerd_config_of,
	.socket_of = containerd_socket_of,
	.restart = RESTART_COMMAND,
	.edit = containerd_edit,
	.check = containerd_check,
	.answers = containerd_answers,
	.served = cri_client_handlers,
};
