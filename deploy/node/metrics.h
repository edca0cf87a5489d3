// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The document /metrics of a node, in Prometheus' text format. */

#include "base/buf.h"
#include "deploy/node/machine.h"

/* Appends the metrics. ms: how long the last job of each kind took; 0: it has not run. */
void metrics_print(const struct machine *m, const uint64_t ms[JOB_KINDS], struct buf *to);
