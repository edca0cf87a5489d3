// SPDX-License-Identifier: Apache-2.0
/*
 * D-Bus messages as bytes. A message is
 *
 *	head	order 'l', type, flags, version 1, length of the body, serial, length of the fields
 *	fields	structs at multiples of 8: code, signature of one type, value
 *	body	at a multiple of 8: values of the types in the field "signature"
 *
 * Every value begins at a multiple of its size, counted from the beginning of the message (of the
 * body, which is the same).
 */
#include "dbus/dbus.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>

enum { VERSION = 1, FIELDS_MAX = 64 << 10 };
/* How deep arrays, structs and variants may be in one another: the specification's limit. */
enum { NESTED_MAX = 64 };
enum field {
	FIELD_PATH = 1,
	FIELD_INTERFACE,
	FIELD_MEMBER,
	FIELD_ERROR,
	FIELD_ANSWERS,
	FIELD_DESTINATION,
	FIELD_SENDER,
	FIELD_SIGNATURE,
	FIELD_FDS
};

void dbus_message_release(struct dbus_message *m)
{
	buf_release(&m->data);
}

/* --- writing --- */

static void align(struct buf *to, size_t from, size_t n)
{
	while (!to->over && (to->len - from) % n)
		buf_chr(to, '\0');
}

static void put_u32(struct buf *to, uint32_t v)
{
	const char bytes[] = { (char)v, (char)(v >> 8), (char)(v >> 16), (char)(v >> 24) };

	buf_add(to, bytes, sizeof(bytes));
}

static void put_text(struct buf *to, size_t from, const char *text)
{
	align(to, from, 4);
	put_u32(to, (uint32_t)strlen(text));
	buf_add(to, text, strlen(text) + 1);
}

static void put_type(struct buf *to, const char *types)
{
	buf_chr(to, (char)strlen(types));
	buf_add(to, types, strlen(types) + 1);
}

static void put_field(struct buf *to, size_t from, enum field code, char type, const char *text)
{
	const char head[] = { (char)code, 1, type, 0 };

	align(to, from, 8);
	buf_add(to, head, sizeof(head));
	if (type == 'g')
		put_type(to, text);
	else
		put_text(to, from, text);
}

static void set_u32(struct buf *to, size_t at, uint32_t v)
{
	for (size_t i = 0; !to->over && i < 4; i++)
		to->data[at + i] = (char)(v >> 8 * i);
}

/* --- a body --- */

void dbus_body_release(struct dbus_body *b)
{
	buf_release(&b->data);
}

void dbus_put_text(struct dbus_body *b, const char *text)
{
	put_text(&b->data, 0, text);
}

void dbus_put_number(struct dbus_body *b, uint32_t number)
{
	align(&b->data, 0, 4);
	put_u32(&b->data, number);
}

void dbus_put_type(struct dbus_body *b, const char *one)
{
	put_type(&b->data, one);
}

void dbus_begin_struct(struct dbus_body *b)
{
	align(&b->data, 0, 8);
}

/* The length counts neither itself nor what comes before the first element. */
struct dbus_array dbus_begin_array(struct dbus_body *b, char element)
{
	struct dbus_array array;

	align(&b->data, 0, 4);
	array.length_at = b->data.len;
	put_u32(&b->data, 0);
	align(&b->data, 0, element == '(' ? 8 : 4);
	array.begin = b->data.len;
	return array;
}

void dbus_end_array(struct dbus_body *b, struct dbus_array array)
{
	set_u32(&b->data, array.length_at, (uint32_t)(b->data.len - array.begin));
}

/* --- a call --- */

static void put_strings(struct dbus_body *b, char *const *arguments)
{
	strv_each(text, arguments)
		dbus_put_text(b, *text);
}

void dbus_format(const struct dbus_call *call, uint32_t serial, struct buf *to)
{
	const char head[] = { 'l', DBUS_CALL, 0, VERSION };
	char types[256] = "";
	AUTO(dbus_body) struct dbus_body strings = DBUS_BODY_INIT(types);
	const struct dbus_body *body = call->body ? call->body : &strings;
	size_t from = to->len, n = strv_len(call->arguments), fields;

	if (n >= sizeof(types))
		bug("a call with %zu arguments", n);
	memset(types, 's', n);
	put_strings(&strings, call->arguments);
	buf_add(to, head, sizeof(head));
	put_u32(to, 0);
	put_u32(to, serial);
	put_u32(to, 0);
	fields = to->len;
	put_field(to, from, FIELD_PATH, 'o', call->path);
	put_field(to, from, FIELD_INTERFACE, 's', call->interface);
	put_field(to, from, FIELD_MEMBER, 's', call->member);
	if (*body->types)
		put_field(to, from, FIELD_SIGNATURE, 'g', body->types);
	set_u32(to, from + 12, (uint32_t)(to->len - fields));
	align(to, from, 8);
	set_u32(to, from + 4, (uint32_t)body->data.len);
	buf_add(to, body->data.data, body->data.len);
	to->over = to->over || body->data.over;
}

