// SPDX-License-Identifier: Apache-2.0
/* Reads and writes state/timer.json. A damaged file is an error: an empty history would release all
 * holds. */

#include "deploy/timer/past.h"

#include "base/buf.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 256 << 10 };

void timer_past_release(struct timer_past *past)
{
	json_free(past->last);
	json_free(past->held);
}

/* --- reading --- */

static int damaged(struct err *err)
{
	err_set(err, E_INVALID, "state/" TIMER_PAST " is damaged");
	return err_hint(err, "%s begins a new one, and tries all releases again",
			advice("timer unhold"));
}

/* True for an object with "when" and a text for each of names (NULL at the end). */
static bool has_texts(const struct json *j, const char *const *names)
{
	uint64_t when;

	if (json_kind(j) != JSON_IS_OBJECT || !json_get(j, "when") ||
	    json_kind(json_get(j, "when")) != JSON_IS_INT ||
	    json_u64(json_get(j, "when"), &when) < 0)
		return false;
	for (; *names; names++) {
		if (!json_get_text(j, *names))
			return false;
	}
	return true;
}

static bool is_past(const struct json *last, const struct json *held)
{
	static const char *const of_last[] = { "result", "version", "message", NULL };
	static const char *const of_held[] = { "sha256", "version", "why", NULL };

	if ((last && !has_texts(last, of_last)) || (held && json_kind(held) != JSON_IS_ARRAY))
		return false;
	for (size_t i = 0; held && i < json_count(held); i++) {
		if (!has_texts(json_at(held, i), of_held))
			return false;
	}
	return true;
}

int timer_past_load(int state, struct timer_past *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	AUTO(json) struct json *j = NULL;
	const struct json *last, *held;
	struct err why = ERR_INIT;

	if (state < 0)
		return 0;
	if (file_read(state, TIMER_PAST, TEXT_MAX, &text, &why) < 0) {
		if (why.code == E_NOT_FOUND)
			return 0;
		if (why.code == E_LIMIT)
			return damaged(err);
		*err = why;
		return err_wrap(err, "state/" TIMER_PAST);
	}
	j = json_parse(buf_cstr(&text), text.len, TIMER_PAST, &why);
	if (!j || json_kind(j) != JSON_IS_OBJECT)
		return damaged(err);
	last = json_get(j, "last");
	held = json_get(j, "held");
	if (!is_past(last, held))
		return damaged(err);
	out->last = last ? json_share(last) : NULL;
	out->held = held ? json_share(held) : NULL;
	return 0;
}

int timer_past_look(int state, struct err *err)
{
	return state < 0 ? 0 : path_look(state, TIMER_PAST, err);
}

int timer_past_save(int state, const struct timer_past *past, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();
	AUTO(str) char *text = NULL;

	if (past->last)
		json_put(j, "last", json_share(past->last));
	if (past->held)
		json_put(j, "held", json_share(past->held));
	text = json_format(j, true);
	return file_replace(state, TIMER_PAST, text, strlen(text), 0600, err);
}

/* --- holds --- */

const struct json *timer_past_held(const struct timer_past *past, const char *sha256)
{
	for (size_t i = 0; past->held && i < json_count(past->held); i++) {
		const struct json *h = json_at(past->held, i);

		if (str_eq(json_get_text(h, "sha256"), sha256))
			return h;
	}
	return NULL;
}

static bool has(const struct json *h, const char *member, const char *text)
{
	return !text || str_eq(json_get_text(h, member), text);
}

/* Removes the holds whose member is text (NULL: all); returns how many there were. */
static size_t take_out(struct timer_past *past, const char *member, const char *text)
{
	struct json *rest = json_make_array();
	size_t n = past->held ? json_count(past->held) : 0;

	for (size_t i = 0; i < n; i++) {
		if (!has(json_at(past->held, i), member, text))
			json_add(rest, json_share(json_at(past->held, i)));
	}
	json_free(past->held);
	past->held = rest;
	return n - json_count(rest);
}

/* Removes all but the last max holds, which are the newest. */
static void keep_newest(struct timer_past *past, size_t max)
{
	struct json *rest = json_make_array();
	size_t n = json_count(past->held);

	for (size_t i = n > max ? n - max : 0; i < n; i++)
		json_add(rest, json_share(json_at(past->held, i)));
	json_free(past->held);
	past->held = rest;
}

bool timer_past_blames(const struct err *err)
{
	return err->code != E_CANCELLED && err->code != E_LIMIT && err->code != E_STATE &&
	       err->sys != ENOSPC && err->sys != EDQUOT && err->sys != ENOMEM;
}

void timer_past_hold(struct timer_past *past, const char *sha256, const char *version,
		     uint64_t when, const char *why)
{
	struct json *h = json_make_object();

	(void)take_out(past, "sha256", sha256);
	json_put(h, "sha256", json_make_string(sha256));
	json_put(h, "version", json_make_string(version));
	json_put(h, "when", json_make_u64(when));
	json_put(h, "why", json_make_string(why));
	json_add(past->held, h);
	keep_newest(past, TIMER_HELD_MAX);
}

size_t timer_past_unhold(struct timer_past *past, const char *version)
{
	return take_out(past, "version", version);
}

void timer_past_ended(struct timer_past *past, const char *result, const char *version,
		      uint64_t when, const char *message)
{
	json_free(past->last);
	past->last = json_make_object();
	json_put(past->last, "when", json_make_u64(when));
	json_put(past->last, "result", json_make_string(result));
	json_put(past->last, "version", json_make_string(version ? version : ""));
	json_put(past->last, "message", json_make_string(message ? message : ""));
}
