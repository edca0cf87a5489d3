// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the proof with a pod (pod.c), or else with the manager's own client program, as a user of
 * this node would. The record of the step is written before anything is started, so that an undo
 * knows all names that may have been created.
 */

#include "deploy/prove/prove-internal.h"

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
#include "json/fields.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 4096, RECORD_MAX = 64 << 10, CLEAN_MS = 30000, STDERR_MAX = 4096 };
enum { END_MS = 60000, LOOK_MS = 200 };
/* How many pods are tried at most: where a container can be used instead, and where it cannot. */
enum { PODS_TRIED = 2, PODS_NEEDED = 20 };

#define CTR_LOAD   "-n @space images import @file"
#define CTR_SOCKET "--address", ""
#define CTR_LOOK   "-n @space containers info @id"
#define CTR_RUN    "-n @space run --rm --runtime @shim @image @id"
#define CTR_CLEAN                                                                           \
	{                                                                                   \
		"-n @space tasks kill -s KILL @id", "-n @space tasks delete -f @id",        \
			"-n @space containers delete @id",                                  \
			"-n @space images delete --sync @image", "namespaces remove @space" \
	}

static const struct client clients[] = {
	{ "containerd", "ctr", "/run/containerd/containerd.sock", CTR_SOCKET, CTR_LOAD, CTR_RUN,
	  CTR_LOOK, NULL, CTR_CLEAN, true },
	{ "nerdctl", "ctr", "/run/containerd/containerd.sock", CTR_SOCKET, CTR_LOAD, CTR_RUN,
	  CTR_LOOK, NULL, CTR_CLEAN, true },
	{ "k3s", "k3s ctr", NULL, NULL, NULL, CTR_LOAD, CTR_RUN, CTR_LOOK, NULL, CTR_CLEAN, true },
	{ "rke2", "/var/lib/rancher/rke2/bin/ctr", "/run/k3s/containerd/containerd.sock",
	  CTR_SOCKET, CTR_LOAD, CTR_RUN, CTR_LOOK, NULL, CTR_CLEAN, true },
	{ "k0s", "k0s ctr", NULL, NULL, NULL, CTR_LOAD, CTR_RUN, CTR_LOOK, NULL, CTR_CLEAN, true },
	{ "microk8s", "microk8s ctr", NULL, NULL, NULL, CTR_LOAD, CTR_RUN, CTR_LOOK, NULL,
	  CTR_CLEAN, true },
	{ "docker",
	  "docker",
	  "/var/run/docker.sock",
	  "-H",
	  "unix://",
	  "load -q -i @file",
	  "run --rm -i --network none --runtime @handler --name @id @image",
	  "inspect @id",
	  "inspect --format {{.Id}} @id",
	  { "rm -f @id", "image rm -f @image" },
	  false },
};

static void proof_release(struct proof *p)
{
	free(p->socket);
	free(p->state);
	free(p->prefix);
	free(p->handler);
	free(p->id);
	free(p->ctr);
}
DEFINE_AUTO_STRUCT(proof, struct proof, proof_release)

#define CONFIGURED "look for another configuration.toml or runtime of that name"

static const struct client *find_client(const char *manager)
{
	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		if (str_eq(clients[i].manager, manager))
			return &clients[i];
	}
	return NULL;
}

bool prove_can(const char *manager)
{
	return find_client(manager);
}

/* --- command lines --- */

static void add_word(const struct proof *p, const char *word, char ***argv)
{
	if (str_eq(word, "@file"))
		strv_pushf(argv, "%s/" PROVE_IMAGE, p->prefix);
	else if (str_eq(word, "@shim"))
		strv_pushf(argv, "%s/bin/" PROVE_SHIM, p->prefix);
	else if (str_eq(word, "@handler"))
		strv_push(argv, p->handler);
	else if (str_eq(word, "@image"))
		strv_push(argv, PROVE_NAME);
	else if (str_eq(word, "@space"))
		strv_push(argv, PROVE_NAMESPACE);
	else
		strv_push(argv, str_eq(word, "@id") ? p->id : word);
}

