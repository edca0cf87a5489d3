// SPDX-License-Identifier: Apache-2.0
/* Prints its effective user. With the set-user-ID bit in an image, it shows whether the bit has an
 * effect. */

#include <stdio.h>
#include <unistd.h>

int main(void)
{
	return printf("Effective uid: %u\n", (unsigned)geteuid()) < 0;
}
