// SPDX-License-Identifier: Apache-2.0
/*
 * The checks. Each refusal is E_TRUST and says what was expected, what was found, and the remedy;
 * each waived check is recorded. Nothing here reads a document: the caller passes its bytes and,
 * once those are verified, the numbers in it.
 */

#include "deploy/trust/trust.h"

#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/release.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/builtin.h"
#include "deploy/trust/trust-internal.h"

#include <string.h>

struct trust {
	struct trust_root root; /* the trusted keys */
	const char *source;
	unsigned asked; /* --threshold */
	char *pin;
	bool allow_downgrade, allow_expired;
	uint64_t clock;
	struct trust_past past;
	struct json *documents, *waived; /* for the report */
};

/* Which keys signed: one flag per key of a set, and the ids of unknown keys. */
struct verdict {
	bool good[TRUST_KEYS_MAX];
	unsigned n;
	char **unknown; /* strv */
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
	if (t->documents)
		json_free(t->documents);
	if (t->waived)
		json_free(t->waived);
	free(t->pin);
	free(t);
}

/* The latest of the times that cannot be in the future; *from: which one it was. */
static uint64_t now(const struct trust *t, const char **from)
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

	return expires <= now(t, &from);
}

static void waive(struct trust *t, const char *rule, const char *what, const char *by)
{
	struct json *j = json_make_object();

	json_put(j, "rule", json_make_string(rule));
	json_put(j, "document", json_make_string(what));
	json_put(j, "by", json_make_string(by));
	json_add(t->waived, j);
}

static int refuse_expired(const struct trust *t, const char *what, uint64_t expires,
			  const char *hint, struct err *err)
{
	char when[STAMP_SIZE] = "long ago", today[STAMP_SIZE] = "much later";
	const char *from;
	uint64_t latest = now(t, &from);

	if (expires <= STAMP_MAX)
		stamp_format(expires, when);
	if (latest <= STAMP_MAX)
		stamp_format(latest, today);
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
	*from = (struct trust_root){ .keys = VEC_INIT };
}

/* Takes the root of trust.json, or a newer one of the directory. */
static int take_root(struct trust *t, const char *directory, struct err *err)
{
	AUTO(trust_root) struct trust_root found = { .keys = VEC_INIT };

	if (trust_root_of_directory(&found, directory, err) < 0)
		return -1;
	if (found.version && found.version >= t->past.root.version) {
		move_root(&t->root, &found);
		t->source = "root.json";
		return 0;
	}
	if (!t->past.root.version)
		return 0;
	vec_each(struct trust_key, k, &t->past.root.keys) {
		if (trust_root_add(&t->root, &k->key, k->name, err) < 0)
			return -1;
	}
	t->root.version = t->past.root.version;
	t->root.expires = t->past.root.expires;
	t->root.threshold = t->past.root.threshold;
	t->source = "trust.json";
	return 0;
}

static int take_keys(struct trust *t, const struct trust_options *o, struct err *err)
{
	if (strv_len(o->keys)) {
		t->source = "--key";
		return trust_keys_of_files(&t->root, o->keys, err);
	}
	if (take_root(t, o->directory, err) < 0 || t->root.keys.n)
		return err->code ? -1 : 0;
	t->source = "directory";
	if (trust_keys_of_directory(&t->root, o->directory, err) < 0 || t->root.keys.n)
		return err->code ? -1 : 0;
	t->source = "built-in";
	return trust_keys_built_in(&t->root, err);
}

static unsigned threshold(const struct trust *t)
{
	return t->asked ? t->asked : t->root.threshold ? t->root.threshold : 1;
}

static int check_keys(const struct trust *t, const struct trust_options *o, struct err *err)
{
	if (t->root.keys.n == 0)
		return err_set(err, E_TRUST,
			       "there is no key to verify a release with; give the packager's "
			       "public key with --key FILE, or put it into %s as NAME.pub",
			       o->directory ? o->directory : TRUST_DIRECTORY);
	if (threshold(t) > t->root.keys.n)
		return err_set(err, E_TRUST,
			       "%u signatures are required, but there are %zu keys; give more "
			       "with --key FILE, or a lower --threshold",
			       threshold(t), t->root.keys.n);
	return 0;
}

int trust_open(const struct trust_options *o, int state, struct trust **out, struct err *err)
{
	AUTO(trust) struct trust *t = NEW(struct trust);

	t->documents = json_make_array();
	t->waived = json_make_array();
	t->asked = o->threshold;
	t->allow_downgrade = o->allow_downgrade;
	t->allow_expired = o->allow_expired;
	t->clock = o->now;
	if (o->pin && !sha256_is_hex(o->pin))
		return err_set(err, E_USAGE, "--pin %.80s is not a SHA-256; give its 64 hex digits",
			       o->pin);
	str_set(&t->pin, o->pin);
	if (trust_past_load(&t->past, state, err) < 0 || take_keys(t, o, err) < 0 ||
	    check_keys(t, o, err) < 0)
		return -1;
	*out = STEAL(t, NULL);
	return 0;
}

