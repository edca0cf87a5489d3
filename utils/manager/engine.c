// SPDX-License-Identifier: Apache-2.0
/* Runs kata-deploy and other programs. */

#include "utils/manager/engine.h"

#include "base/deadline.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 << 20 };

struct engine_options engine;

static char *find_engine(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n > 0) {
		self[n] = '\0';
		char *beside = str_fmt("%.*skata-deploy", (int)(path_basename(self) - self), self);

		if (access(beside, X_OK) == 0)
			return beside;
		free(beside);
	}
	return xstrdup("kata-deploy");
}

static char **command(char *const *words)
{
	AUTO(str) char *program = find_engine();
	char **argv = NULL;

	strv_push(&argv, program);
	strv_each(word, words)
		strv_push(&argv, *word);
	return argv;
}

static enum err_code code_of(int status)
{
#define X(sym, slug, exit_status, rpc, text) \
	if (status == (exit_status))         \
		return sym;
	ERR_CODES(X)
#undef X
	return E_FAILED;
}

/* Waits without reaping, so that no signal is passed on to another process of the same pid. */
static void await_end(const struct child *child)
{
	struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };

	interrupt_pass_on(child->pid);
	while (poll(&ended, 1, -1) < 0 && errno == EINTR)
		;
	interrupt_pass_on(0);
}

int run_here(char *const *argv, int *status, struct err *err)
{
	const struct spawn_fd fds[] = { { 0, 0 }, { 1, 1 }, { 2, 2 } };
	struct spawn s = { .argv = argv, .fds = fds, .nfds = 3, .same_group = true };
	struct child child = CHILD_NONE;

	interrupt_catch("kata-manager", "the program that it runs ends by itself");
	if (interrupt_check(err) < 0 || spawn_start(&s, &child, err) < 0)
		return -1;
	await_end(&child);
	return spawn_wait(&child, DEADLINE_NEVER, status, err);
}

int engine_run(char *const *words, struct err *err)
{
	AUTO(strv) char **argv = command(words);
	int status;

	if (run_here(argv, &status, err) < 0)
		return err->code == E_CANCELLED
			       ? -1
			       : err_hint(err, "kata-deploy must be in the directory "
					       "of kata-manager or in PATH");
	if (status == 0)
		return 0;
	return err_set(err, code_of(status), "kata-deploy %s failed", words[0]);
}

struct json *engine_ask(char *const *words, struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(ANSWER_MAX);
	AUTO(strv) char **argv = command(words);
	struct spawn s = { .argv = argv };
	struct err why = ERR_INIT;
	struct json *j;
	int status;

	strv_push(&argv, "--json");
	s.argv = argv;
	status = spawn_run(&s, NULL, 0, &out, DEADLINE_NEVER, &why);
	if (!out.len) {
		if (status < 0)
			*err = why;
		else
			err_set(err, code_of(status), "kata-deploy %s printed no result", words[0]);
		return NULL;
	}
	j = json_parse(out.data, out.len, "kata-deploy's answer", err);
	if (j && json_kind(j) == JSON_IS_OBJECT)
		return j;
	json_free(j);
	if (!err->code)
		err_set(err, E_PROTOCOL,
			"kata-deploy's answer is not an object; use the kata-deploy of the same "
			"release");
	return NULL;
}

int engine_check(const struct json *answer, struct err *err)
{
	const struct json *problem = json_get(answer, "error"), *status;
	const char *message;

	if (!problem)
		return 0;
	message = json_get_text(problem, "message");
	status = json_kind(problem) == JSON_IS_OBJECT ? json_get(problem, "status") : NULL;
	return err_set(err,
		       status && json_kind(status) == JSON_IS_INT ? code_of((int)json_int(status))
								  : E_FAILED,
		       "%s",
		       message ? message : "kata-deploy refused; run it by itself to see why");
}

static void add(char ***words, const char *option, const char *value)
{
	if (!value)
		return;
	strv_push(words, option);
	strv_push(words, value);
}

void engine_add_place(char ***words)
{
	add(words, "--prefix", engine.prefix);
}

void engine_add_release(char ***words)
{
	engine_add_place(words);
	add(words, "--cri", engine.cri);
	strv_each(release, engine.releases)
		add(words, "--release", *release);
	strv_each(key, engine.keys)
		add(words, "--key", *key);
	strv_each(word, engine.more)
		strv_push(words, *word);
}
