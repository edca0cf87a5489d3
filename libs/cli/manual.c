// SPDX-License-Identifier: Apache-2.0
/* The command line, help, man page and completions, from the tables. */

#include "cli/manual.h"

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"

enum { NAMES_MAX = 32 };

void manual_help(const struct manual *m, FILE *to)
{
	(void)fprintf(to, "usage: %s VERB [OPTION...]\n%s %s\n\n", m->name, m->name, m->text);
	for (const struct subverb *v = m->verbs; v->name; v++)
		(void)fprintf(to, "  %-10s %s\n", v->name, v->help);
	for (const struct family *f = m->families; f->name; f++)
		(void)fprintf(to, "  %-10s %s\n", f->name, f->help);
	(void)fprintf(to,
		      "\n"
		      "help VERB: its options. manual man|bash|zsh|fish: man page, completions.\n");
}

/* --- every verb --- */

typedef void each_verb(FILE *to, const struct manual *m, const char *family,
		       const struct subverb *v);

static void for_each(const struct manual *m, FILE *to, each_verb *fn)
{
	for (const struct subverb *v = m->verbs; v && v->name; v++)
		fn(to, m, NULL, v);
	for (const struct family *f = m->families; f && f->name; f++) {
		for (const struct subverb *v = f->verbs; v->name; v++)
			fn(to, m, f->name, v);
	}
}

/* --- the man page --- */

/* Escapes text for roff: a leading dot or quote, backslashes and hyphens are special. */
static void roff(FILE *to, const char *text)
{
	if (*text == '.' || *text == '\'')
		(void)fputs("\\&", to);
	for (; *text; text++) {
		if (*text == '\\')
			(void)fputs("\\e", to);
		else if (*text == '-')
			(void)fputs("\\-", to);
		else
			(void)fputc(*text, to);
	}
}

static void man_options(FILE *to, const struct opt *opts)
{
	for (const struct opt *o = opts; o->kind != OPT_KIND_END; o++) {
		(void)fputs(".TP\n\\fB", to);
		if (o->letter)
			(void)fprintf(to, "\\-%c\\fR, \\fB", o->letter);
		(void)fputs("\\-\\-", to);
		roff(to, o->name);
		(void)fputs("\\fR", to);
		if (o->value) {
			(void)fputs(" \\fI", to);
			roff(to, o->value);
			(void)fputs("\\fR", to);
		}
		(void)fputc('\n', to);
		roff(to, o->help);
		(void)fputc('\n', to);
	}
}

static void man_verb(FILE *to, const struct manual *m, const char *family, const struct subverb *v)
{
	(void)fprintf(to, ".SS \"%s %s%s%s%s%s\"\n", m->name, family ? family : "",
		      family ? " " : "", v->name, *v->operands ? " " : "", v->operands);
	roff(to, v->help);
	(void)fputs(str_ends(v->help, "?") ? "\n" : ".\n", to);
	man_options(to, v->opts);
}

/* The synopsis, and the verbs or options. */
static void man_body(const struct manual *m, FILE *to)
{
	if (!m->opts) {
		(void)fprintf(to, ".SH SYNOPSIS\n.B %s\n.I verb\n.RI [ option ...]\n.SH VERBS\n",
			      m->name);
		for_each(m, to, man_verb);
		return;
	}
	(void)fprintf(to, ".SH SYNOPSIS\n.B %s\n.RI [ option ...]\n.SH DESCRIPTION\n", m->name);
	roff(to, m->about);
	(void)fputs("\n.SH OPTIONS\n", to);
	man_options(to, m->opts);
}

/* A section of variables or files, if there are any. */
static void man_section(FILE *to, const char *title, const struct variable *list)
{
	if (list)
		(void)fprintf(to, ".SH %s\n", title);
	for (const struct variable *v = list; v && v->name; v++) {
		(void)fputs(".TP\n\\fB", to);
		roff(to, v->name);
		(void)fputs("\\fR\n", to);
		roff(to, v->text);
		(void)fputs(".\n", to);
	}
}

static void man(const struct manual *m, FILE *to)
{
	(void)fprintf(to, ".TH %s 8 \"\" \"kata %s\" \"System Administration\"\n", m->name,
		      KATA_VERSION);
	(void)fprintf(to, ".SH NAME\n%s \\- ", m->name);
	roff(to, m->text);
	(void)fputc('\n', to);
	man_body(m, to);
	man_section(to, "ENVIRONMENT", m->variables);
	man_section(to, "FILES", m->files);
	(void)fputs(".SH EXIT STATUS\n0 on success; else as in the table of errors:\n", to);
#define X(sym, slug, status, rpc, text)           \
	(void)fprintf(to, ".TP\n%d\n", (status)); \
	roff(to, slug);                           \
	(void)fputs(": ", to);                    \
	roff(to, text);                           \
	(void)fputc('\n', to);
	ERR_CODES(X)
#undef X
}

