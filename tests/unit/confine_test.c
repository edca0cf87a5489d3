// SPDX-License-Identifier: Apache-2.0
/*
 * confine/confine.h: messages and results of a confined child arrive, the child cannot do what is
 * forbidden, and it is always gone afterwards.
 */

#include "confine/confine.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include <arpa/inet.h>
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static int dir_fd;
static int fds_before;
static struct err err;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

static void setup(void)
{
	err_clear(&err);
	scratch_make(dir, "confine");
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(dir_fd, 0);
	if (geteuid() == 0)
		ck_assert_int_eq(fchown(dir_fd, CONFINE_NOBODY, CONFINE_NOBODY), 0);
	interrupt_catch("confine_test", "nothing");
	fds_before = count_fds();
}

/* No fd and no child, not even a zombie, is left. */
static void teardown(void)
{
	ck_assert_int_eq(count_fds(), fds_before);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
	(void)close(dir_fd);
	scratch_remove(dir);
}

static struct confine usual(void)
{
	return (struct confine){ .name = "the work", .write = &dir_fd, .nwrite = 1 };
}

/* --- messages and results --- */

static int talkative(void *arg, struct confine_talk *talk, struct err *e)
{
	char big[CONFINE_MESSAGE_MAX];

	(void)arg, (void)e;
	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 1000; i++)
		confine_say(talk, &i, sizeof(i));
	confine_say(talk, big, sizeof(big));
	return 0;
}

static int count_messages(void *arg, const void *data, size_t len, struct err *e)
{
	int *seen = arg, i;

	(void)e;
	if (len == sizeof(i)) {
		memcpy(&i, data, len);
		ck_assert_int_eq(i, *seen);
		++*seen;
	} else {
		ck_assert_uint_eq(len, CONFINE_MESSAGE_MAX);
		*seen += 1000000;
	}
	return 0;
}

START_TEST(messages_arrive_in_order)
{
	struct confine c = usual();
	int seen = 0;

	ck_assert_msg(confine_run(&c, talkative, NULL, count_messages, &seen, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(seen, 1001000);
	ck_assert_msg(confine_run(&c, talkative, NULL, NULL, NULL, &err) == 0, "%s", err.msg);
}
END_TEST

static int stop_listening(void *arg, const void *data, size_t len, struct err *e)
{
	(void)arg, (void)data, (void)len;
	return err_set(e, E_LIMIT, "enough");
}

START_TEST(a_listener_can_end_it)
{
	struct confine c = usual();

	ck_assert_int_lt(confine_run(&c, talkative, NULL, stop_listening, NULL, &err), 0);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

static int failing(void *arg, struct confine_talk *talk, struct err *e)
{
	(void)arg, (void)talk;
	errno = ENOSPC;
	return err_sys(e, "write\x1b[2J it");
}

/* Without a pidfd, as with too few fds, there is an error; teardown checks that no child is
 * left. */
START_TEST(one_that_cannot_be_watched_is_ended)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_open, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EMFILE),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = { ARRAY_LEN(code), code };
	struct confine c = usual();

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
	ck_assert_int_eq(confine_run(&c, talkative, NULL, NULL, NULL, &err), -1);
	ck_assert_int_eq(err.sys, EMFILE);
}
END_TEST

START_TEST(an_error_arrives)
{
	struct confine c = usual();

	ck_assert_int_lt(confine_run(&c, failing, NULL, NULL, NULL, &err), 0);
	ck_assert_int_eq(err.code, E_IO);
	ck_assert_int_eq(err.sys, ENOSPC);
	ck_assert_ptr_nonnull(strstr(err.msg, "the work: write?[2J it"));
}
END_TEST

/* --- restrictions --- */

/* Each of these tries something forbidden and returns 0 if that succeeded. */
static int open_outside(void)
{
	return open("/etc/hostname", O_RDONLY) >= 0 ? 0
	       : open("/etc/passwd", O_RDONLY) >= 0 ? 0
						    : -1;
}

static int write_outside(void)
{
	return open("/tmp/kata-confine-escaped", O_WRONLY | O_CREAT, 0600) >= 0 ? 0 : -1;
}

static int leave_by_dots(void)
{
	return openat(dir_fd, "../../etc/passwd", O_RDONLY) >= 0 ? 0 : -1;
}

static int see_proc(void)
{
	return open("/proc/self/mem", O_RDWR) >= 0 || open("/proc/1/status", O_RDONLY) >= 0 ? 0
											    : -1;
}

static int make_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ||
			       socket(AF_NETLINK, SOCK_RAW, 0) >= 0
		       ? 0
		       : -1;
}

