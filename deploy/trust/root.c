// SPDX-License-Identifier: Apache-2.0
/* Sets of keys; reads them from files, the trust directory, the program and root.json. */

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/builtin.h"
#include "deploy/trust/trust-internal.h"
#include "json/fields.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

void trust_root_release(struct trust_root *root)
{
	vec_each(struct trust_key, k, &root->keys)
		free(k->name);
	vec_release(&root->keys);
	*root = (struct trust_root){ .keys = VEC_INIT };
}

const char *trust_role_name(enum trust_role role)
{
	static const char *const names[] = { "release", "channel" };

	return names[role];
}

struct trust_key *trust_root_find(const struct trust_root *root, const struct minisig_key *key)
{
	vec_each(struct trust_key, k, &root->keys) {
		if (memcmp(k->key.key, key->key, sizeof(key->key)) == 0)
			return k;
	}
	return NULL;
}

int trust_root_add(struct trust_root *root, const struct minisig_key *key, unsigned roles,
		   const char *name, struct err *err)
{
	struct trust_key *there = trust_root_find(root, key), k = { .key = *key, .roles = roles };

	if (there) {
		there->roles |= roles;
		return 0;
	}
	if (root->keys.n == TRUST_KEYS_MAX)
		return err_set(err, E_LIMIT, "%s: more than %d keys", name, TRUST_KEYS_MAX);
	k.name = xstrdup(name);
	vec_push(&root->keys, k);
	return 0;
}

int trust_root_copy(struct trust_root *to, const struct trust_root *from, struct err *err)
{
	trust_root_release(to);
	vec_each(struct trust_key, k, &from->keys) {
		if (trust_root_add(to, &k->key, k->roles, k->name, err) < 0)
			return -1;
		to->keys.v[to->keys.n - 1].since = k->since;
	}
	to->version = from->version;
	to->expires = from->expires;
	memcpy(to->threshold, from->threshold, sizeof(to->threshold));
	return 0;
}

size_t trust_root_count(const struct trust_root *root, enum trust_role role)
{
	size_t n = 0;

	vec_each(struct trust_key, k, &root->keys)
		n += (k->roles & TRUST_BIT(role)) != 0;
	return n;
}

bool trust_root_is_split(const struct trust_root *root)
{
	vec_each(struct trust_key, k, &root->keys) {
		if (k->roles != TRUST_BOTH)
			return true;
	}
	return root->threshold[TRUST_CHANNEL] != root->threshold[TRUST_RELEASE];
}

static bool has_keys_of(const struct trust_root *root, const struct trust_root *other,
			enum trust_role role)
{
	vec_each(struct trust_key, k, &other->keys) {
		const struct trust_key *there = trust_root_find(root, &k->key);

		if ((k->roles & TRUST_BIT(role)) && (!there || !(there->roles & TRUST_BIT(role))))
			return false;
	}
	return true;
}

bool trust_root_agrees(const struct trust_root *a, const struct trust_root *b, enum trust_role role)
{
	/* A threshold that is not given is 1. */
	unsigned one = a->threshold[role], other = b->threshold[role];

	return (one ? one : 1) == (other ? other : 1) && has_keys_of(a, b, role) &&
	       has_keys_of(b, a, role);
}

void trust_root_settle(struct trust_root *root)
{
	if (trust_root_count(root, TRUST_CHANNEL))
		return;
	vec_each(struct trust_key, k, &root->keys)
		k->roles = TRUST_BOTH;
	root->threshold[TRUST_CHANNEL] = root->threshold[TRUST_RELEASE];
}

static int add_text(struct trust_root *root, const char *text, size_t len, unsigned roles,
		    const char *name, struct err *err)
{
	struct minisig_key key;

	return minisig_key_parse(&key, text, len, name, err) < 0
		       ? -1
		       : trust_root_add(root, &key, roles, name, err);
}

static int add_file(struct trust_root *root, int dir, const char *path, unsigned roles,
		    const char *name, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);

	if (file_read(dir, path, MINISIG_TEXT_MAX, &text, err) < 0)
		return err_wrap(err, "key %s", name);
	return add_text(root, buf_cstr(&text), text.len, roles, name, err);
}

