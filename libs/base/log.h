// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Logging: a constant message and typed fields; one line is one write(2).
 *
 *	log_info("container created", LOG_S("container", id), LOG_I("pid", pid));
 *	log_err(LOG_WARN, &err, "poststop hook failed", LOG_S("hook", path));
 *
 * Sinks: LOG_LOGFMT (the shim and the command-line tools: time level name pid source msg, as Kata's
 * log parser expects), LOG_JSON (the agent: msg level ts version subsystem pid name source) and
 * LOG_JOURNAL (a service of systemd: "<6>msg", then the fields; the journal adds the rest, and
 * takes "<N>" as the priority, sd-daemon(3)). Control characters are escaped, errno is kept, a line
 * is cut at 4 KiB. Never blocks: if the fd would block, the line is dropped, and the next line
 * written has the number of dropped lines. Thread safe. Libraries log at debug level, except for
 * errors that no caller gets.
 */

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_FATAL };
enum log_format { LOG_LOGFMT, LOG_JSON, LOG_JOURNAL };

struct log_field {
	enum { LOG_FIELD_STR = 1, LOG_FIELD_INT } kind;
	const char *key;
	const char *str;
	int64_t num;
};

#define LOG_S(k, v) ((struct log_field){ LOG_FIELD_STR, (k), (v), 0 })
#define LOG_I(k, v) ((struct log_field){ LOG_FIELD_INT, (k), NULL, (int64_t)(v) })

/* name: the program ("kata-agent"); source: its part ("agent", "shim"); both are kept by reference.
 * fd is borrowed; -1 drops all lines. Before log_init: logfmt on stderr at LOG_INFO. */
void log_init(const char *name, const char *source, enum log_format format, int fd,
	      enum log_level level);
void log_set_level(enum log_level level);
enum log_level log_get_level(void);
/* True if fd is connected to systemd's journal, according to JOURNAL_STREAM (systemd.exec(5)). */
bool log_is_journal(int fd);
/* The prefix that gives the journal the level of a line that is printed without log_*(): "<3>" for
 * LOG_ERROR if the format is LOG_JOURNAL, else "". Static. */
const char *log_priority(enum log_level level);
/* Changes the sink and returns the old fd. */
int log_set_fd(int fd);
/* Adds a field to every later line (the sandbox id), or removes it (value NULL). key is kept by
 * reference, value is copied. At most 4 fields. */
void log_set_common(const char *key, const char *value);

/* The level of a name: "trace" "debug" "info" "warn"/"warning" "error" "fatal"/"critical"/"panic";
 * -1 if it is unknown. */
int log_level_parse(const char *name);

#define log_at(level, ...) LOG_PICK_(level, NULL, __VA_ARGS__)
#define log_trace(...)     LOG_PICK_(LOG_TRACE, NULL, __VA_ARGS__)
#define log_debug(...)     LOG_PICK_(LOG_DEBUG, NULL, __VA_ARGS__)
#define log_info(...)      LOG_PICK_(LOG_INFO, NULL, __VA_ARGS__)
#define log_warn(...)      LOG_PICK_(LOG_WARN, NULL, __VA_ARGS__)
#define log_error(...)     LOG_PICK_(LOG_ERROR, NULL, __VA_ARGS__)
/* Adds the message, code and origin of an error to the line. */
#define log_err(level, err, ...) LOG_PICK_(level, err, __VA_ARGS__)

#define LOG_PICK_(level, err, msg, ...)           \
	log_line((level), ERR_HERE, (err), (msg), \
		 (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ){ 0 } })

void log_line(enum log_level level, const char *where, const struct err *err, const char *msg,
	      const struct log_field *fields);
