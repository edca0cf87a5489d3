// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of Docker. Its runtimes are members of an object in daemon.json, which it reads
 * again on SIGHUP, without an effect on running containers. It answers in JSON over HTTP.
 */
#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/copies.h"
#include "http/local.h"
#include "json/json.h"

#include <fcntl.h>
#include <string.h>

enum { INFO_MAX = 4 << 20, SHIMS_SINCE = 23, VALIDATE_MS = 30000 };

static char *runtime_of(const struct cri *c, const struct cri_handler *h)
{
	AUTO(json) struct json *j = json_make_object();
	AUTO(str) char *shim = cri_shim(c);
	struct json *options;

	json_put(j, "runtimeType", json_make_string(shim));
	if (h->config) {
		options = json_make_object();
		json_put(options, "ConfigPath", json_make_string(h->config));
		json_put(j, "options", options);
	}
	return json_format(j, false);
}

static int adopt(const struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *shim = cri_shim(c);

	return edits_adopt_docker(e, c->config, shim, err);
}

static int answers(const char *socket, struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(4096);

	return http_local_get(socket, "/_ping", deadline, &body, err);
}

/* Returns docker's answer to /info, an object; the caller frees it. */
static struct json *info_of(const char *socket, struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(INFO_MAX);
	struct json *info;

	if (http_local_get(socket, "/info", deadline, &body, err) < 0)
		return NULL;
	info = json_parse(buf_cstr(&body), body.len, "docker's answer to /info", err);
	if (info && json_kind(info) != JSON_IS_OBJECT) {
		json_free(info);
		(void)err_set(err, E_PROTOCOL,
			      "docker's answer to /info is not an object; look into its log");
		return NULL;
	}
	return info;
}

static int served(const char *socket, struct deadline deadline, char ***out, struct err *err)
{
	AUTO(json) struct json *info = info_of(socket, deadline, err);
	const struct json *runtimes;

	if (!info)
		return -1;
	runtimes = json_get(info, "Runtimes");
	if (!runtimes || json_kind(runtimes) != JSON_IS_OBJECT)
		return err_set(err, E_UNSUPPORTED, "docker does not list runtimes; update it");
	for (void *it = json_begin(runtimes); it; it = json_after(runtimes, it))
		strv_push(out, json_key(it));
	return 0;
}

/* Returns the version of the running docker, heap; NULL: it does not run, or does not answer yet. */
static char *version_running(const struct cri *c)
{
	struct err ignored = ERR_INIT; /* reported by the query before a change */
	AUTO(json) struct json *info = NULL;
	const struct json *version;

	if (!c->running || !c->socket)
		return NULL;
	info = info_of(c->socket, deadline_in(CRI_ASK_MS), &ignored);
	version = info ? json_get(info, "ServerVersion") : NULL;
	return version && json_kind(version) == JSON_IS_STRING ? xstrdup(json_text(version)) : NULL;
}

/* An older docker accepts and lists such runtimes but cannot run them: only its version tells. */
static int check_version(const struct cri *c, struct err *err)
{
	AUTO(str) char *running = version_running(c);
	/* One that is being started is of the version of its program. */
	const char *version = running ? running : c->version;

	if (!version || version_major(version) >= SHIMS_SINCE)
		return 0;
	err_set(err, E_UNSUPPORTED,
		"docker %s does not support shims as runtimes, only %d and later do", version,
		SHIMS_SINCE);
	return err_hint(err, "update docker, or choose another manager with --cri");
}

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	if (check_version(c, err) < 0)
		return -1;
	for (size_t i = 0; i < c->o->nhandlers; i++) {
		AUTO(str) char *value = runtime_of(c, &c->o->handlers[i]);

		if (edit_docker(e, c->config, c->o->handlers[i].name, value, err) < 0)
			return -1;
	}
	return 0;
}

/* --- its process --- */

/* The snap's docker runs with the path of its revision, which the next refresh replaces: use the
 * link "current". */
