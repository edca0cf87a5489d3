// SPDX-License-Identifier: Apache-2.0
/* Writes, enables, disables and removes the units, with or without a running systemd. */

#include "deploy/timer/units.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "cli/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ETC    "/etc/systemd/system"
#define WANTS  ETC "/timers.target.wants"
#define TIMER  UNITS_NAME ".timer"
#define MARK   "# Written by kata-deploy timer enable; changes belong into a drop-in."
#define SYSTEM "/usr/bin/kata-deploy"
/* The line of the service that names its installation. */
#define CONDITION "ConditionPathExists"

/* The default of --prefix: the units pass only another one. */
#define DEFAULT_PREFIX "/opt/kata"

enum { UNIT_MAX = 64 << 10, CALL_MS = 60000 };

/* How many fds enabling or disabling needs at most: a directory of each part of a path below --root,
 * or pipes to a program. Without them it would end half-way. */
enum { FDS_NEEDED = 24 };

static const char *const kinds[] = { "service", "timer", NULL };

/* Where systemd finds units, the first first. */
static const char *const dirs[] = { ETC, "/usr/lib/systemd/system", "/lib/systemd/system", NULL };

/* Returns a path of the system with root, heap. */
static char *below(const struct units_place *place, const char *path, struct err *err)
{
	return place->root ? path_from_root(place->root, path, err) : xstrdup(path);
}

/* --- texts --- */

/* Appends a quoted word of ExecStart, see systemd.service(5). */
static void put_word(struct buf *to, const char *word)
{
	buf_str(to, " \"");
	for (; *word; word++) {
		if (*word == '"' || *word == '\\')
			buf_chr(to, '\\');
		else if (*word == '%' || *word == '$')
			buf_chr(to, *word);
		buf_chr(to, *word);
	}
	buf_chr(to, '"');
}

/* Returns the path of the program for the service, heap: that of the installed release, which is
 * replaced with it, or else this program's. */
static char *find_program(const struct units *u, struct err *err)
{
	AUTO(str) char *standard = str_fmt("%s/bin/kata-deploy", u->place.prefix);
	AUTO(str) char *there = below(&u->place, standard, err);
	char *self = NULL;
	int found;

	if (!there)
		return NULL;
	found = u->program ? 1 : path_look(AT_FDCWD, there, err);
	if (found)
		return found < 0 ? NULL : xstrdup(u->program ? u->program : standard);
	if (!u->place.root)
		self = realpath("/proc/self/exe", NULL);
	return self ? self : xstrdup(SYSTEM);
}

static void put_service(const struct units *u, const char *program, struct buf *to)
{
	buf_str(to, "[Unit]\n"
		    "Description=Upgrade Kata Containers to the newest release of its channel\n"
		    "Documentation=man:kata-deploy(8)\n"
		    "Wants=network-online.target\n"
		    "After=network-online.target containerd.service docker.service crio.service "
		    "k3s.service k3s-agent.service rke2-server.service rke2-agent.service\n");
	buf_fmt(to, CONDITION "=%s/current\n", u->place.prefix);
	buf_str(to, "\n[Service]\nType=oneshot\nExecStart=");
	buf_fmt(to, "%s", program);
	buf_str(to, " timer run --quiet");
	if (!str_eq(u->place.prefix, DEFAULT_PREFIX)) {
		buf_str(to, " --prefix");
		put_word(to, u->place.prefix);
	}
	/* TimeoutStopSec: a stop interrupts the run, whose undo may restart the container
	 * manager. */
	buf_str(to, "\nNice=10\nIOSchedulingClass=idle\nTimeoutStartSec=2h\nTimeoutStopSec=5min\n"
		    "KillMode=mixed\n");
}

static void put_timer(const struct units *u, struct buf *to)
{
	buf_fmt(to,
		"[Unit]\n"
		"Description=Maintenance window of " UNITS_NAME ".service\n"
		"Documentation=man:kata-deploy(8)\n"
		"\n"
		"[Timer]\n"
		"OnCalendar=%s\n"
		"RandomizedDelaySec=%s\n"
		"AccuracySec=1min\n"
		"# A window that was missed is not made up for at some other time.\n"
		"Persistent=false\n"
		"\n"
		"[Install]\n"
		"WantedBy=timers.target\n",
		u->window ? u->window : UNITS_WINDOW, u->jitter ? u->jitter : UNITS_JITTER);
}

