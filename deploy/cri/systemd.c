// SPDX-License-Identifier: Apache-2.0
/* Jobs of the host's systemd, as org.freedesktop.systemd1(5) describes its interface. */
#include "deploy/cri/systemd.h"

#include "base/spawn.h"
#include "base/str.h"
#include "dbus/dbus.h"

#include <unistd.h>

#define MANAGER_PATH "/org/freedesktop/systemd1"
#define MANAGER      "org.freedesktop.systemd1.Manager"

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

static int call(struct dbus *bus, const char *member, char *const *arguments,
		struct deadline deadline, struct dbus_message *answer, struct err *err)
{
	const struct dbus_call c = { MANAGER_PATH, MANAGER, member, arguments };

	return dbus_ask(bus, &c, deadline, answer, err) < 0 ? err_wrap(err, "systemd") : 0;
}

/* JobRemoved(u id, o job, s unit, s result). 1: it is of our job, and "done"; 0: of another. */
static int look_at(const struct dbus_message *m, const char *job, const char *unit, struct err *err)
{
	struct dbus_reader r = dbus_read(m);
	const char *removed, *result;

	if (!str_eq(m->interface, MANAGER) || !str_eq(m->member, "JobRemoved"))
		return 0;
	(void)dbus_number(&r);
	removed = dbus_text(&r, 'o');
	(void)dbus_text(&r, 's');
	result = dbus_text(&r, 's');
	if (!result || !str_eq(removed, job))
		return 0;
	if (str_eq(result, "done"))
		return 1;
	(void)err_take(err, E_FAILED, 0, ERR_HERE, result);
	err_wrap(err, "systemd could not restart %s", unit);
	return err_hint(err, "look into its log: journalctl -u %s", unit);
}

static int wait_job(struct dbus *bus, const char *job, const char *unit, struct deadline deadline,
		    struct err *err)
{
	AUTO(dbus_message) struct dbus_message m = DBUS_MESSAGE_INIT;
	int rc = 0;

	while (rc == 0) {
		if (dbus_signal(bus, deadline, &m, err) < 0)
			return err_wrap(err, "systemd, while it restarts %s", unit);
		rc = look_at(&m, job, unit, err);
	}
	return rc < 0 ? -1 : 0;
}

int systemd_restart(const char *socket, const char *unit, struct deadline deadline, struct err *err)
{
	AUTO(dbus) struct dbus *bus = NULL;
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;
	AUTO(dbus_message) struct dbus_message job = DBUS_MESSAGE_INIT;
	struct dbus_reader r;
	const char *path;

	/* Before the job: its end may come before its answer is read. */
	if (open_manager(socket, deadline, &bus, err) < 0 ||
	    call(bus, "Subscribe", NULL, deadline, &answer, err) < 0 ||
	    call(bus, "RestartUnit", ARGV(unit, "replace"), deadline, &job, err) < 0)
		return -1;
	r = dbus_read(&job);
	path = dbus_text(&r, 'o');
	if (!path)
		return err_set(err, E_PROTOCOL, "systemd did not name the job for %s", unit);
	return wait_job(bus, path, unit, deadline, err);
}

int systemd_reset_failed(const char *socket, const char *unit, struct deadline deadline,
			 struct err *err)
{
	AUTO(dbus) struct dbus *bus = NULL;
	AUTO(dbus_message) struct dbus_message answer = DBUS_MESSAGE_INIT;

	return open_manager(socket, deadline, &bus, err) < 0
		       ? -1
		       : call(bus, "ResetFailedUnit", ARGV(unit), deadline, &answer, err);
}
