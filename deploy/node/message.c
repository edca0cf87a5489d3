// SPDX-License-Identifier: Apache-2.0
/*
 * Formats and parses the messages between node and report. A line of the peer is accepted as a
 * whole or not at all: every member has a type and a limit.
 */
#include "deploy/node/message.h"

#include "base/mem.h"
#include "base/str.h"
#include "json/fields.h"
#include "json/json.h"

#include <string.h>

static const char *const phases[] = {
#define X(sym, word) [sym] = word,
	NODE_PHASES(X)
#undef X
};

static const struct {
	const char *name;
	enum message_side from;
} kinds[] = {
	[MESSAGE_STATE] = { "state", MESSAGE_FROM_NODE },
	[MESSAGE_WANT_TURN] = { "want-turn", MESSAGE_FROM_NODE },
	[MESSAGE_END_TURN] = { "end-turn", MESSAGE_FROM_NODE },
	[MESSAGE_TURN] = { "turn", MESSAGE_FROM_REPORT },
	[MESSAGE_UNINSTALL] = { "uninstall", MESSAGE_FROM_REPORT },
	[MESSAGE_KEEP] = { "keep", MESSAGE_FROM_REPORT },
};

/* The members of a state that are plain data, for both directions. */
#define TEXTS(X)   X(version) X(generation) X(manager) X(kernel) X(agent) X(code) X(message)
#define NUMBERS(X) X(since) X(serial) X(drift) X(restarts) X(failures) X(retry)
#define FLAGS(X)   X(ready) X(claimed)

const char *node_phase_name(enum node_phase phase)
{
	return phases[phase];
}

const char *message_kind_name(enum message_kind kind)
{
	return kinds[kind].name;
}

static bool has_id(enum message_kind kind)
{
	return kind != MESSAGE_STATE && kind != MESSAGE_KEEP;
}

void message_text(char *to, size_t size, const char *text)
{
	size_t n = text ? str_cut(text, size - 1) : 0;

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	to[n] = '\0';
}

bool node_state_same(const struct node_state *a, const struct node_state *b)
{
#define X(m)              \
	if (a->m != b->m) \
		return false;
	FLAGS(X)
	NUMBERS(X)
#undef X
#define X(m)                     \
	if (!str_eq(a->m, b->m)) \
		return false;
	TEXTS(X)
#undef X
	return a->phase == b->phase;
}

/* --- writing --- */

static void put_text(struct json *j, const char *key, const char *text, size_t size)
{
	char clean[MESSAGE_TEXT];

	message_text(clean, size < sizeof(clean) ? size : sizeof(clean), text);
	if (*clean)
		json_put(j, key, json_make_string(clean));
}

static void put_state(struct json *j, const struct node_state *s)
{
	json_put(j, "phase", json_make_string(phases[s->phase]));
#define X(m) json_put(j, #m, json_make_bool(s->m));
	FLAGS(X)
#undef X
#define X(m)      \
	if (s->m) \
		json_put(j, #m, json_make_u64(s->m));
	NUMBERS(X)
#undef X
#define X(m) put_text(j, #m, s->m, sizeof(s->m));
	TEXTS(X)
#undef X
}

int message_format(const struct message *m, struct buf *to, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "v", json_make_int(MESSAGE_VERSION));
	json_put(j, "type", json_make_string(kinds[m->kind].name));
	if (m->kind == MESSAGE_STATE)
		put_state(j, &m->state);
	if (has_id(m->kind)) {
		if (str_check_id(m->id, "id of a message", err) < 0)
			return -1;
		json_put(j, "id", json_make_string(m->id));
	}
	if (m->kind == MESSAGE_WANT_TURN)
		json_put(j, "held", json_make_bool(m->held));
	if (m->kind == MESSAGE_END_TURN)
		json_put(j, "good", json_make_bool(m->good));
	if (m->kind == MESSAGE_WANT_TURN || m->kind == MESSAGE_END_TURN)
		put_text(j, "reason", m->reason, sizeof(m->reason));
	AUTO(str) char *line = json_format(j, false);
	if (strlen(line) + 1 > MESSAGE_MAX)
		return err_set(err, E_LIMIT, "a message of %zu bytes; the limit is %d",
			       strlen(line), MESSAGE_MAX - 1);
	buf_str(to, line);
	buf_chr(to, '\n');
	return buf_check(to, "messages", err);
}

