// SPDX-License-Identifier: Apache-2.0
/* crash-served SOCKET: prints the runtime handlers that a container manager serves. */

#include "base/mem.h"
#include "base/scope.h"
#include "base/str.h"
#include "cri/client.h"

#include <stdio.h>

enum { ASK_MS = 10000 };

int main(int argc, char **argv)
{
	AUTO(strv) char **names = NULL;
	struct err err = ERR_INIT;

	if (argc != 2)
		return 2;
	if (cri_client_handlers(argv[1], deadline_in(ASK_MS), &names, &err) < 0) {
		(void)fprintf(stderr, "crash-served: %s\n", err.msg);
		return 1;
	}
	strv_each(name, names)
		(void)puts(*name);
	return 0;
}