char *units_text(const struct units *u, const char *kind, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(UNIT_MAX);
	AUTO(str) char *program = NULL;

	if (str_eq(kind, "timer")) {
		put_timer(u, &text);
		return xstrdup(buf_cstr(&text));
	}
	if (!str_eq(kind, "service")) {
		err_set(err, E_USAGE, "there is no unit '%s'; name timer or service", kind);
		return NULL;
	}
	program = find_program(u, err);
	if (!program)
		return NULL;
	/* systemd does not unquote the path of a program, nor a path in a condition. */
	if (strpbrk(program, " \t\"'\\%$;") || strpbrk(u->place.prefix, " \t\"'\\%")) {
		err_set(err, E_USAGE,
			"a unit cannot name %s and %s; use paths without blanks, quotes and %%",
			program, u->place.prefix);
		return NULL;
	}
	put_service(u, program, &text);
	return xstrdup(buf_cstr(&text));
}

/* --- checking --- */

static int check_word(const char *verb, const char *text, const char *option, const char *example,
		      struct err *err)
{
	struct spawn s = { .argv = ARGV("systemd-analyze", verb, "--", text) };
	struct err why = ERR_INIT;
	int rc;

	if (!text)
		return 0;
	if (!*text || strpbrk(text, "\n\r")) {
		err_set(err, E_USAGE, "%s is empty, or has more than one line", option);
		return err_hint(err, "give one such as '%s'", example);
	}
	rc = spawn_run(&s, NULL, 0, NULL, deadline_in(CALL_MS), &why);
	if (rc == 0 || why.code == E_NOT_FOUND)
		return 0;
	if (rc < 0) {
		*err = why;
		return err_wrap(err, "check %s", option);
	}
	err_set(err, E_USAGE, "%s '%.80s' is none that systemd understands", option, text);
	return err_hint(err, "give one such as '%s'; systemd-analyze %s tries them", example, verb);
}

int units_check(const struct units *u, struct err *err)
{
	return check_word("calendar", u->window, "--window", "Sun *-*-* 03:00", err) < 0 ||
			       check_word("timespan", u->jitter, "--jitter", "90min", err) < 0
		       ? -1
		       : 0;
}

/* --- files --- */

static char *unit_path(const struct units_place *place, const char *dir, const char *kind,
		       struct err *err)
{
	AUTO(str) char *path = str_fmt("%s/" UNITS_NAME ".%s", dir, kind);

	return below(place, path, err);
}

/* Returns 1 if the unit has our mark, 0 if it does not exist. E_EXISTS: it is the
 * administrator's. */
static int is_ours(const char *path, struct buf *text, struct err *err)
{
	struct err why = ERR_INIT;
	int there = path_look(AT_FDCWD, path, err);

	if (there <= 0)
		return there;
	if (file_read(AT_FDCWD, path, UNIT_MAX, text, &why) == 0 &&
	    str_starts(buf_cstr(text), MARK "\n"))
		return 1;
	err_set(err, E_EXISTS, "%s was not written by kata-deploy", path);
	return err_hint(err, "move it away, or use systemctl enable and disable with it");
}

/* Returns 1 if the unit was written, 0 if it was the same already. */
static int write_unit(const struct units *u, const char *kind, struct err *err)
{
	AUTO(buf) struct buf was = BUF_INIT(UNIT_MAX);
	AUTO(str) char *path = unit_path(&u->place, ETC, kind, err);
	AUTO(str) char *body = path ? units_text(u, kind, err) : NULL;
	AUTO(str) char *text = body ? str_fmt(MARK "\n%s", body) : NULL;
	int ours = text ? is_ours(path, &was, err) : -1;

	if (ours < 0)
		return -1;
	if (ours && str_eq(buf_cstr(&was), text))
		return 0;
	return file_replace(AT_FDCWD, path, text, strlen(text), 0644, err) < 0 ? -1 : 1;
}

/* Otherwise a timer that was reported as enabled, or as disabled, could be the other after a power
 * failure. */
static int sync_parent(const char *path, struct err *err)
{
	AUTO(str) char *dir = xstrndup(path, (size_t)(path_basename(path) - path));
	AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? err_sys(err, "sync the directory of %s", path) : 0;
}

