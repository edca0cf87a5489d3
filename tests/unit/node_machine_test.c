// SPDX-License-Identifier: Apache-2.0
/* The state machine of `kata-deploy node`: sequences of jobs, messages and times, without a node. */

#include "tests/unit/suite.h"

#include "base/mem.h"
#include "base/str.h"
#include "deploy/node/machine.h"
#include "deploy/node/metrics.h"
#include "deploy/node/serve.h"

#include <check.h>
#include <string.h>

enum { QUICK = 600, FULL = 86400 };
static const struct machine_options usual = { .quick_ms = QUICK * 1000, .full_ms = FULL * 1000 };

static struct machine m;
static uint64_t now, wall;

static void begin_with(const struct machine_options *o, const struct machine_kept *kept)
{
	now = 1000;
	wall = 1700000000;
	machine_init(&m, o, kept, now, wall);
}

static void pass(uint64_t seconds)
{
	now += seconds * 1000;
	wall += seconds;
}

static void expect_job(enum node_job job)
{
	enum node_job is = machine_next(&m, now, wall);

	ck_assert_msg(is == job, "'%s', not '%s'; step %d", node_job_verb(is), node_job_verb(job),
		      (int)m.step);
	if (job)
		ck_assert_int_eq(machine_next(&m, now, wall), JOB_NONE);
}

static void ends_with(struct outcome o)
{
	o.ok = true;
	machine_done(&m, &o, now, wall);
}

static void fails_with(enum node_job job, const char *code, const char *message)
{
	struct outcome o = { .job = job };

	message_text(o.code, sizeof(o.code), code);
	message_text(o.message, sizeof(o.message), message);
	machine_done(&m, &o, now, wall);
}

static void fails(enum node_job job, const char *message)
{
	fails_with(job, "failed", message);
}

/* Each of these expects the job and ends it. */
static void status(uint64_t drift, bool interrupted)
{
	expect_job(JOB_STATUS);
	ends_with(
		(struct outcome){ .job = JOB_STATUS, .drift = drift, .interrupted = interrupted });
}

static void plan(bool changes, bool restart)
{
	expect_job(JOB_PLAN);
	ends_with((struct outcome){ .job = JOB_PLAN, .changes = changes, .restart = restart });
}

static void install(bool restarted)
{
	expect_job(JOB_INSTALL);
	ends_with((struct outcome){ .job = JOB_INSTALL, .restarted = restarted });
}

static void grant(const char *id)
{
	struct message said = { .kind = MESSAGE_TURN };

	message_text(said.id, sizeof(said.id), id);
	machine_heard(&m, &said, wall);
}

static void ask_uninstall(void)
{
	struct message said = { .kind = MESSAGE_UNINSTALL };

	message_text(said.id, sizeof(said.id), "u");
	machine_heard(&m, &said, wall);
}

static void withdraw(void)
{
	machine_heard(&m, &(struct message){ .kind = MESSAGE_KEEP }, wall);
}

static struct message first_said(unsigned count)
{
	struct message says[MACHINE_SAYS] = { { .kind = MESSAGE_STATE } };

	ck_assert_uint_eq(machine_says(&m, says), count);
	return says[0];
}

static void to_rest(void)
{
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	install(true);
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_READY);
	if (*m.kept.ended)
		machine_said_end(&m);
}

START_TEST(a_restart_waits_for_its_turn)
{
	struct message said;

	begin_with(&usual, NULL);
	ck_assert_int_eq(m.state.phase, PHASE_STARTING);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_WAITING);
	ck_assert(!m.state.claimed && !m.state.ready);
	ck_assert_uint_eq(machine_wake(&m), UINT64_MAX);
	said = first_said(1);
	ck_assert_int_eq(said.kind, MESSAGE_WANT_TURN);
	ck_assert(!said.held);
	grant("another");
	expect_job(JOB_NONE);
	grant(said.id);
	install(true);
	ck_assert(m.state.claimed);
	said = first_said(1);
	ck_assert(said.kind == MESSAGE_WANT_TURN && said.held);
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.phase == PHASE_READY && m.state.ready);
	ck_assert_uint_eq(m.state.restarts, 1);
	said = first_said(1);
	ck_assert(said.kind == MESSAGE_END_TURN && said.good);
	machine_said_end(&m);
	(void)first_said(0);
}
END_TEST

START_TEST(a_change_without_a_restart_needs_no_turn)
{
	begin_with(&usual, NULL);
	status(0, false);
	plan(true, false);
	install(false);
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.ready);
	(void)first_said(0);
}
END_TEST

START_TEST(a_node_without_a_cluster_needs_no_turn)
{
	struct machine_options alone = usual;

	alone.alone = true;
	begin_with(&alone, NULL);
	status(0, false);
	plan(true, true);
	install(true);
	(void)first_said(0);
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.ready);
}
END_TEST

