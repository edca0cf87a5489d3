// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The protocol between container_create/_exec (the parent) and the process being made: framed
 * messages over a socketpair. Each side treats the end of the stream as the end of the other. The
 * socket is close-on-exec, so the end of the stream after START means that the workload was
 * executed.
 *
 *	parent		stage 1 (helper)	stage 2 (our child)
 *	ORDERS	->
 *		<-	MAPS						new user namespaces only
 *	GO	->							its maps are written
 *		<-	PID						stage 1 ends
 *	GO	->				->			create: it is in its cgroup
 *		<-				HOOKS			create: the mounts are made
 *	GO	->				->			create: the hooks have run
 *		<-				CONSOLE			with the terminal's master
 *		<-				READY			its limits are set (exec: its cgroup)
 *	START	->				->
 *		<-				end of stream		the workload was executed
 *
 * In place of any message to the parent, ERROR may be sent; NOTE and WARNING may be sent any number
 * of times.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/err.h"

enum wire_kind {
	WIRE_ERROR = 1,
	WIRE_NOTE,
	WIRE_WARNING,
	WIRE_ORDERS,
	WIRE_MAPS,
	WIRE_PID,
	WIRE_GO,
	WIRE_HOOKS,
	WIRE_CONSOLE,
	WIRE_READY,
	WIRE_START,
	WIRE_END, /* never sent: the end of the stream, for wire_recv */
};

/* fd may be -1. */
MUST_CHECK int wire_send(int sock, enum wire_kind kind, const void *data, size_t len, int fd,
			 struct deadline deadline, struct err *err);

/* Waits for a message of this kind. body (may be NULL) holds at most its max; *fd (may be NULL) is
 * the passed fd or -1. An ERROR becomes err; NOTEs and WARNINGs are logged. */
MUST_CHECK int wire_recv(int sock, enum wire_kind want, struct buf *body, int *fd,
			 struct deadline deadline, struct err *err);

/* For the child: send an error; send a line for the log, at debug or as a warning. */
void wire_error(int sock, const struct err *err);
void wire_note(int sock, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wire_warn(int sock, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