static int be_root(void)
{
	return geteuid() == 0 || getuid() == 0 ? 0 : -1;
}

static int map_code(void)
{
	return SANITIZED || mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
		       ? -1
		       : 0;
}

static int change_mode(void)
{
	int fd = openat(dir_fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	return fd < 0 || fchmod(fd, 06777) == 0 ? 0 : -1;
}

static int be_traceable(void)
{
	return prctl(PR_SET_DUMPABLE, 1) == 0 || prctl(PR_GET_DUMPABLE) == 1 ? 0 : -1;
}

static int use_other_fds(void)
{
	for (int fd = 3; fd < 1024; fd++) {
		struct stat st;

		if (fd != dir_fd && fstat(fd, &st) == 0 && !S_ISSOCK(st.st_mode))
			return 0;
	}
	return -1;
}

static const struct {
	const char *what;
	int (*try)(void);
} tries[] = {
	{ "open a file outside", open_outside },
	{ "write outside", write_outside },
	{ "leave by ..", leave_by_dots },
	{ "see /proc", see_proc },
	{ "make a socket", make_socket },
	{ "be root", be_root },
	{ "map code", map_code },
	{ "change modes", change_mode },
	{ "be traceable", be_traceable },
	{ "use other fds", use_other_fds },
};

static int try_it(void *arg, struct confine_talk *talk, struct err *e)
{
	const int *i = arg;

	(void)talk;
	if (tries[*i].try() == 0)
		return err_set(e, E_FAILED, "it can %s", tries[*i].what);
	return 0;
}

START_TEST(it_cannot)
{
	struct confine c = usual();
	int i = _i;

	if (tries[i].try == be_root && geteuid() != 0)
		return;
	/* The test would show nothing if we could not do it without restrictions. */
	if (tries[i].try != be_traceable && tries[i].try != map_code && geteuid() == 0)
		ck_assert_msg(tries[i].try() == 0, "even we cannot %s", tries[i].what);
	(void)unlink("/tmp/kata-confine-escaped");
	for (int fd = 3; fd < 64; fd++) {
		if (fd != dir_fd)
			(void)fcntl(fd, F_SETFD, 0);
	}
	ck_assert_msg(confine_run(&c, try_it, &i, NULL, NULL, &err) == 0, "%s", err.msg);
	fds_before = count_fds();
}
END_TEST

static void run_program(void)
{
	char *argv[] = { (char *)"true", NULL };

	(void)execv("/bin/true", argv);
}

static void trace(void)
{
	(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void unshare_all(void)
{
	(void)syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

static void kill_others(void)
{
	(void)kill(getppid(), 0);
}

static void link_names(void)
{
	(void)!symlinkat("/etc", dir_fd, "etc");
}

static void (*const deadly[])(void) = { run_program, trace, unshare_all, kill_others, link_names };

static int do_deadly(void *arg, struct confine_talk *talk, struct err *e)
{
	(void)talk, (void)e;
	deadly[*(const int *)arg]();
	return 0;
}

START_TEST(trying_is_death)
{
	struct confine c = usual();
	int i = _i;

	ck_assert_int_lt(confine_run(&c, do_deadly, &i, NULL, NULL, &err), 0);
	ck_assert_int_eq(err.code, E_GONE);
	ck_assert_ptr_nonnull(strstr(err.msg, "system call"));
}
END_TEST

static int work_in_dir(void *arg, struct confine_talk *talk, struct err *e)
{
	(void)arg, (void)talk;
	if (mkdirat(dir_fd, "sub", 0700) < 0)
		return err_sys(e, "make sub");
	AUTO(fd) int fd = openat(dir_fd, "sub/file", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return err_sys(e, "make sub/file");
	return fd_write_all(fd, "yes", 3, e);
}

START_TEST(it_can_write_where_it_may)
{
	struct confine c = usual();
	AUTO(str) char *path = path_join(dir, "sub/file");
	struct stat st;

	ck_assert_msg(confine_run(&c, work_in_dir, NULL, NULL, NULL, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((unsigned long)st.st_size, 3);
	if (geteuid() == 0)
		ck_assert_uint_eq(st.st_uid, CONFINE_NOBODY);
}
END_TEST

/* --- limits --- */

static int eat(void *arg, struct confine_talk *talk, struct err *e)
{
	size_t want = *(const size_t *)arg;
	void *p = mmap(NULL, want, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)talk;
	return p == MAP_FAILED ? err_sys(e, "map %zu", want) : 0;
}

START_TEST(memory_is_bounded)
{
	struct confine c = usual();
	size_t much = 256 << 20, little = 1 << 20;

	if (SANITIZED)
		return;
	c.memory = 64 << 20;
	ck_assert_msg(confine_run(&c, eat, &little, NULL, NULL, &err) == 0, "%s", err.msg);
	ck_assert_int_lt(confine_run(&c, eat, &much, NULL, NULL, &err), 0);
	ck_assert_int_eq(err.sys, ENOMEM);
}
END_TEST

static int write_much(void *arg, struct confine_talk *talk, struct err *e)
{
	AUTO(fd) int fd = openat(dir_fd, "big", O_RDWR | O_CREAT, 0600);
	char block[4096] = { 0 };

	(void)arg, (void)talk;
	for (int i = 0; i < 100; i++) {
		if (fd_write_all(fd, block, sizeof(block), e) < 0)
			return -1;
	}
	return 0;
}

START_TEST(files_are_bounded)
{
	struct confine c = usual();
	AUTO(str) char *path = path_join(dir, "big");
	struct stat st;

	c.files = 10000;
	ck_assert_int_lt(confine_run(&c, write_much, NULL, NULL, NULL, &err), 0);
	ck_assert_int_eq(err.sys, EFBIG);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_le(st.st_size, 10000);
}
END_TEST

/* --- a child that an attacker controls --- */

static int find_socket(void)
{
	struct stat st;

	for (int fd = 3; fd < 1024; fd++) {
		if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode))
			return fd;
	}
	return -1;
}

static int lie(void *arg, struct confine_talk *talk, struct err *e)
{
	static char text[CONFINE_MESSAGE_MAX + 100];
	int sock = find_socket();

	(void)talk, (void)e;
	memset(text, 'f', sizeof(text));
	switch (*(const int *)arg) {
	case 0: /* a result that is too short */
		(void)!send(sock, "f", 1, 0);
		break;
	case 1: /* an unknown kind of message */
		(void)!send(sock, "?", 1, 0);
		break;
	case 2:
		(void)!send(sock, text, sizeof(text), 0);
		break;
	case 3: /* an error with an invalid code and a text without an end */
		(void)!send(sock, text, 1 + 8 + sizeof(e->msg), 0);
		break;
	default: /* closes its socket, but does not end */
		(void)close(sock);
		break;
	}
	while (poll(NULL, 0, -1) < 0)
		;
	return 0;
}

START_TEST(a_liar_is_found_out_and_ended)
{
	struct confine c = usual();
	int i = _i;

	ck_assert_int_lt(confine_run(&c, lie, &i, NULL, NULL, &err), 0);
	ck_assert_int_eq(err.code, i < 3 ? E_PROTOCOL : i == 3 ? E_FAILED : E_GONE);
}
END_TEST

static int crash(void *arg, struct confine_talk *talk, struct err *e)
{
	(void)arg, (void)talk, (void)e;
	_exit(7);
}

START_TEST(an_early_end_is_no_success)
{
	struct confine c = usual();

	ck_assert_int_lt(confine_run(&c, crash, NULL, NULL, NULL, &err), 0);
	ck_assert_int_eq(err.code, E_GONE);
	ck_assert_ptr_nonnull(strstr(err.msg, "status 7"));
}
END_TEST

/* --- the end --- */

static int sleep_forever(void *arg, struct confine_talk *talk, struct err *e)
{
	(void)arg, (void)e;
	confine_say(talk, "up", 2);
	while (poll(NULL, 0, -1) < 0)
		;
	return 0;
}

static int raise_at_once(void *arg, const void *data, size_t len, struct err *e)
{
	(void)data, (void)len, (void)e;
	/* The signal is blocked while we are called, so it is noticed by the next wait. */
	ck_assert_int_eq(raise(*(const int *)arg), 0);
	return 0;
}

START_TEST(a_signal_ends_it)
{
	struct confine c = usual();
	int signal_number = _i ? SIGTERM : SIGINT;

	ck_assert_int_lt(confine_run(&c, sleep_forever, NULL, raise_at_once, &signal_number, &err),
			 0);
	ck_assert_int_eq(err.code, E_CANCELLED);
}
END_TEST

/* The child has the write end of a pipe, which is closed when the child ends. */
START_TEST(it_dies_with_its_parent)
{
	struct confine c = usual();
	struct pollfd end;
	int ends[2], status;
	pid_t middle;

	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	c.keep = &ends[1];
	c.nkeep = 1;
	middle = fork();
	ck_assert_int_ge(middle, 0);
	if (middle == 0) {
		struct confined *child = NULL;
		size_t which;

		if (confine_start(&c, sleep_forever, NULL, NULL, NULL, &child, &err) < 0 ||
		    confine_wait(&child, 1, DEADLINE_NEVER, &which, &err) < 0)
			_exit(1);
		(void)raise(SIGKILL);
	}
	ck_assert_int_eq(waitpid(middle, &status, 0), middle);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	(void)close(ends[1]);
	end = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	ck_assert_int_eq(poll(&end, 1, 20000), 1);
	(void)close(ends[0]);
}
END_TEST

START_TEST(several_run_at_once)
{
	struct confine c = usual(), other = { .name = "the other" };
	struct confined *all[3] = { NULL };
	size_t ended = 0, done = 0;
	int seen = 0;

	ck_assert_int_eq(confine_start(&c, sleep_forever, NULL, NULL, NULL, &all[0], &err), 0);
	ck_assert_int_eq(confine_start(&c, talkative, NULL, count_messages, &seen, &all[1], &err),
			 0);
	ck_assert_int_eq(confine_start(&other, failing, NULL, NULL, NULL, &all[2], &err), 0);
	while (all[1] || all[2]) {
		if (confine_wait(all, 3, DEADLINE_NEVER, &ended, &err) < 0) {
			ck_assert_uint_eq(ended, 2);
			ck_assert_ptr_nonnull(strstr(err.msg, "the other"));
			err_clear(&err);
		}
		done += ended < 3;
	}
	ck_assert_uint_eq(done, 2);
	ck_assert_int_eq(seen, 1001000);
	/* The last child sleeps: the wait ends at the deadline. */
	ck_assert_int_eq(confine_wait(all, 3, deadline_in(30), &ended, &err), 0);
	ck_assert_uint_eq(ended, 3);
	ck_assert_ptr_nonnull(all[0]);
	confine_kill(all[0]);
}
END_TEST

/* --- with a network --- */

static int listen_here(struct sockaddr_in *at)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*at);

	*at = (struct sockaddr_in){ .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	ck_assert_int_eq(listen(fd, 5), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)at, &len), 0);
	return fd;
}

static int connect_there(void *arg, struct confine_talk *talk, struct err *e)
{
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)talk;
	if (fd < 0 || connect(fd, arg, sizeof(struct sockaddr_in)) < 0)
		return err_sys(e, "connect");
	if (socket(AF_UNIX, SOCK_STREAM, 0) >= 0 || socket(AF_PACKET, SOCK_RAW, 0) >= 0)
		return err_set(e, E_FAILED, "it can make other sockets");
	if (open("/etc/passwd", O_RDONLY) < 0)
		return err_sys(e, "read what everybody may read");
	if (open("/etc/shadow", O_RDONLY) >= 0 || open("/root", O_RDONLY) >= 0 ||
	    open("/tmp/kata-confine-escaped", O_WRONLY | O_CREAT, 0600) >= 0)
		return err_set(e, E_FAILED, "it can do more with files than it may");
	return 0;
}

START_TEST(a_network_is_for_who_needs_it)
{
	struct confine c = { .name = "download", .network = true };
	struct sockaddr_in at;
	AUTO(fd) int server = listen_here(&at);

	ck_assert_msg(confine_run(&c, connect_there, &at, NULL, NULL, &err) == 0, "%s", err.msg);
	c.network = false;
	ck_assert_int_lt(confine_run(&c, connect_there, &at, NULL, NULL, &err), 0);
	fds_before++; /* server, until it goes out of scope */
	(void)close(STEAL(server, -1));
	fds_before--;
}
END_TEST

START_TEST(the_walls_are_told)
{
	ck_assert_ptr_nonnull(strstr(confine_walls(), "seccomp"));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("confine");
	TCase *t = tcase_create("confine");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, messages_arrive_in_order);
	tcase_add_test(t, a_listener_can_end_it);
	tcase_add_test(t, an_error_arrives);
	tcase_add_test(t, one_that_cannot_be_watched_is_ended);
	tcase_add_loop_test(t, it_cannot, 0, ARRAY_LEN(tries));
	tcase_add_loop_test(t, trying_is_death, 0, ARRAY_LEN(deadly));
	tcase_add_test(t, it_can_write_where_it_may);
	tcase_add_test(t, memory_is_bounded);
	tcase_add_test(t, files_are_bounded);
	tcase_add_loop_test(t, a_liar_is_found_out_and_ended, 0, 5);
	tcase_add_test(t, an_early_end_is_no_success);
	tcase_add_loop_test(t, a_signal_ends_it, 0, 2);
	tcase_add_test(t, it_dies_with_its_parent);
	tcase_add_test(t, several_run_at_once);
	tcase_add_test(t, a_network_is_for_who_needs_it);
	tcase_add_test(t, the_walls_are_told);
	suite_add_tcase(s, t);
	return suite_run(s);
}
