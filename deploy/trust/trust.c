// SPDX-License-Identifier: Apache-2.0
/*
 * The checks. A refusal is E_TRUST, and its message has what was expected, what was found, and the
 * remedy; a waived check is recorded. Nothing here parses a release or a channel: the caller passes
 * the bytes and, once their signatures are verified, the numbers in them.
 */

#include "deploy/trust/trust.h"

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "crypto/sha256.h"
#include "deploy/release/release.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/builtin.h"
#include "deploy/trust/trust-internal.h"

#include <string.h>

/* How far ahead of the clock a document may have been created: the clocks of two machines differ. */
enum { DAY = 24 * 60 * 60 };

/* The result of verifying a document's signatures with a set of keys. */
struct verdict {
	enum trust_role role;
	bool good[TRUST_KEYS_MAX]; /* for each key of the set: it signed */
	unsigned n;                /* how many did */
	char **unknown;            /* ids of other keys that signed, strv */
	bool other_role;           /* one of these is in the set, with the other role only */
};

static void verdict_release(struct verdict *v)
{
	strv_free(v->unknown);
}
DEFINE_AUTO_STRUCT(verdict, struct verdict, verdict_release)

void trust_close(struct trust *t)
{
	if (!t)
		return;
	trust_root_release(&t->root);
	trust_past_release(&t->past);
	trust_kept_release(&t->kept);
	json_free(t->documents);
	json_free(t->waived);
	free(t->pin);
	free(t);
}

uint64_t trust_now(const struct trust *t, const char **from)
{
	uint64_t latest = t->clock;

	*from = "clock";
	if (t->past.time > latest) {
		latest = t->past.time;
		*from = "memory";
	}
	if (trust_build_time() > latest) {
		latest = trust_build_time();
		*from = "build";
	}
	return latest;
}

static bool has_expired(const struct trust *t, uint64_t expires)
{
	const char *from;

	return expires <= trust_now(t, &from);
}

static void waive(struct trust *t, const char *rule, const char *what, const char *by)
{
	struct json *j = json_make_object();

	json_put(j, "rule", json_make_string(rule));
	json_put(j, "document", json_make_string(what));
	json_put(j, "by", json_make_string(by));
	json_add(t->waived, j);
}

/* Formats a time for a message; a document or the clock may have one that no stamp can have. */
static void show_time(uint64_t time, char out[STAMP_SIZE])
{
	if (time <= STAMP_MAX)
		stamp_format(time, out);
	else
		(void)str_print(out, STAMP_SIZE, "the year 10000");
}

static int refuse_expired(const struct trust *t, const char *what, uint64_t expires,
			  const char *hint, struct err *err)
{
	char when[STAMP_SIZE], today[STAMP_SIZE];
	const char *from;
	uint64_t latest = trust_now(t, &from);

	show_time(expires, when);
	show_time(latest, today);
	err_set(err, E_TRUST, "%s expired at %s; it is %s by the %s", what, when, today,
		str_eq(from, "clock")    ? "clock"
		: str_eq(from, "memory") ? "newest release seen here, later than the clock"
					 : "build of this program, later than the clock");
	return err_hint(err, "%s", hint);
}

static void move_root(struct trust_root *to, struct trust_root *from)
{
	trust_root_release(to);
	*to = *from;
	*from = (struct trust_root)TRUST_ROOT_INIT;
}

/* Takes the root of the memory, or a newer one of the directory. */
static int take_root(struct trust *t, const char *directory, struct err *err)
{
	AUTO(trust_root) struct trust_root found = TRUST_ROOT_INIT;

	if (trust_root_of_directory(&found, directory, err) < 0)
		return -1;
	if (found.version && found.version >= t->past.root.version) {
		move_root(&t->root, &found);
		t->source = "root.json";
		return 0;
	}
	t->source = "trust.json";
	return t->past.root.version ? trust_root_copy(&t->root, &t->past.root, err) : 0;
}

/* Remembers the keys of --key, unless the memory has keys or a root. */
static int learn_keys(struct trust *t, struct err *err)
{
	struct trust_root *kept = &t->past.keys;

	if (!kept->keys.n && !t->past.root.version) {
		t->learning = TRUST_REMEMBERS;
		t->learned = true;
		return trust_keys_remember(t, &t->root, err);
	}
	vec_each(struct trust_key, k, &t->root.keys) {
		const struct trust_key *there =
			trust_root_find(t->past.root.version ? &t->past.root : kept, &k->key);

		if (!there || (k->roles & ~there->roles))
			t->learning = TRUST_PASSES;
	}
	return 0;
}

