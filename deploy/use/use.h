// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Who uses what was laid down: asked from the kernel and from the container managers' own records,
 * never from a list of ours that could be wrong.
 *
 *	AUTO(use_list) struct use_list l = USE_LIST_INIT;
 *	if (use_find("/opt/kata", &l, err) < 0)
 *		return -1;
 *	AUTO(strv) char **ids = use_generations(&l);	// for deploy_gc()
 *
 * A process uses a generation if it executes, maps or holds open a file of it: shims, and whatever
 * they start from there. A containerd bundle uses what its shim-binary-path leads to: containerd
 * calls that program to clean up after the shim, so a file that is missing there loses the pod.
 * Processes that end while we look are passed over.
 */

#include "base/err.h"
#include "base/scope.h"
#include "base/vec.h"

#include <sys/types.h>

struct use {
	char *generation; /* id; NULL: something else below the prefix */
	char *sandbox;    /* id of the pod or container, if it is one's */
	char *space;      /* its namespace (containerd's), or NULL */
	char *process;    /* name; NULL: a bundle without a process */
	pid_t pid;        /* 0: likewise */
	char *path;       /* what is used */
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

/* prefix: as the running system sees it; links in it are resolved. A prefix that does not exist has
 * no users. */
MUST_CHECK int use_find(const char *prefix, struct use_list *out, struct err *err);

/* The ids that are in use, each once; heap. */
char **use_generations(const struct use_list *l);
/* How many pods (bundles or shims) use that generation; NULL: any. */
size_t use_pods(const struct use_list *l, const char *generation);
