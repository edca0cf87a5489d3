// SPDX-License-Identifier: Apache-2.0
/* Reads what a container is made from: its specification and, for the first one, the
 * configuration. */

#include "shim/shim.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "protocols/runtimeoptions.pb-c.h"
#include "shim/annotation.h"

/* The configuration file that containerd's own configuration names for this runtime (ConfigPath in
 * the runtime's options), heap; NULL if it names none, or with an error. */
static char *asked_config(const CreateRequest *r, struct err *err)
{
	Runtimeoptions__V1__Options *options;
	char *path = NULL;

	if (!r->options || (!str_ends(r->options->type_url, "runtimeoptions.v1.Options")))
		return NULL;
	options = runtimeoptions__v1__options__unpack(NULL, r->options->value.len,
						      r->options->value.data);
	if (!options) {
		err_set(err, E_INVALID, "the runtime options are not a valid %s message",
			r->options->type_url);
		return NULL;
	}
	path = str_empty(options->config_path) ? NULL : xstrdup(options->config_path);
	runtimeoptions__v1__options__free_unpacked(options, NULL);
	return path;
}

/* The annotations as a list of alternating names and values, strv, heap. */
static char **annotations_of(const struct oci_spec *spec)
{
	char **list = NULL;

	for (size_t i = 0; i < spec->n_annotations; i++) {
		strv_push(&list, spec->annotations[i].key);
		strv_push(&list, spec->annotations[i].value ? spec->annotations[i].value : "");
	}
	return list;
}

/* Loads the configuration, which all containers of the sandbox share. */
static int load_config(struct container *c, const CreateRequest *r, struct err *err)
{
	AUTO(strv) char **annotations = annotations_of(c->spec);
	AUTO(str) char *chosen = asked_config(r, err);
	struct shim *s = c->shim;

	if (err->code)
		return -1;
	s->config = config_load(chosen, (const char *const *)annotations, err);
	if (!s->config)
		return -1;
	if (s->config->debug || s->config->hypervisor_debug)
		log_set_level(LOG_DEBUG);
	return 0;
}

/* Refuses a pod whose specification leaves out a namespace, which means the host's: the guest's in
 * its place would not have what the pod expects to see there. */
static int check_namespaces(const struct oci_spec *spec, struct err *err)
{
	static const struct {
		const char *type, *what, *member;
	} needed[] = {
		{ "network", "network", "hostNetwork" },
		{ "pid", "processes", "hostPID" },
		{ "ipc", "shared memory", "hostIPC" },
	};

	for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
		if (oci_namespace(spec, needed[i].type))
			continue;
		err_set(err, E_UNSUPPORTED,
			"the pod asks for the host's %s (%s), which a VM cannot join",
			needed[i].what, needed[i].member);
		return err_hint(err, "remove %s from the pod, or run it with another runtime class",
				needed[i].member);
	}
	return 0;
}

/* Refuses a container with a VM of its own that is to join a namespace of another container (docker
 * run --pid container:X): it would get one of its own without a word. A path of the network
 * namespace is what the VM joins. */
static int check_no_joining(const struct oci_spec *spec, struct err *err)
{
	static const struct {
		const char *type, *what;
	} joined[] = {
		{ "pid", "processes" },
		{ "ipc", "shared memory" },
		{ "uts", "host name" },
	};

	for (size_t i = 0; i < ARRAY_LEN(joined); i++) {
		const char *path = spec_namespace_path(spec, joined[i].type);

		if (!path)
			continue;
		err_set(err, E_UNSUPPORTED,
			"the container is to join the %s namespace %.200s, but the %s of a "
			"container in a VM cannot be shared with one outside of it",
			joined[i].type, path, joined[i].what);
		return err_hint(err,
				"put both containers into one pod, or give this one a %s "
				"namespace of its own",
				joined[i].type);
	}
	return 0;
}

int container_load(struct container *c, const CreateRequest *r, struct err *err)
{
	AUTO(str) char *path = path_join(r->bundle, "config.json");
	struct oci_spec *spec;
	enum container_kind kind;
	const char *sandbox;

	if (str_check_id(r->id, "container id", err) < 0)
		return -1;
	c->bundle = xstrdup(r->bundle);
	spec = oci_spec_load(path, err);
	(void)pthread_mutex_lock(&c->shim->lock);
	c->spec = spec; /* shim_cpus() reads it on other threads */
	(void)pthread_mutex_unlock(&c->shim->lock);
	if (!spec || kind_of(spec, &kind, &sandbox, err) < 0)
		return -1;
	if ((kind == KIND_IN_POD) != (c->kind == KIND_IN_POD))
		return err_set(err, E_INVALID,
			       "container %s: its annotations do not fit the shim of %s, which was "
			       "asked for it",
			       c->id, c->shim->inv->id);
	c->kind = kind;
	if (c->kind == KIND_POD && check_namespaces(c->spec, err) < 0)
		return -1;
	if (c->kind == KIND_SINGLE && check_no_joining(c->spec, err) < 0)
		return -1;
	if (c->kind != KIND_IN_POD && load_config(c, r, err) < 0)
		return -1;
	if (c->kind == KIND_IN_POD && !str_eq(sandbox, c->shim->inv->id))
		return err_set(err, E_INVALID, "this shim serves the pod %s, not %s",
			       c->shim->inv->id, sandbox);
	/* A pod's sandbox container has the annotations of the pod's containers too. */
	return c->kind == KIND_POD ? 0 : container_annotations_apply(c->spec, c->shim->config, err);
}
