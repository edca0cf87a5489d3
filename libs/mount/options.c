// SPDX-License-Identifier: Apache-2.0
/* The table of mount options. */

#include "base/buf.h"
#include "base/str.h"
#include "mount/mount.h"

#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>

/* glibc's and the kernel's mount headers exclude each other's older halves; these are ABI. */
#ifndef MS_LAZYTIME
#define MS_LAZYTIME (1 << 25)
#endif
#ifndef MS_NOSYMFOLLOW
#define MS_NOSYMFOLLOW 256
#endif

enum target { FLAG, PROPAGATION, RECURSIVE, IGNORED };

struct option {
	const char *name;
	enum target target;
	bool clear;
	uint64_t bits;
};

static const struct option table[] = {
	{ "async", FLAG, true, MS_SYNCHRONOUS },
	{ "atime", FLAG, true, MS_NOATIME },
	{ "bind", FLAG, false, MS_BIND },
	{ "defaults", IGNORED, false, 0 },
	{ "dev", FLAG, true, MS_NODEV },
	{ "diratime", FLAG, true, MS_NODIRATIME },
	{ "dirsync", FLAG, false, MS_DIRSYNC },
	{ "exec", FLAG, true, MS_NOEXEC },
	{ "iversion", FLAG, false, MS_I_VERSION },
	{ "lazytime", FLAG, false, MS_LAZYTIME },
	{ "loud", FLAG, true, MS_SILENT },
	{ "mand", FLAG, false, MS_MANDLOCK },
	{ "noatime", FLAG, false, MS_NOATIME },
	{ "nodev", FLAG, false, MS_NODEV },
	{ "nodiratime", FLAG, false, MS_NODIRATIME },
	{ "noexec", FLAG, false, MS_NOEXEC },
	{ "noiversion", FLAG, true, MS_I_VERSION },
	{ "nolazytime", FLAG, true, MS_LAZYTIME },
	{ "nomand", FLAG, true, MS_MANDLOCK },
	{ "norelatime", FLAG, true, MS_RELATIME },
	{ "nostrictatime", FLAG, true, MS_STRICTATIME },
	{ "nosuid", FLAG, false, MS_NOSUID },
	{ "nosymfollow", FLAG, false, MS_NOSYMFOLLOW },
	{ "private", PROPAGATION, false, MS_PRIVATE },
	{ "rbind", FLAG, false, MS_BIND | MS_REC },
	{ "relatime", FLAG, false, MS_RELATIME },
	{ "remount", FLAG, false, MS_REMOUNT },
	{ "ro", FLAG, false, MS_RDONLY },
	{ "rprivate", PROPAGATION, false, MS_PRIVATE | MS_REC },
	{ "rshared", PROPAGATION, false, MS_SHARED | MS_REC },
	{ "rslave", PROPAGATION, false, MS_SLAVE | MS_REC },
	{ "runbindable", PROPAGATION, false, MS_UNBINDABLE | MS_REC },
	{ "rw", FLAG, true, MS_RDONLY },
	{ "shared", PROPAGATION, false, MS_SHARED },
	{ "silent", FLAG, false, MS_SILENT },
	{ "slave", PROPAGATION, false, MS_SLAVE },
	{ "strictatime", FLAG, false, MS_STRICTATIME },
	{ "suid", FLAG, true, MS_NOSUID },
	{ "symfollow", FLAG, true, MS_NOSYMFOLLOW },
	{ "sync", FLAG, false, MS_SYNCHRONOUS },
	{ "unbindable", PROPAGATION, false, MS_UNBINDABLE },
	{ "ratime", RECURSIVE, true, MOUNT_ATTR_NOATIME },
	{ "rdev", RECURSIVE, true, MOUNT_ATTR_NODEV },
	{ "rdiratime", RECURSIVE, true, MOUNT_ATTR_NODIRATIME },
	{ "rexec", RECURSIVE, true, MOUNT_ATTR_NOEXEC },
	{ "rnoatime", RECURSIVE, false, MOUNT_ATTR_NOATIME },
	{ "rnodev", RECURSIVE, false, MOUNT_ATTR_NODEV },
	{ "rnodiratime", RECURSIVE, false, MOUNT_ATTR_NODIRATIME },
	{ "rnoexec", RECURSIVE, false, MOUNT_ATTR_NOEXEC },
	{ "rnosuid", RECURSIVE, false, MOUNT_ATTR_NOSUID },
	{ "rnosymfollow", RECURSIVE, false, MOUNT_ATTR_NOSYMFOLLOW },
	{ "rro", RECURSIVE, false, MOUNT_ATTR_RDONLY },
	{ "rrw", RECURSIVE, true, MOUNT_ATTR_RDONLY },
	{ "rstrictatime", RECURSIVE, false, MOUNT_ATTR_STRICTATIME },
	{ "rsuid", RECURSIVE, true, MOUNT_ATTR_NOSUID },
	{ "rsymfollow", RECURSIVE, true, MOUNT_ATTR_NOSYMFOLLOW },
};

static void apply(const struct option *t, struct mount_options *o)
{
	switch (t->target) {
	case FLAG:
		o->flags = t->clear ? o->flags & ~t->bits : o->flags | t->bits;
		break;
	case PROPAGATION:
		o->propagation = t->bits;
		break;
	case RECURSIVE:
		/* The access time modes are one field: setting one clears the others. */
		if (t->bits & MOUNT_ATTR__ATIME)
			o->recursive_clear |= MOUNT_ATTR__ATIME;
		if (t->clear) {
			o->recursive_clear |= t->bits;
			o->recursive_set &= ~t->bits;
		} else {
			o->recursive_set |= t->bits;
			if (!(t->bits & MOUNT_ATTR__ATIME))
				o->recursive_clear &= ~t->bits;
		}
		break;
	case IGNORED:
		break;
	}
}

int mount_options_parse(char *const *options, struct mount_options *out, struct err *err)
{
	AUTO(buf) struct buf data = BUF_INIT(4095); /* mount(2) takes one page */

	*out = (struct mount_options){ .flags = 0 };
	strv_each(word, options) {
		const struct option *found = NULL;

		if (str_eq(*word, "idmap") || str_eq(*word, "ridmap"))
			return err_set(err, E_UNSUPPORTED,
				       "mount option '%s' is not supported; remove it", *word);
		for (size_t i = 0; i < ARRAY_LEN(table) && !found; i++) {
			if (strcmp(table[i].name, *word) == 0)
				found = &table[i];
		}
		if (found)
			apply(found, out);
		else
			buf_fmt(&data, "%s%s", data.len ? "," : "", *word);
	}
	if (buf_check(&data, "the mount's data", err) < 0)
		return -1;
	out->data = buf_steal(&data);
	return 0;
}

void mount_options_release(struct mount_options *o)
{
	free(o->data);
	o->data = NULL;
}
