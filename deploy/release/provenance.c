// SPDX-License-Identifier: Apache-2.0
/* Makes the provenance: an in-toto statement with SLSA's predicate. It names inputs and outputs but
 * nothing of the build machine, so that others can reproduce it. */

#include "base/str.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/stamp.h"

static void put(struct json *j, const char *key, const char *text)
{
	json_put(j, key, json_make_string(text));
}

static struct json *digest(const char *algorithm, const char *value)
{
	struct json *j = json_make_object();

	put(j, algorithm, value);
	return j;
}

static void add_subject(struct json *list, const char *sha256, const char *folder,
			const char *suffix)
{
	AUTO(str) char *name = str_fmt("%s/%s%s", folder, sha256, suffix);
	struct json *j = json_make_object();

	put(j, "name", name);
	json_put(j, "digest", digest("sha256", sha256));
	json_add(list, j);
}

static struct json *subjects(const struct release *r)
{
	struct json *list = json_make_array();
	AUTO(json) struct json *seen = json_make_object();

	vec_each(struct release_component, c, &r->components)
		add_subject(list, c->blob, "blobs", ".tar.zst");
	/* One patch can serve several files. */
	vec_each(struct release_patch, p, &r->patches) {
		if (json_get(seen, p->sha256))
			continue;
		json_put(seen, p->sha256, json_make_bool(true));
		add_subject(list, p->sha256, "patches", ".zst");
	}
	return list;
}

static struct json *definition(const struct build *b)
{
	struct json *j = json_make_object(), *outside = json_make_object();
	struct json *inside = json_make_object(), *from = json_make_array();
	AUTO(json) struct json *seen = json_make_object();

	put(outside, "version", b->r.version);
	put(outside, "architecture", b->r.architecture);
	json_put(outside, "serial", json_make_u64(b->r.serial));
	json_put(inside, "components", digest("sha256", b->parts.sha256));
	if (b->o->source) {
		struct json *source = json_make_object();

		put(source, "uri", b->o->source);
		if (b->o->commit)
			json_put(source, "digest", digest("gitCommit", b->o->commit));
		json_add(from, source);
	}
	/* Several components may have the same library. */
	vec_each(struct origin, o, &b->origins.rows) {
		AUTO(str) char *which = str_fmt("%s %s %s", o->package, o->file, o->sha256);
		struct json *source;

		if (json_get(seen, which))
			continue;
		json_put(seen, which, json_make_bool(true));
		source = json_make_object();
		put(source, "uri", o->package);
		put(source, "name", o->file);
		json_put(source, "digest", digest("sha256", o->sha256));
		json_add(from, source);
	}
	put(j, "buildType", "urn:kata-deploy:release-build:1");
	json_put(j, "externalParameters", outside);
	json_put(j, "internalParameters", inside);
	json_put(j, "resolvedDependencies", from);
	return j;
}

static struct json *details(const struct build *b)
{
	struct json *j = json_make_object(), *builder = json_make_object();
	struct json *version = json_make_object(), *metadata = json_make_object();
	char created[STAMP_SIZE];

	stamp_format(b->r.created, created);
	put(version, "kata-deploy", KATA_VERSION);
	put(builder, "id", b->o->builder ? b->o->builder : "urn:kata-deploy:builder:unnamed");
	json_put(builder, "version", version);
	put(metadata, "startedOn", created);
	json_put(j, "builder", builder);
	json_put(j, "metadata", metadata);
	return j;
}

struct json *build_provenance(const struct build *b)
{
	struct json *j = json_make_object(), *predicate = json_make_object();

	json_put(predicate, "buildDefinition", definition(b));
	json_put(predicate, "runDetails", details(b));
	put(j, "_type", "https://in-toto.io/Statement/v1");
	json_put(j, "subject", subjects(&b->r));
	put(j, "predicateType", "https://slsa.dev/provenance/v1");
	json_put(j, "predicate", predicate);
	return j;
}
