// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The state machine of `kata-deploy node`: it decides what the program does next. It has no I/O;
 * the caller passes the time, in ms of CLOCK_BOOTTIME (now) and in seconds since 1970 (wall).
 *
 *	struct machine m;
 *	machine_init(&m, &options, &kept, now, wall);
 *	for (;;) {
 *		enum node_job job = machine_next(&m, now, wall);	// start it, unless JOB_NONE
 *		...							// wait until machine_wake()
 *		machine_done(&m, &outcome, now, wall);			// when the job has ended
 *		machine_heard(&m, &message, wall);			// for a message of report
 *		save m.kept, send m.state and machine_says()		// if they have changed
 *	}
 *
 *	look: status -> [recover -> look] -> [repair -> look] -> plan -+-> rest until the next check
 *	         ^                                                     |
 *	         +---- install <- [turn, if a restart is needed] <-----+
 *
 * One job runs at a time. After a failure the machine begins again with the look, after a pause
 * that doubles from RETRY_MIN_S to RETRY_MAX_S; its turn ends with the failure. A problem that a
 * look or a plan finds may be temporary, such as a container manager that somebody restarts: it
 * counts as a failure only if it is found LOOKS_MAX times, LOOK_S apart. If a look fails because of
 * the state below the prefix, the machine recovers and looks again, unless it may repair nothing.
 *
 * A restart of the program does not shorten a pause, unless it comes with another release or other
 * options, which may be there because of the failure: then the failures are forgotten.
 *
 * A turn is the permission to restart the container manager, which the cluster grants to some nodes
 * at a time (deploy/report). The machine requests a turn before a job that restarts the manager,
 * and gives it back when the node rests.
 *
 * A requested uninstall takes precedence over everything else, ends the pause after a failure, and
 * is the last job. Its own pauses do not grow: whoever requested it waits, and may have removed the
 * cause of the failure a moment ago. When the request is withdrawn the machine begins again with
 * the look, unless the uninstall runs: then it does so if that fails.
 */

#include "base/err.h"
#include "deploy/node/message.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { RETRY_MIN_S = 60, RETRY_MAX_S = 3600, REPAIRS_MAX = 3, LOOKS_MAX = 3, LOOK_S = 10 };
enum { MACHINE_RELEASE = 65 }; /* a SHA-256 in hex */

enum node_job {
	JOB_NONE,
	JOB_STATUS, /* the look: compares names and sizes */
	JOB_HASH,   /* the same, but compares every byte */
	JOB_RECOVER,
	JOB_PLAN,
	JOB_INSTALL,
	JOB_REPAIR,
	JOB_UNINSTALL,
	JOB_KINDS
};
/* Returns the verb of kata-deploy that does a job. */
const char *node_job_verb(enum node_job job);
bool node_job_looks(enum node_job job); /* it changes nothing */

struct machine_options {
	bool alone;                 /* do not request turns: act at once */
	bool no_repair;             /* report drift, but do not repair it */
	uint64_t quick_ms, full_ms; /* time between two checks: by JOB_STATUS, by JOB_HASH */
	/* Names the release and the options of the install, for machine_init(); NULL: "". */
	const char *release;
};

/* The part of the state that survives a restart of the program, but not the pod (an emptyDir). */
struct machine_kept {
	char turn[MESSAGE_NAME];  /* id of the turn that it requests or has; empty: none */
	bool held;                /* the turn was granted */
	char ended[MESSAGE_NAME]; /* id of a turn whose end report does not know yet; empty: none */
	bool ended_good;
	char ended_reason[MESSAGE_TEXT];
	char release[MACHINE_RELEASE]; /* whose failures these are; empty: not known */
	uint64_t failures, retry;      /* as in struct node_state */
	char code[MESSAGE_NAME], message[MESSAGE_TEXT];
	bool uninstalling; /* the uninstall is requested */
	bool uninstalled;
};
/* Formats it (the caller frees the JSON) and parses it; the text of an older program has no
 * "release". E_INVALID. */
struct json *kept_json(const struct machine_kept *k);
MUST_CHECK int kept_parse(struct machine_kept *k, const struct json *j, struct err *err);

/* The result of a job, from the JSON document that its verb printed (docs/json.md). */
struct outcome {
	enum node_job job;
	bool ok;
	char code[MESSAGE_NAME], message[MESSAGE_TEXT]; /* of the failure */
	/* of JOB_STATUS and JOB_HASH */
	bool installed, interrupted;
	uint64_t drift, serial;
	char version[MESSAGE_NAME], generation[MESSAGE_NAME], manager[MESSAGE_NAME];
	char problem[MESSAGE_TEXT]; /* of the container manager; empty: it serves the handlers */
	/* of JOB_PLAN: something would change; the manager would be restarted */
	bool changes, restart;
	char reason[MESSAGE_TEXT];
	/* of JOB_RECOVER: why a change that it should have completed was undone; empty: none was */
	char undone[MESSAGE_TEXT];
	/* of JOB_INSTALL */
	bool restarted;
	char kernel[MESSAGE_NAME], agent[MESSAGE_NAME];
};
/* Fills o. exit_code as in spawn.h; text: the verb's output. Never fails: a document that it does
 * not understand is a failed job. */
void outcome_read(struct outcome *o, enum node_job job, int exit_code, const char *text,
		  size_t len);

enum machine_step {
	STEP_LOOK,
	STEP_RECOVER,
	STEP_REPAIR,
	STEP_PLAN,
	STEP_TURN, /* waits for its turn */
	STEP_INSTALL,
	STEP_REST,
	STEP_RETRY,
	STEP_UNINSTALL,
	STEP_OVER
};

struct machine {
	struct machine_options o;
	struct machine_kept kept;
	struct node_state state;
	enum machine_step step;
	enum node_job running; /* JOB_NONE: none */
	bool hashes;           /* the next look is JOB_HASH */
	bool installed;        /* at the last look */
	uint64_t quick_at, full_at, retry_at;
	unsigned repairs;           /* since the node last rested */
	bool recovered;             /* since then, because a look failed */
	unsigned odd;               /* looks in a row that found a problem */
	char problem[MESSAGE_TEXT]; /* of the container manager, at the last look */
	/* For the metrics; checks: by JOB_STATUS, by JOB_HASH. */
	uint64_t checks[2], repaired, failed, rested;
};

/* kept: saved by an earlier process of this pod; NULL: none. */
void machine_init(struct machine *m, const struct machine_options *o,
		  const struct machine_kept *kept, uint64_t now, uint64_t wall);
/* Returns the job to start now, which counts as running from now on; or JOB_NONE. */
enum node_job machine_next(struct machine *m, uint64_t now, uint64_t wall);
/* Returns the time at which machine_next() may return a job without another event; UINT64_MAX:
 * never. */
uint64_t machine_wake(const struct machine *m);
/* To call when the running job has ended. */
void machine_done(struct machine *m, const struct outcome *o, uint64_t now, uint64_t wall);
/* To call for a message of report. */
void machine_heard(struct machine *m, const struct message *said, uint64_t wall);
/* Fills the messages that have to be sent besides the state; returns how many (up to MACHINE_SAYS).
 * To call again after each new connection. machine_said_end(): an end-turn among them has been
 * sent. */
enum { MACHINE_SAYS = 2 };
unsigned machine_says(const struct machine *m, struct message says[MACHINE_SAYS]);
void machine_said_end(struct machine *m);
