// SPDX-License-Identifier: Apache-2.0
/* Who uses a generation: real processes, and bundles as containerd lays them down. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/process.h"
#include "base/spawn.h"
#include "base/str.h"
#include "deploy/cli/unused.h"
#include "deploy/use/use.h"
#include "json/json.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];
static char *prefix;
static struct err err;
static struct child child;

static void set_up(void)
{
	err_clear(&err);
	child = CHILD_NONE;
	scratch_make(dir, "use");
	prefix = path_join(dir, "kata");
}

static void tear_down(void)
{
	spawn_kill(&child);
	scratch_remove(dir);
	free(prefix);
}

/* A program of the generation 1-a. */
static char *add_program(const char *name)
{
	AUTO(str) char *bin = path_join(prefix, "generations/1-a/bin");
	AUTO(buf) struct buf text = BUF_INIT(16 << 20);
	char *path = path_join(bin, name);

	ck_assert_msg(path_make(bin, 0755, &err) == 0, "%s", err.msg);
	ck_assert_msg(file_read(AT_FDCWD, "/bin/sleep", 16 << 20, &text, &err) == 0, "%s", err.msg);
	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text.data, text.len, 0755, &err) == 0,
		      "%s", err.msg);
	return path;
}

static void start(char *const *argv, const char *program, const struct spawn_fd *fds, size_t nfds)
{
	struct spawn s = { .argv = argv, .program = program, .fds = fds, .nfds = nfds };

	ck_assert_msg(spawn_start(&s, &child, &err) == 0, "%s", err.msg);
}

static void find(struct use_list *l)
{
	ck_assert_msg(use_find(prefix, l, &err) == 0, "%s", err.msg);
}

/* Otherwise gc would remove what is in use. */
START_TEST(a_search_that_is_not_complete_fails)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	AUTO(str) char *program = add_program("vmm");
	AUTO(fd) int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct rlimit most;
	struct rlimit few;

	start(ARGV(program, "60"), NULL, NULL, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &most), 0);
	few = (struct rlimit){ (rlim_t)next + 1 + (rlim_t)_i, most.rlim_max };
	fd_close(&next);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	int rc = use_find(prefix, &l, &err);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &most), 0);
	ck_assert_msg(rc < 0 && err.sys == EMFILE, "%d: %s", rc, err.msg);
}
END_TEST

START_TEST(nobody_uses_what_is_not_there)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;

	find(&l);
	ck_assert_uint_eq(l.rows.n, 0);
	ck_assert_ptr_null(use_generations(&l));
}
END_TEST

START_TEST(a_shim_uses_what_it_executes)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	AUTO(str) char *program = add_program("shim");
	AUTO(strv) char **ids = NULL;

	start(ARGV("shim", "1000"), program, NULL, 0);
	find(&l);
	ck_assert_uint_eq(l.rows.n, 1);
	ck_assert_str_eq(l.rows.v[0].generation, "1-a");
	ck_assert_str_eq(l.rows.v[0].process, "shim");
	ck_assert_int_eq(l.rows.v[0].pid, child.pid);
	ids = use_generations(&l);
	ck_assert_uint_eq(strv_len(ids), 1);
	ck_assert_uint_eq(use_pods(&l, "1-a"), 0);
}
END_TEST

START_TEST(a_removed_program_is_still_used)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	AUTO(str) char *program = add_program("shim");

	start(ARGV("shim", "1000"), program, NULL, 0);
	ck_assert_int_eq(unlink(program), 0);
	find(&l);
	ck_assert_uint_eq(l.rows.n, 1);
	ck_assert_str_eq(l.rows.v[0].generation, "1-a");
}
END_TEST

static void nobody_is_found(void)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;

	find(&l);
	ck_assert_uint_eq(l.rows.n, 0);
}

/* A process that only reads a file, such as tail or kata-deploy status, is no user. */
START_TEST(a_reader_does_not_use_it)
{
	AUTO(str) char *file = add_program("image");
	AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	const struct spawn_fd fds[] = { { fd, 5 } };

	start(ARGV("sleep", "1000"), NULL, fds, 1);
	nobody_is_found();
}
END_TEST

