// SPDX-License-Identifier: Apache-2.0
/*
 * Restarts a manager, by three steps around the change of its files:
 *
 *	watch	before the files: records the manager's process. The undo, which runs when the old
 *		files have been restored, restarts the manager if another process runs now.
 *	restart	after the files: restarts the manager, and waits until a new process answers.
 *	serve	waits until that process serves the handlers.
 *
 * Everything that they need is in their records, so that after a crash another process can undo or
 * resume them.
 */
#include "deploy/cri/restart.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/process.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/vec.h"
#include "dbus/systemd.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/process.h"
#include "json/json.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { RESTART_SECONDS = 60, SAYS_MAX = 300 };

static const char *const hows[] = { [RESTART_NONE] = "none",
				    [RESTART_COMMAND] = "command",
				    [RESTART_ITSELF] = "itself",
				    [RESTART_HANGUP] = "hangup" };

/* A parsed record. */
struct restart {
	const struct cri_backend *back;
	const char *socket;
	enum restart_how how;
	char **command; /* strv */
	unsigned seconds;
	/* It did not run when the change was planned: its configuration. It is only restarted if it
	 * has been started since. NULL: it ran. */
	const char *late;
	bool mute; /* it ran before the change, but did not answer: do not wait for an answer */
};
#define RESTART_INIT            \
	{                       \
		.command = NULL \
	}

static void restart_release(struct restart *r)
{
	strv_free(r->command);
}
DEFINE_AUTO_STRUCT(restart, struct restart, restart_release)

/* --- the command --- */

static const char *const systemd_dirs[] = { "/etc/systemd/system", "/run/systemd/system",
					    "/usr/lib/systemd/system", "/lib/systemd/system",
					    NULL };
static const char *const openrc_dirs[] = { "/etc/init.d", NULL };

/* Returns the service of its process, or else the first of the back end's that is installed;
 * heap. */
static char *service(const struct cri *c, const char *const *dirs, const char *suffix)
{
	const char *const *units = c->back->units;

	if (c->unit)
		return xstrdup(c->unit);
	for (size_t i = 0; units && units[i]; i++) {
		for (size_t k = 0; dirs[k]; k++) {
			AUTO(str) char *path = str_fmt("%s/%s%s", dirs[k], units[i], suffix);

			if (path_exists(path))
				return xstrdup(units[i]);
		}
	}
	return xstrdup(units ? units[0] : c->back->name);
}

/* Returns the command of the node's service manager for a verb, strv; NULL: neither systemd nor
 * OpenRC runs. */
static char **service_command(const struct cri *c, const char *verb)
{
	if (path_exists("/run/systemd/system")) {
		AUTO(str) char *unit = service(c, systemd_dirs, ".service");

		return strv_dup(ARGV("systemctl", verb, unit));
	}
	if (path_exists("/run/openrc")) {
		AUTO(str) char *name = service(c, openrc_dirs, "");

		if (str_ends(name, ".service"))
			name[strlen(name) - strlen(".service")] = '\0';
		return strv_dup(ARGV("rc-service", name, verb));
	}
	return NULL;
}

char *cri_start_command(const struct cri *c)
{
	AUTO(strv) char **command = service_command(c, "start");

	return command ? strv_join(command, " ") : NULL;
}

/* Checks that the manager can be restarted from inside a container (process_see_host()): by
 * systemd's socket only, since a command would act on the container. */
static int check_host(const struct cri *c, enum restart_how how, char *const *command,
		      struct err *err)
{
	if (!process_sees_host())
		return 0;
	if (how == RESTART_HANGUP) {
		err_set(err, E_UNSUPPORTED, "%s cannot be signalled from a container",
			c->back->name);
		return err_hint(err, "run kata-deploy on the node itself");
	}
	if (how != RESTART_COMMAND || c->o->restart_with)
		return 0;
	if (command && str_eq(command[0], "systemctl") && systemd_is_there(NULL))
		return 0;
	err_set(err, E_UNSUPPORTED, "%s cannot be restarted from a container: %s", c->back->name,
		command && str_eq(command[0], "systemctl") ? SYSTEMD_SOCKET
			" of the host is not there"
							   : "the host has no systemd");
	return err_hint(err, "mount the host's /run/systemd, run kata-deploy on the node itself, "
			     "or give a command with --restart-with");
}

