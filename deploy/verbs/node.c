// SPDX-License-Identifier: Apache-2.0
/*
 * kata-deploy node: a loop that runs other verbs of this program as children, one at a time, so
 * that it uses little memory itself. deploy/node/machine.c decides which verb is next.
 *
 * On a signal it waits for the running verb, if that changes something, then ends. If the pod is
 * killed first, the journal of the verb's change lets the next pod complete or undo it.
 */
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/cli/options.h"
#include "deploy/engine/engine.h"
#include "deploy/node/endpoint.h"
#include "deploy/node/machine.h"
#include "deploy/node/metrics.h"
#include "deploy/node/serve.h"
#include "deploy/verbs/verbs.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define KEPT_NAME "node.json"
/* A fixed name, so that a process that is killed while it writes leaves at most one. */
#define KEPT_TEMPORARY ".node.json.new"
/* The name of the lock, before and behind that of the prefix. */
#define LOCK_BEFORE "kata-deploy-node"
#define LOCK_BEHIND ".lock"
/* --lock-wait of the verbs, in seconds: another installation on this node may hold the lock during
 * a download, a restart and a proof. A plan waits too. */
#define OTHERS_S "900"
enum { DOCUMENT_MAX = 1 << 20, LOCK_MS = 2000, JOB_MS = 3600 * 1000 };

/* File descriptors that this program has open at a time: those of the loop, of the connection to
 * report, of a child and its document; and those for the web server, with two for each visitor, and
 * one for a visitor who takes the place of another. A timer that gets none would end the program in
 * the middle of its work. */
enum { FDS_NEEDED = 22, FDS_FOR_WEB = 3 + 2 * SERVE_MAX };

static struct {
	struct cli_place place;
	const char *socket, *state;
	bool alone, no_repair, verbose;
	unsigned port, quick, full;
} o = { .quick = 600, .full = 86400, .port = 8090 };

const struct opt node_opts[] = {
	OPT_PATH(0, "prefix", "DIR", &o.place.prefix, "installation prefix; default: " CLI_PREFIX),
	OPT_PATH(0, "host", "DIR", &o.place.host, "where the host's paths are mounted; default: /"),
	OPT_PATH(0, "lock", "FILE", &o.place.lock, "default: /run/lock/kata-deploy.lock"),
	OPT_PATH(0, "trust-memory", "DIR", &o.place.memory,
		 "record of releases, kept by uninstall"),
	OPT_FLAG(0, "alone", &o.alone, "act without turns and without report"),
	OPT_PATH(0, "socket", "FILE", &o.socket, "for report; default: " MESSAGE_SOCKET),
	OPT_PATH(0, "state", "DIR", &o.state, "state kept over restarts; default: /run/kata-node"),
	OPT_UINT(0, "port", "N", &o.port, "for health and metrics, 0: none; default: 8090"),
	OPT_UINT(0, "check-seconds", "N", &o.quick, "between quick checks; default: 600"),
	OPT_UINT(0, "hash-seconds", "N", &o.full, "between checks of all contents; default: a day"),
	OPT_FLAG(0, "no-repair", &o.no_repair, "report differences, leave them"),
	OPT_FLAG('v', "verbose", &o.verbose, "log more"),
	OPT_END,
};

struct node {
	struct loop *loop;
	struct machine m;
	char **install; /* options for plan and install, borrowed */
	int state_dir, lock;
	char *saved;            /* of node.json */
	struct node_state said; /* the state that was sent last */
	struct endpoint *report;
	struct watch *timer, *child_watch, *limit;
	struct child child;
	enum node_job job; /* that the child does */
	int out;           /* a memfd with the child's output */
	uint64_t began, ms[JOB_KINDS];
	bool ending;
};

static void go_on(struct node *n);

static uint64_t wall(void)
{
	return (uint64_t)time(NULL);
}

/* --- the saved state, and the messages --- */

static void save(struct node *n)
{
	AUTO(json) struct json *j = kept_json(&n->m.kept);
	AUTO(str) char *text = json_format(j, false);
	struct file_new how = { .tmp = KEPT_TEMPORARY, .mode = 0600, .uid = -1, .gid = -1 };
	struct err err = ERR_INIT;

	if (str_eq(text, n->saved))
		return;
	if (file_replace_via(n->state_dir, KEPT_NAME, text, strlen(text), &how, &err) < 0)
		log_err(LOG_WARN, &err, "cannot save the state for the next process");
	else
		str_set(&n->saved, text);
}

