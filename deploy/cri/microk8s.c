// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of MicroK8s: a containerd whose root file is a template. It is valid TOML, with
 * ${VARIABLES} in strings only.
 *
 * The template has a handler "kata" for a shim that MicroK8s does not contain, and which is looked for
 * in $PATH. It gives way to ours; an uninstall puts it back. When the snap is refreshed, it is added
 * again to a template that does not mention its runtime_type.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/handlers.h"
#include "toml/edit.h"
#include "toml/toml.h"

#include <string.h>

static bool is_mine(const struct process *p)
{
	return str_eq(path_basename(p->exe), "containerd") && str_starts(p->exe, "/snap/microk8s/");
}

#define SHIPPED "io.containerd.kata.v2"

/* True for the handler that MicroK8s comes with, as it comes. */
static bool is_shipped(const struct toml_value *handler)
{
	const struct toml_value *options = handler && handler->type == TOML_TABLE
						   ? toml_find(handler, "options")
						   : NULL;

	return options && handler->table.n == 2 && options->type == TOML_TABLE &&
	       options->table.n == 1 &&
	       str_eq(handlers_string(options, "BinaryName"), "kata-runtime") &&
	       str_eq(handlers_string(handler, "runtime_type"), SHIPPED);
}

/* Takes it out if one of our handlers has its name. Since version 3 a drop-in is merged with it. */
static int cut_shipped(struct cri *c, struct edits *e, const char *text, struct err *err)
{
	AUTO(toml) struct toml_value *root = toml_parse(c->config, text, strlen(text), NULL, err);
	int schema = root ? containerd_schema(root, err) : -1;

	for (size_t i = 0; schema >= 0 && schema < 3 && i < c->o->nhandlers; i++) {
		const char *name = c->o->handlers[i].name;
		const char *const way[] = { "plugins", handlers_section(schema), "containerd",
					    "runtimes", name };
		const struct toml_value *runtimes = handlers_find(root, schema);
		AUTO(buf) struct buf out = BUF_INIT(CRI_FILE_MAX);

		if (!runtimes || !is_shipped(toml_find(runtimes, name)))
			continue;
		if (toml_edit_remove_table(c->config, text, strlen(text), way, ARRAY_LEN(way), &out,
					   err) < 0)
			return -1;
		/* If it cannot be put back, it is reported like any other handler of that name. */
		(void)edit_cut(e, c->config, buf_cstr(&out));
		return 0;
	}
	return schema < 0 ? -1 : 0;
}

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	const char *text;

	if (edits_read(e, c->config, &text, err) < 0 || (text && cut_shipped(c, e, text, err) < 0))
		return -1;
	return containerd_edit(c, e, err);
}

static const char note[] =
	"# MicroK8s adds a handler of its own to a template that does not have " SHIPPED ".\n";

static const char *const marks[] = { "/var/snap/microk8s/current/args", NULL };
static const char *const binaries[] = { "/snap/microk8s/current/bin/containerd", NULL };
static const char *const units[] = { "snap.microk8s.daemon-containerd", NULL };

const struct cri_backend backend_microk8s = {
	.name = "microk8s",
	.config = "/var/snap/microk8s/current/args/containerd-template.toml",
	.state = "/var/snap/microk8s/common/run/containerd",
	.socket = "/var/snap/microk8s/common/run/containerd.sock",
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.own = containerd_own,
	.note = note,
	.is_mine = is_mine,
	.clients = containerd_clients,
	.restart = RESTART_COMMAND,
	.edit = edit,
	.check = containerd_check,
	.answers = containerd_answers,
	.served = cri_client_handlers,
};
