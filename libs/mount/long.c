// SPDX-License-Identifier: Apache-2.0
/*
 * Overlays whose layers do not fit into the one page of options that mount(2) reads. If the kernel
 * supports "lowerdir+" (fsconfig), the layers are given one by one; otherwise they are named
 * relative to an fd of their common directory, which is shorter.
 *
 * Support can only be detected by trying: a kernel that does not know the option accepts it unread
 * and fails only when the file system is created.
 */

#include "mount/long.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <sys/mount.h> and <linux/mount.h> of some releases exclude each other; these are the kernel's. */
int mount(const char *source, const char *target, const char *type, unsigned long flags,
	  const void *data);

#define LOWER "lowerdir="

enum { VALUE_MAX = 255 }; /* limit of one option of fsconfig */

/* --- names of layers --- */

/* The length of the first name; an escaped colon is part of the name. */
static size_t layer_length(const char *list)
{
	size_t n = 0;

	while (list[n] && list[n] != ':')
		n += list[n] == '\\' && list[n + 1] ? 2 : 1;
	return n;
}

/* Splits the list into names, still escaped. Empty names are kept: "::" has a meaning of its
 * own. */
static char **layers_split(const char *list)
{
	char **out = NULL;

	for (;;) {
		size_t n = layer_length(list);
		AUTO(str) char *name = xstrndup(list, n);

		strv_push(&out, name);
		if (!list[n])
			return out;
		list += n + 1;
	}
}

static char *unescape(const char *name)
{
	char *out = xstrdup(name), *to = out;

	for (const char *p = name; *p; p++) {
		if (*p == '\\' && p[1])
			p++;
		*to++ = *p;
	}
	*to = '\0';
	return out;
}

/* The length of the directory with which all names begin, without its slash; 0 if there is none. */
static size_t common(char *const *names)
{
	size_t n = strlen(names[0]);

	strv_each(name, names) {
		while (n && strncmp(names[0], *name, n) != 0)
			n--;
	}
	while (n && names[0][n] != '/')
		n--;
	return n;
}

/* --- one by one --- */

static int set(int fs, unsigned command, const char *key, const char *value, struct err *err)
{
	if (syscall(SYS_fsconfig, fs, command, key, value, 0) < 0)
		return err_sys(err, "option %s", key);
	return 0;
}

