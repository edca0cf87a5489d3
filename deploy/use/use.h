// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Finds the users of installed files: from /proc and the container managers' own records, never
 * from a list of ours that could be wrong.
 *
 *	AUTO(use_list) struct use_list l = USE_LIST_INIT;
 *	if (use_find("/opt/kata", &l, err) < 0)
 *		return -1;
 *	AUTO(strv) char **ids = use_generations(&l);	// for deploy_gc()
 *
 * A process uses a generation if it executes a file of it, or has mapped its code: shims, and the
 * programs they start. Who only reads one (tail, a backup) can go on without its name; and the
 * installer itself, kata-deploy and kata-manager, does not keep a release from being removed. A
 * containerd bundle uses the file of its shim-binary-path: containerd runs
 * that program to clean up after the shim, so without it the pod cannot be removed. Processes that
 * end during the search are ignored.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <sys/types.h>

struct use {
	char *generation; /* id; NULL: something else below the prefix */
	char *sandbox;    /* id of the pod or container, or NULL */
	char *space;      /* its containerd namespace, or NULL */
	char *process;    /* name; NULL: a bundle without a process */
	pid_t pid;        /* 0 likewise */
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

/* prefix: a path on the running system; links in it are resolved. A prefix that does not exist has
 * no users. */
MUST_CHECK int use_find(const char *prefix, struct use_list *out, struct err *err);

/* The ids of the generations in use, without duplicates; strv, freed by the caller. */
char **use_generations(const struct use_list *l);
/* Number of pods (bundles or shims) that use that generation; NULL: any generation. */
size_t use_pods(const struct use_list *l, const char *generation);
