// SPDX-License-Identifier: Apache-2.0
/* Reads and verifies a release, and selects its components. Nothing is parsed before its signatures
 * are verified. */

#include "deploy/cli/offer.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/cli/memory.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

void offer_release(struct offer *o)
{
	json_free(o->memory);
	free(o->proxy);
	free(o->cacert);
	layout_release(&o->layout);
	release_release(&o->release);
	trust_close(o->trust);
	source_close(o->source);
}

/* --- the source --- */

/* Few, so that the first blobs are complete, and can be unpacked, while others are downloaded. */
enum { CONNECTIONS = 3 };

static int parse_rate(const char *text, uint64_t *rate, struct err *err)
{
	static const char units[] = "KMG";
	AUTO(str) char *digits = text ? xstrdup(text) : NULL;
	const char *unit = digits && *digits ? strchr(units, digits[strlen(digits) - 1]) : NULL;
	unsigned shift = 0;

	if (!digits)
		return 0;
	if (unit && *unit) {
		shift = 10 * (unsigned)(unit - units + 1);
		digits[strlen(digits) - 1] = '\0';
	}
	if (str_u64(digits, 10, 1, UINT64_MAX >> 30, "--limit-rate", rate, err) < 0) {
		err->code = E_USAGE;
		return err_hint(err, "give bytes per second, such as 500K or 10M");
	}
	*rate <<= shift;
	return 0;
}

/* Returns a path as absolute, heap: the next run may have another working directory. */
static char *from_root(const char *release)
{
	AUTO(str) char *here = NULL;

	if (strstr(release, "://") || *release == '/' || str_eq(release, "-"))
		return xstrdup(release);
	here = getcwd(NULL, 0);
	return path_join(here ? here : "/", release);
}

/* A path below --root is recorded as the system there sees it, which may run kata-deploy itself
 * later; any other path is recorded as it is. */
static const char *as_recorded(const struct cli_place *place, const char *path)
{
	return place->root && path_is_below(path, place->root) ? path + strlen(place->root) : path;
}

/* Without its options, takes the way to the recorded sources that the last install took. */
static int recall_way(const struct deploy *d, struct offer *o, struct err *err)
{
	struct cli_source *c = &o->wanted->source;

	if (node_recall_text(d, "proxy", &o->proxy, err) < 0 ||
	    node_recall_text(d, "cacert", &o->cacert, err) < 0)
		return -1;
	c->proxy = c->proxy ? c->proxy : o->proxy;
	c->cacert = c->cacert ? c->cacert : o->cacert;
	return 0;
}

static int recall_sources(const struct deploy *d, const struct cli_place *place, char ***out,
			  struct err *err)
{
	AUTO(strv) char **recorded = NULL;

	if (node_recall_release(d, "from", &recorded, err) < 0)
		return -1;
	strv_each(path, recorded) {
		struct err ignored = ERR_INIT; /* a dangling link: not below root */
		AUTO(str)
		char *below = place->root && **path == '/'
				      ? path_from_root(place->root, *path, &ignored)
				      : NULL;
		int there = below ? path_look(AT_FDCWD, below, err) : 0;

		if (there < 0)
			return -1;
		strv_push(out, there ? below : *path);
	}
	return 0;
}

/* Appends the sources of the command line, or else of the environment, or else the recorded
 * ones. */
static int sources(const struct deploy *d, struct offer *o, char ***out, struct err *err)
{
	const char *fallback = getenv(CLI_ENV_RELEASE);

	strv_each(release, o->wanted->source.releases) {
		AUTO(str) char *path = from_root(*release);

		strv_push(out, path);
	}
	if (!*out && !str_empty(fallback))
		strv_push(out, fallback);
	if (*out)
		return 0;
	if (recall_sources(d, o->place, out, err) < 0)
		return -1;
	if (*out)
		return recall_way(d, o, err);
	err_set(err, E_USAGE, "no release is given and none is recorded");
	return err_hint(err, "use --release URL|DIR|FILE");
}

