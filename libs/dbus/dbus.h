// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A minimal D-Bus client for calls to a service manager: a direct connection to one peer, without a
 * message bus; calls, answers and signals.
 *
 *	AUTO(dbus) struct dbus *bus = NULL;
 *	struct dbus_call call = { .path = "/org/freedesktop/systemd1",
 *				  .interface = "org.freedesktop.systemd1.Manager",
 *				  .member = "RestartUnit",
 *				  .arguments = ARGV("containerd.service", "replace") };
 *	if (dbus_connect("/run/systemd/private", deadline, &bus, err) < 0 ||
 *	    dbus_ask(bus, &call, deadline, &answer, err) < 0)
 *		return -1;
 *	struct dbus_reader r = dbus_read(&answer);
 *	const char *job = dbus_text(&r, 'o');			// NULL: the answer has no 'o'
 *
 * Signals that arrive before an answer are kept for dbus_signal(); of more than DBUS_KEPT the
 * oldest are dropped. A message has at most DBUS_MESSAGE_MAX bytes, is little endian, and is
 * checked completely before any part is used: the peer is not trusted. Calls block until their
 * deadline (E_TIMEOUT); a caught signal cancels them (E_CANCELLED, base/interrupt.h).
 *
 * The format is that of the D-Bus specification, version 0.43: "Message Protocol",
 * "Authentication".
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stdint.h>

enum { DBUS_MESSAGE_MAX = 1 << 20, DBUS_KEPT = 64, DBUS_HEAD = 16 };

enum dbus_type { DBUS_CALL = 1, DBUS_ANSWER = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };

/* Texts point into data. A missing one is NULL, a missing signature "". */
struct dbus_message {
	enum dbus_type type;
	uint32_t serial;
	uint32_t answers; /* the serial of the call that this message answers; 0: none */
	const char *path, *interface, *member, *error, *signature;
	const char *body;
	size_t body_len;
	struct buf data;
};
#define DBUS_MESSAGE_INIT                          \
	{                                          \
		.data = {.max = DBUS_MESSAGE_MAX } \
	}
void dbus_message_release(struct dbus_message *m);
DEFINE_AUTO_STRUCT(dbus_message, struct dbus_message, dbus_message_release)

struct dbus_call {
	const char *path, *interface, *member;
	char *const *arguments;       /* strv: arguments that are all strings; NULL: none */
	const struct dbus_body *body; /* arguments of other types; NULL: see arguments */
};

/*
 * The arguments of a call, written in the order of their signature:
 *
 *	AUTO(dbus_body) struct dbus_body body = DBUS_BODY_INIT("sa(sv)");
 *	dbus_put_text(&body, "x.scope");
 *	struct dbus_array list = dbus_begin_array(&body, '(');
 *	dbus_begin_struct(&body);
 *	dbus_put_text(&body, "Delegate");
 *	dbus_put_type(&body, "b");			// of the variant's value, which follows
 *	dbus_put_number(&body, true);
 *	dbus_end_array(&body, list);
 *
 * The caller is responsible for values that match the signature. dbus_ask() reports an overflow.
 */
struct dbus_body {
	const char *types; /* at most 255 */
	struct buf data;
};
#define DBUS_BODY_INIT(signature)                                        \
	{                                                                \
		.types = (signature), .data = {.max = DBUS_MESSAGE_MAX } \
	}
void dbus_body_release(struct dbus_body *b);
DEFINE_AUTO_STRUCT(dbus_body, struct dbus_body, dbus_body_release)
struct dbus_array {
	size_t length_at, begin;
};
void dbus_put_text(struct dbus_body *b, const char *text);  /* 's' or 'o' */
void dbus_put_number(struct dbus_body *b, uint32_t number); /* 'u', or 'b' */
void dbus_put_type(struct dbus_body *b, const char *one);   /* 'g', and the start of a 'v' */
void dbus_begin_struct(struct dbus_body *b);                /* a struct has no end mark */
struct dbus_array dbus_begin_array(struct dbus_body *b, char element);
void dbus_end_array(struct dbus_body *b, struct dbus_array array);

/* --- the codec: no I/O --- */

/* Appends the bytes of a method call. */
void dbus_format(const struct dbus_call *call, uint32_t serial, struct buf *to);
/* The length of the message that begins with these DBUS_HEAD bytes. E_PROTOCOL. */
MUST_CHECK int dbus_length(const char *head, size_t *length, struct err *err);
/* Parses m->data and sets the other members. E_PROTOCOL if data is not one whole message. */
MUST_CHECK int dbus_parse(struct dbus_message *m, struct err *err);

/* Reads the values of a body one after the other; texts are borrowed from the message. A value that
 * is missing or has another type yields NULL or 0, and so do all values after it. */
struct dbus_reader {
	const struct dbus_message *m;
	const char *types;
	size_t at;
};
struct dbus_reader dbus_read(const struct dbus_message *m);
const char *dbus_text(struct dbus_reader *r, char type); /* 's' or 'o' */
uint32_t dbus_number(struct dbus_reader *r);             /* 'u' */
/* Enters a variant: the value in it is read next; what follows the variant cannot be read. False:
 * the next value is not a variant. */
bool dbus_variant(struct dbus_reader *r);

/* --- the connection --- */

struct dbus;
/* Connects and authenticates with our user id. E_NOT_FOUND: no such socket. E_PERMISSION: the peer
 * does not accept the user. */
MUST_CHECK int dbus_connect(const char *socket, struct deadline deadline, struct dbus **out,
			    struct err *err);
void dbus_close(struct dbus *bus);
DEFINE_AUTO(dbus, struct dbus *, NULL, dbus_close)

/* Sends a call and waits for its answer. *answer is initialized and released by the caller. An
 * error of the peer has its text, and the code E_NOT_FOUND, E_PERMISSION or E_EXISTS according to
 * its name, else E_FAILED. */
MUST_CHECK int dbus_ask(struct dbus *bus, const struct dbus_call *call, struct deadline deadline,
			struct dbus_message *answer, struct err *err);
/* Waits for the next signal. *out is initialized by the caller; its old contents are released. */
MUST_CHECK int dbus_signal(struct dbus *bus, struct deadline deadline, struct dbus_message *out,
			   struct err *err);
