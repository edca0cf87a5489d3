// SPDX-License-Identifier: Apache-2.0
/* Allocation that aborts when memory is exhausted. */

#include "base/mem.h"

#include "base/err.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *or_abort(void *p, size_t size)
{
	if (!p)
		bug("out of memory (%zu bytes)", size);
	return p;
}

void *xmalloc(size_t size)
{
	return or_abort(malloc(size ? size : 1), size);
}

void *xcalloc(size_t n, size_t size)
{
	return or_abort(calloc(n ? n : 1, size ? size : 1), size);
}

void *xreallocarray(void *old, size_t n, size_t size)
{
	return or_abort(reallocarray(old, n ? n : 1, size ? size : 1), size);
}

void *xmemdup(const void *data, size_t len)
{
	void *copy = xmalloc(len);

	if (len)
		memcpy(copy, data, len);
	return copy;
}

char *xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *xstrndup(const char *s, size_t max)
{
	size_t len = strnlen(s, max);
	char *copy = xmalloc(len + 1);

	memcpy(copy, s, len);
	copy[len] = '\0';
	return copy;
}
