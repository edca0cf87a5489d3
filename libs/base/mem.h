// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Small allocations that cannot fail: when memory is exhausted the process aborts. Check a size
 * from untrusted input first (buf.h has a limit of its own). The caller frees results with free().
 */

#include <stddef.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xreallocarray(void *old, size_t n, size_t size) __attribute__((returns_nonnull));
void *xmemdup(const void *data, size_t len) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));

#define NEW(type) ((type *)xcalloc(1, sizeof(type)))
