// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Queries a container manager through its CRI socket.
 *
 *	AUTO(strv) char **names = NULL;
 *	if (cri_client_handlers(socket, deadline_in(5000), &names, err) < 0)
 *		return -1;
 *
 * Errors are those of http/grpc.h; E_UNSUPPORTED if the answer lacks what was asked for.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stddef.h>

struct cri_version {
	char *name, *version, *api; /* "containerd", "1.6.20", "v1" */
};
void cri_version_release(struct cri_version *v);
DEFINE_AUTO_STRUCT(cri_version, struct cri_version, cri_version_release)

MUST_CHECK int cri_client_version(const char *socket, struct deadline deadline,
				  struct cri_version *out, struct err *err);
/* The names of the runtime handlers that it serves; the caller frees them with strv_free(). */
MUST_CHECK int cri_client_handlers(const char *socket, struct deadline deadline, char ***out,
				   struct err *err);

/* Extracts the names from the bytes of a StatusResponse; for tests and fuzzing. */
MUST_CHECK int cri_client_read_handlers(const void *data, size_t len, char ***out, struct err *err);