const char *prove_socket(const struct proof *p)
{
	return p->socket ? p->socket : p->client->socket;
}

char *prove_find_ctr(const struct processes *all)
{
	/* The containerd of k3s is k3s itself. */
	static const char *const servers[] = { "containerd", "k3s", NULL };

	vec_each(const struct process, one, &all->rows) {
		const char *name = path_basename(one->exe);
		AUTO(str) char *ctr = str_fmt("%.*sctr", (int)(name - one->exe), one->exe);
		char *found = one->uid == 0 && strv_has((char *const *)servers, name)
				      ? process_program(ctr)
				      : NULL;

		if (found)
			return found;
	}
	return NULL;
}

static char **command(const struct proof *p, const char *words)
{
	char **argv = strv_split(p->ctr ? p->ctr : p->client->program, p->ctr ? "\n" : " ");
	AUTO(strv) char **list = strv_split(words, " ");

	/* k3s's own ctr, and others, find their socket themselves. */
	if (p->ctr) {
		strv_push(&argv, "--address");
		strv_push(&argv, prove_socket(p));
	} else if (p->client->socket) {
		strv_push(&argv, p->client->option);
		strv_pushf(&argv, "%s%s", p->client->scheme, prove_socket(p));
	}
	strv_each(word, list)
		add_word(p, *word, &argv);
	return argv;
}

int prove_call(const struct proof *p, const char *words, struct buf *out, struct deadline deadline,
	       struct err *err)
{
	AUTO(strv) char **argv = command(p, words);
	struct spawn s = { .argv = argv };

	return spawn_run(&s, NULL, 0, out, deadline, err) == 0 ? 0 : -1;
}

/* Removes what the client has made; a signal does not interrupt it. */
static void clean(const struct proof *p)
{
	interrupt_shield(true);
	for (size_t i = 0; p->client->clean[i]; i++) {
		struct err ignored = ERR_INIT; /* there may be nothing to remove */

		(void)!prove_call(p, p->client->clean[i], NULL, deadline_in(CLEAN_MS), &ignored);
	}
	interrupt_shield(false);
}

/* --- one run --- */

struct running {
	struct child child;
	int in, out, errors; /* our ends of the pipes to the client */
};

static void running_release(struct running *r)
{
	fd_close(&r->in);
	spawn_kill(&r->child);
	fd_close(&r->out);
	fd_close(&r->errors);
}
DEFINE_AUTO_STRUCT(running, struct running, running_release)

static int start(const struct proof *p, struct running *r, struct err *err)
{
	AUTO(strv) char **argv = command(p, p->client->run);
	int in[2] = { -1, -1 }, out[2] = { -1, -1 }, errors[2] = { -1, -1 }, rc = -1;

	if (fd_pipe(in, err) == 0 && fd_pipe(out, err) == 0 && fd_pipe(errors, err) == 0) {
		const struct spawn_fd fds[] = { { in[0], 0 }, { out[1], 1 }, { errors[1], 2 } };
		struct spawn s = { .argv = argv, .fds = fds, .nfds = 3 };

		rc = spawn_start(&s, &r->child, err);
	}
	r->in = in[1];
	r->out = out[0];
	r->errors = errors[0];
	fd_close(&in[0]);
	fd_close(&out[1]);
	fd_close(&errors[1]);
	return rc;
}

/* Adds the client's error output to the error. */
static int explain(struct running *r, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(STDERR_MAX);
	struct err ignored = ERR_INIT;

	if (fd_nonblock(r->errors, true, &ignored) == 0) {
		char *room = buf_room(&text, STDERR_MAX);
		ssize_t n = room ? read(r->errors, room, STDERR_MAX) : 0;

		text.len = n > 0 ? (size_t)n : 0;
		while (text.len && text.data[text.len - 1] == '\n')
			text.len--;
	}
	return err_set(err, E_FAILED, "the container did not report%s%.*s; " DOCTOR,
		       text.len ? ": " : "", (int)text.len, text.data ? text.data : "",
		       DOCTOR_COMMAND);
}

