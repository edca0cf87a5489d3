// SPDX-License-Identifier: Apache-2.0
/* libs/container: real containers from a root file system with a busybox in it. Needs root. */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"
#include "container/container.h"
#include "container/core.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[SCRATCH_DIR];

static void copy_busybox(const char *to)
{
	struct err err = ERR_INIT;

	ck_assert_msg(spawn_run(&(struct spawn){ .argv = ARGV("/bin/cp", "/bin/busybox", to) },
				NULL, 0, NULL, deadline_in(60000), &err) == 0,
		      "%s", err.msg);
}

static void setup(void)
{
	static const char *const applets[] = { "sh",   "true", "cat",   "echo", "sleep", "id",
					       "stty", "ls",   "mount", "kill", NULL };
	struct err err = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	scratch_make(dir, "container");
	AUTO(str) char *bin = path_join(dir, "rootfs/bin");
	AUTO(str) char *busybox = path_join(bin, "busybox");
	ck_assert(path_make(bin, 0755, &err) == 0);
	copy_busybox(busybox);
	for (const char *const *a = applets; *a; a++) {
		AUTO(str) char *link = path_join(bin, *a);

		ck_assert(symlink("busybox", link) == 0);
	}
}

static void teardown(void)
{
	scratch_remove(dir);
}

/* A plain specification; %s is the JSON of process members after args. */
static struct oci_spec *make_spec(const char *script, const char *process, const char *linux_part)
{
	struct err err = ERR_INIT;
	AUTO(str)
	char *json =
		str_fmt("{\"ociVersion\":\"1.0.2\",\"process\":{\"args\":[\"sh\",\"-c\",\"%s\"],"
			"\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}%s},"
			"\"root\":{\"path\":\"rootfs\"},\"hostname\":\"box\",\"mounts\":["
			"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
			"\"options\":[\"nosuid\",\"mode=755\"]},"
			"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
			"\"options\":[\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}],"
			"\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},"
			"{\"type\":\"uts\"},{\"type\":\"ipc\"},{\"type\":\"network\"}]%s}}",
			script, process, linux_part);
	struct oci_spec *spec = oci_spec_parse(json, strlen(json), "test", &err);

	ck_assert_msg(spec != NULL, "%s", err.msg);
	return spec;
}

struct run {
	struct container *c;
	struct container_process init;
	int out; /* read end of its stdout and stderr */
};

static int create(struct run *r, const struct oci_spec *spec, struct err *err)
{
	/* A name of its own, because the test may run twice at the same time. */
	AUTO(str) char *group = str_fmt("/kata-unit-test-%d", (int)getpid());
	int ends[2];

	ck_assert(fd_pipe(ends, err) == 0);
	struct container_options o = { .id = "kata-unit-test",
				       .spec = spec,
				       .bundle = dir,
				       .cgroup_path = group,
				       .stdio = { -1, ends[1], ends[1] },
				       .deadline = deadline_in(60000),
				       .seccomp = true,
				       .lenient_cgroup = true };
	int result = container_create(&o, &r->c, &r->init, err);

	(void)close(ends[1]);
	r->out = ends[0];
	if (result < 0)
		(void)close(ends[0]);
	return result;
}

static void must_create(struct run *r, const struct oci_spec *spec)
{
	struct err err = ERR_INIT;

	ck_assert_msg(create(r, spec, &err) == 0, "%s", err.msg);
}

static int finish(struct run *r, char *text, size_t size)
{
	struct err err = ERR_INIT;
	ssize_t n = fd_read_full(r->out, text, size - 1, &err);
	int code;

	ck_assert_int_ge(n, 0);
	text[n] = '\0';
	ck_assert_msg(spawn_wait(&r->init.child, deadline_in(60000), &code, &err) == 0, "%s",
		      err.msg);
	container_init_ended(r->c);
	fd_close(&r->out);
	fd_close(&r->init.console);
	ck_assert_msg(container_delete(r->c, deadline_in(60000), &err) == 0, "%s", err.msg);
	return code;
}

/* Runs a script to its end. Its output must be expect (NULL: any); returns its exit code. */
static int run(const char *script, const char *process, const char *linux_part, const char *expect)
{
	AUTO(oci_spec) struct oci_spec *spec = make_spec(script, process, linux_part);
	struct err err = ERR_INIT;
	char text[4096];
	struct run r;
	int code;

	must_create(&r, spec);
	ck_assert_msg(container_start(r.c, deadline_in(60000), &err) == 0, "%s", err.msg);
	code = finish(&r, text, sizeof(text));
	if (expect)
		ck_assert_str_eq(text, expect);
	return code;
}

