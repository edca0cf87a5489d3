// SPDX-License-Identifier: Apache-2.0
/*
 * Starting and waiting for programs. Between fork and exec only async-signal-safe calls: all that
 * the child needs (paths, argv, environment) is prepared before.
 */

#include "base/spawn.h"

#include "base/affinity.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ioprio.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TARGET_MAX = 64, IDLE_NICE = 19, ABANDON_MS = 1000 };

/* Children that have an owner; spawn_reap_orphans leaves them alone. */
static pthread_mutex_t claims_lock = PTHREAD_MUTEX_INITIALIZER;
static VEC(pid_t) claims = VEC_INIT;

void spawn_claim(pid_t pid)
{
	(void)pthread_mutex_lock(&claims_lock);
	vec_push(&claims, pid);
	(void)pthread_mutex_unlock(&claims_lock);
}

static void disclaim_locked(pid_t pid)
{
	for (size_t i = 0; i < claims.n; i++) {
		if (claims.v[i] == pid) {
			vec_remove(&claims, i);
			return;
		}
	}
}

void spawn_disclaim(pid_t pid)
{
	(void)pthread_mutex_lock(&claims_lock);
	disclaim_locked(pid);
	(void)pthread_mutex_unlock(&claims_lock);
}

static bool claimed(pid_t pid)
{
	for (size_t i = 0; i < claims.n; i++) {
		if (claims.v[i] == pid)
			return true;
	}
	return false;
}

int spawn_exit_code(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

/* The full path of a program, heap, so that the child only has to exec; NULL with errno set. The
 * PATH of cron and of su lacks the directories of the system's programs. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");
	AUTO(str) char *all = str_fmt("%s:/usr/sbin:/sbin", path ? path : "/usr/bin:/bin");
	AUTO(strv) char **dirs = NULL;

	if (strchr(name, '/'))
		return xstrdup(name);
	dirs = strv_split(all, ":");
	strv_each(dir, dirs) {
		char *full = str_fmt("%s/%s", *dir, name);

		if (access(full, X_OK) == 0)
			return full;
		free(full);
	}
	errno = ENOENT;
	return NULL;
}

/* Data for the child, prepared by the parent. */
struct plan {
	const struct spawn *s;
	const char *program;
	char *const *env;
	int report; /* write end of a pipe: the errno of a failed step */
	int above;  /* the lowest fd above 2 and all targets */
	int last;   /* the highest source or report fd */
	sigset_t old_mask;
	pid_t parent;
	bool new_group;
};

static void child_signals(const struct plan *p)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL }, now;

	for (int n = 1; n < NSIG; n++) {
		if (p->s->same_group && sigaction(n, NULL, &now) == 0 && now.sa_handler == SIG_IGN)
			continue;
		(void)sigaction(n, &dfl, NULL);
	}
	(void)sigprocmask(SIG_SETMASK, &p->old_mask, NULL);
}

/* Reports a number above the limit of open files as EMFILE, the cause that a person can remove. */
static int move_fd(int fd, int above)
{
	int moved = fcntl(fd, F_DUPFD_CLOEXEC, above);

	if (moved < 0 && errno == EINVAL)
		errno = EMFILE;
	return moved;
}

static int place_fd(int fd, int target)
{
	if (dup2(fd, target) >= 0)
		return 0;
	if (errno == EBADF)
		errno = EMFILE;
	return -1;
}

static bool is_target(const struct spawn *s, int fd)
{
	for (size_t i = 0; i < s->nfds; i++) {
		if (s->fds[i].target == fd)
			return true;
	}
	return false;
}

static bool is_source(const struct spawn *s, int fd)
{
	for (size_t i = 0; i < s->nfds; i++) {
		if (s->fds[i].fd == fd)
			return true;
	}
	return false;
}

/* Closes fds that are not passed on, so that the others have room below the limit of open files. */
static void close_others(const struct plan *p)
{
	int from = 0;

	for (int fd = 0; fd <= p->last; fd++) {
		if (fd != p->report && !is_source(p->s, fd))
			continue;
		if (from < fd)
			(void)close_range((unsigned)from, (unsigned)fd - 1, 0);
		from = fd + 1;
	}
	(void)close_range((unsigned)from, ~0U, 0);
}