static int link_timer(const struct units_place *place, bool *changed, struct err *err)
{
	AUTO(str) char *dir = below(place, WANTS, err);
	AUTO(str) char *path = dir ? str_fmt("%s/" TIMER, dir) : NULL;

	if (!path || path_make(dir, 0755, err) < 0)
		return -1;
	if (symlink(ETC "/" TIMER, path) == 0) {
		*changed = true;
		return sync_parent(path, err);
	}
	return errno == EEXIST ? 0 : err_sys(err, "link %s", path);
}

static int remove_file(const char *path, bool *changed, struct err *err)
{
	if (unlink(path) == 0) {
		*changed = true;
		return sync_parent(path, err);
	}
	return errno == ENOENT ? 0 : err_sys(err, "remove %s", path);
}

/* Disables the timer, also if systemctl has enabled it. */
static int unlink_timer(const struct units_place *place, bool *changed, struct err *err)
{
	AUTO(str) char *dir = below(place, WANTS, err);
	AUTO(str) char *path = dir ? str_fmt("%s/" TIMER, dir) : NULL;

	if (!path || remove_file(path, changed, err) < 0)
		return -1;
	(void)!rmdir(dir); /* fails if there are others */
	return 0;
}

static int remove_unit(const struct units_place *place, const char *kind, bool *changed,
		       struct err *err)
{
	AUTO(buf) struct buf was = BUF_INIT(UNIT_MAX);
	AUTO(str) char *path = unit_path(place, ETC, kind, err);
	struct err theirs = ERR_INIT; /* the administrator's unit stays */

	if (!path)
		return -1;
	return is_ours(path, &was, &theirs) > 0 ? remove_file(path, changed, err) : 0;
}

/* Returns the value of the last line KEY=VALUE, heap, or NULL. */
static char *value_of(const char *text, const char *key)
{
	AUTO(strv) char **lines = strv_split(text, "\n");
	char *value = NULL;

	strv_each(line, lines) {
		size_t n = strlen(key);

		if (strncmp(*line, key, n) != 0 || (*line)[n] != '=')
			continue;
		free(value);
		value = xstrdup(*line + n + 1);
	}
	return value;
}

/* --- which installation has the timer --- */

/* Returns 1 if the timer is enabled, else 0: also where a dangling link is on the way. */
static int is_enabled(const struct units_place *place, struct err *err)
{
	struct err ignored = ERR_INIT;
	AUTO(str) char *dir = below(place, WANTS, &ignored);
	AUTO(str) char *link = dir ? str_fmt("%s/" TIMER, dir) : NULL;

	return link ? path_look(AT_FDCWD, link, err) : 0;
}

/* Reads the service that systemd uses: 1, or 0 if there is none. *ours: it has our mark. One that
 * cannot be read, as /dev/null in its place, is the administrator's. */
static int read_service(const struct units_place *place, struct buf *text, bool *ours,
			struct err *err)
{
	*ours = false;
	for (size_t i = 0; dirs[i]; i++) {
		AUTO(str) char *path = unit_path(place, dirs[i], "service", err);
		struct err theirs = ERR_INIT;
		int there = path ? path_look(AT_FDCWD, path, err) : -1;

		if (there < 0)
			return -1;
		if (!there)
			continue;
		*ours = is_ours(path, text, &theirs) > 0;
		return 1;
	}
	return 0;
}

/* Returns the prefix of another installation that the timer upgrades, heap; NULL: there is none, or
 * err is set. */
static char *prefix_of_other(const struct units_place *place, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(UNIT_MAX);
	AUTO(str) char *own = str_fmt("%s/current", place->prefix);
	bool ours;
	char *path;

	/* One of a package that nobody has enabled upgrades nothing. */
	if (read_service(place, &text, &ours, err) <= 0 || (!ours && is_enabled(place, err) <= 0))
		return NULL;
	path = value_of(buf_cstr(&text), CONDITION);
	if (!path || str_eq(path, own)) {
		free(path);
		return NULL;
	}
	if (str_ends(path, "/current"))
		path[strlen(path) - strlen("/current")] = '\0';
	return path;
}

/* --- the running systemd --- */

static bool is_booted(const struct units_place *place)
{
	return !place->root && path_exists("/run/systemd/system");
}

static int systemctl(const char *verb, const char *unit, struct buf *out, struct err *err)
{
	struct spawn s = { .argv = ARGV("systemctl", verb, unit) };

	return spawn_run(&s, NULL, 0, out, deadline_in(CALL_MS), err) == 0 ? 0 : -1;
}

