// SPDX-License-Identifier: Apache-2.0
/*
 * Makes and checks the SBOM: SPDX 2.3 as JSON, with a package for each component and for each
 * source of a component. The check follows the specification, for the members that are written
 * here.
 */

#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/stamp.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT   "SPDXRef-DOCUMENT"
#define NO_COMMENT "NOASSERTION"
#define SOURCE     "SPDXRef-Source-"
#define COMPILED   "GENERATED_FROM"
#define LINKED     "STATIC_LINK"

void sbom_code(const char **sha1s, size_t n, char code[SHA1_HEX + 1])
{
	AUTO(sha1) struct sha1 *sum = sha1_new();

	if (n > 1)
		qsort(sha1s, n, sizeof(*sha1s), str_order);
	for (size_t i = 0; i < n; i++)
		sha1_add(sum, sha1s[i], strlen(sha1s[i]));
	sha1_end(sum, code);
}

static void put(struct json *j, const char *key, const char *text)
{
	json_put(j, key, json_make_string(text));
}

static struct json *one(struct json *value)
{
	struct json *list = json_make_array();

	json_add(list, value);
	return list;
}

static struct json *checksum(const char *algorithm, const char *value)
{
	struct json *j = json_make_object();

	put(j, "algorithm", algorithm);
	put(j, "checksumValue", value);
	return j;
}

static struct json *relationship(const char *from, const char *type, const char *to)
{
	struct json *j = json_make_object();

	put(j, "spdxElementId", from);
	put(j, "relationshipType", type);
	put(j, "relatedSpdxElement", to);
	return j;
}

/* The id has the number of the component, since its name may have a '_', which SPDX does not allow
 * in ids. */
static char *package_id(const struct release *r, const char *component)
{
	return str_fmt("SPDXRef-Package-%zu",
		       (size_t)(release_component(r, component) - r->components.v) + 1);
}

static struct json *package(const struct build *b, const struct release_component *c)
{
	AUTO(str) char *id = package_id(&b->r, c->name);
	AUTO(str) char *blob = str_fmt("blobs/%s.tar.zst", c->blob);
	AUTO(mem) const char **sha1s = xcalloc(b->sources.n + 1, sizeof(*sha1s));
	struct json *j = json_make_object(), *code = json_make_object();
	char value[SHA1_HEX + 1];
	size_t n = 0;

	vec_each(struct entry, e, &b->r.layout.entries) {
		if (e->type == ENTRY_FILE && str_eq(e->component, c->name))
			sha1s[n++] = build_source(b, e->path)->sha1;
	}
	sbom_code(sha1s, n, value);
	put(code, "packageVerificationCodeValue", value);
	put(j, "SPDXID", id);
	put(j, "name", c->name);
	put(j, "versionInfo", b->r.version);
	put(j, "summary", c->text);
	put(j, "packageFileName", blob);
	put(j, "downloadLocation", NO_COMMENT);
	json_put(j, "filesAnalyzed", json_make_bool(n > 0));
	if (n)
		json_put(j, "packageVerificationCode", code);
	else
		json_free(code);
	json_put(j, "checksums", one(checksum("SHA256", c->blob)));
	put(j, "licenseConcluded", NO_COMMENT);
	put(j, "licenseDeclared", NO_COMMENT);
	put(j, "copyrightText", NO_COMMENT);
	return j;
}

static struct json *reference(const struct origin *o)
{
	struct json *j = json_make_object();

	put(j, "referenceCategory", "PACKAGE-MANAGER");
	put(j, "referenceType", "purl");
	put(j, "referenceLocator", o->package);
	return j;
}

static struct json *source_package(const struct origin *o, const char *id)
{
	struct json *j = json_make_object();

	put(j, "SPDXID", id);
	put(j, "name", o->name);
	put(j, "versionInfo", o->version);
	put(j, "packageFileName", o->file);
	put(j, "downloadLocation", NO_COMMENT);
	json_put(j, "filesAnalyzed", json_make_bool(false));
	json_put(j, "checksums", one(checksum("SHA256", o->sha256)));
	json_put(j, "externalRefs", one(reference(o)));
	put(j, "licenseConcluded", NO_COMMENT);
	put(j, "licenseDeclared", o->licence);
	put(j, "copyrightText", NO_COMMENT);
	return j;
}

static void add_origins(const struct build *b, struct json *packages, struct json *relationships)
{
	size_t n = 0;

	vec_each(struct origin, o, &b->origins.rows) {
		AUTO(str) char *id = str_fmt(SOURCE "%zu", ++n);
		AUTO(str) char *made = package_id(&b->r, o->component);

		json_add(packages, source_package(o, id));
		json_add(relationships, relationship(made, o->linked ? LINKED : COMPILED, id));
	}
}

