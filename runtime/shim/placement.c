// SPDX-License-Identifier: Apache-2.0
/* The server's cgroup, if containerd asks for one, and its OOM score relative to containerd's. */

#include "shim/placement.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "protocols/bootstrap.pb-c.h"
#include "protocols/google/protobuf/any.pb-c.h"
#include "protocols/runcoptions.pb-c.h"
#include "protocols/runctypes.pb-c.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CGROUPS "/sys/fs/cgroup"

enum { OPTIONS_MAX = 1 << 20, SCORE_MAX = 1000 };

/* --- control group --- */

static int join(const char *root, const char *cgroup, const char *pid, struct err *err)
{
	AUTO(str) char *raw = str_fmt("%s/%s/cgroup.procs", root, cgroup);
	AUTO(str) char *path = path_clean(raw);

	if (!path_is_below(path, root))
		return err_set(err, E_INVALID, "control group %s of the shim: leads elsewhere",
			       cgroup);
	return file_write(AT_FDCWD, path, pid, err) < 0
		       ? err_wrap(err, "control group %s of the shim", cgroup)
		       : 0;
}

/* Joins the cgroup in every hierarchy of cgroup v1 that has it. */
static int join_v1(const char *cgroup, const char *pid, struct err *err)
{
	DIR *dir = opendir(CGROUPS);
	const struct dirent *e;
	unsigned joined = 0;

	while (dir && !err->code && (e = readdir(dir)) != NULL) {
		AUTO(str) char *root = path_join(CGROUPS, e->d_name);
		AUTO(str) char *there = path_join(root, cgroup);

		/* Names like "cpu" are links to "cpu,cpuacct". */
		if (e->d_type == DT_DIR && e->d_name[0] != '.' && path_exists(there) &&
		    join(root, cgroup, pid, err) == 0)
			joined++;
	}
	if (dir)
		(void)closedir(dir);
	if (!err->code && !joined)
		err_set(err, E_NOT_FOUND,
			"control group %s of the shim: not in any cgroup hierarchy", cgroup);
	return err->code ? -1 : 0;
}

static char *cgroup_of_options(const ProtobufCBinaryData *value)
{
	Containerd__Runc__V1__Options *options =
		containerd__runc__v1__options__unpack(NULL, value->len, value->data);
	char *cgroup = options && !str_empty(options->shim_cgroup) ? xstrdup(options->shim_cgroup)
								   : NULL;

	if (options)
		containerd__runc__v1__options__free_unpacked(options, NULL);
	return cgroup;
}

/* The options' type that containerd's client library sends to a runtime not named
 * io.containerd.runc. */
static char *cgroup_of_create_options(const ProtobufCBinaryData *value)
{
	Containerd__Linux__Runc__CreateOptions *options =
		containerd__linux__runc__create_options__unpack(NULL, value->len, value->data);
	char *cgroup = options && !str_empty(options->shim_cgroup) ? xstrdup(options->shim_cgroup)
								   : NULL;

	if (options)
		containerd__linux__runc__create_options__free_unpacked(options, NULL);
	return cgroup;
}

static char *cgroup_of_any(const Google__Protobuf__Any *any)
{
	if (str_eq(any->type_url, "containerd.runc.v1.Options"))
		return cgroup_of_options(&any->value);
	if (str_eq(any->type_url, "containerd.linux.runc.CreateOptions"))
		return cgroup_of_create_options(&any->value);
	return NULL;
}

/* As containerd sends it before version 2.3. */
static char *cgroup_of_bare_options(const struct buf *text)
{
	Google__Protobuf__Any *any = google__protobuf__any__unpack(NULL, text->len,
								   (const uint8_t *)text->data);
	char *cgroup = any ? cgroup_of_any(any) : NULL;

	if (any)
		google__protobuf__any__free_unpacked(any, NULL);
	return cgroup;
}

static char *cgroup_of_bootstrap(const struct buf *text)
{
	Containerd__Runtime__Bootstrap__V1__BootstrapParams *params =
		containerd__runtime__bootstrap__v1__bootstrap_params__unpack(
			NULL, text->len, (const uint8_t *)text->data);
	char *cgroup = NULL;

	for (size_t i = 0; params && !cgroup && i < params->n_extensions; i++) {
		if (params->extensions[i]->value)
			cgroup = cgroup_of_any(params->extensions[i]->value);
	}
	if (params)
		containerd__runtime__bootstrap__v1__bootstrap_params__free_unpacked(params, NULL);
	return cgroup;
}

/* The cgroup in the options, heap, or NULL. */
static char *asked_cgroup(int in, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(OPTIONS_MAX);
	char *cgroup;

	if (isatty(in))
		return NULL;
	if (file_read_fd(in, "the options", OPTIONS_MAX, &text, err) < 0 || !text.len)
		return NULL;
	cgroup = cgroup_of_bare_options(&text);
	return cgroup ? cgroup : cgroup_of_bootstrap(&text);
}

int placement_join_cgroup(int in, pid_t server, struct err *err)
{
	AUTO(str) char *cgroup = asked_cgroup(in, err);
	AUTO(str) char *pid = str_fmt("%d", (int)server);

	if (err->code || !cgroup)
		return err->code ? -1 : 0;
	return path_exists(CGROUPS "/cgroup.controllers") ? join(CGROUPS, cgroup, pid, err)
							  : join_v1(cgroup, pid, err);
}

/* --- memory --- */

int placement_score(pid_t containerd, pid_t server, struct err *err)
{
	AUTO(str) char *theirs = str_fmt("/proc/%d/oom_score_adj", (int)containerd);
	AUTO(str) char *ours = str_fmt("/proc/%d/oom_score_adj", (int)server);
	AUTO(str) char *text = file_read_line(AT_FDCWD, theirs, err);
	AUTO(str) char *score = NULL;
	long adjusted;

	if (!text)
		return -1;
	adjusted = strtol(text, NULL, 10) + 1;
	score = str_fmt("%ld", adjusted < SCORE_MAX ? adjusted : (long)SCORE_MAX);
	return file_write(AT_FDCWD, ours, score, err);
}
