// SPDX-License-Identifier: Apache-2.0
/* Log lines: formatted on the stack, written with one write(2). Must not allocate or block. */

#include "base/log.h"

#include "base/str.h"
#include "base/utc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, COMMON_MAX = 4 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below but level */
static struct {
	const char *name, *source;
	enum log_format format;
	int fd;
	uint64_t lost;
	struct {
		const char *key;
		char value[128];
	} common[COMMON_MAX];
} sink = { .name = "kata", .source = "main", .format = LOG_LOGFMT, .fd = STDERR_FILENO };
static enum log_level threshold = LOG_INFO; /* atomic */

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
};

static void put(struct line *l, const char *s, size_t n)
{
	size_t room = sizeof(l->text) - 2 - l->len; /* "}" and newline always fit */

	if (n > room)
		n = room;
	memcpy(l->text + l->len, s, n);
	l->len += n;
}

static void puts_raw(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

static void puts_quoted(struct line *l, const char *s)
{
	char escape[8];

	put(l, "\"", 1);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			escape[0] = '\\';
			escape[1] = (char)c;
			put(l, escape, 2);
		} else if (c < 0x20 || c == 0x7f) {
			(void)str_print(escape, sizeof(escape), "\\u%04x", c);
			puts_raw(l, escape);
		} else {
			put(l, (const char *)&c, 1);
		}
	}
	put(l, "\"", 1);
}

/* True if a logfmt value needs neither quotes nor escapes. */
static bool is_plain(const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c <= ' ' || c == 0x7f || strchr("\"=\\", c))
			return false;
	}
	return true;
}

static void pair(struct line *l, const char *key, const char *value)
{
	if (sink.format == LOG_JSON) {
		put(l, l->len ? ",\"" : "{\"", 2);
		puts_raw(l, key);
		put(l, "\":", 2);
		puts_quoted(l, value ? value : "");
		return;
	}
	if (l->len)
		put(l, " ", 1);
	puts_raw(l, key);
	put(l, "=", 1);
	if (value && *value && is_plain(value))
		puts_raw(l, value);
	else
		puts_quoted(l, value ? value : "");
}

static void pair_int(struct line *l, const char *key, int64_t value)
{
	char text[24];

	(void)str_print(text, sizeof(text), "%" PRId64, value);
	pair(l, key, text);
}

static const char *level_name(enum log_level level)
{
	static const char *const names[] = {
		"trace", "debug", "info", "warning", "error", "fatal"
	};

	return names[level];
}

/* slog's four-letter names, which Kata's agent writes. */
static const char *level_name_json(enum log_level level)
{
	static const char *const names[] = { "TRCE", "DEBG", "INFO", "WARN", "ERRO", "CRIT" };

	return names[level];
}

/* The priorities of syslog(3). */
static const char *priority(enum log_level level)
{
	static const char *const prefixes[] = { "<7>", "<7>", "<6>", "<4>", "<3>", "<2>" };

	return prefixes[level];
}

static void timestamp(char *to, size_t size)
{
	struct timespec now;
	char second[UTC_SIZE];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	utc_print((uint64_t)now.tv_sec, second);
	(void)str_print(to, size, "%s.%09ldZ", second, now.tv_nsec);
}

static void common(struct line *l)
{
	for (size_t i = 0; i < COMMON_MAX; i++) {
		if (sink.common[i].key)
			pair(l, sink.common[i].key, sink.common[i].value);
	}
}

static void head(struct line *l, enum log_level level, const char *msg)
{
	char ts[48], pid[16];

	if (sink.format == LOG_JOURNAL) {
		puts_raw(l, priority(level));
		puts_raw(l, msg);
		common(l);
		return;
	}
	timestamp(ts, sizeof(ts));
	(void)str_print(pid, sizeof(pid), "%d", (int)getpid());
	if (sink.format == LOG_JSON) {
		pair(l, "msg", msg);
		pair(l, "level", level_name_json(level));
		pair(l, "ts", ts);
		pair(l, "version", KATA_VERSION);
		pair(l, "subsystem", sink.source);
	} else {
		pair(l, "time", ts);
		pair(l, "level", level_name(level));
		pair(l, "msg", msg);
	}
	pair(l, "name", sink.name);
	pair(l, "source", sink.source);
	pair(l, "pid", pid);
	common(l);
}

