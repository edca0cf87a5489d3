// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Asking a container manager through its CRI socket.
 *
 *	AUTO(strv) char **names = NULL;
 *	if (cri_client_handlers(socket, deadline_in(5000), &names, err) < 0)
 *		return -1;
 *
 * Errors are those of http/grpc.h; E_UNSUPPORTED where the manager answers but does not say.
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
/* The names of the runtime handlers that it serves, for strv_free(). */
MUST_CHECK int cri_client_handlers(const char *socket, struct deadline deadline, char ***out,
				   struct err *err);

/* The bytes of a StatusResponse to names; for who has them from elsewhere. */
MUST_CHECK int cri_client_read_handlers(const void *data, size_t len, char ***out, struct err *err);