/*
 * Moves the listed fds to their targets and closes the rest. Sources are first moved above all
 * targets so that no dup2 overwrites a source that is still needed.
 */
static int child_fds(struct plan *p)
{
	const struct spawn *s = p->s;
	int moved[TARGET_MAX];

	close_others(p);
	p->report = move_fd(p->report, p->above);
	if (p->report < 0)
		return -1;
	for (size_t i = 0; i < s->nfds; i++) {
		moved[i] = s->fds[i].fd < p->above ? move_fd(s->fds[i].fd, p->above) : s->fds[i].fd;
		if (moved[i] < 0)
			return -1;
	}
	for (size_t i = 0; i < s->nfds; i++) {
		if (place_fd(moved[i], s->fds[i].target) < 0)
			return -1;
	}
	for (int n = 3; n < p->above; n++) {
		if (!is_target(s, n))
			(void)close(n);
	}
	/* Above the targets only the report stays open, which is close-on-exec. */
	if (p->above < p->report)
		(void)close_range((unsigned)p->above, (unsigned)p->report - 1, 0);
	(void)close_range((unsigned)p->report + 1, ~0U, 0);
	for (int n = 0; n <= 2; n++) {
		int null = is_target(s, n) ? n : open("/dev/null", O_RDWR);

		if (null < 0 || (null != n && (place_fd(null, n) < 0 || close(null) < 0)))
			return -1;
	}
	return 0;
}

/* Raw system calls: libc's functions would make all threads of the parent change their ids, and the
 * child has only one thread. */
static int child_become(const struct spawn_user *u)
{
	return syscall(SYS_setgroups, u->ngroups, u->groups) < 0 ||
			       syscall(SYS_setresgid, u->gid, u->gid, u->gid) < 0 ||
			       syscall(SYS_setresuid, u->uid, u->uid, u->uid) < 0
		       ? -1
		       : 0;
}

static void child_idle(void)
{
	(void)setpriority(PRIO_PROCESS, 0, IDLE_NICE);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
		      IOPRIO_CLASS_IDLE << IOPRIO_CLASS_SHIFT);
}

static int child_enter(const struct plan *p)
{
	const struct spawn *s = p->s;

	/* To enter a mount namespace no other thread may share our root directory: ThreadSanitizer
	 * has started one here. */
	if (s->ns && unshare(CLONE_FS) < 0)
		return -1;
	for (const int *ns = s->ns; ns && *ns >= 0; ns++) {
		if (setns(*ns, 0) < 0)
			return -1;
	}
	if (s->new_session && setsid() < 0)
		return -1;
	if (p->new_group && setpgid(0, 0) < 0)
		return -1;
	if (s->cwd && chdir(s->cwd) < 0)
		return -1;
	if (s->idle)
		child_idle();
	if (s->any_processor)
		(void)affinity_reset(0);
	if (s->user && child_become(s->user) < 0)
		return -1;
	/* After the change of the user, which clears the signal. */
	if (s->parent_death_signal) {
		if (prctl(PR_SET_PDEATHSIG, s->parent_death_signal) < 0)
			return -1;
		if (getppid() != p->parent)
			_exit(127);
	}
	return 0;
}

static _Noreturn void child_run(struct plan *p)
{
	int failure;

	if (child_enter(p) == 0 && child_fds(p) == 0) {
		child_signals(p);
		if (!p->s->many_files)
			fd_restore_limit();
		(void)execve(p->program, p->s->argv, p->env);
	}
	failure = errno;
	if (write(p->report, &failure, sizeof(failure)) < 0)
		_exit(126);
	_exit(127);
}

/* Waits for exec in the child; returns 0 or the child's errno. */
static int read_report(int fd)
{
	int failure = 0;
	ssize_t n;

	do
		n = read(fd, &failure, sizeof(failure));
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(failure) ? failure : 0;
}

