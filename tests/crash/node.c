// SPDX-License-Identifier: Apache-2.0
/*
 * The walk of `kata-deploy node`: crash-node [--every N] [--from K] [--only NAME] KATA-DEPLOY
 * OPTION..., with the options of the install.
 *
 * Plays report, and the cluster behind it: grants turns, and requests the uninstall. node is killed
 * at its first system call that changes something (node.json, the lock, the socket, a message), in
 * another run at its second, and so on until it survives to its end; likewise the whole pod, node
 * with the verb that it runs. A second process must then reach the same end: the same files, every
 * turn given back, no failure, and nothing beside node.json in its directory.
 *
 * Each run is in mount, network and process namespaces of its own.
 */

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"
#include "deploy/node/message.h"
#include "mount/mount.h"
#include "tests/crash/trace.h"
#include "tests/crash/tree.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR    "/run/t"
#define HOST   DIR "/host" /* what the node has of an installation */
#define STATE  DIR "/state"
#define SOCKET DIR "/node.sock"

enum { RUN_S = 120, AGAIN_MS = 20, TREE_MAX = 65536 };

static const struct life {
	const char *name;
	bool uninstall;
	bool pod; /* the verb that node runs is killed too, and its calls count */
} lives[] = {
	{ "install", false, false },
	{ "uninstall", true, false },
	{ "pod-install", false, true },
	{ "pod-uninstall", true, true },
};

/* The result of a run for its parent, in shared memory. */
struct outcome {
	unsigned calls;
	long syscall;
	bool good;
	char text[4096], tree[TREE_MAX];
};

static char **command;
static struct outcome *outcome;

_Noreturn static void fail(const char *what, const char *why)
{
	(void)snprintf(outcome->text, sizeof(outcome->text), "%s%s%s", what, why ? ": " : "",
		       why ? why : "");
	_exit(1);
}

static void must(int rc, const char *what, const struct err *err)
{
	if (rc < 0)
		fail(what, err->msg);
}

/* --- report --- */

struct cluster {
	bool uninstall;          /* is requested */
	char turn[MESSAGE_NAME]; /* that was granted; empty: none */
	struct node_state state; /* the newest */
	int sock;                /* -1: not connected */
	struct buf line;
	bool over; /* node was asked to end */
};

static void say(struct cluster *c, enum message_kind kind, const char *id)
{
	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
	struct message m = { .kind = kind };
	struct err err = ERR_INIT;

	message_text(m.id, sizeof(m.id), id);
	must(message_format(&m, &line, &err), "a message", &err);
	/* node may have been killed meanwhile. */
	(void)!fd_write_all(c->sock, line.data, line.len, &err);
}

static void hear(struct cluster *c, const struct message *m)
{
	if (m->kind == MESSAGE_STATE) {
		c->state = m->state;
		if (m->state.phase == PHASE_FAILED)
			fail("it failed", m->state.message);
	} else if (m->kind == MESSAGE_WANT_TURN) {
		if (*c->turn && !str_eq(c->turn, m->id))
			fail("it wants a second turn, and has not ended the first", NULL);
		message_text(c->turn, sizeof(c->turn), m->id);
		say(c, MESSAGE_TURN, m->id);
	} else if (m->kind == MESSAGE_END_TURN) {
		if (!m->good)
			fail("a turn failed", m->reason);
		if (str_eq(c->turn, m->id))
			c->turn[0] = '\0';
	}
}

static void hear_all(struct cluster *c)
{
	struct err err = ERR_INIT;
	struct message m;
	char *end;

	while (c->line.len && (end = memchr(c->line.data, '\n', c->line.len))) {
		size_t len = (size_t)(end - c->line.data);

		must(message_parse(c->line.data, len, MESSAGE_FROM_NODE, &m, &err), "a line", &err);
		buf_eat(&c->line, len + 1);
		hear(c, &m);
	}
}

static void hang_up(struct cluster *c)
{
	fd_close(&c->sock);
	buf_clear(&c->line);
}

static void on_socket(struct cluster *c)
{
	char *room = buf_room(&c->line, MESSAGE_MAX);
	ssize_t n = room ? recv(c->sock, room, MESSAGE_MAX, 0) : -1;

	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->line.len += (size_t)n;
	hear_all(c);
}

