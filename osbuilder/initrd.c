// SPDX-License-Identifier: Apache-2.0
/*
 * Reads manifests and packs exactly the entries that they list. Rejects an entry whose directory is
 * not listed before it: the kernel would silently drop that entry.
 */
#include "osbuilder/initrd.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { MANIFEST_MAX = 1 << 20, SOURCE_MAX = 64 << 20 };

struct initrd {
	const struct initrd_options *options;
	struct pack *pack;
	const char *folder;    /* the directory of the current manifest */
	char **dirs, **others; /* the paths so far: directories, and all other entries */
};

static void initrd_release(struct initrd *rd)
{
	strv_free(rd->dirs);
	strv_free(rd->others);
}

DEFINE_AUTO_STRUCT(initrd, struct initrd, initrd_release)

static int check_path(const struct initrd *rd, const char *path, struct err *err)
{
	AUTO(str) char *clean = path_clean(path);
	AUTO(str) char *parent = NULL;
	size_t dir_len;

	if (path[0] != '/' || !path[1] || !str_eq(path, clean))
		return err_set(err, E_INVALID, "'%s' is not a clean absolute path", path);
	if (strv_has(rd->dirs, path) || strv_has(rd->others, path))
		return err_set(err, E_INVALID, "%s is listed already", path);
	dir_len = (size_t)(path_basename(path) - path) - 1;
	parent = xstrndup(path, dir_len);
	if (dir_len > 0 && !strv_has(rd->dirs, parent))
		return err_set(err, E_INVALID, "%s: directory %s is not listed before it", path,
			       parent);
	return 0;
}

/* Parses the fields MODE UID GID. */
static int parse_owner(char *const *field, struct pack_entry *entry, struct err *err)
{
	uint64_t mode, uid, gid;

	if (str_u64(field[0], 8, 0, 07777, "mode", &mode, err) < 0 ||
	    str_u64(field[1], 10, 0, UINT32_MAX - 1, "user id", &uid, err) < 0 ||
	    str_u64(field[2], 10, 0, UINT32_MAX - 1, "group id", &gid, err) < 0)
		return -1;
	entry->mode |= (mode_t)mode;
	entry->uid = (uid_t)uid;
	entry->gid = (gid_t)gid;
	return 0;
}

/* Returns the path of a SOURCE on this machine, which the caller frees; NULL on error. */
static char *resolve_source(const struct initrd *rd, const char *source, struct err *err)
{
	AUTO(str) char *name = NULL;
	const char *rest, *value;

	if (source[0] == '/')
		return xstrdup(source);
	if (source[0] != '$')
		return path_join(rd->folder, source);
	rest = source + strcspn(source, "/");
	name = xstrndup(source + 1, (size_t)(rest - source) - 1);
	value = strv_env_get(rd->options->vars, name);
	if (!value) {
		err_set(err, E_INVALID, "variable '%s' is not set", name);
		return NULL;
	}
	return str_fmt("%s%s", value, rest);
}

static int add_dir(struct initrd *rd, char *const *field, struct err *err)
{
	struct pack_entry entry = { .path = field[1] + 1, .mode = S_IFDIR };

	if (parse_owner(field + 2, &entry, err) < 0 || pack_add(rd->pack, &entry, err) < 0)
		return -1;
	strv_push(&rd->dirs, field[1]);
	return 0;
}

static int add_file(struct initrd *rd, char *const *field, struct err *err)
{
	struct pack_entry entry = { .path = field[1] + 1, .mode = S_IFREG };
	AUTO(buf) struct buf data = BUF_INIT(SOURCE_MAX);
	AUTO(str) char *source = NULL;
	struct stat st;

	if (parse_owner(field + 2, &entry, err) < 0)
		return -1;
	source = resolve_source(rd, field[5], err);
	if (!source)
		return -1;
	if (stat(source, &st) < 0)
		return err_sys(err, "%s", source);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "%s is not a regular file", source);
	if (file_read(AT_FDCWD, source, SOURCE_MAX, &data, err) < 0)
		return -1;
	entry.data = data.data;
	entry.len = data.len;
	return pack_add(rd->pack, &entry, err);
}

