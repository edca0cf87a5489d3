// SPDX-License-Identifier: Apache-2.0
/*
 * Blobs, tar archives with unknown contents, and patches. The first byte chooses: 'b' is a blob,
 * 't' a tar archive that is compressed to a blob here, 'u' a tar archive for unpack_tar(), 'p' a
 * patch. Only expected files are below the directory afterwards; if the input was accepted, they
 * have the expected contents.
 */

#include "archive/unpack.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "tests/unit/tar_lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT = 1 << 20 };

static const char text[] = "contents\n";

static int memory(const void *data, size_t len)
{
	struct err err = ERR_INIT;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, data, len, &err) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		bug("memfd: %s", err.msg);
	return fd;
}

static char digest[65];
static bool seen[2];

static bool find(void *arg, const char *path, struct unpack_file *out)
{
	(void)arg;
	if (str_eq(path, "bin/a"))
		*out = (struct unpack_file){
			.sha256 = digest, .size = sizeof(text) - 1, .want = true, .seen = &seen[0]
		};
	else if (str_eq(path, "bin/b"))
		*out = (struct unpack_file){ .target = "a", .seen = &seen[1] };
	else
		return false;
	return true;
}

/* Files may only have this name (NULL: any); directories only the name dir_name. */
static void check_names(int parent, const char *at, const char *name, const char *dir_name)
{
	int fd = openat(parent, at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	AUTO(dir) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (str_eq(e->d_name, ".") || str_eq(e->d_name, ".."))
			continue;
		if (e->d_type == DT_DIR ? !dir_name || !str_eq(e->d_name, dir_name)
					: e->d_type != DT_REG || (name && !str_eq(e->d_name, name)))
			bug("'%s' was not expected in '%s'", e->d_name, at);
	}
}

static void check_below(int dir, bool good)
{
	struct buf got = BUF_INIT(0);
	struct err err = ERR_INIT;

	check_names(dir, ".", "", "bin");
	check_names(dir, "bin", "a", NULL);
	if (good &&
	    (!seen[0] || !seen[1] || file_read(dir, "bin/a", sizeof(text), &got, &err) < 0 ||
	     !str_eq(buf_cstr(&got), text)))
		bug("a good blob did not become what was expected");
	buf_release(&got);
}

static void try_blob(int dir, const void *data, size_t len)
{
	AUTO(fd) int fd = memory(data, len);
	struct err err = ERR_INIT;
	char hex[65];
	struct unpack_expect e = { .find = find, .entries = 2, .sha256 = hex, .size = len };
	int rc;

	sha256_hex(text, sizeof(text) - 1, digest);
	sha256_hex(data, len, hex);
	seen[0] = seen[1] = false;
	rc = unpack_blob(fd, "blob", dir, &e, &err);
	if ((rc < 0) == (err.code == E_OK))
		bug("an error without a code");
	check_below(dir, rc == 0);
}

static const char *admit(void *arg, const char *path)
{
	(void)arg;
	return str_starts(path, "keep/") && !strchr(path + 5, '/') ? path + 5 : NULL;
}

static void try_tar(int dir, const void *data, size_t len)
{
	AUTO(fd) int fd = memory(data, len);
	struct unpack_tar t = { .admit = admit, .limit = LIMIT };
	struct err err = ERR_INIT;

	(void)!unpack_tar(fd, "tar", dir, &t, &err);
	check_names(dir, ".", NULL, NULL);
}

static void try_patch(const void *data, size_t len)
{
	AUTO(fd) int base = memory("base of it all\n", 15);
	AUTO(fd) int patch = memory(data, len);
	AUTO(fd) int out = memory("", 0);
	struct err err = ERR_INIT;
	uint64_t size;
	char hex[65];

	sha256_hex(text, sizeof(text) - 1, digest);
	if (unpack_patch(base, patch, out, sizeof(text) - 1, digest, "file", &err) < 0)
		return;
	if (lseek(out, 0, SEEK_SET) < 0 || sha256_fd(out, "file", hex, &size, &err) < 0 ||
	    !str_eq(hex, digest))
		bug("a patch made another file");
}

/* Removes the directory. An input may try to create /tmp/kata-fuzz-escaped. */
static void empty(const char *path)
{
	struct err err = ERR_INIT;

	if (path_remove_tree(path, &err) < 0 || access("/tmp/kata-fuzz-escaped", F_OK) == 0)
		bug("something is left: %s", err.msg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/dev/shm/kata-fuzz-XXXXXX";
	AUTO(buf) struct buf blob = BUF_INIT(LIMIT), tar = BUF_INIT(LIMIT);
	AUTO(fd) int dir = -1;

	if (!size || !mkdtemp(path))
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*data == 'b') {
		try_blob(dir, data + 1, size - 1);
	} else if (*data == 't' && size > 1) {
		buf_add(&tar, data + 1, size - 1);
		zstd_wrap(&tar, &blob);
		try_blob(dir, blob.data, blob.len);
	} else if (*data == 'u') {
		try_tar(dir, data + 1, size - 1);
	} else if (*data == 'p') {
		try_patch(data + 1, size - 1);
	}
	empty(path);
	return 0;
}