/* --- completions --- */

static void words(FILE *to, const struct manual *m, const struct subverb *verbs)
{
	for (const struct subverb *v = verbs; v->name; v++)
		(void)fprintf(to, "%s%s", v == verbs ? "" : " ", v->name);
	for (const struct family *f = m ? m->families : NULL; f && f->name; f++)
		(void)fprintf(to, " %s", f->name);
	if (m)
		(void)fputs(" help", to);
}

/* The parser of verbs adds --help to their tables. */
static void options(FILE *to, const struct opt *opts, const char *more)
{
	const char *before = "";

	for (const struct opt *o = opts; o->kind != OPT_KIND_END; o++, before = " ")
		(void)fprintf(to, "%s--%s", before, o->name);
	(void)fputs(more, to);
}

/* In bash and zsh the words before the cursor, joined, select the completions. */
static void case_verb(FILE *to, const struct manual *m, const char *family, const struct subverb *v)
{
	(void)m;
	(void)fprintf(to, "\t'%s%s%s'*) list='", family ? family : "", family ? " " : "", v->name);
	options(to, v->opts, v->opts->kind == OPT_KIND_END ? "--help" : " --help");
	(void)fputs("' ;;\n", to);
}

static void cases(const struct manual *m, FILE *to)
{
	for_each(m, to, case_verb);
	for (const struct family *f = m->families; f && f->name; f++) {
		(void)fprintf(to, "\t'%s'*) list='", f->name);
		words(to, NULL, f->verbs);
		(void)fputs("' ;;\n", to);
	}
	(void)fputs("\t*) list='", to);
	if (m->opts)
		options(to, m->opts, "");
	else
		words(to, m, m->verbs);
	(void)fputs("' ;;\n", to);
}

/* The completion function of bash. Its name has the program's, since a shell loads several. */
static char *function_name(const struct manual *m)
{
	char *name = str_fmt("_%s", m->name);

	for (char *c = name; *c; c++) {
		if (*c == '-')
			*c = '_';
	}
	return name;
}

static void bash(const struct manual *m, FILE *to)
{
	AUTO(str) char *name = function_name(m);

	(void)fprintf(to,
		      "%s() {\n"
		      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} list\n"
		      "\tlocal before=\"${COMP_WORDS[*]:1:COMP_CWORD-1}\"\n"
		      "\tcase $before in\n",
		      name);
	cases(m, to);
	(void)fprintf(to,
		      "\tesac\n"
		      "\tcase $cur in -*) ;; *) [[ $list == -* ]] && list= ;; esac\n"
		      "\tmapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\")\n"
		      "}\n"
		      "complete -o default -F %s %s\n",
		      name, m->name);
}

static void zsh(const struct manual *m, FILE *to)
{
	(void)fprintf(to,
		      "#compdef %s\n"
		      "local list before=\"${words[2,CURRENT-1]}\"\n"
		      "case $before in\n",
		      m->name);
	cases(m, to);
	(void)fputs("esac\n"
		    "if [[ $list == -* && $PREFIX != -* ]]; then\n"
		    "\t_files\n"
		    "else\n"
		    "\tcompadd -- ${=list}\n"
		    "fi\n",
		    to);
}

/* Prints text in single quotes for fish. */
static void fish_text(FILE *to, const char *text)
{
	(void)fputc('\'', to);
	for (; *text; text++) {
		if (*text == '\'' || *text == '\\')
			(void)fputc('\\', to);
		(void)fputc(*text, to);
	}
	(void)fputs("'\n", to);
}

static void fish_verb(FILE *to, const struct manual *m, const char *family, const struct subverb *v)
{
	const char *condition = family ? family : v->name;

	if (family) {
		(void)fprintf(to, "complete -c %s -n '__fish_seen_subcommand_from %s' -f -a %s -d ",
			      m->name, family, v->name);
		fish_text(to, v->help);
	} else {
		(void)fprintf(to, "complete -c %s -n __fish_use_subcommand -f -a %s -d ", m->name,
			      v->name);
		fish_text(to, v->help);
	}
	for (const struct opt *o = v->opts; o->kind != OPT_KIND_END; o++) {
		(void)fprintf(to, "complete -c %s -n '__fish_seen_subcommand_from %s", m->name,
			      condition);
		if (family)
			(void)fprintf(to, "; and __fish_seen_subcommand_from %s", v->name);
		(void)fprintf(to, "' -l %s%s -d ", o->name, o->value ? " -r" : "");
		fish_text(to, o->help);
	}
}

