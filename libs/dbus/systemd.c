// SPDX-License-Identifier: Apache-2.0
/* Jobs of systemd, and waiting for their end. */

#include "dbus/systemd.h"

#include "base/interrupt.h"
#include "base/spawn.h"
#include "base/str.h"
#include "dbus/dbus.h"

#include <errno.h>
#include <unistd.h>

#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"
#define JOB          "org.freedesktop.systemd1.Job"
#define UNIT         "org.freedesktop.systemd1.Unit"
#define NOT_LOADED   "not loaded" /* the ActiveState that we give a unit that systemd does not know */

enum { REOPEN_MS = 100 };

/* A call whose answer names a job. */
struct job {
	const char *doing; /* "restart", for messages */
	const char *unit;
	char *const *done; /* strv: the unit's ActiveState, one of these, after a success */
	struct dbus_call call;
};

/* The states of a unit that systemd itself takes for the success of a job that starts it. */
#define STARTED ARGV("active", "reloading", "refreshing")
#define STOPPED ARGV("inactive", "failed", NOT_LOADED)

bool systemd_is_there(const char *socket)
{
	return access(socket ? socket : SYSTEMD_SOCKET, R_OK | W_OK) == 0;
}

static int open_manager(const char *socket, struct deadline deadline, struct dbus **bus,
			struct err *err)
{
	return dbus_connect(socket ? socket : SYSTEMD_SOCKET, deadline, bus, err) < 0
		       ? err_wrap(err, "systemd")
		       : 0;
}

static int ask(struct dbus *bus, const struct dbus_call *call, struct deadline deadline,
	       struct dbus_message *answer, struct err *err)
{
	return dbus_ask(bus, call, deadline, answer, err) < 0 ? err_wrap(err, "systemd") : 0;
}

static int subscribe(struct dbus *bus, struct deadline deadline, struct err *err)
{
	const struct dbus_call call = { MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL };
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;

	return ask(bus, &call, deadline, &answer, err);
}

/* --- the end of a job --- */

static int fail_job(const struct job *job, const char *why, struct err *err)
{
	(void)err_take(err, E_FAILED, 0, ERR_HERE, why);
	err_wrap(err, "systemd could not %s %s", job->doing, job->unit);
	return err_hint(err, "look into its log: journalctl -u %s", job->unit);
}

/* Looks at a signal. Returns 1 if it is JobRemoved(u id, o job, s unit, s result) of our job with
 * the result "done", -1 if our job has failed, 0 for other signals. */
static int look_at(const struct dbus_message *m, const char *path, const struct job *job,
		   struct err *err)
{
	struct dbus_reader r = dbus_read(m);
	const char *removed, *result;

	if (!str_eq(m->interface, MANAGER) || !str_eq(m->member, "JobRemoved"))
		return 0;
	(void)dbus_number(&r);
	removed = dbus_text(&r, 'o');
	(void)dbus_text(&r, 's');
	result = dbus_text(&r, 's');
	if (!result || !str_eq(removed, path))
		return 0;
	return str_eq(result, "done") ? 1 : fail_job(job, result, err);
}

static int wait_job(struct dbus *bus, const char *path, const struct job *job,
		    struct deadline deadline, struct err *err)
{
	AUTO(dbus_message) struct dbus_message m = DBUS_MESSAGE_INIT;
	int rc = 0;

	while (rc == 0) {
		if (dbus_signal(bus, deadline, &m, err) < 0)
			return err_wrap(err, "systemd, which is to %s %s", job->doing, job->unit);
		rc = look_at(&m, path, job, err);
	}
	return rc < 0 ? -1 : 0;
}

/* --- a systemd that is re-executed while we wait --- */

/* Reads a property that is a text. It is borrowed from *answer. */
static const char *property(struct dbus *bus, const char *path, const char *interface,
			    const char *name, struct deadline deadline, struct dbus_message *answer,
			    struct err *err)
{
	const struct dbus_call call = { path, "org.freedesktop.DBus.Properties", "Get",
					ARGV(interface, name), NULL };
	struct dbus_reader r;
	const char *value;