static int need_systemd(const struct units *u, struct err *err)
{
	bool usual = str_eq(u->place.prefix, DEFAULT_PREFIX);
	AUTO(str) char *program = NULL;

	if (u->place.root || is_booted(&u->place))
		return 0;
	program = find_program(u, err);
	if (!program)
		return -1;
	err_set(err, E_UNSUPPORTED, "systemd does not run this machine, so it has no timers");
	return err_hint(err,
			"let cron do it, with this line in /etc/cron.d/kata-deploy: 0 3 * * * root "
			"sleep $(shuf -i 0-7200 -n 1); %s timer run --quiet%s%s",
			program, usual ? "" : " --prefix ", usual ? "" : u->place.prefix);
}

static int settle(const struct units_place *place, const char *verb, struct err *err)
{
	if (!is_booted(place))
		return 0;
	return systemctl("daemon-reload", NULL, NULL, err) < 0 ||
			       systemctl(verb, TIMER, NULL, err) < 0
		       ? -1
		       : 0;
}

/* --- both --- */

static int write_units(const struct units *u, bool *changed, struct err *err)
{
	AUTO(str) char *dir = below(&u->place, ETC, err);

	if (!dir || path_make(dir, 0755, err) < 0)
		return -1;
	for (size_t i = 0; kinds[i]; i++) {
		int wrote = write_unit(u, kinds[i], err);

		if (wrote < 0)
			return -1;
		*changed |= wrote;
	}
	return link_timer(&u->place, changed, err);
}

int units_enable(const struct units *u, bool *changed, struct err *err)
{
	int was = is_enabled(&u->place, err);
	AUTO(str) char *other = NULL;
	struct err ignored = ERR_INIT;
	bool undone;

	*changed = false;
	if (was < 0 || fd_check_room(FDS_NEEDED, err) < 0 || need_systemd(u, err) < 0)
		return -1;
	other = prefix_of_other(&u->place, err);
	if (other) {
		err_set(err, E_EXISTS, TIMER " upgrades the installation below %s", other);
		return err_hint(err,
				"there is one such timer: %s ends that, and cron can upgrade the "
				"other one",
				advice_with("timer disable", "--prefix", other));
	}
	if (err->code)
		return -1;
	/* After a restart a new window is in effect at once. */
	if (write_units(u, changed, err) == 0 &&
	    settle(&u->place, *changed ? "restart" : "start", err) == 0)
		return 0;
	if (!was)
		(void)!units_disable(&u->place, &undone, &ignored);
	return -1;
}

int units_disable(const struct units_place *place, bool *changed, struct err *err)
{
	AUTO(str) char *other = NULL;

	*changed = false;
	if (fd_check_room(FDS_NEEDED, err) < 0)
		return -1;
	other = prefix_of_other(place, err);
	if (other || err->code)
		return other ? 0 : -1;
	/* First, while systemd still knows the unit; it may not exist. */
	if (is_booted(place)) {
		struct err ignored = ERR_INIT;

		(void)!systemctl("stop", TIMER, NULL, &ignored);
	}
	if (unlink_timer(place, changed, err) < 0)
		return -1;
	for (size_t i = 0; kinds[i]; i++) {
		if (remove_unit(place, kinds[i], changed, err) < 0)
			return -1;
	}
	return *changed && is_booted(place) ? systemctl("daemon-reload", NULL, NULL, err) : 0;
}

/* --- for an uninstall --- */

/* The removal of the files cannot fail for these calls: without its files, the timer is not started
 * after the next boot. */
static int call(const char *verb, const char *unit)
{
	struct err why = ERR_INIT;

	if (systemctl(verb, unit, NULL, &why) < 0)
		log_err(LOG_WARN, &why, "cannot tell systemd about the timer");
	return 0;
}

static int stop_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	struct err ignored = ERR_INIT;

	(void)step, (void)err;
	json_put(record, "running",
		 json_make_bool(systemctl("is-active", TIMER, NULL, &ignored) == 0));
	return 0;
}

static int stop_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step, (void)record, (void)err;
	return call("stop", TIMER);
}

/* The files are back. */
static int stop_undo(void *context, const struct json *record, struct err *err)
{
	const struct json *running = json_get(record, "running");

	(void)context, (void)err;
	(void)call("daemon-reload", NULL);
	return running && json_bool(running) ? call("start", TIMER) : 0;
}

static int forget_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step, (void)record, (void)err;
	return call("daemon-reload", NULL);
}