static int add_link(struct initrd *rd, char *const *field, struct err *err)
{
	struct pack_entry entry = {
		.path = field[1] + 1,
		.mode = S_IFLNK | 0777,
		.target = field[2],
	};

	return pack_add(rd->pack, &entry, err);
}

static int add_node(struct initrd *rd, char *const *field, struct err *err)
{
	struct pack_entry entry = { .path = field[1] + 1 };
	uint64_t major_number, minor_number;

	if (!str_eq(field[5], "c") && !str_eq(field[5], "b"))
		return err_set(err, E_INVALID, "'%s' is not a type of device: c or b", field[5]);
	entry.mode = field[5][0] == 'c' ? S_IFCHR : S_IFBLK;
	if (parse_owner(field + 2, &entry, err) < 0 ||
	    str_u64(field[6], 10, 0, 4095, "major number", &major_number, err) < 0 ||
	    str_u64(field[7], 10, 0, (1 << 20) - 1, "minor number", &minor_number, err) < 0)
		return -1;
	entry.device = makedev((unsigned)major_number, (unsigned)minor_number);
	return pack_add(rd->pack, &entry, err);
}

static const struct kind {
	const char *name;
	size_t fields;
	const char *usage;
	int (*add)(struct initrd *rd, char *const *field, struct err *err);
} kinds[] = {
	{ "dir", 5, "dir PATH MODE UID GID", add_dir },
	{ "file", 6, "file PATH MODE UID GID SOURCE", add_file },
	{ "link", 3, "link PATH TARGET", add_link },
	{ "node", 8, "node PATH MODE UID GID c|b MAJOR MINOR", add_node },
};

static int add_line(struct initrd *rd, const char *line, struct err *err)
{
	AUTO(strv) char **field = strv_split(line, " \t");
	size_t n = strv_len(field);

	if (n == 0 || field[0][0] == '#')
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_eq(field[0], kinds[i].name))
			continue;
		if (n != kinds[i].fields)
			return err_set(err, E_INVALID, "expected %s", kinds[i].usage);
		if (check_path(rd, field[1], err) < 0 || kinds[i].add(rd, field, err) < 0)
			return -1;
		if (kinds[i].add != add_dir)
			strv_push(&rd->others, field[1]);
		return 0;
	}
	return err_set(err, E_INVALID, "unknown type of entry '%s'", field[0]);
}

static int add_manifest(struct initrd *rd, const char *file, struct err *err)
{
	AUTO(str) char *folder = xstrndup(file, (size_t)(path_basename(file) - file));
	AUTO(buf) struct buf text = BUF_INIT(MANIFEST_MAX);
	const char *at, *end;
	size_t line = 0;

	if (file_read(AT_FDCWD, file, MANIFEST_MAX, &text, err) < 0)
		return -1;
	rd->folder = *folder ? folder : ".";
	for (at = buf_cstr(&text); *at; at = *end ? end + 1 : end) {
		AUTO(str) char *one = NULL;

		line++;
		end = at + strcspn(at, "\n");
		one = xstrndup(at, (size_t)(end - at));
		if (add_line(rd, one, err) < 0)
			return err_wrap(err, "%s:%zu", file, line);
	}
	if (at != text.data + text.len && text.len > 0)
		return err_set(err, E_INVALID, "%s:%zu: a NUL byte", file, line);
	return 0;
}

int initrd_build(char *const *manifests, const struct initrd_options *o, struct buf *out,
		 struct err *err)
{
	AUTO(initrd) struct initrd rd = { .options = o };
	AUTO(pack) struct pack *pack = pack_new(o->filter, o->mtime, out, err);

	if (!pack)
		return -1;
	rd.pack = pack;
	strv_each(manifest, manifests)
		if (add_manifest(&rd, *manifest, err) < 0)
			return -1;
	return pack_finish(pack, err);
}