/* A process that maps a file and waits for its end. */
static void map(const char *file, int protection)
{
	AUTO(fd) int fd = open(file, O_RDONLY | O_CLOEXEC);
	int ends[2], side;
	char byte = 0;

	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	side = spawn_fork(&child, &err);
	ck_assert_int_ge(side, 0);
	if (side == 0) {
		void *at = mmap(NULL, 4096, protection, MAP_PRIVATE, fd, 0);

		if (at == MAP_FAILED || close(fd) < 0 || write(ends[1], "m", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	(void)close(ends[1]);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	(void)close(ends[0]);
}

/* Nor is a process that maps it as data. */
START_TEST(data_is_not_used)
{
	AUTO(str) char *file = add_program("kernel");

	map(file, PROT_READ);
	nobody_is_found();
}
END_TEST

/* A process that maps code is one. */
START_TEST(a_library_is_used)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	AUTO(str) char *file = add_program("library.so");

	map(file, PROT_READ | PROT_EXEC);
	find(&l);
	ck_assert_uint_eq(l.rows.n, 1);
	ck_assert_str_eq(l.rows.v[0].generation, "1-a");
	ck_assert_int_eq(l.rows.v[0].pid, child.pid);
}
END_TEST

/* The installer of the release runs while it removes the release. */
START_TEST(the_installer_does_not_hold_itself)
{
	AUTO(str) char *program = add_program(_i ? "kata-deploy" : "kata-manager");

	start(ARGV("installer", "1000"), program, NULL, 0);
	nobody_is_found();
	ck_assert_int_eq(unlink(program), 0);
	nobody_is_found();
}
END_TEST

/* Starts a shim of the generation 1-a. */
static void start_shim(void)
{
	AUTO(str) char *program = add_program("sh");
	AUTO(buf) struct buf text = BUF_INIT(16 << 20);

	ck_assert_int_eq(file_read(AT_FDCWD, "/bin/sh", 16 << 20, &text, &err), 0);
	ck_assert_int_eq(unlink(program), 0);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, program, text.data, text.len, 0755, &err),
			 0);
	/* The arguments after the script are those of the shim. */
	start(ARGV("shim", "-c", "kill -STOP $$", "x", "-namespace", "k8s.io", "-id", "pod-7"),
	      program, NULL, 0);
}

START_TEST(a_shim_says_whose_it_is)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;

	start_shim();
	find(&l);
	ck_assert_uint_eq(l.rows.n, 1);
	ck_assert_str_eq(l.rows.v[0].sandbox, "pod-7");
	ck_assert_str_eq(l.rows.v[0].space, "k8s.io");
	ck_assert_uint_eq(use_pods(&l, "1-a"), 1);
	ck_assert_uint_eq(use_pods(&l, "2-b"), 0);
}
END_TEST

/* Mounts an empty /run in a mount namespace of this process. */
static bool private_run(void)
{
	return unshare(CLONE_NEWNS) == 0 &&
	       mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("tmpfs", "/run", "tmpfs", 0, NULL) == 0;
}

START_TEST(a_bundle_uses_its_shim)
{
	static const char bundle[] = "/run/containerd/io.containerd.runtime.v2.task/k8s.io/pod-9";
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	AUTO(str) char *program = add_program("shim"), *stable = path_join(prefix, "bin");
	AUTO(str) char *named = path_join(prefix, "bin/shim"), *file = NULL;

	if (!private_run()) {
		(void)printf("skipped: a_bundle_uses_its_shim: no mount namespace: %s\n",
			     strerror(errno));
		return;
	}
	ck_assert_int_eq(symlink("generations/1-a/bin", stable), 0);
	file = path_join(bundle, "shim-binary-path");
	ck_assert_msg(path_make(bundle, 0755, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, named, strlen(named), 0644, &err),
			 0);
	find(&l);
	ck_assert_uint_eq(l.rows.n, 1);
	ck_assert_str_eq(l.rows.v[0].sandbox, "pod-9");
	ck_assert_str_eq(l.rows.v[0].generation, "1-a");
	ck_assert_int_eq(l.rows.v[0].pid, 0);
	(void)program;
}
END_TEST

