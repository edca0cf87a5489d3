// SPDX-License-Identifier: Apache-2.0
/*
 * Docker: runtimes are members of an object in daemon.json, which it reloads on SIGHUP, without an
 * effect on running containers. Its answers are JSON over HTTP.
 */
#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/cri/backend.h"
#include "http/local.h"
#include "json/json.h"

#include <string.h>

enum { INFO_MAX = 4 << 20, SHIMS_SINCE = 23 };

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
	for (size_t i = 0; i < c->o->nhandlers; i++) {
		AUTO(str) char *value = runtime_of(c, &c->o->handlers[i]);

		if (edits_adopt_docker(e, c->config, c->o->handlers[i].name, value, err) < 0)
			return -1;
	}
	return 0;
}

static int answers(const char *socket, struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(4096);

	return http_local_get(socket, "/_ping", deadline, &body, err);
}

/* The document of docker's /info. */
static struct json *info_of(const char *socket, struct deadline deadline, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(INFO_MAX);
	struct json *info;

	if (http_local_get(socket, "/info", deadline, &body, err) < 0)
		return NULL;
	info = json_parse(buf_cstr(&body), body.len, "docker's answer to /info", err);
	if (info && json_kind(info) != JSON_IS_OBJECT) {
		json_free(info);
		(void)err_set(err, E_PROTOCOL, "docker's answer to /info is not an object");
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

/* Version of the running docker, heap; NULL: it does not run, or its answer has none. */
static char *version_of(const struct cri *c)
{
	struct err ignored = ERR_INIT; /* it is queried again before a change */
	AUTO(json) struct json *info = NULL;
	const struct json *version;

	if (!c->running || !c->socket)
		return NULL;
	info = info_of(c->socket, deadline_in(CRI_ASK_MS), &ignored);
	version = info ? json_get(info, "ServerVersion") : NULL;
	return version && json_kind(version) == JSON_IS_STRING ? xstrdup(json_text(version)) : NULL;
}

/* An older docker accepts and lists the members, but cannot run one, so only its version shows
 * that. */
static int check_version(const struct cri *c, struct err *err)
{
	AUTO(str) char *version = version_of(c);

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

static const char *const exes[] = { "dockerd", NULL };
static const char *const marks[] = { "/etc/docker", "/usr/bin/dockerd", "/usr/sbin/dockerd", NULL };
static const char *const binaries[] = { "/usr/bin/dockerd", "/usr/sbin/dockerd", NULL };
static const char *const units[] = { "docker", NULL };

const struct cri_backend backend_docker = {
	.name = "docker",
	.config = "/etc/docker/daemon.json",
	.socket = "/var/run/docker.sock",
	.exes = exes,
	.marks = marks,
	.binaries = binaries,
	.units = units,
	.restart = RESTART_HANGUP,
	.edit = edit,
	.adopt = adopt,
	.answers = answers,
	.served = served,
};
