// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Command lines from one table: the parser and the help come from the same rows.
 *
 *	static struct { const char *config; bool json; unsigned jobs; } o = { .jobs = 4 };
 *	static const struct opt opts[] = {
 *		OPT_PATH('c', "config", "FILE", &o.config, "read FILE"),
 *		OPT_FLAG(0, "json", &o.json, "print JSON"),
 *		OPT_UINT('j', "jobs", "N", &o.jobs, "do N at a time"),
 *		OPT_END
 *	};
 *	// the index of the first operand
 *	int first = opt_parse(opts, OPT_PLAIN, argc, argv, &err);
 *
 * Accepts --name VALUE, --name=VALUE, -n VALUE, -nVALUE. OPT_SINGLE_DASH also takes "-name VALUE"
 * and "-name=VALUE", as containerd calls a shim. "--" ends the options.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdio.h>

struct opt {
	char letter; /* 0: none */
	const char *name;
	const char *value; /* the name of the value in the help: FILE; NULL: a flag */
	enum {
		OPT_KIND_END,
		OPT_KIND_FLAG,
		OPT_KIND_STR,
		OPT_KIND_PATH,
		OPT_KIND_UINT,
		OPT_KIND_STRV,
		OPT_KIND_PATHS,
	} kind;
	union {
		bool *flag;
		const char **str;
		unsigned *number;
		char ***list;
	} to;
	const char *help;
};

#define OPT_FLAG(l, n, p, h)                                        \
	{                                                           \
		(l), (n), NULL, OPT_KIND_FLAG, { .flag = (p) }, (h) \
	}
#define OPT_STR(l, n, v, p, h)                                   \
	{                                                        \
		(l), (n), (v), OPT_KIND_STR, { .str = (p) }, (h) \
	}
/* As OPT_STR, for a file or directory (or a URL): the value is not empty, which would be the current
 * directory to some code and no value to other, and has no control character, which would end a
 * line of a file that the path is written to. */
#define OPT_PATH(l, n, v, p, h)                                   \
	{                                                         \
		(l), (n), (v), OPT_KIND_PATH, { .str = (p) }, (h) \
	}
#define OPT_UINT(l, n, v, p, h)                                      \
	{                                                            \
		(l), (n), (v), OPT_KIND_UINT, { .number = (p) }, (h) \
	}
#define OPT_STRV(l, n, v, p, h)                                    \
	{                                                          \
		(l), (n), (v), OPT_KIND_STRV, { .list = (p) }, (h) \
	}
/* OPT_STRV of such paths. */
#define OPT_PATHS(l, n, v, p, h)                                    \
	{                                                           \
		(l), (n), (v), OPT_KIND_PATHS, { .list = (p) }, (h) \
	}
#define OPT_END                                             \
	{                                                   \
		0, NULL, NULL, OPT_KIND_END, { NULL }, NULL \
	}

enum opt_style { OPT_PLAIN, OPT_SINGLE_DASH };

/* Stores the options and returns the index of the first operand. Values of OPT_STR and OPT_PATH point
 * into argv; OPT_STRV and OPT_PATHS copy them to a strv of the caller's. E_USAGE names the option and
 * the nearest known one. */
MUST_CHECK int opt_parse(const struct opt *opts, enum opt_style style, int argc, char *const *argv,
			 struct err *err);
/* Returns the index of the first operand, or of "--" before it, argc if there is none; stores nothing.
 * OPT_PLAIN. An unknown option counts as one without a value. */
int opt_operands(const struct opt *opts, int argc, char *const *argv);
/* Prints one line per option. */
void opt_help(const struct opt *opts, FILE *to);
