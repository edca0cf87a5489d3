// SPDX-License-Identifier: Apache-2.0
/*
 * Checks digests of the files that a VM consists of. A path could name another file after the
 * check; so a file that was checked stays open, and the VMM gets the fd.
 */

#include "config/config-internal.h"

#include "base/fd.h"
#include "base/str.h"
#include "crypto/sha512.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>

#define PREFIX "io.katacontainers.config."

static const struct asset {
	const char *digest; /* the annotation, after PREFIX */
	const char *key;    /* of the configuration */
	size_t path;        /* offset in struct runtime_config */
} assets[ASSETS] = {
	[ASSET_HYPERVISOR] = { "hypervisor.hypervisor_hash", "path",
			       offsetof(struct runtime_config, qemu_path) },
	[ASSET_KERNEL] = { "hypervisor.kernel_hash", "kernel",
			   offsetof(struct runtime_config, kernel) },
	[ASSET_INITRD] = { "hypervisor.initrd_hash", "initrd",
			   offsetof(struct runtime_config, initrd) },
	[ASSET_IMAGE] = { "hypervisor.image_hash", "image",
			  offsetof(struct runtime_config, image) },
	[ASSET_FIRMWARE] = { "hypervisor.firmware_hash", "firmware",
			     offsetof(struct runtime_config, firmware) },
};

bool config_is_digest(const char *name)
{
	for (size_t i = 0; i < ASSETS; i++) {
		if (str_eq(assets[i].digest, name))
			return true;
	}
	return false;
}

/* Opens a regular file; O_NONBLOCK, since opening a FIFO would block. The fd is not 0, which means
 * "not checked". */
static int open_file(const char *path, struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC), high = -1;
	struct stat st;

	if (fd < 0)
		return err_sys(err, "open %s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "%s is not a regular file", path);
	high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return high < 0 ? err_sys(err, "duplicate an fd") : STEAL(high, -1);
}

/* Returns an fd of the file, whose digest is the wanted one. */
static int check_asset(const struct asset *a, const char *path, const char *wanted, struct err *err)
{
	char is[SHA512_HEX + 1], should[SHA512_HEX + 1];
	AUTO(fd) int fd = -1;

	if (!sha512_parse(wanted, should)) {
		err_set(err, E_INVALID, "the value is no SHA-512");
		return err_hint(err, "it has %d hexadecimal digits, as sha512sum prints them",
				SHA512_HEX);
	}
	if (str_empty(path))
		return err_set(err, E_INVALID, "the configuration has no '%s'", a->key);
	fd = open_file(path, err);
	if (fd < 0 || sha512_fd(fd, path, is, err) < 0)
		return -1;
	if (!str_eq(is, should)) {
		err_set(err, E_TRUST, "%s is another file: its SHA-512 begins with %.16s", path,
			is);
		return err_hint(err, "name the file that was meant, or correct the digest");
	}
	return STEAL(fd, -1);
}

int config_check_assets(struct runtime_config *c, const char *const *annotations, struct err *err)
{
	for (size_t i = 0; i < ASSETS; i++) {
		AUTO(str) char *name = str_fmt(PREFIX "%s", assets[i].digest);
		const char *wanted = config_annotation(annotations, name);
		int fd;

		if (!wanted)
			continue;
		fd = check_asset(&assets[i], *(char **)((char *)c + assets[i].path), wanted, err);
		if (fd < 0)
			return err_wrap(err, "annotation %s", name);
		c->checked[i] = fd;
	}
	return 0;
}

void config_release_assets(struct runtime_config *c)
{
	for (size_t i = 0; i < ASSETS; i++) {
		if (c->checked[i])
			fd_close(&c->checked[i]);
	}
}
