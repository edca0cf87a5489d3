// SPDX-License-Identifier: Apache-2.0
/* Jobs of systemd, and waiting for their end. */

#include "dbus/systemd.h"

#include "base/spawn.h"
#include "base/str.h"
#include "dbus/dbus.h"

#include <unistd.h>

#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"

/* A call whose answer names a job. */
struct job {
	const char *doing; /* "restart", for messages */
	const char *unit;
	struct dbus_call call;
};

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

/* --- the end of a job --- */

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
	if (str_eq(result, "done"))
		return 1;
	(void)err_take(err, E_FAILED, 0, ERR_HERE, result);
	err_wrap(err, "systemd could not %s %s", job->doing, job->unit);
	return err_hint(err, "look into its log: journalctl -u %s", job->unit);
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

static int run_job(const char *socket, const struct job *job, struct deadline deadline,
		   struct err *err)
{
	const struct dbus_call subscribe = { MANAGER_PATH, MANAGER, "Subscribe", NULL, NULL };
	AUTO(dbus) struct dbus *bus = NULL;
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;
	AUTO(dbus_message) struct dbus_message named = DBUS_MESSAGE_INIT;
	struct dbus_reader r;
	const char *path;

	/* Subscribe before the call: the job may end before its answer is read. */
	if (open_manager(socket, deadline, &bus, err) < 0 ||
	    ask(bus, &subscribe, deadline, &answer, err) < 0 ||
	    ask(bus, &job->call, deadline, &named, err) < 0)
		return -1;
	r = dbus_read(&named);
	path = dbus_text(&r, 'o');
	if (!path)
		return err_set(err, E_PROTOCOL, "systemd did not name the job for %s", job->unit);
	return wait_job(bus, path, job, deadline, err);
}

/* --- units --- */

int systemd_restart(const char *socket, const char *unit, struct deadline deadline, struct err *err)
{
	const struct job job = { "restart",
				 unit,
				 { MANAGER_PATH, MANAGER, "RestartUnit", ARGV(unit, "replace"),
				   NULL } };

	return run_job(socket, &job, deadline, err);
}

int systemd_stop(const char *socket, const char *unit, struct deadline deadline, struct err *err)
{
	const struct job job = {
		"stop", unit, { MANAGER_PATH, MANAGER, "StopUnit", ARGV(unit, "replace"), NULL }
	};

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
		{ MANAGER_PATH, MANAGER, "StartTransientUnit", NULL, &body },
	};

	dbus_put_text(&body, scope->name);
	dbus_put_text(&body, "fail");
	put_properties(&body, scope);
	dbus_end_array(&body, dbus_begin_array(&body, '(')); /* no other units with it */
	return run_job(socket, &job, deadline, err);
}
