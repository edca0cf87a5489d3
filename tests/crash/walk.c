// SPDX-License-Identifier: Apache-2.0
/*
 * The walk: crash-walk [--short] [--only NAME] [--part I/N] SUBJECT DIR. In each scenario SUBJECT
 * is killed at its first system call that changes something, in the next run at its second, and so
 * on until it runs to its end; then the same with each call failing instead. After each run
 *
 *	recover		leads to exactly the tree before or exactly the tree after;
 *	the verb	succeeds when it is run again, and leads to exactly the tree after;
 *	gc		leads to exactly what gc makes of the tree after: nothing is left over.
 *
 * A signal that requests termination, at each call, leads to one of the two trees without a
 * recovery, and to the exit status that belongs to it.
 *
 * Without --short every recovery is killed at each of its calls too, and each call fails with each
 * error. With --short every second call is disturbed, on the next day the others, with the errors in
 * turn; and the recovery of every hundredth is killed.
 */

#include "base/file.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/spawn.h"
#include "base/str.h"
#include "tests/crash/trace.h"
#include "tests/crash/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { TREE_MAX = 1 << 20, OFTEN = 2, SELDOM = 100, SIGNALS = 3, DAY_S = 86400 };

/* The verbs of the subject; and three acts of others: "edit" the configuration, "mkdir" the prefix,
 * "damage" an installed file. */
struct command {
	const char *verb, *version;
};

#define CONTROL "control"

static const struct {
	const char *name;
	struct command before[6];
	struct command verb;
} scenarios[] = {
	{ "install", { { NULL, NULL } }, { "install", "1" } },
	{ "install-there", { { "mkdir", NULL } }, { "install", "1" } },
	{ "again", { { "install", "1" } }, { "install", "1" } },
	{ "upgrade", { { "install", "1" } }, { "install", "2" } },
	{ "upgrade-edited", { { "install", "1" }, { "edit", NULL } }, { "install", "2" } },
	{ "upgrade-parked",
	  { { "install", "1" }, { "edit", NULL }, { "install", "2" } },
	  { "install", "3" } },
	{ "rollback", { { "install", "1" }, { "install", "2" } }, { "rollback", "1" } },
	{ "uninstall", { { "install", "1" } }, { "uninstall", NULL } },
	{ "uninstall-there", { { "mkdir", NULL }, { "install", "1" } }, { "uninstall", NULL } },
	{ "uninstall-edited",
	  { { "install", "1" }, { "install", "2" }, { "edit", NULL }, { "install", "3" } },
	  { "uninstall", NULL } },
	{ "gc", { { "install", "1" }, { "install", "2" }, { "install", "3" } }, { "gc", NULL } },
	{ "repair",
	  { { "install", "1" }, { "install", "2" }, { "damage", NULL } },
	  { "repair", "2" } },
	/* Only with --only: this scenario must fail. */
	{ CONTROL, { { "install", "1" } }, { "careless", NULL } },
};

static const int killed = 0;
static const int told_to_end = -SIGTERM;
static const int faults[] = { ENOSPC, EIO, EROFS, EACCES, EINTR, ETXTBSY };

struct walk {
	const char *subject, *only;
	char *node, *saved, *crashed;
	bool brief, gradual;
	const struct command *verb;
	struct buf was, will, clean; /* before, after, and after gc */
	uint64_t part, parts;        /* run every parts-th scenario, from part on */
	unsigned points, bad, walked;
};

static int run_subject(const struct walk *w, const struct command *c, struct err *err)
{
	struct spawn s = { .argv = ARGV(w->subject, w->node, c->verb, c->version) };

	return spawn_run(&s, NULL, 0, NULL, DEADLINE_NEVER, err);
}

static int edit(const struct walk *w, struct err *err)
{
	static const char text[] = "# edited\n";
	AUTO(str) char *path = str_fmt("%s/opt/new/kata/etc/configuration.toml", w->node);

	return file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0640, err);
}

/* An object of the store, a file of a generation, and a stable symlink. */
static int damage(const struct walk *w, struct err *err)
{
	AUTO(str) char *shim = str_fmt("%s/opt/new/kata/bin/containerd-shim-kata-v2", w->node);
	AUTO(str) char *name = str_fmt("%s/opt/new/kata/bin/kata", w->node);
	AUTO(str) char *stable = str_fmt("%s/opt/new/kata/share", w->node);

	if (file_write(AT_FDCWD, shim, "SHIM", err) < 0)
		return -1;
	return unlink(name) < 0 || unlink(stable) < 0 ? err_sys(err, "damage %s", w->node) : 0;
}

static int must_run(const struct walk *w, const struct command *c, struct err *err)
{
	AUTO(str) char *prefix = str_fmt("%s/opt/new/kata", w->node);
	int code;

	if (str_eq(c->verb, "edit"))
		return edit(w, err);
	if (str_eq(c->verb, "damage"))
		return damage(w, err);
	if (str_eq(c->verb, "mkdir"))
		return path_make(prefix, 0711, err);
	code = run_subject(w, c, err);
	if (code != 0 && !err->code)
		err_set(err, E_FAILED, "exit code %d", code);
	return code == 0 ? 0 : err_wrap(err, "%s", c->verb);
}