/* Its own restart has killed it: it still has its turn, and does not request one again. */
START_TEST(a_node_killed_by_its_restart_goes_on)
{
	struct machine_kept kept;
	char turn[MESSAGE_NAME];

	begin_with(&usual, NULL);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	expect_job(JOB_INSTALL);
	kept = m.kept;
	memcpy(turn, kept.turn, sizeof(turn));
	begin_with(&usual, &kept);
	ck_assert(m.state.claimed);
	ck_assert(first_said(1).held);
	status(0, true);
	expect_job(JOB_RECOVER);
	ck_assert_int_eq(m.state.phase, PHASE_INSTALLING);
	ends_with((struct outcome){ .job = JOB_RECOVER });
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.ready);
	ck_assert_str_eq(first_said(1).id, turn);
}
END_TEST

/* The next attempt has a pause, since it would restart the manager again. */
START_TEST(an_undone_install_counts_as_a_failure)
{
	struct machine_kept kept = { .held = true };
	struct outcome undone = { .job = JOB_RECOVER };

	message_text(kept.turn, sizeof(kept.turn), "t-1");
	begin_with(&usual, &kept);
	status(0, true);
	expect_job(JOB_RECOVER);
	message_text(undone.undone, sizeof(undone.undone), "the proof failed");
	ends_with(undone);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
	ck_assert_str_eq(m.state.message, "the proof failed");
	ck_assert(!first_said(1).good);
	pass(RETRY_MIN_S);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_WAITING);
}
END_TEST

START_TEST(failures_pause_longer_and_longer)
{
	static const uint64_t pauses[] = { 60, 120, 240, 480, 960, 1920, 3600, 3600 };
	struct machine_kept kept;

	begin_with(&usual, NULL);
	for (size_t i = 0; i < ARRAY_LEN(pauses); i++) {
		status(0, false);
		plan(true, true);
		expect_job(JOB_NONE);
		grant(m.kept.turn);
		expect_job(JOB_INSTALL);
		fails(JOB_INSTALL, "the proof failed");
		ck_assert(!first_said(1).good);
		ck_assert_str_eq(first_said(1).reason, "the proof failed");
		machine_said_end(&m);
		ck_assert(m.state.phase == PHASE_FAILED && !m.state.ready);
		ck_assert_uint_eq(m.state.failures, i + 1);
		ck_assert_uint_eq(m.state.retry, wall + pauses[i]);
		ck_assert_uint_eq(machine_wake(&m), now + pauses[i] * 1000);
		pass(pauses[i] - 1);
		expect_job(JOB_NONE);
		/* A restarted program does not try earlier. */
		kept = m.kept;
		machine_init(&m, &usual, &kept, now, wall);
		ck_assert_int_eq(m.state.phase, PHASE_FAILED);
		ck_assert_str_eq(m.state.message, "the proof failed");
		expect_job(JOB_NONE);
		pass(1);
	}
	to_rest();
	ck_assert(m.state.failures == 0 && m.state.retry == 0 && !*m.state.message);
}
END_TEST

/* The image was upgraded because its release failed, or an option was corrected. */
START_TEST(another_release_does_not_wait)
{
	struct machine_options first = usual, second = usual;
	struct machine_kept kept;

	first.release = "1";
	second.release = "2";
	begin_with(&first, NULL);
	for (int i = 0; i < 5; i++) {
		expect_job(JOB_STATUS);
		fails(JOB_STATUS, "no");
		pass(i < 4 ? RETRY_MAX_S : 1);
	}
	kept = m.kept;
	machine_init(&m, &first, &kept, now, wall);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
	machine_init(&m, &second, &kept, now, wall);
	ck_assert(m.state.phase == PHASE_STARTING && m.state.failures == 0 && m.state.retry == 0);
	ck_assert_str_eq(m.state.message, "");
	/* Its own failures count from the first. */
	expect_job(JOB_STATUS);
	fails(JOB_STATUS, "no");
	ck_assert_uint_eq(m.state.failures, 1);
	ck_assert_uint_eq(machine_wake(&m), now + RETRY_MIN_S * 1000);
	kept = m.kept;
	machine_init(&m, &second, &kept, now, wall);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
}
END_TEST

/* The turn and the uninstall are the pod's, not the release's. */
START_TEST(another_release_keeps_the_turn)
{
	struct machine_options other = usual;
	struct machine_kept kept = { .held = true, .uninstalling = true };

	other.release = "2";
	message_text(kept.turn, sizeof(kept.turn), "t-1");
	begin_with(&other, &kept);
	ck_assert(first_said(1).held);
	status(0, false);
	expect_job(JOB_UNINSTALL);
}
END_TEST

