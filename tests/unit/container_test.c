// SPDX-License-Identifier: Apache-2.0
/*
 * libs/container: runs real containers with busybox on this machine. Needs root. Tests check what a
 * container prints and returns; nothing of it may be left afterwards.
 */

#include "tests/unit/sanitized.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "container/container.h"
#include "mount/mount.h"

#include <check.h>
#include <dirent.h>
#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES                                                                       \
	"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}," \
	"{\"type\":\"network\"},{\"type\":\"cgroup\"}"

#define BASE_MOUNTS                                                                             \
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"                    \
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","                    \
	"\"options\":[\"nosuid\",\"mode=755\",\"size=65536k\"]},"                               \
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[" \
	"\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]},"              \
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\"},"          \
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","                    \
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}"

#define MOUNTS                                                                           \
	BASE_MOUNTS                                                                      \
	","                                                                              \
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\"," \
	"\"options\":[\"ro\"]}"

#define CAPS(list)                                                            \
	"\"capabilities\":{\"bounding\":[" list "],\"effective\":[" list "]," \
	"\"permitted\":[" list "]}"
#define USUAL_CAPS                                                                       \
	"\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_SETGID\",\"CAP_DAC_OVERRIDE\"," \
	"\"CAP_MKNOD\",\"CAP_NET_BIND_SERVICE\""

#define MAP_TO(id) "[{\"containerID\":0,\"hostID\":" id ",\"size\":1000}]"

static char dir[SCRATCH_DIR];
static char root[80], state_dir[80];
static int n_made;

/* A specification: members are JSON that replaces the default; NULL keeps it. */
struct parts {
	const char *script; /* for /bin/sh -c */
	const char *args;   /* instead of the script: JSON list items */
	const char *process, *user, *caps, *cwd, *env;
	const char *linux_, *namespaces, *mounts, *top, *root;
	bool terminal, own_network;
	const char *id; /* also names the cgroup; NULL: a new one */
};

static char *quoted(const char *s)
{
	AUTO(buf) struct buf b = BUF_INIT(1 << 16);

	buf_chr(&b, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			buf_chr(&b, '\\');
		if (*s == '\n')
			buf_str(&b, "\\n");
		else
			buf_chr(&b, *s);
	}
	buf_chr(&b, '"');
	return buf_steal(&b);
}

static struct oci_spec *spec_make(const struct parts *p)
{
	AUTO(str) char *script = quoted(p->script ? p->script : "true");
	AUTO(str)
	char *args = p->args ? xstrdup(p->args) : str_fmt("\"/bin/sh\",\"-c\",%s", script);
	struct err err = ERR_INIT;
	AUTO(str)
	char *json = str_fmt(
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"args\":[%s],"
		"\"env\":[\"PATH=/bin\"%s%s],\"cwd\":%s,\"user\":%s,%s%s%s},"
		"\"root\":{\"path\":\"%s\"%s%s},\"hostname\":\"inside\",\"mounts\":[%s],"
		"\"linux\":{\"namespaces\":[%s]%s%s}%s%s}",
		p->terminal ? "true" : "false", args, p->env ? "," : "", p->env ? p->env : "",
		p->cwd ? p->cwd : "\"/\"", p->user ? p->user : "{\"uid\":0,\"gid\":0}",
		p->caps ? p->caps : CAPS(USUAL_CAPS), p->process ? "," : "",
		p->process ? p->process : "", root, p->root ? "," : "", p->root ? p->root : "",
		p->mounts ? p->mounts : MOUNTS, p->namespaces ? p->namespaces : NAMESPACES,
		p->linux_ ? "," : "", p->linux_ ? p->linux_ : "", p->top ? "," : "",
		p->top ? p->top : "");
	struct oci_spec *spec = oci_spec_parse(json, strlen(json), "test", &err);

	ck_assert_msg(spec != NULL, "%s in %s", err.msg, json);
	return spec;
}

/* --- a fixture --- */

static bool is_root(void)
{
	return geteuid() == 0;
}

static void write_file(const char *name, const char *text)
{
	AUTO(str) char *path = path_join(root, name);
	struct err err = ERR_INIT;

	ck_assert_msg(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0644, &err) == 0,
		      "%s", err.msg);
}

static void setup(void)
{
	static const char *const dirs[] = { "bin", "proc", "sys", "dev", "tmp", "etc", "masked" };
	static const char *const applets[] = {
		"sh",       "cat",   "id",   "ls",    "echo",  "sleep", "mount", "stat", "test",
		"stty",     "mknod", "true", "false", "mkdir", "touch", "head",  "grep", "readlink",
		"hostname", "dd",    "tail", "kill",  "chmod", "sync",  "wc",    "tty"
	};
	struct err err = ERR_INIT;
	AUTO(str) char *busybox = NULL;

	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	scratch_make(dir, "container");
	ck_assert_int_eq(chmod(dir, 0755), 0);
	(void)str_print(root, sizeof(root), "%s/root", dir);
	(void)str_print(state_dir, sizeof(state_dir), "%s/state", dir);
	ck_assert_int_eq(mkdir(state_dir, 0700), 0);
	ck_assert_int_eq(mkdir(root, 0755), 0);
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO(str) char *path = path_join(root, dirs[i]);

		ck_assert_int_eq(mkdir(path, 0755), 0);
	}
	busybox = path_join(root, "bin/busybox");
	ck_assert_int_eq(spawn_run(&(struct spawn){ .argv = ARGV("cp", "/bin/busybox", busybox) },
				   NULL, 0, NULL, deadline_in(20000), &err),
			 0);
	for (size_t i = 0; i < ARRAY_LEN(applets); i++) {
		AUTO(str) char *path = str_fmt("%s/bin/%s", root, applets[i]);

		ck_assert_int_eq(link(busybox, path), 0);
	}
	write_file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n");
	write_file("masked/secret", "secret\n");
	write_file("etc/secret", "secret\n");
}

/* Checks that no group is left: the folder of our groups can be removed in each hierarchy. */
static void check_no_cgroups(void)
{
	DIR *top = opendir("/sys/fs/cgroup");

	for (struct dirent *e; top && (e = readdir(top));) {
		AUTO(str)
		char *path = str_fmt("/sys/fs/cgroup/%s/kata-test-%d", e->d_name, (int)getpid());

		if (path_exists(path))
			ck_assert_msg(rmdir(path) == 0, "something is left in %s", path);
	}
	if (top)
		(void)closedir(top);
}