static struct json *file(const struct build *b, const struct entry *e, const char *id)
{
	AUTO(str) char *name = str_fmt("./%s", e->path);
	struct json *j = json_make_object(), *sums = json_make_array();

	json_add(sums, checksum("SHA1", build_source(b, e->path)->sha1));
	json_add(sums, checksum("SHA256", e->sha256));
	put(j, "SPDXID", id);
	put(j, "fileName", name);
	json_put(j, "checksums", sums);
	put(j, "licenseConcluded", NO_COMMENT);
	json_put(j, "licenseInfoInFiles", one(json_make_string(NO_COMMENT)));
	put(j, "copyrightText", NO_COMMENT);
	return j;
}

static struct json *creation(const struct release *r)
{
	struct json *j = json_make_object();
	char created[STAMP_SIZE];

	stamp_format(r->created, created);
	put(j, "created", created);
	json_put(j, "creators", one(json_make_string("Tool: kata-deploy-" KATA_VERSION)));
	return j;
}

struct json *build_sbom(const struct build *b)
{
	struct json *j = json_make_object(), *packages = json_make_array();
	struct json *files = json_make_array(), *relationships = json_make_array();
	AUTO(str) char *name = str_fmt("kata-%s-%s", b->r.version, b->r.architecture);
	AUTO(str)
	char *space = str_fmt("https://spdx.org/spdxdocs/kata-%s-%s", b->r.architecture,
			      b->r.layout.id);
	size_t n = 0;

	put(j, "spdxVersion", "SPDX-2.3");
	put(j, "dataLicense", "CC0-1.0");
	put(j, "SPDXID", DOCUMENT);
	put(j, "name", name);
	put(j, "documentNamespace", space);
	json_put(j, "creationInfo", creation(&b->r));
	vec_each(struct release_component, c, &b->r.components) {
		AUTO(str) char *id = package_id(&b->r, c->name);

		json_add(packages, package(b, c));
		json_add(relationships, relationship(DOCUMENT, "DESCRIBES", id));
	}
	add_origins(b, packages, relationships);
	vec_each(struct entry, e, &b->r.layout.entries) {
		AUTO(str) char *id = str_fmt("SPDXRef-File-%zu", n + 1);
		AUTO(str) char *owner = package_id(&b->r, e->component);

		if (e->type != ENTRY_FILE)
			continue;
		n++;
		json_add(files, file(b, e, id));
		json_add(relationships, relationship(owner, "CONTAINS", id));
	}
	json_put(j, "packages", packages);
	json_put(j, "files", files);
	json_put(j, "relationships", relationships);
	return j;
}

/* --- the check --- */

/* Returns a member that is a string and not empty, or NULL. */
static const char *text_of(const struct json *j, const char *key)
{
	const struct json *v = json_kind(j) == JSON_IS_OBJECT ? json_get(j, key) : NULL;

	return v && json_kind(v) == JSON_IS_STRING && *json_text(v) ? json_text(v) : NULL;
}

/* Returns a member that is a list, or NULL, of which count() is 0. */
static const struct json *list_of(const struct json *j, const char *key)
{
	const struct json *v = json_kind(j) == JSON_IS_OBJECT ? json_get(j, key) : NULL;

	return v && json_kind(v) == JSON_IS_ARRAY ? v : NULL;
}

static size_t count(const struct json *list)
{
	return list ? json_count(list) : 0;
}

static int wrong(const char *what, struct err *err)
{
	return err_set(err, E_INVALID, RELEASE_SBOM ": %s", what);
}

static bool is_id(const char *id)
{
	static const char prefix[] = "SPDXRef-";

	if (!id || !str_starts(id, prefix) || !id[strlen(prefix)])
		return false;
	for (const char *p = id + strlen(prefix); *p; p++) {
		if (!isalnum((unsigned char)*p) && *p != '.' && *p != '-')
			return false;
	}
	return true;
}

/* Returns the checksum by an algorithm; NULL if it is missing, malformed, or there are two. */
static const char *checksum_of(const struct json *j, const char *algorithm, size_t digits)
{
	const struct json *sums = list_of(j, "checksums");
	const char *found = NULL;

	for (size_t i = 0; i < count(sums); i++) {
		const char *name = text_of(json_at(sums, i), "algorithm");
		const char *value = text_of(json_at(sums, i), "checksumValue");

		if (!str_eq(name, algorithm))
			continue;
		if (found || !value || strlen(value) != digits ||
		    strspn(value, "0123456789abcdef") != digits)
			return NULL;
		found = value;
	}
	return found;
}

