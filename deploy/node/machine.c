// SPDX-License-Identifier: Apache-2.0
/* The state machine of `kata-deploy node`; machine.h has its diagram. */
#include "deploy/node/machine.h"

#include "base/mem.h"
#include "base/str.h"

#include <string.h>
#include <sys/random.h>

static const char *const verbs[] = {
	[JOB_NONE] = "",           [JOB_STATUS] = "status",       [JOB_HASH] = "status",
	[JOB_RECOVER] = "recover", [JOB_PLAN] = "plan",           [JOB_INSTALL] = "install",
	[JOB_REPAIR] = "repair",   [JOB_UNINSTALL] = "uninstall",
};

const char *node_job_verb(enum node_job job)
{
	return verbs[job];
}

bool node_job_looks(enum node_job job)
{
	return job == JOB_STATUS || job == JOB_HASH || job == JOB_PLAN;
}

#define COPY(to, text) message_text((to), sizeof(to), (text))

static void set_phase(struct machine *m, enum node_phase phase, uint64_t wall)
{
	if (m->state.phase != phase)
		m->state.since = wall;
	m->state.phase = phase;
}

static void forget_failures(struct machine_kept *k)
{
	k->failures = k->retry = 0;
	k->code[0] = k->message[0] = '\0';
}

/* Forgets the failures of another release. */
static void take_release(struct machine_kept *k, const char *release)
{
	if (!str_eq(k->release, release))
		forget_failures(k);
	COPY(k->release, release);
}

void machine_init(struct machine *m, const struct machine_options *o,
		  const struct machine_kept *kept, uint64_t now, uint64_t wall)
{
	*m = (struct machine){ .o = *o, .full_at = now + o->full_ms };
	if (kept)
		m->kept = *kept;
	take_release(&m->kept, o->release ? o->release : "");
	m->state.since = wall;
	m->state.failures = m->kept.failures;
	m->state.claimed = m->kept.held;
	if (m->kept.uninstalled) {
		m->step = STEP_OVER;
		set_phase(m, PHASE_UNINSTALLED, wall);
	} else if (m->kept.retry > wall && m->kept.retry - wall <= RETRY_MAX_S) {
		/* A restart of this program does not shorten the pause after a failure. */
		m->step = STEP_RETRY;
		m->retry_at = now + (m->kept.retry - wall) * 1000;
		set_phase(m, PHASE_FAILED, wall);
		m->state.retry = m->kept.retry;
		COPY(m->state.code, m->kept.code);
		COPY(m->state.message, m->kept.message);
	}
}

/* --- turns --- */

/* Begins to request a turn, under a new random id. */
static void want_turn(struct machine *m)
{
	unsigned char random[8];
	char hex[2 * sizeof(random) + 1];

	if (*m->kept.turn)
		return;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		bug("getrandom");
	str_hex(random, sizeof(random), hex);
	(void)str_print(m->kept.turn, sizeof(m->kept.turn), "t-%s", hex);
	m->kept.held = m->o.alone;
}

/* Ends the turn. A turn that was only requested is ended too: report may have acquired it
 * meanwhile, and would keep it. But such an end does not replace the end of a turn that was
 * used. */
static void end_turn(struct machine *m, bool good, const char *reason)
{
	bool held = m->kept.held;

	if (*m->kept.turn && !m->o.alone && (held || !*m->kept.ended)) {
		COPY(m->kept.ended, m->kept.turn);
		m->kept.ended_good = good || !held;
		COPY(m->kept.ended_reason, held ? reason : "");
	}
	m->kept.turn[0] = '\0';
	m->kept.held = false;
}

unsigned machine_says(const struct machine *m, struct message says[MACHINE_SAYS])
{
	unsigned n = 0;

	if (*m->kept.ended) {
		says[n] = (struct message){ .kind = MESSAGE_END_TURN, .good = m->kept.ended_good };
		COPY(says[n].id, m->kept.ended);
		COPY(says[n].reason, m->kept.ended_reason);
		n++;
	}
	if (*m->kept.turn && !m->o.alone) {
		says[n] = (struct message){ .kind = MESSAGE_WANT_TURN, .held = m->kept.held };
		COPY(says[n].id, m->kept.turn);
		COPY(says[n].reason, m->state.message);
		n++;
	}
	return n;
}

void machine_said_end(struct machine *m)
{
	m->kept.ended[0] = '\0';
}

static void take_request(struct machine *m)
{
	if (m->kept.uninstalled || m->kept.uninstalling)
		return;
	m->kept.uninstalling = true;
	/* Do not wait for the retry of a job that is not needed any more. */
	if (m->step == STEP_RETRY)
		m->retry_at = m->kept.retry = m->state.retry = 0;
}

/* Gives a requested uninstall up. One that runs comes to its end, but is not repeated. */
static void withdraw_request(struct machine *m)
{
	bool waits = m->step == STEP_UNINSTALL || m->step == STEP_RETRY;

	if (!m->kept.uninstalling)
		return;
	m->kept.uninstalling = false;
	forget_failures(&m->kept); /* they were the uninstall's */
	m->state.failures = 0;
	if (m->running || !waits)
		return;
	end_turn(m, true, "");
	m->step = STEP_LOOK;
}