static int read_line(struct running *r, struct deadline deadline, struct buf *line, struct err *err)
{
	struct pollfd pfd[2] = { { .fd = r->out, .events = POLLIN },
				 { .fd = interrupt_fd(), .events = POLLIN } };

	while (line->len < LINE_MAX_BYTES) {
		char c;
		int ready = poll(pfd, 2, deadline_left(deadline));
		ssize_t n;

		if (interrupt_check(err) < 0)
			return -1;
		n = ready > 0 ? read(r->out, &c, 1) : -1;
		if (ready == 0)
			return err_set(err, E_TIMEOUT,
				       "the container did not report in time; " DOCTOR,
				       DOCTOR_COMMAND);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return explain(r, err);
		if (c == '\n')
			return 0;
		buf_add(line, &c, 1);
	}
	return err_set(err, E_LIMIT, "the container's report is longer than %d bytes",
		       LINE_MAX_BYTES);
}

static void copy_text(char *to, size_t size, const char *text)
{
	(void)!str_print(to, size, "%s", text);
}

int prove_parse(const char *line, size_t len, struct prove_report *report, struct err *err)
{
	AUTO(json) struct json *j = json_parse(line, len, "the container's report", err);
	const char *kernel, *machine;
	struct fields f;

	if (!j || fields_begin(&f, j, "the container's report", err) < 0 ||
	    fields_text(&f, "kernel", true, &kernel, err) < 0 ||
	    fields_text(&f, "machine", true, &machine, err) < 0 ||
	    fields_u64(&f, "memory", true, &report->memory, err) < 0 ||
	    fields_u64(&f, "cpus", true, &report->cpus, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	copy_text(report->kernel, sizeof(report->kernel), kernel);
	return 0;
}

#define RECORDS "/run/vc/sbs"

/* Returns the path of the shim's record of a sandbox, heap. The directory is named ID@NAMESPACE;
 * the namespace depends on the client. */
static char *find_record(const char *id, struct err *err)
{
	AUTO(str) char *prefix = str_fmt("%s@", id);
	DIR *dir = opendir(RECORDS);
	const struct dirent *e;
	char *path = NULL;

	while (dir && !path && (e = readdir(dir)) != NULL) {
		if (str_starts(e->d_name, prefix))
			path = str_fmt(RECORDS "/%s/persist.json", e->d_name);
	}
	if (dir)
		(void)closedir(dir);
	if (!path)
		err_set(err, E_NOT_FOUND, "%s has no sandbox of %s", RECORDS, id);
	return path;
}

int prove_read_agent(const char *sandbox, struct prove_report *report, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RECORD_MAX);
	AUTO(str) char *path = NULL;
	AUTO(json) struct json *j = NULL;
	const struct json *version;

	if (str_check_id(sandbox, "sandbox", err) < 0)
		return -1;
	path = find_record(sandbox, err);
	if (!path || file_read(AT_FDCWD, path, RECORD_MAX, &text, err) < 0)
		return err_wrap(err, "the container runs, but not in a kata sandbox");
	j = json_parse(buf_cstr(&text), text.len, path, err);
	if (!j)
		return -1;
	version = json_kind(j) == JSON_IS_OBJECT ? json_get(j, "agent_version") : NULL;
	if (version && json_kind(version) == JSON_IS_STRING)
		copy_text(report->agent, sizeof(report->agent), json_text(version));
	return 0;
}

/* Reads the agent's version, for a container of the client. */
static int read_agent(const struct proof *p, struct prove_report *report, struct err *err)
{
	AUTO(buf) struct buf id = BUF_INIT(LINE_MAX_BYTES);

	buf_str(&id, p->id);
	if (p->client->find) {
		buf_clear(&id);
		if (prove_call(p, p->client->find, &id, deadline_in(CLEAN_MS), err) < 0)
			return -1;
		id.data[strcspn(id.data, "\n")] = '\0';
	}
	return prove_read_agent(buf_cstr(&id), report, err);
}

/* Runs the container with the client, from its start to its end. */
static int run(const struct proof *p, struct deadline deadline, struct prove_report *report,
	       struct err *err)
{
	AUTO(running) struct running r = { CHILD_NONE, -1, -1, -1 };
	AUTO(buf) struct buf line = BUF_INIT(LINE_MAX_BYTES);
	uint64_t began = clock_ms();
	int code;

	if (start(p, &r, err) < 0 || read_line(&r, deadline, &line, err) < 0)
		return -1;
	report->ms = clock_ms() - began;
	if (prove_parse(buf_cstr(&line), line.len, report, err) < 0 ||
	    read_agent(p, report, err) < 0)
		return -1;
	fd_close(&r.in);
	if (spawn_wait(&r.child, deadline, &code, err) < 0)
		return err_wrap(err, "the container did not exit at the end of its input");
	if (code != 0)
		return explain(&r, err);
	return 0;
}

/* --- comparing --- */

static int compare(const struct prove_expect *expect, const struct prove_report *report,
		   struct err *err)
{
	struct utsname u;

	if (expect->kernel && !str_eq(expect->kernel, report->kernel))
		return err_set(err, E_FAILED,
			       "the VM runs kernel %s, but the release has %s; " CONFIGURED,
			       report->kernel, expect->kernel);
	if (expect->agent && !str_eq(expect->agent, report->agent))
		return err_set(err, E_FAILED,
			       "the VM runs agent %s, but the release has %s; " CONFIGURED,
			       *report->agent ? report->agent : "(unknown)", expect->agent);
	if (!expect->kernel && uname(&u) == 0 && str_eq(u.release, report->kernel))
		return err_set(err, E_FAILED,
			       "the container runs on this machine's kernel, %s; " CONFIGURED,
			       u.release);
	return 0;
}

void prove_name(struct prove *p)
{
	unsigned char random[6];
	char hex[2 * sizeof(random) + 1];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		bug("getrandom");
	str_hex(random, sizeof(random), hex);
	(void)!str_print(p->id, sizeof(p->id), "proof-%s", hex);
}

/* Proves with a container of the manager's client. */
static int prove_by_client(const struct proof *p, struct deadline deadline,
			   struct prove_report *report, struct err *err)
{
	int rc = prove_call(p, p->client->load, NULL, deadline, err);

	if (rc == 0)
		rc = run(p, deadline, report, err);
	clean(p);
	return rc;
}

static int need_pod(const char *why, struct err *err)
{
	err_set(err, E_STATE, "a pod cannot be run to prove the install: %s", why);
	return err_hint(err, "it is tried again; --no-proof installs without a proof");
}

/* Proves with a pod, or else with a container, and compares the result. */
static int prove_with(const struct proof *p, const struct prove *what, struct prove_report *report,
		      struct err *err)
{
	unsigned seconds = what->seconds ? what->seconds : PROVE_SECONDS;
	struct deadline deadline = deadline_in((uint64_t)seconds * 1000);
	int rc;

	*report = (struct prove_report){ .kernel = "" };
	rc = pod_prove(p, deadline, report, err);
	interrupt_shield(true);
	pod_clean(p);
	interrupt_shield(false);
	if (rc > 0 && process_sees_host())
		rc = need_pod(report->why, err);
	else if (rc > 0)
		rc = prove_by_client(p, deadline, report, err);
	if (rc < 0 || compare(&what->expect, report, err) < 0)
		return err_wrap(err, "proof in a VM");
	return 0;
}

static void take_ctr(struct proof *p)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	const char *program = p->client->program;
	/* RKE2 may have another directory of data. */
	bool lacks = *program == '/' && access(program, X_OK) < 0;

	if ((!process_sees_host() && !lacks) || !p->client->has_pods || !prove_socket(p))
		return;
	processes_scan(&all);
	p->ctr = prove_find_ctr(&all);
}