static int take_given(struct trust *t, const struct trust_options *o, struct err *err)
{
	t->source = "--key";
	if (trust_keys_of_files(&t->root, o->keys, TRUST_RELEASE, err) < 0 ||
	    trust_keys_of_files(&t->root, o->channel_keys, TRUST_CHANNEL, err) < 0)
		return -1;
	t->root.threshold[TRUST_RELEASE] = o->threshold;
	if (!o->installed_only && learn_keys(t, err) < 0)
		return -1;
	trust_root_settle(&t->root);
	return 0;
}

static int take_keys(struct trust *t, const struct trust_options *o, struct err *err)
{
	if (strv_len(o->keys) || strv_len(o->channel_keys))
		return take_given(t, o, err);
	if (take_root(t, o->directory, err) < 0 || t->root.keys.n)
		return err->code ? -1 : 0;
	t->source = "remembered";
	if (trust_root_copy(&t->root, &t->past.keys, err) < 0)
		return -1;
	if (!t->root.keys.n) {
		t->source = "directory";
		if (trust_keys_of_directory(&t->root, o->directory, err) < 0)
			return -1;
	}
	if (!t->root.keys.n) {
		t->source = "built-in";
		if (trust_keys_built_in(&t->root, err) < 0)
			return -1;
	}
	trust_root_settle(&t->root);
	return 0;
}

/* --threshold is that of releases. It counts for channels too where their keys are the same. */
unsigned trust_threshold(const struct trust *t, const struct trust_root *root, enum trust_role role)
{
	bool asked = t->asked && (role == TRUST_RELEASE || !trust_root_is_split(root));

	return asked ? t->asked : root->threshold[role] ? root->threshold[role] : 1;
}

static int check_keys(const struct trust *t, const struct trust_options *o, struct err *err)
{
	size_t n = trust_root_count(&t->root, TRUST_RELEASE);
	unsigned needed = trust_threshold(t, &t->root, TRUST_RELEASE);

	if (n == 0)
		return err_set(err, E_TRUST,
			       "there is no key to verify a release with; give the packager's "
			       "public key with --key FILE, or put it into %s as NAME.pub",
			       o->directory ? o->directory : TRUST_DIRECTORY);
	if (needed > n)
		return err_set(err, E_TRUST,
			       "%u signatures are required, but there are %zu keys; give more "
			       "with --key FILE, or a lower --threshold",
			       needed, n);
	return 0;
}

/* Merges the memory of state/trust.json and of the copy that survives an uninstall. */
static int load_memory(struct trust *t, const struct trust_options *o, int state, struct err *err)
{
	AUTO(trust_past) struct trust_past outlived = TRUST_PAST_INIT;
	int own = trust_past_load(&t->past, state, err);

	str_set(&t->kept.file, o->kept);
	t->kept.prefix = o->prefix ? path_clean(o->prefix) : NULL;
	if (own < 0)
		return err_wrap(err, "state");
	if (trust_kept_load(&t->kept, err) < 0 || trust_kept_past(&t->kept, &outlived, err) < 0)
		return -1;
	return trust_past_merge(&t->past, &outlived, own, err);
}

int trust_open(const struct trust_options *o, int state, struct trust **out, struct err *err)
{
	AUTO(trust) struct trust *t = NEW(struct trust);

	t->documents = json_make_array();
	t->waived = json_make_array();
	t->asked = o->threshold;
	t->allow_downgrade = o->allow_downgrade;
	t->allow_expired = o->allow_expired;
	t->without_channel = o->without_channel;
	t->installed_only = o->installed_only;
	t->memory_only = o->memory_only;
	t->clock = o->now;
	t->today = o->clock > o->now ? o->clock : o->now;
	if (o->pin && !sha256_is_hex(o->pin))
		return err_set(err, E_USAGE, "--pin %.80s is not a SHA-256; give its 64 hex digits",
			       o->pin);
	str_set(&t->pin, o->pin);
	if (load_memory(t, o, state, err) < 0 ||
	    (!o->memory_only && (take_keys(t, o, err) < 0 || check_keys(t, o, err) < 0)))
		return -1;
	*out = STEAL(t, NULL);
	return 0;
}

