// SPDX-License-Identifier: Apache-2.0
/*
 * libs/container: real containers of busybox on this machine, run as root. What a container prints
 * and returns is looked at; whatever it was made of must be gone afterwards.
 */

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
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define NAMESPACES                                                                       \
	"{\"type\":\"pid\"},{\"type\":\"ipc\"},{\"type\":\"uts\"},{\"type\":\"mount\"}," \
	"{\"type\":\"network\"},{\"type\":\"cgroup\"}"

#define MOUNTS                                                                                  \
	"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"                    \
	"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","                    \
	"\"options\":[\"nosuid\",\"mode=755\",\"size=65536k\"]},"                               \
	"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\",\"options\":[" \
	"\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]},"              \
	"{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\"},"          \
	"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","                    \
	"\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"                                \
	"{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","        \
	"\"options\":[\"ro\"]}"

#define CAPS(list)                                                            \
	"\"capabilities\":{\"bounding\":[" list "],\"effective\":[" list "]," \
	"\"permitted\":[" list "]}"
#define USUAL_CAPS                                                                       \
	"\"CAP_CHOWN\",\"CAP_KILL\",\"CAP_SETUID\",\"CAP_SETGID\",\"CAP_DAC_OVERRIDE\"," \
	"\"CAP_MKNOD\",\"CAP_NET_BIND_SERVICE\""

static char dir[64];
static char root[80], state_dir[80];
static int n_made;

/* A spec: parts of JSON that replace the usual ones; NULL is the usual. */
struct parts {
	const char *script; /* for /bin/sh -c */
	const char *args;   /* instead of the script: JSON list items */
	const char *process, *user, *caps, *cwd, *env;
	const char *linux_, *namespaces, *mounts, *top, *root;
	bool terminal;
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

/* ------------------------------------------------------------------------------------ a fixture */

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
	(void)str_print(dir, sizeof(dir), "/tmp/kata-container-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
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

static void check_no_cgroups(void)
{
	static const char *const places[] = { "/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids",
					      "/sys/fs/cgroup/freezer", "/sys/fs/cgroup/cpuset" };
	AUTO(str) char *mine = str_fmt("kata-test-%d", (int)getpid());

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO(str) char *path = path_join(places[i], mine);

		if (!path_exists(path))
			continue;
		ck_assert_msg(rmdir(path) == 0, "something is left in %s", path);
	}
}

static void teardown(void)
{
	AUTO(mount_list) struct mount_list mounts = { NULL, 0 };
	struct err err = ERR_INIT;

	ck_assert_int_eq(mount_list_read(&mounts, &err), 0);
	for (size_t i = 0; i < mounts.n; i++)
		ck_assert_msg(!path_is_below(mounts.v[i].target, dir), "%s is still mounted",
			      mounts.v[i].target);
	ck_assert_msg(path_remove_tree(dir, &err) == 0, "%s", err.msg);
	check_no_cgroups();
	while (waitpid(-1, NULL, WNOHANG) > 0)
		continue;
	ck_assert_msg(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a process is left");
}

/* ------------------------------------------------------------------------------------- running */

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
	AUTO(str) char *id = str_fmt("test%d-%d", (int)getpid(), n_made++);
	AUTO(str) char *group = str_fmt("/kata-test-%d/%s", (int)getpid(), id);
	int ends[2] = { -1, -1 };
	struct container_options o = { .id = id,
				       .spec = spec,
				       .bundle = dir,
				       .state_dir = state_dir,
				       .cgroup_path = group,
				       .deadline = deadline_in(30000),
				       .seccomp = true };

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

/* Reads what comes until the end of the stream, or until text is there. */
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

/* Runs a script and compares what it says, to the byte. */
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

/* --------------------------------------------------------------------------------------- tests */

START_TEST(exit_codes)
{
	struct running r;

	ck_assert_int_eq(run(&(struct parts){ .script = "echo hello; exit 3" }, &r), 3);
	ck_assert_str_eq(r.text, "hello\n");
	ck_assert_int_eq(run(&(struct parts){ .script = "true" }, &r), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("container");
	TCase *real = tcase_create("real");
	SRunner *runner = srunner_create(suite);
	int failed;

	if (container_is_init(argc, argv))
		return container_init_main();
	if (is_root()) {
		tcase_add_checked_fixture(real, setup, teardown);
		tcase_add_test(real, exit_codes);
		tcase_set_timeout(real, 180);
		suite_add_tcase(suite, real);
	} else {
		(void)printf("SKIP: real containers need root\n");
	}
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
