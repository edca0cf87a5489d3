// SPDX-License-Identifier: Apache-2.0
/*
 * Docker: runtimes are members of an object in daemon.json, which it reads anew on SIGHUP, so that
 * no container is disturbed. Its answers are JSON over HTTP.
 */
#include "base/mem.h"
#include "deploy/cri/cri-internal.h"
#include "http/local.h"

#include <string.h>

enum { INFO_MAX = 4 << 20 };

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

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	for (size_t i = 0; i < c->o->nhandlers; i++) {
		AUTO(str) char *value = runtime_of(c, &c->o->handlers[i]);

		if (edit_docker(e, c->config, c->o->handlers[i].name, value, err) < 0)
			return -1;
	}
	return 0;
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

static int served(const char *socket, struct deadline deadline, char ***out, struct err *err)
{
	AUTO(buf) struct buf body = BUF_INIT(INFO_MAX);
	const struct json *runtimes;

	if (http_local_get(socket, "/info", deadline, &body, err) < 0)
		return -1;
	AUTO(json)
	struct json *info = json_parse(buf_cstr(&body), body.len, "docker's answer to /info", err);
	if (!info)
		return -1;
	runtimes = json_kind(info) == JSON_IS_OBJECT ? json_get(info, "Runtimes") : NULL;
	if (!runtimes || json_kind(runtimes) != JSON_IS_OBJECT)
		return err_set(err, E_UNSUPPORTED, "docker does not list runtimes");
	for (void *it = json_begin(runtimes); it; it = json_after(runtimes, it))
		strv_push(out, json_key(it));
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
