// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of CRI-O, which merges crio.conf and every file of crio.conf.d. It returns its
 * configuration by HTTP on the socket that serves CRI.
 */
#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/dropins.h"
#include "deploy/cri/handlers.h"
#include "http/local.h"
#include "toml/edit.h"
#include "toml/toml.h"

#include <string.h>

#define DROPINS "crio.conf.d"

static const char *const own[] = { DROPINS "/99-kata-deploy.conf", NULL };

enum { CONFIG_MAX = 4 << 20 };

static struct toml_value *runtimes_of(const struct toml_value *root)
{
	static const char *const way[] = { "crio", "runtime", "runtimes" };
	struct toml_value *at = NULL;

	for (size_t i = 0; i < ARRAY_LEN(way) && (i == 0 || at); i++) {
		at = toml_find(i ? at : root, way[i]);
		if (at && at->type != TOML_TABLE)
			return NULL;
	}
	return at;
}

/* CRI-O runs a program of another type than "vm" as it runs runc. */
static bool runs_shim(const struct cri *c, const struct cri_handler *h,
		      const struct toml_value *there)
{
	AUTO(str) char *shim = cri_shim(c);

	return str_eq(handlers_string(there, "runtime_type"), "vm") &&
	       str_eq(handlers_string(there, "runtime_path"), shim) &&
	       str_eq(handlers_string(there, "runtime_config_path"), h->config);
}

static int look_at(struct cri *c, struct edits *e, const char *path, struct err *err)
{
	AUTO(str) char *real = cri_path(c, path);
	const char *text;

	if (edits_read(e, path, &text, err) < 0)
		return -1;
	AUTO(toml)
	struct toml_value *root = toml_parse(real, text ? text : "", text ? strlen(text) : 0, NULL,
					     err);
	return root ? handlers_there(c, runtimes_of(root), real, err) : -1;
}

static int look_at_all(struct cri *c, struct edits *e, const char *ours, struct err *err)
{
	AUTO(strv) char **files = NULL;

	if (dropins_list(c, &files, err) < 0)
		return -1;
	strv_each(path, files) {
		if (!str_eq(*path, ours) && look_at(c, e, *path, err) < 0)
			return -1;
	}
	return look_at(c, e, c->config, err);
}

/* Looks at our file as it was before the edits. If it is still there, it is somebody else's. */
static int look_at_ours(struct cri *c, struct edits *e, const char *path, struct err *err)
{
	struct err ignored = ERR_INIT; /* somebody has damaged it; it is written anew */
	const char *text, *left;

	if (edits_disk(e, path, &text, err) < 0 || edits_read(e, path, &left, err) < 0)
		return -1;
	if (left)
		return 0;
	AUTO(toml)
	struct toml_value *before = text ? toml_parse(path, text, strlen(text), NULL, &ignored)
					 : NULL;
	handlers_own(c, before ? runtimes_of(before) : NULL, NULL);
	return 0;
}

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *path = cri_own_file(c, own[0]);
	AUTO(buf) struct buf text = BUF_INIT(CRI_FILE_MAX);
	AUTO(str) char *shim = cri_shim(c);

	if (look_at_all(c, e, path, err) < 0 || look_at_ours(c, e, path, err) < 0)
		return -1;
	if (handlers_all(c))
		return 0;
	buf_str(&text, CRI_OWN_FILE);
	for (size_t i = 0; i < c->o->nhandlers; i++) {
		const struct cri_handler *h = &c->o->handlers[i];

		if (c->have[i])
			continue;
		buf_fmt(&text, "[crio.runtime.runtimes.%s]\nruntime_path = ", h->name);
		toml_edit_quote(&text, shim);
		buf_str(&text, "\nruntime_type = \"vm\"\nruntime_root = \"/run/vc\"\n");
		if (h->config) {
			buf_str(&text, "runtime_config_path = ");
			toml_edit_quote(&text, h->config);
			buf_chr(&text, '\n');
		}
		buf_str(&text, "privileged_without_host_devices = true\n");
	}
	if (buf_check(&text, path, err) < 0)
		return -1;
	return edit_file(e, path, buf_cstr(&text), err);
}

static int served(const char *socket, struct deadline deadline, char ***out, struct err *err)
{
	const struct toml_limits limits = { .size = CONFIG_MAX, .depth = 64 };
	AUTO(buf) struct buf text = BUF_INIT(CONFIG_MAX);

	if (http_local_get(socket, "/config", deadline, &text, err) < 0)
		return -1;
	AUTO(toml)
	struct toml_value *root = toml_parse("CRI-O's configuration", buf_cstr(&text), text.len,
					     &limits, err);
	if (!root)
		return -1;
	const struct toml_value *runtimes = runtimes_of(root);
	if (!runtimes)
		return err_set(err, E_UNSUPPORTED, "CRI-O does not list runtimes; update it");
	toml_each(entry, runtimes) strv_push(out, entry->key);
	return 0;
}

static char *socket_of(const struct process *p)
{
	const char *path = process_option(p, "listen", NULL);

	return path && *path == '/' ? xstrdup(path) : NULL;
}

static const char *const exes[] = { "crio", NULL };
static const char *const clients[] = { "config", "status",    "version", "wipe",
				       "check",  "--version", "-v",      NULL };
static const char *const marks[] = { "/etc/crio", "/usr/bin/crio", "/usr/local/bin/crio", NULL };
static const char *const binaries[] = { "/usr/bin/crio", "/usr/local/bin/crio", NULL };
static const char *const units[] = { "crio", "cri-o", NULL };

const struct cri_backend backend_crio = {
	.name = "crio",
	.config = "/etc/crio/crio.conf",
	.dropins = DROPINS,
	.socket = "/var/run/crio/crio.sock",
	.exes = exes,
	.clients = clients,
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.own = own,
	.config_of = containerd_config_of,
	.socket_of = socket_of,
	.restart = RESTART_COMMAND,
	.edit = edit,
	.runs_shim = runs_shim,
	.answers = containerd_answers,
	.served = served,
};