static int find_command(const struct cri *c, char ***command, struct err *err)
{
	if (c->o->restart_with) {
		*command = strv_split(c->o->restart_with, " \t");
		return strv_len(*command) ? 0
					  : err_set(err, E_USAGE,
						    "the command of --restart-with is empty; give "
						    "one, such as 'service containerd restart'");
	}
	/* The command of a service would leave that process alone, and start a second manager. */
	if (!c->unit && c->login) {
		err_set(err, E_UNSUPPORTED,
			"no way to restart %s: a user has started it, no service", c->back->name);
		return err_hint(err, "start it as a service, or give the command with "
				     "--restart-with");
	}
	*command = service_command(c, "restart");
	if (*command)
		return 0;
	err_set(err, E_UNSUPPORTED, "no way to restart %s: neither systemd nor OpenRC runs",
		c->back->name);
	return err_hint(err, "give the command with --restart-with");
}

static unsigned limit_of(const struct cri *c)
{
	if (c->o->restart_seconds)
		return c->o->restart_seconds;
	return c->back->restart_seconds ? c->back->restart_seconds : RESTART_SECONDS;
}

int restart_plan(const struct cri *c, struct json *to, struct err *err)
{
	enum restart_how how = c->back->restart;
	AUTO(strv) char **command = NULL;
	struct json *list = json_make_array();

	/* A command given by the user takes precedence over the manager's own way. */
	if (c->o->restart_with)
		how = RESTART_COMMAND;
	json_put(to, "name", json_make_string(c->back->name));
	json_put(to, "socket", json_make_string(c->socket));
	json_put(to, "how", json_make_string(hows[how]));
	json_put(to, "command", list);
	json_put(to, "seconds", json_make_int((int)limit_of(c)));
	if (!c->running)
		json_put(to, "late", json_make_string(c->config));
	if (how == RESTART_COMMAND && find_command(c, &command, err) < 0)
		return -1;
	if (check_host(c, how, command, err) < 0)
		return -1;
	strv_each(word, command)
		json_add(list, json_make_string(*word));
	return 0;
}

/* --- records --- */

static int64_t int_of(const struct json *object, const char *key)
{
	const struct json *j = json_get(object, key);

	return j && json_kind(j) == JSON_IS_INT ? json_int(j) : -1;
}

static int restart_read(const struct json *record, struct restart *out, struct err *err)
{
	const char *how = json_get_text(record, "how");
	int64_t seconds = int_of(record, "seconds");
	const char *name = json_get_text(record, "name");
	size_t k = 0;

	while (k < ARRAY_LEN(hows) && !str_eq(hows[k], how))
		k++;
	out->back = name ? backend_find(name) : NULL;
	out->socket = json_get_text(record, "socket");
	out->how = (enum restart_how)k;
	out->seconds = (unsigned)seconds;
	out->late = json_get_text(record, "late");
	/* After a downgrade; the journal must not be taken for a damaged one. */
	if (name && how && (!out->back || k == ARRAY_LEN(hows))) {
		err_set(err, E_UNSUPPORTED, "this kata-deploy cannot restart '%s' by '%s'", name,
			how);
		return err_hint(err, "run recover with the one that made the change, or a newer "
				     "one");
	}
	if (!name || !how || seconds < 1 || seconds > 86400 ||
	    json_get_strings(record, "command", &out->command) < 0 ||
	    (out->how == RESTART_COMMAND && !strv_len(out->command)) ||
	    (out->how == RESTART_HANGUP && !out->socket))
		return err_set(err, E_INVALID, "the record of a restart is damaged");
	return 0;
}

/* --- restarting --- */

static struct deadline ask_deadline(struct deadline whole)
{
	return deadline_min(whole, deadline_in(CRI_ASK_MS));
}