START_TEST(exit_codes_come_back)
{
	ck_assert_int_eq(run("exit 0", "", "", ""), 0);
	ck_assert_int_eq(run("exit 7", "", "", ""), 7);
	ck_assert_int_eq(run("kill -9 1; echo $$", "", "", NULL),
			 0); /* init ignores it from within */
}
END_TEST

START_TEST(the_process_is_what_the_specification_says)
{
	ck_assert_int_eq(run("echo $$ $HOME; pwd; hostname; id -u; id -g; umask", "", "",
			     "1 /\n/\nbox\n0\n0\n0022\n"),
			 0);
	ck_assert_int_eq(run("id -u; id -G; ulimit -n; ulimit -c",
			     ",\"x\":0,\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\","
			     "\"soft\":100,\"hard\":100}]",
			     "", "0\n0\n100\n0\n"),
			 0);
	ck_assert_int_eq(
		run("cat /proc/self/status | while read a b; do [ $a = CapEff: ] && echo $b; "
		    "done; true",
		    ",\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":[\"CAP_KILL\"],"
		    "\"permitted\":[\"CAP_KILL\"]}",
		    "", "0000000000000020\n"),
		0);
}
END_TEST

START_TEST(no_fd_of_ours_is_open_inside)
{
	ck_assert_int_eq(run("exec ls /proc/self/fd", "", "", "0\n1\n2\n3\n"),
			 0); /* 3: ls itself */
}
END_TEST

START_TEST(masked_and_readonly_paths)
{
	ck_assert_int_eq(run("ls /proc/acpi /proc/fs; cat /proc/keys; echo x 2>/dev/null "
			     ">/proc/sys/kernel/domainname || echo denied",
			     "",
			     ",\"maskedPaths\":[\"/proc/fs\",\"/proc/keys\",\"/proc/none\"],"
			     "\"readonlyPaths\":[\"/proc/sys\"]",
			     NULL),
			 0);
	ck_assert_int_eq(run("ls /proc/fs; cat /proc/keys; (echo x >/proc/sys/kernel/domainname) "
			     "2>/dev/null || echo denied",
			     "",
			     ",\"maskedPaths\":[\"/proc/fs\",\"/proc/keys\"],"
			     "\"readonlyPaths\":[\"/proc/sys\"]",
			     "denied\n"),
			 0);
}
END_TEST

START_TEST(seccomp_filters)
{
	ck_assert_int_eq(run("hostname y 2>/dev/null || echo denied", "",
			     ",\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
			     "[{\"names\":[\"sethostname\"],\"action\":\"SCMP_ACT_ERRNO\"}]}",
			     "denied\n"),
			 0);
}
END_TEST

START_TEST(a_missing_program_is_reported_by_create)
{
	AUTO(oci_spec) struct oci_spec *spec = make_spec("", "", "");
	struct err err = ERR_INIT;
	struct run r;

	str_set(&spec->process->args[0], "no-such-program");
	ck_assert_int_eq(create(&r, spec, &err), -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_ptr_nonnull(strstr(err.msg, "no-such-program"));
}
END_TEST

START_TEST(exec_joins)
{
	AUTO(oci_spec) struct oci_spec *spec = make_spec("read x", "", "");
	AUTO(oci_process) struct oci_process *p = NULL;
	struct container_process process;
	struct err err = ERR_INIT;
	struct run r;
	char text[200];
	int ends[2], code;

	str_set(&spec->process->args[2], "sleep 600");
	must_create(&r, spec);
	ck_assert(container_start(r.c, deadline_in(60000), &err) == 0);
	str_set(&spec->process->args[2], "hostname; echo $$; exit 9");
	AUTO(str) char *json = oci_process_format(spec->process);
	p = oci_process_parse(json, strlen(json), "p", &err);
	ck_assert(fd_pipe(ends, &err) == 0);
	struct container_stdio io = { -1, ends[1], -1 };
	ck_assert_msg(container_exec(r.c, p, &io, deadline_in(60000), &process, &err) == 0, "%s",
		      err.msg);
	(void)close(ends[1]);
	ssize_t n = fd_read_full(ends[0], text, sizeof(text) - 1, &err);
	text[n] = '\0';
	(void)close(ends[0]);
	ck_assert_str_eq(text, "box\n2\n");
	ck_assert(spawn_wait(&process.child, deadline_in(60000), &code, &err) == 0);
	ck_assert_int_eq(code, 9);
	ck_assert(container_signal_all(r.c, SIGKILL, &err) == 0);
	ck_assert_int_eq(finish(&r, text, sizeof(text)), 137);
}
END_TEST

START_TEST(a_terminal_has_a_size)
{
	AUTO(oci_spec)
	struct oci_spec *spec =
		make_spec("stty size; tty; exit 3",
			  ",\"terminal\":true,\"consoleSize\":{\"height\":33,\"width\":77}", "");
	struct err err = ERR_INIT;
	char text[200] = { 0 };
	struct run r;
	ssize_t n, have = 0;
	int code;

	must_create(&r, spec);
	ck_assert_int_ge(r.init.console, 0);
	ck_assert(container_start(r.c, deadline_in(60000), &err) == 0);
	while ((n = read(r.init.console, text + have, sizeof(text) - 1 - (size_t)have)) > 0)
		have += n;
	ck_assert_str_eq(text, "33 77\r\n/dev/pts/0\r\n");
	code = finish(&r, text, sizeof(text));
	ck_assert_int_eq(code, 3);
}
END_TEST

static const struct {
	const char *process, *linux_part;
	enum err_code code;
} refused[] = {
	{ ",\"cwd\":1", "", E_OK },
	{ "", ",\"sysctl\":{\"kernel.panic\":\"1\"}", E_INVALID },
	{ "", ",\"rootfsPropagation\":\"odd\"", E_INVALID },
	{ ",\"rlimits\":[{\"type\":\"RLIMIT_ODD\",\"soft\":1,\"hard\":1}]", "", E_INVALID },
	{ "", ",\"devices\":[{\"path\":\"/dev/x\",\"type\":\"z\",\"major\":1,\"minor\":1}]",
	  E_INVALID },
};

START_TEST(bad_specifications_are_refused_and_leave_nothing)
{
	struct err err = ERR_INIT;
	struct run r;

	if (refused[_i].code == E_OK)
		return;
	AUTO(oci_spec)
	struct oci_spec *spec = make_spec("true", refused[_i].process, refused[_i].linux_part);
	ck_assert(create(&r, spec, &err) < 0);
	ck_assert_msg(err.code == refused[_i].code, "%s", err.msg);
	AUTO(str) char *state = path_join(dir, "state/exec.fifo");
	ck_assert(!path_exists(state));
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
}
END_TEST

/* Without a free fd our binary cannot be opened: that is an error, set once. */
START_TEST(without_fds_no_process_is_launched)
{
	enum { FEW = 32 };
	const struct rlimit few = { FEW, FEW };
	struct launch l = { .deadline = deadline_in(60000) };
	struct err err = ERR_INIT;
	int taken[FEW], n = 0;

	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((taken[n] = dup(0)) >= 0)
		n++;
	ck_assert_int_eq(launch_start(&l, &err), -1);
	while (n-- > 0)
		(void)close(taken[n]); /* a sanitizer needs some at the end */
	ck_assert_msg(err.sys == EMFILE, "%s", err.msg);
}
END_TEST

START_TEST(links_in_the_image_lead_nowhere)
{
	AUTO(oci_spec) struct oci_spec *spec = make_spec("true", "", "");
	AUTO(str) char *link = path_join(dir, "rootfs/proc");
	struct err err = ERR_INIT;
	struct run r;

	ck_assert(symlink("/tmp", link) == 0);
	ck_assert(create(&r, spec, &err) < 0);
	ck_assert_msg(strstr(err.msg, "/proc") != NULL, "%s", err.msg);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("container");
	TCase *tc = tcase_create("container"), *bare = tcase_create("without fixture");

	if (container_is_init(argc, argv))
		return container_init_main();
	if (geteuid() != 0) {
		(void)puts("skipped: needs root");
		return EXIT_SUCCESS;
	}
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, exit_codes_come_back);
	tcase_add_test(tc, the_process_is_what_the_specification_says);
	tcase_add_test(tc, no_fd_of_ours_is_open_inside);
	tcase_add_test(tc, masked_and_readonly_paths);
	tcase_add_test(tc, seccomp_filters);
	tcase_add_test(tc, a_missing_program_is_reported_by_create);
	tcase_add_test(tc, exec_joins);
	tcase_add_test(tc, a_terminal_has_a_size);
	tcase_add_loop_test(tc, bad_specifications_are_refused_and_leave_nothing, 1,
			    (int)ARRAY_LEN(refused));
	tcase_add_test(tc, links_in_the_image_lead_nowhere);
	tcase_add_test(bare, without_fds_no_process_is_launched);
	suite_add_tcase(suite, bare);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
