// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Scope-bound ownership: a local resource is released when its name goes out of scope.
 *
 *	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
 *	AUTO(str) char *name = str_fmt("%s.tmp", base);
 *	return STEAL(fd, -1);			// hands the resource to the caller
 *
 * Releases keep errno and accept the empty value. Do not leave the close() of a written file whose
 * loss matters to AUTO(fd): call close() and check it.
 *
 * Kinds defined here: fd, str (char *), mem (any pointer from malloc), file, dir. A module defines
 * its own with DEFINE_AUTO(name, type, empty value, release function).
 */

#include <dirent.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEFINE_AUTO(name, type, empty, release)            \
	static inline void auto_release_##name(type *slot) \
	{                                                  \
		int saved_ = errno;                        \
		if (*slot != (empty))                      \
			(void)release(*slot);              \
		errno = saved_;                            \
	}

/* For structs on the stack: release is called with the address. */
#define DEFINE_AUTO_STRUCT(name, type, release)            \
	static inline void auto_release_##name(type *slot) \
	{                                                  \
		int saved_ = errno;                        \
		release(slot);                             \
		errno = saved_;                            \
	}

#define AUTO(name) __attribute__((cleanup(auto_release_##name)))

#define STEAL(slot, empty)                        \
	({                                        \
		__typeof__(slot) taken_ = (slot); \
		(slot) = (empty);                 \
		taken_;                           \
	})

#define CONTAINER_OF(ptr, type, member) \
	((type *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

DEFINE_AUTO(fd, int, -1, close)
static inline void auto_release_str(char **slot)
{
	free(*slot);
}
static inline void auto_release_mem(void *slot)
{
	free(*(void **)slot);
}
DEFINE_AUTO(file, FILE *, NULL, fclose)
DEFINE_AUTO(dir, DIR *, NULL, closedir)
