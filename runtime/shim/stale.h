// SPDX-License-Identifier: Apache-2.0
#pragma once

/* A shim server that still runs when containerd calls `delete`. It must have ended before its
 * resources are removed. */

/* Ends the server of that namespace and id in our mount namespace, if one runs, and waits for its
 * end. A server whose socket file is gone ends by itself (shim_leave) and gets 3 s for that, since
 * its last events may not be delivered yet. Any other is killed: it does not answer containerd, or
 * containerd does not know it because `start` died. */
void stale_server_end(const char *namespace, const char *id, const char *socket);