int trust_keys_of_files(struct trust_root *root, char *const *files, enum trust_role role,
			struct err *err)
{
	strv_each(file, files) {
		if (add_file(root, AT_FDCWD, *file, TRUST_BIT(role), *file, err) < 0)
			return -1;
	}
	return 0;
}

int trust_keys_built_in(struct trust_root *root, struct err *err)
{
	for (const char *const *key = trust_builtin_keys(); *key; key++) {
		if (add_text(root, *key, strlen(*key), TRUST_BIT(TRUST_RELEASE), "a built-in key",
			     err) < 0)
			return -1;
	}
	return 0;
}

static int is_key_file(const struct dirent *e)
{
	return e->d_name[0] != '.' && str_ends(e->d_name, ".pub");
}

/* Returns an fd; -1 without an error if the directory does not exist. */
static int open_directory(const char *path, struct err *err)
{
	int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd < 0 && path && errno != ENOENT && errno != ENOTDIR)
		return err_sys(err, "open %s", path);
	return fd;
}

int trust_keys_of_directory(struct trust_root *root, const char *path, struct err *err)
{
	AUTO(fd) int dir = open_directory(path, err);
	struct dirent **names = NULL;
	int n, rc = 0;

	if (dir < 0)
		return err->code ? -1 : 0;
	n = scandirat(dir, ".", &names, is_key_file, alphasort);
	if (n < 0)
		return err_sys(err, "list %s", path);
	for (int i = 0; i < n; i++) {
		AUTO(str) char *name = path_join(path, names[i]->d_name);

		if (rc == 0)
			rc = add_file(root, dir, names[i]->d_name,
				      TRUST_BIT(str_ends(name, TRUST_CHANNEL_PUB) ? TRUST_CHANNEL
										  : TRUST_RELEASE),
				      name, err);
		free(names[i]);
	}
	free(names);
	return rc;
}

int trust_root_of_directory(struct trust_root *root, const char *path, struct err *err)
{
	AUTO(fd) int dir = open_directory(path, err);
	AUTO(buf) struct buf text = BUF_INIT(TRUST_ROOT_MAX);
	AUTO(json) struct json *j = NULL;

	if (dir < 0)
		return err->code ? -1 : 0;
	if (file_read(dir, "root.json", TRUST_ROOT_MAX, &text, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return err_wrap(err, "%s", path);
		err_clear(err);
		return 0;
	}
	j = json_parse(buf_cstr(&text), text.len, "root.json", err);
	if (!j || trust_root_read(root, j, "root.json", err) < 0)
		return err_wrap(err, "%s", path);
	return 1;
}

/* Parses a list of keys, each a line of base64. A key may have both roles, but each only once. */
static int parse_keys(struct trust_root *root, const struct json *list, unsigned roles,
		      const char *name, struct err *err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *text = json_at(list, i);
		AUTO(str) char *label = str_fmt("%s, key %zu", name, i + 1);
		struct minisig_key key;
		struct trust_key *there;

		if (json_kind(text) != JSON_IS_STRING)
			return err_set(err, E_INVALID, "%s is not a string", label);
		if (minisig_key_parse(&key, json_text(text), strlen(json_text(text)), label, err) <
		    0)
			return -1;
		there = trust_root_find(root, &key);
		if (there && (there->roles & roles))
			return err_set(err, E_INVALID, "%s is a duplicate", label);
		if (trust_root_add(root, &key, roles, label, err) < 0)
			return -1;
	}
	return 0;
}

/* Parses the keys and the threshold of one role, or of both roles. */
static int parse_set(struct trust_root *root, const struct json *keys, uint64_t threshold,
		     unsigned roles, const char *name, struct err *err)
{
	if (parse_keys(root, keys, roles, name, err) < 0)
		return -1;
	if (threshold == 0 || threshold > json_count(keys))
		return err_set(err, E_INVALID, "%s: threshold %llu of %zu keys", name,
			       (unsigned long long)threshold, json_count(keys));
	for (unsigned role = 0; role < TRUST_ROLES; role++) {
		if (roles & TRUST_BIT(role))
			root->threshold[role] = (unsigned)threshold;
	}
	return 0;
}