/* --- reading --- */

static uint32_t u32_at(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static size_t up(size_t at, size_t n)
{
	return (at + n - 1) / n * n;
}

int dbus_length(const char *head, size_t *length, struct err *err)
{
	uint32_t body = u32_at(head + 4), fields = u32_at(head + 12);

	if (head[0] != 'l' || head[3] != VERSION)
		return err_set(err, E_PROTOCOL, "not a D-Bus message of this machine's kind");
	if (fields > FIELDS_MAX || body > DBUS_MESSAGE_MAX - FIELDS_MAX - DBUS_HEAD - 8)
		return err_set(err, E_PROTOCOL, "a D-Bus message of %u and %u bytes is too long",
			       fields, body);
	*length = up(DBUS_HEAD + fields, 8) + body;
	return 0;
}

/* A text of n bytes at `at`, with its NUL and none before. */
static const char *text_at(const char *data, size_t end, size_t at, size_t n)
{
	if (n >= end || at > end - n - 1 || data[at + n] || memchr(data + at, '\0', n))
		return NULL;
	return data + at;
}

/* The value at *at, which is moved behind it: a text, or a number. False: it is not one. */
static bool take(const char *data, size_t end, size_t *at, char type, const char **text,
		 uint32_t *number)
{
	size_t n;

	if (type == 'g') {
		if (*at >= end)
			return false;
		n = (unsigned char)data[*at];
		*text = text_at(data, end, *at + 1, n);
		*at += n + 2;
		return *text;
	}
	*at = up(*at, 4);
	if (*at > end || end - *at < 4)
		return false;
	n = *number = u32_at(data + *at);
	*at += 4;
	if (type == 'u')
		return true;
	if (type != 's' && type != 'o')
		return false;
	*text = text_at(data, end, *at, n);
	*at += n + 1;
	return *text;
}

/* The size of a number, which is also its alignment; 0 for other types. */
static size_t number_size(char type)
{
	switch (type) {
	case 'y':
		return 1;
	case 'n':
	case 'q':
		return 2;
	case 'b':
	case 'i':
	case 'u':
	case 'h':
		return 4;
	case 'x':
	case 't':
	case 'd':
		return 8;
	default:
		return 0;
	}
}

/* --- values that are not needed --- */

static bool is_basic(char type)
{
	return number_size(type) || type == 's' || type == 'o' || type == 'g';
}

/* The end of the first type of a signature; NULL: there is no valid one. element: of an array.
 * depth: in how many others it is. */
static const char *type_end(const char *type, bool element, unsigned depth)
{
	if (depth > NESTED_MAX)
		return NULL;
	if (*type == 'a')
		return type_end(type + 1, true, depth + 1);
	if (*type == '(') {
		type++;
		do
			type = type_end(type, false, depth + 1);
		while (type && *type != ')');
		return type ? type + 1 : NULL;
	}
	if (*type == '{') { /* a key and a value */
		type = element && is_basic(type[1]) ? type_end(type + 2, false, depth + 1) : NULL;
		return type && *type == '}' ? type + 1 : NULL;
	}
	return is_basic(*type) || *type == 'v' ? type + 1 : NULL;
}

/* True for a signature of one type. */
static bool is_one_type(const char *types)
{
	const char *end = type_end(types, false, 0);

	return end && !*end;
}

static bool skip_to(size_t end, size_t *at, size_t alignment)
{
	*at = up(*at, alignment);
	return *at <= end;
}

static size_t alignment_of(char type)
{
	if (type == '(' || type == '{')
		return 8;
	if (type == 's' || type == 'o' || type == 'a')
		return 4;
	return type == 'g' || type == 'v' ? 1 : number_size(type);
}

static const char *skip(const char *data, size_t end, size_t *at, const char *type, unsigned depth);

/* The length counts neither itself nor what comes before the first element. */
static const char *skip_array(const char *data, size_t end, size_t *at, const char *type,
			      unsigned depth)
{
	const char *text;
	uint32_t n;
	size_t last;

	if (!take(data, end, at, 'u', &text, &n) || !skip_to(end, at, alignment_of(type[1])) ||
	    n > end - *at)
		return NULL;
	for (last = *at + n; *at < last;) {
		if (!skip(data, last, at, type + 1, depth + 1))
			return NULL;
	}
	return type_end(type, false, 0);
}

static const char *skip_struct(const char *data, size_t end, size_t *at, const char *type,
			       unsigned depth)
{
	if (!skip_to(end, at, 8))
		return NULL;
	for (type++; type && *type != ')' && *type != '}';)
		type = skip(data, end, at, type, depth + 1);
	return type ? type + 1 : NULL;
}

static bool skip_variant(const char *data, size_t end, size_t *at, unsigned depth)
{
	const char *types;
	uint32_t number;

	return take(data, end, at, 'g', &types, &number) && is_one_type(types) &&
	       skip(data, end, at, types, depth + 1);
}

/* Moves *at behind a value of the first of the types, which are valid, and returns the next type.
 * NULL: there is no such value. Each value has a byte at least, so an array ends. */
static const char *skip(const char *data, size_t end, size_t *at, const char *type, unsigned depth)
{
	size_t n = number_size(*type);
	const char *text;
	uint32_t number;

	if (depth > NESTED_MAX)
		return NULL;
	if (*type == 'a')
		return skip_array(data, end, at, type, depth);
	if (*type == '(' || *type == '{')
		return skip_struct(data, end, at, type, depth);
	if (*type == 'v')
		return skip_variant(data, end, at, depth) ? type + 1 : NULL;
	if (!n)
		return take(data, end, at, *type, &text, &number) ? type + 1 : NULL;
	if (!skip_to(end, at, n) || end - *at < n)
		return NULL;
	*at += n;
	return type + 1;
}

/* --- a message --- */

/* The types that the specification gives the fields. */
static char type_of(unsigned char code)
{
	static const char types[] = { 0, 'o', 's', 's', 's', 'u', 's', 's', 'g', 'u' };

	return code < sizeof(types) ? types[code] : 0;
}

static void keep(struct dbus_message *m, unsigned char code, const char *text, uint32_t number)
{
	switch (code) {
	case FIELD_PATH:
		m->path = text;
		break;
	case FIELD_INTERFACE:
		m->interface = text;
		break;
	case FIELD_MEMBER:
		m->member = text;
		break;
	case FIELD_ERROR:
		m->error = text;
		break;
	case FIELD_ANSWERS:
		m->answers = number;
		break;
	case FIELD_SIGNATURE:
		m->signature = text;
		break;
	default:
		break;
	}
}

/* Fields with unknown codes are skipped, as the specification requires. */
static bool parse_field(struct dbus_message *m, size_t end, size_t *at)
{
	const char *data = m->data.data, *text = NULL, *types;
	unsigned char code = (unsigned char)data[*at];
	uint32_t number = 0;

	++*at;
	if (!code || !take(data, end, at, 'g', &types, &number) || !is_one_type(types))
		return false;
	if (!type_of(code))
		return skip(data, end, at, types, 0) != NULL;
	if (*types != type_of(code) || !take(data, end, at, *types, &text, &number))
		return false;
	keep(m, code, text, number);
	return true;
}

static bool parse_fields(struct dbus_message *m, size_t end)
{
	for (size_t at = DBUS_HEAD; at < end;) {
		at = up(at, 8);
		if (at >= end || end - at < 4 || !parse_field(m, end, &at))
			return false;
	}
	return true;
}

/* What each type of message must have. */
static bool is_complete(const struct dbus_message *m)
{
	switch (m->type) {
	case DBUS_CALL:
		return m->path && m->member;
	case DBUS_ANSWER:
		return m->answers;
	case DBUS_ERROR:
		return m->answers && m->error;
	case DBUS_SIGNAL:
		return m->path && m->interface && m->member;
	}
	return false;
}

int dbus_parse(struct dbus_message *m, struct err *err)
{
	struct buf data = m->data;
	size_t length, fields;

	*m = (struct dbus_message){ .data = data, .signature = "" };
	if (data.len < DBUS_HEAD)
		return err_set(err, E_PROTOCOL, "a D-Bus message of %zu bytes", data.len);
	if (dbus_length(data.data, &length, err) < 0)
		return -1;
	m->type = (enum dbus_type)data.data[1];
	m->serial = u32_at(data.data + 8);
	fields = DBUS_HEAD + u32_at(data.data + 12);
	if (length != data.len || !m->serial || !parse_fields(m, fields) || !is_complete(m))
		return err_set(err, E_PROTOCOL, "a damaged D-Bus message");
	m->body = data.data + up(fields, 8);
	m->body_len = length - up(fields, 8);
	return 0;
}

struct dbus_reader dbus_read(const struct dbus_message *m)
{
	return (struct dbus_reader){ m, m->signature, 0 };
}

static bool next(struct dbus_reader *r, char type, const char **text, uint32_t *number)
{
	if (*r->types == type && take(r->m->body, r->m->body_len, &r->at, type, text, number)) {
		r->types++;
		return true;
	}
	r->types = "";
	return false;
}

const char *dbus_text(struct dbus_reader *r, char type)
{
	const char *text = NULL;
	uint32_t number;

	return (type == 's' || type == 'o') && next(r, type, &text, &number) ? text : NULL;
}

uint32_t dbus_number(struct dbus_reader *r)
{
	const char *text;
	uint32_t number = 0;

	return next(r, 'u', &text, &number) ? number : 0;
}

bool dbus_variant(struct dbus_reader *r)
{
	const char *types = NULL;
	uint32_t number;

	if (*r->types != 'v' || !take(r->m->body, r->m->body_len, &r->at, 'g', &types, &number))
		types = "";
	r->types = types;
	return *types;
}