START_TEST(quick_checks_are_frequent_and_full_checks_daily)
{
	uint64_t began;
	unsigned glances = 0;

	begin_with(&usual, NULL);
	to_rest();
	began = wall;
	for (;;) {
		enum node_job job;

		now = machine_wake(&m);
		wall = 1700000000 + now / 1000;
		job = machine_next(&m, now, wall);
		ends_with((struct outcome){ .job = job });
		plan(false, false);
		ck_assert(m.state.ready && m.state.phase == PHASE_READY);
		if (job == JOB_HASH)
			break;
		ck_assert_int_eq(job, JOB_STATUS);
		glances++;
	}
	ck_assert_uint_ge(wall - began, FULL - QUICK);
	ck_assert_uint_le(glances, FULL / QUICK);
	ck_assert_uint_ge(glances, FULL / QUICK - 1);
}
END_TEST

START_TEST(drift_is_repaired)
{
	begin_with(&usual, NULL);
	to_rest();
	pass(QUICK);
	status(2, false);
	ck_assert_uint_eq(m.state.drift, 2);
	expect_job(JOB_REPAIR);
	ck_assert_int_eq(m.state.phase, PHASE_REPAIRING);
	ends_with((struct outcome){ .job = JOB_REPAIR });
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.phase == PHASE_READY && m.state.drift == 0 && m.repaired == 1);
}
END_TEST

/* Somebody else changes the files again after each repair. */
START_TEST(repairs_are_limited)
{
	begin_with(&usual, NULL);
	to_rest();
	pass(QUICK);
	for (int i = 0; i < REPAIRS_MAX; i++) {
		status(1, false);
		expect_job(JOB_REPAIR);
		ends_with((struct outcome){ .job = JOB_REPAIR });
	}
	status(1, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_DRIFTED);
}
END_TEST

START_TEST(drift_may_only_be_reported)
{
	struct machine_options o = usual;

	o.no_repair = true;
	begin_with(&o, NULL);
	to_rest();
	pass(QUICK);
	status(1, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.phase == PHASE_DRIFTED && m.state.ready && m.state.drift == 1);
}
END_TEST

/* Somebody removed the registration: adding it is a change and needs a turn. */
START_TEST(a_lost_registration_is_made_again)
{
	begin_with(&usual, NULL);
	to_rest();
	pass(QUICK);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_WAITING);
	grant(m.kept.turn);
	install(true);
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert_uint_eq(m.state.restarts, 2);
}
END_TEST

START_TEST(a_check_may_fail_now_and_then)
{
	begin_with(&usual, NULL);
	to_rest();
	pass(QUICK);
	for (int i = 0; i < 2; i++) {
		expect_job(JOB_STATUS);
		fails(JOB_STATUS, "another kata-deploy is running");
		ck_assert(m.state.ready);
		pass(3600);
	}
	expect_job(JOB_STATUS);
	fails(JOB_STATUS, "another kata-deploy is running");
	ck_assert(!m.state.ready);
}
END_TEST

/* The label of a node that cannot run pods must not stay "true", whichever process has installed. */
START_TEST(an_installed_node_that_fails_is_claimed)
{
	begin_with(&usual, NULL);
	for (int i = 1; i <= 3; i++) {
		expect_job(JOB_STATUS);
		ends_with((struct outcome){ .job = JOB_STATUS, .installed = _i });
		expect_job(JOB_PLAN);
		/* As after an upgrade of the pod, the first looks may fail. */
		ck_assert(!m.state.claimed);
		fails(JOB_PLAN, "it has a handler of that name");
		pass(3600);
	}
	ck_assert(m.state.claimed == (_i == 1));
}
END_TEST

static void look_ill(void)
{
	struct outcome ill = { .job = JOB_STATUS };

	message_text(ill.problem, sizeof(ill.problem), "containerd does not answer");
	expect_job(JOB_STATUS);
	ends_with(ill);
	plan(false, false);
}

START_TEST(a_manager_that_is_ill_is_a_failure)
{
	begin_with(&usual, NULL);
	to_rest();
	pass(QUICK);
	for (int i = 1; i < LOOKS_MAX; i++) {
		look_ill();
		expect_job(JOB_NONE);
		ck_assert_int_eq(m.state.phase, PHASE_READY);
		pass(LOOK_S);
	}
	look_ill();
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
	ck_assert_str_eq(m.state.message, "containerd does not answer");
	/* And from then on at once. */
	pass(RETRY_MIN_S);
	look_ill();
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
	ck_assert_uint_eq(m.state.failures, 2);
}
END_TEST

/* As on nodes whose configuration is made anew at every boot: pods cannot be run while the node waits
 * for its turn, which it may not get for long. */
