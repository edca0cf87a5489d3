// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Restarts a manager, as steps of a change (struct deploy_step). restart.c describes the steps.
 */

#include "base/err.h"
#include "deploy/cri/backend.h"
#include "deploy/engine/engine.h"
#include "json/json.h"

/* Puts into to what the steps need to know, in this process or in one that resumes or undoes them:
 * {"name", "socket", "how", "command", "seconds"}, and for a manager that does not run "late": the
 * steps then do something only if it has been started by their time. E_UNSUPPORTED: no way to restart
 * it is known. */
MUST_CHECK int restart_plan(const struct cri *c, struct json *to, struct err *err);
enum { CRI_STEPS = 3 };
/* Makes the steps watch, restart and, if handlers (strv) is not NULL, serve. The caller frees them
 * with steps_free(). */
struct cri_steps;
struct cri_steps *steps_new(const struct json *restart, char *const *handlers);
void steps_free(struct cri_steps *s);
/* Returns the steps, borrowed, and their number. */
const struct deploy_step *steps_list(const struct cri_steps *s, size_t *n);
