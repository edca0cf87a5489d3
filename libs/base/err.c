// SPDX-License-Identifier: Apache-2.0
/* The error value: formatting and the code table. Must not allocate and must not change errno. */

#include "base/err.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *slug, *text;
	int status, rpc;
} codes[] = { [E_OK] = { "ok", "success", 0, 0 },
#define X(sym, slug, status, rpc, text) [sym] = { slug, text, status, rpc },
	      ERR_CODES(X)
#undef X
};

__attribute__((format(printf, 5, 0))) static void err_fill(struct err *e, enum err_code code,
							   int sys, const char *where,
							   const char *fmt, va_list ap)
{
	if (e->code != E_OK)
		bug_at(where, "error set twice; first at %s: %s", e->where, e->msg);
	e->code = code;
	e->sys = sys;
	e->where = where;
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
}

static void err_append(struct err *e, const char *separator, const char *text)
{
	size_t used = strlen(e->msg);

	(void)snprintf(e->msg + used, sizeof(e->msg) - used, "%s%s", separator, text);
}

/* The text of errno in lower case, as Go prints it: Docker looks for "permission denied" and "no
 * such file or directory" to distinguish exit status 126 from 127. */
static void append_errno(struct err *e, int sys)
{
	const char *text = strerror(sys);
	char first[2] = { text[0], '\0' };

	/* The first letter of an abbreviation stays. */
	if (islower((unsigned char)text[1]))
		first[0] = (char)tolower((unsigned char)text[0]);
	err_append(e, ": ", first);
	if (*text)
		err_append(e, "", text + 1);
}

int err_set_at(struct err *e, enum err_code code, int sys, const char *where, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	err_fill(e, code, sys, where, fmt, ap);
	va_end(ap);
	if (sys)
		append_errno(e, sys);
	errno = saved;
	return -1;
}

int err_take(struct err *e, int code, int sys, const char *where, const char *text)
{
	bool known = code > E_OK && (size_t)code < sizeof(codes) / sizeof(*codes) &&
		     codes[code].slug;

	err_set_at(e, known ? (enum err_code)code : E_FAILED, 0, where, "%s", text);
	e->sys = sys;
	for (char *p = e->msg; *p; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	}
	return -1;
}

static enum err_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
		return E_NOT_FOUND;
	case EEXIST:
		return E_EXISTS;
	case EPERM:
	case EACCES:
		return E_PERMISSION;
	case ETIMEDOUT:
		return E_TIMEOUT;
	case ENOSYS:
		return E_UNSUPPORTED;
	default:
		return E_IO;
	}
}

int err_sys_at(struct err *e, const char *where, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	err_fill(e, code_of_errno(saved), saved, where, fmt, ap);
	va_end(ap);
	append_errno(e, saved);
	/* Causes that have the same remedy wherever they occur. */
	if (saved == EMFILE)
		err_append(e, "; ", "raise the limit of open files (ulimit -n)");
	if (saved == ENOSYS)
		err_append(e, "; ", "the kernel is too old: update it to 5.15 or later");
	errno = saved;
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	char inner[sizeof(e->msg)];
	int saved = errno;
	va_list ap;

	if (e->code == E_OK)
		bug("err_wrap of an error that is not set: %s", fmt);
	memcpy(inner, e->msg, sizeof(inner));
	va_start(ap, fmt);
	(void)vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	err_append(e, ": ", inner);
	errno = saved;
	return -1;
}

__attribute__((format(printf, 2, 0))) static int hint(struct err *e, const char *fmt, va_list ap)
{
	char text[sizeof(e->msg)];
	int saved = errno;

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	err_append(e, "; ", text);
	errno = saved;
	return -1;
}

int err_hint(struct err *e, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)hint(e, fmt, ap);
	va_end(ap);
	return -1;
}

int err_hint_else(struct err *e, const char *fmt, ...)
{
	va_list ap;

	if (strstr(e->msg, "; "))
		return -1;
	va_start(ap, fmt);
	(void)hint(e, fmt, ap);
	va_end(ap);
	return -1;
}

void err_clear(struct err *e)
{
	*e = (struct err)ERR_INIT;
}

const char *err_slug(enum err_code code)
{
	return codes[code].slug;
}

const char *err_text(enum err_code code)
{
	return codes[code].text;
}

int err_exit_status(enum err_code code)
{
	return codes[code].status;
}

int err_rpc_status(enum err_code code)
{
	return codes[code].rpc;
}

enum err_code err_from_rpc_status(int status)
{
	switch (status) {
	case 0:
		return E_OK;
	case 1:
		return E_CANCELLED;
	case 3:
		return E_INVALID;
	case 4:
		return E_TIMEOUT;
	case 5:
		return E_NOT_FOUND;
	case 6:
		return E_EXISTS;
	case 7:
		return E_PERMISSION;
	case 8:
		return E_LIMIT;
	case 9:
		return E_STATE;
	case 12:
		return E_UNSUPPORTED;
	case 14:
		return E_GONE;
	default:
		return E_FAILED;
	}
}

void bug_at(const char *where, const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "bug at %s: ", where);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	abort();
}
