// SPDX-License-Identifier: Apache-2.0
/* Output of the verbs. */

#include "deploy/cli/say.h"
#include "base/interrupt.h"
#include "base/str.h"
#include "deploy/cli/progress.h"
#include "json/json.h"

#include <stdarg.h>
#include <stdio.h>

static const struct cli_talk plain;
static const struct cli_talk *how = &plain;
static bool answered;

int say_begin(const struct cli_talk *talk, struct err *err)
{
	how = talk;
	interrupt_catch("kata-deploy", "the change is being undone or finished");
	return progress_open(talk->progress_fd, err);
}

const struct cli_talk *say_how(void)
{
	return how;
}

bool say_has_answered(void)
{
	return answered;
}

void say_json(const struct json *j)
{
	AUTO(str) char *text = json_format(j, true);

	(void)printf("%s\n", text);
	answered = true;
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (how->json || how->quiet)
		return;
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
}

void say_note(const char *fmt, ...)
{
	va_list ap;

	if (how->quiet)
		return;
	progress_end();
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

static struct json *done_json(const char *verb, bool changed)
{
	struct json *j = json_make_object();

	json_put(j, "verb", json_make_string(verb));
	json_put(j, "changed", json_make_bool(changed));
	return j;
}

void say_done(const char *verb, bool changed, const char *sentence)
{
	AUTO(json) struct json *j = done_json(verb, changed);

	say("%s", changed ? sentence : "nothing to do");
	if (how->json)
		say_json(j);
}

void say_freed(const char *verb, bool changed, const char *sentence, unsigned long long bytes)
{
	AUTO(json) struct json *j = done_json(verb, changed);

	json_put(j, "freed", json_make_u64(bytes));
	if (changed)
		say("%s, %s are free", sentence, say_bytes(bytes));
	else
		say("nothing to do");
	if (how->json)
		say_json(j);
}

void say_finding(void *list, const char *path, const char *what)
{
	struct json *j = json_make_object();

	say("%s: %s", path, what);
	json_put(j, "path", json_make_string(path));
	json_put(j, "what", json_make_string(what));
	json_add(list, j);
}

const char *say_bytes(unsigned long long bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
	static char texts[4][24];
	static unsigned turn;
	char *to = texts[turn++ % ARRAY_LEN(texts)];
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)!str_print(to, sizeof(texts[0]), "%llu bytes", bytes);
		return to;
	}
	for (; value >= 1024 && unit + 1 < ARRAY_LEN(units); unit++)
		value /= 1024;
	(void)!str_print(to, sizeof(texts[0]), "%.1f %s", value, units[unit]);
	return to;
}