	if (ask(bus, &call, deadline, answer, err) < 0)
		return NULL;
	r = dbus_read(answer);
	value = dbus_variant(&r) ? dbus_text(&r, 's') : NULL;
	if (!value)
		(void)err_set(err, E_PROTOCOL, "systemd did not tell the %s of %s", name, path);
	return value;
}

/* Returns 1 if systemd still has the job, 0 if not. */
static int has_job(struct dbus *bus, const char *path, struct deadline deadline, struct err *err)
{
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;

	if (property(bus, path, JOB, "State", deadline, &answer, err))
		return 1;
	if (err->code != E_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

/* The ActiveState of a unit that systemd has loaded, borrowed from *answer. E_NOT_FOUND. */
static const char *active_state(struct dbus *bus, const char *unit, struct deadline deadline,
				struct dbus_message *answer, struct err *err)
{
	const struct dbus_call call = { MANAGER_PATH, MANAGER, "GetUnit", ARGV(unit), NULL };
	AUTO(dbus_message) struct dbus_message named = DBUS_MESSAGE_INIT;
	struct dbus_reader r;
	const char *path;

	if (ask(bus, &call, deadline, &named, err) < 0)
		return NULL;
	r = dbus_read(&named);
	path = dbus_text(&r, 'o');
	if (path)
		return property(bus, path, UNIT, "ActiveState", deadline, answer, err);
	(void)err_set(err, E_PROTOCOL, "systemd did not name the unit %s", unit);
	return NULL;
}

/* The job has ended, and nobody has told us how: judges by the state of its unit. */
static int judge(struct dbus *bus, const struct job *job, struct deadline deadline, struct err *err)
{
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;
	const char *state = active_state(bus, job->unit, deadline, &answer, err);
	char why[80];

	if (!state && err->code != E_NOT_FOUND)
		return -1;
	if (!state)
		state = NOT_LOADED;
	err_clear(err);
	if (strv_has(job->done, state))
		return 0;
	(void)!str_print(why, sizeof(why), "systemd was re-executed, and the unit is %s", state);
	return fail_job(job, why, err);
}

/* Connects again, and waits if the job still exists. */
static int resume(const char *socket, const char *path, const struct job *job,
		  struct deadline deadline, struct err *err)
{
	AUTO(dbus) struct dbus *bus = NULL;
	int rc;

	/* Subscribe before the question: the job may end before its answer is read. */
	if (open_manager(socket, deadline, &bus, err) < 0 || subscribe(bus, deadline, err) < 0)
		return -1;
	rc = has_job(bus, path, deadline, err);
	if (rc < 0)
		return -1;
	return rc ? wait_job(bus, path, job, deadline, err) : judge(bus, job, deadline, err);
}

/* True if systemd closed the connection, or does not listen. */
static bool is_away(const struct err *err)
{
	return err->code == E_GONE || err->sys == ENOENT || err->sys == ECONNREFUSED;
}

/* Waits for a job through any number of re-executions: systemd keeps its jobs, with their names,
 * but neither connections nor subscriptions. */
static int follow_job(const char *socket, struct dbus *bus, const char *path, const struct job *job,
		      struct deadline deadline, struct err *err)
{
	int rc = wait_job(bus, path, job, deadline, err);

	while (rc < 0 && is_away(err)) {
		if (deadline_passed(deadline)) {
			err->code = E_TIMEOUT;
			return -1;
		}
		err_clear(err);
		if (interrupt_sleep(REOPEN_MS, err) < 0)
			return err_wrap(err, "wait for systemd to %s %s", job->doing, job->unit);
		rc = resume(socket, path, job, deadline, err);
	}
	return rc;
}

static int run_job(const char *socket, const struct job *job, struct deadline deadline,
		   struct err *err)
{
	AUTO(dbus) struct dbus *bus = NULL;
	AUTO(dbus_message) struct dbus_message named = DBUS_MESSAGE_INIT;
	struct dbus_reader r;
	const char *path;

	/* Subscribe before the call: the job may end before its answer is read. */
	if (open_manager(socket, deadline, &bus, err) < 0 || subscribe(bus, deadline, err) < 0 ||
	    ask(bus, &job->call, deadline, &named, err) < 0)
		return -1;
	r = dbus_read(&named);
	path = dbus_text(&r, 'o');
	if (!path)
		return err_set(err, E_PROTOCOL, "systemd did not name the job for %s", job->unit);
	return follow_job(socket, bus, path, job, deadline, err);
}

/* --- units --- */

int systemd_restart(const char *socket, const char *unit, struct deadline deadline, struct err *err)
{
	const struct job job = { "restart",
				 unit,
				 STARTED,
				 { MANAGER_PATH, MANAGER, "RestartUnit", ARGV(unit, "replace"),
				   NULL } };

	return run_job(socket, &job, deadline, err);
}

int systemd_stop(const char *socket, const char *unit, struct deadline deadline, struct err *err)
{
	const struct job job = { "stop",
				 unit,
				 STOPPED,
				 { MANAGER_PATH, MANAGER, "StopUnit", ARGV(unit, "replace"),
				   NULL } };

	if (run_job(socket, &job, deadline, err) == 0)
		return 0;
	if (err->code != E_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

int systemd_reset_failed(const char *socket, const char *unit, struct deadline deadline,
			 struct err *err)
{
	const struct dbus_call call = { MANAGER_PATH, MANAGER, "ResetFailedUnit", ARGV(unit),
					NULL };
	AUTO(dbus) struct dbus *bus = NULL;
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;

	return open_manager(socket, deadline, &bus, err) < 0
		       ? -1
		       : ask(bus, &call, deadline, &answer, err);
}

/* --- scopes --- */

/* A property: its name, and a variant of that type whose value follows. */
static void put_property(struct dbus_body *b, const char *name, const char *type)
{
	dbus_begin_struct(b);
	dbus_put_text(b, name);
	dbus_put_type(b, type);
}

static void put_word(struct dbus_body *b, const char *name, const char *word)
{
	put_property(b, name, "s");
	dbus_put_text(b, word);
}

static void put_flag(struct dbus_body *b, const char *name, bool on)
{
	put_property(b, name, "b");
	dbus_put_number(b, on);
}

static void put_pid(struct dbus_body *b, pid_t pid)
{
	struct dbus_array pids;

	put_property(b, "PIDs", "au");
	pids = dbus_begin_array(b, 'u');
	dbus_put_number(b, (uint32_t)pid);
	dbus_end_array(b, pids);
}

static void put_properties(struct dbus_body *b, const struct systemd_scope *scope)
{
	struct dbus_array list = dbus_begin_array(b, '(');

	put_word(b, "Description", scope->description);
	put_word(b, "Slice", scope->slice);
	put_flag(b, "Delegate", true);
	put_flag(b, "DefaultDependencies", false);
	/* systemd removes a failed scope too, so its name can be used again. */
	put_word(b, "CollectMode", "inactive-or-failed");
	put_pid(b, scope->pid);
	dbus_end_array(b, list);
}

int systemd_start_scope(const char *socket, const struct systemd_scope *scope,
			struct deadline deadline, struct err *err)
{
	AUTO(dbus_body) struct dbus_body body = DBUS_BODY_INIT("ssa(sv)a(sa(sv))");
	const struct job job = {
		"start",
		scope->name,
		STARTED,
		{ MANAGER_PATH, MANAGER, "StartTransientUnit", NULL, &body },
	};

	dbus_put_text(&body, scope->name);
	dbus_put_text(&body, "fail");
	put_properties(&body, scope);
	dbus_end_array(&body, dbus_begin_array(&body, '(')); /* no other units with it */
	return run_job(socket, &job, deadline, err);
}
