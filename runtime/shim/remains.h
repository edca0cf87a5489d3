// SPDX-License-Identifier: Apache-2.0
#pragma once

/* What `delete` ends before it looks at anything else. */

/* Waits for the end of the server of that namespace and id in our mount namespace, if one runs. One that has left its
 * socket ends by itself, and has some time for it: its last events are not delivered yet. Else it is killed: it
 * does not answer the manager, or was never known to it, since `start` died. It must not go on while what it
 * made is removed. */
void remains_end_server(const char *namespace, const char *id, const char *socket);
