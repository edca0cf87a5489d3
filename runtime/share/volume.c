// SPDX-License-Identifier: Apache-2.0
#include "share/volume.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"
#include "share/share.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SHM_PLACE   "/run/kata-containers/sandbox/shm"
#define EMPTY_PLACE "/run/kata-containers/sandbox/ephemeral"
#define SUB_PLACE   "/run/kata-containers/sandbox/subpaths"

/* The source of a bind mount, as the host has it. */
struct source {
	char *path, *real; /* as it was asked for, and without links */
	const char *name;  /* the last part of path */
	struct stat st;
	/* If it is the root of a file system that is mounted there, else NULL. */
	const struct mount_entry *mount;
	struct mount_list list;
};

static void source_release(struct source *s)
{
	free(s->path);
	free(s->real);
	mount_list_release(&s->list);
}
DEFINE_AUTO_STRUCT(source, struct source, source_release)

/* The last one mounted there is the one that is seen. */
static int look_at(const char *path, struct source *s, struct err *err)
{
	AUTO(fd) int fd = open(path, O_PATH | O_CLOEXEC);

	s->real = fd < 0 ? NULL : fd_path(fd);
	s->path = path_clean(path);
	s->name = path_basename(s->path);
	if (fd < 0 || fstat(fd, &s->st) < 0)
		return err_sys(err, "open %s", path);
	if (mount_list_read(&s->list, err) < 0)
		return -1;
	for (size_t i = 0; i < s->list.n; i++) {
		const struct mount_entry *m = &s->list.v[i];

		if (str_eq(m->target, s->real) && str_eq(m->root, "/") &&
		    makedev(m->major, m->minor) == s->st.st_dev)
			s->mount = m;
	}
	return 0;
}

static bool is_of_type(const struct source *s, const char *type)
{
	return s->mount && str_eq(s->mount->type, type);
}

bool volume_is_empty_dir(const char *source)
{
	AUTO(str) char *clean = path_clean(source);
	AUTO(strv) char **parts = strv_split(clean, "/");
	size_t n = strv_len(parts);

	return *clean == '/' && n >= 2 && str_eq(parts[n - 2], "kubernetes.io~empty-dir");
}

/* --- what the guest mounts --- */

/* An option of the host's mount, "NAME=VALUE" with that prefix, or NULL; heap. */
static char *option_of(const struct mount_entry *m, const char *prefix)
{
	AUTO(strv) char **options = strv_split(m->super_options, ",");

	strv_each(o, options) {
		if (str_starts(*o, prefix))
			return xstrdup(*o);
	}
	return NULL;
}

static void keep_option(Grpc__Storage *storage, const struct mount_entry *m, const char *prefix)
{
	AUTO(str) char *option = option_of(m, prefix);

	if (option)
		storage_option(storage, option);
}

static void keep_flags(Grpc__Storage *storage, const struct mount_entry *m)
{
	static const char *const flags[] = { "noexec", "nosuid", "nodev" };
	AUTO(strv) char **has = strv_split(m->options, ",");

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		if (strv_has(has, flags[i]))
			storage_option(storage, flags[i]);
	}
}

/* fsgid is what upstream's agent looks at. */
static void keep_owner(Grpc__Storage *storage, const struct stat *st)
{
	AUTO(str) char *mode = str_fmt("mode=%o", st->st_mode & 07777);
	AUTO(str) char *group = str_fmt("fsgid=%u", st->st_gid);

	storage_option(storage, mode);
	if (st->st_gid != 0)
		storage_option(storage, group);
}

/* Without a size on the host, the guest's default holds: half of its memory. */
static void add_memory(const struct source *s, const char *name, const char *place,
		       struct storages *storages)
{
	Grpc__Storage *storage = storages_add(storages, "ephemeral", name, "tmpfs", place);

	keep_flags(storage, s->mount);
	keep_option(storage, s->mount, "size=");
	keep_option(storage, s->mount, "nr_inodes=");
	keep_owner(storage, &s->st);
}

