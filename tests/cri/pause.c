// SPDX-License-Identifier: Apache-2.0
/* The first process of a pod: waits until it is told to end, and reaps what others leave to it. */

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

int main(void)
{
	sigset_t all;
	int got;

	/* A signal that is blocked and has no action is waited for; PID 1 gets no others. */
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