/* Runs a command. Its output goes to a file instead of a pipe, which a daemon that it starts might
 * keep open. */
static int run(char *const *command, struct deadline deadline, struct err *err)
{
	AUTO(fd) int says = memfd_create("restart", MFD_CLOEXEC);
	struct spawn_fd fds[] = { { says, 1 }, { says, 2 } };
	struct spawn s = { .argv = command, .fds = fds, .nfds = ARRAY_LEN(fds) };
	struct child child = CHILD_NONE;
	char text[SAYS_MAX + 1];
	ssize_t n;
	int code;

	if (says < 0)
		return err_sys(err, "create a file in memory");
	if (spawn_start(&s, &child, err) < 0)
		return -1;
	if (spawn_wait(&child, deadline, &code, err) < 0) {
		spawn_kill(&child);
		return err_wrap(err, "%s", command[0]);
	}
	if (code == 0)
		return 0;
	n = pread(says, text, SAYS_MAX, 0);
	text[n < 0 ? 0 : n] = '\0';
	text[strcspn(text, "\r\n")] = '\0';
	return err_set(err, E_FAILED,
		       "%s: exit code %d%s%s; look into the log of the container manager",
		       command[0], code, *text ? ": " : "", text);
}

/* systemctl VERB UNIT, by D-Bus: in a container systemctl itself would refuse to act. */
static int ask_systemd(char *const *command, struct deadline deadline, struct err *err)
{
	return str_eq(command[1], "restart")
		       ? systemd_restart(NULL, command[2], deadline, err)
		       : systemd_reset_failed(NULL, command[2], deadline, err);
}

static bool is_systemctl(char *const *command)
{
	return strv_len(command) == 3 && str_eq(command[0], "systemctl");
}

static int run_command(char *const *command, struct deadline deadline, struct err *err)
{
	return process_sees_host() && is_systemctl(command) ? ask_systemd(command, deadline, err)
							    : run(command, deadline, err);
}

static const struct peer nobody = { 0, 0 };

static bool is_same_command(const struct process *a, const struct process *b)
{
	size_t i = 0;

	if (!str_eq(a->exe, b->exe) || strv_len(a->argv) != strv_len(b->argv))
		return false;
	while (i < strv_len(a->argv) && str_eq(a->argv[i], b->argv[i]))
		i++;
	return i == strv_len(a->argv);
}

/* Finds a process of the manager, the last that is listed. While it starts a program, the new process
 * looks like the manager itself, which is the older one. */
static struct peer find_process(const struct cri_backend *back)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	const struct process *found = NULL;
	struct peer peer = nobody;

	processes_scan(&all);
	vec_each(const struct process, p, &all.rows) {
		struct peer one = peer_of(p->pid);

		if (!backend_runs_as(back, p) || !one.start ||
		    (found && is_same_command(p, found) && one.start >= peer.start))
			continue;
		found = p;
		peer = one;
	}
	return peer;
}

/* Finds the process that serves the socket. */
static int find_server(const struct restart *r, struct peer *out, struct err *err)
{
	if (peer_look(r->socket, out, err) < 0)
		return -1;
	/* PID 1 opened the socket (socket activation); or, in a container, the server's pid is not
	 * visible. Look for a process of the manager instead. */
	if (out->pid <= 1)
		*out = find_process(r->back);
	return 0;
}

/* Waits for a moment, between two attempts; fails with why after the deadline. */
static int wait_more(const struct restart *r, struct deadline deadline, const struct err *why,
		     struct err *err)
{
	if (deadline_passed(deadline)) {
		*err = *why;
		err->code = E_TIMEOUT;
		return err_wrap(err, "%s did not come back in %u s", r->back->name, r->seconds);
	}
	return interrupt_sleep(CRI_POLL_MS, err) < 0 ? err_wrap(err, "wait for %s", r->back->name)
						     : 0;
}

