// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * kata-deploy-upgrade.timer and .service: systemd starts `kata-deploy timer run` in a maintenance
 * window. Packages have both below /usr/lib/systemd/system (`kata-deploy timer unit` prints them),
 * not enabled. `timer enable` writes them below /etc/systemd/system, where they take precedence, with
 * the window that is wanted, and enables the timer as systemctl does, by a link in
 * timers.target.wants/; so the tree of an image can be changed too.
 *
 *	struct units u = { .place = { "/opt/kata", NULL }, .window = "Sun 03:00", .jitter = "2h" };
 *	if (units_check(&u, err) < 0 || units_enable(&u, &changed, err) < 0)
 *		return -1;
 *
 * What is written has a first line that says whose it is; a file of that name without it is an
 * administrator's, and is neither replaced nor removed. Their own changes belong into drop-ins,
 * which stay.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>

#define UNITS_NAME   "kata-deploy-upgrade"
#define UNITS_WINDOW "*-*-* 03:00"
#define UNITS_JITTER "2h"

struct units_place {
	const char *prefix; /* of the installation, as the system below root sees it */
	const char *root;   /* NULL: the running system */
};

struct units {
	struct units_place place;
	const char *window;  /* a calendar event, systemd.time(7); NULL: UNITS_WINDOW */
	const char *jitter;  /* a time span; NULL: UNITS_JITTER */
	const char *program; /* NULL: that of the installed release, else this one */
};

/* kind: "timer" or "service". The text, heap; NULL: E_USAGE. */
char *units_text(const struct units *u, const char *kind, struct err *err);

/* E_USAGE: window or jitter is none, as systemd-analyze says where it is there. */
MUST_CHECK int units_check(const struct units *u, struct err *err);

/* E_UNSUPPORTED: systemd does not run this machine, with the line for cron. E_EXISTS: a file of that
 * name is somebody else's. *changed: false if it was so before. */
MUST_CHECK int units_enable(const struct units *u, bool *changed, struct err *err);
MUST_CHECK int units_disable(const struct units_place *place, bool *changed, struct err *err);

/* For an uninstall, which takes along what would start a program that is gone: appends the paths of
 * what units_enable() made for this prefix; nothing if there is none, or it is another prefix's. */
MUST_CHECK int units_made(const struct units_place *place, char ***paths, struct err *err);
/* When they have been removed: tells systemd. */
void units_gone(const struct units_place *place);

/* What the units that count say, and what systemd knows. */
struct units_state {
	bool enabled, running; /* running: systemd waits for its time */
	char *file;            /* the timer, NULL: there is none */
	char *window, *jitter;
	char *next; /* NULL: not known */
};
void units_state_release(struct units_state *s);
DEFINE_AUTO_STRUCT(units_state, struct units_state, units_state_release)
MUST_CHECK int units_look(const struct units_place *place, struct units_state *out,
			  struct err *err);
