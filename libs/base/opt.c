// SPDX-License-Identifier: Apache-2.0
/* Command lines from a table. */

#include "base/opt.h"

#include "base/mem.h"
#include "base/str.h"

#include <limits.h>
#include <string.h>

static const struct opt *find_letter(const struct opt *opts, char letter)
{
	for (; opts->kind != OPT_KIND_END; opts++) {
		if (opts->letter == letter)
			return opts;
	}
	return NULL;
}

static const struct opt *find_name(const struct opt *opts, const char *name, size_t len)
{
	for (; opts->kind != OPT_KIND_END; opts++) {
		if (strncmp(opts->name, name, len) == 0 && !opts->name[len])
			return opts;
	}
	return NULL;
}

static int unknown(const struct opt *opts, const char *word, struct err *err)
{
	const char *names[64], *near;
	AUTO(str) char *bare = xstrdup(word + strspn(word, "-"));
	size_t n = 0;

	bare[strcspn(bare, "=")] = '\0';
	for (; opts->kind != OPT_KIND_END && n + 1 < ARRAY_LEN(names); opts++)
		names[n++] = opts->name;
	names[n] = NULL;
	near = str_nearest(bare, names);
	err_set(err, E_USAGE, "unknown option '%s'", word);
	return near ? err_hint(err, "did you mean --%s?", near)
		    : err_hint(err, "--help lists the options");
}

static int check_path(const struct opt *opt, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, E_USAGE, "option --%s has an empty value; give --%s %s",
			       opt->name, opt->name, opt->value);
	for (const char *p = value; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return err_set(err, E_USAGE,
				       "the value of option --%s has a control character, such as "
				       "the end of a line; give another %s",
				       opt->name, opt->value);
	}
	return 0;
}

static int store(const struct opt *opt, const char *value, struct err *err)
{
	uint64_t number;

	if ((opt->kind == OPT_KIND_PATH || opt->kind == OPT_KIND_PATHS) &&
	    check_path(opt, value, err) < 0)
		return -1;
	switch (opt->kind) {
	case OPT_KIND_FLAG:
		*opt->to.flag = true;
		return 0;
	case OPT_KIND_STR:
	case OPT_KIND_PATH:
		*opt->to.str = value;
		return 0;
	case OPT_KIND_STRV:
	case OPT_KIND_PATHS:
		strv_push(opt->to.list, value);
		return 0;
	case OPT_KIND_UINT:
		if (str_u64(value, 10, 0, UINT_MAX, opt->name, &number, err) < 0) {
			err->code = E_USAGE;
			return err_hint(err, "give a number");
		}
		*opt->to.number = (unsigned)number;
		return 0;
	case OPT_KIND_END:
		break;
	}
	bug("option kind %d", (int)opt->kind);
}

/* The option that a word names, and the value that the word has; NULL: there is none. */
static const struct opt *find(const struct opt *opts, enum opt_style style, const char *word,
			      const char **value)
{
	const char *name = word + strspn(word, "-");
	size_t len = strcspn(name, "=");
	const struct opt *opt;

	*value = NULL;
	if (word[1] == '-' || style == OPT_SINGLE_DASH) {
		opt = find_name(opts, name, len);
		*value = opt && name[len] ? name + len + 1 : NULL;
		if (!opt && word[1] != '-' && !word[2])
			opt = find_letter(opts, word[1]);
	} else {
		opt = find_letter(opts, word[1]);
		*value = opt && word[2] ? word + 2 : NULL;
	}
	return opt;
}

/* One option at argv[i] and its value; returns the index after it. */
static int take(const struct opt *opts, enum opt_style style, int argc, char *const *argv, int i,
		struct err *err)
{
	const char *value;
	const struct opt *opt = find(opts, style, argv[i], &value);

	if (!opt)
		return unknown(opts, argv[i], err);
	if (opt->kind == OPT_KIND_FLAG && value)
		return err_set(err, E_USAGE,
			       "option --%s takes no value; leave out what is after =", opt->name);
	if (opt->kind != OPT_KIND_FLAG && !value) {
		if (++i >= argc)
			return err_set(err, E_USAGE, "option --%s needs a value; give --%s %s",
				       opt->name, opt->name, opt->value);
		value = argv[i];
	}
	return store(opt, value, err) < 0 ? -1 : i + 1;
}

static bool is_option(const char *word)
{
	return word[0] == '-' && word[1];
}

int opt_operands(const struct opt *opts, int argc, char *const *argv)
{
	int i = 1;

	while (i < argc && is_option(argv[i]) && !str_eq(argv[i], "--")) {
		const char *value;
		const struct opt *opt = find(opts, OPT_PLAIN, argv[i], &value);

		i += opt && opt->kind != OPT_KIND_FLAG && !value ? 2 : 1;
	}
	return i < argc ? i : argc;
}

int opt_parse(const struct opt *opts, enum opt_style style, int argc, char *const *argv,
	      struct err *err)
{
	int i = 1;

	while (i < argc && is_option(argv[i])) {
		if (str_eq(argv[i], "--"))
			return i + 1;
		i = take(opts, style, argc, argv, i, err);
		if (i < 0)
			return -1;
	}
	return i;
}

void opt_help(const struct opt *opts, FILE *to)
{
	for (; opts->kind != OPT_KIND_END; opts++) {
		AUTO(str)
		char *name = str_fmt("--%s%s%s", opts->name, opts->value ? " " : "",
				     opts->value ? opts->value : "");

		if (opts->letter)
			(void)fprintf(to, "  -%c, %-22s %s\n", opts->letter, name, opts->help);
		else
			(void)fprintf(to, "      %-22s %s\n", name, opts->help);
	}
}
