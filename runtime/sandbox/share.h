// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/sandbox.h"

/* Makes the shared directory, which must be empty, a private mount: what is bound below it shows
 * nowhere else, and what happens below it stays there. */
MUST_CHECK int share_open(struct sandbox *s, struct err *err);

/* Starts virtiofsd for the share on a new socket; it ends by itself when the VM disconnects. */
MUST_CHECK int share_start_daemon(struct sandbox *s, const char *socket_path, struct err *err);
