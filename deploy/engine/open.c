// SPDX-License-Identifier: Apache-2.0
/* Opens a prefix: takes the lock, recovers from a crash, reads what is installed. */

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/engine/engine-internal.h"
#include "deploy/journal/journal.h"
#include "deploy/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* How many fds a change needs at the same time at most: its own files and directories, and pipes to
 * the programs that it starts. */
enum { FDS_NEEDED = 24 };
enum { LOCK_MS = 100 }; /* between two attempts to take the lock */

/* The contents of a lock file, for messages only: "PID PREFIX". */
static char *describe(const char *holder)
{
	size_t n = strspn(holder, "0123456789");

	if (str_empty(holder))
		return xstrdup("another process");
	return holder[n] == ' '
		       ? str_fmt("process %.*s, which works on %s,", (int)n, holder, holder + n + 1)
		       : str_fmt("process %s", holder);
}

/* The holder may not have written its contents yet; a directory has none. */
static char *holder_of(const char *path)
{
	struct err ignored = ERR_INIT;
	AUTO(str) char *line = file_read_line(AT_FDCWD, path, &ignored);

	return describe(line ? line : "");
}

/* Polls instead of blocking in flock(), so that a signal ends the wait (interrupt.h). */
static int wait_for_lock(int fd, const char *path, unsigned seconds, struct err *err)
{
	struct deadline until = deadline_in(seconds * 1000ULL);
	bool told = false;

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		AUTO(str) char *holder = NULL;

		if (errno != EWOULDBLOCK)
			return err_sys(err, "lock %s", path);
		if (told && !deadline_passed(until)) {
			if (interrupt_sleep(LOCK_MS, err) < 0)
				return -1;
			continue;
		}
		holder = holder_of(path);
		if (deadline_passed(until))
			return err_set(err, E_STATE,
				       "another kata-deploy is running: %s has locked %s; wait "
				       "until it has ended",
				       holder, path);
		log_warn("waiting for another kata-deploy", LOG_S("holder", holder),
			 LOG_S("lock", path));
		told = true;
	}
	return 0;
}

static void nothing(int signo)
{
	(void)signo;
}

/* From here on there is something to lose. A handler, since programs that this one starts would
 * inherit that the signal is ignored. */
static void ignore_retract(void)
{
	struct sigaction act = { .sa_handler = nothing, .sa_flags = SA_RESTART };

	(void)sigemptyset(&act.sa_mask);
	(void)sigaction(DEPLOY_RETRACT, &act, NULL);
}

static int take_lock(const struct deploy *d, const struct deploy_options *o, struct err *err)
{
	enum lock_kind kind = str_eq(o->lock, o->root) ? LOCK_SHARED : LOCK_OWN;
	AUTO(fd) int fd = lock_open(o->lock, kind, err);
	AUTO(str) char *text = NULL;
	struct err ignored = ERR_INIT;

	if (fd < 0 || wait_for_lock(fd, o->lock, o->lock_seconds, err) < 0)
		return -1;
	ignore_retract();
	/* Of a directory neither is possible; on a full disk the file stays empty. */
	text = str_fmt("%d %s\n", (int)getpid(), d->prefix);
	if (ftruncate(fd, 0) == 0 && fd_write_all(fd, text, strlen(text), &ignored) < 0)
		log_debug("cannot write into the lock file", LOG_S("path", o->lock));
	return STEAL(fd, -1);
}

int recover_journal(struct deploy *d, struct err *err)
{
	AUTO(plan) struct plan p = PLAN_INIT;
	enum journal_word word;
	int there = d->state < 0 ? 0 : journal_load(d->state, &p, &word, err), rc;

	if (there < 0)
		return -1;
	if (there) {
		/* The disk may be full: recovery may need the reserve. */
		if (reserve_release(d, err) < 0)
			return -1;
		log_warn("finishing an interrupted change", LOG_S("verb", p.verb),
			 LOG_S("way", word == JOURNAL_COMMIT || word == JOURNAL_FORWARD ? "forward"
											: "back"));
		/* Signals wait until the recovery is done. */
		interrupt_shield(true);
		rc = word == JOURNAL_COMMIT    ? run_finish(d, &p, err)
		     : word == JOURNAL_FORWARD ? run_forward(d, &p, err)
					       : run_undo(d, &p, err);
		interrupt_shield(false);
		if (rc < 0)
			return err_wrap(err, "recover from an interrupted %s", p.verb);
		if (p.resumes && (word == JOURNAL_UNDO || word == JOURNAL_BACK) && d->undone &&
		    !d->undone->code)
			err_set(d->undone, E_FAILED, "an interrupted %s was undone", p.verb);
	}
	return prefix_settle(d, err);
}

static int begin(const struct deploy_options *o, enum deploy_access access, struct deploy **out,
		 struct err *err)
{
	AUTO(deploy) struct deploy *d = NEW(struct deploy);

