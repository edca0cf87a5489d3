// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Strings: comparison, formatting, number parsing and NULL-terminated string lists (strv).
 * Results are heap memory that the caller frees.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stdint.h>

bool str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
static inline bool str_empty(const char *s)
{
	return !s || !*s;
}

char *str_fmt(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Formats into a fixed buffer; -1 if the text does not fit (the buffer then holds its
 * beginning). */
int str_print(char *to, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Frees *slot and sets it to a copy of value (NULL: to NULL). */
void str_set(char **slot, const char *value);

/* Parses all of s as a number within [min, max], else E_INVALID. base is that of strtoull(3): with
 * 10, "0x" is refused and a leading 0 does not mean octal. what names the value in the message. */
MUST_CHECK int str_u64(const char *s, int base, uint64_t min, uint64_t max, const char *what,
		       uint64_t *out, struct err *err);
MUST_CHECK int str_i64(const char *s, int64_t min, int64_t max, const char *what, int64_t *out,
		       struct err *err);

/* The name in list (NULL-terminated) nearest to word by edit distance, borrowed; NULL if none is
 * close enough for a suggestion. */
const char *str_nearest(const char *word, const char *const *list);

/* Checks the id of a container, an exec or a sandbox: ^[a-zA-Z0-9][a-zA-Z0-9_.-]*$, at most 127
 * bytes, no "..", else E_INVALID. what names the object in the message. */
MUST_CHECK int str_check_id(const char *id, const char *what, struct err *err);

/* Lower-case hex of len bytes into to, which holds 2 * len + 1. */
void str_hex(const void *data, size_t len, char *to);
/* The value of a hexadecimal digit of either case, or -1. */
int str_hex_digit(char c);
/* Decodes the %XX of a URL and, with plus (as in a query), "+" as a space. Returns the text, heap, or
 * NULL if an escape is malformed or stands for NUL. */
char *str_url_decode(const char *text, size_t len, bool plus);

/* The length of the UTF-8 sequence at the start of s, which has left bytes; 0 if it is none: no overlong
 * form, no surrogate, at most U+10FFFF. */
size_t str_utf8_length(const char *s, size_t left);
/* The length of s, or if that is more than max, of its longest start with at most max bytes that does not
 * end inside a UTF-8 sequence. */
size_t str_cut(const char *s, size_t max);
/* Replaces each byte that is no part of a UTF-8 sequence by '?'. */
void str_make_utf8(char *s);

/* NULL-terminated lists. A NULL list is an empty one. A push takes time proportional to the length
 * of the list, so long lists are made with strv_split() or vec.h. */
size_t strv_len(char *const *list);
char **strv_dup(char *const *list);
char **strv_split(const char *s, const char *separators); /* no empty parts */
void strv_push(char ***list, const char *s);
void strv_pushf(char ***list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool strv_has(char *const *list, const char *s);
/* Removes every entry equal to s; the others keep their order. */
void strv_remove(char **list, const char *s);
char *strv_join(char *const *list, const char *separator);
void strv_free(char **list);
/* Compares two elements of an array of char * by bytes, for qsort() and bsearch(). */
int str_order(const void *a, const void *b);
/* In an environment list: gets the value of NAME (borrowed; NULL if it is not set), and sets or
 * replaces NAME=VALUE. */
const char *strv_env_get(char *const *env, const char *name);
void strv_env_set(char ***env, const char *name, const char *value);
/* Of several values of a name only the last stays; the others keep their order. */
void strv_env_unique(char **env);

DEFINE_AUTO(strv, char **, NULL, strv_free)

#define strv_each(name, list) for (char *const *name = (list); name && *name; name++)