static void teardown(void)
{
	AUTO(mount_list) struct mount_list mounts = { NULL, 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_list_read(&mounts, &err), 0);
	for (size_t i = 0; i < mounts.n; i++)
		ck_assert_msg(!path_is_below(mounts.v[i].target, dir), "%s is still mounted",
			      mounts.v[i].target);
	scratch_remove(dir);
	check_no_cgroups();
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	ck_assert_msg(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a process is left");
}

/* --- running --- */

struct running {
	struct container *c;
	struct container_process init;
	int out; /* read end of stdout and stderr */
	char text[8192];
	size_t len;
};

static int create(const struct parts *p, struct running *r, struct err *err)
{
	AUTO(oci_spec) struct oci_spec *spec = spec_make(p);
	AUTO(str)
	char *id = p->id ? xstrdup(p->id)
			 : str_fmt("test%d-%d", (int)getpid(),
				   __atomic_fetch_add(&n_made, 1, __ATOMIC_RELAXED));
	AUTO(str) char *group = str_fmt("/kata-test-%d/%s", (int)getpid(), id);
	int ends[2] = { -1, -1 };
	struct container_options o = { .id = id,
				       .spec = spec,
				       .bundle = dir,
				       .cgroup_path = group,
				       .deadline = deadline_in(30000),
				       .seccomp = true,
				       .own_network = p->own_network };

	*r = (struct running){ .out = -1, .init = { CHILD_NONE, -1 } };
	ck_assert_int_eq(fd_pipe(ends, err), 0);
	o.stdio = (struct container_stdio){ -1, ends[1], ends[1] };
	r->out = ends[0];
	if (container_create(&o, &r->c, &r->init, err) < 0) {
		(void)close(ends[1]);
		fd_close(&r->out);
		return -1;
	}
	(void)close(ends[1]);
	if (r->init.console >= 0) {
		fd_close(&r->out);
		r->out = fd_dup(r->init.console, err);
	}
	return 0;
}

/* Reads output until it contains text, or to its end if text is NULL. */
static void read_until(struct running *r, const char *text)
{
	struct deadline deadline = deadline_in(30000);

	while (!text || !strstr(r->text, text)) {
		struct pollfd wait = { .fd = r->out, .events = POLLIN };
		ssize_t n;

		ck_assert_msg(poll(&wait, 1, deadline_left(deadline)) > 0, "no '%s' in '%s'",
			      text ? text : "end", r->text);
		n = read(r->out, r->text + r->len, sizeof(r->text) - 1 - r->len);
		if (n <= 0)
			break;
		r->len += (size_t)n;
	}
}

static void start(struct running *r)
{
	struct err err = ERR_INIT;

	ck_assert_msg(container_start(r->c, deadline_in(30000), &err) == 0, "%s", err.msg);
}

static int finish(struct running *r)
{
	struct err err = ERR_INIT;
	int code = -1;

	ck_assert_msg(container_delete(r->c, deadline_in(30000), &err) == 0, "%s", err.msg);
	ck_assert_msg(container_reap(&r->init, &code, &err) == 0, "%s", err.msg);
	fd_close(&r->init.console);
	fd_close(&r->out);
	return code;
}

static int wait_end(struct running *r)
{
	struct pollfd wait = { .fd = r->init.child.pidfd, .events = POLLIN };

	read_until(r, NULL);
	ck_assert_int_gt(poll(&wait, 1, 30000), 0);
	return finish(r);
}

static int run(const struct parts *p, struct running *r)
{
	struct err err = ERR_INIT;

	ck_assert_msg(create(p, r, &err) == 0, "%s", err.msg);
	start(r);
	return wait_end(r);
}

/* Runs a script, whose output must be text. */
static void expect(const struct parts *p, const char *text)
{
	struct running r;
	int code = run(p, &r);

	ck_assert_str_eq(r.text, text);
	ck_assert_int_eq(code, 0);
}

static enum err_code refused(const struct parts *p)
{
	struct running r;
	struct err err = ERR_INIT;

	if (create(p, &r, &err) == 0) {
		(void)finish(&r);
		return E_OK;
	}
	return err.code;
}

/* --- tests --- */

START_TEST(exit_codes)
{
	struct running r;

	ck_assert_int_eq(run(&(struct parts){ .script = "echo hello; exit 3" }, &r), 3);
	ck_assert_str_eq(r.text, "hello\n");
	ck_assert_int_eq(run(&(struct parts){ .script = "true" }, &r), 0);
}
END_TEST

START_TEST(killed_is_128_plus_signal)
{
	struct running r;

	ck_assert_int_eq(run(&(struct parts){ .script = "sh -c 'kill -9 $$'; exit $?" }, &r), 137);
}
END_TEST

START_TEST(init_is_killed_by_delete)
{
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_msg(create(&(struct parts){ .script = "echo up; sleep 100" }, &r, &err) == 0,
		      "%s", err.msg);
	ck_assert_int_eq(container_state(r.c), CONTAINER_CREATED);
	start(&r);
	ck_assert_int_eq(container_state(r.c), CONTAINER_RUNNING);
	read_until(&r, "up");
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

START_TEST(created_but_never_started)
{
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_msg(create(&(struct parts){ .script = "echo no" }, &r, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(finish(&r), 137);
	ck_assert_str_eq(r.text, "");
}
END_TEST

START_TEST(environment_cwd_and_names)
{
	expect(&(struct parts){ .script = "echo $A $HOME $(pwd) $(hostname) $$",
				.env = "\"A=b c\"",
				.cwd = "\"/made/here\"" },
	       "b c /root /made/here inside 1\n");
	expect(&(struct parts){ .script = "echo $HOME", .env = "\"HOME=/else\"" }, "/else\n");
}
END_TEST

START_TEST(the_last_value_of_a_variable_counts)
{
	expect(&(struct parts){ .args = "\"busybox\",\"env\"",
				.env = "\"A=image\",\"AB=1\",\"HOME=/image\",\"A=pod\",\"B=\","
				       "\"PATH=/none:/bin\",\"HOME=/pod\",\"B=2\"" },
	       "AB=1\nA=pod\nPATH=/none:/bin\nHOME=/pod\nB=2\n");
}
END_TEST

START_TEST(user_groups_and_umask)
{
	expect(
		&(struct parts){
			.script = "id -u; id -g; id -G; umask; echo $HOME; echo x > /dev/stdout",
			.user = "{\"uid\":1000,\"gid\":1001,\"umask\":23,"
				"\"additionalGids\":[5,7]}" },
		"1000\n1001\n1001 5 7\n0027\n/home/u\nx\n");
}
END_TEST

START_TEST(capabilities_are_what_was_asked_for)
{
	static const char all[] = "grep -E 'Cap(Inh|Prm|Eff|Bnd|Amb)' /proc/self/status";

	expect(&(struct parts){ .script = all, .caps = CAPS("\"CAP_KILL\",\"CAP_CHOWN\"") },
	       "CapInh:\t0000000000000000\nCapPrm:\t0000000000000021\nCapEff:\t0000000000000021\n"
	       "CapBnd:\t0000000000000021\nCapAmb:\t0000000000000000\n");
	expect(
		&(struct parts){
			.script = all,
			.user = "{\"uid\":1000,\"gid\":1000}",
			.caps = "\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"effective\":["
				"\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],\"inheritable\":["
				"\"CAP_KILL\"],\"ambient\":[\"CAP_KILL\"]}" },
		"CapInh:\t0000000000000020\nCapPrm:\t0000000000000020\nCapEff:\t0000000000000020\n"
		"CapBnd:\t0000000000000020\nCapAmb:\t0000000000000020\n");
}
END_TEST

/* An engine on a newer kernel gives a privileged container all that it knows. */
START_TEST(unknown_capabilities_are_left_out)
{
	expect(&(struct parts){ .script = "grep CapBnd /proc/self/status",
				.caps = CAPS(
					"\"CAP_NOT_ONE\",\"CAP_KILL\",\"chown\",\"CAP_\",\"\"") },
	       "CapBnd:\t0000000000000020\n");
}
END_TEST

START_TEST(no_new_privs_and_rlimits)
{
	expect(
		&(struct parts){
			.script = "grep NoNewPrivs /proc/self/status; ulimit -n; ulimit -c",
			.process = "\"noNewPrivileges\":true,\"rlimits\":[{\"type\":\"RLIMIT_"
				   "NOFILE\",\"soft\":64,\"hard\":128},{\"type\":\"RLIMIT_CORE\","
				   "\"soft\":0,\"hard\":0}]" },
		"NoNewPrivs:\t1\n64\n0\n");
	ck_assert_int_eq(
		refused(&(struct parts){
			.process = "\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]" }),
		E_INVALID);
}
END_TEST

START_TEST(minus_one_is_no_user)
{
	ck_assert_int_eq(refused(&(struct parts){ .user = "{\"uid\":4294967295,\"gid\":0}" }),
			 E_INVALID);
	ck_assert_int_eq(refused(&(struct parts){ .user = "{\"uid\":7,\"gid\":4294967295}" }),
			 E_INVALID);
}
END_TEST

START_TEST(oom_score)
{
	expect(&(struct parts){ .script = "cat /proc/self/oom_score_adj",
				.process = "\"oomScoreAdj\":500" },
	       "500\n");
}
END_TEST

START_TEST(readonly_root_and_paths)
{
	expect(&(struct parts){ .script = "touch /x 2>&1; touch /tmp/x 2>&1; echo a > /dev/null; "
					  "(echo b > /etc/t) 2>&1 | sed 's/.*: //'",
				.root = "\"readonly\":true" },
	       "touch: /x: Read-only file system\ntouch: /tmp/x: Read-only file system\n"
	       "Read-only file system\n");
	expect(
		&(struct parts){
			.script = "touch /etc/x 2>&1; touch /x && echo ok",
			.linux_ = "\"readonlyPaths\":[\"/etc\",\"/not/there\",\"/proc/sys\"]" },
		"touch: /etc/x: Read-only file system\nok\n");
}
END_TEST

START_TEST(masked_paths)
{
	expect(
		&(struct parts){
			.script = "cat /etc/secret; ls /masked; touch /masked/x 2>&1; "
				  "cat /proc/timer_list; stat -c %t:%T /etc/secret",
			.linux_ = "\"maskedPaths\":[\"/etc/secret\",\"/masked\",\"/not/there\","
				  "\"/proc/timer_list\",\"/etc/secret/x\"]" },
		"touch: /masked/x: Read-only file system\n1:3\n");
}
END_TEST

START_TEST(mounts_are_made)
{
	AUTO(str) char *file = path_join(dir, "file");
	AUTO(str) char *mounts = NULL;
	struct err err = ERR_INIT;

	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "content\n", 8, 0644, &err), 0);
	mounts = str_fmt(MOUNTS ",{\"destination\":\"/a/file\",\"type\":\"bind\",\"source\":\"%s\","
				"\"options\":[\"bind\",\"ro\"]},"
				"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
				"\"options\":[\"mode=1777\",\"size=64k\",\"noexec\"]},"
				"{\"destination\":\"relative\",\"source\":\"state\",\"options\":["
				"\"rbind\",\"rprivate\"]}",
			 file);
	expect(&(struct parts){ .script = "cat /a/file; (echo x > /a/file) 2>&1 | sed 's/.*: //'; "
					  "stat -c %a /t; touch /t/x; "
					  "touch /relative/mark; grep -c ' /t .*noexec' "
					  "/proc/self/mountinfo; ls /sys/fs/cgroup/*cgroup.procs "
					  "/sys/fs/cgroup/memory/cgroup.procs 2>/dev/null | wc -l",
				.mounts = mounts },
	       "content\nRead-only file system\n1777\n1\n1\n");
	AUTO(str) char *mark = path_join(state_dir, "mark");
	ck_assert(path_exists(mark));
}
END_TEST

START_TEST(a_tmpfs_starts_with_what_was_there)
{
	AUTO(str) char *link = path_join(root, "etc/link");

	ck_assert_int_eq(symlink("/outside", link), 0);
	write_file("masked/deep", "deep\n");
	expect(&(struct parts){ .script = "cat /etc/secret; readlink /etc/link; touch /etc/x 2>&1; "
					  "cat /masked/deep; touch /masked/new && echo writable",
				.mounts = MOUNTS
				",{\"destination\":\"/etc\",\"type\":\"tmpfs\",\"options\":["
				"\"tmpcopyup\",\"ro\"]},{\"destination\":\"/masked\",\"type\":"
				"\"tmpfs\",\"options\":[\"tmpcopyup\"]}" },
	       "secret\n/outside\ntouch: /etc/x: Read-only file system\ndeep\nwritable\n");
	AUTO(str) char *leaked = path_join(root, "masked/new");
	ck_assert(!path_exists(leaked));
}
END_TEST

START_TEST(nothing_of_the_guest_is_seen)
{
	/* The container sees only its own mounts and processes. */
	expect(&(struct parts){ .script = "grep -c kata-container- /proc/self/mountinfo; "
					  "set -- /proc/[0-9]*; echo $#",
				.mounts = "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":"
					  "\"proc\"}" },
	       "1\n1\n");
}
END_TEST

START_TEST(default_devices)
{
	expect(
		&(struct parts){
			.script = "stat -c '%n %t:%T %a' /dev/null /dev/zero /dev/full "
				  "/dev/random /dev/urandom /dev/tty /dev/mine; readlink /dev/fd; "
				  "readlink "
				  "/dev/ptmx; head -c 2 /dev/zero | wc -c",
			.linux_ = "\"devices\":[{\"path\":\"/dev/mine\",\"type\":\"c\",\"major\":1,"
				  "\"minor\":5,\"fileMode\":384,\"uid\":3,\"gid\":4}]" },
		"/dev/null 1:3 666\n/dev/zero 1:5 666\n/dev/full 1:7 666\n/dev/random 1:8 666\n"
		"/dev/urandom 1:9 666\n/dev/tty 5:0 666\n/dev/mine 1:5 "
		"600\n/proc/self/fd\npts/ptmx\n2\n");
}
END_TEST

/* A file that a mount puts at the path of a device stays there. */
START_TEST(a_file_at_the_path_of_a_device_stays)
{
	expect(
		&(struct parts){
			.script = "stat -c '%F' /dev/mine /dev/null",
			.mounts = "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":"
				  "\"tmpfs\"},{\"destination\":\"/dev/mine\",\"type\":\"bind\","
				  "\"source\":\"/proc/version\",\"options\":[\"bind\"]}",
			.linux_ = "\"devices\":[{\"path\":\"/dev/mine\",\"type\":\"c\",\"major\":1,"
				  "\"minor\":5}]" },
		"regular empty file\ncharacter special file\n");
}
END_TEST

/* As lxcfs does, and images for FIPS. Which of the files there are depends on the kernel. */
START_TEST(some_files_of_proc_can_be_covered)
{
	static const char *const files[] = { "/proc/uptime", "/proc/sys/crypto/fips_enabled" };

	write_file("etc/cover", "covered\n");
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO(str)
		char *mounts = str_fmt(MOUNTS ",{\"destination\":\"%s\",\"type\":\"bind\","
					      "\"source\":\"%s/etc/cover\",\"options\":[\"bind\","
					      "\"ro\"]}",
				       files[i], root);
		AUTO(str) char *script = str_fmt("test ! -e %s || cat %s", files[i], files[i]);

		expect(&(struct parts){ .script = script,
					.mounts = mounts,
					.linux_ = "\"readonlyPaths\":[\"/proc/sys\"]" },
		       access(files[i], F_OK) == 0 ? "covered\n" : "");
	}
}
END_TEST

START_TEST(device_rules)
{
	expect(
		&(struct parts){
			.script =
				"mknod /k c 1 11 && cat /k 2>&1; mknod /z c 1 5 && head -c 1 /z | "
				"wc -c",
			.linux_ = "\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}"
				  "]}" },
		"cat: can't open '/k': Operation not permitted\n1\n");
}
END_TEST

START_TEST(sysctls)
{
	expect(&(struct parts){ .script =
					"cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni",
				.linux_ = "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\","
					  "\"kernel.shmmni\":\"77\"}" },
	       "1\n77\n");
	ck_assert_int_eq(
		refused(&(struct parts){ .linux_ = "\"sysctl\":{\"kernel.pid_max\":\"100\"}" }),
		E_INVALID);
	ck_assert_int_eq(
		refused(&(struct parts){ .namespaces = "{\"type\":\"mount\"},{\"type\":\"uts\"}",
					 .linux_ = "\"sysctl\":{\"net.ipv4.ip_forward\":\"1\"}" }),
		E_INVALID);
	ck_assert_int_eq(refused(&(struct parts){
				 .linux_ = "\"sysctl\":{\"user.max_user_namespaces\":\"3\"}" }),
			 E_INVALID);
}
END_TEST

/* The counts of a user namespace. The one around it keeps its own. */
START_TEST(sysctls_of_a_user_namespace)
{
	struct err err = ERR_INIT;
	AUTO(str)
	char *before = file_read_line(AT_FDCWD, "/proc/sys/user/max_user_namespaces", &err);
	AUTO(str) char *after = NULL;

	expect(&(struct parts){ .script = "cat /proc/sys/user/max_user_namespaces",
				.namespaces = NAMESPACES ",{\"type\":\"user\"}",
				.linux_ = "\"uidMappings\":[{\"containerID\":0,\"hostID\":0,"
					  "\"size\":1000}],\"gidMappings\":[{\"containerID\":0,"
					  "\"hostID\":0,\"size\":1000}],"
					  "\"sysctl\":{\"user.max_user_namespaces\":\"3\"}" },
	       "3\n");
	after = file_read_line(AT_FDCWD, "/proc/sys/user/max_user_namespaces", &err);
	ck_assert_str_eq(before, after);
}
END_TEST

/* These are not plain lists of names and are refused before any file is opened. */
static const char *const not_names[] = {
	"net/../vm/swappiness",          "net.ipv4/../../kernel.pid_max",
	"net/./core/somaxconn",          "net//core/somaxconn",
	"net..core.somaxconn",           "net.core.somaxconn.",
	"/net/core/somaxconn",           "net/core/somaxconn/..",
	"fs.mqueue/../../vm/swappiness", "fs/mqueue/../../vm/swappiness",
	"..net.core.somaxconn",          "net/",
};

START_TEST(sysctl_names_are_plain)
{
	AUTO(str) char *json = str_fmt("\"sysctl\":{\"%s\":\"1\"}", not_names[_i]);
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_int_eq(create(&(struct parts){ .linux_ = json }, &r, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_msg(strstr(err.msg, not_names[_i]) != NULL, "%s", err.msg);
}
END_TEST

/* In a guest, containers share the network of the pod, even with a user namespace of their own. */
START_TEST(sysctls_of_a_shared_network)
{
	static const char *const namespaces[] = {
		"{\"type\":\"mount\"},{\"type\":\"uts\"}",
		"{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"user\"}",
	};
	struct parts p = { .script = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start",
			   .own_network = true,
			   .namespaces = namespaces[_i],
			   .mounts = "{\"destination\":\"/proc\",\"type\":\"bind\",\"source\":"
				     "\"/proc\",\"options\":[\"rbind\"]}",
			   .linux_ =
				   "\"uidMappings\":[{\"containerID\":0,\"hostID\":0,"
				   "\"size\":65536}],\"gidMappings\":[{\"containerID\":0,"
				   "\"hostID\":0,\"size\":65536}],"
				   "\"sysctl\":{\"net.ipv4.ip_unprivileged_port_start\":\"77\"}" };

	ck_assert_int_eq(unshare(CLONE_NEWNET), 0); /* a network of this test's */
	expect(&p, "77\n");
}
END_TEST

START_TEST(seccomp_filters)
{
	static const char filter[] =
		"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_"
		"X86_64\","
		"\"SCMP_ARCH_X86\"],\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],\"syscalls\":["
		"{\"names\":[\"mkdir\",\"mkdirat\",\"no_such_call\"],\"action\":\"SCMP_ACT_ERRNO\","
		"\"errnoRet\":28},{\"names\":[\"kill\"],\"action\":\"SCMP_ACT_ERRNO\",\"args\":["
		"{\"index\":1,\"value\":255,\"valueTwo\":10,\"op\":\"SCMP_CMP_MASKED_EQ\"}]}]}";
	static const char script[] = "mkdir /x 2>&1; kill -10 1 2>&1; kill -0 1 && echo may";

	if (UNDER_VALGRIND) /* which has no seccomp */
		return;
	expect(&(struct parts){ .script = script, .linux_ = filter },
	       "mkdir: can't create directory '/x': No space left on device\n"
	       "sh: can't kill pid 1: Operation not permitted\nmay\n");
	expect(&(struct parts){ .script = script,
				.linux_ = filter,
				.process = "\"noNewPrivileges\":true",
				.user = "{\"uid\":1000,\"gid\":1000}",
				.caps = CAPS("") },
	       "mkdir: can't create directory '/x': No space left on device\n"
	       "sh: can't kill pid 1: Operation not permitted\nmay\n");
	ck_assert_int_eq(
		refused(&(struct parts){
			.linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":["
				  "{\"names\":[\"mkdir\"],\"action\":\"SCMP_ACT_NOTIFY\"}]}" }),
		E_UNSUPPORTED);
	ck_assert_int_eq(refused(&(struct parts){
				 .linux_ = "\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ALLOW\","
					   "\"listenerPath\":\"/s\"}" }),
			 E_UNSUPPORTED);
}
END_TEST

/* A program without libc, which exits with the errno of one system call: x86_64's, or by the way of
 * i386. */
static void write_caller(const char *name, unsigned char number_low, unsigned char number_high,
			 bool i386)
{
	enum { BASE = 0x400000, CODE = 0x78 };
	unsigned char code[] = {
		0xb8, number_low, number_high, 0, 0, /* mov eax, number */
		0x0f, 0x05,                          /* syscall, or int 0x80 */
		0xf7, 0xd8,                          /* neg eax */
		0x89, 0xc7,                          /* mov edi, eax */
		0xb8, 60,         0,           0, 0, /* mov eax, exit */
		0x0f, 0x05,                          /* syscall */
	};
	unsigned char file[CODE + sizeof(code)] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	Elf64_Ehdr header;
	Elf64_Phdr segment = { .p_type = PT_LOAD,
			       .p_flags = PF_R | PF_X,
			       .p_vaddr = BASE,
			       .p_filesz = sizeof(file),
			       .p_memsz = sizeof(file),
			       .p_align = 4096 };
	AUTO(str) char *path = path_join(root, name);
	struct err err = ERR_INIT;

	if (i386)
		memcpy(code + 5, "\xcd\x80", 2);
	memcpy(&header, file, sizeof(header));
	header.e_type = ET_EXEC;
	header.e_machine = EM_X86_64;
	header.e_version = 1;
	header.e_entry = BASE + CODE;
	header.e_phoff = sizeof(header);
	header.e_ehsize = sizeof(header);
	header.e_phentsize = sizeof(segment);
	header.e_phnum = 1;
	memcpy(file, &header, sizeof(header));
	memcpy(file + sizeof(header), &segment, sizeof(segment));
	memcpy(file + CODE, code, sizeof(code));
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, path, file, sizeof(file), 0755, &err), 0);
}

/* Kernels can be built or booted without the system calls of i386; then such a call is SIGSEGV. */
static bool has_i386_calls(void)
{
	enum { GETPID = 20 };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		long result = GETPID;

		__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
		_exit(result == (long)getpid() ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A profile of version 4.16 or so that lists what is allowed. io_pgetevents, 333, is the last. */
#define OLD_PROFILE(more, archs)                                                              \
	"\"seccomp\":{\"defaultAction\":\"SCMP_ACT_ERRNO\"" more ",\"architectures\":[" archs \
	"],\"syscalls\":[{\"names\":[\"execve\",\"exit\",\"io_pgetevents\"],"                 \
	"\"action\":\"SCMP_ACT_ALLOW\"}]}"

START_TEST(system_calls_beyond_the_profile_do_not_exist)
{
	static const struct {
		const char *profile;
		unsigned number;
		bool i386;
		int result;
	} calls[] = {
		{ OLD_PROFILE("", "\"SCMP_ARCH_X86_64\""), 332, false, EPERM },
		{ OLD_PROFILE("", "\"SCMP_ARCH_X86_64\""), 334, false, ENOSYS },
		{ OLD_PROFILE("", "\"SCMP_ARCH_X86_64\""), 999, false, ENOSYS },
		{ OLD_PROFILE("", ""), 999, false, ENOSYS },
		{ OLD_PROFILE("", "\"SCMP_ARCH_X86\""), 999, false, ENOSYS },
		{ OLD_PROFILE("", "\"SCMP_ARCH_X86\""), 384, true, EPERM },
		{ OLD_PROFILE("", "\"SCMP_ARCH_X86\""), 999, true, ENOSYS },
		{ OLD_PROFILE(",\"defaultErrnoRet\":1", "\"SCMP_ARCH_X86_64\""), 334, false,
		  ENOSYS },
		{ OLD_PROFILE(",\"defaultErrnoRet\":38", "\"SCMP_ARCH_X86_64\""), 332, false,
		  ENOSYS },
	};

	bool i386;

	if (UNDER_VALGRIND) /* which has no seccomp */
		return;
	i386 = has_i386_calls();
	if (!i386)
		printf("skipped: system calls of i386: the kernel does not have them\n");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
		struct running r;
		int result;

		if (calls[i].i386 && !i386)
			continue;
		write_caller("bin/call", (unsigned char)calls[i].number,
			     (unsigned char)(calls[i].number >> 8), calls[i].i386);
		/* With no_new_privs the filter is loaded last, and the setup needs no other call. */
		result = run(&(struct parts){ .args = "\"/bin/call\"",
					      .process = "\"noNewPrivileges\":true",
					      .linux_ = calls[i].profile },
			     &r);
		ck_assert_msg(result == calls[i].result, "%zu: %d", i, result);
	}
}
END_TEST

START_TEST(terminals)
{
	struct running r;
	struct err err = ERR_INIT;
	struct winsize size = { 0 };

	ck_assert_msg(
		create(
			&(struct parts){
				.script = "tty; stat -c %t:%T /dev/console; stty size; read x; "
					  "stty size; echo end",
				.terminal = true,
				.process = "\"consoleSize\":{\"height\":30,\"width\":100}" },
			&r, &err) == 0,
		"%s", err.msg);
	ck_assert_int_ge(r.init.console, 0);
	start(&r);
	read_until(&r, "30 100");
	ck_assert_ptr_nonnull(strstr(r.text, "/dev/pts/0\r\n88:0"));
	ck_assert_int_eq(container_resize(&r.init, 11, 22, &err), 0);
	ck_assert_int_eq(ioctl(r.init.console, TIOCGWINSZ, &size), 0);
	ck_assert_int_eq(size.ws_col, 22);
	ck_assert_int_eq(fd_write_all(r.init.console, "\n", 1, &err), 0);
	read_until(&r, "end");
	ck_assert_ptr_nonnull(strstr(r.text, "11 22"));
	ck_assert_int_eq(wait_end(&r), 0);
}
END_TEST

/* Runs another process in the container; its output is stored in text. */
static int exec_within(struct running *r, const char *process, struct deadline deadline, char *text,
		       size_t size, struct err *err)
{
	AUTO(oci_process)
	struct oci_process *p = oci_process_parse(process, strlen(process), "test", err);
	struct container_process one;
	int ends[2], code = -1;
	ssize_t n;

	ck_assert_msg(p != NULL, "%s", err->msg);
	ck_assert_int_eq(fd_pipe(ends, err), 0);
	struct container_stdio io = { -1, ends[1], ends[1] };
	int made = container_exec(r->c, p, &io, deadline, &one, err);

	(void)close(ends[1]);
	if (made == 0) {
		int from = one.console >= 0 ? one.console : ends[0];

		for (size_t len = 0; (n = read(from, text + len, size - 1 - len)) > 0;) {
			len += (size_t)n;
			text[len] = '\0';
		}
		ck_assert_msg(container_reap(&one, &code, err) == 0, "%s", err->msg);
		fd_close(&one.console);
	}
	(void)close(ends[0]);
	return made == 0 ? code : -1;
}

static int exec_in(struct running *r, const char *process, char *text, size_t size, struct err *err)
{
	return exec_within(r, process, deadline_in(30000), text, size, err);
}

/* Keys of the session are the container's: its processes have them, whatever their user. */
START_TEST(a_container_has_a_session_keyring)
{
	AUTO(str) char *id = str_fmt("keys%d", (int)getpid());
	AUTO(str) char *script = str_fmt("grep -c ' _ses.%s: ' /proc/keys; sleep 1000", id);
	AUTO(str)
	char *process = str_fmt("{\"args\":[\"grep\",\"-c\",\" _ses.%s: \",\"/proc/keys\"],"
				"\"cwd\":\"/\",\"env\":[\"PATH=/bin\"],"
				"\"user\":{\"uid\":1000,\"gid\":1000}}",
				id);
	struct err err = ERR_INIT;
	struct running r;
	char text[64] = "";

	if (access("/proc/keys", R_OK) < 0)
		return; /* the kernel has none */
	ck_assert_msg(create(&(struct parts){ .id = id, .script = script }, &r, &err) == 0, "%s",
		      err.msg);
	start(&r);
	read_until(&r, "\n");
	ck_assert_str_eq(r.text, "1\n");
	ck_assert_int_eq(exec_in(&r, process, text, sizeof(text), &err), 0);
	ck_assert_str_eq(text, "1\n");
	(void)finish(&r);
}
END_TEST

START_TEST(exec_enters_everything)
{
	struct running r;
	struct err err = ERR_INIT;
	char text[4096] = "";

	ck_assert_msg(create(&(struct parts){ .script = "echo up; sleep 100" }, &r, &err) == 0,
		      "%s", err.msg);
	start(&r);
	read_until(&r, "up");
	ck_assert_int_eq(
		exec_in(&r,
			"{\"args\":[\"sh\",\"-c\",\"hostname; id -u; pwd; grep -c sleep "
			"/proc/1/cmdline; "
			"grep -E '(memory:|^0::)/$' /proc/self/cgroup | head -n1 | grep -c /; for "
			"n in ipc uts net pid mnt "
			"cgroup; "
			"do "
			"test $(readlink /proc/self/ns/$n) = $(readlink /proc/1/ns/$n) || echo $n; "
			"done; exit 5\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/tmp\","
			"\"user\":{\"uid\":0,\"gid\":0}," CAPS("\"CAP_SYS_PTRACE\"") "}",
			text, sizeof(text), &err),
		5);
	ck_assert_str_eq(text, "inside\n0\n/tmp\n1\n1\n");
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

START_TEST(exec_with_a_terminal_and_as_user)
{
	struct running r;
	struct err err = ERR_INIT;
	char text[4096] = "";

	ck_assert_int_eq(create(&(struct parts){ .script = "echo up; sleep 100" }, &r, &err), 0);
	start(&r);
	read_until(&r, "up");
	ck_assert_int_eq(
		exec_in(&r,
			"{\"args\":[\"sh\",\"-c\",\"tty; id -u; stty size\"],\"terminal\":true,"
			"\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":7,\"gid\":8},"
			"\"consoleSize\":{\"height\":5,\"width\":6}}",
			text, sizeof(text), &err),
		0);
	ck_assert_str_eq(text, "/dev/pts/0\r\n7\r\n5 6\r\n");
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

START_TEST(exec_errors)
{
	struct running r;
	struct err err = ERR_INIT;
	char text[256] = "";

	ck_assert_int_eq(create(&(struct parts){ .script = "echo up; sleep 100" }, &r, &err), 0);
	start(&r);
	read_until(&r, "up");
	ck_assert_int_eq(
		exec_in(&r,
			"{\"args\":[\"/no/such\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}",
			text, sizeof(text), &err),
		-1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	err_clear(&err);
	ck_assert_int_eq(
		exec_in(&r,
			"{\"args\":[\"/etc/passwd\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}",
			text, sizeof(text), &err),
		-1);
	ck_assert_int_eq(err.code, E_PERMISSION);
	err_clear(&err);
	ck_assert_int_eq(exec_in(&r,
				 "{\"args\":[\"/bin/true\"],\"cwd\":\"/"
				 "none\",\"user\":{\"uid\":0,\"gid\":0}}",
				 text, sizeof(text), &err),
			 -1);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_int_eq(container_signal_all(r.c, SIGKILL, &err), 0);
	struct pollfd wait = { .fd = r.init.child.pidfd, .events = POLLIN };
	ck_assert_int_gt(poll(&wait, 1, 30000), 0);
	err_clear(&err);
	ck_assert_int_eq(
		exec_in(&r,
			"{\"args\":[\"/bin/true\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}}",
			text, sizeof(text), &err),
		-1);
	ck_assert_int_eq(err.code, E_STATE);
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

/* --- a file system that does not answer --- */

/* The protocol, whose header has a member with the name of a forbidden function. */
enum { FUSE_LOOKUP = 1, FUSE_FORGET = 2, FUSE_GETATTR = 3, FUSE_INIT = 26, FUSE_INTERRUPT = 36 };
enum { FUSE_MAJOR = 7, FUSE_MINOR = 31, FUSE_REQUEST_MAX = 256 << 10 };

struct fuse_request {
	uint32_t len, opcode;
	uint64_t unique, node;
	uint32_t uid, gid, pid, padding;
};

struct fuse_answer {
	uint32_t len;
	int32_t error;
	uint64_t unique;
	union {
		struct {
			uint32_t major, minor, readahead, flags, background, max_write, rest[10];
		} init;
		struct {
			uint64_t valid, unused, node, size, blocks, times[3];
			uint32_t nanoseconds[3], mode, links, rest[5];
		} attr;
	};
};

static struct {
	int fd;
	char path[96];
	pthread_t server;
	bool asked; /* a process waits for an answer that does not come */
} hung = { .fd = -1 };

static void fuse_answer(const struct fuse_request *to, struct fuse_answer answer, size_t len)
{
	answer.len = (uint32_t)(offsetof(struct fuse_answer, init) + len);
	answer.unique = to->unique;
	ck_assert_int_eq(write(hung.fd, &answer, answer.len), answer.len);
}

static void fuse_serve(const struct fuse_request *request)
{
	static const struct fuse_answer init = { .init = { FUSE_MAJOR, FUSE_MINOR, 0, 0, 0,
							   4096 } };
	static const struct fuse_answer root_attr = {
		.attr = { .valid = 600, .node = 1, .mode = S_IFDIR | 0755, .links = 2 }
	};

	if (request->opcode == FUSE_INIT)
		fuse_answer(request, init, sizeof(init.init));
	else if (request->opcode == FUSE_GETATTR)
		fuse_answer(request, root_attr, sizeof(root_attr.attr));
	else if (request->opcode == FUSE_LOOKUP)
		__atomic_store_n(&hung.asked, true, __ATOMIC_RELEASE);
	else if (request->opcode != FUSE_FORGET && request->opcode != FUSE_INTERRUPT)
		fuse_answer(request, (struct fuse_answer){ .error = -ENOSYS }, 0);
}

static void *fuse_run(void *arg)
{
	struct fuse_request *request = xmalloc(FUSE_REQUEST_MAX);

	(void)arg;
	while (read(hung.fd, request, FUSE_REQUEST_MAX) >= (ssize_t)sizeof(*request))
		fuse_serve(request);
	free(request);
	return NULL;
}

/* False if there can be no such file system here. */
static bool hung_mount(void)
{
	AUTO(str) char *options = NULL;

	hung.fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	options = str_fmt("fd=%d,rootmode=40000,user_id=0,group_id=0", hung.fd);
	(void)str_print(hung.path, sizeof(hung.path), "%s/hung", dir);
	if (hung.fd < 0 || mkdir(hung.path, 0755) < 0 ||
	    mount("hung", hung.path, "fuse", 0, options) < 0) {
		fd_close(&hung.fd);
		return false;
	}
	ck_assert_int_eq(pthread_create(&hung.server, NULL, fuse_run, NULL), 0);
	return true;
}

/* Whoever waits for the server gets an error. */
static void hung_abort(void)
{
	ck_assert_int_eq(umount2(hung.path, MNT_FORCE | MNT_DETACH), 0);
	(void)pthread_join(hung.server, NULL);
	fd_close(&hung.fd);
}

START_TEST(an_exec_that_hangs_is_given_up)
{
	AUTO(str)
	char *mounts = str_fmt(MOUNTS ",{\"destination\":\"/hung\",\"type\":\"bind\","
				      "\"source\":\"%s/hung\",\"options\":[\"bind\"]}",
			       dir);
	const char *process = "{\"args\":[\"/hung/true\"],\"cwd\":\"/\","
			      "\"user\":{\"uid\":0,\"gid\":0}}";
	struct deadline end = deadline_in(60000);
	struct err err = ERR_INIT;
	struct running r;
	char text[64];

	if (!hung_mount()) {
		printf("skipped: no FUSE here\n");
		return;
	}
	ck_assert_msg(
		create(&(struct parts){ .script = "sleep 1000", .mounts = mounts }, &r, &err) == 0,
		"%s", err.msg);
	start(&r);
	ck_assert_int_eq(exec_within(&r, process, deadline_in(3000), text, sizeof(text), &err), -1);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	ck_assert(__atomic_load_n(&hung.asked, __ATOMIC_ACQUIRE));
	hung_abort();
	while (spawn_reap_orphans() == 0)
		ck_assert(!deadline_passed(end));
	(void)finish(&r);
}
END_TEST

START_TEST(start_reports_a_failing_exec)
{
	struct running r;
	struct err err = ERR_INIT;

	/* Only the kernel knows that this cannot be executed. */
	write_file("bin/broken", "\177ELF");
	AUTO(str) char *broken = path_join(root, "bin/broken");
	ck_assert_int_eq(chmod(broken, 0755), 0);
	ck_assert_msg(create(&(struct parts){ .args = "\"broken\"" }, &r, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(container_start(r.c, deadline_in(30000), &err), -1);
	ck_assert_int_eq(err.sys, ENOEXEC);
	err_clear(&err);
	ck_assert_int_eq(container_start(r.c, deadline_in(30000), &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	(void)finish(&r);
	ck_assert_int_eq(refused(&(struct parts){ .args = "" }), E_INVALID);
}
END_TEST

/* A program that cannot be run is an error when the container is created. containerd and others
 * look for these texts. */
static const struct {
	const char *args, *user, *caps, *message;
} programs[] = {
	{ "\"nothing\"", NULL, NULL, "exec: \"nothing\": executable file not found in $PATH" },
	{ "\"\"", NULL, NULL, "exec: \"\": executable file not found in $PATH" },
	{ "\"/no/such\"", NULL, NULL,
	  "exec: \"/no/such\": stat /no/such: no such file or directory" },
	{ "\"/etc/passwd\"", NULL, NULL, "exec: \"/etc/passwd\": permission denied" },
	{ "\"/etc\"", NULL, NULL, "exec: \"/etc\": is a directory" },
	{ "\"/etc/passwd/x\"", NULL, NULL, "exec: \"/etc/passwd/x\": not a directory" },
	{ "\"/dev/null\"", NULL, NULL, "exec: \"/dev/null\": permission denied" },
	{ "\"/closed/true\"", "{\"uid\":7,\"gid\":8}", CAPS("\"CAP_KILL\""),
	  "exec: \"/closed/true\": permission denied" },
	{ "\"/closed/true\"", "{\"uid\":7,\"gid\":8,\"additionalGids\":[77]}", CAPS("\"CAP_KILL\""),
	  NULL },
	{ "\"/closed/true\"", NULL, NULL, NULL },
	{ "\"/closed/true\"", "{\"uid\":7,\"gid\":8}",
	  "\"capabilities\":{\"bounding\":[\"CAP_DAC_OVERRIDE\"],\"permitted\":[\"CAP_DAC_"
	  "OVERRIDE\"],"
	  "\"effective\":[\"CAP_DAC_OVERRIDE\"],\"inheritable\":[\"CAP_DAC_OVERRIDE\"],"
	  "\"ambient\":[\"CAP_DAC_OVERRIDE\"]}",
	  NULL },
	{ "\"sub\"", NULL, NULL, "exec: \"sub\": executable file not found in $PATH" },
};

START_TEST(programs_are_found_by_create)
{
	AUTO(str) char *closed = path_join(root, "closed");
	AUTO(str) char *sub = path_join(root, "bin/sub");
	AUTO(str) char *from = path_join(root, "bin/busybox");
	AUTO(str) char *to = path_join(root, "closed/true");
	struct running r;
	struct err err = ERR_INIT;

	ck_assert(mkdir(sub, 0755) == 0 && mkdir(closed, 0750) == 0);
	ck_assert(chown(closed, 5, 77) == 0 && link(from, to) == 0);
	int made = create(&(struct parts){ .args = programs[_i].args,
					   .user = programs[_i].user,
					   .caps = programs[_i].caps },
			  &r, &err);
	if (!programs[_i].message) {
		if (UNDER_VALGRIND) { /* which starts no program that its user cannot read */
			if (made == 0)
				(void)finish(&r);
			return;
		}
		ck_assert_msg(made == 0, "%s", err.msg);
		start(&r);
		ck_assert_int_eq(wait_end(&r), 0);
		return;
	}
	ck_assert_int_eq(made, -1);
	ck_assert_msg(str_ends(err.msg, programs[_i].message), "%s", err.msg);
}
END_TEST

/* The mount from which init was executed cannot be made writable, even with an fd of the file and
 * in a new user namespace. */
START_TEST(our_binary_stays_readonly)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	struct running r;
	struct err err = ERR_INIT;
	int status = -1;
	pid_t pid;

	if (UNDER_VALGRIND) /* /proc/PID/exe is valgrind's program */
		return;
	ck_assert_msg(create(&(struct parts){ .script = "true" }, &r, &err) == 0, "%s", err.msg);
	AUTO(str) char *exe = str_fmt("/proc/%d/exe", (int)r.init.child.pid);
	AUTO(fd) int fd = open(exe, O_PATH | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	pid = fork();
	if (pid == 0) {
		struct path_fd path = path_of_fd(fd);

		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			_exit(1);
		if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &writable,
			    sizeof(writable)) == 0)
			_exit(2);
		_exit(open(path.path, O_WRONLY) < 0 ? 0 : 3);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	/* Root cannot do it either, because the mount is detached from all namespaces. */
	ck_assert_int_eq(
		syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &writable, sizeof(writable)), -1);
	struct path_fd path = path_of_fd(fd);
	ck_assert_int_eq(open(path.path, O_WRONLY), -1);
	ck_assert(errno == EROFS || errno == ETXTBSY);
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

START_TEST(an_empty_home_is_set)
{
	expect(&(struct parts){ .script = "echo $HOME",
				.env = "\"HOME=\"",
				.user = "{\"uid\":1000,\"gid\":1000}" },
	       "/home/u\n");
	expect(&(struct parts){ .script = "echo $HOME", .env = "\"HOME=/x\"" }, "/x\n");
}
END_TEST

/* Above our own hard limit, from inside of a user namespace, for init and for others. */
START_TEST(limits_are_raised_in_a_user_namespace)
{
	static const char limits[] =
		"\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":4096,\"hard\":1048576}]";
	struct rlimit low = { 0, 0 }, high = { 0, 1 };
	AUTO(str)
	char *process = str_fmt("{\"args\":[\"sh\",\"-c\",\"ulimit -c; ulimit -Hc\"],\"env\":["
				"\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0},%s}",
				limits);
	struct running r;
	struct err err = ERR_INIT;
	char text[256] = "";

	ck_assert_int_eq(setrlimit(RLIMIT_CORE, &low), 0);
	if (setrlimit(RLIMIT_CORE, &high) < 0) {
		printf("skipped: raising a hard limit needs CAP_SYS_RESOURCE\n");
		return;
	}
	ck_assert_msg(
		create(&(struct parts){ .script = "ulimit -c; ulimit -Hc; sleep 1000",
					.process = limits,
					.namespaces = NAMESPACES ",{\"type\":\"user\"}",
					.linux_ = "\"uidMappings\":" MAP_TO(
						"100000") ",\"gidMappings\":" MAP_TO("100000") },
		       &r, &err) == 0,
		"%s", err.msg);
	start(&r);
	read_until(&r, "2048\n");
	ck_assert_int_eq(exec_in(&r, process, text, sizeof(text), &err), 0);
	ck_assert_str_eq(text, r.text);
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

/* A bind mount on /dev belongs to somebody else, so nothing is created in it. */
START_TEST(a_bound_dev_is_left_alone)
{
	AUTO(str) char *own = path_join(dir, "own-dev");
	AUTO(str) char *file = path_join(own, "mine");
	AUTO(str)
	char *mounts = str_fmt("{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
			       "{\"destination\":\"//dev/\",\"type\":\"bind\",\"source\":\"%s\","
			       "\"options\":[\"bind\"]}",
			       own);
	struct err err = ERR_INIT;

	ck_assert_int_eq(mkdir(own, 0755), 0);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "", 0, 0644, &err), 0);
	expect(&(struct parts){ .script = "ls -A /dev",
				.mounts = mounts,
				.linux_ = "\"devices\":[{\"path\":\"/dev/fuse\",\"type\":\"c\","
					  "\"major\":10,\"minor\":229}]" },
	       "mine\n");
}
END_TEST

START_TEST(a_readonly_dev_by_any_name)
{
	static const char *const names[] = { "/dev", "/dev/", "//dev", "dev", "/tmp/../dev/." };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(str)
		char *mounts =
			str_fmt("{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
				"{\"destination\":\"%s\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
				"\"options\":[\"ro\"]}",
				names[i]);

		expect(&(struct parts){ .script = "test -c /dev/null && echo null; "
						  "touch /dev/x 2>/dev/null || echo ro",
					.mounts = mounts },
		       "null\nro\n");
	}
}
END_TEST

/* If the target of a mount is a dangling link, what the link names is created, inside the root. */
START_TEST(mounts_over_dangling_links)
{
	static const struct {
		const char *link, *text;
	} links[] = {
		{ "resolv", "/run/deep/resolv.conf" },
		{ "up", "../../../up-there/file" },
		{ "chain", "chained" },
		{ "chained", "./one/../two/file" },
		{ "folder", "/var/lib/folder" },
	};
	AUTO(str) char *source = path_join(dir, "source");
	AUTO(str)
	char *mounts = str_fmt(
		MOUNTS ",{\"destination\":\"/resolv\",\"type\":\"bind\",\"source\":\"%s\"},"
		       "{\"destination\":\"/up\",\"type\":\"bind\",\"source\":\"%s\"},"
		       "{\"destination\":\"/chain\",\"type\":\"bind\",\"source\":\"%s\"},"
		       "{\"destination\":\"/folder/sub/file\",\"type\":\"bind\",\"source\":\"%s\"},"
		       "{\"destination\":\"/folder/tmp\",\"type\":\"tmpfs\"}",
		source, source, source, source);
	struct err err = ERR_INIT;

	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, source, "x\n", 2, 0644, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		AUTO(str) char *path = path_join(root, links[i].link);

		ck_assert_int_eq(symlink(links[i].text, path), 0);
	}
	expect(&(struct parts){ .script = "cat /run/deep/resolv.conf /up-there/file /two/file "
					  "/var/lib/folder/sub/file; readlink /resolv; "
					  "grep -c ' /var/lib/folder/tmp ' /proc/self/mountinfo",
				.mounts = mounts },
	       "x\nx\nx\nx\n/run/deep/resolv.conf\n1\n");
	ck_assert(!path_exists("/run/deep") && !path_exists("/up-there"));
}
END_TEST

START_TEST(a_loop_of_links_is_refused)
{
	AUTO(str) char *one = path_join(root, "one");
	AUTO(str) char *two = path_join(root, "two");

	ck_assert(symlink("two", one) == 0 && symlink("one", two) == 0);
	ck_assert_int_ne(
		refused(&(struct parts){ .mounts = MOUNTS
					 ",{\"destination\":\"/one\",\"type\":\"tmpfs\"}" }),
		E_OK);
}
END_TEST

/* A directory over a file, and the other way round. */
START_TEST(kinds_of_target_and_source)
{
	static const char *const mounts[] = {
		MOUNTS ",{\"destination\":\"/etc/passwd\",\"type\":\"bind\",\"source\":\"/tmp\"}",
		MOUNTS ",{\"destination\":\"/etc/passwd\",\"type\":\"tmpfs\"}",
		MOUNTS ",{\"destination\":\"/etc\",\"type\":\"bind\",\"source\":\"/bin/busybox\"}",
	};
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_int_eq(create(&(struct parts){ .mounts = mounts[_i] }, &r, &err), -1);
	ck_assert_int_eq(err.code, E_INVALID);
	ck_assert_msg(strstr(err.msg, "not a directory") != NULL, "%s", err.msg);
}
END_TEST

START_TEST(pause_update_stats_pids)
{
	AUTO(mem) pid_t *pids = NULL;
	struct container_stats stats;
	struct running r;
	struct err err = ERR_INIT;
	static const char json[] =
		"{\"memory\":{\"limit\":67108864},\"cpu\":{\"shares\":512,\"quota\":50000,"
		"\"period\":100000},\"pids\":{\"limit\":20}}";
	AUTO(oci_resources)
	struct oci_resources *res = oci_resources_parse(json, strlen(json), "r", &err);
	size_t n = 0;

	ck_assert_msg(
		create(
			&(struct parts){
				.script = "sleep 50 & echo up; while :; do :; done",
				.linux_ = "\"resources\":{\"memory\":{\"limit\":33554432},"
					  "\"pids\":{\"limit\":10},\"cpu\":{\"cpus\":\"0\"}}" },
			&r, &err) == 0,
		"%s", err.msg);
	start(&r);
	read_until(&r, "up");
	ck_assert_int_eq(container_pids(r.c, &pids, &n, &err), 0);
	ck_assert_uint_eq(n, 2);
	ck_assert_msg(container_pause(r.c, deadline_in(10000), &err) == 0, "%s", err.msg);
	ck_assert_int_eq(container_state(r.c), CONTAINER_PAUSED);
	ck_assert_int_eq(container_resume(r.c, deadline_in(10000), &err), 0);
	ck_assert_int_eq(container_state(r.c), CONTAINER_RUNNING);
	ck_assert_int_eq(container_stats(r.c, &stats, &err), 0);
	ck_assert_uint_eq(stats.memory.usage.limit, 33554432);
	ck_assert_uint_gt(stats.memory.usage.usage, 0);
	ck_assert_uint_gt(stats.memory.n_stats, 5);
	ck_assert_uint_gt(stats.cpu.total, 0);
	ck_assert_uint_eq(stats.pids.limit, 10);
	ck_assert_uint_eq(stats.pids.current, 2);
	container_stats_release(&stats);
	ck_assert_msg(container_update(r.c, res, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(container_stats(r.c, &stats, &err), 0);
	ck_assert_uint_eq(stats.memory.usage.limit, 67108864);
	ck_assert_uint_eq(stats.pids.limit, 20);
	container_stats_release(&stats);
	/* Deleting a paused container works too. */
	ck_assert_int_eq(container_pause(r.c, deadline_in(10000), &err), 0);
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

/* The text of a limit of the container's cgroup, in either version. */
static char *limit_of(const struct running *r, const char *controller, const char *v1,
		      const char *v2)
{
	AUTO(str) char *path = str_fmt("/proc/%d/cgroup", (int)r->init.child.pid);
	AUTO(buf) struct buf text = BUF_INIT(0);
	struct err err = ERR_INIT;
	AUTO(strv) char **lines = NULL;

	ck_assert_int_eq(file_read(AT_FDCWD, path, 65536, &text, &err), 0);
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines) {
		const char *names = strchr(*line, ':'), *group = strchr(names + 1, ':') + 1;
		AUTO(str) char *list = xstrndup(names + 1, (size_t)(group - names - 2));
		AUTO(strv) char **controllers = strv_split(list, ",");
		AUTO(str) char *file = NULL;

		if (strv_has(controllers, controller))
			file = str_fmt("/sys/fs/cgroup/%s%s/%s", list, group, v1);
		else if (!*list)
			file = str_fmt("/sys/fs/cgroup%s/%s", group, v2);
		if (file && path_exists(file))
			return file_read_line(AT_FDCWD, file, &err);
	}
	return xstrdup("none");
}

/* A tiny CPU limit does not slow down the set-up of the container. */
START_TEST(limits_wait_for_the_workload)
{
	AUTO(str) char *log = path_join(dir, "quota");
	AUTO(str) char *hooks = NULL;
	static const char show[] =
		"cat /sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/cpu.max 2>/dev/null || "
		"cat /sys/fs/cgroup/cpu$(sed -n s/.*:cpu://p /proc/self/cgroup)/cpu.cfs_quota_us";
	AUTO(buf) struct buf seen = BUF_INIT(4096);
	struct running r;
	struct err err = ERR_INIT;

	hooks = str_fmt(
		"\"hooks\":{\"createContainer\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\","
		"\"(%s) > %s\"],\"env\":[\"PATH=/bin:/usr/bin\"]}]}",
		show, log);
	ck_assert_msg(
		create(&(struct parts){ .top = hooks,
					.linux_ = "\"resources\":{\"cpu\":{\"quota\":1000,"
						  "\"period\":100000}}",
					.namespaces = "{\"type\":\"mount\"},{\"type\":\"uts\"},"
						      "{\"type\":\"pid\"}" },
		       &r, &err) == 0,
		"%s", err.msg);
	ck_assert_msg(file_read(AT_FDCWD, log, 4096, &seen, &err) == 0, "%s", err.msg);
	ck_assert_msg(str_starts(buf_cstr(&seen), "-1") || str_starts(buf_cstr(&seen), "max"), "%s",
		      buf_cstr(&seen));
	AUTO(str) char *now = limit_of(&r, "cpu", "cpu.cfs_quota_us", "cpu.max");
	ck_assert_msg(str_starts(now, "1000"), "%s", now);
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

/* Processes that are already in the group would get the container's limits and be killed with it.
 */
START_TEST(a_group_of_others_is_refused)
{
	struct running first, second;
	struct err err = ERR_INIT;
	struct parts p = { .script = "sleep 1000" };

	ck_assert_msg(create(&p, &first, &err) == 0, "%s", err.msg);
	p.id = container_id(first.c);
	ck_assert_int_eq(create(&p, &second, &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	ck_assert_msg(strstr(err.msg, "cgroupsPath") != NULL, "%s", err.msg);
	start(&first);
	ck_assert_int_eq(container_state(first.c), CONTAINER_RUNNING);
	ck_assert_int_eq(finish(&first), 137);
}
END_TEST

/* Removing the limit of memory also removes that of swap, unless one is given. */
START_TEST(a_lifted_memory_limit_lifts_that_of_swap)
{
	static const char json[] = "{\"memory\":{\"limit\":-1}}";
	struct running r;
	struct err err = ERR_INIT;
	AUTO(oci_resources)
	struct oci_resources *res = oci_resources_parse(json, strlen(json), "r", &err);

	ck_assert_msg(create(&(struct parts){ .script = "sleep 1000",
					      .linux_ = "\"resources\":{\"memory\":{\"limit\":"
							"33554432,\"swap\":67108864}}" },
			     &r, &err) == 0,
		      "%s", err.msg);
	AUTO(str)
	char *before = limit_of(&r, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max");
	ck_assert_msg(container_update(r.c, res, &err) == 0, "%s", err.msg);
	AUTO(str)
	char *after = limit_of(&r, "memory", "memory.memsw.limit_in_bytes", "memory.swap.max");
	if (str_eq(before, "67108864")) /* v1: both together */
		ck_assert_str_eq(after, "9223372036854771712");
	else if (!str_eq(before, "none"))
		ck_assert_str_eq(after, "max");
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

static uint64_t kills_counted(struct container *c)
{
	struct container_stats s;
	struct err err = ERR_INIT;
	uint64_t n = 0;

	ck_assert_msg(container_stats(c, &s, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < s.memory.n_stats; i++) {
		if (str_eq(s.memory.stats[i].key, "oom_kill"))
			n = s.memory.stats[i].value;
	}
	container_stats_release(&s);
	return n;
}

START_TEST(out_of_memory_is_noticed)
{
	struct running r;
	struct err err = ERR_INIT;
	struct container_oom oom = CONTAINER_OOM_NONE;

	ck_assert_int_eq(
		create(
			&(struct parts){
				.script = "read x < /dev/null; tail -c 100m /dev/zero; exit 9",
				.linux_ = "\"resources\":{\"memory\":{\"limit\":16777216}}" },
			&r, &err),
		0);
	ck_assert_msg(container_oom_open(r.c, &oom, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(oom.kills, 0);
	start(&r);
	struct pollfd wait = { .fd = oom.fd, .events = (short)oom.events };
	/* cgroup v2 sends an event for the limit before that for the kill. */
	while (oom.kills == 0) {
		ck_assert_int_gt(poll(&wait, 1, 30000), 0);
		ck_assert_msg(container_oom_read(&oom, &err) == 0, "%s", err.msg);
	}
	while (kills_counted(r.c) == 0) /* cgroup v1 sends one event or more before the kill */
		(void)usleep(1000);
	(void)wait_end(&r);
	/* After the end of the container, reading fails. */
	ck_assert_int_gt(poll(&wait, 1, 30000), 0);
	ck_assert_int_eq(container_oom_read(&oom, &err), -1);
	container_oom_close(&oom);
}
END_TEST

/* Hooks of every kind; each adds a line to a log. */
static char *hooks_json(const char *log, const char *failing)
{
	static const char *const kinds[] = { "prestart",       "createRuntime", "createContainer",
					     "startContainer", "poststart",     "poststop" };
	AUTO(buf) struct buf b = BUF_INIT(1 << 16);

	buf_str(&b, "\"hooks\":{");
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		buf_fmt(&b,
			"%s\"%s\":[{\"path\":\"/bin/sh\",\"args\":[\"sh\",\"-c\",\"echo %s $(head "
			"-c 20 "
			">/dev/null; hostname) >> %s; exit "
			"%d\"],\"env\":[\"PATH=/bin\"],\"timeout\":5}]",
			i ? "," : "", kinds[i], kinds[i],
			str_eq(kinds[i], "startContainer") ? "/tmp/log" : log,
			str_eq(kinds[i], failing) ? 1 : 0);
	buf_chr(&b, '}');
	return buf_steal(&b);
}

START_TEST(hooks_in_their_places)
{
	AUTO(str) char *log = path_join(root, "tmp/log");
	AUTO(str) char *hooks = hooks_json(log, NULL);
	AUTO(buf) struct buf text = BUF_INIT(0);
	struct running r;
	struct err err = ERR_INIT;
	char host[100] = "";

	ck_assert_int_eq(gethostname(host, sizeof(host) - 1), 0);
	ck_assert_int_eq(run(&(struct parts){ .script = "echo workload", .top = hooks }, &r), 0);
	AUTO(str)
	char *want = str_fmt("prestart %s\ncreateRuntime %s\ncreateContainer inside\n"
			     "startContainer inside\npoststart %s\npoststop %s\n",
			     host, host, host, host);
	ck_assert_int_eq(file_read(AT_FDCWD, log, 4096, &text, &err), 0);
	ck_assert_str_eq(buf_cstr(&text), want);
	ck_assert_str_eq(r.text, "workload\n");
}
END_TEST

START_TEST(failing_hooks)
{
	static const char *const fatal[] = { "prestart", "createRuntime", "createContainer" };
	AUTO(str) char *log = path_join(root, "tmp/log");

	for (size_t i = 0; i < ARRAY_LEN(fatal); i++) {
		AUTO(str) char *hooks = hooks_json(log, fatal[i]);

		ck_assert_int_eq(refused(&(struct parts){ .top = hooks }), E_HOOK);
	}
	AUTO(str) char *hooks = hooks_json(log, "startContainer");
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_int_eq(create(&(struct parts){ .script = "echo no", .top = hooks }, &r, &err), 0);
	ck_assert_int_eq(container_start(r.c, deadline_in(30000), &err), -1);
	ck_assert_int_eq(err.code, E_HOOK);
	(void)finish(&r);
	ck_assert_str_eq(r.text, "");
	AUTO(str) char *lenient = hooks_json(log, "poststart");
	ck_assert_int_eq(run(&(struct parts){ .script = "exit 4", .top = lenient }, &r), 4);
}
END_TEST

START_TEST(hanging_hook)
{
	static const char hooks[] =
		"\"hooks\":{\"createRuntime\":[{\"path\":\"/bin/sleep\",\"args\":["
		"\"sleep\",\"100\"],\"timeout\":1}]}";

	ck_assert_int_eq(refused(&(struct parts){ .top = hooks }), E_HOOK);
}
END_TEST

static void replace_by_link(const char *name, const char *target)
{
	AUTO(str) char *path = path_join(root, name);
	struct err err = ERR_INIT;

	ck_assert_int_eq(path_remove_tree(path, &err), 0);
	ck_assert_int_eq(symlink(target, path), 0);
}

START_TEST(hostile_links_for_proc_and_sys)
{
	replace_by_link("proc", "/tmp");
	ck_assert_int_eq(refused(&(struct parts){ .script = "true" }), E_INVALID);
	replace_by_link("proc", "../../../../proc");
	ck_assert_int_ne(refused(&(struct parts){ .script = "true" }), E_OK);
}
END_TEST

START_TEST(hostile_link_for_dev)
{
	AUTO(str) char *outside = path_join(dir, "outside");
	AUTO(str) char *null = path_join(outside, "null");

	ck_assert_int_eq(mkdir(outside, 0755), 0);
	replace_by_link("dev", outside);
	/* The name does not exist inside the root; it is created there, and nothing outside. */
	expect(&(struct parts){ .script = "test -c /dev/null && echo null" }, "null\n");
	ck_assert(!path_exists(null));
}
END_TEST

START_TEST(mount_targets_stay_inside)
{
	AUTO(str) char *outside = path_join(dir, "outside");
	AUTO(str) char *escape = path_join(root, "escape");
	AUTO(str) char *absolute = path_join(root, "absolute");
	struct err err = ERR_INIT;

	ck_assert_int_eq(mkdir(outside, 0755), 0);
	ck_assert_int_eq(symlink("../../../../../../../../../../../tmp", escape), 0);
	ck_assert_int_eq(symlink("/tmp", absolute), 0);
	expect(&(struct parts){ .script = "grep -c ' /tmp/mnt[123] ' /proc/self/mountinfo; ls /tmp",
				.mounts = MOUNTS
				",{\"destination\":\"/escape/mnt1\",\"type\":\"tmpfs\"},"
				"{\"destination\":\"/absolute/mnt2\",\"type\":\"tmpfs\"},"
				"{\"destination\":\"/../../tmp/mnt3\",\"type\":\"tmpfs\"}" },
	       "3\nmnt1\nmnt2\nmnt3\n");
	ck_assert(!path_exists("/tmp/mnt1") && !path_exists("/tmp/mnt2") &&
		  !path_exists("/tmp/mnt3"));
	err_clear(&err);
}
END_TEST

START_TEST(mounts_into_proc_are_refused)
{
	AUTO(str) char *link = path_join(root, "into");
	AUTO(str)
	char *mounts = str_fmt(MOUNTS ",{\"destination\":\"/proc/sys\",\"type\":\"tmpfs\"}");
	AUTO(str)
	char *linked = str_fmt(
		MOUNTS ",{\"destination\":\"/into/attr\",\"type\":\"bind\",\"source\":\"%s\"}",
		state_dir);
	AUTO(str)
	char *uptime = str_fmt(MOUNTS ",{\"destination\":\"/proc/uptime\",\"type\":\"bind\","
				      "\"source\":\"/etc/hostname\",\"options\":[\"bind\"]}");

	ck_assert_int_eq(symlink("/proc/self", link), 0);
	ck_assert_int_eq(refused(&(struct parts){ .mounts = mounts }), E_INVALID);
	ck_assert_int_eq(refused(&(struct parts){ .mounts = linked }), E_INVALID);
	ck_assert_int_eq(refused(&(struct parts){ .mounts = uptime }), E_OK);
}
END_TEST

START_TEST(hostile_console)
{
	AUTO(str) char *console = path_join(root, "dev/console");
	AUTO(str) char *pts = path_join(root, "dev/pts");

	ck_assert_int_eq(mkdir(pts, 0755), 0);
	ck_assert_int_eq(symlink("/proc/sys/kernel/core_pattern", console), 0);
	/* Without a mount on /dev, the image's /dev is used. */
	ck_assert_int_eq(
		refused(&(struct parts){
			.terminal = true,
			.mounts = "{\"destination\":\"/proc\",\"type\":\"proc\"},"
				  "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"options\":["
				  "\"newinstance\"]}" }),
		E_INVALID);
	/* Without devpts. */
	ck_assert_int_eq(refused(&(struct parts){
				 .terminal = true,
				 .mounts = "{\"destination\":\"/proc\",\"type\":\"proc\"}" }),
			 E_INVALID);
}
END_TEST

START_TEST(cwd_stays_inside)
{
	AUTO(str) char *link = path_join(root, "up");

	ck_assert_int_eq(symlink("../../../../../..", link), 0);
	expect(&(struct parts){ .script = "pwd; ls -d /proc/1", .cwd = "\"/up/../../tmp\"" },
	       "/tmp\n/proc/1\n");
	for (int fd = 3; fd < 12; fd++) {
		AUTO(str) char *cwd = str_fmt("\"/proc/self/fd/%d\"", fd);
		struct running r;
		struct err err = ERR_INIT;

		ck_assert_int_eq(create(&(struct parts){ .script = "pwd", .cwd = cwd }, &r, &err),
				 -1);
	}
	ck_assert_int_eq(refused(&(struct parts){ .cwd = "\"tmp\"" }), E_INVALID);
}
END_TEST

START_TEST(no_fd_leaks_into_the_container)
{
	struct running r;
	struct err err = ERR_INIT;
	char text[4096] = "";
	int leak = open("/", O_RDONLY | O_DIRECTORY); /* not close-on-exec, on purpose */

	ck_assert_int_ge(leak, 0);
	ck_assert_int_eq(create(&(struct parts){ .script = "cd /proc/self/fd; echo *; sleep 100" },
				&r, &err),
			 0);
	start(&r);
	read_until(&r, "\n");
	ck_assert_str_eq(r.text, "0 1 2 3\n"); /* 3 is the shell's, reading the directory */
	ck_assert_int_eq(
		exec_in(&r,
			"{\"args\":[\"/bin/sh\",\"-c\",\"cd /proc/self/fd; echo *\"],\"cwd\":\"/\","
			"\"user\":{\"uid\":0,\"gid\":0}}",
			text, sizeof(text), &err),
		0);
	ck_assert_str_eq(text, "0 1 2 3\n");
	(void)finish(&r);
	(void)close(leak);
}
END_TEST

static size_t count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	(void)closedir(d);
	return n;
}

START_TEST(no_fd_leaks_here)
{
	struct running r;
	size_t before;

	ck_assert_int_eq(run(&(struct parts){ .script = "true" }, &r), 0);
	before = count_fds();
	ck_assert_int_eq(run(&(struct parts){ .script = "true" }, &r), 0);
	ck_assert_int_eq(refused(&(struct parts){ .cwd = "\"x\"" }), E_INVALID);
	ck_assert_int_eq(refused(&(struct parts){ .terminal = true, .cwd = "\"x\"" }), E_INVALID);
	ck_assert_uint_eq(count_fds(), before);
}
END_TEST

START_TEST(user_namespaces)
{
	ck_assert_int_eq(chmod(root, 0755), 0);
	expect(
		&(struct parts){
			.script = "id -u; cat /proc/self/uid_map; test -c /dev/null && echo null; "
				  "echo > "
				  "/dev/null; stat -c %u /proc/self/uid_map; stat -c %u /bin/sh",
			.namespaces = NAMESPACES ",{\"type\":\"user\"}",
			.linux_ = "\"uidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":"
				  "1000}],"
				  "\"gidMappings\":[{\"containerID\":0,\"hostID\":100000,\"size\":"
				  "1000}]",
			.caps = CAPS(USUAL_CAPS) },
		"0\n         0     100000       1000\nnull\n0\n65534\n");
}
END_TEST

/* Root in a user namespace has no power over namespaces that were not created with it. */
static const char *const not_made[] = {
	"",
	",{\"type\":\"ipc\"}",
	",{\"type\":\"ipc\",\"path\":\"/proc/self/ns/ipc\"}",
	",{\"type\":\"network\",\"path\":\"/proc/self/ns/net\"},{\"type\":\"ipc\"}",
	",{\"type\":\"network\"},{\"type\":\"ipc\"},{\"type\":\"cgroup\"}",
};

START_TEST(a_user_namespace_with_an_identity_map)
{
	static const char map[] = "[{\"containerID\":0,\"hostID\":0,\"size\":65536}]";
	AUTO(str)
	char *namespaces = str_fmt("{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":\"pid\"},"
				   "{\"type\":\"uts\"}%s",
				   not_made[_i]);
	AUTO(str) char *maps = str_fmt("\"uidMappings\":%s,\"gidMappings\":%s", map, map);

	expect(
		&(struct parts){
			.script = "grep -E ' /(dev/mqueue|sys) ' /proc/self/mounts | grep -oE "
				  "'mqueue [a-z,]*noexec|sysfs [a-z,]*noexec' | sort; "
				  "test -d /sys/class/net/lo && echo lo; "
				  "touch /sys/x 2>/dev/null || echo ro",
			.namespaces = namespaces,
			.mounts = "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":"
				  "\"proc\"},{\"destination\":\"/dev\",\"type\":\"tmpfs\","
				  "\"source\":\"tmpfs\"},{\"destination\":\"/dev/mqueue\","
				  "\"type\":\"mqueue\",\"source\":\"mqueue\",\"options\":["
				  "\"nosuid\",\"noexec\",\"nodev\"]},{\"destination\":\"/sys\","
				  "\"type\":\"sysfs\",\"source\":\"sysfs\",\"options\":["
				  "\"nosuid\",\"noexec\",\"nodev\",\"ro\"]}",
			.linux_ = maps },
		"mqueue rw,nosuid,nodev,noexec\nsysfs ro,nosuid,nodev,noexec\nlo\nro\n");
}
END_TEST

/* A tmpfs with a file of root's and one of uid 5; the container's mount of it, with these options
 * and members. NULL: the kernel cannot map the owners of a tmpfs (before Linux 6.3). */
static char *mapped_mount(const char *options, const char *members)
{
	AUTO(str) char *data = path_join(dir, "data"), *file = path_join(data, "five");
	struct err err = ERR_INIT;

	ck_assert(mkdir(data, 0755) == 0 || errno == EEXIST);
	if (!path_exists(file)) {
		ck_assert_int_eq(mount("tmpfs", data, "tmpfs", 0, "mode=755"), 0);
		ck_assert_int_eq(file_replace_volatile(AT_FDCWD, file, "x", 1, 0644, &err), 0);
		ck_assert_int_eq(chown(file, 5, 6), 0);
	}
	return str_fmt(MOUNTS ",{\"destination\":\"/data\",\"type\":\"bind\",\"source\":\"%s\","
			      "\"options\":[%s]%s}",
		       data, options, members);
}

static bool owners_of_tmpfs_can_be_mapped(void)
{
	struct utsname u;
	int major = 0, minor = 0;

	ck_assert_int_eq(uname(&u), 0);
	ck_assert_int_eq(sscanf(u.release, "%d.%d", &major, &minor), 2); /* NOLINT */
	if (major > 6 || (major == 6 && minor >= 3))
		return true;
	(void)puts("skipped mounts_with_mapped_owners: needs Linux 6.3");
	return false;
}

START_TEST(mounts_with_mapped_owners)
{
	static const char look[] = "stat -c '%u %g' /data /data/five";
	AUTO(str) char *own = NULL, *of_all = NULL, *none = NULL, *half = NULL, *wrong = NULL;

	if (!owners_of_tmpfs_can_be_mapped())
		return;
	own = mapped_mount("\"rbind\",\"ridmap\",\"ro\"",
			   ",\"uidMappings\":" MAP_TO("2000") ",\"gidMappings\":" MAP_TO("3000"));
	expect(&(struct parts){ .script = look, .mounts = own }, "2000 3000\n2005 3006\n");
	/* With the container's own mapping, its root owns root's files and creates files as
	 * root. */
	of_all = mapped_mount("\"bind\",\"idmap\"", "");
	ck_assert_int_eq(chmod(root, 0755), 0);
	expect(&(struct parts){ .script = "stat -c '%u %g' /data /data/five; touch /data/new",
				.mounts = of_all,
				.namespaces = NAMESPACES ",{\"type\":\"user\"}",
				.linux_ = "\"uidMappings\":" MAP_TO(
					"100000") ",\"gidMappings\":" MAP_TO("100000"),
				.caps = CAPS(USUAL_CAPS) },
	       "0 0\n5 6\n");
	AUTO(str) char *made = path_join(dir, "data/new");
	struct stat st;
	ck_assert_int_eq(stat(made, &st), 0);
	ck_assert_uint_eq(st.st_uid, 0);
	none = mapped_mount("\"bind\",\"idmap\"", "");
	ck_assert_int_eq(refused(&(struct parts){ .mounts = none }), E_INVALID);
	half = mapped_mount("\"bind\"", ",\"uidMappings\":" MAP_TO("2000"));
	ck_assert_int_eq(refused(&(struct parts){ .mounts = half }), E_INVALID);
	wrong = str_fmt(MOUNTS ",{\"destination\":\"/t\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
			       "\"options\":[\"idmap\"]}");
	ck_assert_int_eq(refused(&(struct parts){ .mounts = wrong }), E_UNSUPPORTED);
	AUTO(str) char *data = path_join(dir, "data");
	ck_assert_int_eq(umount2(data, MNT_DETACH), 0);
}
END_TEST

START_TEST(exec_into_a_user_namespace)
{
	struct running r;
	struct err err = ERR_INIT;
	char text[256] = "";

	ck_assert_msg(create(&(struct parts){ .script = "echo up; sleep 100",
					      .namespaces = NAMESPACES ",{\"type\":\"user\"}",
					      .linux_ = "\"uidMappings\":[{\"containerID\":0,"
							"\"hostID\":100000,\"size\":9}],"
							"\"gidMappings\":[{\"containerID\":0,"
							"\"hostID\":100000,\"size\":9}]" },
			     &r, &err) == 0,
		      "%s", err.msg);
	start(&r);
	read_until(&r, "up");
	ck_assert_msg(exec_in(&r,
			      "{\"args\":[\"sh\",\"-c\",\"id -u; id -g; "
			      "tty\"],\"terminal\":true,\"env\":["
			      "\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":3,\"gid\":4}}",
			      text, sizeof(text), &err) == 0,
		      "%s", err.msg);
	ck_assert_str_eq(text, "3\r\n4\r\n/dev/pts/0\r\n");
	(void)finish(&r);
}
END_TEST

/* An init system moves itself to a nested group, because its own group has controllers. */
START_TEST(exec_beside_an_init_that_moved)
{
	struct running r;
	struct err err = ERR_INIT;
	char text[256] = "";
	struct stat st;

	if (stat("/sys/fs/cgroup/cgroup.controllers", &st) < 0) {
		(void)printf("SKIP: needs cgroup v2\n");
		return;
	}
	ck_assert_msg(
		create(
			&(struct parts){
				.script =
					"cd /sys/fs/cgroup && mkdir a && echo 1 > a/cgroup.procs "
					"&& "
					"echo +pids > cgroup.subtree_control && echo up; sleep 100",
				.mounts = BASE_MOUNTS
				",{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\"}" },
			&r, &err) == 0,
		"%s", err.msg);
	start(&r);
	read_until(&r, "up");
	ck_assert_msg(
		exec_in(&r,
			"{\"args\":[\"/bin/cat\",\"/proc/self/cgroup\"],\"cwd\":\"/\",\"user\":{"
			"\"uid\":0,\"gid\":0}}",
			text, sizeof(text), &err) == 0,
		"%s", err.msg);
	ck_assert_str_eq(text, "0::/a\n");
	(void)finish(&r);
}
END_TEST

START_TEST(propagation_of_the_root)
{
	static const char script[] = "grep -E '^[^ ]+ [^ ]+ [^ ]+ [^ ]+ / ' /proc/self/mountinfo | "
				     "grep -o -E 'shared|unbindable'; true";

	expect(&(struct parts){ .script = script }, "");
	expect(&(struct parts){ .script = script, .linux_ = "\"rootfsPropagation\":\"shared\"" },
	       "shared\n");
	expect(&(struct parts){ .script = script,
				.linux_ = "\"rootfsPropagation\":\"unbindable\"" },
	       "unbindable\n");
	ck_assert_int_eq(refused(&(struct parts){ .linux_ = "\"rootfsPropagation\":\"ro\"" }),
			 E_INVALID);
}
END_TEST

/* Runs in several threads, while another one reaps orphans, as in the agent. */
static void *make_some(void *arg)
{
	for (int i = 0; i < 5; i++) {
		struct running r;

		ck_assert_int_eq(
			run(&(struct parts){ .script = "(sleep 0.01 &) ; echo x; exit 3" }, &r), 3);
		ck_assert_str_eq(r.text, "x\n");
	}
	return arg;
}

static void *hunt(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_ACQUIRE)) {
		(void)spawn_reap_orphans();
		(void)usleep(200);
	}
	return NULL;
}

START_TEST(many_at_once)
{
	pthread_t threads[4], hunter;
	bool stop = false;

	ck_assert_int_eq(pthread_create(&hunter, NULL, hunt, &stop), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, make_some, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	ck_assert_int_eq(pthread_join(hunter, NULL), 0);
}
END_TEST

START_TEST(namespaces_by_path)
{
	struct running a, b;
	struct err err = ERR_INIT;
	char text[1024] = "";

	ck_assert_int_eq(create(&(struct parts){ .script = "echo up; sleep 100" }, &a, &err), 0);
	start(&a);
	read_until(&a, "up");
	AUTO(str)
	char *shared = str_fmt(
		"{\"type\":\"pid\",\"path\":\"/proc/%d/ns/pid\"},{\"type\":\"mount\"},"
		"{\"type\":\"uts\",\"path\":\"/proc/%d/fd/%d\"},{\"type\":\"network\"}",
		(int)container_init_pid(a.c), (int)getpid(), container_namespace(a.c, "uts"));
	ck_assert_int_eq(run(&(struct parts){ .script = "hostname; grep -c sleep /proc/1/cmdline; "
							"test $$ != 1 && echo ok",
					      .namespaces = shared },
			     &b),
			 0);
	ck_assert_str_eq(b.text, "inside\n1\nok\n");
	ck_assert_int_eq(container_namespace(a.c, "user"), -1);
	AUTO(str)
	char *wrong =
		str_fmt("{\"type\":\"mount\"},{\"type\":\"pid\",\"path\":\"/proc/%d/ns/uts\"}",
			(int)container_init_pid(a.c));
	ck_assert_int_eq(refused(&(struct parts){ .namespaces = wrong }), E_INVALID);
	ck_assert_int_eq(refused(&(struct parts){
				 .namespaces = "{\"type\":\"mount\"},{\"type\":\"mount\"}" }),
			 E_INVALID);
	ck_assert_int_eq(
		refused(&(struct parts){ .namespaces = "{\"type\":\"mount\"},{\"type\":\"x\"}" }),
		E_INVALID);
	(void)text;
	(void)finish(&a);
}
END_TEST

START_TEST(time_namespace)
{
	expect(&(struct parts){ .script = "test \"$(readlink /proc/self/ns/time)\" = \"$(readlink "
					  "/proc/self/ns/time_for_children)\" && echo same",
				.namespaces = NAMESPACES ",{\"type\":\"time\"}" },
	       "same\n");
}
END_TEST

START_TEST(signals_reach_everybody)
{
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_int_eq(
		create(
			&(struct parts){
				.script = "trap 'echo got; exit 6' TERM; (trap 'echo sub; exit 0' "
					  "TERM; echo up; while :; do sleep 0.01; done) & while "
					  ":; do sleep 0.01; done" },
			&r, &err),
		0);
	start(&r);
	read_until(&r, "up");
	ck_assert_msg(container_signal_all(r.c, SIGTERM, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(wait_end(&r), 6);
	ck_assert_ptr_nonnull(strstr(r.text, "got"));
}
END_TEST

static void *signal_all(void *arg)
{
	const struct running *r = arg;
	struct err err = ERR_INIT;

	ck_assert_msg(container_signal_all(r->c, SIGCONT, &err) == 0, "%s", err.msg);
	return NULL;
}

static bool is_frozen(const struct running *r)
{
	AUTO(str) char *text = limit_of(r, "freezer", "freezer.state", "cgroup.freeze");

	return str_eq(text, "FROZEN") || str_eq(text, "1");
}

/* Signalling freezes the group for a moment, which a pause at the same time must outlast. */
START_TEST(a_signal_does_not_undo_a_pause)
{
	enum { TRIES = 200 };
	struct running r;
	struct err err = ERR_INIT;

	ck_assert_msg(create(&(struct parts){ .script = "echo up; sleep 100" }, &r, &err) == 0,
		      "%s", err.msg);
	start(&r);
	read_until(&r, "up");
	for (int i = 0; i < TRIES; i++) {
		pthread_t other;

		ck_assert_int_eq(pthread_create(&other, NULL, signal_all, &r), 0);
		(void)usleep((useconds_t)(i % 20) * 10);
		ck_assert_msg(container_pause(r.c, deadline_in(10000), &err) == 0, "%s", err.msg);
		ck_assert_int_eq(pthread_join(other, NULL), 0);
		ck_assert_int_eq(container_state(r.c), CONTAINER_PAUSED);
		ck_assert(is_frozen(&r));
		ck_assert_int_eq(container_resume(r.c, deadline_in(10000), &err), 0);
	}
	ck_assert_int_eq(finish(&r), 137);
}
END_TEST

static void add_tests(TCase *real)
{
	tcase_add_checked_fixture(real, setup, teardown);
	tcase_add_test(real, exit_codes);
	tcase_add_test(real, killed_is_128_plus_signal);
	tcase_add_test(real, init_is_killed_by_delete);
	tcase_add_test(real, created_but_never_started);
	tcase_add_test(real, environment_cwd_and_names);
	tcase_add_test(real, the_last_value_of_a_variable_counts);
	tcase_add_test(real, user_groups_and_umask);
	tcase_add_test(real, capabilities_are_what_was_asked_for);
	tcase_add_test(real, unknown_capabilities_are_left_out);
	tcase_add_test(real, no_new_privs_and_rlimits);
	tcase_add_test(real, minus_one_is_no_user);
	tcase_add_test(real, oom_score);
	tcase_add_test(real, a_container_has_a_session_keyring);
	tcase_add_test(real, readonly_root_and_paths);
	tcase_add_test(real, masked_paths);
	tcase_add_test(real, mounts_are_made);
	tcase_add_test(real, a_tmpfs_starts_with_what_was_there);
	tcase_add_test(real, nothing_of_the_guest_is_seen);
	tcase_add_test(real, default_devices);
	tcase_add_test(real, a_file_at_the_path_of_a_device_stays);
	tcase_add_test(real, some_files_of_proc_can_be_covered);
	tcase_add_test(real, device_rules);
	tcase_add_test(real, sysctls);
	tcase_add_test(real, sysctls_of_a_user_namespace);
	tcase_add_loop_test(real, sysctl_names_are_plain, 0, (int)ARRAY_LEN(not_names));
	tcase_add_loop_test(real, sysctls_of_a_shared_network, 0, 2);
	tcase_add_test(real, seccomp_filters);
#ifdef __x86_64__
	tcase_add_test(real, system_calls_beyond_the_profile_do_not_exist);
#endif
	tcase_add_test(real, terminals);
	tcase_add_test(real, exec_enters_everything);
	tcase_add_test(real, exec_with_a_terminal_and_as_user);
	tcase_add_test(real, exec_errors);
	tcase_add_test(real, an_exec_that_hangs_is_given_up);
	tcase_add_test(real, start_reports_a_failing_exec);
	tcase_add_loop_test(real, programs_are_found_by_create, 0, (int)ARRAY_LEN(programs));
	tcase_add_test(real, our_binary_stays_readonly);
	tcase_add_test(real, an_empty_home_is_set);
	tcase_add_test(real, limits_are_raised_in_a_user_namespace);
	tcase_add_test(real, a_bound_dev_is_left_alone);
	tcase_add_test(real, a_readonly_dev_by_any_name);
	tcase_add_test(real, mounts_over_dangling_links);
	tcase_add_test(real, a_loop_of_links_is_refused);
	tcase_add_loop_test(real, kinds_of_target_and_source, 0, 3);
	tcase_add_test(real, pause_update_stats_pids);
	tcase_add_test(real, limits_wait_for_the_workload);
	tcase_add_test(real, a_group_of_others_is_refused);
	tcase_add_test(real, a_lifted_memory_limit_lifts_that_of_swap);
	tcase_add_test(real, out_of_memory_is_noticed);
	tcase_add_test(real, hooks_in_their_places);
	tcase_add_test(real, failing_hooks);
	tcase_add_test(real, hanging_hook);
	tcase_add_test(real, hostile_links_for_proc_and_sys);
	tcase_add_test(real, hostile_link_for_dev);
	tcase_add_test(real, mount_targets_stay_inside);
	tcase_add_test(real, mounts_into_proc_are_refused);
	tcase_add_test(real, hostile_console);
	tcase_add_test(real, cwd_stays_inside);
	tcase_add_test(real, no_fd_leaks_into_the_container);
	tcase_add_test(real, no_fd_leaks_here);
	tcase_add_test(real, user_namespaces);
	tcase_add_loop_test(real, a_user_namespace_with_an_identity_map, 0,
			    (int)ARRAY_LEN(not_made));
	tcase_add_test(real, mounts_with_mapped_owners);
	tcase_add_test(real, exec_into_a_user_namespace);
	tcase_add_test(real, exec_beside_an_init_that_moved);
	tcase_add_test(real, propagation_of_the_root);
	tcase_add_test(real, many_at_once);
	tcase_add_test(real, namespaces_by_path);
	tcase_add_test(real, time_namespace);
	tcase_add_test(real, signals_reach_everybody);
	tcase_add_test(real, a_signal_does_not_undo_a_pause);
	tcase_set_timeout(real, 180);
}

int main(int argc, char **argv)
{
	Suite *suite = suite_create("container");
	TCase *real = tcase_create("real");

	if (container_is_init(argc, argv))
		return container_init_main();
	if (is_root()) {
		add_tests(real);
		suite_add_tcase(suite, real);
	} else {
		(void)printf("SKIP: real containers need root\n");
	}
	return suite_run(suite);
}