	d->root = d->state = d->lock = -1;
	d->prefix = path_clean(o->prefix);
	d->top = xstrdup(o->root && !str_eq(o->root, "/") ? o->root : "");
	d->now = o->now;
	d->kinds = o->kinds;
	d->context = o->context;
	d->undone = o->undone;
	if (*d->prefix != '/' || str_eq(d->prefix, "/"))
		return err_set(
			err, E_USAGE,
			"prefix '%s' is not an absolute path below /; give one such as /opt/kata",
			o->prefix);
	if (access == DEPLOY_CHANGE) {
		/* Running out of fds half-way could make the undo impossible too. */
		if (fd_check_room(FDS_NEEDED, err) < 0)
			return -1;
	}
	if (access != DEPLOY_LOOK) {
		d->lock = take_lock(d, o, err);
		if (d->lock < 0)
			return -1;
	}
	if (prefix_open(d, err) < 0)
		return -1;
	*out = STEAL(d, NULL);
	return 0;
}

int deploy_open(const struct deploy_options *o, enum deploy_access access, struct deploy **out,
		struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	int lost;

	if (begin(o, access, &d, err) < 0)
		return -1;
	if (access == DEPLOY_CHANGE && recover_journal(d, err) < 0)
		return err->code == E_INVALID ? hint_recover(err) : -1;
	if (prefix_load(d, err) < 0)
		return -1;
	lost = prefix_is_lost(d, err);
	if (lost < 0)
		return -1;
	if (lost) {
		err_set(err, E_STATE, "%s has releases, but state/install.json is lost", d->prefix);
		return hint_recover(err);
	}
	/* Set last: after a failed recovery deploy_close() must not remove anything. */
	d->access = access;
	*out = STEAL(d, NULL);
	return 0;
}

int deploy_recover(const struct deploy_options *o, deploy_found *found, void *arg, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	int n;

	if (begin(o, DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	/* prefix_make() demands it. */
	d->access = DEPLOY_CHANGE;
	n = rebuild_state(d, found, arg, err);
	if (n < 0 || prefix_load(d, err) < 0) {
		d->access = DEPLOY_LOOK;
		return -1;
	}
	return n;
}

void deploy_close(struct deploy *d)
{
	struct err err = ERR_INIT;

	if (!d)
		return;
	/* An interrupted change still needs state/kept/. */
	if (d->access == DEPLOY_CHANGE && !deploy_is_interrupted(d)) {
		if (prefix_settle(d, &err) < 0)
			log_err(LOG_WARN, &err,
				"cannot remove staging; the next change will remove it");
		else if (reserve_settle(d, &err) < 0)
			log_err(LOG_DEBUG, &err, "cannot reserve space");
	}
	fd_close(&d->state);
	fd_close(&d->root);
	fd_close(&d->lock);
	installed_release(&d->in);
	strv_free(d->made_parents);
	free(d->prefix);
	free(d->top);
	free(d);
}

bool deploy_is_interrupted(const struct deploy *d)
{
	struct err ignored = ERR_INIT; /* a journal that cannot be seen may be there */

	return d->state >= 0 && path_look(d->state, "journal", &ignored) != 0;
}

const struct installed *deploy_installed(const struct deploy *d)
{
	return &d->in;
}

int deploy_root(const struct deploy *d)
{
	return d->root;
}

int deploy_state(const struct deploy *d)
{
	return d->state;
}

int layout_load(const struct deploy *d, const char *id, struct layout *out, struct err *err)
{
	AUTO(str) char *path = str_fmt("generations/%s.json", id);
	AUTO(buf) struct buf text = BUF_INIT(STATE_MAX);
	AUTO(fd) int fd = path_open(d->state, path, PATH_NO_LINKS, O_RDONLY, 0, err);

	if (fd < 0 || file_read_fd(fd, path, STATE_MAX, &text, err) < 0 ||
	    layout_parse(out, buf_cstr(&text), text.len, path, err) < 0)
		return -1;
	return str_eq(out->id, id) ? 0 : err_set(err, E_INVALID, "%s is that of %s", path, out->id);
}

int deploy_layout(const struct deploy *d, const char *id, struct layout *out, struct err *err)
{
	if (!installed_find(&d->in, id))
		return err_set(err, E_NOT_FOUND, "there is no generation %s; %s lists them", id,
			       advice("status"));
	if (layout_load(d, id, out, err) == 0)
		return 0;
	if (err->code == E_NOT_FOUND)
		err->code = E_STATE;
	/* This program writes nothing above a limit, so it is damaged. */
	if (err->code == E_LIMIT)
		err->code = E_INVALID;
	return err->code == E_STATE || err->code == E_INVALID ? hint_recover(err) : -1;
}

int deploy_stage(struct deploy *d, const char *name, struct err *err)
{
	AUTO(str) char *path = str_fmt("staging/%s", name);

	if (str_check_id(name, "stage", err) < 0 || prefix_make(d, err) < 0)
		return -1;
	AUTO(fd) int parent = path_mkdirs(d->root, "staging", PATH_NO_LINKS, 0711, err);
	if (parent < 0)
		return -1;
	if (mkdirat(parent, name, 0700) < 0)
		return path_sys(err, parent, name, "make %s", path);
	return path_open(parent, name, PATH_NO_LINKS, O_RDONLY | O_DIRECTORY, 0, err);
}

bool deploy_has(const struct deploy *d, const struct entry *e)
{
	struct err ignored = ERR_INIT; /* a damaged object counts as missing */

	return d->root >= 0 && e->type == ENTRY_FILE && store_has(d->root, e, &ignored) == 1;
}