START_TEST(a_node_without_its_handlers_is_not_ready)
{
	struct outcome lost = { .job = JOB_STATUS, .installed = _i };

	message_text(lost.problem, sizeof(lost.problem), "containerd does not serve 'kata'");
	begin_with(&usual, NULL);
	if (_i) {
		to_rest();
		ck_assert(m.state.ready);
		pass(QUICK);
	}
	expect_job(JOB_STATUS);
	ends_with(lost);
	plan(true, true);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_WAITING);
	ck_assert(!m.state.ready);
	ck_assert(m.state.claimed == (_i == 1));
	grant(m.kept.turn);
	install(true);
	status(0, false);
	plan(false, false);
	ck_assert(m.state.ready);
}
END_TEST

/* Another installation on this node restarts the manager. The node keeps its turn. */
START_TEST(a_manager_that_is_ill_for_a_moment_is_no_failure)
{
	begin_with(&usual, NULL);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	install(true);
	look_ill();
	expect_job(JOB_NONE);
	ck_assert(machine_wake(&m) == now + LOOK_S * 1000);
	ck_assert(first_said(1).kind == MESSAGE_WANT_TURN && m.kept.held);
	pass(LOOK_S);
	expect_job(JOB_STATUS);
	ends_with((struct outcome){ .job = JOB_STATUS });
	expect_job(JOB_PLAN);
	struct outcome late = { .job = JOB_PLAN };
	message_text(late.code, sizeof(late.code), "timeout");
	machine_done(&m, &late, now, wall);
	expect_job(JOB_NONE);
	pass(LOOK_S);
	status(0, false);
	plan(false, false);
	expect_job(JOB_NONE);
	ck_assert(m.state.phase == PHASE_READY && m.state.failures == 0 && m.failed == 0);
	ck_assert(first_said(1).good);
	/* A failure that does not pass by itself is reported at once. */
	pass(QUICK);
	expect_job(JOB_STATUS);
	fails(JOB_STATUS, "install.json cannot be read");
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
}
END_TEST

/* Lost or damaged documents of the state; a look that finds them lost may be temporary. */
START_TEST(a_damaged_state_is_recovered_once)
{
	const bool lost = _i;
	const struct machine_options keep = { .quick_ms = QUICK * 1000,
					      .full_ms = FULL * 1000,
					      .no_repair = true };

	begin_with(&usual, NULL);
	to_rest();
	for (int times = 0; times < 2; times++) {
		pass(QUICK);
		for (int looks = lost ? LOOKS_MAX : 1; looks; looks--) {
			expect_job(JOB_STATUS);
			fails_with(JOB_STATUS, lost ? "state" : "invalid", "run recover");
			if (looks > 1)
				pass(LOOK_S);
		}
		expect_job(JOB_RECOVER);
		ends_with((struct outcome){ .job = JOB_RECOVER });
		status(0, false);
		plan(false, false);
		expect_job(JOB_NONE);
		ck_assert(m.state.phase == PHASE_READY && m.failed == 0);
	}
	/* A recovery that did not help, or that failed. */
	pass(QUICK);
	expect_job(JOB_STATUS);
	fails_with(JOB_STATUS, "invalid", "run recover");
	expect_job(JOB_RECOVER);
	if (_i) {
		ends_with((struct outcome){ .job = JOB_RECOVER });
		expect_job(JOB_STATUS);
		fails_with(JOB_STATUS, "invalid", "run recover");
	} else {
		fails(JOB_RECOVER, "no");
	}
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
	begin_with(&keep, NULL);
	expect_job(JOB_STATUS);
	fails_with(JOB_STATUS, "invalid", "run recover");
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
}
END_TEST

/* No job follows it, also not in a restarted process. */
START_TEST(an_uninstall_is_final)
{
	struct machine_kept kept;

	begin_with(&usual, NULL);
	to_rest();
	ask_uninstall();
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_UNINSTALLING);
	grant(m.kept.turn);
	expect_job(JOB_UNINSTALL);
	ck_assert_int_eq(m.state.phase, PHASE_UNINSTALLING);
	fails(JOB_UNINSTALL, "2 running pods use it");
	machine_said_end(&m);
	pass(60);
	status(0, false);
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	expect_job(JOB_UNINSTALL);
	ends_with((struct outcome){ .job = JOB_UNINSTALL });
	expect_job(JOB_NONE);
	ck_assert(m.state.phase == PHASE_UNINSTALLED && !m.state.ready && !m.state.claimed);
	ck_assert(first_said(1).good);
	kept = m.kept;
	begin_with(&usual, &kept);
	pass(10 * FULL);
	expect_job(JOB_NONE);
	ask_uninstall();
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_UNINSTALLED);
	ck_assert_uint_eq(machine_wake(&m), UINT64_MAX);
}
END_TEST

