// SPDX-License-Identifier: Apache-2.0
/* Verbs below a verb, from a table. */

#include "cli/subverb.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>

enum { NAMES_MAX = 32 };

static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && !str_eq(argv[i], "--"); i++) {
		if (str_eq(argv[i], "--help") || str_eq(argv[i], "-h"))
			return true;
	}
	return false;
}

/* The same of a verb, whose options may follow its operands for this only: people add --help to the
 * line that they have. But a command among the operands has options of its own. */
static bool wants_help_of(const struct subverb *s, int argc, char **argv)
{
	bool command = s->most == SUBVERB_COMMAND;

	return wants_help(command ? opt_operands(s->opts, argc, argv) : argc, argv);
}

static int help_all(const struct subverb *table, const char *verb)
{
	for (; table->name; table++)
		(void)printf("  %s %-10s %s\n", verb, table->name, table->help);
	return 0;
}

static int help_one(const struct subverb *s, const char *verb)
{
	(void)printf("usage: %s %s [OPTION...]%s%s\n%s\n\n", verb, s->name, *s->operands ? " " : "",
		     s->operands, s->help);
	opt_help(s->opts, stdout);
	return 0;
}

/* The name of a subverb after that of the program, which every message begins with; heap. */
static char *full_name(const char *verb, const char *name)
{
	const char *space = strchr(verb, ' ');

	return space ? str_fmt("%s %s", space + 1, name) : xstrdup(name);
}

void subverb_unknown(const char *const *names, const char *verb, const char *name, struct err *err)
{
	AUTO(str) char *all = strv_join((char *const *)names, ", ");
	const char *near = name ? str_nearest(name, names) : NULL;

	AUTO(str) char *full = name ? full_name(verb, name) : NULL;

	if (!name)
		err_set(err, E_USAGE, "expected a verb after '%s': %s", verb, all);
	else
		err_set(err, E_USAGE, "unknown verb '%s'", full);
	if (near)
		err_hint(err, "did you mean %s?", near);
	else if (name)
		err_hint(err, "there are: %s", all);
}

static const struct subverb *find(const struct subverb *table, const char *verb, const char *name,
				  struct err *err)
{
	const char *names[NAMES_MAX] = { NULL };
	size_t n = 0;

	for (const struct subverb *s = table; s->name; s++) {
		if (str_eq(s->name, name))
			return s;
		if (n + 1 < NAMES_MAX)
			names[n++] = s->name;
	}
	subverb_unknown(names, verb, name, err);
	return NULL;
}

static int help_of(const struct subverb *table, const char *verb, const char *name, struct err *err)
{
	const struct subverb *s = name ? find(table, verb, name, err) : NULL;

	if (!name)
		return help_all(table, verb);
	return s ? help_one(s, verb) : -1;
}

static int check_operands(const struct subverb *s, const char *verb, int argc, char **argv,
			  struct err *err)
{
	AUTO(str) char *full = full_name(verb, s->name);

	if (argc >= s->least && (s->most < 0 || argc <= s->most))
		return 0;
	if (s->most == 0)
		return err_set(err, E_USAGE, "%s takes no operand, such as '%s'; leave it out",
			       full, argv[0]);
	for (int i = 1; i < argc; i++) {
		if (argv[i][0] == '-' && argv[i][1])
			return err_set(err, E_USAGE,
				       "'%s' is an option and goes before '%s'; move it there",
				       argv[i], argv[0]);
	}
	return err_set(err, E_USAGE, "%s needs other operands; the usage is: %s %s [OPTION...] %s",
		       full, verb, s->name, s->operands);
}

int subverb_run(const struct subverb *table, int argc, char **argv, struct err *err)
{
	const char *verb = argv[0], *name = argc > 1 ? argv[1] : NULL;
	const struct subverb *s;
	int first;

	if (name && name[0] == '-' && wants_help(argc, argv))
		return help_all(table, verb);
	if (str_eq(name, "help"))
		return help_of(table, verb, argc > 2 ? argv[2] : NULL, err);
	s = find(table, verb, name, err);
	if (!s)
		return -1;
	if (wants_help_of(s, argc - 1, argv + 1))
		return help_one(s, verb);
	first = opt_parse(s->opts, OPT_PLAIN, argc - 1, argv + 1, err);
	if (first < 0)
		return -1;
	argc -= 1 + first;
	argv += 1 + first;
	if (check_operands(s, verb, argc, argv, err) < 0)
		return -1;
	return s->run(argc, argv, err);
}
