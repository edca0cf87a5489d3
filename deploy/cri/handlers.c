// SPDX-License-Identifier: Apache-2.0
/*
 * Writes and finds runtime handlers in containerd's configuration. The versions of its schema
 * differ only in the name of the plugin's section.
 */
#include "deploy/cri/handlers.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "toml/edit.h"
#include "toml/toml.h"

#include <string.h>

static const char annotations[] = "io.katacontainers.*";
static const char messages[] = "io.kubernetes.container.terminationMessage*";

const char *handlers_section(int schema)
{
	if (schema <= 1)
		return "cri";
	return schema == 2 ? "io.containerd.grpc.v1.cri" : "io.containerd.cri.v1.runtime";
}

static void write_key(struct buf *out, const char *key, const char *value)
{
	buf_fmt(out, "%s = ", key);
	toml_edit_quote(out, value);
	buf_chr(out, '\n');
}

static void write_handler(const struct cri *c, const struct cri_handler *h, const char *section,
			  bool by_path, struct buf *out)
{
	AUTO(str) char *shim = cri_shim(c);
	AUTO(str) char *table = str_fmt("plugins.\"%s\".containerd.runtimes.%s", section, h->name);

	buf_fmt(out, "[%s]\n", table);
	write_key(out, "runtime_type", by_path ? shim : "io.containerd.kata.v2");
	if (!by_path)
		write_key(out, "runtime_path", shim);
	buf_str(out, "privileged_without_host_devices = true\n");
	buf_fmt(out, "pod_annotations = [\"%s\"]\n", annotations);
	buf_fmt(out, "container_annotations = [\"%s\", \"%s\"]\n", annotations, messages);
	if (h->config) {
		buf_fmt(out, "[%s.options]\n", table);
		write_key(out, "ConfigPath", h->config);
	}
}

int handlers_write(const struct cri *c, int schema, bool by_path, struct buf *out, struct err *err)
{
	for (size_t i = 0; i < c->o->nhandlers; i++)
		if (!c->have[i])
			write_handler(c, &c->o->handlers[i], handlers_section(schema), by_path,
				      out);
	return buf_check(out, "the runtime handlers", err);
}

struct toml_value *handlers_find(const struct toml_value *tree, int schema)
{
	const char *const way[] = { "plugins", handlers_section(schema), "containerd", "runtimes" };
	const struct toml_value *at = tree;

	for (size_t i = 0; i < ARRAY_LEN(way) && at; i++)
		at = at->type == TOML_TABLE ? toml_find(at, way[i]) : NULL;
	return at && at->type == TOML_TABLE ? (struct toml_value *)(uintptr_t)at : NULL;
}

const char *handlers_string(const struct toml_value *table, const char *key)
{
	const struct toml_value *v = table && table->type == TOML_TABLE ? toml_find(table, key)
									: NULL;

	return v && v->type == TOML_STRING && *v->string.text ? v->string.text : NULL;
}

const char *handlers_program(const struct toml_value *handler)
{
	const char *path = handlers_string(handler, "runtime_path");

	return path ? path : handlers_string(handler, "runtime_type");
}

static bool runs_our_shim(const struct cri *c, const struct cri_handler *h,
			  const struct toml_value *there)
{
	if (c->back->runs_shim)
		return c->back->runs_shim(c, h, there);
	AUTO(str) char *shim = cri_shim(c);
	const struct toml_value *options = there->type == TOML_TABLE ? toml_find(there, "options")
								     : NULL;

	return str_eq(handlers_program(there), shim) &&
	       str_eq(handlers_string(options, "ConfigPath"), h->config);
}

int handlers_there(struct cri *c, const struct toml_value *runtimes, const char *file,
		   struct err *err)
{
	for (size_t i = 0; i < c->o->nhandlers; i++) {
		const struct cri_handler *h = &c->o->handlers[i];
		const struct toml_value *v = runtimes ? toml_find(runtimes, h->name) : NULL;

		if (!v)
			continue;
		if (!runs_our_shim(c, h, v)) {
			err_set(err, E_EXISTS,
				"%s has a runtime handler '%s' that this installation did not "
				"write",
				file, h->name);
			return err_hint(err, CRI_OTHER_NAMES);
		}
		c->have[i] = true;
	}
	return 0;
}

void handlers_own(struct cri *c, const struct toml_value *before, const struct toml_value *after)
{
	for (size_t i = 0; before && i < c->o->nhandlers; i++) {
		const char *name = c->o->handlers[i].name;

		if (toml_find(before, name) && !(after && toml_find(after, name)))
			c->have[i] = false;
	}
}

bool handlers_all(const struct cri *c)
{
	for (size_t i = 0; i < c->o->nhandlers; i++)
		if (!c->have[i])
			return false;
	return true;
}