static bool has_arrived(const struct cluster *c)
{
	return c->state.phase == (c->uninstall ? PHASE_UNINSTALLED : PHASE_READY) && !*c->turn;
}

/* Asks node, the process that listens, to end. */
static void end_node(struct cluster *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(c->sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		fail("no process listens", NULL);
	c->over = kill(peer.pid, SIGTERM) == 0;
}

/* Plays report until the tracer has ended. */
static void play(struct cluster *c, int tracer)
{
	for (;;) {
		struct err none = ERR_INIT;
		struct pollfd p[2] = { { tracer, POLLIN, 0 }, { c->sock, POLLIN, 0 } };

		if (poll(p, 2, c->sock < 0 ? AGAIN_MS : -1) < 0)
			continue;
		if (p[0].revents)
			break;
		if (p[1].revents)
			on_socket(c);
		if (c->sock < 0 && !c->over) {
			c->sock = fd_unix_connect(SOCKET, &none);
			if (c->sock >= 0 && c->uninstall)
				say(c, MESSAGE_UNINSTALL, "u-1");
		}
		if (c->sock >= 0 && !c->over && has_arrived(c))
			end_node(c);
	}
	hang_up(c);
}

/* --- node --- */

/* Runs node until it has arrived, or is killed at that call (0: never). */
static struct trace run_node(struct cluster *c, unsigned at, bool pod)
{
	struct trace *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			       -1, 0),
		     result;
	struct err err = ERR_INIT;
	pid_t pid;
	int tracer;

	if (t == MAP_FAILED)
		fail("no memory", NULL);
	*t = (struct trace){ .argv = command, .at = at, .all = pod };
	c->over = false;
	c->state = (struct node_state){ .phase = PHASE_STARTING };
	pid = fork();
	if (pid == 0) {
		must(trace_run(t, &err), "trace", &err);
		_exit(0);
	}
	tracer = (int)syscall(SYS_pidfd_open, pid, 0);
	if (tracer < 0)
		fail("watch the tracer", NULL);
	play(c, tracer);
	(void)waitpid(pid, NULL, 0);
	fd_close(&tracer);
	result = *t;
	(void)munmap(t, sizeof(*t));
	return result;
}

/* Runs it to its end. */
static void finish(struct cluster *c)
{
	struct trace t = run_node(c, 0, false);

	if (t.status != 0)
		fail("node ended with an error", NULL);
	if (*c->turn)
		fail("a turn was not given back", NULL);
}

/* --- runs --- */

static void make_node(void)
{
	struct err err = ERR_INIT;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0 || mount_detach_below("/run", &err) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
		fail("make mounts", strerror(errno));
	must(path_make(HOST, 0755, &err), HOST, &err);
	must(path_make("/run/lock", 0755, &err), "/run/lock", &err);
}

/* Files whose contents have times, ids of processes or of turns. */
static bool is_volatile(const char *line)
{
	return strstr(line, " ./lock ") || strstr(line, "/install.json ") ||
	       strstr(line, "/trust.json ") || strstr(line, "/node.json ");
}

/* Describes what the installation and node have left, a line for each file. */
static void describe(struct buf *to)
{
	AUTO(buf) struct buf text = BUF_INIT(TREE_MAX);
	struct err err = ERR_INIT;

	must(tree_describe(HOST, &text, &err), HOST, &err);
	must(tree_describe(STATE, &text, &err), STATE, &err);
	for (char *line = text.data, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (is_volatile(line))
			*strrchr(line, ' ') = '\0';
		buf_fmt(to, "%s\n", line);
	}
}

/* Fails with the first line that differs. */
static void compare(const char *is, const char *wanted)
{
	size_t line = 0, i = 0;

	for (; is[i] && is[i] == wanted[i]; i++)
		line = is[i] == '\n' ? i + 1 : line;
	if (is[i] != wanted[i]) {
		AUTO(str)
		char *text = str_fmt("'%.*s' instead of '%.*s'", (int)strcspn(is + line, "\n"),
				     is + line, (int)strcspn(wanted + line, "\n"), wanted + line);

		fail("the node is different", text);
	}
}