/* Verifies one signature with the keys that have its id and the role. */
static int judge(const struct trust_root *root, const void *data, size_t len,
		 const struct trust_signature *s, struct verdict *v, struct err *err)
{
	struct err why = ERR_INIT;
	struct minisig sig;
	bool known = false;
	char hex[17];

	if (minisig_parse(&sig, s->text, s->len, s->name, err) < 0)
		return -1;
	for (size_t i = 0; i < root->keys.n; i++) {
		if (memcmp(root->keys.v[i].key.id, sig.id, MINISIG_ID) != 0)
			continue;
		if (!(root->keys.v[i].roles & TRUST_BIT(v->role))) {
			v->other_role = true;
			continue;
		}
		known = true;
		err_clear(&why);
		if (minisig_verify(&sig, &root->keys.v[i].key, data, len, &why) < 0)
			continue;
		v->n += !v->good[i];
		v->good[i] = true;
		return 0;
	}
	if (known)
		return err_set(err, E_TRUST,
			       "%s: %s; it was changed after it was signed, or damaged on its way: "
			       "download it again from another source",
			       s->name, why.msg);
	minisig_id_hex(sig.id, hex);
	if (!strv_has(v->unknown, hex))
		strv_push(&v->unknown, hex);
	return 0;
}

static int judge_all(const struct trust_root *root, const void *data, size_t len,
		     const struct trust_signature *sigs, size_t nsigs, struct verdict *v,
		     struct err *err)
{
	if (nsigs > TRUST_SIGNATURES_MAX)
		return err_set(err, E_LIMIT, "%zu signatures, at most %d", nsigs,
			       TRUST_SIGNATURES_MAX);
	for (size_t i = 0; i < nsigs; i++) {
		if (judge(root, data, len, &sigs[i], v, err) < 0)
			return -1;
	}
	return 0;
}

/* Returns the ids of some keys that did or did not sign, heap, for messages. */
static char *ids_of(const struct trust_root *root, const struct verdict *v, bool good)
{
	AUTO(strv) char **ids = NULL;
	size_t more = 0;

	for (size_t i = 0; i < root->keys.n; i++) {
		char hex[17];

		if (v->good[i] != good || !(root->keys.v[i].roles & TRUST_BIT(v->role)))
			continue;
		minisig_id_hex(root->keys.v[i].key.id, hex);
		if (strv_len(ids) < 4)
			strv_push(&ids, hex);
		else
			more++;
	}
	if (more)
		strv_pushf(&ids, "%zu more", more);
	return strv_join(ids, ", ");
}

static int check_count(const struct trust_root *root, const struct verdict *v, unsigned needed,
		       const char *name, struct err *err)
{
	AUTO(str) char *missing = ids_of(root, v, false), *good = ids_of(root, v, true);
	AUTO(str) char *unknown = strv_join(v->unknown, ", ");

	if (v->n >= needed)
		return 0;
	err_set(err, E_TRUST, "%s: %u of %u needed signatures %s good%s%s; none by key %s", name,
		v->n, needed, v->n == 1 ? "is" : "are", v->n ? ", by " : "", good, missing);
	if (v->other_role)
		return err_hint(
			err,
			"it is signed by %.80s, which is trusted for %s only: get it signed "
			"by a key for %s",
			unknown, v->role == TRUST_RELEASE ? "channels" : "releases",
			v->role == TRUST_RELEASE ? "releases" : "channels");
	if (*unknown)
		return err_hint(err,
				"it is signed by %.80s, which is not trusted here: if you know "
				"whose key that is, give it with --key FILE",
				unknown);
	return err_hint(err, "get its .minisig files from the packager");
}

static int check_pin(struct trust *t, const char *name, const char hex[65], struct err *err)
{
	if (!t->pin || !str_ends(name, "release.yaml") || str_eq(t->pin, hex))
		return 0;
	return err_set(err, E_TRUST,
		       "%s has the digest %s, and --pin asks for %s; it is another release, or a "
		       "changed one",
		       name, hex, t->pin);
}

static int check_root_expiry(struct trust *t, struct err *err)
{
	if (!t->root.expires || !has_expired(t, t->root.expires))
		return 0;
	if (!t->allow_expired)
		return refuse_expired(t, "the set of root keys", t->root.expires,
				      "get the packager's newer root.json, or use --allow-expired",
				      err);
	waive(t, "expiry", "root", "--allow-expired");
	return 0;
}

static void note_document(struct trust *t, const char *name, const char hex[65],
			  const struct verdict *v)
{
	struct json *j = json_make_object(), *by = json_make_array();

	for (size_t i = 0; i < t->root.keys.n; i++) {
		char id[17];

		if (!v->good[i])
			continue;
		minisig_id_hex(t->root.keys.v[i].key.id, id);
		json_add(by, json_make_string(id));
	}
	json_put(j, "name", json_make_string(name));
	json_put(j, "sha256", json_make_string(hex));
	json_put(j, "signed_by", by);
	if (t->pin && str_eq(t->pin, hex))
		json_put(j, "pinned", json_make_bool(true));
	json_add(t->documents, j);
}

