// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The last look of an uninstall at who uses the prefix. */

#include "deploy/engine/engine.h"

/* A step that changes nothing and fails if a pod uses the prefix, which is its arg, a path. For an
 * uninstall, behind the steps that end the registration. E_STATE. */
extern const struct deploy_step_ops unused_step;