static int check_document(const struct json *j, struct err *err)
{
	const struct json *info = json_get(j, "creationInfo");
	const char *created = info ? text_of(info, "created") : NULL;
	const char *space = text_of(j, "documentNamespace");
	uint64_t when;

	if (!str_eq(text_of(j, "spdxVersion"), "SPDX-2.3") ||
	    !str_eq(text_of(j, "dataLicense"), "CC0-1.0") ||
	    !str_eq(text_of(j, "SPDXID"), DOCUMENT) || !text_of(j, "name"))
		return wrong("it is not an SPDX 2.3 document", err);
	if (!space || !strstr(space, ":") || strchr(space, '#'))
		return wrong("its documentNamespace is not a URI, or has a fragment", err);
	if (!created || count(list_of(info, "creators")) == 0)
		return wrong("it lacks its creator or creation time", err);
	return stamp_parse(created, "created", &when, err);
}

/* Returns the ids of the elements of a list, sorted; heap, strings borrowed. NULL with E_INVALID:
 * an id is missing, malformed or a duplicate. */
static const char **ids_of(const struct json *list, struct err *err)
{
	const char **ids = xcalloc(count(list) + 1, sizeof(*ids));
	size_t n = count(list);
	bool good = true;

	for (size_t i = 0; good && i < n; i++) {
		ids[i] = text_of(json_at(list, i), "SPDXID");
		good = is_id(ids[i]) && !str_eq(ids[i], DOCUMENT);
	}
	if (good && n > 1)
		qsort(ids, n, sizeof(*ids), str_order);
	for (size_t i = 1; good && i < n; i++)
		good = !str_eq(ids[i - 1], ids[i]);
	if (good)
		return ids;
	free(ids);
	wrong("an SPDXID is missing, malformed, or duplicate", err);
	return NULL;
}

static bool has_id(const char **ids, size_t n, const char *id)
{
	return id && n && bsearch(&id, ids, n, sizeof(*ids), str_order);
}

struct file_sum {
	const char *path, *id, *sha1, *sha256;
};

static int sum_order(const void *a, const void *b)
{
	return strcmp(((const struct file_sum *)a)->path, ((const struct file_sum *)b)->path);
}

/* Checks the members of files, and that these are exactly the files of the release. Fills sums, one
 * for each file, sorted by path. */
static int check_files(const struct release *r, const struct json *files, struct file_sum *sums,
		       struct err *err)
{
	size_t n = count(files), listed = 0;

	for (size_t i = 0; i < n; i++) {
		const struct json *f = json_at(files, i);
		const char *name = text_of(f, "fileName");

		sums[i] = (struct file_sum){ name ? name + 2 : "", text_of(f, "SPDXID"),
					     checksum_of(f, "SHA1", SHA1_HEX),
					     checksum_of(f, "SHA256", SHA256_HEX) };
		if (!name || !str_starts(name, "./") || !sums[i].sha1 || !sums[i].sha256)
			return wrong("a file has no relative name, or no SHA-1, or no SHA-256",
				     err);
	}
	if (n > 1)
		qsort(sums, n, sizeof(*sums), sum_order);
	vec_each(struct entry, e, &r->layout.entries) {
		struct file_sum key = { .path = e->path }, *found;

		if (e->type != ENTRY_FILE)
			continue;
		found = n ? bsearch(&key, sums, n, sizeof(*sums), sum_order) : NULL;
		if (!found || !str_eq(found->sha256, e->sha256))
			return err_set(err, E_INVALID, RELEASE_SBOM ": '%s' is missing or differs",
				       e->path);
		listed++;
	}
	return listed == n ? 0 : wrong("it lists files that are not in the release", err);
}

/* Checks the verification code of a package against the files of its CONTAINS relationships. */
static int check_code(const struct json *j, const struct json *package, const struct file_sum *sums,
		      size_t nsums, struct err *err)
{
	const struct json *relations = list_of(j, "relationships");
	const struct json *code = json_get(package, "packageVerificationCode");
	const struct json *analyzed = json_get(package, "filesAnalyzed");
	AUTO(mem) const char **sha1s = xcalloc(nsums + 1, sizeof(*sha1s));
	AUTO(json) struct json *by_id = json_make_object();
	const char *id = text_of(package, "SPDXID");
	char value[SHA1_HEX + 1];
	size_t n = 0;

	if (analyzed && json_kind(analyzed) == JSON_IS_BOOL && !json_bool(analyzed))
		return code ? wrong("a package that was not analyzed has a verification code", err)
			    : 0;
	for (size_t i = 0; i < nsums; i++)
		json_put(by_id, sums[i].id, json_make_string(sums[i].sha1));
	for (size_t i = 0; i < count(relations); i++) {
		const struct json *rel = json_at(relations, i);
		const char *to = text_of(rel, "relatedSpdxElement");

		if (to && n < nsums && str_eq(text_of(rel, "spdxElementId"), id) &&
		    str_eq(text_of(rel, "relationshipType"), "CONTAINS") && json_get(by_id, to))
			sha1s[n++] = json_text(json_get(by_id, to));
	}
	sbom_code(sha1s, n, value);
	return code && str_eq(text_of(code, "packageVerificationCodeValue"), value)
		       ? 0
		       : wrong("a package's verification code is not that of its files", err);
}