/* The request comes while the node waits for its first turn. */
START_TEST(an_uninstall_comes_before_an_install)
{
	begin_with(&usual, NULL);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	ask_uninstall();
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	expect_job(JOB_UNINSTALL);
}
END_TEST

/* A node that fails is likely to be uninstalled: the uninstall does not wait for the end of the
 * pause. An uninstall that fails has pauses of its own, however often it is requested. */
START_TEST(an_uninstall_does_not_wait_for_a_pause)
{
	begin_with(&usual, NULL);
	for (int i = 0; i < 6; i++) {
		expect_job(JOB_STATUS);
		fails(JOB_STATUS, "no");
		pass(1);
		expect_job(JOB_NONE);
		if (i < 5)
			pass(RETRY_MAX_S);
	}
	ask_uninstall();
	ck_assert_uint_le(machine_wake(&m), now);
	status(0, false);
	expect_job(JOB_NONE);
	ck_assert_int_eq(m.state.phase, PHASE_UNINSTALLING);
	grant(m.kept.turn);
	expect_job(JOB_UNINSTALL);
	fails(JOB_UNINSTALL, "2 running pods use it");
	ask_uninstall();
	expect_job(JOB_NONE);
	ck_assert_uint_gt(machine_wake(&m), now);
}
END_TEST

static void refuse_uninstall(void)
{
	fails_with(JOB_UNINSTALL, "state", "2 running pods use it");
	machine_said_end(&m);
}

static void be_refused(void)
{
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	expect_job(JOB_UNINSTALL);
	refuse_uninstall();
	pass(RETRY_MIN_S);
	status(0, false);
}

/* The request was withdrawn while the node waits for its turn, in the pause after a refusal, or while
 * the uninstall runs, which is then refused. Also in another process. */
START_TEST(a_withdrawn_uninstall_does_not_happen)
{
	struct machine_kept kept;

	begin_with(&usual, NULL);
	to_rest();
	ask_uninstall();
	for (int i = 0; i < 5; i++)
		be_refused();
	expect_job(JOB_NONE);
	if (_i == 0)
		withdraw();
	grant(m.kept.turn);
	if (_i > 0)
		expect_job(JOB_UNINSTALL);
	if (_i == 1)
		refuse_uninstall();
	if (_i > 0)
		withdraw();
	if (_i == 2)
		refuse_uninstall();
	kept = m.kept;
	pass(RETRY_MIN_S);
	if (_i == 3)
		machine_init(&m, &usual, &kept, now, wall);
	for (int i = 0; i < 3; i++) {
		status(0, false);
		plan(false, false);
		expect_job(JOB_NONE);
		ck_assert(m.state.phase == PHASE_READY && m.state.ready);
		ck_assert(m.state.failures == 0 && !*m.state.message && !*m.kept.turn);
		pass(QUICK);
	}
}
END_TEST

static void begin_uninstall(void)
{
	begin_with(&usual, NULL);
	to_rest();
	ask_uninstall();
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	expect_job(JOB_UNINSTALL);
}

/* It says nothing of the release, and must not stop the turns of other nodes, even if the request
 * was withdrawn meanwhile. */
START_TEST(a_refused_uninstall_is_no_failed_turn)
{
	struct message said;

	begin_uninstall();
	if (_i == 1)
		withdraw();
	fails_with(JOB_UNINSTALL, "state", "2 running pods use it");
	ck_assert_int_eq(m.state.phase, PHASE_FAILED);
	said = first_said(1);
	ck_assert(said.kind == MESSAGE_END_TURN && said.good);
	ck_assert_str_eq(said.reason, "2 running pods use it");
}
END_TEST

/* Only the uninstall is given up: not the turn of an install, nor the pause after its failure. */
START_TEST(a_keep_without_a_request_changes_nothing)
{
	begin_with(&usual, NULL);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	withdraw();
	grant(m.kept.turn);
	expect_job(JOB_INSTALL);
	withdraw();
	fails(JOB_INSTALL, "no");
	withdraw();
	expect_job(JOB_NONE);
	ck_assert(m.state.phase == PHASE_FAILED && m.state.failures == 1);
	pass(RETRY_MIN_S);
	expect_job(JOB_STATUS);
}
END_TEST

/* Whoever repeats `helm uninstall` waits ten minutes for the next attempt, so pauses stay far below
 * that, however often the uninstall has failed, and also in another process. */
