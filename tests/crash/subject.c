// SPDX-License-Identifier: Apache-2.0
/*
 * The program that the crash walk kills: subject NODE VERB [VERSION]. NODE/opt/new/kata is the
 * prefix, whose parents are missing, NODE/etc a container manager's configuration, of which config.toml
 * is the administrator's.
 */

#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/str.h"
#include "deploy/engine/engine.h"
#include "tests/crash/release.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADMINS "# the administrator's\nversion = 2\n"

struct run {
	const char *node, *version;
	char *config, *dropin, *config_text, *dropin_text;
	struct deploy_file files[2];
	struct deploy_step step;
	struct deploy_change change;
};

/* A step: writes to NODE/etc/served what the container manager was told last. */
static int told(const char *node, const char *text, struct err *err)
{
	AUTO(str) char *path = str_fmt("%s/etc/served", node);
	struct file_new how = { ".served.new", 0644, (uid_t)-1, (gid_t)-1, NULL };

	return file_replace_via(AT_FDCWD, path, text, strlen(text), &how, err);
}

static int tell_prepare(const struct deploy_step *step, struct json *record, struct err *err)
{
	const struct run *r = step->arg;
	AUTO(str) char *path = str_fmt("%s/etc/served", r->node);
	AUTO(str) char *was = file_read_line(AT_FDCWD, path, err);

	if (!was)
		return -1;
	json_put(record, "was", json_make_string(was));
	return 0;
}

static int tell_apply(const struct deploy_step *step, const struct json *record, struct err *err)
{
	const struct run *r = step->arg;

	(void)record;
	return told(r->node, r->version, err);
}

static int tell_undo(void *context, const struct json *record, struct err *err)
{
	const struct run *r = context;
	AUTO(str) char *tmp = str_fmt("%s/etc/.served.new", r->node);

	if (unlink(tmp) < 0 && errno != ENOENT)
		return err_sys(err, "remove %s", tmp);
	return told(r->node, json_text(json_get(record, "was")), err);
}

static const struct deploy_step_ops tell = { "tell", tell_prepare, tell_apply, tell_undo, NULL };
static const struct deploy_step_ops *const kinds[] = { &tell, NULL };

static void prepare(struct run *r, const char *verb)
{
	bool gone = str_eq(verb, "uninstall");

	r->config = str_fmt("%s/etc/config.toml", r->node);
	r->dropin = str_fmt("%s/etc/conf.d/deep/50-kata.toml", r->node);
	r->config_text = str_fmt(ADMINS "%s", gone ? "" : "imports = [\"conf.d/*.toml\"]\n");
	r->dropin_text = gone ? NULL : str_fmt("runtime = \"kata %s\"\n", r->version);
	r->files[0] = (struct deploy_file){ .path = r->dropin,
					    .data = r->dropin_text,
					    .len = gone ? 0 : strlen(r->dropin_text),
					    .mode = 0600 };
	r->files[1] = (struct deploy_file){ .path = r->config,
					    .data = r->config_text,
					    .len = strlen(r->config_text) };
	r->step = (struct deploy_step){ .ops = &tell, .name = "tell the manager", .arg = r };
	r->change = (struct deploy_change){ .files = r->files,
					    .nfiles = 2,
					    .steps = &r->step,
					    .nsteps = 1,
					    .extra = "{\"handlers\":[\"kata\"]}" };
}

static int install(struct deploy *d, struct run *r, struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;
	int dir = deploy_stage(d, "release", err);

	release_make(r->version, &l, err);
	if (dir < 0 || release_unpack(r->version, dir, err) < 0 || close(dir) < 0)
		return -1;
	return deploy_lay_down(d, &l, "release", &r->change, err);
}

static int rollback(struct deploy *d, struct run *r, struct err *err)
{
	AUTO(layout) struct layout l = LAYOUT_INIT;

	release_make(r->version, &l, err);
	return deploy_rollback(d, l.id, &r->change, err);
}

static int repair(struct deploy *d, struct run *r, struct err *err)
{
	int dir = deploy_stage(d, "release", err);

	if (dir < 0 || release_unpack(r->version, dir, err) < 0 || close(dir) < 0)
		return -1;
	return deploy_repair(d, "release", err);
}

static void complain(void *arg, const char *path, const char *what)
{
	(void)arg;
	(void)fprintf(stderr, "%s: %s\n", path, what);
}

static int verify(struct deploy *d, struct err *err)
{
	int n = deploy_verify(d, DEPLOY_HASH, complain, NULL, err);

	return n > 0 ? err_set(err, E_STATE, "%d things are not right", n) : n;
}

/* Two changes without a journal: the walk must notice this one. */
static int careless(struct run *r, struct err *err)
{
	static const char *const names[] = { "one", "two" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(str) char *path = str_fmt("%s/etc/%s", r->node, names[i]);

		if (file_replace(AT_FDCWD, path, "x", 1, 0644, err) < 0)
			return -1;
	}
	return 0;
}

static int dispatch(struct deploy *d, struct run *r, const char *verb, struct err *err)
{
	if (str_eq(verb, "install"))
		return install(d, r, err);
	if (str_eq(verb, "rollback"))
		return rollback(d, r, err);
	if (str_eq(verb, "uninstall"))
		return deploy_uninstall(d, &r->change, err);
	if (str_eq(verb, "gc"))
		return deploy_gc(d, NULL, err);
	if (str_eq(verb, "verify"))
		return verify(d, err);
	if (str_eq(verb, "repair"))
		return repair(d, r, err);
	if (str_eq(verb, "careless"))
		return careless(r, err);
	return str_eq(verb, "recover") ? 0 : err_set(err, E_USAGE, "verb '%s'", verb);
}

static int run(struct run *r, const char *verb, struct err *err)
{
	AUTO(str)
	char *prefix = str_fmt("%s/opt/new/kata", r->node), *lock = str_fmt("%s.lock", r->node);
	struct deploy_options o = {
		.prefix = prefix, .lock = lock, .now = 1000, .kinds = kinds, .context = r
	};
	AUTO(deploy) struct deploy *d = NULL;

	prepare(r, verb);
	if (deploy_open(&o, DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	return dispatch(d, r, verb, err);
}

int main(int argc, char **argv)
{
	struct run r = { .node = argc > 1 ? argv[1] : "", .version = argc > 3 ? argv[3] : "none" };
	struct err err = ERR_INIT;
	int rc;

	(void)umask(022);
	log_set_level(LOG_ERROR);
	interrupt_catch("subject", "one moment");
	if (argc < 3)
		return 2;
	rc = run(&r, argv[2], &err);
	free(r.config);
	free(r.dropin);
	free(r.config_text);
	free(r.dropin_text);
	if (rc == 0 && interrupt_signal())
		rc = err_set(&err, E_CANCELLED, "finished in spite of it");
	if (rc == 0)
		return 0;
	(void)fprintf(stderr, "subject %s: %s\n", argv[2], err.msg);
	return err_exit_status(err.code);
}
