// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A QMP client whose loop runs in a thread of its own; the test plays QEMU at the other end of the
 * connection. There is one per process; Check forks for each test.
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
extern int lab_qemu; /* QEMU's end of the connection; a test may close it */

void lab_start(void);
/* All threads that use the client must have ended. */
void lab_stop(void);

/* Sends the text as QEMU, unchanged. */
void lab_say(const char *text);
/* Receives the next command, which must have this name (NULL: any). The caller frees it. */
struct json *lab_hear(const char *name);
/* Answers a command. rest: the members of the answer without its id. */
void lab_answer(const struct json *command, const char *rest);