static int begin(const struct prove *what, struct proof *p, struct err *err)
{
	p->client = find_client(what->manager);
	if (!p->client)
		return err_set(err, E_UNSUPPORTED,
			       "a container cannot be run through %s; use --no-proof",
			       what->manager);
	p->socket = what->socket ? xstrdup(what->socket) : NULL;
	p->state = what->state ? xstrdup(what->state) : NULL;
	p->prefix = xstrdup(what->prefix);
	p->handler = xstrdup(what->handler ? what->handler : "kata");
	p->id = xstrdup(what->id);
	/* Inside a container the client cannot be used instead. */
	p->pods = process_sees_host() ? PODS_NEEDED : PODS_TRIED;
	take_ctr(p);
	return 0;
}

/* True if the manager listens. To check before a client is run, which waits long for a manager that
 * does not run. */
static bool manager_runs(const struct proof *p)
{
	const char *socket = prove_socket(p);
	struct err ignored = ERR_INIT;
	AUTO(fd) int fd = socket ? fd_unix_connect(socket, &ignored) : -1;

	return !socket || fd >= 0;
}

/* The same, and gives one that is being restarted time to come back. */
static bool manager_comes_back(const struct proof *p)
{
	struct deadline away = deadline_in(PROVE_AWAY_MS);

	while (!manager_runs(p)) {
		if (deadline_passed(away))
			return false;
		(void)poll(NULL, 0, LOOK_MS);
	}
	return true;
}