void machine_heard(struct machine *m, const struct message *said, uint64_t wall)
{
	(void)wall;
	if (said->kind == MESSAGE_TURN && *m->kept.turn && str_eq(said->id, m->kept.turn))
		m->kept.held = true;
	else if (said->kind == MESSAGE_UNINSTALL)
		take_request(m);
	else if (said->kind == MESSAGE_KEEP)
		withdraw_request(m);
}

/* --- the next job --- */

static enum node_job begin(struct machine *m, enum node_job job, enum node_phase phase,
			   uint64_t wall)
{
	m->running = job;
	if (job == JOB_INSTALL || job == JOB_RECOVER || job == JOB_REPAIR || job == JOB_UNINSTALL)
		m->state.claimed = true;
	set_phase(m, phase, wall);
	return job;
}

/* Begins a requested uninstall, with a turn, instead of the next step. A recovery and a look come
 * first: the uninstall needs a node whose state is known. */
static void turn_to_uninstall(struct machine *m, uint64_t wall)
{
	if (m->step != STEP_TURN && m->step != STEP_REST && m->step != STEP_PLAN &&
	    m->step != STEP_INSTALL && m->step != STEP_REPAIR)
		return;
	want_turn(m);
	m->step = STEP_UNINSTALL;
	/* Set before it has its turn: an uninstall gets one even if failures have stopped the
	 * turns. */
	set_phase(m, PHASE_UNINSTALLING, wall);
	if (!m->kept.held)
		COPY(m->state.message, "waits for its turn to uninstall");
}

static enum node_job look(struct machine *m, uint64_t wall)
{
	/* A periodic check does not change the phase; the end of a pause, or of the wait for a
	 * withdrawn uninstall, does. */
	m->running = m->hashes ? JOB_HASH : JOB_STATUS;
	if (m->state.phase == PHASE_FAILED || m->state.phase == PHASE_UNINSTALLING) {
		set_phase(m, PHASE_STARTING, wall);
		m->state.code[0] = m->state.message[0] = '\0';
		m->state.retry = 0;
	}
	return m->running;
}

enum node_job machine_next(struct machine *m, uint64_t now, uint64_t wall)
{
	if (m->running)
		return JOB_NONE;
	if (m->step == STEP_REST && (now >= m->full_at || now >= m->quick_at)) {
		m->hashes = now >= m->full_at;
		m->step = STEP_LOOK;
	}
	if (m->step == STEP_RETRY && now >= m->retry_at)
		m->step = STEP_LOOK;
	if (m->kept.uninstalling)
		turn_to_uninstall(m, wall);
	if (m->step == STEP_TURN && m->kept.held)
		m->step = STEP_INSTALL;
	switch (m->step) {
	case STEP_LOOK:
		return look(m, wall);
	case STEP_RECOVER:
		return begin(m, JOB_RECOVER, PHASE_INSTALLING, wall);
	case STEP_REPAIR:
		return begin(m, JOB_REPAIR, PHASE_REPAIRING, wall);
	case STEP_PLAN:
		m->running = JOB_PLAN;
		return JOB_PLAN;
	case STEP_INSTALL:
		return begin(m, JOB_INSTALL, PHASE_INSTALLING, wall);
	case STEP_UNINSTALL:
		return m->kept.held ? begin(m, JOB_UNINSTALL, PHASE_UNINSTALLING, wall) : JOB_NONE;
	case STEP_TURN:
	case STEP_REST:
	case STEP_RETRY:
	case STEP_OVER:
		break;
	}
	return JOB_NONE;
}

uint64_t machine_wake(const struct machine *m)
{
	if (m->running)
		return UINT64_MAX;
	if (m->step == STEP_REST)
		return m->quick_at < m->full_at ? m->quick_at : m->full_at;
	return m->step == STEP_RETRY ? m->retry_at : UINT64_MAX;
}

/* --- the end of a job --- */

static uint64_t pause_s(const struct machine *m)
{
	uint64_t failures = m->kept.failures, s = RETRY_MIN_S;

	if (m->kept.uninstalling)
		return s;
	while (--failures && s < RETRY_MAX_S)
		s *= 2;
	return s < RETRY_MAX_S ? s : RETRY_MAX_S;
}

/* True for the slugs (err.h) of errors that may be temporary, such as during a restart by
 * somebody. */
static bool may_pass(const char *code)
{
	return str_eq(code, "state") || str_eq(code, "timeout") || str_eq(code, "gone");
}

/* Repeats a look that found a problem which may be temporary, without reporting a failure. */
static bool look_again(struct machine *m, enum node_job job, const char *code, uint64_t now)
{
	if (!node_job_looks(job) || !may_pass(code) || ++m->odd >= LOOKS_MAX)
		return false;
	m->step = STEP_RETRY;
	m->retry_at = now + LOOK_S * 1000;
	return true;
}

/* Recovers instead of reporting a look that failed because of the state below the prefix, which may
 * be lost or damaged; once only until the node rests. */