static int forget_resume(void *context, const struct json *record, struct err *err)
{
	(void)context;
	return forget_apply(NULL, record, err);
}

static const struct deploy_step_ops stop_step = { "timer-stop", stop_prepare, stop_apply, stop_undo,
						  NULL };
/* Its undo is that of the step before the files. */
static const struct deploy_step_ops forget_step = { "timer-forget", NULL, forget_apply, NULL,
						    forget_resume };
static const struct deploy_step steps[] = {
	{ .ops = &stop_step, .name = "stop " TIMER, .before_files = true },
	{ .ops = &forget_step, .name = "let systemd forget " TIMER },
};

const struct deploy_step_ops *const units_step_kinds[] = { &stop_step, &forget_step, NULL };

void units_drop_release(struct units_drop *drop)
{
	for (size_t i = 0; i < drop->nfiles; i++)
		free((char *)drop->files[i].path);
}

/* Takes over path. alone: its directory is removed with it, unless it has other files. */
static int add_file(struct units_drop *drop, char *path, bool alone, struct err *err)
{
	int there = path_look(AT_FDCWD, path, err);

	if (there > 0)
		drop->files[drop->nfiles++] = (struct deploy_file){ .path = path,
								    .outlives = alone };
	else
		free(path);
	return there < 0 ? -1 : 0;
}

int units_drop(const struct units_place *place, struct units_drop *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(UNIT_MAX);
	AUTO(str) char *service = unit_path(place, ETC, "service", err);
	AUTO(str) char *timer = service ? unit_path(place, ETC, "timer", err) : NULL;
	AUTO(str) char *wants = timer ? below(place, WANTS, err) : NULL;
	AUTO(str) char *condition = str_fmt("\n" CONDITION "=%s/current\n", place->prefix);
	struct err theirs = ERR_INIT; /* the administrator's unit stays */

	if (!wants)
		return -1;
	if (is_ours(service, &text, &theirs) <= 0 || !strstr(buf_cstr(&text), condition))
		return 0;
	if (add_file(out, path_join(wants, TIMER), true, err) < 0 ||
	    add_file(out, STEAL(timer, NULL), false, err) < 0 ||
	    add_file(out, STEAL(service, NULL), false, err) < 0)
		return -1;
	out->steps = steps;
	out->nsteps = is_booted(place) ? ARRAY_LEN(steps) : 0;
	return 0;
}

/* --- looking --- */

void units_state_release(struct units_state *s)
{
	free(s->file);
	free(s->window);
	free(s->jitter);
	free(s->next);
	free(s->other);
}

static void ask_systemd(struct units_state *out)
{
	const char *timer = TIMER;
	struct spawn s = { .argv = ARGV("systemctl", "show", timer, "--property",
					"ActiveState,NextElapseUSecRealtime") };
	AUTO(buf) struct buf text = BUF_INIT(UNIT_MAX);
	AUTO(str) char *active = NULL;
	struct err ignored = ERR_INIT; /* then it is not known */

	if (spawn_run(&s, NULL, 0, &text, deadline_in(CALL_MS), &ignored) != 0)
		return;
	active = value_of(buf_cstr(&text), "ActiveState");
	out->running = str_eq(active, "active");
	out->next = value_of(buf_cstr(&text), "NextElapseUSecRealtime");
	if (str_empty(out->next)) {
		free(out->next);
		out->next = NULL;
	}
}

int units_look(const struct units_place *place, struct units_state *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(UNIT_MAX);
	struct err ignored = ERR_INIT;
	int enabled;

	out->other = prefix_of_other(place, err);
	if (out->other || err->code)
		return err->code ? -1 : 0;
	enabled = is_enabled(place, err);
	if (enabled < 0)
		return -1;
	out->enabled = enabled;
	for (size_t i = 0; !out->file && dirs[i]; i++) {
		AUTO(str) char *path = unit_path(place, dirs[i], "timer", err);

		int there = path ? path_look(AT_FDCWD, path, err) : -1;

		if (there < 0)
			return -1;
		if (there)
			out->file = STEAL(path, NULL);
	}
	if (out->file && file_read(AT_FDCWD, out->file, UNIT_MAX, &text, &ignored) == 0) {
		out->window = value_of(buf_cstr(&text), "OnCalendar");
		out->jitter = value_of(buf_cstr(&text), "RandomizedDelaySec");
	}
	if (is_booted(place))
		ask_systemd(out);
	return 0;
}
