// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of k0s, which merges the files in containerd.d into the CRI configuration of its
 * containerd, and restarts it when a file there changes. A drop-in with another version than the
 * file that k0s writes keeps the node from starting: ours has the same version. k0s 1.36, with
 * another containerd, writes another version; its error names our file, which says what to do.
 */
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cri/client.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"
#include "deploy/cri/handlers.h"
#include "toml/toml.h"

#include <dirent.h>
#include <string.h>

static const char note[] =
	"# A k0s whose containerd needs another version does not start with this file. Then\n"
	"# remove it, start k0s, and run `kata-deploy upgrade`; a DaemonSet's pod does that "
	"itself.\n";

#define DROPINS "containerd.d"

static const char *const own[] = { DROPINS "/kata-deploy.toml", NULL };

/* Looks at the drop-ins. */
static int look_at_all(struct cri *c, struct edits *e, const char *ours, struct err *err)
{
	AUTO(str) char *dropins = beside(c->config, DROPINS);
	AUTO(str) char *real = cri_path(c, dropins);
	AUTO(dir) DIR *dir = opendir(real);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		AUTO(str) char *path = path_join(dropins, entry->d_name);

		if (str_ends(path, ".toml") && !str_eq(path, ours) &&
		    containerd_look_at(c, e, path, err) < 0)
			return -1;
	}
	return 0;
}

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *real = cri_path(c, c->config);
	AUTO(str) char *dropin = cri_own_file(c, own[0]);
	const char *text;
	bool managed;
	int schema;

	if (edits_read(e, c->config, &text, err) < 0)
		return -1;
	AUTO(toml)
	struct toml_value *root = toml_parse(real, text ? text : "", text ? strlen(text) : 0, NULL,
					     err);
	schema = root ? containerd_schema(root, err) : -1;
	if (schema < 0)
		return -1;
	/* Without that comment the administrator wrote the file, and it must import the drop-in.
	 * With it, k0s has merged all drop-ins, ours as it was too, into what the file imports. */
	managed = !text || strstr(text, "k0s_managed=true");
	if ((managed ? look_at_all(c, e, dropin, err) : containerd_look(c, e, root, err)) < 0 ||
	    containerd_own_handlers(c, e, dropin, err) < 0)
		return -1;
	if (handlers_all(c))
		return 0;
	if (!managed && !import_has(c, root, c->config, dropin)) {
		err_set(err, E_UNSUPPORTED, "%s is not managed by k0s and does not import %s", real,
			dropin);
		return err_hint(err, "add it to the imports there");
	}
	if (schema <= 1)
		schema = version_major(c->version) >= 2 ? 3 : 2;
	return containerd_dropin(c, e, dropin, schema, err);
}

static int check(struct cri *c, struct edits *e, const char *config, char **why, struct err *err)
{
	(void)e;
	(void)config;
	(void)err;
	*why = xstrdup(*c->root ? "not checked: it is below another root"
				: "not checked: k0s merges the drop-in itself");
	return 0;
}

/* Another directory of data moves its programs, but not its configuration. */
bool k0s_starts(const struct process *p)
{
	const char *config = process_option(p, "config", "-c");

	return str_eq(path_basename(p->exe), "containerd") &&
	       (str_starts(p->exe, "/var/lib/k0s/") || (config && str_starts(config, "/etc/k0s/")));
}

static const char *const marks[] = { "/etc/k0s", "/var/lib/k0s/bin/containerd", NULL };
static const char *const binaries[] = { "/var/lib/k0s/bin/containerd", NULL };
static const char *const units[] = { "k0scontroller", "k0sworker", NULL };

const struct cri_backend backend_k0s = {
	.name = "k0s",
	.config = "/etc/k0s/containerd.toml",
	.state = "/run/k0s/containerd",
	.socket = "/run/k0s/containerd.sock",
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.own = own,
	.note = note,
	.is_mine = k0s_starts,
	.clients = containerd_clients,
	.config_of = containerd_config_of,
	.socket_of = containerd_socket_of,
	.restart = RESTART_ITSELF,
	.edit = edit,
	.check = check,
	.answers = containerd_answers,
	.served = cri_client_handlers,
};