static int parse_role(struct trust_root *root, struct fields *roles, enum trust_role role,
		      const char *name, struct err *err)
{
	AUTO(str) char *label = str_fmt("%s, role %s", name, trust_role_name(role));
	const struct json *j, *keys;
	uint64_t threshold;
	struct fields f;

	if (fields_object(roles, trust_role_name(role), &j, err) < 0)
		return -1;
	if (!j)
		return err_set(err, E_INVALID, "%s is missing", label);
	if (fields_begin(&f, j, label, err) < 0 || fields_array(&f, "keys", &keys, err) < 0 ||
	    fields_u64(&f, "threshold", true, &threshold, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	return parse_set(root, keys, threshold, TRUST_BIT(role), label, err);
}

static int parse_roles(struct trust_root *root, const struct json *roles, const char *name,
		       struct err *err)
{
	struct fields f;

	if (fields_begin(&f, roles, name, err) < 0)
		return -1;
	for (unsigned role = 0; role < TRUST_ROLES; role++) {
		if (parse_role(root, &f, role, name, err) < 0)
			return -1;
	}
	return fields_end(&f, err);
}

int trust_root_parse(struct trust_root *root, const struct json *j, const char *name,
		     struct err *err)
{
	bool split = json_kind(j) == JSON_IS_OBJECT && json_get(j, "roles");
	const struct json *keys = NULL, *roles = NULL;
	uint64_t threshold = 0;
	const char *expires;
	struct fields f;

	if (fields_begin(&f, j, name, err) < 0 ||
	    fields_u64(&f, "version", true, &root->version, err) < 0 ||
	    fields_text(&f, "expires", true, &expires, err) < 0)
		return -1;
	if (split ? fields_object(&f, "roles", &roles, err) < 0
		  : fields_array(&f, "keys", &keys, err) < 0 ||
			    fields_u64(&f, "threshold", true, &threshold, err) < 0)
		return -1;
	if (fields_end(&f, err) < 0 ||
	    (split ? parse_roles(root, roles, name, err)
		   : parse_set(root, keys, threshold, TRUST_BOTH, name, err)) < 0)
		return -1;
	if (stamp_parse(expires, "expires", &root->expires, err) < 0)
		return err_wrap(err, "%s", name);
	if (root->version == 0 || root->expires == 0)
		return err_set(err, E_INVALID,
			       "%s: the version must be at least 1, and it must expire", name);
	return 0;
}

int trust_root_read(struct trust_root *root, const struct json *j, const char *name,
		    struct err *err)
{
	if (trust_root_parse(root, j, name, err) == 0)
		return 0;
	return err->code == E_INVALID ? err_hint(err, "make it again with kata-deploy keys root")
				      : -1;
}

char *trust_key_line(const struct minisig_key *key)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	const char *line;

	minisig_key_format(key, &text);
	line = strchr(text.data, '\n') + 1;
	return xstrndup(line, strcspn(line, "\n"));
}

static void put_set(struct json *j, const struct trust_root *root, enum trust_role role)
{
	struct json *keys = json_make_array();

	vec_each(struct trust_key, k, &root->keys) {
		AUTO(str) char *line = trust_key_line(&k->key);

		if (k->roles & TRUST_BIT(role))
			json_add(keys, json_make_string(line));
	}
	json_put(j, "keys", keys);
	json_put(j, "threshold", json_make_u64(root->threshold[role]));
}

struct json *trust_root_json(const struct trust_root *root)
{
	struct json *j = json_make_object(), *roles;
	char expires[STAMP_SIZE];

	stamp_format(root->expires, expires);
	json_put(j, "version", json_make_u64(root->version));
	json_put(j, "expires", json_make_string(expires));
	if (!trust_root_is_split(root)) {
		put_set(j, root, TRUST_RELEASE);
		return j;
	}
	roles = json_make_object();
	for (unsigned role = 0; role < TRUST_ROLES; role++) {
		struct json *set = json_make_object();

		put_set(set, root, role);
		json_put(roles, trust_role_name(role), set);
	}
	json_put(j, "roles", roles);
	return j;
}