START_TEST(pauses_of_an_uninstall_do_not_grow)
{
	struct machine_kept kept;

	begin_with(&usual, NULL);
	to_rest();
	ask_uninstall();
	for (int i = 0; i < 10; i++) {
		if (i)
			status(0, false);
		expect_job(JOB_NONE);
		grant(m.kept.turn);
		expect_job(JOB_UNINSTALL);
		fails(JOB_UNINSTALL, "2 running pods use it");
		machine_said_end(&m);
		ck_assert_uint_eq(machine_wake(&m), now + RETRY_MIN_S * 1000);
		ck_assert_uint_eq(m.state.retry, wall + RETRY_MIN_S);
		if (i == 5) {
			kept = m.kept;
			machine_init(&m, &usual, &kept, now, wall);
		}
		pass(RETRY_MIN_S);
	}
	expect_job(JOB_STATUS);
	fails(JOB_STATUS, "no");
	ck_assert_uint_eq(machine_wake(&m), now + RETRY_MIN_S * 1000);
}
END_TEST

/* Report may get the turn when the node does not need it any more. */
START_TEST(an_unneeded_turn_is_given_back)
{
	struct machine_kept kept;
	struct message said;

	begin_with(&usual, NULL);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	kept = m.kept;
	begin_with(&usual, &kept);
	status(0, false);
	plan(false, false);
	ck_assert_int_eq(m.state.phase, PHASE_READY);
	said = first_said(1);
	ck_assert_int_eq(said.kind, MESSAGE_END_TURN);
	ck_assert_str_eq(said.id, kept.turn);
	ck_assert(said.good);

	begin_with(&usual, &kept);
	expect_job(JOB_STATUS);
	fails(JOB_STATUS, "another kata-deploy runs");
	said = first_said(1);
	ck_assert_int_eq(said.kind, MESSAGE_END_TURN);
	ck_assert(said.good); /* nothing was done in it */
}
END_TEST

/* The restart of the uninstall has ended the pod: the next process finishes it and does not
 * install. */
START_TEST(an_uninstall_goes_on_in_another_process)
{
	struct machine_kept kept;
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = NULL;

	begin_uninstall();
	j = kept_json(&m.kept);
	ck_assert_msg(kept_parse(&kept, j, &err) == 0, "%s", err.msg);
	begin_with(&usual, &kept);
	status(0, false);
	expect_job(JOB_UNINSTALL);
}
END_TEST

/* A small generator, the same in each run. */
static uint32_t next_of(uint32_t *seed, uint32_t below)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 16) % below;
}

/* Messages of a hostile report: turns that were not requested, old ones, twice, late; an
 * uninstall at any time, which may be withdrawn. */
static void say_something(uint32_t *seed, const char *old, bool *granted, bool *asked)
{
	switch (next_of(seed, 6)) {
	case 0:
		grant(old);
		*granted = *granted || (*old && str_eq(old, m.kept.turn));
		break;
	case 1:
		grant("t-0");
		break;
	case 2:
		grant("");
		break;
	case 3:
		*granted = *granted || *m.kept.turn;
		grant(m.kept.turn);
		break;
	case 4:
		withdraw();
		*asked = false;
		break;
	default:
		if (next_of(seed, 40) == 0) {
			ask_uninstall();
			*asked = true;
		}
	}
}

static void end_somehow(uint32_t *seed, enum node_job job)
{
	struct outcome o = { .job = job,
			     .changes = next_of(seed, 2),
			     .restart = next_of(seed, 2),
			     .interrupted = next_of(seed, 8) == 0,
			     .drift = next_of(seed, 4) == 0 };

	if (next_of(seed, 4) == 0)
		fails(job, "no");
	else
		ends_with(o);
}

/* Whatever report sends: no job that restarts the manager begins without a turn that was
 * requested and granted, no uninstall begins without a request, and no job follows an uninstall. */
START_TEST(no_message_makes_the_node_act_without_a_turn)
{
	uint32_t seed = (uint32_t)_i + 1;
	bool granted = false, asked = false, restarts = false, began = false;
	char turn[MESSAGE_NAME] = "", old[MESSAGE_NAME] = "";

	begin_with(&usual, NULL);
	for (int i = 0; i < 3000; i++) {
		enum node_job job = machine_next(&m, now, wall);

		if (!str_eq(turn, m.kept.turn)) { /* another one, or none */
			message_text(old, sizeof(old), turn);
			message_text(turn, sizeof(turn), m.kept.turn);
			granted = false;
		}
		ck_assert(!job || machine_next(&m, now, wall) == JOB_NONE);
		ck_assert(job != JOB_INSTALL || !restarts || (granted && m.kept.held));
		ck_assert(job != JOB_UNINSTALL || (asked && granted && m.kept.held));
		began = began || job == JOB_UNINSTALL;
		ck_assert(m.state.phase != PHASE_UNINSTALLED || (began && job == JOB_NONE));
		say_something(&seed, old, &granted, &asked);
		if (job) {
			if (job != JOB_INSTALL && job != JOB_PLAN)
				restarts = false;
			end_somehow(&seed, job);
			restarts = job == JOB_PLAN && m.step == STEP_TURN;
		}
		if (*m.kept.ended)
			machine_said_end(&m);
		pass(1 + next_of(&seed, 200));
	}
}
END_TEST

