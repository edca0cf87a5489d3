// SPDX-License-Identifier: Apache-2.0
/* The results of a run: the report of its decision, the remembered keys, the new memory. */

#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/trust-internal.h"

#include <stdlib.h>
#include <string.h>

static struct json *key_json(const struct trust_key *k)
{
	AUTO(str) char *line = trust_key_line(&k->key);
	struct json *j = json_make_object();
	char id[17], since[STAMP_SIZE];

	minisig_id_hex(k->key.id, id);
	json_put(j, "id", json_make_string(id));
	json_put(j, "name", json_make_string(k->name));
	json_put(j, "key", json_make_string(line));
	json_put(j, "roles", trust_roles_json(k));
	if (k->since) {
		stamp_format(k->since, since);
		json_put(j, "since", json_make_string(since));
	}
	return j;
}

static struct json *keys_json(const struct trust_root *root)
{
	struct json *list = json_make_array();

	vec_each(struct trust_key, k, &root->keys)
		json_add(list, key_json(k));
	return list;
}

struct json *trust_report(const struct trust *t)
{
	struct json *j = json_make_object();
	const char *from;

	json_put(j, "source", json_make_string(t->source));
	if (t->root.version)
		json_put(j, "root", json_make_u64(t->root.version));
	json_put(j, "keys", keys_json(&t->root));
	json_put(j, "threshold", json_make_u64(trust_threshold(t, &t->root, TRUST_RELEASE)));
	json_put(j, "channel_threshold",
		 json_make_u64(trust_threshold(t, &t->root, TRUST_CHANNEL)));
	json_put(j, "time", json_make_u64(trust_now(t, &from)));
	json_put(j, "time_from", json_make_string(from));
	if (t->learning == TRUST_REMEMBERS)
		json_put(j, "remembers", json_make_bool(true));
	json_put(j, "documents", json_share(t->documents));
	json_put(j, "waived", json_share(t->waived));
	return j;
}

/* --- remembered keys --- */

enum trust_learning trust_learning(const struct trust *t)
{
	return t->learning;
}

int trust_keys_remember(struct trust *t, const struct trust_root *from, struct err *err)
{
	struct trust_root *kept = &t->past.keys;

	vec_each(struct trust_key, k, &from->keys) {
		size_t before = kept->keys.n;

		/* The directory of the file means nothing later. */
		if (trust_root_add(kept, &k->key, k->roles, path_basename(k->name), err) < 0)
			return -1;
		if (kept->keys.n > before)
			kept->keys.v[before].since = t->clock < STAMP_MAX ? t->clock : STAMP_MAX;
	}
	if (!kept->threshold[TRUST_RELEASE])
		kept->threshold[TRUST_RELEASE] = from->threshold[TRUST_RELEASE];
	return 0;
}

/* What is remembered goes before the other keys: too few to verify a release with would refuse
 * all of them. No key at all is nothing remembered. */
static int check_enough(const struct trust_root *kept, const char *remedy, struct err *err)
{
	size_t n = trust_root_count(kept, TRUST_RELEASE);
	unsigned need = kept->threshold[TRUST_RELEASE] ? kept->threshold[TRUST_RELEASE] : 1;

	if (!kept->keys.n || n >= need)
		return 0;
	err_set(err, E_STATE, "the remembered keys for releases would be %zu, of %u needed", n,
		need);
	return err_hint(err, "%s", remedy);
}

int trust_remember(struct trust *t, char *const *files, enum trust_role role, struct err *err)
{
	AUTO(trust_root) struct trust_root given = TRUST_ROOT_INIT;

	if (t->past.root.version) {
		err_set(err, E_STATE,
			"a root, version %llu, is in force here: keys beside it have no effect",
			(unsigned long long)t->past.root.version);
		return err_hint(err, "use %s", advice("keys rotate"));
	}
	if (trust_keys_of_files(&given, files, role, err) < 0)
		return -1;
	t->learned |= given.keys.n > 0;
	if (trust_keys_remember(t, &given, err) < 0)
		return -1;
	return check_enough(&t->past.keys,
			    "remember a key for releases first, without --role channel", err);
}

int trust_forget(struct trust *t, const char *id, struct err *err)
{
	struct trust_root *kept = &t->past.keys;
	size_t n = 0;

	for (size_t i = 0; i < kept->keys.n; i++) {
		char hex[17];

		minisig_id_hex(kept->keys.v[i].key.id, hex);
		if (strcasecmp(hex, id) == 0)
			free(kept->keys.v[i].name);
		else
			kept->keys.v[n++] = kept->keys.v[i];
	}
	if (n == kept->keys.n) {
		err_set(err, E_NOT_FOUND, "no remembered key has the id %.40s", id);
		return err_hint(err, "%s lists them", advice("keys show"));
	}
	kept->keys.n = n;
	t->learned = true;
	if (check_enough(kept, "remember another key first, or forget all of them", err) < 0)
		return err_wrap(err, "without the key %.40s", id);
	return 0;
}

void trust_forget_all(struct trust *t)
{
	t->learned |= t->past.keys.keys.n > 0;
	trust_root_release(&t->past.keys);
}

struct json *trust_remembered(const struct trust *t)
{
	return keys_json(&t->past.keys);
}

/* --- the memory --- */

bool trust_has_learned(const struct trust *t)
{
	return t->learned;
}

bool trust_has_memory(const struct trust *t)
{
	return t->past.serials.n || t->past.time || t->past.root.version;
}

char *trust_memory(const struct trust *t)
{
	struct trust_past now = t->past; /* a shallow copy, with another decision */
	AUTO(json) struct json *decided = t->memory_only ? NULL : trust_report(t);

	if (decided)
		now.decided = decided;
	return trust_past_format(&now);
}

char *trust_kept(const struct trust *t, bool entry)
{
	return trust_kept_format(&t->kept, entry ? &t->past : NULL);
}
