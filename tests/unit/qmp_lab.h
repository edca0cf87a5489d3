// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A QMP client on a loop of its own, and QEMU's side of the connection, which is the test. One per process
 * (Check forks for each test).
 *
 *	lab_start();
 *	// another thread: qmp_execute(lab_client, "stop", ...)
 *	struct json *command = lab_hear("stop");
 *	lab_answer(command, LAB_OK);
 *	json_free(command);
 *	lab_stop();
 */

#include "vmm/qemu/qmp.h"
#include "json/json.h"

#define LAB_OK "\"return\": {}"

extern struct qmp *lab_client;
extern int lab_qemu; /* QEMU's end; may be closed */

void lab_start(void);
/* What uses the client must have ended. */
void lab_stop(void);

/* Sends it as it is. */
void lab_say(const char *text);
/* The next command, which must have that name; NULL: any. The caller frees it. */
struct json *lab_hear(const char *name);
/* rest: the answer's members but its id. */
void lab_answer(const struct json *command, const char *rest);
