// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Makes the IPC and UTS namespaces that the containers of a sandbox share. Any thread. */

#include "base/err.h"

/* *ipc, *uts: fds of new namespaces, for the caller to close; the UTS namespace has that hostname,
 * or the guest's if it is NULL. After a failure each may be an fd or -1. */
MUST_CHECK int namespaces_make(const char *hostname, int *ipc, int *uts, struct err *err);
