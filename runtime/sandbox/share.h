// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sandbox/sandbox.h"

/* Starts virtiofsd for the share on a new socket; it ends by itself when the VM disconnects. */
MUST_CHECK int share_start_daemon(struct sandbox *s, const char *socket_path, struct err *err);