/* Waits until the manager answers, from another process than before (if that is known). */
static int wait_answer(const struct restart *r, const struct peer *before, struct deadline deadline,
		       struct err *err)
{
	for (;;) {
		struct err why = ERR_INIT;
		struct peer now;
		bool there = find_server(r, &now, &why) == 0;

		if (there && peer_same(before, &now))
			err_set(&why, E_FAILED,
				"process %d was not replaced; check the command of --restart-with",
				(int)now.pid);
		else if (there && (r->mute ||
				   r->back->answers(r->socket, ask_deadline(deadline), &why) == 0))
			return 0;
		if (wait_more(r, deadline, &why, err) < 0)
			return -1;
	}
}

/* On SIGHUP it reads its files and keeps running. One that does not answer is being restarted by
 * somebody: the signal would end it now, and is needed then, since it may have read its files before
 * they were changed. */
static int hang_up(const struct restart *r, struct deadline deadline, struct err *err)
{
	for (;;) {
		struct err why = ERR_INIT;
		struct peer p;
		bool there = (r->mute ||
			      r->back->answers(r->socket, ask_deadline(deadline), &why) == 0) &&
			     find_server(r, &p, &why) == 0;

		if (there && p.pid <= 1)
			return err_set(err, E_NOT_FOUND,
				       "the process of %s is not visible from here; run "
				       "kata-deploy in the PID namespace of the host",
				       r->back->name);
		if (there && kill(p.pid, SIGHUP) == 0)
			return 0;
		if (there)
			(void)err_sys(&why, "signal %s", r->back->name);
		if (there && why.sys != ESRCH) {
			*err = why;
			return -1;
		}
		if (wait_more(r, deadline, &why, err) < 0)
			return -1;
	}
}

static int restart_now(const struct restart *r, const struct peer *before, struct err *err)
{
	struct deadline deadline = deadline_in(1000ULL * r->seconds);

	if (r->how == RESTART_HANGUP && hang_up(r, deadline, err) < 0)
		return -1;
	if (r->how == RESTART_COMMAND && run_command(r->command, deadline, err) < 0)
		return -1;
	if (!r->socket)
		return 0;
	/* If it restarts by itself, it may already have done so. */
	if (r->how == RESTART_ITSELF || r->how == RESTART_HANGUP)
		before = &nobody;
	return wait_answer(r, before, deadline, err);
}

/* Returns the manager's process, or nobody. */
static struct peer look(const struct restart *r)
{
	struct err ignored = ERR_INIT; /* pid 0: none */
	struct peer p = { 0, 0 };

	if (!r->socket || find_server(r, &p, &ignored) < 0)
		return nobody;
	return p;
}

/* True if it did not run when the change was planned, and does not now: it reads the files that are
 * there when it starts. One that opens its socket only in a moment runs: it may have read the old
 * ones. */
static bool is_idle(const struct restart *r)
{
	const struct cri_options o = { .root = "", .config = r->late, .socket = r->socket };
	AUTO(processes) struct processes all = PROCESSES_INIT;
	AUTO(cri) struct cri *c = NULL;
	struct err ignored = ERR_INIT; /* several run */

	if (!r->late)
		return false;
	processes_scan(&all);
	return cri_look(&o, r->back, &all, &c, &ignored) == 0 && !c->running;
}

/* --- the steps --- */

static void put_all(struct json *to, const struct json *from)
{
	for (void *it = json_begin(from); it; it = json_after(from, it))
		json_put(to, json_key(it), json_share(json_value(it)));
}

static void put_peer(struct json *to, const struct peer *p)
{
	json_put(to, "pid", json_make_int(p->pid));
	json_put(to, "start", json_make_u64(p->start));
}

static int watch_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	const struct json *plan = step->arg;
	AUTO(restart) struct restart r = RESTART_INIT;
	struct err ignored = ERR_INIT; /* recorded as mute */
	struct peer p;

	if (restart_read(plan, &r, err) < 0)
		return -1;
	put_all(record, plan);
	p = look(&r);
	json_put(record, "answers",
		 json_make_bool(r.back->answers(r.socket, deadline_in(CRI_ASK_MS), &ignored) == 0));
	put_peer(record, &p);
	return 0;
}