int prove_ready(const struct prove *what, struct err *err)
{
	AUTO(proof) struct proof p = { 0 };
	struct prove_report report = { .kernel = "" };

	if (begin(what, &p, err) < 0)
		return -1;
	return pod_look(&p, &report) ? need_pod(report.why, err) : 0;
}

int prove_run(const struct prove *what, struct prove_report *report, struct err *err)
{
	AUTO(proof) struct proof p = { 0 };

	return begin(what, &p, err) < 0 ? -1 : prove_with(&p, what, report, err);
}

struct json *prove_json(const struct prove_report *proof)
{
	struct json *j;

	if (!proof)
		return json_make_null();
	j = json_make_object();
	json_put(j, "kernel", json_make_string(proof->kernel));
	json_put(j, "agent", json_make_string(proof->agent));
	json_put(j, "memory", json_make_u64(proof->memory));
	json_put(j, "cpus", json_make_u64(proof->cpus));
	json_put(j, "ms", json_make_u64(proof->ms));
	json_put(j, "pod", json_make_bool(proof->pod));
	json_put(j, "why", proof->pod ? json_make_null() : json_make_string(proof->why));
	return j;
}

/* --- as a step --- */

static struct prove_report last;
static bool have_last;

const struct prove_report *prove_last(void)
{
	return have_last ? &last : NULL;
}

/* Checks that the client can be run, and records everything that undo and resume need. */
static int step_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	const struct prove *what = step->arg;
	AUTO(proof) struct proof p = { 0 };
	AUTO(strv) char **argv = NULL;
	struct err why = ERR_INIT;

	if (begin(what, &p, err) < 0)
		return -1;
	argv = command(&p, "--version");
	struct spawn s = { .argv = argv };
	if (spawn_run(&s, NULL, 0, NULL, deadline_in(CLEAN_MS), &why) < 0) {
		err_set(err, E_UNSUPPORTED, "cannot run the client %s: %s", argv[0], why.msg);
		return err_hint(err, "install it, or use --no-proof to install without a proof");
	}
	json_put(record, "manager", json_make_string(what->manager));
	json_put(record, "socket", json_make_string(what->socket));
	if (what->state)
		json_put(record, "state", json_make_string(what->state));
	json_put(record, "prefix", json_make_string(what->prefix));
	json_put(record, "id", json_make_string(p.id));
	/* The rest is for resume. */
	json_put(record, "handler", json_make_string(p.handler));
	if (what->expect.kernel)
		json_put(record, "kernel", json_make_string(what->expect.kernel));
	if (what->expect.agent)
		json_put(record, "agent", json_make_string(what->expect.agent));
	return 0;
}

