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

/* Called first by every verb: how its output is wanted. talk must outlive the program's output.
 * E_USAGE: --progress-fd is not a number, or not open. */
MUST_CHECK int say_begin(const struct cli_talk *talk, struct err *err);
/* The same for the other parts of the output; never NULL. */
const struct cli_talk *say_how(void);

/* Prints a document on standard output, at most one per run; say_has_answered() is true
 * afterwards. */
void say_json(const struct json *j);
bool say_has_answered(void);
/* Prints a line on standard output, unless --json or --quiet. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints the result of a change that has no details: {"verb", "changed"} with --json, else the
 * sentence, or "nothing to do" if nothing changed. */
void say_done(const char *verb, bool changed, const char *sentence);
/* The same with the bytes that were freed: member "freed", and in the sentence. */
void say_freed(const char *verb, bool changed, const char *sentence, unsigned long long bytes);
/* Prints "PATH: WHAT" as say(), and adds it to a JSON array; a deploy_found. */
void say_finding(void *list, const char *path, const char *what);
/* "12.3 MiB", in one of four static buffers that are used in turn. */
const char *say_bytes(unsigned long long bytes);