static bool recover_first(struct machine *m, enum node_job job, const char *code)
{
	bool damaged = str_eq(code, "invalid") || str_eq(code, "state");

	if ((job != JOB_STATUS && job != JOB_HASH) || !damaged || m->o.no_repair || m->recovered)
		return false;
	m->recovered = true;
	m->step = STEP_RECOVER;
	return true;
}

/* After fewer failures in a row of a look, an installed node stays ready. */
enum { EXCUSED = 3 };

static void fail(struct machine *m, enum node_job job, const char *code, const char *message,
		 uint64_t now, uint64_t wall)
{
	uint64_t s;

	if (look_again(m, job, code, now) || recover_first(m, job, code))
		return;
	m->failed++;
	m->kept.failures++;
	s = pause_s(m);
	m->kept.retry = wall + s;
	COPY(m->kept.code, code);
	COPY(m->kept.message, message);
	m->state.failures = m->kept.failures;
	m->state.retry = m->kept.retry;
	COPY(m->state.code, code);
	COPY(m->state.message, message);
	if (m->kept.failures >= EXCUSED || !node_job_looks(job)) {
		m->state.ready = false;
		m->state.claimed = m->state.claimed || m->installed;
	}
	/* A failed uninstall says nothing of the release: the turns of other nodes go on. */
	end_turn(m, m->kept.uninstalling || job == JOB_UNINSTALL, message);
	m->retry_at = now + s * 1000;
	m->step = STEP_RETRY;
	set_phase(m, PHASE_FAILED, wall);
}

static void rest(struct machine *m, uint64_t now, uint64_t wall)
{
	m->step = STEP_REST;
	m->quick_at = now + m->o.quick_ms;
	m->repairs = m->odd = 0;
	m->recovered = false;
	m->rested = wall;
	forget_failures(&m->kept);
	m->state.failures = m->state.retry = 0;
	m->state.code[0] = m->state.message[0] = '\0';
	m->state.ready = true;
	set_phase(m, m->state.drift ? PHASE_DRIFTED : PHASE_READY, wall);
	end_turn(m, true, "");
}

static void looked(struct machine *m, const struct outcome *o, uint64_t now)
{
	m->checks[o->job == JOB_HASH]++;
	if (o->job == JOB_HASH)
		m->full_at = now + m->o.full_ms;
	m->hashes = false;
	COPY(m->state.version, o->version);
	COPY(m->state.generation, o->generation);
	if (*o->manager)
		COPY(m->state.manager, o->manager);
	m->state.serial = o->serial;
	m->state.drift = o->drift;
	COPY(m->problem, o->problem);
	m->installed = o->installed;
	if (o->interrupted)
		m->step = STEP_RECOVER;
	else if (o->drift && !m->o.no_repair && m->repairs < REPAIRS_MAX)
		m->step = STEP_REPAIR;
	else
		m->step = STEP_PLAN;
}

static void planned(struct machine *m, const struct outcome *o, uint64_t now, uint64_t wall)
{
	if (!o->changes && !o->restart) {
		if (*m->problem)
			fail(m, o->job, "state", m->problem, now, wall);
		else
			rest(m, now, wall);
		return;
	}
	m->odd = 0;
	COPY(m->state.message, o->reason);
	m->step = STEP_INSTALL;
	if (!o->restart)
		return;
	if (*m->problem) {
		m->state.ready = false;
		m->state.claimed = m->state.claimed || m->installed;
	}
	want_turn(m);
	m->step = STEP_TURN;
	if (!m->kept.held)
		set_phase(m, PHASE_WAITING, wall);
}

static void installed(struct machine *m, const struct outcome *o)
{
	m->state.restarts += o->restarted;
	if (*o->kernel) {
		COPY(m->state.kernel, o->kernel);
		COPY(m->state.agent, o->agent);
	}
	m->step = STEP_LOOK;
}

static void uninstalled(struct machine *m, uint64_t wall)
{
	end_turn(m, true, "");
	m->kept.uninstalling = false;
	m->kept.uninstalled = true;
	m->kept.failures = m->kept.retry = 0;
	m->state = (struct node_state){ .claimed = false };
	m->step = STEP_OVER;
	set_phase(m, PHASE_UNINSTALLED, wall);
	m->state.since = wall;
}

void machine_done(struct machine *m, const struct outcome *o, uint64_t now, uint64_t wall)
{
	m->running = JOB_NONE;
	if (!o->ok) {
		fail(m, o->job, o->code, o->message, now, wall);
		return;
	}
	switch (o->job) {
	case JOB_STATUS:
	case JOB_HASH:
		looked(m, o, now);
		break;
	case JOB_RECOVER:
		m->step = STEP_LOOK;
		if (*o->undone)
			fail(m, o->job, "failed", o->undone, now, wall);
		break;
	case JOB_REPAIR:
		m->repairs++;
		m->repaired++;
		m->step = STEP_LOOK;
		break;
	case JOB_PLAN:
		planned(m, o, now, wall);
		break;
	case JOB_INSTALL:
		installed(m, o);
		break;
	case JOB_UNINSTALL:
		uninstalled(m, wall);
		break;
	case JOB_NONE:
	case JOB_KINDS:
		bug("no job has ended");
	}
}