static int watch_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)step;
	(void)record;
	(void)err;
	return 0;
}

/* systemd does not start a unit again that has failed too often, which the new files may have
 * caused. */
static void reset_failed(const struct restart *r)
{
	struct err ignored = ERR_INIT; /* then the restart fails, and reports it */

	if (r->how == RESTART_COMMAND && is_systemctl(r->command) &&
	    run_command(ARGV("systemctl", "reset-failed", r->command[2]),
			deadline_in(1000ULL * r->seconds), &ignored) < 0)
		log_debug("the unit cannot be reset", LOG_S("unit", r->command[2]));
}

static struct peer recorded_peer(const struct json *record)
{
	return (struct peer){ (pid_t)int_of(record, "pid"), (uint64_t)int_of(record, "start") };
}

/* True if p was started after that time (CLOCK_BOOTTIME in ms; -1: not known). */
static bool is_newer(const struct peer *p, int64_t since)
{
	long ticks = sysconf(_SC_CLK_TCK);

	return since > 0 && ticks > 0 && p->start * 1000 / (uint64_t)ticks >= (uint64_t)since;
}

static int watch_undo(void *context, const struct json *record, struct err *err)
{
	AUTO(restart) struct restart r = RESTART_INIT;
	const struct json *answers;
	struct peer before, now;

	(void)context;
	if (restart_read(record, &r, err) < 0)
		return -1;
	if (is_idle(&r))
		return 0;
	answers = json_get(record, "answers");
	r.mute = !r.late && answers && json_kind(answers) == JSON_IS_BOOL && !json_bool(answers);
	before = recorded_peer(record);
	now = look(&r);
	/* An earlier undo, which was interrupted, has restarted it already. */
	if (now.pid > 0 && is_newer(&now, int_of(record, "restored")))
		return wait_answer(&r, &nobody, deadline_in(1000ULL * r.seconds), err);
	/* The same process has not read the new files, unless it reloads on a signal. */
	if (r.how != RESTART_HANGUP && r.how != RESTART_ITSELF && peer_same(&before, &now))
		return 0;
	/* A manager that does not run reads the old files when it starts. */
	if (r.how == RESTART_HANGUP && now.pid == 0)
		return 0;
	reset_failed(&r);
	if (restart_now(&r, &now, err) < 0)
		return err_wrap(err, "restart %s with its old configuration", r.back->name);
	return 0;
}

/* Records the process before the restart, for restart_resume(). */
static int restart_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	AUTO(restart) struct restart r = RESTART_INIT;
	struct peer p;

	if (restart_read(step->arg, &r, err) < 0)
		return -1;
	p = look(&r);
	put_peer(record, &p);
	put_all(record, step->arg);
	return 0;
}

static int serve_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	(void)err;
	put_all(record, step->arg);
	return 0;
}

static int restart_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	AUTO(restart) struct restart r = RESTART_INIT;
	struct peer before;

	(void)step;
	if (restart_read(record, &r, err) < 0)
		return -1;
	if (is_idle(&r))
		return 0;
	before = look(&r);
	return restart_now(&r, &before, err);
}

/* The restart has happened if another process runs now, or none does: then one is about to
 * start. */
static int restart_resume(void *context, const struct json *record, struct err *err)
{
	AUTO(restart) struct restart r = RESTART_INIT;
	struct err not_yet = ERR_INIT;
	struct peer before, now;

	(void)context;
	if (restart_read(record, &r, err) < 0)
		return -1;
	if (is_idle(&r))
		return 0;
	before = recorded_peer(record);
	now = look(&r);
	if (!r.socket || r.late || peer_same(&before, &now))
		return restart_now(&r, &now, err);
	if (wait_answer(&r, &before, deadline_in(1000ULL * r.seconds), &not_yet) == 0)
		return 0;
	if (not_yet.code == E_CANCELLED) {
		*err = not_yet;
		return -1;
	}
	reset_failed(&r);
	now = look(&r);
	return restart_now(&r, &now, err);
}

