// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Restarting a manager as steps of a change.
 */

#include "base/err.h"
#include "deploy/cri/backend.h"
#include "deploy/engine/engine.h"
#include "json/json.h"

/* What the steps need, also in another process: {"name", "socket", "how", "command", "seconds"}. */
MUST_CHECK int restart_plan(const struct cri *c, struct json *to, struct err *err);
enum { CRI_STEPS = 3 };
/* The steps watch, restart and, if there are handlers, serve. The caller frees them and their
 * arguments with steps_free(). */
struct cri_steps;
struct cri_steps *steps_new(const struct json *restart, char *const *handlers);
void steps_free(struct cri_steps *s);
const struct deploy_step *steps_list(const struct cri_steps *s, size_t *n);
