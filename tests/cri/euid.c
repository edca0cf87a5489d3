// SPDX-License-Identifier: Apache-2.0
/* Says as whom it runs: set-user-ID in an image, it shows whether that may change. */

#include <stdio.h>
#include <unistd.h>

int main(void)
{
	return printf("Effective uid: %u\n", (unsigned)geteuid()) < 0;
}
