// SPDX-License-Identifier: Apache-2.0
/* Recognizes volumes that the guest makes itself, and describes them as storages for the agent. */

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

/* Directories of the guest: the pod's /dev/shm, emptyDirs by name, subPaths. */
#define SHM_DIR   "/run/kata-containers/sandbox/shm"
#define EMPTY_DIR "/run/kata-containers/sandbox/ephemeral"
#define SUB_DIR   "/run/kata-containers/sandbox/subpaths"

/* The source of a bind mount on the host. */
struct source {
	char *path, *real; /* as given, and without symbolic links */
	const char *name;  /* the last part of path */
	struct stat st;
	const struct mount_entry *mount; /* whose root it is, or NULL */
	struct mount_list list;
};

static void source_release(struct source *s)
{
	free(s->path);
	free(s->real);
	mount_list_release(&s->list);
}
DEFINE_AUTO_STRUCT(source, struct source, source_release)

/* Fills in *s. Of several mounts on the same path the last one is visible. */
static int read_source(const char *path, struct source *s, struct err *err)
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

/* --- storages --- */

/* The option of the host's mount that begins with the prefix "NAME=", heap, or NULL. */
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

/* Mode and, by upstream's option fsgid=, group of the host's directory. */
static void keep_owner(Grpc__Storage *storage, const struct stat *st)
{
	AUTO(str) char *mode = str_fmt("mode=%o", st->st_mode & 07777);
	AUTO(str) char *group = str_fmt("fsgid=%u", st->st_gid);

	storage_option(storage, mode);
	if (st->st_gid != 0)
		storage_option(storage, group);
}

/* A tmpfs with the options of the host's. If that has no size, the guest's default holds: half of
 * its memory. */
static void add_memory(const struct source *s, const char *name, const char *mount_point,
		       struct storages *storages)
{
	Grpc__Storage *storage = storages_add(storages, "ephemeral", name, "tmpfs", mount_point);

	keep_flags(storage, s->mount);
	keep_option(storage, s->mount, "size=");
	keep_option(storage, s->mount, "nr_inodes=");
	keep_owner(storage, &s->st);
}

static void add_local(const struct source *s, const char *mount_point, struct storages *storages)
{
	keep_owner(storages_add(storages, "local", "local", "local", mount_point), &s->st);
}

/* --- huge pages --- */

/* *limit: the container's limit of huge pages of that size, in bytes; 0 if it has none. */
static int limit_of(const struct oci_resources *r, uint64_t page, uint64_t *limit, struct err *err)
{
	*limit = 0;
	for (size_t i = 0; r && i < r->n_hugepage_limits; i++) {
		uint64_t size;

		if (oci_page_size(r->hugepage_limits[i].page_size, &size, err) < 0)
			return -1;
		if (size == page)
			*limit = r->hugepage_limits[i].limit;
	}
	return 0;
}

/* A hugetlbfs; size= is what the guest is to reserve. The container's cgroup limits what it
 * uses. */
static int add_huge(const struct source *s, const struct oci_resources *limits,
		    const char *mount_point, struct storages *storages, struct err *err)
{
	AUTO(str) char *said = option_of(s->mount, "pagesize=");
	AUTO(str) char *page_option = NULL, *size_option = NULL;
	Grpc__Storage *storage;
	uint64_t page, size;

	if (oci_page_size(said ? said + strlen("pagesize=") : "", &page, err) < 0 ||
	    limit_of(limits, page, &size, err) < 0)
		return -1;
	page_option = str_fmt("pagesize=%llu", (unsigned long long)page);
	size_option = str_fmt("size=%llu", (unsigned long long)size);
	storage = storages_add(storages, "ephemeral", "nodev", "hugetlbfs", mount_point);
	storage_option(storage, page_option);
	storage_option(storage, size_option);
	keep_owner(storage, &s->st);
	return 0;
}

/* --- kinds of volumes --- */