static void add_local(const struct source *s, const char *place, struct storages *storages)
{
	keep_owner(storages_add(storages, "local", "local", "local", place), &s->st);
}

/* --- huge pages --- */

/* "2M" (the kernel), "2MB" (the specification); a power of 1024. */
static int page_bytes(const char *text, uint64_t *bytes, struct err *err)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(text, "0123456789");
	AUTO(str) char *number = xstrndup(text, digits);
	const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
	uint64_t n;

	if (!unit || (text[digits + 1] && !str_eq(text + digits + 1, "B")))
		return err_set(err, E_INVALID, "'%s' is not a size of huge pages", text);
	if (str_u64(number, 10, 1, 1 << 20, "size of huge pages", &n, err) < 0)
		return -1;
	*bytes = n << (10 * (unit - units + 1));
	return 0;
}

static int limit_of(const struct oci_resources *r, uint64_t page, uint64_t *limit, struct err *err)
{
	*limit = 0;
	for (size_t i = 0; r && i < r->n_hugepage_limits; i++) {
		uint64_t size;

		if (page_bytes(r->hugepage_limits[i].page_size, &size, err) < 0)
			return -1;
		if (size == page)
			*limit = r->hugepage_limits[i].limit;
	}
	return 0;
}

/* size: what the guest is to set aside. The pages of a container are counted by its control group. */
static int add_huge(const struct source *s, const struct oci_resources *limits, const char *place,
		    struct storages *storages, struct err *err)
{
	AUTO(str) char *said = option_of(s->mount, "pagesize=");
	AUTO(str) char *page_option = NULL, *size_option = NULL;
	Grpc__Storage *storage;
	uint64_t page, size;

	if (page_bytes(said ? said + strlen("pagesize=") : "", &page, err) < 0 ||
	    limit_of(limits, page, &size, err) < 0)
		return -1;
	page_option = str_fmt("pagesize=%llu", (unsigned long long)page);
	size_option = str_fmt("size=%llu", (unsigned long long)size);
	storage = storages_add(storages, "ephemeral", "nodev", "hugetlbfs", place);
	storage_option(storage, page_option);
	storage_option(storage, size_option);
	keep_owner(storage, &s->st);
	return 0;
}

/* --- which it is --- */

/* /dev/shm by that name is the host's own, asked for as such. */
static bool is_pods_shm(const struct source *s)
{
	return is_of_type(s, "tmpfs") && str_eq(s->mount->source, "shm") &&
	       !str_eq(s->mount->target, "/dev/shm");
}

static int give_empty_dir(const struct source *s, const struct volume_rules *rules,
			  struct storages *storages, char **path, struct err *err)
{
	AUTO(str) char *place = path_join(EMPTY_PLACE, s->name);

	if (is_of_type(s, "hugetlbfs")) {
		if (add_huge(s, rules->limits, place, storages, err) < 0)
			return -1;
	} else if (is_of_type(s, "tmpfs")) {
		add_memory(s, "tmpfs", place, storages);
	} else if (rules->empty_dirs) {
		str_set(&place, NULL);
		place = str_fmt(SHARE_GUEST_DIR "/%s/rootfs/local/%s", rules->pod, s->name);
		add_local(s, place, storages);
	} else {
		return 0;
	}
	*path = STEAL(place, NULL);
	return 0;
}

/* --- subPaths --- */

/* PODS/UID/volume-subpaths/VOLUME/CONTAINER/N: the path of that emptyDir, heap, and in *name what comes after
 * volume-subpaths/; else NULL. */
