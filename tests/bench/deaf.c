// SPDX-License-Identifier: Apache-2.0
/* A mirror that is dead in the worst way, until it is killed: it drops what comes. Prints its port. */

#include "tests/unit/web_lab.h"

#include <stdio.h>
#include <unistd.h>

int main(void)
{
	struct deaf deaf;

	deaf_start(&deaf);
	(void)printf("%d\n", deaf.port);
	(void)fflush(stdout);
	for (;;)
		(void)pause();
}