static char *config_of(const struct process *p)
{
	static const char snap[] = "/var/snap/docker/";
	const char *path = process_option(p, "config-file", NULL);

	if (!path || *path != '/')
		return NULL;
	if (!str_starts(path, snap))
		return xstrdup(path);
	path += strlen(snap);
	return str_fmt("%scurrent%s", snap, path + strcspn(path, "/"));
}

/* Returns the value of -H or --host in argv[0], or in argv[1]; NULL: argv[0] is another option. */
static const char *host_in(char *const *argv)
{
	const char *word = argv[0];

	if (str_eq(word, "-H") || str_eq(word, "--host"))
		return argv[1];
	if (str_starts(word, "--host="))
		return word + strlen("--host=");
	if (!str_starts(word, "-H"))
		return NULL;
	return word[2] == '=' ? word + 3 : word + 2;
}

/* Returns its first Unix socket, heap: it may listen on several hosts, and on fds of systemd. */
static char *socket_of(const struct process *p)
{
	strv_each(arg, p->argv) {
		const char *host = host_in(arg);

		if (host && str_starts(host, "unix:///"))
			return xstrdup(host + strlen("unix://"));
	}
	return NULL;
}

/* --- its check --- */

/* Returns 1 if dockerd accepts the file, 0 if this version has no such check. E_CONFIG: it does
 * not. */
static int validate(const struct cri *c, const char *path, struct err *err)
{
	struct spawn s = { .argv = ARGV(c->binary, "--validate", "--config-file", path) };
	int code = spawn_run(&s, NULL, 0, NULL, deadline_in(VALIDATE_MS), err);

	if (code == 0)
		return 1;
	if (code > 0 && strstr(err->msg, "unknown flag")) {
		err_clear(err);
		return 0;
	}
	if (code > 0)
		err->code = E_CONFIG;
	return -1;
}

static int check_files(const struct cri *c, struct edits *e, const char *config, struct err *err)
{
	AUTO(copies) struct copies all = COPIES_INIT;
	AUTO(str) char *copy = NULL;
	const char *text;
	int there = path_look(AT_FDCWD, config, err), can;

	if (there < 0)
		return -1;
	can = there ? validate(c, config, err) : 1;
	if (can < 0)
		return err_wrap(err, "docker does not accept the current %s", config);
	if (!can || edits_read(e, config, &text, err) < 0)
		return can ? -1 : 0;
	if (!text)
		return 1;
	copy = copies_add(&all, text, err);
	if (!copy)
		return -1;
	can = validate(c, copy, err);
	return can < 0 ? err_wrap(err, "docker would not accept the new %s", config) : can;
}

/* Docker keeps running after a reload of an invalid file, but cannot start with it: so the file is
 * checked before. */
static int check(struct cri *c, struct edits *e, const char *config, char **why, struct err *err)
{
	int can = *c->root || !c->binary ? 0 : check_files(c, e, config, err);

	if (can == 0)
		*why = xstrdup(*c->root     ? "not checked: it is below another root"
			       : !c->binary ? "not checked: the dockerd program was not found"
					    : "not checked: this dockerd has no --validate");
	return can < 0 ? -1 : 0;
}

static const char *const exes[] = { "dockerd", NULL };
static const char *const marks[] = { "/etc/docker", "/usr/bin/dockerd", "/usr/sbin/dockerd", NULL };
static const char *const binaries[] = { "/usr/bin/dockerd", "/usr/sbin/dockerd", NULL };
static const char *const units[] = { "docker", "snap.docker.dockerd", NULL };

const struct cri_backend backend_docker = {
	.name = "docker",
	.config = "/etc/docker/daemon.json",
	.other_config = "/var/snap/docker/current/config/daemon.json",
	.socket = "/var/run/docker.sock",
	.exes = exes,
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.config_of = config_of,
	.socket_of = socket_of,
	.check = check,
	.restart = RESTART_HANGUP,
	.edit = edit,
	.adopt = adopt,
	.answers = answers,
	.served = served,
};