static char *volume_of_subpath(const char *source, char **name)
{
	AUTO(str) char *clean = path_clean(source), *pod = NULL;
	AUTO(strv) char **parts = strv_split(clean, "/");
	size_t n = strv_len(parts), tail;

	*name = NULL;
	if (*clean != '/' || n < 5 || !str_eq(parts[n - 4], "volume-subpaths"))
		return NULL;
	*name = str_fmt("%s/%s/%s", parts[n - 3], parts[n - 2], parts[n - 1]);
	tail = strlen("/volume-subpaths/") + strlen(*name);
	pod = xstrndup(clean, strlen(clean) - tail);
	return str_fmt("%s/volumes/kubernetes.io~empty-dir/%s", pod, parts[n - 3]);
}

/* Its path from the root of its file system, heap; NULL: no mount shows it. */
static char *path_inside(const struct source *s)
{
	const struct mount_entry *found = NULL;
	AUTO(str) char *all = NULL;

	for (size_t i = 0; i < s->list.n; i++) {
		const struct mount_entry *m = &s->list.v[i];

		if (path_is_below(s->real, m->target) &&
		    makedev(m->major, m->minor) == s->st.st_dev &&
		    (!found || strlen(m->target) >= strlen(found->target)))
			found = m;
	}
	if (!found)
		return NULL;
	all = str_fmt("%s/%s", found->root, s->real + strlen(found->target));
	return path_clean(all);
}

/* Where sub is below volume: "" or "a/b", heap; NULL: nowhere. */
static char *path_below(const struct source *sub, const struct source *volume)
{
	AUTO(str) char *inner = path_inside(sub), *outer = path_inside(volume);
	const char *rest;

	if (!inner || !outer || sub->st.st_dev != volume->st.st_dev || !path_is_below(inner, outer))
		return NULL;
	rest = inner + strlen(outer);
	return xstrdup(rest + strspn(rest, "/"));
}

static void add_subpath(const struct source *s, const char *place, const char *below,
			const char *target, struct storages *storages)
{
	AUTO(str) char *path = path_join(place, below);
	AUTO(str) char *beneath = str_fmt("X-kata.beneath=%s", place);
	Grpc__Storage *storage = storages_add(storages, "bind", path, "bind", target);

	storage_option(storage, "rbind");
	storage_option(storage, beneath);
	keep_owner(storage, &s->st);
}

static int give_subpath(const char *path_of_volume, const char *name, const struct source *s,
			const struct volume_rules *rules, struct storages *storages, char **path,
			struct err *err)
{
	AUTO(source) struct source volume = { .path = NULL };
	AUTO(str) char *below = NULL, *place = NULL, *target = path_join(SUB_PLACE, name);

	if (look_at(path_of_volume, &volume, err) < 0)
		return -1;
	below = path_below(s, &volume);
	if (!below)
		return 0;
	if (give_empty_dir(&volume, rules, storages, &place, err) < 0)
		return -1;
	if (!place || !*below) {
		*path = STEAL(place, NULL);
		return 0;
	}
	add_subpath(s, place, below, target, storages);
	*path = STEAL(target, NULL);
	return 0;
}

int volume_in_guest(const struct oci_mount *m, const struct volume_rules *rules,
		    struct storages *storages, char **path, struct err *err)
{
	AUTO(source) struct source s = { .path = NULL };
	bool empty_dir = rules->pod && volume_is_empty_dir(m->source);
	AUTO(str) char *destination = path_clean(m->destination ? m->destination : "");
	bool shm = str_eq(destination, "/dev/shm");
	AUTO(str) char *name = NULL, *volume = volume_of_subpath(m->source, &name);
	bool subpath = rules->pod && volume && path_exists(volume);

	*path = NULL;
	if (!empty_dir && !shm && !subpath)
		return 0;
	if (look_at(m->source, &s, err) < 0)
		return -1;
	if (empty_dir)
		return give_empty_dir(&s, rules, storages, path, err);
	if (subpath)
		return give_subpath(volume, name, &s, rules, storages, path, err);
	if (is_pods_shm(&s)) {
		add_memory(&s, "shm", SHM_PLACE, storages);
		*path = xstrdup(SHM_PLACE);
	}
	return 0;
}