static struct json *from_json(const struct offer *o, char *const *from)
{
	struct json *j = json_make_array();

	strv_each(path, from)
		json_add(j, json_make_string(as_recorded(o->place, *path)));
	return j;
}

static struct json *list_json(char *const *list)
{
	struct json *j = json_make_array();

	strv_each(s, list)
		json_add(j, json_make_string(*s));
	return j;
}

/* True if the next run, on the node itself, will find the release at the same place: not if it came
 * from a pipe or from the environment of a container. */
static bool is_lasting(const struct offer *o, char *const *from)
{
	return from && !strv_has(from, "-") &&
	       (o->wanted->source.releases || str_empty(getenv(CLI_ENV_RELEASE)));
}

/* Puts the sources, and how they are reached, since a later upgrade has no options: the proxies of
 * its environment may be others, as in a service of systemd. */
static void put_way(const struct offer *o, char *const *from, struct json *to)
{
	const struct cli_source *c = &o->wanted->source;

	json_put(to, "from", from_json(o, from));
	if (!str_empty(c->proxy)) {
		AUTO(str)
		char *url = str_fmt("%s%s", strstr(c->proxy, "://") ? "" : "http://", c->proxy);

		json_put(to, "proxy", json_make_string(url));
	}
	if (c->cacert) {
		AUTO(str) char *path = from_root(c->cacert);

		json_put(to, "cacert", json_make_string(as_recorded(o->place, path)));
	}
}

/* Makes the member "release" of install.json's extra. It has the checks that were waived, too,
 * which the verb status shows as long as the release is installed. */
static struct json *make_memory(const struct offer *o, char *const *from)
{
	AUTO(json) struct json *report = trust_report(o->trust);
	const struct cli_parts *parts = &o->wanted->parts;
	const struct release *r = &o->release;
	struct json *j = json_make_object();

	if (is_lasting(o, from))
		put_way(o, from, j);
	if (parts->components)
		json_put(j, "components", list_json(parts->components));
	if (parts->without)
		json_put(j, "without", list_json(parts->without));
	json_put(j, "version", json_make_string(r->version));
	json_put(j, "sha256", json_make_string(o->sha256));
	json_put(j, "serial", json_make_u64(r->serial));
	json_put(j, "expires", json_make_u64(r->expires));
	if (json_count(json_get(report, "waived")))
		json_put(j, "waived", json_share(json_get(report, "waived")));
	return j;
}

/* The cache with --root, which must not touch anything outside. It is removed after the fetch. */
#define ROOT_CACHE "/.kata-deploy-cache"

static char *cache_path(const struct offer *o, struct err *err)
{
	const struct cli_source *c = &o->wanted->source;

	if (!c->cache && o->place->root && c->keep_cache) {
		err_set(err, E_USAGE, "--keep-cache with --root needs a cache outside the root");
		err_hint(err, "use --cache DIR");
		return NULL;
	}
	return place_path(o->place, c->cache, o->place->root ? ROOT_CACHE : SOURCE_CACHE, err);
}

static int open_source(const struct deploy *d, struct offer *o, char ***from, struct err *err)
{
	const struct cli_source *c = &o->wanted->source;
	AUTO(str) char *cache = cache_path(o, err);
	struct source_options s = { .http = { .connections = CONNECTIONS },
				    .cache = cache,
				    .keep_cache = c->keep_cache };

	if (!cache || sources(d, o, from, err) < 0 ||
	    parse_rate(c->limit_rate, &s.http.rate, err) < 0)
		return -1;
	s.http.cacert = c->cacert;
	s.http.proxy = c->proxy;
	s.releases = *from;
	return source_open(&s, &o->source, err);
}

/* --- verification --- */

static int parse_pin(const char *text, char pin[65], struct err *err)
{
	if (!text || sha256_parse(text, pin))
		return 0;
	err_set(err, E_USAGE,
		"--pin '%.80s' is not a SHA-256: that has 64 hex digits, and this %zu characters",
		text, strlen(text));
	return err_hint(err, "sha256sum release.yaml prints it");
}

