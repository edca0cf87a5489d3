// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The verb kata-runtime direct-volume: records of direct-assigned volumes (device/volume.h), and
 * requests about them to the sandboxes that use them. */

#include "base/err.h"

/* argv[0] is "direct-volume". */
MUST_CHECK int volume_verb(int argc, char **argv, struct err *err);