static bool is_source(const struct json *package)
{
	const char *id = text_of(package, "SPDXID");

	return id && str_starts(id, SOURCE);
}

static int check_source(const struct json *p, struct err *err)
{
	const struct json *analyzed = json_get(p, "filesAnalyzed");

	if (!text_of(p, "name") || !text_of(p, "versionInfo") || !text_of(p, "downloadLocation") ||
	    !text_of(p, "licenseDeclared") || !checksum_of(p, "SHA256", SHA256_HEX))
		return wrong("a source lacks its name, version, licence or SHA-256", err);
	return analyzed && json_kind(analyzed) == JSON_IS_BOOL && !json_bool(analyzed)
		       ? 0
		       : wrong("a source has filesAnalyzed other than false", err);
}

static int check_packages(const struct release *r, const struct json *j,
			  const struct file_sum *sums, size_t nsums, struct err *err)
{
	const struct json *packages = list_of(j, "packages");
	size_t components = 0;

	for (size_t i = 0; i < count(packages); i++)
		components += !is_source(json_at(packages, i));
	if (components != r->components.n)
		return wrong("its packages are not the components of the release", err);
	for (size_t i = 0; i < count(packages); i++) {
		const struct json *p = json_at(packages, i);

		if (is_source(p)) {
			if (check_source(p, err) < 0)
				return -1;
			continue;
		}
		const char *name = text_of(p, "name");
		const struct release_component *c = name ? release_component(r, name) : NULL;

		if (!c || !text_of(p, "downloadLocation") ||
		    !str_eq(checksum_of(p, "SHA256", SHA256_HEX), c->blob))
			return wrong("a package differs from its component of the release", err);
		if (check_code(j, p, sums, nsums, err) < 0)
			return -1;
	}
	return 0;
}

static int check_relations(const struct json *j, struct err *err)
{
	const struct json *packages = list_of(j, "packages"), *files = list_of(j, "files");
	const struct json *relations = list_of(j, "relationships");
	AUTO(mem) const char **package_ids = ids_of(packages, err);
	AUTO(mem) const char **file_ids = package_ids ? ids_of(files, err) : NULL;
	size_t described = 0, contained = 0, sources = 0;

	if (!file_ids)
		return -1;
	for (size_t i = 0; i < count(relations); i++) {
		const struct json *rel = json_at(relations, i);
		const char *from = text_of(rel, "spdxElementId");
		const char *to = text_of(rel, "relatedSpdxElement");
		const char *type = text_of(rel, "relationshipType");

		if (str_eq(type, "DESCRIBES") && str_eq(from, DOCUMENT) &&
		    has_id(package_ids, count(packages), to))
			described++;
		else if (str_eq(type, "CONTAINS") && has_id(package_ids, count(packages), from) &&
			 has_id(file_ids, count(files), to))
			contained++;
		else if ((str_eq(type, COMPILED) || str_eq(type, LINKED)) &&
			 has_id(package_ids, count(packages), from) &&
			 has_id(package_ids, count(packages), to) && str_starts(to, SOURCE) &&
			 !str_starts(from, SOURCE))
			sources++;
		else
			return wrong("a relationship refers to an unknown element", err);
	}
	return described + sources == count(packages) && contained == count(files)
		       ? 0
		       : wrong("a package or file has no relationship", err);
}

int sbom_check(const struct release *r, const struct json *j, struct err *err)
{
	AUTO(mem) struct file_sum *sums = NULL;
	size_t n;

	if (json_kind(j) != JSON_IS_OBJECT)
		return wrong("it is not an object", err);
	n = count(list_of(j, "files"));
	sums = xcalloc(n + 1, sizeof(*sums));
	return check_document(j, err) < 0 || check_relations(j, err) < 0 ||
			       check_files(r, list_of(j, "files"), sums, err) < 0 ||
			       check_packages(r, j, sums, n, err) < 0
		       ? -1
		       : 0;
}