/* Reads a document and verifies its signatures. */
static int read_verified(struct offer *o, const char *name, size_t limit, struct buf *text,
			 struct err *err)
{
	struct trust_signature sigs[SOURCE_SIGNATURES_MAX];
	AUTO(strv) char **texts = NULL;
	char names[SOURCE_SIGNATURES_MAX][80];
	size_t n = 0;

	if (source_document(o->source, name, limit, text, err) < 0 ||
	    source_signatures(o->source, name, &texts, err) < 0)
		return -1;
	strv_each(t, texts) {
		AUTO(str) char *sig = release_signature_name(name, (unsigned)n);

		if (n == SOURCE_SIGNATURES_MAX)
			break;
		(void)!str_print(names[n], sizeof(names[n]), "%s", sig);
		sigs[n] = (struct trust_signature){ names[n], *t, strlen(*t) };
		n++;
	}
	return trust_signatures(o->trust, name, text->data, text->len, sigs, n, err);
}

/* The signatures of the document are good, so it was not damaged on the way. */
static int blame_packager(struct err *err)
{
	return err_hint(err, "ask the packager for a corrected one, or give another --release");
}

/* If the source has a channel.yaml, enters the directory of the newest release, sets digest to that
 * of its release.yaml, and returns 1; otherwise returns 0. */
static int follow_channel(struct offer *o, char digest[65], struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(CHANNEL_TEXT_MAX);
	AUTO(channel) struct channel c = { 0 };
	struct err why = ERR_INIT;

	if (read_verified(o, "channel.yaml", CHANNEL_TEXT_MAX, &text, &why) < 0) {
		if (why.code == E_NOT_FOUND)
			return 0;
		*err = why;
		return -1;
	}
	if (channel_parse(&c, text.data, text.len, "channel.yaml", err) < 0)
		return blame_packager(err);
	if (trust_fresh(o->trust, c.name, c.serial, c.created, c.expires, err) < 0)
		return -1;
	memcpy(digest, c.release, sizeof(c.release));
	return str_eq(c.path, ".") || source_enter(o->source, c.path, err) == 0 ? 1 : -1;
}

/* digest: that of release.yaml in the channel; "": no channel. */
static int read_release(struct offer *o, const char *digest, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);
	struct release *r = &o->release;
	char *is = o->sha256;

	if (read_verified(o, "release.yaml", RELEASE_TEXT_MAX, &text, err) < 0)
		return -1;
	sha256_hex(text.data, text.len, is);
	if (*digest && !str_eq(digest, is))
		return err_set(err, E_TRUST,
			       "release.yaml is not the one that channel.yaml names: %s instead of "
			       "%s; try again "
			       "when the mirror has been updated, or use another mirror",
			       is, digest);
	if (release_parse(r, text.data, text.len, "release.yaml", err) < 0)
		return blame_packager(err);
	return trust_fresh(o->trust, "release", r->serial, r->created, r->expires, err);
}

/* Refuses another release with the serial of the installed one: since neither is newer, an attacker
 * could offer the older one. For the same version, such as a developer's second build of a commit,
 * it only warns. */
static int check_twin(const struct deploy *d, const struct offer *o, struct err *err)
{
	const struct release *r = &o->release;
	AUTO(json) struct json *doc = NULL;
	const struct json *was;
	const char *version, *sha256;
	uint64_t serial;

	if (node_recall(d, "release", &doc, &was, err) < 0)
		return -1;
	if (!was || json_kind(was) != JSON_IS_OBJECT || !json_get(was, "serial") ||
	    json_u64(json_get(was, "serial"), &serial) < 0 || serial != r->serial)
		return 0;
	version = json_get_text(was, "version");
	sha256 = json_get_text(was, "sha256");
	if (!version || !sha256 || str_eq(sha256, o->sha256))
		return 0;
	if (str_eq(version, r->version)) {
		log_warn(
			"the release differs from the installed one of the same version and serial",
			LOG_S("version", version));
		return 0;
	}
	if (o->wanted->trust.allow_downgrade)
		return 0;
	err_set(err, E_TRUST,
		"kata %s has the serial %" PRIu64 " of kata %s, which was installed here, so that "
		"neither is the newer one",
		r->version, serial, version);
	return err_hint(err, "ask the packager for a release of a higher serial (release build "
			     "--serial N), or use --allow-downgrade to install it nevertheless");
}

