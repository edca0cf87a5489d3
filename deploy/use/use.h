// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Finds the processes and pods that use installed files, so that no file in use is removed. The
 * sources are /proc and the records of the containerds; we keep no list of users, because such a
 * list could be wrong.
 *
 *	AUTO(use_list) struct use_list l = USE_LIST_INIT;
 *	if (use_find("/opt/kata", &l, err) < 0)
 *		return -1;
 *	AUTO(strv) char **ids = use_generations(&l);	// for deploy_gc()
 *
 * A process uses a generation if its executable, or a file that it has mapped as code, belongs to
 * the generation: this finds shims and the programs that shims start. Not counted are processes
 * that only have a file open (tail, a backup), because they keep working after the file is
 * unlinked, and kata-deploy and kata-manager, because the installer of a release may remove that
 * release. A containerd bundle uses the file that its shim-binary-path names: containerd runs that
 * program to clean up after a shim, so without it the pod cannot be removed. Processes that end
 * during the search are ignored.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <sys/types.h>

struct use {
	char *generation; /* id; NULL: the file is below the prefix, but in no generation */
	char *sandbox;    /* id of the pod or container, or NULL */
	char *space;      /* containerd namespace of the sandbox, or NULL */
	char *process;    /* name; NULL: a bundle without a process */
	pid_t pid;        /* 0: a bundle without a process */
	char *path;       /* the file that is used */
};

struct use_list {
	VEC(struct use) rows; /* one per process or bundle and generation */
};
#define USE_LIST_INIT            \
	{                        \
		.rows = VEC_INIT \
	}
void use_list_release(struct use_list *l);
DEFINE_AUTO_STRUCT(use_list, struct use_list, use_list_release)

/* Adds the users of the files below prefix to *out. prefix is a path on the running system; links
 * in it are resolved, in a container (process_see_host()) also those of the host. A prefix that does
 * not exist has no users. Fails if the prefix cannot be resolved, or if it is not known who uses it:
 * /proc or the bundles of a containerd cannot be read. */
MUST_CHECK int use_find(const char *prefix, struct use_list *out, struct err *err);

/* Returns the ids of the generations in use, without duplicates; a strv (NULL if none), freed by
 * the caller. */
char **use_generations(const struct use_list *l);
/* Returns the number of pods (shims, and bundles without a shim) that use generation; NULL: any
 * file below the prefix. */
size_t use_pods(const struct use_list *l, const char *generation);
