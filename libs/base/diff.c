// SPDX-License-Identifier: Apache-2.0
/*
 * Unified differences. Equal lines at the beginning and the end are skipped; the lines between them
 * are compared by their longest common subsequence.
 */

#include "base/diff.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdint.h>
#include <string.h>

enum { CONTEXT = 3, CELLS_MAX = 4 << 20 };

struct line {
	const char *text;
	size_t len; /* with the newline, which the last one may lack */
};

struct lines {
	VEC(struct line) all;
};

/* A line of the output. */
struct edit {
	char mark; /* ' ', '-' or '+' */
	struct line line;
};

struct edits {
	VEC(struct edit) all;
};

static void split(const struct diff_side *side, struct lines *to)
{
	const char *p = side->text, *end = p ? p + side->len : NULL;

	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		size_t len = newline ? (size_t)(newline - p) + 1 : (size_t)(end - p);

		vec_push(&to->all, ((struct line){ p, len }));
		p += len;
	}
}

static bool same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
}

static void mark(struct edits *e, char how, const struct line *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vec_push(&e->all, ((struct edit){ how, lines[i] }));
}

/* common[i, j] is the length of the longest common subsequence of the lines from a[i] and from b[j]
 * on; the last row and the last column stand for an empty rest and are 0. */
static void compare(const struct line *a, size_t n, const struct line *b, size_t m, struct edits *e)
{
	AUTO(mem) uint32_t *common = xcalloc((n + 1) * (m + 1), sizeof(*common));
	size_t row = m + 1, i = 0, j = 0;

	for (i = n; i-- > 0;) {
		for (j = m; j-- > 0;) {
			uint32_t down = common[(i + 1) * row + j], right = common[i * row + j + 1];

			common[i * row + j] = same(&a[i], &b[j]) ? common[(i + 1) * row + j + 1] + 1
					      : down > right     ? down
								 : right;
		}
	}
	for (i = j = 0; i < n && j < m;) {
		if (same(&a[i], &b[j])) {
			mark(e, ' ', &a[i++], 1);
			j++;
		} else if (common[(i + 1) * row + j] >= common[i * row + j + 1]) {
			mark(e, '-', &a[i++], 1);
		} else {
			mark(e, '+', &b[j++], 1);
		}
	}
	mark(e, '-', a + i, n - i);
	mark(e, '+', b + j, m - j);
}

static void find_edits(const struct lines *from, const struct lines *to, struct edits *e)
{
	static const struct line none = { NULL, 0 };
	const struct line *a = from->all.n ? from->all.v : &none;
	const struct line *b = to->all.n ? to->all.v : &none;
	size_t n = from->all.n, m = to->all.n, head = 0, tail = 0;

	while (head < n && head < m && same(&a[head], &b[head]))
		head++;
	while (tail < n - head && tail < m - head && same(&a[n - 1 - tail], &b[m - 1 - tail]))
		tail++;
	n -= head + tail;
	m -= head + tail;
	mark(e, ' ', a, head);
	if ((n + 1) * (m + 1) <= CELLS_MAX) {
		compare(a + head, n, b + head, m, e);
	} else {
		mark(e, '-', a + head, n);
		mark(e, '+', b + head, m);
	}
	mark(e, ' ', a + head + n, tail);
}

/* --- output --- */

static void print_line(const struct edit *e, struct buf *out)
{
	buf_chr(out, e->mark);
	buf_add(out, e->line.text, e->line.len);
	if (e->line.text[e->line.len - 1] != '\n')
		buf_str(out, "\n\\ No newline at end of file\n");
}

/* "12,3", "12" for one line, "11,0" for none after line 11. */
static void print_range(char side, size_t before, size_t n, struct buf *out)
{
	if (n == 1)
		buf_fmt(out, "%c%zu", side, before + 1);
	else
		buf_fmt(out, "%c%zu,%zu", side, n ? before + 1 : before, n);
}

static void print_hunk(const struct edits *e, size_t first, size_t end, struct buf *out)
{
	size_t before[2] = { 0 }, within[2] = { 0 };

	for (size_t i = 0; i < end; i++) {
		size_t *count = i < first ? before : within;

		count[0] += e->all.v[i].mark != '+';
		count[1] += e->all.v[i].mark != '-';
	}
	buf_str(out, "@@ ");
	print_range('-', before[0], within[0], out);
	buf_chr(out, ' ');
	print_range('+', before[1], within[1], out);
	buf_str(out, " @@\n");
	for (size_t i = first; i < end; i++)
		print_line(&e->all.v[i], out);
}

/* The end of the hunk that begins with the change at i. Changes with at most two contexts of equal
 * lines between them share a hunk. */
static size_t hunk_end(const struct edits *e, size_t i)
{
	size_t last = i;

	for (; i < e->all.n && i <= last + 2 * CONTEXT + 1; i++) {
		if (e->all.v[i].mark != ' ')
			last = i;
	}
	return last + CONTEXT + 1 < e->all.n ? last + CONTEXT + 1 : e->all.n;
}

static void print_hunks(const struct edits *e, struct buf *out)
{
	for (size_t i = 0; i < e->all.n;) {
		size_t end;

		if (e->all.v[i].mark == ' ') {
			i++;
			continue;
		}
		end = hunk_end(e, i);
		print_hunk(e, i > CONTEXT ? i - CONTEXT : 0, end, out);
		i = end;
	}
}

static bool is_text(const struct diff_side *side)
{
	return side->len <= DIFF_TEXT_MAX && (!side->text || !memchr(side->text, '\0', side->len));
}

void diff_unified(const struct diff_side *from, const struct diff_side *to, struct buf *out)
{
	struct lines a = { VEC_INIT }, b = { VEC_INIT };
	struct edits e = { VEC_INIT };

	if (!from->text == !to->text && from->len == to->len &&
	    (!from->len || memcmp(from->text, to->text, from->len) == 0))
		return;
	if (!is_text(from) || !is_text(to)) {
		buf_fmt(out, "Binary files %s and %s differ\n",
			from->text ? from->name : "/dev/null", to->text ? to->name : "/dev/null");
		return;
	}
	split(from, &a);
	split(to, &b);
	find_edits(&a, &b, &e);
	buf_fmt(out, "--- %s\n+++ %s\n", from->text ? from->name : "/dev/null",
		to->text ? to->name : "/dev/null");
	print_hunks(&e, out);
	vec_release(&a.all);
	vec_release(&b.all);
	vec_release(&e.all);
}
