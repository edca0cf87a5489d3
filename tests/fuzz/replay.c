// SPDX-License-Identifier: Apache-2.0
/* Feeds files to a fuzz target, once each: how `make check` replays the corpora without a fuzzer.
 */

#include "base/buf.h"
#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { INPUT_MAX = 16 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

DEFINE_AUTO(dirp, DIR *, NULL, closedir)

int main(int argc, char **argv)
{
	AUTO(dirp) DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	unsigned n = 0;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return EXIT_FAILURE;
	}
	for (struct dirent *e; (e = readdir(dir));) {
		AUTO(buf) struct buf input = BUF_INIT(INPUT_MAX);
		struct err err = ERR_INIT;

		if (e->d_name[0] == '.')
			continue;
		if (file_read(dirfd(dir), e->d_name, INPUT_MAX, &input, &err) < 0) {
			(void)fprintf(stderr, "%s: %s\n", argv[0], err.msg);
			return EXIT_FAILURE;
		}
		(void)LLVMFuzzerTestOneInput((const uint8_t *)buf_cstr(&input), input.len);
		n++;
	}
	(void)printf("  ok    %s (%u inputs)\n", path_basename(argv[0]), n);
	return n ? EXIT_SUCCESS : EXIT_FAILURE;
}
