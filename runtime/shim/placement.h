// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The cgroup and OOM score of the server that `start` creates; its children inherit them. */

#include "base/err.h"

#include <sys/types.h>

/* Moves the server into the cgroup that containerd's runtime options name (ShimCgroup), if they
 * name one. in is the fd to read the options from: an encoded protobuf Any, or nothing. */
MUST_CHECK int placement_join_cgroup(int in, pid_t server, struct err *err);
/* Sets the server's OOM score to containerd's plus one, as runc's shim does, so that the kernel
 * kills it before containerd. */
MUST_CHECK int placement_score(pid_t containerd, pid_t server, struct err *err);
