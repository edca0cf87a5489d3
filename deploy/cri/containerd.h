// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What containerd and the managers that bring a containerd of their own have in common.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "deploy/cri/backend.h"
#include "toml/toml.h"

#include <stdbool.h>

extern const char *const containerd_own[];
/* The edits of a containerd with that root configuration. */
MUST_CHECK int containerd_edit(struct cri *c, struct edits *e, struct err *err);
/* The version of a root file; 1 for one without a version, 0 for an empty one. */
MUST_CHECK int containerd_schema(const struct toml_value *root, struct err *err);
/* Writes our drop-in. */
MUST_CHECK int containerd_dropin(struct cri *c, struct edits *e, const char *path, int schema,
				 struct err *err);
/* Adds our lines at the end of a file; runc: with the built-in runtime runc too. */
MUST_CHECK int containerd_block(struct cri *c, struct edits *e, const char *path, const char *fresh,
				int schema, bool runc, struct err *err);
/* Marks in c->have the handlers that the root file and its imports have. */
MUST_CHECK int containerd_look(struct cri *c, struct edits *e, const struct toml_value *root,
			       struct err *err);
/* The path of a file in the directory of config; heap. */
char *beside(const char *config, const char *name);
/* The files that the root file imports, patterns expanded, in order; strv of paths without
 * --root. */
char **import_files(const struct cri *c, const struct toml_value *root, const char *config);
/* The same for the root file on disk; NULL if it cannot be read. */
char **containerd_imported(const struct cri *c);
/* True if an element of imports names or matches path. */
bool import_has(const struct cri *c, const struct toml_value *root, const char *config,
		const char *path);
/* Checks that the new configuration, as dumped by containerd itself, differs from the current one
 * in our handlers only. If that cannot be checked, *why (heap) says why and it succeeds.
 * E_CONFIG. */
MUST_CHECK int containerd_check(struct cri *c, struct edits *e, const char *config, char **why,
				struct err *err);
/* Of its options --config and --address. */
char *containerd_config_of(const struct process *p);
char *containerd_socket_of(const struct process *p);
MUST_CHECK int containerd_answers(const char *socket, struct deadline deadline, struct err *err);
