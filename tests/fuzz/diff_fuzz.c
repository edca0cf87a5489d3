// SPDX-License-Identifier: Apache-2.0
/* Two texts, separated by a NUL. Their unified diff, applied to the first text, gives the second.
 */

#include "base/diff.h"
#include "base/scope.h"
#include "base/str.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 64 << 10 };

/* The length of the line at p with its line feed, 0 at the end. */
static size_t line_at(const char *p, const char *end)
{
	const char *newline = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;

	return newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);
}

static const char *copy_lines(const char *was, const char *end, size_t n, struct buf *to)
{
	for (; n; n--) {
		size_t len = line_at(was, end);

		if (!len)
			bug("more equal lines than there are");
		buf_add(to, was, len);
		was += len;
	}
	return was;
}

/* The number of lines before a hunk in the old text. "@@ -5,2 +..." begins with line 5, and
 * "@@ -5,0 +..." adds lines after line 5. */
static size_t begin_of(const char *hunk)
{
	char *rest;
	size_t at = strtoul(hunk + 4, &rest, 10);

	return strncmp(rest, ",0", 2) == 0 ? at : at - 1;
}

/* Applies a line of a hunk. was: the rest of the old text, which is returned without that line. */
static const char *apply(const char *line, size_t len, const char *was, const char *end,
			 struct buf *to)
{
	if (*line != '+') {
		size_t there = line_at(was, end);

		/* A last line without a line feed is printed with one. */
		if (there > len - 1 || memcmp(was, line + 1, there) != 0)
			bug("a line that is not there");
		was += there;
	}
	if (*line != '-')
		buf_add(to, line + 1, len - 1);
	return was;
}

static void patch(const struct buf *diff, const char *was, size_t len, struct buf *to)
{
	const char *end = was + len, *p = diff->data, *last = p + diff->len;
	size_t done = 0;
	char before = ' ';

	for (int header = 0; header < 2; header++)
		p += line_at(p, last);
	while (p < last) {
		size_t n = line_at(p, last);

		if (*p == '@') {
			was = copy_lines(was, end, begin_of(p) - done, to);
			done = begin_of(p);
		} else if (*p == '\\') {
			/* "\ No newline at end of file" is about the line before it: if that
			 * was copied, it loses its line feed. */
			to->len -= before != '-';
		} else {
			done += *p != '+';
			was = apply(p, n, was, end, to);
			before = *p;
		}
		p += n;
	}
	buf_add(to, was, (size_t)(end - was));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *was = (const char *)data, *is = memchr(was, '\0', size);
	AUTO(buf) struct buf out = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
	size_t was_len = is ? (size_t)(is - was) : size, is_len;

	if (!is || size > INPUT_MAX)
		return 0;
	is_len = size - was_len - 1;
	diff_unified(&(struct diff_side){ "was", was, was_len },
		     &(struct diff_side){ "is", ++is, is_len }, &out);
	if (memchr(is, '\0', is_len))
		return 0;
	if (out.len)
		patch(&out, was, was_len, &got);
	else
		buf_add(&got, was, was_len);
	if (got.len != is_len || (is_len && memcmp(got.data, is, is_len) != 0))
		bug("the differences do not make the second text");
	return 0;
}