static int read_record(const struct json *record, struct prove *what, struct err *err)
{
	const char *id = json_get_text(record, "id");

	*what = (struct prove){ .manager = json_get_text(record, "manager"),
				.socket = json_get_text(record, "socket"),
				.state = json_get_text(record, "state"),
				.prefix = json_get_text(record, "prefix"),
				.handler = json_get_text(record, "handler"),
				.expect = { json_get_text(record, "kernel"),
					    json_get_text(record, "agent") } };
	if (!what->manager || !what->prefix || !id || strlen(id) >= sizeof(what->id))
		return err_set(err, E_INVALID, "the record of the proof is damaged");
	copy_text(what->id, sizeof(what->id), id);
	return 0;
}

static int from_record(const struct json *record, struct proof *p, struct err *err)
{
	struct prove what;

	return read_record(record, &what, err) < 0 ? -1 : begin(&what, p, err);
}

/* --- undo and resume --- */

/* True if a client of this proof runs: it has the proof's id on its command line. */
static bool client_runs(const struct proof *p)
{
	AUTO(processes) struct processes all = PROCESSES_INIT;
	AUTO(strv) char **words = strv_split(p->client->program, " ");

	processes_scan(&all);
	vec_each(const struct process, one, &all.rows) {
		if (strv_has(one->argv, p->id) &&
		    str_eq(path_basename(one->exe), path_basename(words[0])))
			return true;
	}
	return false;
}

static int clean_undo(void *context, const struct json *record, struct err *err)
{
	AUTO(proof) struct proof p = { 0 };

	(void)context;
	if (from_record(record, &p, err) < 0)
		return -1;
	/* Without it the pod, the image and the container would stay for good. */
	if (manager_comes_back(&p)) {
		pod_clean(&p);
		clean(&p);
	}
	bundle_clear(&p, PROVE_NAMESPACE, p.id);
	return 0;
}

static int nothing_to_apply(const struct deploy_step *step, const struct json *record,
			    struct err *err)
{
	(void)step, (void)record, (void)err;
	return 0;
}

static int run_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	(void)record;
	have_last = prove_run(step->arg, &last, err) == 0;
	return have_last ? 0 : -1;
}

/*
 * After a crash of this program the client and the manager go on starting the container. If the
 * container is removed, or the manager restarted, while the task is being created, a bundle is left
 * behind. So this waits until the container can be killed, or until neither the container nor a
 * client that creates it exists.
 */
static void end_first(const struct proof *p)
{
	struct deadline deadline = deadline_in(END_MS);

	while (manager_runs(p) && !deadline_passed(deadline)) {
		struct err gone = ERR_INIT, not_yet = ERR_INIT;

		if (prove_call(p, p->client->look, NULL, deadline, &gone) < 0) {
			if (!client_runs(p))
				return;
		} else if (prove_call(p, p->client->clean[0], NULL, deadline, &not_yet) == 0) {
			clean(p);
			return;
		}
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static int run_undo(void *context, const struct json *record, struct err *err)
{
	AUTO(proof) struct proof p = { 0 };

	(void)context;
	if (from_record(record, &p, err) < 0)
		return -1;
	if (manager_runs(&p))
		pod_clean(&p);
	end_first(&p);
	bundle_clear(&p, PROVE_NAMESPACE, p.id);
	return 0;
}

/* Removes what the interrupted proof has left, then proves again. */
static int run_resume(void *context, const struct json *record, struct err *err)
{
	struct prove what;

	if (run_undo(context, record, err) < 0 || read_record(record, &what, err) < 0)
		return -1;
	have_last = prove_run(&what, &last, err) == 0;
	return have_last ? 0 : -1;
}

const struct deploy_step_ops prove_clean_step = { "prove-clean", step_prepare, nothing_to_apply,
						  clean_undo, NULL };
const struct deploy_step_ops prove_step = { "prove", step_prepare, run_apply, run_undo,
					    run_resume };
