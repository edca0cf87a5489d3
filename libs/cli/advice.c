// SPDX-License-Identifier: Apache-2.0
/* The commands that messages advise. */

#include "cli/advice.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>

enum { TEXT = sizeof(((struct err *)NULL)->msg), WORD_MAX = 16 << 10 };

struct option {
	const char *name;
	char *value; /* quoted; NULL: not given */
};

static struct {
	struct option list[8];
	size_t n;
} options;

/* Returns the value as a word of a shell, heap. */
static char *quoted(const char *value)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-+,:=@%";
	AUTO(buf) struct buf word = BUF_INIT(WORD_MAX);

	if (*value && !value[strspn(value, plain)])
		return xstrdup(value);
	buf_chr(&word, '\'');
	for (; *value; value++) {
		if (*value == '\'')
			buf_str(&word, "'\\'");
		buf_chr(&word, *value);
	}
	buf_chr(&word, '\'');
	return xstrdup(buf_cstr(&word));
}

void advice_option(const char *name, const char *value)
{
	struct option *o = options.list;

	while (o < options.list + options.n && !str_eq(o->name, name))
		o++;
	if (o == options.list + ARRAY_LEN(options.list))
		bug("%s is an option too many", name);
	options.n += o == options.list + options.n;
	free(o->value);
	*o = (struct option){ name, value ? quoted(value) : NULL };
}

/* With all options except but, or (only) with that one; then with value (NULL: none) for it. */
static const char *compose(const char *words, const char *but, bool only, const char *value)
{
	static _Thread_local char texts[4][TEXT];
	static _Thread_local unsigned turn;
	char *to = texts[turn++ % ARRAY_LEN(texts)];
	AUTO(buf) struct buf text = BUF_INIT((ARRAY_LEN(options.list) + 2) * WORD_MAX);

	buf_fmt(&text, "kata-deploy %s", words);
	for (size_t i = 0; i < options.n; i++) {
		const struct option *o = &options.list[i];

		if (o->value && (!but || str_eq(o->name, but) == only))
			buf_fmt(&text, " %s %s", o->name, o->value);
	}
	if (value)
		buf_fmt(&text, " %s %s", but, value);
	(void)!str_print(to, TEXT, "%s", buf_cstr(&text));
	return to;
}

const char *advice(const char *words)
{
	return compose(words, NULL, false, NULL);
}

const char *advice_with(const char *words, const char *option, const char *value)
{
	AUTO(str) char *word = quoted(value);

	return compose(words, option, false, word);
}

const char *advice_only(const char *words, const char *option)
{
	return compose(words, option, true, NULL);
}
