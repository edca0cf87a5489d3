// SPDX-License-Identifier: Apache-2.0
/* Verbs below a verb, from a table. */

#include "cli/subverb.h"

#include "base/scope.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 16 };

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && !str_eq(argv[i], "--"); i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return true;
	}
	return false;
}

static int help_all(const struct subverb *table, const char *verb)
{
	for (; table->name; table++)
		(void)printf("  %s %-10s %s\n", verb, table->name, table->help);
	return 0;
}

static int help_one(const struct subverb *s, const char *verb)
{
	(void)printf("usage: %s %s [OPTION...] %s\n%s\n\n", verb, s->name, s->operands, s->help);
	opt_help(s->opts, stdout);
	return 0;
}

static const struct subverb *find(const struct subverb *table, const char *verb, const char *name,
				  struct err *err)
{
	const char *names[NAMES_MAX] = { NULL }, *near;
	size_t n = 0;

	for (const struct subverb *s = table; s->name; s++) {
		if (str_eq(s->name, name))
			return s;
		if (n + 1 < NAMES_MAX)
			names[n++] = s->name;
	}
	AUTO(str) char *all = strv_join((char *const *)names, ", ");
	near = name ? str_nearest(name, names) : NULL;
	if (!name)
		err_set(err, E_USAGE, "%s what? There are: %s", verb, all);
	else
		err_set(err, E_USAGE, "there is no '%s %s'", verb, name);
	if (near)
		err_hint(err, "did you mean %s?", near);
	else if (name)
		err_hint(err, "there are: %s", all);
	return NULL;
}

int subverb_run(const struct subverb *table, int argc, char **argv, struct err *err)
{
	const char *verb = argv[0], *name = argc > 1 ? argv[1] : NULL;
	const struct subverb *s;
	int first;

	if (name && name[0] == '-' && wants_help(argc, argv))
		return help_all(table, verb);
	s = find(table, verb, name, err);
	if (!s)
		return -1;
	if (wants_help(argc - 1, argv + 1))
		return help_one(s, verb);
	first = opt_parse(s->opts, OPT_PLAIN, argc - 1, argv + 1, err);
	if (first < 0)
		return -1;
	argc -= 1 + first;
	argv += 1 + first;
	if (argc < s->least || (s->most >= 0 && argc > s->most))
		return err_set(err, E_USAGE, "usage: %s %s [OPTION...] %s", verb, name,
			       s->operands);
	return s->run(argc, argv, err);
}
