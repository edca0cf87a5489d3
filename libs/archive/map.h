// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Maps whole files, to make or apply a patch. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	void *data; /* NULL if the file is empty */
	size_t len;
};

void map_release(struct map *m);
DEFINE_AUTO_STRUCT(map, struct map, map_release)

/* map_file maps a file of at most max bytes for reading (E_LIMIT), map_new_file allocates size
 * bytes and maps them for writing. Reading a mapped file that has been truncated raises SIGBUS. */
MUST_CHECK int map_file(int fd, uint64_t max, struct map *m, struct err *err);
MUST_CHECK int map_new_file(int fd, uint64_t size, struct map *m, struct err *err);
