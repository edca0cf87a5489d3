// SPDX-License-Identifier: Apache-2.0
/*
 * Signals are caught by a handler and not by a signalfd, because the message after a second signal
 * must not wait until the program reads. The handler makes async-signal-safe calls only.
 * Interrupted system calls are restarted; waits are woken by the eventfd.
 */

#include "base/interrupt.h"

#include "base/deadline.h"
#include "base/scope.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const struct {
	int number;
	const char *name;
} signals[] = { { SIGINT, "SIGINT" }, { SIGTERM, "SIGTERM" }, { SIGHUP, "SIGHUP" } };

static volatile sig_atomic_t came, meant_for;
static int event = -1, shields;
static const char *self, *doing;

static void say(const char *text)
{
	(void)!write(2, text, strlen(text));
}

static void on_signal(int number, siginfo_t *info, void *context)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)context;
	if (came && !meant_for) {
		say(self);
		say(": still working: ");
		say(doing);
		say("\n");
	}
	if (meant_for && info->si_code != SI_KERNEL)
		(void)kill(meant_for, number);
	if (!came) {
		came = number;
		(void)!write(event, &one, sizeof(one));
	}
	errno = saved;
}

void interrupt_catch(const char *name, const char *text)
{
	struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_RESTART | SA_SIGINFO },
			 now;

	self = name;
	doing = text;
	if (event >= 0)
		return;
	event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event < 0)
		bug("eventfd: %s", strerror(errno));
	(void)sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (sigaction(signals[i].number, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
			(void)sigaction(signals[i].number, &act, NULL);
	}
	/* What reads our output may end by the same signal. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);
}

bool interrupt_is_caught(void)
{
	return event >= 0;
}

int interrupt_signal(void)
{
	return came;
}

const char *interrupt_name(void)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		if (signals[i].number == came)
			return signals[i].name;
	}
	return "a signal";
}

int interrupt_fd(void)
{
	return shields ? -1 : event;
}

int interrupt_check(struct err *err)
{
	if (!came || shields)
		return 0;
	return err_set(err, E_CANCELLED, "interrupted by %s", interrupt_name());
}

int interrupt_sleep(unsigned ms, struct err *err)
{
	struct deadline deadline = deadline_in(ms);

	do {
		struct pollfd wait = { .fd = interrupt_fd(), .events = POLLIN };

		if (interrupt_check(err) < 0)
			return -1;
		(void)!poll(&wait, 1, deadline_left(deadline));
	} while (!deadline_passed(deadline));
	return interrupt_check(err);
}

void interrupt_shield(bool up)
{
	shields += up ? 1 : -1;
}

void interrupt_pass_on(pid_t pid)
{
	sigset_t all, old;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_BLOCK, &all, &old);
	meant_for = pid;
	if (pid && came)
		(void)kill(pid, came);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
}