static void tail(struct line *l, const char *where, enum log_level level, const struct err *err,
		 const struct log_field *fields)
{
	for (const struct log_field *f = fields; f->kind; f++) {
		if (f->kind == LOG_FIELD_STR)
			pair(l, f->key, f->str);
		else
			pair_int(l, f->key, f->num);
	}
	if (err) {
		pair(l, "error", err->msg);
		pair(l, "code", err_slug(err->code));
		pair(l, "at", err->where ? err->where : where);
	} else if (level <= LOG_DEBUG) {
		pair(l, "at", where);
	}
	if (sink.lost)
		pair_int(l, "lost_lines", (int64_t)sink.lost);
	if (sink.format == LOG_JSON)
		l->text[l->len++] = '}';
	l->text[l->len++] = '\n';
}

void log_line(enum log_level level, const char *where, const struct err *err, const char *msg,
	      const struct log_field *fields)
{
	int saved = errno;
	struct line l;

	if (level < log_get_level())
		return;
	l.len = 0;
	(void)pthread_mutex_lock(&lock);
	if (sink.fd >= 0) {
		head(&l, level, msg);
		tail(&l, where, level, err, fields);
		if (write(sink.fd, l.text, l.len) < 0)
			sink.lost++;
		else
			sink.lost = 0;
	}
	(void)pthread_mutex_unlock(&lock);
	errno = saved;
}

void log_init(const char *name, const char *source, enum log_format format, int fd,
	      enum log_level level)
{
	(void)pthread_mutex_lock(&lock);
	sink.name = name;
	sink.source = source;
	sink.format = format;
	sink.fd = fd;
	(void)pthread_mutex_unlock(&lock);
	log_set_level(level);
}

bool log_is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char wanted[64];
	struct stat st;

	return stream && fstat(fd, &st) == 0 &&
	       str_print(wanted, sizeof(wanted), "%ju:%ju", (uintmax_t)st.st_dev,
			 (uintmax_t)st.st_ino) == 0 &&
	       str_eq(wanted, stream);
}

const char *log_priority(enum log_level level)
{
	return sink.format == LOG_JOURNAL ? priority(level) : "";
}

void log_set_level(enum log_level level)
{
	__atomic_store_n(&threshold, level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
	return __atomic_load_n(&threshold, __ATOMIC_RELAXED);
}

int log_set_fd(int fd)
{
	int old;

	(void)pthread_mutex_lock(&lock);
	old = sink.fd;
	sink.fd = fd;
	(void)pthread_mutex_unlock(&lock);
	return old;
}

void log_set_common(const char *key, const char *value)
{
	(void)pthread_mutex_lock(&lock);
	for (size_t i = 0; i < COMMON_MAX; i++) {
		if (sink.common[i].key && !str_eq(sink.common[i].key, key))
			continue;
		sink.common[i].key = value ? key : NULL;
		if (value)
			(void)str_print(sink.common[i].value, sizeof(sink.common[i].value), "%s",
					value);
		break;
	}
	(void)pthread_mutex_unlock(&lock);
}

int log_level_parse(const char *name)
{
	static const struct {
		const char *name;
		enum log_level level;
	} known[] = {
		{ "trace", LOG_TRACE },    { "debug", LOG_DEBUG },  { "info", LOG_INFO },
		{ "warn", LOG_WARN },      { "warning", LOG_WARN }, { "error", LOG_ERROR },
		{ "critical", LOG_FATAL }, { "fatal", LOG_FATAL },  { "panic", LOG_FATAL },
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (str_eq(known[i].name, name))
			return (int)known[i].level;
	}
	return -1;
}