static int fresh_node(const struct walk *w, struct err *err)
{
	AUTO(str) char *etc = str_fmt("%s/etc", w->node), *config = path_join(etc, "config.toml");
	AUTO(str) char *served = path_join(etc, "served");
	static const char text[] = "# the administrator's\nversion = 2\n";

	if (path_remove_tree(w->node, err) < 0 || path_make(etc, 0755, err) < 0 ||
	    file_replace_volatile(AT_FDCWD, served, "nothing", 7, 0644, err) < 0)
		return -1;
	return file_replace_volatile(AT_FDCWD, config, text, strlen(text), 0640, err);
}

/* Makes the three trees with which the others are compared. */
static int rehearse(struct walk *w, const struct command *before, struct err *err)
{
	static const struct command gc = { "gc", NULL };

	if (fresh_node(w, err) < 0)
		return -1;
	for (; before->verb; before++) {
		if (must_run(w, before, err) < 0)
			return -1;
	}
	if (tree_describe(w->node, &w->was, err) < 0 || tree_copy(w->node, w->saved, err) < 0 ||
	    must_run(w, w->verb, err) < 0 || tree_describe(w->node, &w->will, err) < 0 ||
	    must_run(w, &gc, err) < 0)
		return -1;
	return tree_describe(w->node, &w->clean, err);
}

/* Prints the lines that only one of the two texts has. */
static void show_difference(const char *name, const char *one, const char *other)
{
	AUTO(strv) char **a = strv_split(one, "\n"), **b = strv_split(other, "\n");

	(void)printf("    not as %s:\n", name);
	strv_each(line, a) {
		if (!strv_has(b, *line))
			(void)printf("      has   %s\n", *line);
	}
	strv_each(line, b) {
		if (!strv_has(a, *line))
			(void)printf("      lacks %s\n", *line);
	}
}

static int expect(struct walk *w, const char *where, const struct buf *one, const struct buf *other,
		  struct err *err)
{
	AUTO(buf) struct buf now = BUF_INIT(TREE_MAX);

	if (tree_describe(w->node, &now, err) < 0)
		return -1;
	if (str_eq(now.data, one->data) || (other && str_eq(now.data, other->data)))
		return 0;
	err_set(err, E_FAILED, "%s: the tree is neither", where);
	show_difference("the first", now.data, one->data);
	if (other)
		show_difference("the second", now.data, other->data);
	return -1;
}

/* If a run reported success, the tree is the one after; otherwise a recovery makes the one
 * before or the one after. */
static int check_recovery(struct walk *w, int status, struct err *err)
{
	static const struct command recover = { "recover", NULL };

	if (must_run(w, &recover, err) < 0)
		return -1;
	if (w->gradual && status != 0)
		return 0;
	return expect(w, "after recover", &w->will, status == 0 ? NULL : &w->was, err);
}

static int check_after(struct walk *w, int status, struct err *err)
{
	static const struct command gc = { "gc", NULL };

	if (check_recovery(w, status, err) < 0)
		return -1;
	if (must_run(w, w->verb, err) < 0)
		return err_wrap(err, "once more");
	if (expect(w, "once more", &w->will, NULL, err) < 0 || must_run(w, &gc, err) < 0)
		return -1;
	return expect(w, "after gc", &w->clean, NULL, err);
}

/* Kills the recovery of the present tree at each of its calls, and checks which tree the next
 * recovery makes. Other runs check what the verbs do with that tree. */
static int walk_recovery(struct walk *w, struct err *err)
{
	struct trace t = { .argv = ARGV(w->subject, w->node, "recover") };

	if (tree_copy(w->node, w->crashed, err) < 0)
		return -1;
	for (t.at = 1;; t.at++) {
		if (tree_copy(w->crashed, w->node, err) < 0 || trace_run(&t, err) < 0)
			return -1;
		if (t.calls < t.at)
			return t.status == 0 ? 0 : err_set(err, E_FAILED, "recover: %d", t.status);
		w->points++;
		if (check_recovery(w, t.status, err) < 0)
			return err_wrap(err, "recovery killed at call %u (%ld)", t.at, t.syscall);
	}
}

/* Before the program catches signals, a signal kills it; it has not begun then. */
static int check_signalled(struct walk *w, int status, struct err *err)
{
	if (status != err_exit_status(E_CANCELLED) && status != 128 + SIGTERM)
		return err_set(err, E_FAILED, "exit %d after a signal", status);
	if (w->gradual)
		return 0;
	return expect(w, "after a signal", &w->was, status == 128 + SIGTERM ? NULL : &w->will, err);
}

static int disturb(struct walk *w, struct trace *t, struct err *err)
{
	if (tree_copy(w->saved, w->node, err) < 0 || trace_run(t, err) < 0)
		return -1;
	if (t->calls < t->at)
		return 0;
	w->points++;
	if (!t->fail && (!w->brief || t->at % SELDOM < OFTEN) &&
	    (walk_recovery(w, err) < 0 || tree_copy(w->crashed, w->node, err) < 0))
		return -1;
	if (t->fail < 0 && check_signalled(w, t->status, err) < 0)
		return -1;
	return check_after(w, t->status, err);
}