int trust_signatures(struct trust *t, const char *name, const void *data, size_t len,
		     const struct trust_signature *sigs, size_t nsigs, struct err *err)
{
	AUTO(verdict)
	struct verdict v = { .role = str_ends(name, "channel.yaml") ? TRUST_CHANNEL
								    : TRUST_RELEASE };
	char hex[65];

	if (len > RELEASE_TEXT_MAX)
		return err_set(err, E_LIMIT, "%s has %zu bytes, at most %d", name, len,
			       RELEASE_TEXT_MAX);
	sha256_hex(data, len, hex);
	if (check_pin(t, name, hex, err) < 0 || check_root_expiry(t, err) < 0)
		return -1;
	if (judge_all(&t->root, data, len, sigs, nsigs, &v, err) < 0)
		return err_wrap(err, "%s", name);
	if (check_count(&t->root, &v, trust_threshold(t, &t->root, v.role), name, err) < 0)
		return strv_len(v.unknown) && str_eq(t->source, "remembered")
			       ? err_hint(
					 err,
					 "trusted are the keys that were remembered; %s lists them",
					 advice("keys show"))
			       : -1;
	note_document(t, name, hex, &v);
	return 0;
}

static int check_expiry(struct trust *t, const char *name, uint64_t expires, struct err *err)
{
	AUTO(str) char *what = str_fmt("'%s'", name);

	if (!has_expired(t, expires))
		return 0;
	if (!t->pin && !t->allow_expired)
		return refuse_expired(t, what, expires,
				      "get a newer one; or, if there is none and it is what you "
				      "want, use --allow-expired",
				      err);
	waive(t, "expiry", name, t->pin ? "--pin" : "--allow-expired");
	return 0;
}

/* An accepted time is remembered, and everything that expires before it is refused from then on: one
 * document from the far future would refuse all others for years. */
static int check_created(const struct trust *t, const char *name, uint64_t created, struct err *err)
{
	char when[STAMP_SIZE], today[STAMP_SIZE];

	/* A clock before the build of this program is wrong, and no measure. */
	if (t->today < trust_build_time() || created <= t->today || created - t->today <= DAY)
		return 0;
	show_time(created, when);
	show_time(t->today, today);
	err_set(err, E_TRUST, "'%s' was created at %s, but the clock of this machine has %s", name,
		when, today);
	return err_hint(err, "set the clock; or, if it is right, get another one: whoever signed "
			     "this one made a mistake, or has stolen a key");
}

static int check_serial(struct trust *t, const char *name, uint64_t serial, struct err *err)
{
	struct trust_serial *seen = trust_past_serial(&t->past, name);

	if (!seen || serial >= seen->serial)
		return 0;
	if (!t->allow_downgrade)
		return err_set(err, E_TRUST,
			       "serial %llu of '%s' is older than %llu, which was accepted here "
			       "before; get a newer one, or use --allow-downgrade if going back "
			       "is intended",
			       (unsigned long long)serial, name, (unsigned long long)seen->serial);
	waive(t, "serial", name, "--allow-downgrade");
	return 0;
}

/* Records an accepted document in the memory. */
static void remember(struct trust *t, const char *name, uint64_t serial, uint64_t created)
{
	const struct trust_serial *seen = trust_past_serial(&t->past, name);
	bool channel = !str_eq(name, "release");

	t->learned |= !seen || serial > seen->serial || created > t->past.time ||
		      (channel && !str_eq(t->past.channel, name));
	trust_past_raise(&t->past, name, serial, created);
	if (channel)
		str_set(&t->past.channel, name);
}

static const char hidden[] =
	"whoever runs the source may be hiding newer releases: use another mirror; or, if the "
	"packager has given up the channel, use --without-channel, which is recorded";

/* Refuses another channel than the one that is followed: it could hide newer releases too. */
static int check_followed(struct trust *t, const char *name, struct err *err)
{
	const char *followed = t->past.channel;

	if (str_eq(name, "release") || !followed || str_eq(name, followed))
		return 0;
	if (!t->without_channel) {
		err_set(err, E_TRUST,
			"the source has the channel '%s', but this installation follows '%s'", name,
			followed);
		return err_hint(err, "%s", hidden);
	}
	waive(t, "channel", followed, "--without-channel");
	return 0;
}