static int judge(struct offer *o, struct err *err)
{
	char digest[65] = "";
	int followed = follow_channel(o, digest, err);

	if (followed < 0 || read_release(o, digest, err) < 0)
		return -1;
	o->channel = followed;
	/* Last: a source without a release at all has another problem than a missing channel. */
	return followed ? 0 : trust_no_channel(o->trust, err);
}

/* Takes channel and release from the first mirror where both are good. For each mirror trust is
 * opened again: values from a mirror that failed must not count. */
static int choose_mirror(const struct deploy *d, const struct trust_options *t, struct offer *o,
			 struct err *err)
{
	while (trust_open(t, deploy_state(d), &o->trust, err) == 0) {
		if (judge(o, err) == 0)
			return 0;
		if (!source_distrust(o->source, err))
			return -1;
		trust_close(STEAL(o->trust, NULL));
		release_release(&o->release);
		o->release = (struct release)RELEASE_INIT;
	}
	return -1;
}

/* --- compatibility --- */

static int suits(const struct offer *o, struct err *err)
{
	const struct release *r = &o->release;
	struct utsname u;

	if (version_compare(KATA_VERSION, r->minimum) < 0) {
		err_set(err, E_UNSUPPORTED, "kata %s needs kata-deploy %s and this is %s",
			r->version, r->minimum, KATA_VERSION);
		return err_hint(err, "install the newer kata-deploy first");
	}
	if (o->place->root || uname(&u) < 0 || str_eq(u.machine, r->architecture))
		return 0;
	return err_set(err, E_UNSUPPORTED,
		       "kata %s is for %s and this machine is %s; get the release for that",
		       r->version, r->architecture, u.machine);
}

/* Splits the value "a,b" of an option into the values of two options "a" and "b". */
static void split_lists(char ***list)
{
	AUTO(str) char *all = *list ? strv_join(*list, ",") : NULL;
	char **split = all ? strv_split(all, ",") : NULL;

	strv_free(*list);
	*list = split;
}

/* Without options about components, takes those of the last install. */
static int recall_components(const struct deploy *d, struct cli_parts *parts, struct err *err)
{
	if (parts->components || parts->without)
		return 0;
	return node_recall_release(d, "components", &parts->components, err) < 0 ||
			       node_recall_release(d, "without", &parts->without, err) < 0
		       ? -1
		       : 0;
}

static bool same_entry(const struct entry *a, const struct entry *b)
{
	return b && a->type == b->type && a->mode == b->mode && str_eq(a->sha256, b->sha256) &&
	       str_eq(a->target, b->target);
}

/* True if every file of the generation is a file of the release. */
static bool is_part_of(const struct layout *generation, const struct release *r)
{
	vec_each(struct entry, e, &generation->entries) {
		if (!same_entry(e, layout_find(&r->layout, e->path)))
			return false;
	}
	return true;
}

/* Takes the layout of the installed generation that comes from this release. Its age does not
 * matter, since the same files are installed already. */
static int select_installed(const struct deploy *d, struct offer *o, struct err *err)
{
	vec_each(const struct generation, g, &deploy_installed(d)->generations) {
		AUTO(layout) struct layout l = LAYOUT_INIT;

		if (!str_eq(g->version, o->release.version))
			continue;
		if (deploy_layout(d, g->id, &l, err) < 0)
			return -1;
		if (is_part_of(&l, &o->release)) {
			o->layout = l;
			l = (struct layout)LAYOUT_INIT;
			return 0;
		}
	}
	err_set(err, E_STATE, "the source has kata %s, but another release is installed",
		o->release.version);
	return err_hint(err, "name the installed release with --release, or upgrade");
}