START_TEST(the_kept_state_survives_its_text)
{
	struct machine_options named = usual;
	struct machine_kept kept, again;
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = NULL;

	named.release = "1";
	begin_with(&named, NULL);
	status(0, false);
	plan(true, true);
	expect_job(JOB_NONE);
	grant(m.kept.turn);
	expect_job(JOB_INSTALL);
	fails(JOB_INSTALL, "no");
	kept = m.kept;
	j = kept_json(&kept);
	ck_assert_msg(kept_parse(&again, j, &err) == 0, "%s", err.msg);
	AUTO(json) struct json *second = kept_json(&again);
	AUTO(str) char *one = json_format(j, false), *two = json_format(second, false);
	ck_assert_str_eq(one, two);
	json_put(j, "more", json_make_int(1));
	ck_assert_int_lt(kept_parse(&again, j, &err), 0);
}
END_TEST

/* As a program before releases were named has saved it. */
START_TEST(an_older_kept_state_is_understood)
{
	static const char text[] =
		"{\"turn\":\"t-1\",\"ended\":\"\",\"ended_reason\":\"\",\"code\":\"failed\","
		"\"message\":\"no\",\"held\":true,\"ended_good\":false,\"uninstalling\":false,"
		"\"uninstalled\":false,\"failures\":3,\"retry\":1700000100}";
	AUTO(json) struct json *j = NULL;
	struct machine_options with = usual;
	struct machine_kept kept;
	struct err err = ERR_INIT;

	j = json_parse(text, strlen(text), "node.json", &err);
	ck_assert_msg(j && kept_parse(&kept, j, &err) == 0, "%s", err.msg);
	ck_assert_str_eq(kept.release, "");
	with.release = "2";
	begin_with(&with, &kept);
	ck_assert(first_said(1).held);
	expect_job(JOB_STATUS); /* this program is newer */
}
END_TEST

static struct outcome understand(enum node_job job, int code, const char *text)
{
	struct outcome o;

	outcome_read(&o, job, code, text, strlen(text));
	return o;
}

START_TEST(output_of_the_verbs_is_parsed)
{
	struct outcome o = understand(
		JOB_STATUS, 0,
		"{\"installed\":true,\"interrupted\":false,\"generations\":[{\"id\":\"2-b\","
		"\"version\":\"2\",\"current\":false},{\"id\":\"3-a\",\"version\":\"3\","
		"\"current\":true}],\"drift\":[{\"path\":\"x\",\"what\":\"gone\"}],\"release\":"
		"{\"serial\":7},\"cri\":{\"name\":\"k3s\"},\"health\":{\"manager\":\"k3s\","
		"\"problem\":null}}");

	ck_assert(o.ok && o.installed && !o.interrupted && o.drift == 1 && o.serial == 7);
	ck_assert_str_eq(o.version, "3");
	ck_assert_str_eq(o.generation, "3-a");
	ck_assert_str_eq(o.manager, "k3s");
	ck_assert_str_eq(o.problem, "");
	o = understand(JOB_PLAN, 0, "{\"changes\":true,\"restart\":true,\"reason\":\"r\"}");
	ck_assert(o.ok && o.changes && o.restart);
	ck_assert_str_eq(o.reason, "r");
	o = understand(JOB_INSTALL, 0,
		       "{\"restarted\":true,\"proof\":{\"kernel\":\"6\",\"agent\":\"3\"}}");
	ck_assert(o.ok && o.restarted);
	ck_assert_str_eq(o.kernel, "6");
	o = understand(JOB_INSTALL, 0, "{\"restarted\":false,\"proof\":null}");
	ck_assert(o.ok && !o.restarted);
	o = understand(JOB_INSTALL, 17,
		       "{\"error\":{\"code\":\"trust\",\"status\":17,\"message\":\"no\"}}");
	ck_assert(!o.ok);
	ck_assert_str_eq(o.code, "trust");
	ck_assert_str_eq(o.message, "no");
}
END_TEST

START_TEST(output_that_cannot_be_parsed_is_a_failure)
{
	static const char *const texts[] = { "", "{", "[]", "7", "{\"a\":1} {}" };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct outcome o = understand(JOB_PLAN, 0, texts[i]);

		ck_assert(!o.ok && *o.message && str_eq(o.code, "failed"));
	}
	ck_assert(!understand(JOB_PLAN, 137, "{\"changes\":false}").ok);
	ck_assert_ptr_nonnull(strstr(understand(JOB_INSTALL, 137, "").message, "memory"));
	ck_assert_ptr_nonnull(strstr(understand(JOB_INSTALL, 134, "").message, "status 134"));
	ck_assert(
		understand(JOB_STATUS, 0, "{\"generations\":[1,null],\"drift\":7,\"cri\":[]}").ok);
}
END_TEST

