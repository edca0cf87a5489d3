// SPDX-License-Identifier: Apache-2.0
/* kata-manager try: runs a container in a VM, with the client that is installed. */

#include "utils/manager/manager.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "cli/advice.h"
#include "utils/manager/engine.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PREFIX "/opt/kata"

enum { ASK_MS = 20000, RUNTIMES_MAX = 1 << 20 };

/* The clients in the order in which they are tried. podman is missing, since it cannot start
 * shims. */
static const struct client {
	const char *name;
	const char *ask; /* succeeds if the client's server answers */
	const char
		*runtimes; /* prints the runtimes that it knows by name; NULL: it starts a shim */
	const char *pull;  /* NULL: run pulls the image */
	const char *run;   /* with @shim, @tty, @id and @image; the container's command follows */
} clients[] = {
	{ "nerdctl", "nerdctl info", NULL, NULL,
	  "run --rm @tty --network none --runtime @shim @image" },
	{ "docker", "docker info", "docker info --format {{.Runtimes|json}}", NULL,
	  "run --rm @tty --network none --runtime kata @image" },
	{ "ctr", "ctr version", NULL, "images pull @image",
	  "run --rm @tty --runtime @shim @image @id" },
};

static bool is_in_path(const char *program)
{
	AUTO(strv) char **dirs = strv_split(getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin", ":");

	strv_each(dir, dirs) {
		AUTO(str) char *path = str_fmt("%s/%s", *dir, program);

		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

static bool has_kata(const struct client *c)
{
	AUTO(strv) char **argv = c->runtimes ? strv_split(c->runtimes, " ") : NULL;
	AUTO(buf) struct buf out = BUF_INIT(RUNTIMES_MAX);
	struct spawn s = { .argv = argv };
	struct err ignored = ERR_INIT; /* then it has not */
	AUTO(json) struct json *list = NULL;

	if (!argv)
		return true;
	if (spawn_run(&s, NULL, 0, &out, deadline_in(ASK_MS), &ignored) == 0)
		list = json_parse(out.data, out.len, "docker's runtimes", &ignored);
	return list && json_kind(list) == JSON_IS_OBJECT && json_get(list, "kata");
}

/* Returns false with the reason in *why (heap). */
static bool can_start(const struct client *c, char **why)
{
	AUTO(strv) char **argv = strv_split(c->ask, " ");
	struct spawn s = { .argv = argv };
	struct err err = ERR_INIT;

	if (!is_in_path(c->name)) {
		*why = str_fmt("%s is not in PATH", c->name);
		return false;
	}
	if (spawn_run(&s, NULL, 0, NULL, deadline_in(ASK_MS), &err) != 0) {
		*why = str_fmt("the server of %s does not answer (%s)", c->name, err.msg);
		return false;
	}
	if (has_kata(c))
		return true;
	*why = str_fmt("%s does not have the runtime kata: kata-manager install --cri %s", c->name,
		       c->name);
	return false;
}

static const struct client *choose(struct err *err)
{
	AUTO(strv) char **looked_at = NULL;
	AUTO(str) char *all = NULL;

	for (size_t i = 0; i < ARRAY_LEN(clients); i++) {
		AUTO(str) char *why = NULL;

		if (options.with && !str_eq(options.with, clients[i].name))
			continue;
		if (can_start(&clients[i], &why))
			return &clients[i];
		strv_push(&looked_at, why);
	}
	if (!looked_at) {
		err_set(err, E_USAGE,
			"--with %s is not supported; there are nerdctl, docker and ctr",
			options.with);
		return NULL;
	}
	if (!options.with && is_in_path("podman"))
		strv_push(&looked_at, "podman cannot start containers through a containerd shim");
	all = strv_join(looked_at, "; ");
	err_set(err, E_NOT_FOUND, "no client can start a container: %s", all);
	(void)err_hint(err,
		       "start containerd or docker, or install a client: nerdctl, docker or ctr");
	return NULL;
}

/* Returns the full name of an image, heap: ctr requires it, the others accept it. */
static char *full_name(const char *image)
{
	const char *slash = strchr(image, '/'), *last = slash ? strrchr(image, '/') : image;
	const char *tag = strchr(last, ':') || strchr(last, '@') ? "" : ":latest";
	bool host = slash && (memchr(image, '.', (size_t)(slash - image)) ||
			      memchr(image, ':', (size_t)(slash - image)) ||
			      strncmp(image, "localhost/", 10) == 0);

	return str_fmt("%s%s%s",
		       host    ? ""
		       : slash ? "docker.io/"
			       : "docker.io/library/",
		       image, tag);
}

static char **command(const struct client *c, const char *words, const char *image)
{
	AUTO(strv) char **list = strv_split(words, " ");
	char **argv = NULL;

	strv_push(&argv, c->name);
	strv_each(word, list) {
		if (str_eq(*word, "@image"))
			strv_push(&argv, image);
		else if (str_eq(*word, "@id"))
			strv_pushf(&argv, "kata-try-%d", (int)getpid());
		else if (str_eq(*word, "@shim"))
			strv_pushf(&argv, "%s/bin/containerd-shim-kata-v2",
				   engine.prefix ? engine.prefix : PREFIX);
		else if (!str_eq(*word, "@tty"))
			strv_push(&argv, *word);
		else if (isatty(0) && isatty(1))
			strv_push(&argv, str_eq(c->name, "ctr") ? "-t" : "-it");
		else if (!str_eq(c->name, "ctr"))
			strv_push(&argv, "-i");
	}
	return argv;
}

static int prove(struct err *err)
{
	AUTO(strv) char **words = NULL;

	strv_push(&words, "prove");
	if (options.json)
		strv_push(&words, "--json");
	engine_add_place(&words);
	return engine_run(words, err);
}

int manager_try(int argc, char **argv, struct err *err)
{
	AUTO(str) char *image = argc ? full_name(argv[0]) : NULL;
	AUTO(strv) char **words = NULL;
	const struct client *c;
	int status = 0;

	if (!argc)
		return prove(err);
	c = choose(err);
	if (!c)
		return -1;
	if (c->pull) {
		AUTO(strv) char **pull = command(c, c->pull, image);

		if (run_here(pull, &status, err) < 0)
			return -1;
		/* The image may be present already, without a network. */
		if (status != 0)
			(void)fprintf(stderr,
				      "kata-manager: cannot pull %s, trying the local image\n",
				      image);
	}
	words = command(c, c->run, image);
	for (int i = 1; i < argc; i++)
		strv_push(&words, argv[i]);
	if (run_here(words, &status, err) < 0)
		return -1;
	advice_option("--prefix", engine.prefix);
	return status == 0 ? 0
			   : err_set(err, E_FAILED,
				     "the container ended with status %d, as its command did; "
				     "%s checks whether VMs run",
				     status, advice("prove"));
}
