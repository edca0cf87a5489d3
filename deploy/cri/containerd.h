// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Functions for containerd's configuration, for its own back end and for those of managers that
 * include a containerd. Paths are as containerd sees them: without --root.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "deploy/cri/backend.h"
#include "toml/toml.h"

#include <stdbool.h>

extern const char *const containerd_own[];     /* cri_backend.own */
extern const char *const containerd_clients[]; /* cri_backend.clients */
/* cri_backend.edit for a containerd whose root file is c->config. */
MUST_CHECK int containerd_edit(struct cri *c, struct edits *e, struct err *err);
/* Returns the version of a root file: 1 for a file without one, 0 for an empty file. E_CONFIG. */
MUST_CHECK int containerd_schema(const struct toml_value *root, struct err *err);
/* Adds the edit that writes our drop-in. */
MUST_CHECK int containerd_dropin(struct cri *c, struct edits *e, const char *path, int schema,
				 struct err *err);
/* Adds the edit that appends our lines to a file; runc: with a table for the runtime runc. */
MUST_CHECK int containerd_block(struct cri *c, struct edits *e, const char *path, const char *fresh,
				int schema, bool runc, struct err *err);
/* Marks in c->have the handlers that the root file and its imports have; _look_at(): those of one
 * file, which need not exist. */
MUST_CHECK int containerd_look(struct cri *c, struct edits *e, const struct toml_value *root,
			       struct err *err);
MUST_CHECK int containerd_look_at(struct cri *c, struct edits *e, const char *path,
				  struct err *err);
/* To call after that for the file with our handlers: handlers_own(). */
MUST_CHECK int containerd_own_handlers(struct cri *c, struct edits *e, const char *path,
				       struct err *err);
/* Returns the path of a file in the directory of config, heap. */
char *beside(const char *config, const char *name);
/* Returns the files that the root file config imports, patterns expanded, in order; strv, which the
 * caller frees. */
char **import_files(const struct cri *c, const struct toml_value *root, const char *config);
/* The same for c->config on disk; NULL if it cannot be read. */
char **containerd_imported(const struct cri *c);
/* True if an element of imports names or matches path. */
bool import_has(const struct cri *c, const struct toml_value *root, const char *config,
		const char *path);
/* cri_backend.check: E_CONFIG if the new configuration, as containerd itself dumps it, differs from
 * the current one in more than our handlers. Succeeds with *why (heap) if that cannot be
 * checked. */
MUST_CHECK int containerd_check(struct cri *c, struct edits *e, const char *config, char **why,
				struct err *err);
/* True if p is the containerd of an RKE2, wherever the data of that is. */
bool k3s_starts(const struct process *p);
/* True if p is the containerd of k0s, wherever the data of that is. */
bool k0s_starts(const struct process *p);
/* The values of its options --config and --address, heap, or NULL. */
char *containerd_config_of(const struct process *p);
char *containerd_socket_of(const struct process *p);
/* cri_backend.answers, for any server of CRI. */
MUST_CHECK int containerd_answers(const char *socket, struct deadline deadline, struct err *err);
