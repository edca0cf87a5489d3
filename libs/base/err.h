// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The one error type of the project.
 *
 * A struct err lives on the caller's stack, holds no heap memory and is never freed, so it works
 * when memory is exhausted and in a guest's PID 1. A function that can fail takes it as its last
 * parameter and returns 0, an fd, a count or a pointer on success and -1 or NULL on failure.
 *
 *	struct err err = ERR_INIT;
 *	if (manifest_parse(&m, fd, &err) < 0)
 *		return err_wrap(out, "release %s", version);
 *
 * Rules
 *  - set once, by the first place that knows (err_set, err_sys); setting a set error aborts;
 *  - callers only add the object that they worked on (err_wrap): "outer: inner";
 *  - return or log, never both; a deliberate ignore uses a throw-away error and says why;
 *  - messages are lower case, have no full stop and no function names, name the object, and, where
 *    a person can do something about it, end in "; " and what to do.
 *
 * Codes are stable: the slug appears in JSON output, the exit status in scripts, the RPC status on
 * the wire. docs/errors.md is generated from the list below.
 */

#include <stdbool.h>

/*	symbol		slug		exit	RPC status	meaning */
#define ERR_CODES(X)                                                                             \
	X(E_FAILED, "failed", 1, 13, "the operation failed for the reason given")                \
	X(E_USAGE, "usage", 2, 3, "the command line is wrong")                                   \
	X(E_CONFIG, "config", 3, 3, "a configuration file is wrong")                             \
	X(E_INVALID, "invalid", 4, 3, "a request or a document has an invalid value")            \
	X(E_NOT_FOUND, "not-found", 5, 5, "the named object does not exist")                     \
	X(E_EXISTS, "exists", 6, 6, "an object of that name exists already")                     \
	X(E_STATE, "state", 7, 9, "the object is not in a state that allows this")               \
	X(E_IO, "io", 8, 13, "the operating system refused a file, socket or process operation") \
	X(E_PERMISSION, "permission", 9, 7, "a privilege is missing")                            \
	X(E_LIMIT, "limit", 10, 8, "a size or count is above its limit")                         \
	X(E_TIMEOUT, "timeout", 11, 4, "something did not happen in time")                       \
	X(E_UNSUPPORTED, "unsupported", 12, 12, "this build, kernel or machine cannot do that")  \
	X(E_PROTOCOL, "protocol", 13, 13, "the peer broke the protocol")                         \
	X(E_GONE, "gone", 14, 14, "the peer went away: connection closed or process ended")      \
	X(E_HOOK, "hook", 15, 9, "a hook failed or ran out of time")                             \
	X(E_CANCELLED, "cancelled", 16, 1, "the caller gave up")                                 \
	X(E_TRUST, "trust", 17, 7, "a signature, certificate, expiry or serial rule refuses it")

enum err_code {
	E_OK = 0,
#define X(sym, slug, status, rpc, text) sym,
	ERR_CODES(X)
#undef X
};

struct err {
	enum err_code code;
	int sys; /* errno of the cause, or 0 */
	const char
		*where; /* "mount.c:88": where it was first noticed; for the log, not for people */
	char msg[480];  /* "outer: inner", cut at the end if need be */
};

#define ERR_INIT             \
	{                    \
		.code = E_OK \
	}

#define ERR_STR_(x) #x
#define ERR_STR(x)  ERR_STR_(x)
#define ERR_HERE    __FILE__ ":" ERR_STR(__LINE__)

/* Sets the error; returns -1. */
#define err_set(e, code, ...) err_set_at((e), (code), 0, ERR_HERE, __VA_ARGS__)
/* Sets an error from errno (its text is appended, in lower case); ENOENT, EEXIST, EPERM/EACCES and
 * ETIMEDOUT get codes of their own, anything else is E_IO. Returns -1. */
#define err_sys(e, ...) err_sys_at((e), ERR_HERE, __VA_ARGS__)

int err_set_at(struct err *e, enum err_code code, int sys, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
int err_sys_at(struct err *e, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Sets an error that another process reported. The process is not trusted: an unknown code becomes
 * E_FAILED, each control character of text "?". Returns -1. */
int err_take(struct err *e, int code, int sys, const char *where, const char *text);

/* Puts "TEXT: " before the message of a set error. Returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends "; TEXT" (what to do about it). Returns -1. */
int err_hint(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_hint(), unless the message has a hint already: for a caller that knows less about the
 * cause than the code that set the error. Returns -1. */
int err_hint_else(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Makes a struct err usable again after its error was handled. */
void err_clear(struct err *e);

/* The columns of ERR_CODES; static strings. */
const char *err_slug(enum err_code code);
const char *err_text(enum err_code code);
int err_exit_status(enum err_code code);
/* The google.rpc.Code for a reply, and the code for a received one (unknown: E_FAILED). */
int err_rpc_status(enum err_code code);
enum err_code err_from_rpc_status(int status);

/* Reports a programming error on stderr and aborts. Always compiled in. */
#define bug(...) bug_at(ERR_HERE, __VA_ARGS__)
_Noreturn void bug_at(const char *where, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define MUST_CHECK __attribute__((warn_unused_result))
