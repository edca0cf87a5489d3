// SPDX-License-Identifier: Apache-2.0
/* Sets of keys, and where they come from. */

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

static bool has_key(const struct trust_root *root, const struct minisig_key *key)
{
	vec_each(struct trust_key, k, &root->keys) {
		if (memcmp(k->key.key, key->key, sizeof(key->key)) == 0)
			return true;
	}
	return false;
}

int trust_root_add(struct trust_root *root, const struct minisig_key *key, const char *name,
		   struct err *err)
{
	struct trust_key k = { *key, NULL };

	if (has_key(root, key))
		return 0;
	if (root->keys.n == TRUST_KEYS_MAX)
		return err_set(err, E_LIMIT, "%s: more than %d keys", name, TRUST_KEYS_MAX);
	k.name = xstrdup(name);
	vec_push(&root->keys, k);
	return 0;
}

static int add_text(struct trust_root *root, const char *text, size_t len, const char *name,
		    struct err *err)
{
	struct minisig_key key;

	return minisig_key_parse(&key, text, len, name, err) < 0
		       ? -1
		       : trust_root_add(root, &key, name, err);
}

static int add_file(struct trust_root *root, int dir, const char *path, const char *name,
		    struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);

	if (file_read(dir, path, MINISIG_TEXT_MAX, &text, err) < 0)
		return err_wrap(err, "key %s", name);
	return add_text(root, buf_cstr(&text), text.len, name, err);
}

int trust_keys_of_files(struct trust_root *root, char *const *files, struct err *err)
{
	strv_each(file, files) {
		if (add_file(root, AT_FDCWD, *file, *file, err) < 0)
			return -1;
	}
	return 0;
}

int trust_keys_built_in(struct trust_root *root, struct err *err)
{
	for (const char *const *key = trust_builtin_keys(); *key; key++) {
		if (add_text(root, *key, strlen(*key), "a built-in key", err) < 0)
			return -1;
	}
	return 0;
}

static int is_key_file(const struct dirent *e)
{
	return e->d_name[0] != '.' && str_ends(e->d_name, ".pub");
}

/* An fd; -1 without an error if it is not there. */
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
			rc = add_file(root, dir, names[i]->d_name, name, err);
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
	if (!j || trust_root_parse(root, j, "root.json", err) < 0)
		return err_wrap(err, "%s", path);
	return 1;
}

static int parse_keys(struct trust_root *root, const struct json *list, const char *name,
		      struct err *err)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *text = json_at(list, i);
		AUTO(str) char *label = str_fmt("%s, key %zu", name, i + 1);
		size_t before = root->keys.n;

		if (json_kind(text) != JSON_IS_STRING)
			return err_set(err, E_INVALID, "%s is not a string", label);
		if (add_text(root, json_text(text), strlen(json_text(text)), label, err) < 0)
			return -1;
		if (root->keys.n == before)
			return err_set(err, E_INVALID, "%s is a duplicate", label);
	}
	return 0;
}

int trust_root_parse(struct trust_root *root, const struct json *j, const char *name,
		     struct err *err)
{
	const struct json *keys;
	const char *expires;
	uint64_t threshold;
	struct fields f;

	if (fields_begin(&f, j, name, err) < 0 ||
	    fields_u64(&f, "version", true, &root->version, err) < 0 ||
	    fields_array(&f, "keys", &keys, err) < 0 ||
	    fields_u64(&f, "threshold", true, &threshold, err) < 0 ||
	    fields_text(&f, "expires", true, &expires, err) < 0 || fields_end(&f, err) < 0 ||
	    parse_keys(root, keys, name, err) < 0)
		return -1;
	if (stamp_parse(expires, "expires", &root->expires, err) < 0)
		return err_wrap(err, "%s", name);
	if (root->version == 0 || root->expires == 0)
		return err_set(err, E_INVALID,
			       "%s: the version must be at least 1, and it must expire", name);
	if (threshold == 0 || threshold > root->keys.n)
		return err_set(err, E_INVALID, "%s: threshold %llu of %zu keys", name,
			       (unsigned long long)threshold, root->keys.n);
	root->threshold = (unsigned)threshold;
	return 0;
}

/* The line of base64 of a key. */
static struct json *key_json(const struct minisig_key *key)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	char *line;

	minisig_key_format(key, &text);
	line = strchr(text.data, '\n') + 1;
	line[strcspn(line, "\n")] = '\0';
	return json_make_string(line);
}

struct json *trust_root_json(const struct trust_root *root)
{
	struct json *j = json_make_object(), *keys = json_make_array();
	char expires[STAMP_SIZE];

	stamp_format(root->expires, expires);
	vec_each(struct trust_key, k, &root->keys)
		json_add(keys, key_json(&k->key));
	json_put(j, "version", json_make_u64(root->version));
	json_put(j, "keys", keys);
	json_put(j, "threshold", json_make_u64(root->threshold));
	json_put(j, "expires", json_make_string(expires));
	return j;
}