/* Returns the channel that is followed, or else any that is remembered; for messages. */
static const char *known_channel(const struct trust *t)
{
	vec_each(struct trust_serial, s, &t->past.serials) {
		if (!t->past.channel && !str_eq(s->name, "release"))
			return s->name;
	}
	return t->past.channel;
}

int trust_no_channel(struct trust *t, struct err *err)
{
	if (t->installed_only || !trust_past_has_channel(&t->past))
		return 0;
	if (!t->without_channel && !t->pin) {
		err_set(err, E_TRUST,
			"the source has no channel.yaml, but this installation follows the channel "
			"'%s'",
			known_channel(t));
		return err_hint(err, "%s", hidden);
	}
	waive(t, "channel", known_channel(t), t->pin ? "--pin" : "--without-channel");
	return 0;
}

int trust_fresh(struct trust *t, const char *name, uint64_t serial, uint64_t created,
		uint64_t expires, struct err *err)
{
	struct json *j;

	if (!t->installed_only) {
		if (check_expiry(t, name, expires, err) < 0 ||
		    check_created(t, name, created, err) < 0 ||
		    check_serial(t, name, serial, err) < 0 || check_followed(t, name, err) < 0)
			return -1;
		if (!trust_past_serial(&t->past, name) && t->past.serials.n == TRUST_SERIALS_MAX)
			return err_set(err, E_LIMIT,
				       "more than %d channels are recorded in state/trust.json",
				       TRUST_SERIALS_MAX);
		remember(t, name, serial, created);
	}
	j = json_make_object();
	json_put(j, "name", json_make_string(name));
	json_put(j, "serial", json_make_u64(serial));
	json_put(j, "created", json_make_u64(created));
	json_put(j, "expires", json_make_u64(expires));
	json_add(t->documents, j);
	return 0;
}

static int check_rotation(struct trust *t, const struct trust_root *next, struct err *err)
{
	if (next->version != t->root.version + 1)
		return err_set(err, E_TRUST,
			       "root.json has version %llu, but %llu follows the trusted one "
			       "here; apply the versions in order",
			       (unsigned long long)next->version,
			       (unsigned long long)t->root.version + 1);
	if (!has_expired(t, next->expires))
		return 0;
	if (!t->allow_expired)
		return refuse_expired(t, "root.json", next->expires,
				      "get the packager's newest one, or use --allow-expired", err);
	waive(t, "expiry", "root.json", "--allow-expired");
	return 0;
}

static int check_both_sets(const struct trust *t, const struct trust_root *next, const char *text,
			   size_t len, const struct trust_signature *sigs, size_t nsigs,
			   struct err *err)
{
	/* A key for channels is used often and kept online: it must not be able to change the
	 * root. */
	AUTO(verdict)
	struct verdict old = { .role = TRUST_RELEASE }, new = { .role = TRUST_RELEASE };

	if (judge_all(&t->root, text, len, sigs, nsigs, &old, err) < 0 ||
	    judge_all(next, text, len, sigs, nsigs, &new, err) < 0)
		return err_wrap(err, "root.json");
	if (check_count(&t->root, &old, trust_threshold(t, &t->root, TRUST_RELEASE),
			"root.json, by the keys until now", err) < 0)
		return -1;
	return check_count(next, &new, next->threshold[TRUST_RELEASE], "root.json, by its own keys",
			   err);
}

int trust_rotate(struct trust *t, const char *text, size_t len, const struct trust_signature *sigs,
		 size_t nsigs, struct err *err)
{
	AUTO(trust_root) struct trust_root next = TRUST_ROOT_INIT;
	AUTO(json) struct json *j = NULL;

	if (len > TRUST_ROOT_MAX)
		return err_set(err, E_LIMIT, "root.json has %zu bytes, at most %d", len,
			       TRUST_ROOT_MAX);
	/* An exception: it is parsed before it is verified, since its own keys must have signed
	 * it. */
	j = json_parse(text, len, "root.json", err);
	if (!j || trust_root_read(&next, j, "root.json", err) < 0 ||
	    check_rotation(t, &next, err) < 0 ||
	    check_both_sets(t, &next, text, len, sigs, nsigs, err) < 0 ||
	    trust_root_copy(&t->past.root, &next, err) < 0)
		return -1;
	if (!trust_root_agrees(&t->root, &next, TRUST_CHANNEL))
		trust_past_restart(&t->past);
	move_root(&t->root, &next);
	trust_root_release(&t->past.keys);
	t->source = "trust.json";
	t->learned = true;
	return 0;
}
