// SPDX-License-Identifier: Apache-2.0
/* The kernel's mount table: reading with a size limit, unescaping, and detaching a tree of
 * mounts. */

#include "mount/mount.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

/* Resolves octal escapes, by which the kernel writes blanks ("\040"). E_PROTOCOL for an escaped
 * NUL, which no name can have. */
static int unescape(const char *s, char **to, struct err *err)
{
	AUTO(str) char *plain = xstrdup(s);
	char *end = plain;

	for (const char *p = s; *p; p++) {
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		    p[3] >= '0' && p[3] <= '7') {
			*end = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*end = *p;
		}
		if (!*end++)
			return err_set(err, E_PROTOCOL, "field '%s' has a NUL byte", s);
	}
	*end = '\0';
	*to = STEAL(plain, NULL);
	return 0;
}

static void entry_release(struct mount_entry *e)
{
	free(e->root);
	free(e->target);
	free(e->options);
	free(e->type);
	free(e->source);
	free(e->super_options);
}

static int parse_device(const char *text, struct mount_entry *e, struct err *err)
{
	const char *colon = strchr(text, ':');
	AUTO(str) char *major = colon ? xstrndup(text, (size_t)(colon - text)) : NULL;
	uint64_t a, b;

	if (!major)
		return err_set(err, E_PROTOCOL, "'%s' is not a device number", text);
	if (str_u64(major, 10, 0, UINT32_MAX, "major", &a, err) < 0 ||
	    str_u64(colon + 1, 10, 0, UINT32_MAX, "minor", &b, err) < 0)
		return -1;
	e->major = (unsigned)a;
	e->minor = (unsigned)b;
	return 0;
}

/* id parent major:minor root target options [optional…] - type source super_options */
static int parse_line(const char *line, struct mount_entry *e, struct err *err)
{
	AUTO(strv) char **f = strv_split(line, " ");
	size_t n = strv_len(f), dash = 6;

	while (dash < n && !str_eq(f[dash], "-"))
		dash++;
	/* The source may be empty; then only two fields follow the dash. */
	if (dash + 2 >= n)
		return err_set(err, E_PROTOCOL, "a field is missing");
	if (str_u64(f[0], 10, 0, UINT64_MAX, "id", &e->id, err) < 0 ||
	    str_u64(f[1], 10, 0, UINT64_MAX, "parent", &e->parent, err) < 0 ||
	    parse_device(f[2], e, err) < 0)
		return -1;
	for (size_t i = 6; i < dash; i++) {
		if (str_starts(f[i], "shared:") &&
		    str_u64(f[i] + strlen("shared:"), 10, 1, UINT64_MAX, "peer group", &e->peers,
			    err) < 0)
			return -1;
	}
	if (unescape(f[3], &e->root, err) < 0 || unescape(f[4], &e->target, err) < 0 ||
	    unescape(f[5], &e->options, err) < 0 || unescape(f[dash + 1], &e->type, err) < 0 ||
	    unescape(dash + 3 < n ? f[dash + 2] : "", &e->source, err) < 0)
		return -1;
	return unescape(f[n - 1], &e->super_options, err);
}

int mount_list_parse(const char *text, size_t len, struct mount_list *out, struct err *err)
{
	VEC(struct mount_entry) list = VEC_INIT;
	size_t line = 0;
	int status = 0;

	while (len && status == 0) {
		const char *end = memchr(text, '\n', len);
		size_t n = end ? (size_t)(end - text) : len;
		AUTO(str) char *one = xstrndup(text, n);
		struct mount_entry e = { 0 };

		line++;
		if (memchr(text, '\0', n))
			status = err_set(err, E_PROTOCOL, "it has a NUL byte");
		else if (n) {
			status = parse_line(one, &e, err);
			vec_push(&list, e);
		}
		n += end ? 1 : 0;
		text += n;
		len -= n;
	}
	*out = (struct mount_list){ list.v, list.n };
	if (status == 0)
		return 0;
	mount_list_release(out);
	return err_wrap(err, "mount table line %zu", line);
}

int mount_list_read(struct mount_list *out, struct err *err)
{
	AUTO(buf) struct buf b = BUF_INIT(0);

	if (file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNT_LIST_MAX, &b, err) < 0)
		return -1;
	return mount_list_parse(buf_cstr(&b), b.len, out, err);
}

void mount_list_release(struct mount_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		entry_release(&list->v[i]);
	free(list->v);
	*list = (struct mount_list){ NULL, 0 };
}

bool mount_list_has(const struct mount_list *list, const char *target)
{
	for (size_t i = 0; i < list->n; i++) {
		if (str_eq(list->v[i].target, target))
			return true;
	}
	return false;
}

int mount_isolate(const char *path, struct err *err)
{
	return mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0
		       ? err_sys(err, "isolate mount %s", path)
		       : 0;
}

/* --- detaching --- */

/* True if a mount at or below prefix has a peer elsewhere: unmounts would propagate to it. */
static bool is_tied(const struct mount_list *list, const char *prefix)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct mount_entry *e = &list->v[i];

		if (!e->peers || !path_is_below(e->target, prefix))
			continue;
		for (size_t k = 0; k < list->n; k++) {
			if (list->v[k].peers == e->peers &&
			    !path_is_below(list->v[k].target, prefix))
				return true;
		}
	}
	return false;
}

/* Makes all mounts of the tree at target slaves, so that nothing propagates to their peers. */
static int untie(const char *target, struct err *err)
{
	AUTO(fd) int fd = open(target, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct path_fd path;

	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "open mount %s", target);
	path = path_of_fd(fd);
	/* EINVAL: target is no longer a mount. */
	if (mount(NULL, path.path, NULL, MS_SLAVE | MS_REC, NULL) < 0 && errno != EINVAL)
		return err_sys(err, "separate mount %s from its peers", target);
	return 0;
}

/* True for a mount at or below prefix that is not below another such mount. */
static bool is_top(const struct mount_list *list, const struct mount_entry *e, const char *prefix)
{
	if (!path_is_below(e->target, prefix))
		return false;
	for (size_t i = 0; i < list->n; i++) {
		const char *other = list->v[i].target;

		if (path_is_below(other, prefix) && path_is_below(e->target, other) &&
		    !str_eq(e->target, other))
			return false;
	}
	return true;
}

int mount_detach_below(const char *prefix, struct err *err)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 };
	bool tied;

	if (mount_list_read(&list, err) < 0)
		return -1;
	/* untie() is called only if needed: an unmount also removes the copies in other mount
	 * namespaces, which stay mounted after untie(). */
	tied = is_tied(&list, prefix);
	/* A tree is detached as a whole. Of several mounts on one path, the last one is visible. */
	for (size_t i = list.n; i-- > 0;) {
		const char *target = list.v[i].target;

		if (!is_top(&list, &list.v[i], prefix))
			continue;
		if (tied && untie(target, err) < 0)
			return -1;
		if (umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL &&
		    errno != ENOENT)
			return err_sys(err, "unmount %s", target);
	}
	return 0;
}