/* The first process of its namespace. */
_Noreturn static void scene(const struct life *life, unsigned at)
{
	AUTO(buf) struct buf tree = BUF_INIT(TREE_MAX);
	struct cluster c = { .sock = -1, .line = BUF_INIT(2 * MESSAGE_MAX) };
	struct trace t;

	(void)signal(SIGPIPE, SIG_IGN);
	make_node();
	if (life->uninstall)
		finish(&c);
	c.uninstall = life->uninstall;
	t = run_node(&c, at, life->pod);
	outcome->calls = t.calls;
	outcome->syscall = t.syscall;
	if (!at && t.status != 0)
		fail("node ended with an error", NULL);
	finish(&c);
	describe(&tree);
	if (!at)
		(void)str_print(outcome->tree, sizeof(outcome->tree), "%s", buf_cstr(&tree));
	else
		compare(buf_cstr(&tree), outcome->tree);
	outcome->good = true;
	_exit(0);
}

/* True if node was killed at that call and the next process reached the end. */
static bool run_at(const struct life *life, unsigned at)
{
	int status;
	pid_t pid;

	outcome->good = false;
	outcome->text[0] = '\0';
	pid = fork();
	if (pid == 0) {
		pid_t inner;

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID) < 0)
			fail("make namespaces", strerror(errno));
		(void)alarm(RUN_S); /* the first process of a namespace would ignore it */
		inner = fork();
		if (inner == 0) {
			if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
				fail("die with the parent", NULL);
			scene(life, at);
		}
		(void)waitpid(inner, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	(void)waitpid(pid, &status, 0);
	if (status == 0 && outcome->good)
		return true;
	(void)printf("  FAIL  node, %s, killed at call %u (system call %ld): %s\n", life->name, at,
		     outcome->syscall, *outcome->text ? outcome->text : "it did not end");
	(void)fflush(stdout);
	return false;
}

static unsigned walk(const struct life *life, unsigned every, unsigned from, unsigned *points)
{
	unsigned failed = 0, most;

	/* First a run without a kill, to know the end. */
	if (!run_at(life, 0))
		return 1;
	most = outcome->calls;
	for (unsigned at = from; at <= most; at += every) {
		failed += !run_at(life, at);
		++*points;
	}
	(void)printf("  %-5s node, %s (%u calls)\n", failed ? "FAIL" : "ok", life->name, most);
	(void)fflush(stdout);
	return failed;
}

/* The command line of node, with the options of the install. */
static void set_command(const char *deploy, char **options)
{
	static const char *const words[] = {
		"node",         "--prefix",   HOST "/opt/kata",
		"--lock",       HOST "/lock", "--state",
		STATE,          "--socket",   SOCKET,
		"--port",       "0",          "--trust-memory",
		HOST "/memory", "--",         "--cri",
		"none",         "--no-proof", "--trust-dir",
		DIR "/none",    "--cache",    DIR "/cache",
	};

	strv_push(&command, deploy);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		strv_push(&command, words[i]);
	strv_each(word, options)
		strv_push(&command, *word);
}

int main(int argc, char **argv)
{
	uint64_t every = 1, from = 1;
	const char *only = NULL;
	unsigned points = 0, failed = 0;
	struct err err = ERR_INIT;
	int i = 1;

	for (; i + 1 < argc && str_starts(argv[i], "--"); i += 2) {
		if (str_eq(argv[i], "--only"))
			only = argv[i + 1];
		else if (str_u64(argv[i + 1], 10, 1, 1000000, argv[i],
				 str_eq(argv[i], "--every") ? &every : &from, &err) < 0)
			argc = 0;
	}
	if (argc - i < 1) {
		(void)fputs("usage: crash-node [--every N] [--from K] [--only NAME] KATA-DEPLOY "
			    "OPTION...\n",
			    stderr);
		return 2;
	}
	if (geteuid() != 0) {
		(void)puts("skipped: the crash walk of node needs root");
		return 0;
	}
	set_command(argv[i], argv + i + 1);
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (outcome == MAP_FAILED || setenv("SOURCE_DATE_EPOCH", "1900000000", 1) < 0)
		return 1;
	for (size_t k = 0; k < ARRAY_LEN(lives); k++) {
		if (!only || str_eq(only, lives[k].name))
			failed += walk(&lives[k], (unsigned)every, (unsigned)from, &points);
	}
	(void)printf("crash walk of node: %u points, %u failed\n", points, failed);
	return failed || !points ? 1 : 0;
}