/* Returns the first handler that is not served, or NULL. */
static char *missing(char *const *wanted, char *const *served)
{
	strv_each(name, wanted) {
		if (!strv_has(served, *name))
			return *name;
	}
	return NULL;
}

static int serve_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	AUTO(restart) struct restart r = RESTART_INIT;
	AUTO(strv) char **wanted = NULL;
	struct err answer = ERR_INIT;
	struct deadline deadline;

	(void)step;
	if (restart_read(record, &r, err) < 0)
		return -1;
	if (json_get_strings(record, "handlers", &wanted) < 0)
		return err_set(err, E_INVALID, "the record of a restart is damaged");
	if (is_idle(&r))
		return 0;
	for (deadline = deadline_in(1000ULL * r.seconds);;) {
		AUTO(strv) char **served = NULL;
		struct err why = ERR_INIT;

		if (r.back->served(r.socket, ask_deadline(deadline), &served, &why) == 0) {
			const char *name = missing(wanted, served);

			if (!name)
				return 0;
			err_set(&why, E_STATE,
				"%s does not serve the runtime handler '%s'; look into its log",
				r.back->name, name);
			answer = why;
		} else if (why.code == E_UNSUPPORTED) {
			log_warn("the container manager does not list the handlers that it serves",
				 LOG_S("manager", r.back->name));
			return 0;
		}
		/* The last answer says more than a failure to answer afterwards. */
		if (deadline_passed(deadline)) {
			*err = answer.code ? answer : why;
			return -1;
		}
		if (interrupt_sleep(CRI_POLL_MS, err) < 0)
			return err_wrap(err, "wait for %s", r.back->name);
	}
}

static int serve_resume(void *context, const struct json *record, struct err *err)
{
	(void)context;
	return serve_apply(NULL, record, err);
}

/* The undo of the step watch undoes the restart. */
static const struct deploy_step_ops watch_ops = { "cri-watch", watch_prepare, watch_apply,
						  watch_undo, NULL };
static const struct deploy_step_ops restart_ops = { "cri-restart", restart_prepare, restart_apply,
						    NULL, restart_resume };
static const struct deploy_step_ops serve_ops = { "cri-serve", serve_prepare, serve_apply, NULL,
						  serve_resume };

const struct deploy_step_ops *const cri_step_kinds[] = { &watch_ops, &restart_ops, &serve_ops,
							 NULL };

struct cri_steps {
	struct json *plan;
	char *names[CRI_STEPS];
	struct deploy_step list[CRI_STEPS];
	size_t n;
};

static void add(struct cri_steps *s, const struct deploy_step_ops *ops, char *name)
{
	s->names[s->n] = name;
	s->list[s->n] = (struct deploy_step){ ops, name, s->plan, ops == &watch_ops };
	s->n++;
}

struct cri_steps *steps_new(const struct json *restart, char *const *handlers)
{
	struct cri_steps *s = NEW(struct cri_steps);
	const char *name = json_get_text(restart, "name");
	struct json *list = json_make_array();

	s->plan = json_make_object();
	put_all(s->plan, restart);
	strv_each(handler, handlers)
		json_add(list, json_make_string(*handler));
	json_put(s->plan, "handlers", list);
	add(s, &watch_ops, str_fmt("watch %s", name));
	add(s, &restart_ops,
	    str_fmt("%s %s%s",
		    str_eq(json_get_text(restart, "how"), "hangup") ? "reload the configuration of"
								    : "restart",
		    name, json_get_text(restart, "late") ? ", if it was started meanwhile" : ""));
	if (handlers && json_get_text(restart, "socket"))
		add(s, &serve_ops, str_fmt("check that %s serves the handlers", name));
	return s;
}

void steps_free(struct cri_steps *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->names[i]);
	json_free(s->plan);
	free(s);
}

const struct deploy_step *steps_list(const struct cri_steps *s, size_t *n)
{
	*n = s->n;
	return s->list;
}