/* True for the pod's tmpfs; not for the host's own /dev/shm, which a user has asked for by name. */
static bool is_pods_shm(const struct source *s)
{
	return is_of_type(s, "tmpfs") && str_eq(s->mount->source, "shm") &&
	       !str_eq(s->mount->target, "/dev/shm");
}

static int give_empty_dir(const struct source *s, const struct volume_rules *rules,
			  struct storages *storages, char **path, struct err *err)
{
	AUTO(str) char *mount_point = path_join(EMPTY_DIR, s->name);

	if (is_of_type(s, "hugetlbfs")) {
		if (add_huge(s, rules->limits, mount_point, storages, err) < 0)
			return -1;
	} else if (is_of_type(s, "tmpfs")) {
		add_memory(s, "tmpfs", mount_point, storages);
	} else if (rules->empty_dirs) {
		str_set(&mount_point, NULL);
		mount_point = str_fmt("%s/local/%s", rules->pod_root, s->name);
		add_local(s, mount_point, storages);
	} else {
		return 0;
	}
	*path = STEAL(mount_point, NULL);
	return 0;
}

/* --- subPaths --- */

/* For PODS/UID/volume-subpaths/VOLUME/CONTAINER/N returns the path of the emptyDir VOLUME, heap,
 * and in *name VOLUME/CONTAINER/N, heap; else NULL. */
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

/* The path from the root of the source's file system, heap; NULL if no mount shows it. */
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

/* The path of sub below volume, "" or "a/b", heap; NULL if it is not below it. */
static char *path_below(const struct source *sub, const struct source *volume)
{
	AUTO(str) char *inner = path_inside(sub), *outer = path_inside(volume);
	const char *rest;

	if (!inner || !outer || sub->st.st_dev != volume->st.st_dev || !path_is_below(inner, outer))
		return NULL;
	rest = inner + strlen(outer);
	return xstrdup(rest + strspn(rest, "/"));
}

static void add_subpath(const struct source *s, const char *mount_point, const char *below,
			const char *target, struct storages *storages)
{
	AUTO(str) char *path = path_join(mount_point, below);
	AUTO(str) char *beneath = str_fmt("X-kata.beneath=%s", mount_point);
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
	AUTO(str) char *below = NULL, *mount_point = NULL, *target = path_join(SUB_DIR, name);

	if (read_source(path_of_volume, &volume, err) < 0)
		return -1;
	below = path_below(s, &volume);
	if (!below)
		return 0;
	if (give_empty_dir(&volume, rules, storages, &mount_point, err) < 0)
		return -1;
	if (!mount_point || !*below) {
		*path = STEAL(mount_point, NULL);
		return 0;
	}
	add_subpath(s, mount_point, below, target, storages);
	*path = STEAL(target, NULL);
	return 0;
}

int volume_in_guest(const struct oci_mount *m, const struct volume_rules *rules,
		    struct storages *storages, char **path, struct err *err)
{
	AUTO(source) struct source s = { .path = NULL };
	bool empty_dir = rules->pod_root && volume_is_empty_dir(m->source);
	AUTO(str) char *destination = path_clean(m->destination ? m->destination : "");
	bool shm = str_eq(destination, "/dev/shm");
	AUTO(str) char *name = NULL, *volume = volume_of_subpath(m->source, &name);
	bool subpath = rules->pod_root && volume && path_exists(volume);

	*path = NULL;
	if (!empty_dir && !shm && !subpath)
		return 0;
	if (read_source(m->source, &s, err) < 0)
		return -1;
	if (empty_dir)
		return give_empty_dir(&s, rules, storages, path, err);
	if (subpath)
		return give_subpath(volume, name, &s, rules, storages, path, err);
	if (is_pods_shm(&s)) {
		add_memory(&s, "shm", SHM_DIR, storages);
		*path = xstrdup(SHM_DIR);
	}
	return 0;
}
