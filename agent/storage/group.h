// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Kubernetes' fsGroup. Flows. */

#include "base/err.h"
#include "protocols/agent.pb-c.h"

/* Gives everything below the mount point to the group of the request (Kubernetes' fsGroup). */
MUST_CHECK int storage_set_group(const Grpc__Storage *s, struct err *err);
