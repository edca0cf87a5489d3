// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The verbs of the tool cri that connect standard input and output to a stream of the CRI server:
 *
 *	exec-stream [-t] CONTAINER COMMAND...
 *	attach [-t] CONTAINER
 *	port-forward POD PORT
 *
 * exec-stream ends with the command, and has its exit status. The end of standard input does not
 * reach the command while the stream is open: the command must know how much it has to read.
 *
 * attach ends with the container, or detaches at the end of standard input.
 *
 * port-forward ends when the connection closes.
 *
 * With -t standard input must be a terminal, which becomes raw; the process's terminal gets its
 * size, and follows it.
 */

#include "base/deadline.h"
#include "base/err.h"

#include <stdbool.h>

/* False if argv[0] is none of these verbs. *status is the exit status of the program, or -1. */
bool stream_verb(const char *socket, struct deadline deadline, int argc, char **argv, int *status,
		 struct err *err);