START_TEST(metrics_are_prometheus_text)
{
	AUTO(buf) struct buf text = BUF_INIT(SERVE_BODY_MAX);
	const uint64_t ms[JOB_KINDS] = { [JOB_INSTALL] = 1234 };

	begin_with(&usual, NULL);
	to_rest();
	message_text(m.state.version, sizeof(m.state.version), "3\"\\");
	metrics_print(&m, ms, &text);
	ck_assert(!text.over);
	ck_assert_ptr_nonnull(strstr(text.data, "kata_deploy_info{version=\"3\\\"\\\\\","));
	ck_assert_ptr_nonnull(strstr(text.data, "\nkata_deploy_ready 1\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\nkata_deploy_phase{phase=\"ready\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "\nkata_deploy_restarts_total 1\n"));
	ck_assert_ptr_nonnull(strstr(text.data, "{job=\"install\"} 1.234\n"));
}
END_TEST

START_TEST(only_get_is_answered)
{
	static const struct {
		const char *head, *path;
		int code;
	} cases[] = {
		{ "GET /readyz HTTP/1.1\r\n\r\n", "/readyz", 0 },
		{ "GET /metrics?x=1 HTTP/1.0\r\n\r\n", "/metrics", 0 },
		{ "GET /\n\n", "/", 0 },
		{ "POST /readyz HTTP/1.1\r\n\r\n", NULL, 405 },
		{ "GET readyz HTTP/1.1\r\n\r\n", NULL, 400 },
		{ "GET", NULL, 400 },
		{ "GET \r\n", NULL, 400 },
		{ "\r\n\r\n", NULL, 400 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int code = 0;
		AUTO(str) char *path = serve_path(cases[i].head, strlen(cases[i].head), &code);

		ck_assert_msg(str_eq(path, cases[i].path), "%zu: %s", i, path);
		if (!cases[i].path)
			ck_assert_int_eq(code, cases[i].code);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node_machine");
	TCase *tc = tcase_create("machine");

	tcase_add_test(tc, a_restart_waits_for_its_turn);
	tcase_add_test(tc, a_change_without_a_restart_needs_no_turn);
	tcase_add_test(tc, a_node_without_a_cluster_needs_no_turn);
	tcase_add_test(tc, a_node_killed_by_its_restart_goes_on);
	tcase_add_test(tc, an_undone_install_counts_as_a_failure);
	tcase_add_test(tc, failures_pause_longer_and_longer);
	tcase_add_test(tc, another_release_does_not_wait);
	tcase_add_test(tc, another_release_keeps_the_turn);
	tcase_add_test(tc, quick_checks_are_frequent_and_full_checks_daily);
	tcase_add_test(tc, drift_is_repaired);
	tcase_add_test(tc, repairs_are_limited);
	tcase_add_test(tc, drift_may_only_be_reported);
	tcase_add_test(tc, a_lost_registration_is_made_again);
	tcase_add_test(tc, a_check_may_fail_now_and_then);
	tcase_add_loop_test(tc, an_installed_node_that_fails_is_claimed, 0, 2);
	tcase_add_test(tc, a_manager_that_is_ill_is_a_failure);
	tcase_add_loop_test(tc, a_node_without_its_handlers_is_not_ready, 0, 2);
	tcase_add_test(tc, a_manager_that_is_ill_for_a_moment_is_no_failure);
	tcase_add_loop_test(tc, a_damaged_state_is_recovered_once, 0, 2);
	tcase_add_test(tc, an_uninstall_is_final);
	tcase_add_test(tc, an_uninstall_comes_before_an_install);
	tcase_add_test(tc, an_uninstall_goes_on_in_another_process);
	tcase_add_loop_test(tc, no_message_makes_the_node_act_without_a_turn, 0, 20);
	tcase_add_test(tc, an_uninstall_does_not_wait_for_a_pause);
	tcase_add_loop_test(tc, a_withdrawn_uninstall_does_not_happen, 0, 4);
	tcase_add_loop_test(tc, a_refused_uninstall_is_no_failed_turn, 0, 2);
	tcase_add_test(tc, a_keep_without_a_request_changes_nothing);
	tcase_add_test(tc, pauses_of_an_uninstall_do_not_grow);
	tcase_add_test(tc, an_unneeded_turn_is_given_back);
	tcase_add_test(tc, the_kept_state_survives_its_text);
	tcase_add_test(tc, an_older_kept_state_is_understood);
	tcase_add_test(tc, output_of_the_verbs_is_parsed);
	tcase_add_test(tc, output_that_cannot_be_parsed_is_a_failure);
	tcase_add_test(tc, metrics_are_prometheus_text);
	tcase_add_test(tc, only_get_is_answered);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