/* Runs a function in a child; returns true if that returns true. */
static bool in_child(bool (*run)(void))
{
	pid_t pid = fork();
	int status = -1;

	/* LeakSanitizer cannot look into a process that has another /proc. */
	if (pid == 0)
		(void)syscall(SYS_exit_group, run() ? 0 : 1);
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* In a mount namespace of its own: what the host has as the directory `var` is mounted at `opt`. */
static bool pod_finds_the_shim(void)
{
	AUTO(use_list) struct use_list l = USE_LIST_INIT;
	AUTO(str) char *var = path_join(dir, "var"), *opt = path_join(dir, "opt");
	AUTO(fd) int there = -1;

	if (unshare(CLONE_NEWNS) < 0)
		return false;
	there = open(var, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (there < 0 || mount("none", dir, "tmpfs", 0, NULL) < 0 || mkdir(opt, 0755) < 0 ||
	    mount(path_of_fd(there).path, opt, NULL, MS_BIND, NULL) < 0)
		return false;
	process_see_host();
	return use_find(prefix, &l, &err) == 0 && l.rows.n == 1 &&
	       str_eq(l.rows.v[0].generation, "1-a");
}

/* The first process of the host: it has a shim, and then looks for it from a pod. */
static bool host_has_a_pod(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0)
		return false;
	start_shim();
	return in_child(pod_finds_the_shim);
}

static bool may_be_host(void)
{
	return unshare(CLONE_NEWPID | CLONE_NEWNS) == 0;
}

static bool runs_a_host(void)
{
	return may_be_host() && in_child(host_has_a_pod);
}

/* On systems of ostree /opt is a link to /var/opt. The kubelet mounts the directory that it leads to in
 * a pod at /opt, but the paths of the host's processes begin with /var/opt there too. */
START_TEST(a_pod_finds_users_behind_a_link_of_the_host)
{
	AUTO(str) char *var = path_join(dir, "var"), *opt = path_join(dir, "opt");

	free(prefix);
	prefix = path_join(dir, "opt/kata");
	ck_assert(mkdir(var, 0755) == 0 && symlink(_i ? var : "var", opt) == 0);
	if (!in_child(may_be_host)) {
		(void)printf("skipped: a_pod_finds_users_behind_a_link_of_the_host: no right to "
			     "make namespaces\n");
		return;
	}
	ck_assert(in_child(runs_a_host));
}
END_TEST

/* A pod that is started while an uninstall restarts the manager. */
START_TEST(a_pod_that_is_started_meanwhile_is_found)
{
	const struct deploy_step step = { .ops = &unused_step, .name = "check", .arg = prefix };
	AUTO(json) struct json *record = json_make_object();

	ck_assert_int_eq(unused_step.prepare(&step, record, &err), 0);
	ck_assert_msg(unused_step.apply(&step, record, &err) == 0, "%s", err.msg);
	ck_assert_msg(unused_step.resume(NULL, record, &err) == 0, "%s", err.msg);
	start_shim();
	ck_assert_int_eq(unused_step.apply(&step, record, &err), -1);
	ck_assert_msg(err.code == E_STATE && strstr(err.msg, "pod-7"), "%s", err.msg);
	err_clear(&err);
	ck_assert_int_eq(unused_step.resume(NULL, record, &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	err_clear(&err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_use");
	TCase *t = tcase_create("use");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, a_search_that_is_not_complete_fails, 0, 2);
	tcase_add_test(t, nobody_uses_what_is_not_there);
	tcase_add_test(t, a_shim_uses_what_it_executes);
	tcase_add_test(t, a_removed_program_is_still_used);
	tcase_add_test(t, a_reader_does_not_use_it);
	tcase_add_test(t, data_is_not_used);
	tcase_add_test(t, a_library_is_used);
	tcase_add_loop_test(t, the_installer_does_not_hold_itself, 0, 2);
	tcase_add_test(t, a_shim_says_whose_it_is);
	tcase_add_test(t, a_bundle_uses_its_shim);
	tcase_add_loop_test(t, a_pod_finds_users_behind_a_link_of_the_host, 0, 2);
	tcase_add_test(t, a_pod_that_is_started_meanwhile_is_found);
	suite_add_tcase(s, t);
	return suite_run(s);
}
