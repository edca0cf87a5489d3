// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The systemd units kata-deploy-upgrade.timer and .service, which start `kata-deploy timer run` in
 * a maintenance window. Packages install both below /usr/lib/systemd/system (`kata-deploy timer
 * unit` prints them), but do not enable them. `timer enable` writes both below /etc/systemd/system,
 * where they take precedence, with the given window, and enables the timer as systemctl does: by a
 * link in timers.target.wants/. So it works below another root too, on the tree of an image.
 *
 *	struct units u = { .place = { "/opt/kata", NULL }, .window = "Sun 03:00", .jitter = "2h" };
 *	if (units_check(&u, err) < 0 || units_enable(&u, &changed, err) < 0)
 *		return -1;
 *
 * Units that are written here have a first line that marks them. A unit of that name without the
 * mark is the administrator's, and is neither replaced nor removed. Administrators make changes in
 * drop-ins, which are left alone.
 */

#include "base/err.h"
#include "base/scope.h"
#include "deploy/engine/engine.h"

#include <stdbool.h>
#include <stddef.h>

#define UNITS_NAME   "kata-deploy-upgrade"
#define UNITS_WINDOW "*-*-* 03:00"
#define UNITS_JITTER "2h"

struct units_place {
	const char *prefix; /* as the system below root sees it */
	const char *root;   /* NULL: the running system */
};

struct units {
	struct units_place place;
	const char *window;  /* a calendar event, systemd.time(7); NULL: UNITS_WINDOW */
	const char *jitter;  /* a time span; NULL: UNITS_JITTER */
	const char *program; /* NULL: that of the installed release, or else this program */
};

/* Returns the text of a unit, heap; kind: "timer" or "service". NULL with E_USAGE: another kind, or
 * a path that a unit cannot contain. */
char *units_text(const struct units *u, const char *kind, struct err *err);

/* E_USAGE: window or jitter is empty, or systemd-analyze (where it is installed) rejects it. */
MUST_CHECK int units_check(const struct units *u, struct err *err);

/* Writes the units and enables the timer; starts it if systemd runs this machine. *changed: false
 * if it was so already. E_UNSUPPORTED: systemd does not run this machine; the message has a line
 * for cron. E_EXISTS: the administrator has a unit of that name, or it is that of another prefix. */
MUST_CHECK int units_enable(const struct units *u, bool *changed, struct err *err);
/* Stops and disables the timer, and removes the units that units_enable() wrote; not those of
 * another prefix. */
MUST_CHECK int units_disable(const struct units_place *place, bool *changed, struct err *err);

/* For an uninstall, which must also remove units that would start a missing program: the files that
 * units_enable() made for this prefix, and steps that have the running systemd forget them, or, when
 * the uninstall is undone, start the timer again. */
struct units_drop {
	struct deploy_file files[3];
	size_t nfiles;
	const struct deploy_step *steps;
	size_t nsteps;
};
void units_drop_release(struct units_drop *drop);
DEFINE_AUTO_STRUCT(units_drop, struct units_drop, units_drop_release)
/* Fills out, which is empty, and stays so if there is no such timer. */
MUST_CHECK int units_drop(const struct units_place *place, struct units_drop *out, struct err *err);
extern const struct deploy_step_ops *const units_step_kinds[]; /* deploy_options.kinds */

/* The timer of this prefix. */
struct units_state {
	bool enabled, running; /* running: systemd waits for the next window */
	char *file;            /* path of the timer; NULL: there is none */
	char *window, *jitter; /* NULL: not in the file */
	char *next;            /* the next window as systemd prints it; NULL: not known */
	char *other; /* prefix of the installation that has the timer instead; then that is all */
};
void units_state_release(struct units_state *s);
DEFINE_AUTO_STRUCT(units_state, struct units_state, units_state_release)
/* Fills out, which the caller releases. */
MUST_CHECK int units_look(const struct units_place *place, struct units_state *out,
			  struct err *err);
