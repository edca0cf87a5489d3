// SPDX-License-Identifier: Apache-2.0
/* Mounting with options, the mount table, detaching. */

#include "mount/mount.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TABLE_BYTES = 64 << 20, TABLE_LINES = 100000 };

/* struct mount_attr of linux/mount.h, which does not go together with sys/mount.h. */
struct attr {
	uint64_t set, clear, propagation, userns_fd;
};

/* Flags of the file system, which a remount of one bind must not carry. */
#define FS_FLAGS (MS_SYNCHRONOUS | MS_MANDLOCK | MS_DIRSYNC | MS_I_VERSION | MS_SILENT | (1 << 25))

static int finish(const char *top, const char *shown, const struct mount_options *o,
		  struct err *err)
{
	unsigned long per_mount = o->flags &
				  ~(unsigned long)(MS_BIND | MS_REC | MS_REMOUNT | FS_FLAGS);
	/* A bit may be in both: the access time field is cleared whole before it is set. */
	struct attr attr = { o->recursive_set, o->recursive_clear, 0, 0 };

	if ((o->flags & MS_BIND) && per_mount &&
	    mount(NULL, top, NULL, MS_REMOUNT | MS_BIND | per_mount, NULL) < 0)
		return err_sys(err, "set options of %s", shown);
	if (o->propagation && mount(NULL, top, NULL, o->propagation, NULL) < 0)
		return err_sys(err, "set propagation of %s", shown);
	if ((attr.set || attr.clear) &&
	    syscall(SYS_mount_setattr, AT_FDCWD, top, AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return err_sys(err, "set recursive options of %s", shown);
	return 0;
}

int mount_apply(const char *source, const struct mount_target *target, const char *type,
		const struct mount_options *o, struct err *err)
{
	unsigned long first = o->flags & MS_BIND ? o->flags & (MS_BIND | MS_REC) : o->flags;
	bool more = (o->flags & MS_BIND) || o->propagation || o->recursive_set ||
		    o->recursive_clear;

	if (mount(source, target->path, o->flags & MS_BIND ? NULL : type, first, o->data) < 0)
		return err_sys(err, "mount %s (%s)", source ? source : "none",
			       o->flags & MS_BIND ? "bind" : type);
	if (!more)
		return 0;
	AUTO(fd) int top = target->reopen(target->arg, err);
	if (top < 0)
		return -1;
	return finish(path_of_fd(top).path, source ? source : type, o, err);
}

static int reopen_path(void *arg, struct err *err)
{
	int fd = open(arg, O_PATH | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "open %s", (const char *)arg) : fd;
}

int mount_at(const char *source, const char *path, const char *type, const struct mount_options *o,
	     struct err *err)
{
	struct mount_target target = { path, reopen_path, (void *)path };

	if (mount_apply(source, &target, type, o, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

/* ------------------------------------------------------------------------------------- mountinfo
 */

/* The next field of a line, octal escapes undone in place; NULL at its end. */
static char *field(char **line)
{
	char *start = *line, *from, *to;

	if (!start || !*start)
		return NULL;
	*line = start + strcspn(start, " ");
	if (**line)
		*(*line)++ = '\0';
	for (from = to = start; *from; to++) {
		unsigned value = 0;
		int digits = 0;

		while (from[0] == '\\' && digits < 3 && from[1 + digits] >= '0' &&
		       from[1 + digits] <= '7')
			value = value * 8 + (unsigned)(from[1 + digits++] - '0');
		*to = digits == 3 ? (char)value : *from;
		from += digits == 3 ? 4 : 1;
	}
	*to = '\0';
	return start;
}

static int number(const char *s, int *out)
{
	struct err ignored = ERR_INIT; /* the caller reports the line */
	int64_t v;

	if (!s || str_i64(s, 0, INT32_MAX, "id", &v, &ignored) < 0)
		return -1;
	*out = (int)v;
	return 0;
}

/* "36 35 98:0 /root /path options optional... - type source super" */
static int parse_line(char *line, struct mount_table *out)
{
	struct mount_entry e = { 0 };
	char *root, *path, *word, *type, *source;

	if (number(field(&line), &e.id) < 0 || number(field(&line), &e.parent) < 0 || !field(&line))
		return -1;
	root = field(&line);
	path = field(&line);
	if (!path || !field(&line))
		return -1;
	while ((word = field(&line)) && strcmp(word, "-") != 0)
		;
	type = field(&line);
	source = field(&line);
	if (!word || !type || !source)
		return -1;
	e.root = xstrdup(root);
	e.path = xstrdup(path);
	e.type = xstrdup(type);
	e.source = xstrdup(source);
	vec_push(&out->entries, e);
	return 0;
}

int mount_table_parse(const char *text, size_t len, struct mount_table *out, struct err *err)
{
	AUTO(str) char *copy = NULL;
	char *line, *rest;
	size_t n = 0;

	*out = (struct mount_table){ VEC_INIT };
	if (len > TABLE_BYTES)
		return err_set(err, E_LIMIT, "mount table of %zu bytes", len);
	rest = copy = xstrndup(text, len);
	while ((line = strsep(&rest, "\n"))) {
		n++;
		if (!*line)
			continue;
		if (n > TABLE_LINES || parse_line(line, out) < 0)
			return err_set(err, E_INVALID, "mount table: line %zu cannot be read", n);
	}
	return 0;
}

int mount_table_read(struct mount_table *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(TABLE_BYTES);

	*out = (struct mount_table){ VEC_INIT };
	if (file_read(AT_FDCWD, "/proc/self/mountinfo", TABLE_BYTES, &text, err) < 0)
		return -1;
	return mount_table_parse(buf_cstr(&text), text.len, out, err);
}

void mount_table_release(struct mount_table *t)
{
	vec_each(struct mount_entry, e, &t->entries) {
		free(e->root);
		free(e->path);
		free(e->type);
		free(e->source);
	}
	vec_release(&t->entries);
}

int mount_detach_below(const char *path, struct err *err)
{
	AUTO(mount_table) struct mount_table t;

	if (mount_table_read(&t, err) < 0)
		return -1;
	for (size_t i = t.entries.n; i-- > 0;) {
		const char *at = t.entries.v[i].path;

		if (path_is_below(at, path) && umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 &&
		    errno != EINVAL && errno != ENOENT)
			return err_sys(err, "unmount %s", at);
	}
	return 0;
}
