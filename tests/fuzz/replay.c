// SPDX-License-Identifier: Apache-2.0
/*
 * The main function of fuzz targets that are built without libFuzzer. It runs the target once for
 * each file that is an argument or in a directory that is one. Each input is in heap memory of
 * exactly its size, so that sanitizers detect reads behind its end. A directory without inputs is
 * an error, so that a corpus that was moved is noticed.
 */

#include "base/buf.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 64 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(int dir, const char *name, unsigned *n, struct err *err)
{
	AUTO(buf) struct buf input = BUF_INIT(INPUT_MAX);

	if (file_read(dir, name, INPUT_MAX, &input, err) < 0)
		return -1;
	AUTO(mem) uint8_t *exact = malloc(input.len);
	if (!exact && input.len)
		return err_set(err, E_LIMIT, "no memory for %zu bytes", input.len);
	if (input.len)
		memcpy(exact, input.data, input.len);
	(void)LLVMFuzzerTestOneInput(exact, input.len);
	++*n;
	return 0;
}

static int replay(const char *path, unsigned *n, struct err *err)
{
	AUTO(dir) DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned before = *n;

	if (!dir)
		return errno == ENOTDIR ? replay_file(AT_FDCWD, path, n, err)
					: err_sys(err, "open %s", path);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if (replay_file(dirfd(dir), entry->d_name, n, err) < 0)
			return err_wrap(err, "%s", path);
	}
	return *n > before ? 0 : err_set(err, E_NOT_FOUND, "%s has no inputs", path);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	unsigned n = 0;

	for (int i = 1; i < argc; i++) {
		if (replay(argv[i], &n, &err) < 0) {
			(void)fprintf(stderr, "%s: %s\n", path_basename(argv[0]), err.msg);
			return err_exit_status(err.code);
		}
	}
	(void)printf("%s: %u inputs\n", path_basename(argv[0]), n);
	return 0;
}
