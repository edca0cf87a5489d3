// SPDX-License-Identifier: Apache-2.0
#pragma once

/* kata-runtime direct-volume: records of direct-assigned volumes (device/volume.h), and what sandboxes say of
 * them. */

#include "base/err.h"

MUST_CHECK int volume_verb(int argc, char **argv, struct err *err);
