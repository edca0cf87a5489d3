// SPDX-License-Identifier: Apache-2.0
/* Reads and writes the records of direct-assigned volumes. */

#include "device/volume.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "json/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD "mountInfo.json"
enum { RECORD_MAX = 1 << 20, GROUP_MAX = INT32_MAX };

void volume_release(struct volume *v)
{
	free(v->device);
	free(v->fstype);
	strv_free(v->options);
	*v = (struct volume)VOLUME_NONE;
}

char *volume_name(const char *path)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	size_t len = strlen(path), at = 0;
	char *name = xcalloc((len + 2) / 3 * 4 + 1, 1);

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = 0;

		for (size_t k = 0; k < 3; k++)
			bits = bits << 8 | (k < n ? (unsigned char)path[i + k] : 0);
		for (size_t k = 0; k < 4; k++)
			name[at++] = k <= n ? digits[bits >> (18 - 6 * k) & 63] : '=';
	}
	return name;
}

static char *dir_of(const char *path, struct err *err)
{
	AUTO(str) char *clean = path_clean(path), *name = NULL;

	if (*path != '/') {
		err_set(err, E_INVALID, "the volume's path '%s' is not absolute", path);
		return NULL;
	}
	name = volume_name(clean);
	return path_join(VOLUME_DIR, name);
}

/* --- the record --- */

static int parse_group(const struct json *j, struct volume *out, struct err *err)
{
	const struct json *metadata = json_get(j, "metadata");
	const char *group = metadata ? json_get_text(metadata, "fsGroup") : NULL;
	const char *policy = metadata ? json_get_text(metadata, "fsGroupChangePolicy") : NULL;
	uint64_t number;

	if (group) {
		if (str_u64(group, 10, 0, GROUP_MAX, "metadata.fsGroup", &number, err) < 0)
			return -1;
		out->has_group = true;
		out->group = (uint32_t)number;
	}
	if (policy && !str_eq(policy, "Always") && !str_eq(policy, "OnRootMismatch"))
		return err_set(err, E_INVALID,
			       "metadata.fsGroupChangePolicy is '%s', not Always or "
			       "OnRootMismatch",
			       policy);
	out->on_mismatch_only = str_eq(policy, "OnRootMismatch");
	return 0;
}

static int parse_members(const struct json *j, struct volume *out, struct err *err)
{
	const char *type = json_get_text(j, "volume-type"), *device = json_get_text(j, "device"),
		   *fstype = json_get_text(j, "fstype");

	if (!str_eq(type, "block") && !str_eq(type, "directvol"))
		return err_set(err, E_UNSUPPORTED,
			       "volume-type is '%s'; supported are block and directvol",
			       type ? type : "");
	if (str_empty(device) || *device != '/')
		return err_set(err, E_INVALID, "device is not the absolute path of a block device");
	if (str_empty(fstype))
		return err_set(err, E_INVALID, "fstype is missing");
	if (json_get(j, "options") && json_get_strings(j, "options", &out->options) < 0)
		return err_set(err, E_INVALID, "options is not a list of strings");
	out->device = xstrdup(device);
	out->fstype = xstrdup(fstype);
	return parse_group(j, out, err);
}

int volume_parse(const char *json, struct volume *out, struct err *err)
{
	AUTO(json) struct json *j = json_parse(json, strlen(json), "mount info", err);

	*out = (struct volume)VOLUME_NONE;
	if (!j)
		return -1;
	if (json_kind(j) != JSON_IS_OBJECT)
		return err_set(err, E_INVALID, "mount info: not an object");
	return parse_members(j, out, err) < 0 ? err_wrap(err, "mount info") : 0;
}

int volume_add(const char *path, const char *json, struct err *err)
{
	AUTO(volume) struct volume v = VOLUME_NONE;
	AUTO(str) char *dir = dir_of(path, err), *file = NULL;

	if (!dir || volume_parse(json, &v, err) < 0 || path_make(dir, 0700, err) < 0)
		return -1;
	file = path_join(dir, RECORD);
	return file_replace_volatile(AT_FDCWD, file, json, strlen(json), 0600, err);
}

int volume_find(const char *path, struct volume *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RECORD_MAX);
	AUTO(str) char *dir = dir_of(path, err), *file = NULL;
	struct err missing = ERR_INIT;

	*out = (struct volume)VOLUME_NONE;
	if (!dir)
		return -1;
	file = path_join(dir, RECORD);
	if (file_read(AT_FDCWD, file, RECORD_MAX, &text, &missing) < 0) {
		/* A path too long for a file name cannot have a record. */
		if (missing.sys == ENOENT || missing.sys == ENOTDIR || missing.sys == ENAMETOOLONG)
			return 0;
		*err = missing;
		return -1;
	}
	return volume_parse(buf_cstr(&text), out, err) < 0 ? err_wrap(err, "volume %s", path) : 1;
}

/* --- its users --- */

int volume_mark(const char *path, const char *key, const char *state_dir, struct err *err)
{
	AUTO(str) char *dir = dir_of(path, err), *file = dir ? path_join(dir, key) : NULL;

	return file ? file_note(file, state_dir, strlen(state_dir), 0600, err) : -1;
}

void volume_unmark(const char *path, const char *key)
{
	struct err invalid = ERR_INIT; /* such a path was never marked */
	AUTO(str) char *dir = dir_of(path, &invalid), *file = dir ? path_join(dir, key) : NULL;

	if (file)
		(void)unlink(file);
}

static void add_user(const char *dir, const char *name, char ***dirs)
{
	struct err gone = ERR_INIT;
	AUTO(str) char *file = path_join(dir, name);
	AUTO(str) char *state_dir = file_read_line(AT_FDCWD, file, &gone);

	if (state_dir)
		strv_push(dirs, state_dir);
}

static int list_users(const char *path, char ***dirs, struct err *err)
{
	AUTO(str) char *name = dir_of(path, err);
	AUTO(dir) DIR *dir = name ? opendir(name) : NULL;

	if (!name)
		return -1;
	if (!dir) {
		err_set(err, E_NOT_FOUND, "there is no record of the volume %s", path);
		return err_hint(err, "kata-runtime direct-volume add makes one");
	}
	for (struct dirent *e; (e = readdir(dir));) {
		if (e->d_name[0] != '.' && !str_eq(e->d_name, RECORD))
			add_user(name, e->d_name, dirs);
	}
	return 0;
}

int volume_users(const char *path, char ***dirs, struct err *err)
{
	if (list_users(path, dirs, err) < 0)
		return -1;
	return *dirs ? 0 : err_set(err, E_NOT_FOUND, "no sandbox uses the volume %s", path);
}

int volume_remove(const char *path, struct err *err)
{
	AUTO(strv) char **users = NULL;
	AUTO(str) char *dir = dir_of(path, err);

	if (!dir || list_users(path, &users, err) < 0)
		return -1;
	if (users) {
		err_set(err, E_STATE, "the sandbox %s uses the volume %s", path_basename(users[0]),
			path);
		return err_hint(err, "remove its pod first");
	}
	return path_remove_tree(dir, err);
}
