// SPDX-License-Identifier: Apache-2.0
/*
 * Reads TOML on stdin and prints it as the typed JSON that TOML test suites compare: every value is
 * {"type": ..., "value": "text"}. Exits with 1 and a message for a document that is not TOML.
 */
#include "base/buf.h"
#include "base/file.h"
#include "toml/toml.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DOCUMENT_MAX = 1 << 20 };

static void put_string(struct buf *to, const char *text, size_t len)
{
	buf_chr(to, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			buf_fmt(to, "\\%c", c);
		else if (c < 0x20 || c == 0x7F)
			buf_fmt(to, "\\u%04x", c);
		else
			buf_chr(to, (char)c);
	}
	buf_chr(to, '"');
}

static void put_date(struct buf *to, const struct toml_time *t)
{
	buf_fmt(to, "%04d-%02d-%02d", t->year, t->month, t->day);
}

static void put_time(struct buf *to, const struct toml_time *t)
{
	buf_fmt(to, "%02d:%02d:%02d", t->hour, t->minute, t->second);
	if (t->nanosecond)
		buf_fmt(to, ".%09d", t->nanosecond);
}

static void put_offset(struct buf *to, int offset)
{
	int minutes = offset < 0 ? -offset : offset;

	if (offset == 0)
		buf_chr(to, 'Z');
	else
		buf_fmt(to, "%c%02d:%02d", offset < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

static void put_float(struct buf *to, double number)
{
	if (isnan(number))
		buf_str(to, "nan");
	else if (isinf(number))
		buf_str(to, number < 0 ? "-inf" : "inf");
	else
		buf_fmt(to, "%.17g", number);
}

static void put_value(struct buf *to, const struct toml_value *value);

static void put_array(struct buf *to, const struct toml_value *array)
{
	buf_chr(to, '[');
	for (size_t i = 0; i < array->array.n; i++) {
		buf_str(to, i ? "," : "");
		put_value(to, array->array.items[i]);
	}
	buf_chr(to, ']');
}

static void put_table(struct buf *to, const struct toml_value *table)
{
	const char *separator = "";

	buf_chr(to, '{');
	toml_each(entry, table)
	{
		buf_str(to, separator);
		separator = ",\n";
		put_string(to, entry->key, entry->key_len);
		buf_chr(to, ':');
		put_value(to, entry->value);
	}
	buf_chr(to, '}');
}

static void put_moment(struct buf *to, const struct toml_value *value)
{
	if (value->type != TOML_LOCAL_TIME)
		put_date(to, &value->time);
	if (value->type == TOML_OFFSET_DATETIME || value->type == TOML_LOCAL_DATETIME)
		buf_chr(to, 'T');
	if (value->type != TOML_LOCAL_DATE)
		put_time(to, &value->time);
	if (value->type == TOML_OFFSET_DATETIME)
		put_offset(to, value->time.offset);
}

static void put_scalar(struct buf *to, const struct toml_value *value)
{
	static const char *const types[] = {
		[TOML_STRING] = "string",
		[TOML_INTEGER] = "integer",
		[TOML_FLOAT] = "float",
		[TOML_BOOL] = "bool",
		[TOML_OFFSET_DATETIME] = "datetime",
		[TOML_LOCAL_DATETIME] = "datetime-local",
		[TOML_LOCAL_DATE] = "date-local",
		[TOML_LOCAL_TIME] = "time-local",
	};

	buf_fmt(to, "{\"type\":\"%s\",\"value\":", types[value->type]);
	if (value->type == TOML_STRING) {
		put_string(to, value->string.text, value->string.len);
		buf_chr(to, '}');
		return;
	}
	buf_chr(to, '"');
	if (value->type == TOML_INTEGER)
		buf_fmt(to, "%" PRId64, value->integer);
	else if (value->type == TOML_FLOAT)
		put_float(to, value->number);
	else if (value->type == TOML_BOOL)
		buf_str(to, value->boolean ? "true" : "false");
	else
		put_moment(to, value);
	buf_str(to, "\"}");
}

static void put_value(struct buf *to, const struct toml_value *value)
{
	if (value->type == TOML_TABLE)
		put_table(to, value);
	else if (value->type == TOML_ARRAY)
		put_array(to, value);
	else
		put_scalar(to, value);
}

static int run(struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(DOCUMENT_MAX);
	AUTO(buf) struct buf json = BUF_INIT(64 * DOCUMENT_MAX);
	AUTO(toml) struct toml_value *root = NULL;

	if (file_read_fd(STDIN_FILENO, "stdin", DOCUMENT_MAX, &text, err) < 0)
		return -1;
	root = toml_parse("stdin", buf_cstr(&text), text.len, NULL, err);
	if (!root)
		return -1;
	put_table(&json, root);
	buf_chr(&json, '\n');
	if (buf_check(&json, "the JSON text", err) < 0)
		return -1;
	if (fwrite(json.data, 1, json.len, stdout) != json.len || fflush(stdout) != 0)
		return err_sys(err, "stdout");
	return 0;
}

int main(void)
{
	struct err err = ERR_INIT;

	if (run(&err) < 0) {
		fprintf(stderr, "toml-decode: %s\n", err.msg);
		return 1;
	}
	return 0;
}