/* --- reading --- */

static int get_text(struct fields *f, const char *key, char *to, size_t size, struct err *err)
{
	const char *text = NULL;

	if (fields_text(f, key, false, &text, err) < 0)
		return -1;
	if (!text)
		return 0;
	if (strlen(text) >= size)
		return err_set(err, E_LIMIT, "'%s' has %zu bytes; the limit is %zu", key,
			       strlen(text), size - 1);
	message_text(to, size, text);
	return 0;
}

static int get_phase(struct fields *f, enum node_phase *to, struct err *err)
{
	const char *word;

	if (fields_text(f, "phase", true, &word, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(phases); i++) {
		if (str_eq(phases[i], word)) {
			*to = (enum node_phase)i;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "unknown phase");
}

static int get_state(struct fields *f, struct node_state *s, struct err *err)
{
	if (get_phase(f, &s->phase, err) < 0)
		return -1;
#define X(m)                                    \
	if (fields_bool(f, #m, &s->m, err) < 0) \
		return -1;
	FLAGS(X)
#undef X
#define X(m)                                          \
	if (fields_u64(f, #m, false, &s->m, err) < 0) \
		return -1;
	NUMBERS(X)
#undef X
#define X(m)                                              \
	if (get_text(f, #m, s->m, sizeof(s->m), err) < 0) \
		return -1;
	TEXTS(X)
#undef X
	return 0;
}

static int get_id(struct fields *f, char *to, size_t size, struct err *err)
{
	const char *id;

	if (fields_text(f, "id", true, &id, err) < 0)
		return -1;
	if (strlen(id) >= size)
		return err_set(err, E_LIMIT, "'id' has %zu bytes; the limit is %zu", strlen(id),
			       size - 1);
	if (str_check_id(id, "id", err) < 0)
		return -1;
	message_text(to, size, id);
	return 0;
}

static int get_kind(struct fields *f, enum message_side from, enum message_kind *to,
		    struct err *err)
{
	const char *type;
	uint64_t v;

	if (fields_u64(f, "v", true, &v, err) < 0)
		return -1;
	if (v != MESSAGE_VERSION)
		return err_set(err, E_INVALID,
			       "version %llu, expected %d; run both containers from one image",
			       (unsigned long long)v, MESSAGE_VERSION);
	if (fields_text(f, "type", true, &type, err) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(kinds[i].name, type) && kinds[i].from == from) {
			*to = (enum message_kind)i;
			return 0;
		}
	}
	return err_set(err, E_INVALID, "not a type that this side may send");
}

static int get_all(struct fields *f, enum message_side from, struct message *m, struct err *err)
{
	if (get_kind(f, from, &m->kind, err) < 0)
		return -1;
	if (m->kind == MESSAGE_STATE && get_state(f, &m->state, err) < 0)
		return -1;
	if (has_id(m->kind) && get_id(f, m->id, sizeof(m->id), err) < 0)
		return -1;
	if (m->kind == MESSAGE_WANT_TURN && fields_bool(f, "held", &m->held, err) < 0)
		return -1;
	if (m->kind == MESSAGE_END_TURN && fields_bool(f, "good", &m->good, err) < 0)
		return -1;
	if ((m->kind == MESSAGE_WANT_TURN || m->kind == MESSAGE_END_TURN) &&
	    get_text(f, "reason", m->reason, sizeof(m->reason), err) < 0)
		return -1;
	return fields_end(f, err);
}

int message_parse(const char *line, size_t len, enum message_side from, struct message *out,
		  struct err *err)
{
	AUTO(json) struct json *j = NULL;
	struct fields f;

	memset(out, 0, sizeof(*out));
	if (len >= MESSAGE_MAX)
		return err_set(err, E_PROTOCOL, "a message of more than %d bytes", MESSAGE_MAX - 1);
	j = json_parse(line, len, "message", err);
	if (j && fields_begin(&f, j, "message", err) == 0 && get_all(&f, from, out, err) == 0)
		return 0;
	err->code = E_PROTOCOL;
	return -1;
}
