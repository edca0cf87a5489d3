// SPDX-License-Identifier: Apache-2.0
/* Small releases, made from a table. */

#include "tests/crash/release.h"

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *path;
	mode_t mode;
	const char *text;   /* "%s" becomes the version */
	const char *target; /* of a link */
	const char *only;   /* in this version alone */
} files[] = {
	{ "bin/containerd-shim-kata-v2", 0755, "shim %s", NULL, NULL },
	{ "bin/kata-runtime", 0755, "runtime", NULL, NULL },
	{ "bin/kata", 0, NULL, "kata-runtime", NULL },
	{ "share/kata-containers/vmlinux-a", 0644, "kernel %s", NULL, NULL },
	{ "share/kata-containers/vmlinux", 0, NULL, "vmlinux-a", NULL },
	{ "share/kata-containers/copy", 0644, "runtime", NULL, NULL },
	{ "share/kata-containers/again", 0644, "kernel %s", NULL, NULL },
	{ "libexec/virtiofsd", 0755, "virtiofsd", NULL, "1" },
	{ "etc/configuration.toml", 0644, "# made for %s\n", NULL, NULL },
	{ "etc/config.d/10-base.toml", 0644, "base", NULL, NULL },
	{ "etc/config.d/20-old.toml", 0644, "old", NULL, "1" },
};

static bool is_in(size_t i, const char *version)
{
	return !files[i].only || str_eq(files[i].only, version);
}

static char *text_of(size_t i, const char *version)
{
	return str_starts(files[i].text + strcspn(files[i].text, "%"), "%s")
		       ? str_fmt("%.*s%s%s", (int)strcspn(files[i].text, "%"), files[i].text,
				 version, strchr(files[i].text, '%') + 2)
		       : str_fmt("%s", files[i].text);
}

void release_make(const char *version, struct layout *l, struct err *err)
{
	layout_begin(l, version);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct entry e = { .path = (char *)files[i].path,
				   .type = files[i].target ? ENTRY_LINK : ENTRY_FILE,
				   .mode = files[i].mode,
				   .target = (char *)files[i].target };

		if (!is_in(i, version))
			continue;
		if (files[i].text) {
			AUTO(str) char *text = text_of(i, version);

			e.size = strlen(text);
			sha256_hex(text, strlen(text), e.sha256);
		}
		layout_add(l, &e);
	}
	if (layout_seal(l, err) < 0)
		bug("release %s: %s", version, err->msg);
}

int release_unpack(const char *version, int dir, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		const char *name;

		if (!files[i].text || !is_in(i, version))
			continue;
		AUTO(str) char *text = text_of(i, version);
		AUTO(fd)
		int parent = path_parent(dir, files[i].path, PATH_NO_LINKS, 0755, &name, err);
		if (parent < 0)
			return -1;
		AUTO(fd)
		int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0)
			return err_sys(err, "create %s", files[i].path);
		if (fd_write_all(fd, text, strlen(text), err) < 0)
			return -1;
	}
	return 0;
}
