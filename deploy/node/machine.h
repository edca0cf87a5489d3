// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What `kata-deploy node` does next: a state machine without I/O. Time is given to it, in ms of
 * CLOCK_BOOTTIME (now) and in seconds since 1970 (wall).
 *
 *	struct machine m;
 *	machine_init(&m, &options, &kept, now, wall);
 *	for (;;) {
 *		enum node_job job = machine_next(&m, now, wall);	// start it, if there is one
 *		...							// wait until machine_wake()
 *		machine_done(&m, &outcome, now, wall);			// it has ended
 *		machine_heard(&m, &message, wall);			// report said something
 *		save m.kept, say m.state, machine_say()			// where they changed
 *	}
 *
 *	look: status -> [recover -> look] -> [repair -> look] -> plan -+-> rest, until the next check
 *	         ^                                                     |
 *	         +---- install <- [turn, if a restart is needed] <-----+
 *
 * One job runs at a time. Whatever fails is tried again, from the look, after a pause that doubles
 * from RETRY_MIN_S to RETRY_MAX_S; a turn ends with the failure. What a look or a plan finds wrong that may be
 * over in a moment, such as a container manager that somebody restarts, counts when it was found LOOKS_MAX
 * times, LOOK_S apart. A turn is asked for before anything
 * that restarts the container manager, and not given back before the node rests. An uninstall that is
 * asked for comes before all that, ends the pause after a failure, and is the last thing that is done.
 */

#include "base/err.h"
#include "deploy/node/message.h"
#include "json/json.h"

#include <stdbool.h>
#include <stdint.h>

enum { RETRY_MIN_S = 60, RETRY_MAX_S = 3600, REPAIRS_MAX = 3, LOOKS_MAX = 3, LOOK_S = 10 };

enum node_job {
	JOB_NONE,
	JOB_STATUS, /* names and sizes */
	JOB_HASH,   /* every byte */
	JOB_RECOVER,
	JOB_PLAN,
	JOB_INSTALL,
	JOB_REPAIR,
	JOB_UNINSTALL,
	JOB_KINDS
};
/* The verb, and whether it hashes. */
const char *node_job_verb(enum node_job job);

struct machine_options {
	bool alone;                 /* nobody is asked for turns */
	bool no_repair;             /* drift is reported only */
	uint64_t quick_ms, full_ms; /* between checks */
};

/* What outlives the process: saved in a directory that lives as long as the pod. */
struct machine_kept {
	char turn[MESSAGE_NAME]; /* that it wants or has; empty: none */
	bool held;
	char ended[MESSAGE_NAME]; /* a turn whose end was not said yet */
	bool ended_good;
	char ended_reason[MESSAGE_TEXT];
	uint64_t failures, retry; /* as in the state */
	char code[MESSAGE_NAME], message[MESSAGE_TEXT];
	bool uninstalling; /* it was asked for */
	bool uninstalled;
};
struct json *kept_json(const struct machine_kept *k);
MUST_CHECK int kept_parse(struct machine_kept *k, const struct json *j, struct err *err);

/* The result of a job, from the document that its verb printed. */
struct outcome {
	enum node_job job;
	bool ok;
	char code[MESSAGE_NAME], message[MESSAGE_TEXT]; /* if not */
	/* status */
	bool installed, interrupted;
	uint64_t drift, serial;
	char version[MESSAGE_NAME], generation[MESSAGE_NAME], manager[MESSAGE_NAME];
	char problem[MESSAGE_TEXT]; /* of the manager; empty: it serves */
	/* plan: something changes; the manager is restarted */
	bool changes, restart;
	char reason[MESSAGE_TEXT];
	char undone[MESSAGE_TEXT]; /* recover: why what it was to go on with was undone */
	/* install */
	bool restarted;
	char kernel[MESSAGE_NAME], agent[MESSAGE_NAME];
};
/* exit_code as of spawn.h; text: what the verb printed. Never fails: what is not understood is a
 * failed job. */
void outcome_read(struct outcome *o, enum node_job job, int exit_code, const char *text,
		  size_t len);

enum machine_step {
	STEP_LOOK,
	STEP_RECOVER,
	STEP_REPAIR,
	STEP_PLAN,
	STEP_TURN, /* waits for it */
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
	enum node_job running;
	bool hashes; /* the look hashes */
	uint64_t quick_at, full_at, retry_at;
	unsigned repairs;           /* since it rested last */
	unsigned odd;               /* looks in a row that found something wrong */
	char problem[MESSAGE_TEXT]; /* that the last look saw with the container manager */
	/* For the metrics. */
	uint64_t checks[2], repaired, failed, rested;
};

/* kept: what an earlier process saved; NULL: none. */
void machine_init(struct machine *m, const struct machine_options *o,
		  const struct machine_kept *kept, uint64_t now, uint64_t wall);
/* The job to start now, which counts as running; JOB_NONE: there is none. */
enum node_job machine_next(struct machine *m, uint64_t now, uint64_t wall);
/* When machine_next() may have another answer by itself; UINT64_MAX: never. */
uint64_t machine_wake(const struct machine *m);
void machine_done(struct machine *m, const struct outcome *o, uint64_t now, uint64_t wall);
/* A message of report. */
void machine_heard(struct machine *m, const struct message *said, uint64_t wall);
/* What has to be said besides the state: fills up to two messages, returns their number.
 * machine_said_end() after the first of kind end-turn was given to a peer. */
enum { MACHINE_SAYS = 2 };
unsigned machine_says(const struct machine *m, struct message says[MACHINE_SAYS]);
void machine_said_end(struct machine *m);