static int set_flags(int fs, unsigned long flags, struct err *err)
{
	static const struct {
		unsigned long flag;
		const char *name;
	} names[] = {
		{ MS_RDONLY, "ro" },
		{ MS_SYNCHRONOUS, "sync" },
		{ MS_DIRSYNC, "dirsync" },
		{ MS_LAZYTIME, "lazytime" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if ((flags & names[i].flag) &&
		    set(fs, FSCONFIG_SET_FLAG, names[i].name, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static int set_option(int fs, const char *option, struct err *err)
{
	const char *equals = strchr(option, '=');
	AUTO(str) char *key = equals ? xstrndup(option, (size_t)(equals - option)) : NULL;

	return equals ? set(fs, FSCONFIG_SET_STRING, key, equals + 1, err)
		      : set(fs, FSCONFIG_SET_FLAG, option, NULL, err);
}

/* A name that is too long for one option is given relative to the common directory. */
static int set_layer(int fs, const char *layer, int dir, size_t n, struct err *err)
{
	AUTO(str) char *whole = unescape(layer);
	AUTO(str) char *rest = unescape(layer + n);
	AUTO(str) char *shorter = str_fmt("/proc/self/fd/%d%s", dir, rest);

	return set(fs, FSCONFIG_SET_STRING, "lowerdir+",
		   strlen(whole) <= VALUE_MAX || dir < 0 ? whole : shorter, err);
}

static int fs_open(const char *type, const char *source, const struct mount_options *o,
		   struct err *err)
{
	AUTO(fd) int fs = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

	if (fs < 0)
		return err_sys(err, "open file system %s", type);
	if ((!str_empty(source) && set(fs, FSCONFIG_SET_STRING, "source", source, err) < 0) ||
	    set_flags(fs, o->flags, err) < 0)
		return -1;
	return STEAL(fs, -1);
}

/* Returns an fd of the detached mount. */
static int fs_mount(int fs, const char *type, const struct mount_options *o, struct err *err)
{
	int tree;

	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_sys(err, "make file system %s", type);
	tree = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, (unsigned)o->set);
	return tree < 0 ? err_sys(err, "mount file system %s", type) : tree;
}

int mount_detached(const char *source, const char *type, const struct mount_options *o,
		   struct err *err)
{
	AUTO(fd) int fs = fs_open(type, source, o, err);

	if (fs < 0)
		return -1;
	strv_each(option, o->rest) {
		if (set_option(fs, *option, err) < 0)
			return -1;
	}
	AUTO(fd) int tree = fs_mount(fs, type, o, err);
	if (tree < 0 || (mount_needs_finish(o) && mount_finish(tree, o, err) < 0))
		return -1;
	return STEAL(tree, -1);
}

static int one_by_one(int target, char *const *layers, int dir, size_t n, const char *source,
		      const struct mount_options *o, struct err *err)
{
	AUTO(fd) int fs = fs_open("overlay", source, o, err);

	if (fs < 0)
		return -1;
	strv_each(layer, layers) {
		if (set_layer(fs, *layer, dir, n, err) < 0)
			return -1;
	}
	strv_each(option, o->rest) {
		if (!str_starts(*option, LOWER) && set_option(fs, *option, err) < 0)
			return -1;
	}
	AUTO(fd) int tree = fs_mount(fs, "overlay", o, err);
	return tree < 0 ? -1 : mount_move(target, tree, err);
}

/* --- by shorter names --- */

static char *shortened(char *const *layers, int dir, size_t n, const struct mount_options *o)
{
	AUTO(strv) char **names = NULL;
	AUTO(strv) char **options = NULL;
	AUTO(str) char *list = NULL;

	strv_each(layer, layers)
		strv_pushf(&names, "/proc/self/fd/%d%s", dir, *layer + n);
	list = strv_join(names, ":");
	strv_each(option, o->rest) {
		if (str_starts(*option, LOWER))
			strv_pushf(&options, LOWER "%s", list);
		else
			strv_push(&options, *option);
	}
	return strv_join(options, ",");
}

int mount_long(int target, const char *source, const char *type, const struct mount_options *o,
	       struct err *err)
{
	struct path_fd at = path_of_fd(target);
	AUTO(strv) char **layers = NULL;
	struct err one = ERR_INIT; /* error of the first method; the second is tried then */
	size_t n;

	strv_each(option, o->rest) {
		if (str_eq(type, "overlay") && str_starts(*option, LOWER) && !layers)
			layers = layers_split(*option + strlen(LOWER));
	}
	if (!layers || strv_has(layers, ""))
		return err_set(err, E_LIMIT,
			       "the options of a mount of type %s are longer than %d bytes",
			       str_empty(type) ? "none" : type, MOUNT_DATA_MAX);
	n = common(layers);
	AUTO(str) char *raw = xstrndup(layers[0], n);
	AUTO(str) char *common_dir = unescape(raw);
	AUTO(fd) int dir = n ? open(common_dir, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
	if (one_by_one(target, layers, dir, n, source, o, &one) == 0)
		return 0;
	AUTO(str) char *data = dir >= 0 ? shortened(layers, dir, n, o) : xstrdup(o->data);
	if (strlen(data) > MOUNT_DATA_MAX) {
		err_set(err, E_LIMIT,
			"an overlay of %zu layers: their names exceed the %d bytes of "
			"mount(2), and the kernel does not support lowerdir+: %s",
			strv_len(layers), MOUNT_DATA_MAX, one.msg);
		return err_hint(err, "use Linux 6.8 or newer");
	}
	if (mount(source, at.path, type, o->flags, data) < 0)
		return err_sys(err, "mount overlay of %zu layers", strv_len(layers));
	return 0;
}
