// SPDX-License-Identifier: Apache-2.0
/* Computes the differences between two releases, and the download that an upgrade needs. */

#include "base/mem.h"
#include "base/str.h"
#include "deploy/release/build.h"

#include <inttypes.h>
#include <string.h>

static struct json *head(const struct release *r)
{
	struct json *j = json_make_object();

	json_put(j, "version", json_make_string(r->version));
	json_put(j, "architecture", json_make_string(r->architecture));
	json_put(j, "serial", json_make_u64(r->serial));
	return j;
}

/* Names of the components of in that not_in lacks; likewise the files. */
static struct json *components_of(const struct release *in, const struct release *not_in)
{
	struct json *list = json_make_array();

	vec_each(struct release_component, c, &in->components) {
		if (!release_component(not_in, c->name))
			json_add(list, json_make_string(c->name));
	}
	return list;
}

static struct json *files_of(const struct release *in, const struct release *not_in)
{
	struct json *list = json_make_array();

	vec_each(struct entry, e, &in->layout.entries) {
		struct json *j;

		if (layout_find(&not_in->layout, e->path))
			continue;
		j = json_make_object();
		json_put(j, "path", json_make_string(e->path));
		json_put(j, "size", json_make_u64(e->size));
		json_add(list, j);
	}
	return list;
}

static struct json *changed(const struct release *from, const struct release *to)
{
	struct json *list = json_make_array();

	vec_each(struct entry, e, &to->layout.entries) {
		const struct entry *old = layout_find(&from->layout, e->path);
		const struct release_patch *p;
		struct json *j;

		if (!old || entry_is_same(old, e))
			continue;
		j = json_make_object();
		json_put(j, "path", json_make_string(e->path));
		json_put(j, "from", json_make_u64(old->size));
		json_put(j, "to", json_make_u64(e->size));
		p = release_patch(to, old->sha256, e->sha256);
		if (p)
			json_put(j, "patch", json_make_u64(p->size));
		json_add(list, j);
	}
	return list;
}

/* Returns the digests of all files, sorted; heap, strings borrowed. */
static const char **digests(const struct release *r, size_t *n)
{
	const char **all = xcalloc(r->layout.entries.n + 1, sizeof(*all));

	*n = 0;
	vec_each(struct entry, e, &r->layout.entries) {
		if (e->type == ENTRY_FILE)
			all[(*n)++] = e->sha256;
	}
	if (*n > 1)
		qsort(all, *n, sizeof(*all), str_order);
	return all;
}

/* Returns the download size of a component for a node that has all of from: that of its patches, if
 * they suffice and are smaller, otherwise that of its blob. have: the digests of from. */
static uint64_t download_of(const struct release *from, const struct release *to,
			    const struct release_component *c, const char **have, size_t n)
{
	uint64_t patches = 0;

	vec_each(struct entry, e, &to->layout.entries) {
		const struct entry *old = layout_find(&from->layout, e->path);
		const struct release_patch *p;
		const char *sha256 = e->sha256;

		if (e->type != ENTRY_FILE || !str_eq(e->component, c->name) ||
		    (n && bsearch(&sha256, have, n, sizeof(*have), str_order)))
			continue;
		p = old ? release_patch(to, old->sha256, e->sha256) : NULL;
		if (!p)
			return c->size;
		patches += p->size;
	}
	return patches < c->size ? patches : c->size;
}

struct json *release_diff(const struct release *from, const struct release *to)
{
	struct json *j = json_make_object(), *components = json_make_object();
	struct json *files = json_make_object();
	uint64_t download = 0;
	size_t n;
	AUTO(mem) const char **have = digests(from, &n);

	vec_each(struct release_component, c, &to->components)
		download += download_of(from, to, c, have, n);
	json_put(j, "from", head(from));
	json_put(j, "to", head(to));
	json_put(components, "added", components_of(to, from));
	json_put(components, "removed", components_of(from, to));
	json_put(j, "components", components);
	json_put(files, "added", files_of(to, from));
	json_put(files, "removed", files_of(from, to));
	json_put(files, "changed", changed(from, to));
	json_put(j, "files", files);
	json_put(j, "download", json_make_u64(download));
	return j;
}

static void print_list(const struct json *list, const char *mark, const char *what, FILE *to)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *item = json_at(list, i);
		const struct json *patch;

		if (json_kind(item) == JSON_IS_STRING) {
			(void)fprintf(to, "%s %s %s\n", mark, what, json_text(item));
			continue;
		}
		(void)fprintf(to, "%s %s", mark, json_text(json_get(item, "path")));
		if (json_get(item, "from"))
			(void)fprintf(to, " %" PRIi64 " -> %" PRIi64,
				      json_int(json_get(item, "from")),
				      json_int(json_get(item, "to")));
		else
			(void)fprintf(to, " %" PRIi64, json_int(json_get(item, "size")));
		patch = json_get(item, "patch");
		if (patch)
			(void)fprintf(to, ", patch %" PRIi64, json_int(patch));
		(void)fputc('\n', to);
	}
}

void release_diff_print(const struct json *diff, FILE *to)
{
	const struct json *from = json_get(diff, "from"), *after = json_get(diff, "to");
	const struct json *components = json_get(diff, "components");
	const struct json *files = json_get(diff, "files");

	(void)fprintf(to, "%s (serial %" PRIi64 ") -> %s (serial %" PRIi64 ")\n",
		      json_text(json_get(from, "version")), json_int(json_get(from, "serial")),
		      json_text(json_get(after, "version")), json_int(json_get(after, "serial")));
	print_list(json_get(components, "removed"), "-", "component", to);
	print_list(json_get(components, "added"), "+", "component", to);
	print_list(json_get(files, "removed"), "-", "", to);
	print_list(json_get(files, "added"), "+", "", to);
	print_list(json_get(files, "changed"), "~", "", to);
	(void)fprintf(to, "download: %" PRIi64 " bytes\n", json_int(json_get(diff, "download")));
}