static void fish(const struct manual *m, FILE *to)
{
	for (const struct opt *o = m->opts; o && o->kind != OPT_KIND_END; o++) {
		(void)fprintf(to, "complete -c %s -l %s%s -d ", m->name, o->name,
			      o->value ? " -r" : "");
		fish_text(to, o->help);
	}
	if (m->opts)
		return;
	for_each(m, to, fish_verb);
	for (const struct family *f = m->families; f->name; f++) {
		(void)fprintf(to, "complete -c %s -n __fish_use_subcommand -f -a %s -d ", m->name,
			      f->name);
		fish_text(to, f->help);
	}
	(void)fprintf(to, "complete -c %s -n __fish_use_subcommand -f -a help -d 'show the help'\n",
		      m->name);
}

int manual_print(const struct manual *m, const char *what, FILE *to, struct err *err)
{
	static const struct {
		const char *name;
		void (*print)(const struct manual *m, FILE *to);
	} kinds[] = { { "man", man }, { "bash", bash }, { "zsh", zsh }, { "fish", fish } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(what, kinds[i].name)) {
			kinds[i].print(m, to);
			return 0;
		}
	}
	return err_set(err, E_USAGE, "unknown manual '%s'; there are man, bash, zsh and fish",
		       what);
}

/* --- the command line --- */

static int unknown(const struct manual *m, const char *word, struct err *err)
{
	const char *names[NAMES_MAX] = { NULL };
	size_t n = 0;

	if (*word == '-') {
		err_set(err, E_USAGE, "expected a verb, found '%s'", word);
		return err_hint(err, "%s VERB [OPTION...]; %s --help lists the verbs", m->name,
				m->name);
	}
	for (const struct subverb *v = m->verbs; v->name && n + 1 < NAMES_MAX; v++)
		names[n++] = v->name;
	for (const struct family *f = m->families; f->name && n + 1 < NAMES_MAX; f++)
		names[n++] = f->name;
	subverb_unknown(names, m->name, word, err);
	return -1;
}

/* argv[0] is the name in messages; it is restored afterwards. */
static int run_family(const struct manual *m, const struct family *f, int argc, char **argv,
		      struct err *err)
{
	AUTO(str) char *name = str_fmt("%s %s", m->name, f->name);
	char *was = argv[0];
	int rc;

	argv[0] = name;
	rc = f->run(argc, argv, err);
	argv[0] = was;
	return rc;
}

static int run_verb(const struct manual *m, int argc, char **argv, struct err *err)
{
	AUTO(str) char *name = xstrdup(m->name);
	char *was = argv[0];
	int rc;

	argv[0] = name;
	rc = subverb_run(m->verbs, argc, argv, err);
	argv[0] = was;
	return rc;
}

static int run(const struct manual *m, int argc, char **argv, struct err *err)
{
	for (const struct family *f = m->families; f->name; f++) {
		if (str_eq(argv[1], f->name))
			return run_family(m, f, argc - 1, argv + 1, err);
	}
	for (const struct subverb *v = m->verbs; v->name; v++) {
		if (str_eq(argv[1], v->name))
			return run_verb(m, argc, argv, err);
	}
	return unknown(m, argv[1], err);
}

/* "help VERB" is "VERB --help"; "help FAMILY VERB" is "FAMILY VERB --help". */
static int help(const struct manual *m, int argc, char **argv, struct err *err)
{
	char *words[] = { argv[0], argv[2], argc > 3 ? argv[3] : (char *)"--help", (char *)"--help",
			  NULL };

	if (argc == 2 || str_eq(argv[2], "help") || str_eq(argv[2], "manual")) {
		manual_help(m, stdout);
		return 0;
	}
	return run(m, (int)ARRAY_LEN(words) - 1, words, err);
}

int manual_run(const struct manual *m, int argc, char **argv, struct err *err)
{
	if (argc < 2 || str_eq(argv[1], "--help") || str_eq(argv[1], "-h")) {
		manual_help(m, stdout);
		return 0;
	}
	if (str_eq(argv[1], "--version")) {
		(void)printf("%s %s\n", m->name, KATA_VERSION);
		return 0;
	}
	if (str_eq(argv[1], "manual"))
		return manual_print(m, argc > 2 ? argv[2] : "man", stdout, err);
	return str_eq(argv[1], "help") ? help(m, argc, argv, err) : run(m, argc, argv, err);
}
