// SPDX-License-Identifier: Apache-2.0
/*
 * The only program of the container image that proves an install. It prints one line of JSON with the
 * kernel, memory and processors that it sees, then runs until the end of its standard input, so that
 * kata-deploy can inspect the sandbox meanwhile.
 */

#include <stdio.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(void)
{
	struct sysinfo info;
	struct utsname u;
	char chunk[64];

	if (uname(&u) < 0 || sysinfo(&info) < 0)
		return 1;
	(void)printf("{\"kernel\": \"%s\", \"machine\": \"%s\", \"memory\": %llu, \"cpus\": %ld}\n",
		     u.release, u.machine, (unsigned long long)info.totalram * info.mem_unit,
		     sysconf(_SC_NPROCESSORS_ONLN));
	if (fflush(stdout) != 0)
		return 1;
	while (read(0, chunk, sizeof(chunk)) > 0)
		;
	return 0;
}