/* Checks one signature with the keys of its id. */
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

/* Ids of some keys that did or did not sign, for messages. */
static char *ids_of(const struct trust_root *root, const struct verdict *v, bool good)
{
	AUTO(strv) char **ids = NULL;
	size_t more = 0;

	for (size_t i = 0; i < root->keys.n; i++) {
		char hex[17];

		if (v->good[i] != good)
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
	AUTO(verdict) struct verdict v = { 0 };
	char hex[65];

	if (len > RELEASE_TEXT_MAX)
		return err_set(err, E_LIMIT, "%s has %zu bytes, at most %d", name, len,
			       RELEASE_TEXT_MAX);
	sha256_hex(data, len, hex);
	if (check_pin(t, name, hex, err) < 0 || check_root_expiry(t, err) < 0)
		return -1;
	if (judge_all(&t->root, data, len, sigs, nsigs, &v, err) < 0)
		return err_wrap(err, "%s", name);
	if (check_count(&t->root, &v, threshold(t), name, err) < 0)
		return -1;
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

static void remember(struct trust *t, const char *name, uint64_t serial, uint64_t created)
{
	struct trust_serial *seen = trust_past_serial(&t->past, name);
	struct trust_serial fresh = { NULL, serial };

	if (!seen) {
		fresh.name = xstrdup(name);
		vec_push(&t->past.serials, fresh);
	} else if (serial > seen->serial) {
		seen->serial = serial;
	}
	if (created > t->past.time)
		t->past.time = created;
}

int trust_fresh(struct trust *t, const char *name, uint64_t serial, uint64_t created,
		uint64_t expires, struct err *err)
{
	struct json *j;

	if (check_expiry(t, name, expires, err) < 0 || check_serial(t, name, serial, err) < 0)
		return -1;
	if (!trust_past_serial(&t->past, name) && t->past.serials.n == TRUST_SERIALS_MAX)
		return err_set(err, E_LIMIT,
			       "more than %d channels are recorded in state/trust.json",
			       TRUST_SERIALS_MAX);
	remember(t, name, serial, created);
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
	AUTO(verdict) struct verdict old = { 0 }, new = { 0 };

	if (judge_all(&t->root, text, len, sigs, nsigs, &old, err) < 0 ||
	    judge_all(next, text, len, sigs, nsigs, &new, err) < 0)
		return err_wrap(err, "root.json");
	if (check_count(&t->root, &old, threshold(t), "root.json, by the keys until now", err) < 0)
		return -1;
	return check_count(next, &new, next->threshold, "root.json, by its own keys", err);
}

int trust_rotate(struct trust *t, const char *text, size_t len, const struct trust_signature *sigs,
		 size_t nsigs, struct err *err)
{
	AUTO(trust_root) struct trust_root next = { .keys = VEC_INIT }, copy = { .keys = VEC_INIT };
	AUTO(json) struct json *j = NULL;

	if (len > TRUST_ROOT_MAX)
		return err_set(err, E_LIMIT, "root.json has %zu bytes, at most %d", len,
			       TRUST_ROOT_MAX);
	/* Parsed first because its own keys are needed to verify it; it has no effect before. */
	j = json_parse(text, len, "root.json", err);
	if (!j || trust_root_parse(&next, j, "root.json", err) < 0 ||
	    check_rotation(t, &next, err) < 0 ||
	    check_both_sets(t, &next, text, len, sigs, nsigs, err) < 0 ||
	    trust_root_parse(&copy, j, "root.json", err) < 0)
		return -1;
	move_root(&t->past.root, &copy);
	move_root(&t->root, &next);
	t->source = "trust.json";
	return 0;
}

struct json *trust_report(const struct trust *t)
{
	struct json *j = json_make_object(), *keys = json_make_array();
	const char *from;

	vec_each(struct trust_key, k, &t->root.keys) {
		struct json *key = json_make_object();
		char id[17];

		minisig_id_hex(k->key.id, id);
		json_put(key, "id", json_make_string(id));
		json_put(key, "name", json_make_string(k->name));
		json_add(keys, key);
	}
	json_put(j, "source", json_make_string(t->source));
	if (t->root.version)
		json_put(j, "root", json_make_u64(t->root.version));
	json_put(j, "keys", keys);
	json_put(j, "threshold", json_make_u64(threshold(t)));
	json_put(j, "time", json_make_u64(now(t, &from)));
	json_put(j, "time_from", json_make_string(from));
	json_put(j, "documents", json_share(t->documents));
	json_put(j, "waived", json_share(t->waived));
	return j;
}

char *trust_memory(const struct trust *t)
{
	return trust_past_format(&t->past, trust_report(t));
}
