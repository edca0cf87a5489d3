// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Completes a container's specification, as the runtime sends it, for the container core. */

#include "agent/sandbox.h"

#include "base/err.h"
#include "oci/spec.h"

/* Sets the paths of the sandbox's shared namespaces, adds missing namespaces and the hooks of the
 * guest image. pid_ns: an fd of the pid namespace to join, which must stay open until the container
 * is made; -1: a new one. E_INVALID: process, arguments or root path are missing. */
MUST_CHECK int spec_adjust(struct sandbox *s, int pid_ns, struct oci_spec *spec, struct err *err);

/* The same for a process, also one that runs in addition: without an OOM score it gets 0, instead of
 * the agent's own, which protects it under systemd. The message does not tell 0 from none. */
void spec_adjust_process(struct oci_process *p);

/* The id of the container whose pid namespace the specification asks for, by the path
 * "container:ID"; borrowed from spec, or NULL. */
const char *spec_pid_target(const struct oci_spec *spec);