/* Disturbs every step-th call, beginning with another one each day, with the errors of list in turn.
 * Returns the number of calls. */
static unsigned walk_calls(struct walk *w, const char *name, const int *list, size_t n,
			   unsigned step)
{
	struct trace t = { .argv = ARGV(w->subject, w->node, w->verb->verb, w->verb->version) };

	for (t.at = 1 + (unsigned)(time(NULL) / DAY_S % step);; t.at += step) {
		struct err err = ERR_INIT;

		t.fail = list[t.at / step % n];
		if (disturb(w, &t, &err) < 0) {
			w->bad++;
			(void)printf("  FAIL  %s: %s at call %u (system call %ld, exit %d): %s\n",
				     name,
				     t.fail < 0 ? "told to end"
				     : t.fail   ? strerror(t.fail)
						: "killed",
				     t.at, t.syscall, t.status, err.msg);
		}
		if (t.calls < t.at)
			return t.calls;
	}
}

static int walk_scenario(struct walk *w, size_t i, struct err *err)
{
	const char *name = scenarios[i].name;
	unsigned calls, bad = w->bad;

	w->verb = &scenarios[i].verb;
	/* A repair is not atomic: interrupted, it leaves neither tree, and the next repair finishes
	 * it. */
	w->gradual = str_eq(w->verb->verb, "repair");
	if (rehearse(w, scenarios[i].before, err) < 0)
		return err_wrap(err, "%s", name);
	calls = walk_calls(w, name, &killed, 1, w->brief ? OFTEN : 1);
	(void)walk_calls(w, name, &told_to_end, 1, w->brief ? SIGNALS : 1);
	if (w->brief)
		(void)walk_calls(w, name, faults, ARRAY_LEN(faults), OFTEN);
	for (size_t f = 0; !w->brief && f < ARRAY_LEN(faults); f++)
		(void)walk_calls(w, name, &faults[f], 1, 1);
	(void)printf("  %-5s %s (%u calls)\n", w->bad == bad ? "ok" : "FAIL", name, calls);
	(void)fflush(stdout);
	return 0;
}

/* Every scenario has calls at which it can be killed; a walk without kills would show nothing. */
static int walk_all(struct walk *w, struct err *err)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		bool asked = w->only ? str_eq(w->only, scenarios[i].name)
				     : !str_eq(scenarios[i].name, CONTROL);
		unsigned before = w->points;

		if (!asked || n++ % w->parts != w->part)
			continue;
		w->walked++;
		if (walk_scenario(w, i, err) < 0)
			return -1;
		if (w->points == before)
			return err_set(err, E_FAILED, "%s: no call was disturbed",
				       scenarios[i].name);
	}
	return n ? 0 : err_set(err, E_USAGE, "there is no scenario '%s'", w->only);
}

static void parse_part(struct walk *w, const char *text)
{
	AUTO(strv) char **parts = strv_split(text, "/");
	struct err err = ERR_INIT;

	if (strv_len(parts) != 2 || str_u64(parts[1], 10, 1, 1000, "part", &w->parts, &err) < 0 ||
	    str_u64(parts[0], 10, 0, w->parts - 1, "part", &w->part, &err) < 0)
		bug("--part %s", text);
}

int main(int argc, char **argv)
{
	struct walk w = { .parts = 1,
			  .was = BUF_INIT(TREE_MAX),
			  .will = BUF_INIT(TREE_MAX),
			  .clean = BUF_INIT(TREE_MAX) };
	struct err err = ERR_INIT;
	int i = 1, rc;

	for (; i < argc && str_starts(argv[i], "--"); i++) {
		if (str_eq(argv[i], "--short"))
			w.brief = true;
		else if (str_eq(argv[i], "--only") && i + 1 < argc)
			w.only = argv[++i];
		else if (str_eq(argv[i], "--part") && i + 1 < argc)
			parse_part(&w, argv[++i]);
	}
	if (argc - i != 2) {
		(void)fprintf(
			stderr,
			"usage: crash-walk [--short] [--only NAME] [--part I/N] SUBJECT DIR\n");
		return 2;
	}
	(void)umask(022);
	w.subject = argv[i];
	w.node = path_join(argv[i + 1], "node");
	w.saved = path_join(argv[i + 1], "saved");
	w.crashed = path_join(argv[i + 1], "crashed");
	rc = walk_all(&w, &err);
	if (rc < 0)
		(void)fprintf(stderr, "crash-walk: %s\n", err.msg);
	/* With more parts than scenarios some have none. */
	if (w.walked)
		(void)printf("crash walk: %u points, %u failed\n", w.points, w.bad);
	free(w.node);
	free(w.saved);
	free(w.crashed);
	buf_release(&w.was);
	buf_release(&w.will);
	buf_release(&w.clean);
	return rc < 0 || w.bad ? 1 : 0;
}
