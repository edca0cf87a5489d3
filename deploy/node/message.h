// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What `kata-deploy node` and `kata-deploy report` say to each other. They run in two containers of
 * one pod: node has the host's paths and no token of the cluster, report has the token and nothing
 * of the host. They share one directory (an emptyDir) with one Unix socket.
 *
 * Node listens at the socket, with mode 0666: who sees the directory may speak. Report connects, and
 * connects again when the connection ends, at most once in MESSAGE_RETRY_MS. Node keeps one
 * connection: a new one replaces the old one. Each message is one line: a JSON object of at most
 * MESSAGE_MAX bytes with its newline, no unknown members, "v" is MESSAGE_VERSION. Both containers
 * are of one image, so another version is a fault. A line that breaks the rules ends the connection.
 *
 *	node -> report	state		what the node is; whole, at every change and after connecting
 *			want-turn	it would restart its container manager, and waits
 *			end-turn	the turn is over, and how it went; or it is not wanted any more
 *	report -> node	turn		go ahead with the turn of that id
 *			uninstall	somebody who may asked for it
 *
 * After a new connection node says state, then end-turn if there was nobody to hear it, then want-turn
 * if it waits for a turn or has one (`held`): report answers a turn of the same id once more, and
 * gives back what it holds for this node if no want-turn follows the first state within
 * MESSAGE_RETRY_MS. So either may end at any time and be started again, and nothing is asked twice
 * under two names: a turn's id is kept over restarts of the program. An uninstall is asked for again
 * after each connection, as long as it is wanted: it is not remembered.
 *
 * What a hostile peer can do. Report: hold back a turn, or grant it early; ask for the uninstall,
 * which takes nothing but what was installed. It names no release, path, option or program. Node:
 * say something untrue about its node, in bounded text without control characters; ask for turns,
 * one at a time, and keep them. It names no object of the cluster. Either can end the connection,
 * or replace the socket file, which is to be silent: a file that is put there instead is not opened. And
 * neither keeps the other busy: node takes one connection in MESSAGE_RETRY_MS (endpoint.h), report has few rounds
 * on node's word (report.h).
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
/* Bytes of the texts, with their NUL. */
enum { MESSAGE_NAME = 64, MESSAGE_TEXT = 512 };

/* What node is doing. Reported as data: the words below, in lower case, with dashes. */
#define NODE_PHASES(X)                                                                           \
	X(PHASE_STARTING, "starting") /* looks at the node; has changed nothing */               \
	X(PHASE_WAITING, "waiting")   /* for its turn; has changed nothing */                    \
	X(PHASE_INSTALLING,                                                                      \
	  "installing")             /* installs, restarts, proves, or goes on after a crash */   \
	X(PHASE_READY, "ready")     /* installed, served and proved */                           \
	X(PHASE_DRIFTED, "drifted") /* files differ and are not repaired, or not yet */          \
	X(PHASE_REPAIRING, "repairing")                                                          \
	X(PHASE_FAILED, "failed")             /* see code and message; tries again at "retry" */ \
	X(PHASE_UNINSTALLING, "uninstalling") /* or waits for its turn to */                     \
	X(PHASE_UNINSTALLED, "uninstalled")   /* nothing of ours is left; does nothing any more */

enum node_phase {
#define X(sym, word) sym,
	NODE_PHASES(X)
#undef X
};
const char *node_phase_name(enum node_phase phase);

struct node_state {
	enum node_phase phase;
	bool ready;     /* the release of this image is installed, served and proved */
	bool claimed;   /* this program has changed the node, or is about to */
	uint64_t since; /* of the phase: seconds since 1970 */
	/* The current generation; empty: nothing is installed. */
	char version[MESSAGE_NAME], generation[MESSAGE_NAME];
	uint64_t serial;
	char manager[MESSAGE_NAME]; /* "containerd"; empty: not known yet */
	/* Of the last proof; empty: none. */
	char kernel[MESSAGE_NAME], agent[MESSAGE_NAME];
	uint64_t drift;    /* files that differ */
	uint64_t restarts; /* of the container manager, by this program since it started */
	uint64_t failures; /* in a row */
	uint64_t retry;    /* when it tries again: seconds since 1970; 0: it does not */
	/* Of the failure: a slug of docs/errors.md, and its text; empty: none. */
	char code[MESSAGE_NAME], message[MESSAGE_TEXT];
};

enum message_kind {
	MESSAGE_STATE,
	MESSAGE_WANT_TURN,
	MESSAGE_END_TURN,
	MESSAGE_TURN,
	MESSAGE_UNINSTALL
};
enum message_side { MESSAGE_FROM_NODE, MESSAGE_FROM_REPORT };

struct message {
	enum message_kind kind;
	struct node_state state; /* of MESSAGE_STATE */
	/* Of the others: which turn, or which request; letters, digits, "-", "_" and ".". The answer
	 * to an uninstall is the state. */
	char id[MESSAGE_NAME];
	bool held;                 /* want-turn: it was granted already, and is being used */
	bool good;                 /* end-turn: what it was for succeeded */
	char reason[MESSAGE_TEXT]; /* want-turn: why; end-turn: the failure */
};

/* Appends the line. Texts that are too long are cut, control characters become "?". E_INVALID: the
 * id is none. */
MUST_CHECK int message_format(const struct message *m, struct buf *to, struct err *err);
/* One line without its newline, from that side. E_PROTOCOL, with what is wrong. */
MUST_CHECK int message_parse(const char *line, size_t len, enum message_side from,
			     struct message *out, struct err *err);
/* Copies text, cut at a character, into a member of that size. */
void message_text(char *to, size_t size, const char *text);