static bool load(struct node *n, struct machine_kept *kept)
{
	AUTO(buf) struct buf text = BUF_INIT(DOCUMENT_MAX);
	struct err err = ERR_INIT;
	AUTO(json) struct json *j = NULL;

	if (file_read(n->state_dir, KEPT_NAME, DOCUMENT_MAX, &text, &err) == 0)
		j = json_parse(buf_cstr(&text), text.len, KEPT_NAME, &err);
	if (j && kept_parse(kept, j, &err) == 0)
		return true;
	if (err.code != E_NOT_FOUND)
		log_err(LOG_WARN, &err, "cannot read the state of an earlier process");
	return false;
}

/* Names what is to be installed: the digest of the options and of the description of the image's
 * release. A release that they name otherwise counts by its name alone. */
static void name_release(const struct node *n, char id[MACHINE_RELEASE])
{
	AUTO(sha256) struct sha256 *all = sha256_new();
	const char *release = getenv(CLI_ENV_RELEASE);
	struct err ignored = ERR_INIT; /* not a directory: the install will tell */
	char hex[65];
	uint64_t size;

	strv_each(word, n->install)
		sha256_add(all, *word, strlen(*word) + 1);
	if (!str_empty(release)) {
		AUTO(str) char *path = path_join(release, "release.yaml");
		AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd >= 0 && sha256_fd(fd, path, hex, &size, &ignored) == 0)
			sha256_add(all, hex, sizeof(hex));
	}
	sha256_end(all, id);
}

static void log_phase(const struct node_state *s)
{
	log_info("node", LOG_S("phase", node_phase_name(s->phase)), LOG_S("version", s->version),
		 LOG_S("code", s->code), LOG_S("message", s->message));
}

static void say_others(struct node *n)
{
	struct message says[MACHINE_SAYS];
	unsigned count = machine_says(&n->m, says);

	for (unsigned i = 0; i < count; i++) {
		endpoint_say(n->report, &says[i]);
		if (says[i].kind == MESSAGE_END_TURN)
			machine_said_end(&n->m);
	}
}

/* Saves the state, then sends messages (all: also an unchanged state). To call before a job begins:
 * the id of a turn must be on disk before report gets it. */
static void send_state(struct node *n, bool all)
{
	struct message m = { .kind = MESSAGE_STATE, .state = n->m.state };
	bool changed = !node_state_same(&n->said, &n->m.state);

	save(n);
	if (changed && n->said.phase != n->m.state.phase)
		log_phase(&n->m.state);
	n->said = n->m.state;
	if (!endpoint_has_peer(n->report) || (!all && !changed))
		return;
	endpoint_say(n->report, &m);
	say_others(n);
	save(n);
}

/* --- report --- */

static void report_heard(void *arg, const struct message *m)
{
	struct node *n = arg;

	log_debug("heard", LOG_S("type", message_kind_name(m->kind)), LOG_S("id", m->id));
	machine_heard(&n->m, m, wall());
	go_on(n);
}

static void report_came(void *arg)
{
	log_debug("report is connected");
	send_state(arg, true);
}

/* --- jobs --- */

static void add_place(char ***argv)
{
	static const struct {
		const char *name;
		const char **value;
	} all[] = {
		{ "--prefix", &o.place.prefix },
		{ "--host", &o.place.host },
		{ "--lock", &o.place.lock },
		{ "--trust-memory", &o.place.memory },
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (!*all[i].value)
			continue;
		strv_push(argv, all[i].name);
		strv_push(argv, *all[i].value);
	}
	strv_push(argv, "--lock-wait");
	strv_push(argv, OTHERS_S);
}

static char **command(const struct node *n, enum node_job job)
{
	char **argv = NULL;

	strv_push(&argv, "kata-deploy");
	strv_push(&argv, node_job_verb(job));
	add_place(&argv);
	strv_push(&argv, "--json");
	if (job == JOB_HASH)
		strv_push(&argv, "--check");
	if (job == JOB_INSTALL || job == JOB_REPAIR || job == JOB_UNINSTALL)
		strv_push(&argv, "--yes");
	if (job == JOB_INSTALL || job == JOB_REPAIR || job == JOB_UNINSTALL || job == JOB_PLAN)
		strv_push(&argv, "--quiet");
	if (job == JOB_INSTALL || job == JOB_PLAN) {
		strv_each(word, n->install)
			strv_push(&argv, *word);
	}
	return argv;
}

