// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Output of the verbs: the result on standard output, as one JSON document with --json; everything
 * else on standard error.
 */

#include "base/err.h"
#include "deploy/cli/options.h"

#include <stdbool.h>

struct json;

/* Every verb calls this first, with the options of its output, which must stay valid. Also sets up
 * the handling of signals. E_USAGE: --progress-fd is not a number, or not open. */
MUST_CHECK int say_begin(const struct cli_talk *talk, struct err *err);
/* Returns these options; never NULL. */
const struct cli_talk *say_how(void);

/* Prints a document on standard output, at most one in a run. say_has_answered(): it was
 * printed. */
void say_json(const struct json *j);
bool say_has_answered(void);
/* Prints a line on standard output, unless --json or --quiet. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints a line on standard error, unless --quiet: for text that is not part of the result. */
void say_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints the result of a change without details: with --json {"verb", "changed"}; otherwise the
 * sentence, or "nothing to do" if nothing changed. */
void say_done(const char *verb, bool changed, const char *sentence);
/* The same with the bytes that were freed: as member "freed", or behind the sentence. */
void say_freed(const char *verb, bool changed, const char *sentence, unsigned long long bytes);
/* A deploy_found: prints "PATH: WHAT" by say(), and appends {"path", "what"} to list, a JSON
 * array. */
void say_finding(void *list, const char *path, const char *what);
/* Returns "12.3 MiB", in one of four static buffers that are used in turn. */
const char *say_bytes(unsigned long long bytes);
