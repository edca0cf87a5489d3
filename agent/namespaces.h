// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The namespaces that the containers of a sandbox share. Any thread. */

#include "base/err.h"

/* Makes an IPC and a UTS namespace with that hostname (NULL: the guest's). After an error too the
 * fds are the caller's, or -1. */
MUST_CHECK int namespaces_make(const char *hostname, int *ipc, int *uts, struct err *err);
