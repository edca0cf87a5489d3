// SPDX-License-Identifier: Apache-2.0
/* The first process of a pod: waits for a signal that requests termination, and reaps orphans. */

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t all;
	int got;

	/* The kernel gives PID 1 only signals that it handles, or waits for while they are blocked. */
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
	while (sigwait(&all, &got) == 0) {
		if (got == SIGTERM || got == SIGINT)
			return EXIT_SUCCESS;
		while (got == SIGCHLD && waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	return EXIT_FAILURE;
}
