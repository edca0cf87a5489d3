// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The protocol between `kata-deploy node` and `kata-deploy report`. They run in two containers of
 * one pod: node has the host's paths but no token of the cluster, report has the token but nothing
 * of the host. They share one directory (an emptyDir) with one Unix socket.
 *
 * Node listens at the socket, whose mode is 0666: access to the directory is the only access
 * control. Report connects, and connects again when the connection ends, at most once in
 * MESSAGE_RETRY_MS. Node keeps one connection: a new one replaces the old one.
 *
 * Each message is one line: a JSON object of at most MESSAGE_MAX bytes including the newline,
 * without unknown members, whose "v" is MESSAGE_VERSION. Both containers run one image, so another
 * version is an error. An invalid line ends the connection.
 *
 *	node -> report	state		the whole state, at every change and after connecting
 *			want-turn	node waits for a turn, to restart its container manager
 *			end-turn	the turn has ended (with its result), or is not needed
 *	report -> node	turn		the turn with that id is granted
 *			uninstall	an uninstall of this node was requested in the cluster
 *			keep		no uninstall of this node is requested, or not any more
 *
 * After connecting, node sends its state; then end-turn, if a turn ended while there was no
 * connection; then want-turn, if it waits for a turn or has one (`held`). Report grants a turn with
 * the same id again. If no want-turn follows the first state, report releases any turn that it
 * holds for this node. So either program may be restarted at any time: the id of a turn survives a
 * restart of node, and the same turn is never requested under two ids. After each connection report
 * sends uninstall or keep, as soon as it knows which, and again when that changes: a request that
 * was withdrawn is not executed later, whichever program was restarted meanwhile.
 *
 * What a hostile peer can do. Report can withhold a turn or grant it early, and request the
 * uninstall, which removes only what was installed, or withdraw the request. Its messages name no
 * release, path, option or program. Node can lie about its state, in bounded text without control
 * characters, and can request turns, one at a time, and keep them. Its messages name no object of
 * the cluster. Either can end the connection or replace the socket file, which only stops the
 * conversation: a file in its place is not opened. Neither can keep the other busy: node accepts
 * one connection in MESSAGE_RETRY_MS (endpoint.h), and report limits the rounds that node's
 * messages cause (report.h).
 *
 *	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
 *	if (message_format(&m, &line, err) < 0)				// with its newline
 *		return -1;
 *	if (message_parse(text, len, MESSAGE_FROM_NODE, &m, err) < 0)	// without it
 *		return -1;						// E_PROTOCOL
 *
 * No heap memory in a struct message; the codec does no I/O.
 */

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define MESSAGE_SOCKET "/run/kata-deploy/node.sock"
enum { MESSAGE_VERSION = 1, MESSAGE_MAX = 4096, MESSAGE_RETRY_MS = 1000 };
/* Sizes of texts in bytes, including the NUL. */
enum { MESSAGE_NAME = 64, MESSAGE_TEXT = 512 };

/* What node is doing, and the word for it in a message. */
#define NODE_PHASES(X)                                                                           \
	X(PHASE_STARTING, "starting") /* looks at the node; has changed nothing */               \
	X(PHASE_WAITING, "waiting")   /* waits for its turn; has changed nothing */              \
	X(PHASE_INSTALLING,                                                                      \
	  "installing")             /* installs, restarts, proves; or recovers after a crash */  \
	X(PHASE_READY, "ready")     /* installed, served and proved */                           \
	X(PHASE_DRIFTED, "drifted") /* files differ and are not repaired, or not yet */          \
	X(PHASE_REPAIRING, "repairing")                                                          \
	X(PHASE_FAILED, "failed")             /* see code and message; tries again at "retry" */ \
	X(PHASE_UNINSTALLING, "uninstalling") /* or waits for its turn to uninstall */           \
	X(PHASE_UNINSTALLED, "uninstalled")   /* everything was removed; it does nothing more */

enum node_phase {
#define X(sym, word) sym,
	NODE_PHASES(X)
#undef X
};
const char *node_phase_name(enum node_phase phase);

/* To be compared with node_state_same(): it has padding, and bytes after the end of a text. */
struct node_state {
	enum node_phase phase;
	bool ready; /* the release of this image is installed, served and proved */
	/* This program has changed the node, or is about to; or something is installed there, and
	 * not ready. */
	bool claimed;
	uint64_t since; /* when the phase began, seconds since 1970 */
	/* The current generation; empty: nothing is installed. */
	char version[MESSAGE_NAME], generation[MESSAGE_NAME];
	uint64_t serial;
	char manager[MESSAGE_NAME]; /* "containerd"; empty: not known yet */
	/* Versions from the last proof; empty: it has not run. */
	char kernel[MESSAGE_NAME], agent[MESSAGE_NAME];
	uint64_t drift;    /* how many files differ */
	uint64_t restarts; /* of the container manager, by this program since it started */
	uint64_t failures; /* in a row */
	uint64_t retry;    /* when it tries again, seconds since 1970; 0: no retry is due */
	/* The last failure: a slug of docs/errors.md, and its text; empty: none. */
	char code[MESSAGE_NAME], message[MESSAGE_TEXT];
};

bool node_state_same(const struct node_state *a, const struct node_state *b);

enum message_kind {
	MESSAGE_STATE,
	MESSAGE_WANT_TURN,
	MESSAGE_END_TURN,
	MESSAGE_TURN,
	MESSAGE_UNINSTALL,
	MESSAGE_KEEP
};
const char *message_kind_name(enum message_kind kind); /* as in its text: "turn" */
enum message_side { MESSAGE_FROM_NODE, MESSAGE_FROM_REPORT };

struct message {
	enum message_kind kind;
	struct node_state state; /* for MESSAGE_STATE */
	/* For the others but MESSAGE_KEEP: the id of the turn or of the request, as of
	 * str_check_id(). The answer to an uninstall or a keep is the state. */
	char id[MESSAGE_NAME];
	bool held;                 /* want-turn: the turn was granted already, and is in use */
	bool good;                 /* end-turn: no installation failed in it */
	char reason[MESSAGE_TEXT]; /* want-turn: the reason; end-turn: the failure */
};

/* Appends the line with its newline. Cuts texts that are too long; control characters become "?".
 * E_INVALID: the id is malformed. E_LIMIT: the line or to is too long. */
MUST_CHECK int message_format(const struct message *m, struct buf *to, struct err *err);
/* Parses a line without its newline, as sent by that side. E_PROTOCOL: it is invalid. */
MUST_CHECK int message_parse(const char *line, size_t len, enum message_side from,
			     struct message *out, struct err *err);
/* Copies text (NULL: "") into an array of that size; cuts it between two UTF-8 characters, and
 * replaces control characters by "?". */
void message_text(char *to, size_t size, const char *text);