static bool is_our_child(pid_t pid)
{
	siginfo_t info;

	return pid > 1 &&
	       waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

/* Opens the pidfd of a claimed process. A child whose pidfd cannot be opened is killed by its pid,
 * which the kernel does not reuse before the child is reaped. */
static int watch(pid_t pid, struct child *child, struct err *err)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	*child = CHILD_NONE;
	if (pidfd >= 0) {
		*child = (struct child){ pid, pidfd };
		return 0;
	}
	err_sys(err, "open a pidfd for process %d", (int)pid);
	if (err->sys == EPERM || err->sys == ENOSYS)
		err_hint(err, "a seccomp filter around this program has to allow pidfd_open");
	if (is_our_child(pid)) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	spawn_disclaim(pid);
	return -1;
}

/* If whoever started this program ignored SIGCHLD, which stays so over an exec, the kernel reaps
 * children itself, and waiting for them fails. */
static void keep_children(void)
{
	struct sigaction now;

	if (sigaction(SIGCHLD, NULL, &now) == 0 &&
	    (now.sa_handler == SIG_IGN || (now.sa_flags & SA_NOCLDWAIT)))
		(void)signal(SIGCHLD, SIG_DFL);
}

int spawn_fork(struct child *child, struct err *err)
{
	pid_t pid;

	*child = CHILD_NONE;
	keep_children();
	(void)pthread_mutex_lock(&claims_lock); /* no reaping of orphans between fork and claim */
	pid = fork();
	if (pid > 0)
		vec_push(&claims, pid);
	(void)pthread_mutex_unlock(&claims_lock); /* in the child too */
	if (pid < 0)
		return err_sys(err, "start a process");
	if (pid == 0)
		return 0;
	return watch(pid, child, err) < 0 ? -1 : 1;
}

/* Forks with all signals blocked, so that no handler of the parent runs in the child. */
static int fork_quietly(struct plan *p, struct child *child, struct err *err)
{
	sigset_t all;
	int side;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &p->old_mask);
	side = spawn_fork(child, err);
	if (side == 0) {
		(void)sigemptyset(&p->old_mask);
		child_run(p);
	}
	(void)pthread_sigmask(SIG_SETMASK, &p->old_mask, NULL);
	return side < 0 ? err_wrap(err, "%s", p->s->argv[0]) : 0;
}

static void settle_numbers(struct plan *p)
{
	p->above = 3;
	p->last = p->report;
	for (size_t i = 0; i < p->s->nfds; i++) {
		const struct spawn_fd *f = &p->s->fds[i];

		if (f->target >= p->above)
			p->above = f->target + 1;
		if (f->fd > p->last)
			p->last = f->fd;
	}
}

int spawn_start(const struct spawn *s, struct child *child, struct err *err)
{
	const char *name = s->program ? s->program : s->argv[0];
	AUTO(str) char *program = find_program(name);
	int report[2], failure;
	struct plan plan = { .s = s, .program = program, .parent = getpid() };

	*child = CHILD_NONE;
	if (s->nfds > TARGET_MAX)
		bug("%zu fds for %s", s->nfds, s->argv[0]);
	if (!program)
		return err_sys(err, "run %s", name);
	if (fd_pipe(report, err) < 0)
		return -1;
	AUTO(fd) int reader = report[0];
	AUTO(fd) int writer = report[1];
	plan.report = writer;
	plan.new_group = s->new_group ||
			 (interrupt_is_caught() && !s->same_group && !s->new_session);
	plan.env = s->env ? s->env : environ;
	settle_numbers(&plan);
	if (fork_quietly(&plan, child, err) < 0)
		return -1;
	fd_close(&writer);
	failure = read_report(reader);
	if (!failure)
		return 0;
	spawn_kill(child);
	errno = failure;
	return err_sys(err, "run %s", program);
}

static void child_forget(struct child *child)
{
	spawn_disclaim(child->pid);
	fd_close(&child->pidfd);
	child->pid = -1;
}

