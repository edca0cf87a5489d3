// SPDX-License-Identifier: Apache-2.0
/* Hashes a file of a release while it is read. */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/str.h"

void stream_begin(struct stream *s, int fd, const char *name, const char *sha256, uint64_t size,
		  uint64_t limit)
{
	*s = (struct stream){ .fd = fd,
			      .name = name,
			      .sha256 = sha256,
			      .size = size,
			      .limit = size == UINT64_MAX ? limit : size,
			      .sum = sha256_new() };
}

void stream_release(struct stream *s)
{
	sha256_free(s->sum);
	s->sum = NULL;
}

ssize_t stream_read(struct stream *s, void *to, size_t len, struct err *err)
{
	ssize_t n = fd_read_full(s->fd, to, len, err);

	if (n < 0)
		return err_wrap(err, "read %s", s->name);
	if ((uint64_t)n > s->limit - s->passed)
		return err_set(err, s->size == UINT64_MAX ? E_LIMIT : E_INVALID,
			       "%s has more than %llu bytes", s->name,
			       (unsigned long long)s->limit);
	sha256_add(s->sum, to, (size_t)n);
	s->passed += (uint64_t)n;
	return n;
}

int stream_end(struct stream *s, struct err *err)
{
	char hex[65];

	if (s->size != UINT64_MAX && s->passed != s->size)
		return err_set(err, E_INVALID, "%s has %llu bytes instead of %llu", s->name,
			       (unsigned long long)s->passed, (unsigned long long)s->size);
	sha256_end(s->sum, hex);
	if (!str_eq(hex, s->sha256))
		return err_set(err, E_INVALID, "%s is not what the release lists", s->name);
	return 0;
}