/* Returns the environment of a child. With --host its root directory is the host's, and its working
 * directory that of the image: files of the image can be named by relative paths only. */
static char **environment(void)
{
	static const char *const of_image[] = { CLI_ENV_RELEASE, CLI_ENV_TRUST };
	char **env = strv_dup(environ);

	for (size_t i = 0; o.place.host && i < ARRAY_LEN(of_image); i++) {
		const char *value = getenv(of_image[i]);

		if (value && *value == '/')
			strv_env_set(&env, of_image[i], value + strspn(value, "/"));
	}
	/* The programs that verbs run are the host's. */
	if (o.place.host)
		strv_env_set(&env, "PATH",
			     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	return env;
}

static void ended(struct node *n, int code)
{
	AUTO(buf) struct buf text = BUF_INIT(DOCUMENT_MAX);
	struct err ignored = ERR_INIT; /* a document that cannot be read: the job has failed */
	struct outcome *out;
	enum node_job job = STEAL(n->job, JOB_NONE);

	n->ms[job] = clock_ms() - n->began + 1;
	if (n->out >= 0 && lseek(n->out, 0, SEEK_SET) == 0 &&
	    file_read_fd(n->out, "the document", DOCUMENT_MAX, &text, &ignored) < 0)
		buf_clear(&text);
	fd_close(&n->out);
	/* What on_signal() has ended says nothing about the node. */
	if (n->ending && (node_job_looks(job) || code == 128 + DEPLOY_RETRACT))
		return;
	out = NEW(struct outcome);
	outcome_read(out, job, code, buf_cstr(&text), text.len);
	log_debug("has ended", LOG_S("verb", node_job_verb(job)), LOG_I("status", code),
		  LOG_I("ms", (int64_t)n->ms[job]));
	if (!out->ok)
		log_warn("failed", LOG_S("verb", node_job_verb(job)), LOG_S("code", out->code),
			 LOG_S("message", out->message));
	machine_done(&n->m, out, clock_ms(), wall());
	free(out);
}

static void on_child(void *arg, uint32_t events)
{
	struct node *n = arg;
	struct err err = ERR_INIT;
	int code = 1;

	(void)events;
	if (!spawn_has_ended(&n->child, &code))
		return;
	/* spawn_wait() closes the pidfd: remove the watch first. */
	watch_remove(STEAL(n->child_watch, NULL));
	watch_remove(STEAL(n->limit, NULL));
	if (spawn_wait(&n->child, DEADLINE_NEVER, &code, &err) < 0)
		log_err(LOG_WARN, &err, "cannot wait for the end of a verb");
	ended(n, code);
	/* Give the memory of the document back: this program is now idle for minutes. */
	(void)malloc_trim(0);
	go_on(n);
}

static void on_limit(void *arg)
{
	struct node *n = arg;
	struct err ignored = ERR_INIT; /* it has ended */

	log_warn("a verb takes too long", LOG_S("verb", node_job_verb(n->job)));
	(void)!spawn_signal(&n->child, SIGTERM, &ignored);
}

static int start(struct node *n, enum node_job job, struct err *err)
{
	AUTO(strv) char **argv = command(n, job), **env = environment();
	struct spawn_fd fds[2];
	struct spawn s = { .argv = argv,
			   .program = "/proc/self/exe",
			   .env = env,
			   .cwd = o.place.host ? "/" : NULL,
			   .fds = fds,
			   .nfds = 2,
			   .new_group = true,
			   /* Reads the whole release, beside pods that are at work. */
			   .idle = job == JOB_HASH };

	n->began = clock_ms();
	n->out = memfd_create("document", MFD_CLOEXEC);
	if (n->out < 0)
		return err_sys(err, "create a file in memory");
	fds[0] = (struct spawn_fd){ n->out, 1 };
	fds[1] = (struct spawn_fd){ 2, 2 };
	if (spawn_start(&s, &n->child, err) < 0)
		return -1;
	log_debug("begins", LOG_S("verb", node_job_verb(job)), LOG_I("pid", n->child.pid));
	n->child_watch = loop_watch(n->loop, n->child.pidfd, EPOLLIN, on_child, n);
	n->limit = loop_timer(n->loop, JOB_MS, false, on_limit, n);
	return 0;
}

static void start_job(struct node *n, enum node_job job)
{
	struct err err = ERR_INIT;
	struct outcome out = { .job = job };

	n->job = job;
	if (start(n, job, &err) == 0)
		return;
	fd_close(&n->out);
	n->job = JOB_NONE;
	message_text(out.code, sizeof(out.code), err_slug(err.code));
	message_text(out.message, sizeof(out.message), err.msg);
	machine_done(&n->m, &out, clock_ms(), wall());
}

static void set_timer(struct node *n)
{
	uint64_t at = machine_wake(&n->m), now = clock_ms();

	/* The timer is for the next attempt to get the lock, whatever report says meanwhile. */
	if (n->lock < 0)
		return;
	timer_set(n->timer, at == UINT64_MAX ? 0 : at > now ? at - now : 1, false);
}

/* Starts the next job, if there is one, after sending the new state. */
static void go_on(struct node *n)
{
	enum node_job job = JOB_NONE;

	if (!n->ending && n->lock >= 0)
		job = machine_next(&n->m, clock_ms(), wall());
	send_state(n, false);
	if (job)
		start_job(n, job);
	if (n->ending && !n->job)
		loop_stop(n->loop);
	set_timer(n);
}

/* --- the lock: one such program on a node --- */

/* One name for each prefix, however it is spelled: "-" stands for "/", so that it is escaped itself.
 * A name that would be too long for a file is replaced by its digest, which no other prefix has as its
 * name, since it does not begin with "-". */
static char *lock_path(void)
{
	AUTO(str) char *prefix = path_clean(o.place.prefix ? o.place.prefix : CLI_PREFIX);
	AUTO(buf) struct buf name = BUF_INIT(3 * strlen(prefix) + 1);
	char hex[65];
	bool fits;

	for (const char *p = prefix; *p; p++) {
		if (*p == '-' || *p == '%')
			buf_fmt(&name, "%%%02x", (unsigned)*p);
		else
			buf_chr(&name, *p == '/' ? '-' : *p);
	}
	fits = strlen(LOCK_BEFORE LOCK_BEHIND) + name.len <= NAME_MAX;
	sha256_hex(buf_cstr(&name), name.len, hex);
	return str_fmt("%s/run/lock/" LOCK_BEFORE "%s" LOCK_BEHIND,
		       o.place.host ? o.place.host : "", fits ? buf_cstr(&name) : hex);
}

/* Returns 1 if it got the lock, 0 if another process has it. */
static int try_lock(struct node *n, struct err *err)
{
	AUTO(str) char *path = lock_path();
	AUTO(str) char *dir = xstrndup(path, (size_t)(path_basename(path) - path));

	if (path_make(dir, 0755, err) < 0)
		return -1;
	AUTO(fd) int fd = lock_open(path, LOCK_OWN, err);
	if (fd < 0)
		return -1;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(err, "lock %s", path);
	n->lock = STEAL(fd, -1);
	return 1;
}

/* Tries again later. Logs the reason once, and makes it the message of the state. */
static void wait_for_lock(struct node *n, int got, struct err *err)
{
	char text[MESSAGE_TEXT];

	if (got == 0) {
		(void)err_set(err, E_STATE, "another kata-deploy node runs on this node");
		(void)err_hint(err,
			       "remove one of the two, or install it beside the other: another "
			       "--prefix, and report's --suffix");
	}
	message_text(text, sizeof(text), err->msg);
	if (!str_eq(n->m.state.message, text))
		log_err(LOG_WARN, err, "waiting for the lock");
	memcpy(n->m.state.message, text, sizeof(text));
	send_state(n, false);
	timer_set(n->timer, LOCK_MS, false);
}

static void on_timer(void *arg)
{
	struct node *n = arg;
	struct err err = ERR_INIT;
	int got = n->lock >= 0 ? 1 : try_lock(n, &err);

	if (got <= 0) {
		wait_for_lock(n, got, &err);
		return;
	}
	if (!n->m.state.code[0] && n->m.state.phase == PHASE_STARTING)
		n->m.state.message[0] = '\0';
	go_on(n);
}

/* --- signals and HTTP --- */

static void on_signal(void *arg, int signo)
{
	struct node *n = arg;

	struct err ignored = ERR_INIT; /* it has ended */

	log_info("ends", LOG_I("signal", signo), LOG_S("waits for", node_job_verb(n->job)));
	n->ending = true;
	/* A look may take minutes and loses nothing; nor does a change that waits for the lock. */
	if (n->job)
		(void)!spawn_signal(&n->child, node_job_looks(n->job) ? SIGTERM : DEPLOY_RETRACT,
				    &ignored);
	go_on(n);
}

static int answer(void *arg, const char *path, struct buf *body)
{
	struct node *n = arg;
	const struct node_state *s = &n->m.state;

	if (str_eq(path, "/metrics")) {
		metrics_print(&n->m, n->ms, body);
		return 200;
	}
	if (!str_eq(path, "/healthz") && !str_eq(path, "/readyz")) {
		buf_str(body, "not found\n");
		return 404;
	}
	buf_fmt(body, "%s%s%s\n", node_phase_name(s->phase), *s->message ? ": " : "", s->message);
	return str_eq(path, "/healthz") || s->ready ? 200 : 503;
}

/* --- the program --- */

static int open_state(struct node *n, struct err *err)
{
	const char *dir = o.state ? o.state : "/run/kata-node";

	if (path_make(dir, 0700, err) < 0)
		return err_hint(err, "name another directory with --state");
	n->state_dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return n->state_dir < 0 ? err_sys(err, "open %s", dir) : 0;
}

static int run(struct node *n, struct err *err)
{
	char release[MACHINE_RELEASE];
	struct machine_options options = { .alone = o.alone,
					   .no_repair = o.no_repair,
					   .quick_ms = o.quick * 1000ULL,
					   .full_ms = o.full * 1000ULL,
					   .release = release };
	struct machine_kept kept;
	int web = o.port ? serve_listen((uint16_t)o.port, err) : -1;
	struct serve *serve = web < 0 ? NULL : serve_new(n->loop, web, answer, n);

	if (!o.alone && !err->code)
		n->report = endpoint_open(n->loop, o.socket ? o.socket : MESSAGE_SOCKET,
					  report_came, report_heard, n, err);
	if (!err->code) {
		name_release(n, release);
		machine_init(&n->m, &options, load(n, &kept) ? &kept : NULL, clock_ms(), wall());
		n->said = n->m.state;
		log_phase(&n->m.state);
		timer_set(n->timer, 1, false);
		loop_run(n->loop);
	}
	serve_free(serve);
	endpoint_close(n->report);
	return err->code ? -1 : 0;
}

static int check_options(struct err *err)
{
	if (o.port > UINT16_MAX || !o.quick || !o.full)
		return err_set(err, E_USAGE,
			       "a number is out of range; --port is at most 65535, "
			       "--check-seconds and --hash-seconds are at least 1");
	return 0;
}

int verb_node(int argc, char **argv, struct err *err)
{
	struct node n = { .install = argc ? argv : NULL,
			  .state_dir = -1,
			  .lock = -1,
			  .out = -1,
			  .child = CHILD_NONE };
	sigset_t signals;
	struct watch *watch;
	int rc;

	log_init("kata-deploy", "node", LOG_LOGFMT, 2, LOG_INFO);
	log_set_level(o.verbose ? LOG_DEBUG : LOG_INFO);
	if (check_options(err) < 0 ||
	    fd_check_room(o.port ? FDS_NEEDED + FDS_FOR_WEB : FDS_NEEDED, err) < 0 ||
	    open_state(&n, err) < 0)
		return -1;
	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	/* Whoever reads the log may end before this program. */
	(void)signal(SIGPIPE, SIG_IGN);
	n.loop = loop_new(err);
	watch = n.loop ? loop_signals(n.loop, &signals, on_signal, &n, err) : NULL;
	n.timer = watch ? loop_timer(n.loop, 0, false, on_timer, &n) : NULL;
	rc = watch ? run(&n, err) : -1;
	watch_remove(watch);
	watch_remove(n.timer);
	watch_remove(n.child_watch);
	watch_remove(n.limit);
	loop_free(n.loop);
	free(n.saved);
	fd_close(&n.state_dir);
	fd_close(&n.lock);
	return rc;
}
