// SPDX-License-Identifier: Apache-2.0
/*
 * The journal. A fuzzer cannot guess checksums, so they are put before the lines of the input; a
 * line that begins with '!' is taken without that mark and gets none. What parses can be printed,
 * and what was printed parses to the same plan. Only actions that may work outside the prefix have
 * paths outside it.
 */

#include "base/buf.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/journal/journal.h"

#include <stdint.h>
#include <string.h>

enum { INPUT_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_sums(const char *text, size_t left, struct buf *to)
{
	while (left) {
		const char *end = memchr(text, '\n', left);
		size_t len = end ? (size_t)(end - text) : left;
		char hex[65];

		if (*text == '!') {
			buf_add(to, text + 1, len - 1);
		} else {
			sha256_hex(text, len, hex);
			buf_fmt(to, "%.16s ", hex);
			buf_add(to, text, len);
		}
		if (end)
			buf_chr(to, '\n');
		text += len + (end ? 1 : 0);
		left -= len + (end ? 1 : 0);
	}
}

static void check_action(const struct plan_action *a)
{
	bool anywhere = a->kind == PLAN_DIR || a->kind == PLAN_FILE || a->kind == PLAN_STEP;
	AUTO(strv) char **parts = a->path ? strv_split(a->path, "/") : NULL;

	if (!anywhere && a->path && a->kind != PLAN_SYNC && a->kind != PLAN_DROP_HOME &&
	    (*a->path == '/' || strv_has(parts, "..")))
		bug("an action on '%s'", a->path);
	if (a->kind == PLAN_FILE && a->file.kept && strchr(a->file.kept, '/'))
		bug("kept in '%s'", a->file.kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(buf) struct buf text = BUF_INIT(INPUT_MAX), one = BUF_INIT(INPUT_MAX);
	AUTO(buf) struct buf other = BUF_INIT(INPUT_MAX);
	AUTO(plan) struct plan p = PLAN_INIT, again = PLAN_INIT;
	enum journal_word word;
	struct err err = ERR_INIT;

	if (size > INPUT_MAX / 64)
		return 0;
	add_sums((const char *)data, size, &text);
	if (journal_parse(&p, &word, buf_cstr(&text), text.len, &err) < 0)
		return 0;
	vec_each(struct plan_action, a, &p.actions)
		check_action(a);
	journal_format(&p, &one);
	if (journal_parse(&again, &word, one.data, one.len, &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	journal_format(&again, &other);
	if (!str_eq(one.data, other.data))
		bug("'%s' became '%s'", one.data, other.data);
	return 0;
}
