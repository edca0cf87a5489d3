// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Metrics of the guest and of the agent, in Prometheus' text format. Any thread. */

#include "base/buf.h"

/* Appends all metrics to out. */
void metrics_print(struct buf *out);