/* Reaps a child that has ended or is about to, and releases it. */
static int collect(struct child *child, int *code, struct err *err)
{
	int status = 0, n;

	do
		n = waitpid(child->pid, &status, __WALL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		err_sys(err, "wait for process %d", (int)child->pid);
	else
		*code = spawn_exit_code(status);
	child_forget(child);
	return n < 0 ? -1 : 0;
}

bool spawn_has_ended(const struct child *child, int *code)
{
	siginfo_t how = { 0 };

	if (child->pid <= 0 ||
	    waitid(P_PID, (id_t)child->pid, &how, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 ||
	    how.si_pid == 0)
		return false;
	*code = how.si_code == CLD_EXITED ? how.si_status : 128 + how.si_status;
	return true;
}

int spawn_signal(const struct child *child, int signal, struct err *err)
{
	if (child->pidfd < 0)
		return err_set(err, E_STATE, "the process has ended");
	if (syscall(SYS_pidfd_send_signal, child->pidfd, signal, NULL, 0) < 0) {
		if (errno == ESRCH)
			return err_set(err, E_NOT_FOUND, "process %d has ended", (int)child->pid);
		return err_sys(err, "send signal %d to process %d", signal, (int)child->pid);
	}
	return 0;
}

int spawn_wait(struct child *child, struct deadline deadline, int *code, struct err *err)
{
	struct pollfd wait[2] = { { .fd = child->pidfd, .events = POLLIN },
				  { .fd = interrupt_fd(), .events = POLLIN } };
	int n;

	do
		n = poll(wait, 2, deadline_left(deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, E_TIMEOUT, "process %d is still running", (int)child->pid);
	return !wait[0].revents && interrupt_check(err) < 0 ? -1 : collect(child, code, err);
}

void spawn_kill(struct child *child)
{
	struct err ignored = ERR_INIT; /* it may have ended or been reaped already */
	int code;

	if (child->pid < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
	if (collect(child, &code, &ignored) < 0)
		child_forget(child);
}

void spawn_abandon(struct child *child)
{
	const struct deadline deadline = deadline_in(ABANDON_MS);
	struct pollfd end = { .fd = child->pidfd, .events = POLLIN };
	int n;

	if (child->pid < 0)
		return;
	(void)syscall(SYS_pidfd_send_signal, child->pidfd, SIGKILL, NULL, 0);
	do
		n = poll(&end, 1, deadline_left(deadline));
	while (n < 0 && errno == EINTR);
	/* With the lock held: once it has no claim, the search for orphans may reap it, and another
	 * child may get its pid. */
	(void)pthread_mutex_lock(&claims_lock);
	disclaim_locked(child->pid);
	(void)waitpid(child->pid, NULL, WNOHANG | __WALL);
	(void)pthread_mutex_unlock(&claims_lock);
	fd_close(&child->pidfd);
	child->pid = -1;
}

int spawn_adopt(pid_t pid, struct child *child, struct err *err)
{
	spawn_disclaim(pid); /* it may be claimed already: one claim each */
	spawn_claim(pid);
	return watch(pid, child, err);
}

int spawn_reap_orphans(void)
{
	int reaped = 0;

	for (;;) {
		siginfo_t info = { .si_pid = 0 };
		bool ours;

		(void)pthread_mutex_lock(&claims_lock);
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0)
			info.si_pid = 0;
		ours = info.si_pid > 0 && claimed(info.si_pid);
		if (info.si_pid > 0 && !ours)
			(void)waitpid(info.si_pid, NULL, WNOHANG);
		(void)pthread_mutex_unlock(&claims_lock);
		/* A claimed zombie hides those behind it until its owner has waited. */
		if (info.si_pid <= 0 || ours)
			return reaped;
		reaped++;
	}
}

/* --- spawn_run --- */

struct exchange {
	int in, out, err; /* our ends, non-blocking, -1 when done */
	const char *input;
	size_t left;
	struct buf *collect;
	struct buf says; /* the beginning of its stderr */
};

/* A write that does not raise SIGPIPE in this process, whatever it does with that signal. */
static ssize_t write_quietly(int fd, const void *data, size_t len)
{
	const struct timespec now = { 0, 0 };
	sigset_t pipe, old;
	ssize_t n;
	int saved;

	(void)sigemptyset(&pipe);
	(void)sigaddset(&pipe, SIGPIPE);
	(void)pthread_sigmask(SIG_BLOCK, &pipe, &old);
	n = write(fd, data, len);
	saved = errno;
	if (n < 0 && saved == EPIPE && !sigismember(&old, SIGPIPE))
		(void)sigtimedwait(&pipe, NULL, &now);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return n;
}

static void feed(struct exchange *x)
{
	ssize_t n = write_quietly(x->in, x->input, x->left);

	if (n > 0) {
		x->input += n;
		x->left -= (size_t)n;
	}
	/* EPIPE: the program closed its stdin, which is not an error. */
	if (x->left == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(&x->in);
}

static void drain(int *fd, struct buf *to)
{
	char chunk[4096];
	ssize_t n = read(*fd, chunk, sizeof(chunk));

	if (n > 0 && to)
		buf_add(to, chunk, (size_t)n);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		fd_close(fd);
}

/* Passes data until the program has ended and its output is read. */
static int exchange_run(struct exchange *x, int pidfd, struct deadline deadline, struct err *err)
{
	for (;;) {
		struct pollfd set[5] = { { .fd = x->in, .events = POLLOUT },
					 { .fd = x->out, .events = POLLIN },
					 { .fd = x->err, .events = POLLIN },
					 { .fd = pidfd, .events = POLLIN },
					 { .fd = interrupt_fd(), .events = POLLIN } };
		int n = poll(set, 5, deadline_left(deadline));

		if (n == 0)
			return err_set(err, E_TIMEOUT, "it did not end in time and was killed");
		if (!set[3].revents && interrupt_check(err) < 0)
			return -1;
		if (set[0].revents)
			feed(x);
		if (set[1].revents)
			drain(&x->out, x->collect);
		if (set[2].revents)
			drain(&x->err, &x->says);
		/* Descendants may keep the pipes open: when the program has ended, read what is in
		 * the pipes and stop. */
		if (set[3].revents && !set[1].revents && !set[2].revents)
			return 0;
	}
}

static int exchange_open(struct exchange *x, struct spawn_fd theirs[3], struct err *err)
{
	int *const ours[3] = { &x->in, &x->out, &x->err };

	for (int i = 0; i < 3; i++) {
		int ends[2];

		if (fd_pipe(ends, err) < 0)
			return -1;
		*ours[i] = ends[i == 0 ? 1 : 0];
		theirs[i] = (struct spawn_fd){ ends[i == 0 ? 0 : 1], i };
		if (fd_nonblock(*ours[i], true, err) < 0)
			return -1;
	}
	return 0;
}

static void report_failure(const struct spawn *s, int code, const struct buf *says, struct err *err)
{
	size_t len = strlen(buf_cstr(says));

	while (len && strchr(" \t\r\n", buf_cstr(says)[len - 1]))
		len--;
	err_set(err, E_FAILED, "%s exited with status %d%s%.*s", s->argv[0], code, len ? ": " : "",
		(int)len, buf_cstr(says));
}

int spawn_run(const struct spawn *s, const char *input, size_t input_len, struct buf *out,
	      struct deadline deadline, struct err *err)
{
	struct exchange x = { -1, -1, -1, input, input_len, out, BUF_INIT(300) };
	struct spawn_fd theirs[3] = { { -1, 0 }, { -1, 1 }, { -1, 2 } };
	struct spawn with_pipes = *s;
	struct child child = CHILD_NONE;
	int code = -1;

	if (exchange_open(&x, theirs, err) < 0)
		goto out;
	with_pipes.fds = theirs;
	with_pipes.nfds = 3;
	if (spawn_start(&with_pipes, &child, err) < 0)
		goto out;
	for (int i = 0; i < 3; i++)
		fd_close(&theirs[i].fd);
	if (!input_len)
		fd_close(&x.in);
	if (exchange_run(&x, child.pidfd, deadline, err) < 0) {
		spawn_abandon(&child);
		err_wrap(err, "%s", s->argv[0]);
		goto out;
	}
	if (spawn_wait(&child, DEADLINE_NEVER, &code, err) < 0)
		code = -1;
	else if (code != 0)
		report_failure(s, code, &x.says, err);
out:
	for (int i = 0; i < 3; i++)
		fd_close(&theirs[i].fd);
	fd_close(&x.in);
	fd_close(&x.out);
	fd_close(&x.err);
	buf_release(&x.says);
	return code;
}
