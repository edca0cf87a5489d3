// SPDX-License-Identifier: Apache-2.0
#pragma once

/* A whole file as memory, for who makes or applies a patch. */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map {
	void *data; /* NULL if it is empty */
	size_t len;
};

void map_release(struct map *m);
DEFINE_AUTO_STRUCT(map, struct map, map_release)

/* The file as it is, to read; or made size bytes long first, to write into it. A file that shrinks
 * while it is mapped kills who reads on. */
MUST_CHECK int map_file(int fd, uint64_t max, struct map *m, struct err *err);
MUST_CHECK int map_new_file(int fd, uint64_t size, struct map *m, struct err *err);
