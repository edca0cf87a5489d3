// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A typed growing array.
 *
 *	VEC(struct mount) mounts = VEC_INIT;
 *	vec_push(&mounts, m);
 *	vec_each(struct mount, m, &mounts) use(m);
 *	vec_release(&mounts);			// frees the array, not what the elements own
 *
 * Elements move when it grows: keep indexes, not addresses, across a push.
 */

#include "base/mem.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define VEC(type)              \
	struct {               \
		type *v;       \
		size_t n, cap; \
	}

#define VEC_INIT           \
	{                  \
		NULL, 0, 0 \
	}

#define vec_push(vec, item)                                                                \
	do {                                                                               \
		if ((vec)->n == (vec)->cap) {                                              \
			(vec)->cap = (vec)->cap ? 2 * (vec)->cap : 4;                      \
			(vec)->v = xreallocarray((vec)->v, (vec)->cap, sizeof(*(vec)->v)); \
		}                                                                          \
		(vec)->v[(vec)->n++] = (item);                                             \
	} while (0)

#define vec_remove(vec, index)                                                                     \
	do {                                                                                       \
		size_t at_ = (index);                                                              \
		(vec)->n--;                                                                        \
		memmove((vec)->v + at_, (vec)->v + at_ + 1, ((vec)->n - at_) * sizeof(*(vec)->v)); \
	} while (0)

#define vec_release(vec)                   \
	do {                               \
		free((vec)->v);            \
		(vec)->v = NULL;           \
		(vec)->n = (vec)->cap = 0; \
	} while (0)

#define vec_each(type, name, vec) \
	for (type *name = (vec)->v; name && name < (vec)->v + (vec)->n; name++)