static int select_layout(const struct deploy *d, struct offer *o, struct err *err)
{
	const struct cli_parts *parts = &o->wanted->parts;

	if (o->installed_only)
		return select_installed(d, o, err);
	return release_select(&o->release, parts->components, parts->without, &o->layout, err);
}

/* Returns options that borrow *kept, which the caller frees. */
static struct trust_options trust_of(const struct offer *o, const char *directory, const char *pin,
				     char **kept)
{
	const struct cli_trust *c = &o->wanted->trust;
	struct trust_options t = memory_options(o->place, kept);

	t.keys = c->keys;
	t.channel_keys = c->channel_keys;
	t.threshold = c->threshold;
	t.directory = directory;
	t.pin = c->pin ? pin : NULL;
	t.allow_downgrade = c->allow_downgrade;
	t.allow_expired = c->allow_expired;
	t.without_channel = c->without_channel;
	t.installed_only = o->installed_only;
	return t;
}

int offer_open(const struct deploy *d, struct offer *o, struct err *err)
{
	struct cli_parts *parts = &o->wanted->parts;
	AUTO(str)
	char *directory = place_trust(o->place, o->wanted->trust.directory, err);
	AUTO(str) char *kept = NULL;
	char pin[65] = "";
	struct trust_options t;
	AUTO(strv) char **from = NULL;

	split_lists(&parts->components);
	split_lists(&parts->without);
	progress_phase("release");
	if (!directory || parse_pin(o->wanted->trust.pin, pin, err) < 0)
		return -1;
	t = trust_of(o, directory, pin, &kept);
	if (recall_components(d, parts, err) < 0 || open_source(d, o, &from, err) < 0 ||
	    choose_mirror(d, &t, o, err) < 0 || (!o->installed_only && check_twin(d, o, err) < 0) ||
	    suits(o, err) < 0 || select_layout(d, o, err) < 0)
		return -1;
	o->memory = make_memory(o, from);
	return 0;
}

/* --- staging --- */

static bool has(void *arg, const struct entry *e)
{
	return deploy_has(arg, e);
}

/* Opens an object of the store, the base of a patch. The plain one and the program have the same
 * contents. */
static int open_base(void *arg, const char *sha256)
{
	AUTO(str)
	char *plain = str_fmt("store/sha256/%.2s/%s", sha256, sha256),
	     *program = str_fmt("%s.x", plain);
	int root = deploy_root(arg), fd;

	if (root < 0)
		return -1;
	fd = openat(root, plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 ? fd : openat(root, program, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

/* Checks the space for the files to unpack, each in whole blocks. */
static int check_room(const struct deploy *d, const struct offer *o, struct err *err)
{
	enum { BLOCK = 4096 };
	uint64_t bytes = 0, files = 0;

	vec_each(struct entry, e, &o->layout.entries) {
		if (e->type != ENTRY_FILE || deploy_has(d, e))
			continue;
		bytes += (e->size + BLOCK - 1) / BLOCK * BLOCK;
		files++;
	}
	return files ? deploy_room(d, bytes, files, err) : 0;
}

int offer_stage(struct deploy *d, struct offer *o, const char *name, struct err *err)
{
	static const struct source_progress show = { progress_at, NULL };
	AUTO(fd) int staging = deploy_stage(d, name, err);

	return staging < 0 || check_room(d, o, err) < 0
		       ? -1
		       : source_stage(o->source, &o->release, &o->layout, has, open_base, d,
				      staging, &show, &o->cost, err);
}

uint64_t offer_download(const struct deploy *d, const struct offer *o)
{
	uint64_t bytes = 0;

	vec_each(struct release_component, c, &o->release.components) {
		vec_each(struct entry, e, &o->layout.entries) {
			if (!str_eq(e->component, c->name) || e->type != ENTRY_FILE ||
			    deploy_has(d, e))
				continue;
			bytes += c->size;
			break;
		}
	}
	return bytes;
}
