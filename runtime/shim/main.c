// SPDX-License-Identifier: Apache-2.0
/*
 * containerd-shim-kata-v2: the invocations of containerd's runtime v2. `start` binds the socket and
 * re-executes this program as the server; `delete` cleans up after a server that has died; -info
 * prints the runtime's description.
 */

#include "shim/placement.h"
#include "shim/shim.h"
#include "shim/stale.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "base/title.h"
#include "crypto/sha256.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SOCKET_DIR "/run/containerd/s"

enum { SERVER_FD = 3, EVENTS_MS = 5000 };

/* --- start --- */

/* The path that containerd's own shims use, so that containerd's clean-up finds it; heap. */
static char *socket_path(const struct invocation *inv, const char *id)
{
	AUTO(str) char *raw = str_fmt("%s/%s/%s", inv->address, inv->namespace, id);
	AUTO(str) char *clean = path_clean(raw);
	char hex[65];

	sha256_hex(clean, strlen(clean), hex);
	return str_fmt(SOCKET_DIR "/%s", hex);
}

/* Returns a listening socket. A socket file that a killed shim has left there is replaced; one at
 * which a shim listens, even if it is stopped, is not. */
static int listen_at(const char *path, struct err *err)
{
	struct err busy = ERR_INIT, dead = ERR_INIT;
	int fd = fd_unix_listen(path, &busy);

	if (fd >= 0)
		return fd;
	if (busy.sys != EADDRINUSE) {
		*err = busy;
		return -1;
	}
	fd = fd_unix_connect(path, &dead);
	if (fd >= 0 || (dead.sys != ECONNREFUSED && dead.sys != ENOENT)) {
		fd_close(&fd);
		return err_set(err, E_EXISTS, "a shim serves %s already", path);
	}
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(err, "remove the stale socket %s", path);
	return fd_unix_listen(path, err);
}

static int write_bundle_file(const char *name, const char *text, struct err *err)
{
	return file_replace_volatile(AT_FDCWD, name, text, strlen(text), 0600, err);
}

static int spawn_server(const struct invocation *inv, int listener, struct child *child,
			struct err *err)
{
	AUTO(strv) char **argv = NULL;
	/* Not our stderr: containerd reads it to its end to know that `start` is done. */
	struct spawn_fd fds[] = { { listener, SERVER_FD } };
	char *self = realpath("/proc/self/exe", NULL);
	struct spawn s = { .program = self, .fds = fds, .nfds = 1, .new_group = true };
	int result;

	if (!self)
		return err_sys(err, "find our own program");
	strv_push(&argv, self);
	strv_push(&argv, "-namespace");
	strv_push(&argv, inv->namespace);
	strv_push(&argv, "-address");
	strv_push(&argv, inv->address);
	strv_push(&argv, "-publish-binary");
	strv_push(&argv, inv->publish_binary);
	strv_push(&argv, "-id");
	strv_push(&argv, inv->id);
	if (inv->debug)
		strv_push(&argv, "-debug");
	s.argv = argv;
	result = spawn_start(&s, child, err);
	free(self);
	return result;
}

/* For a container in a pod: the id of the pod's sandbox container, heap. NULL for any other, and
 * for a specification that cannot be read: Create will report that. */
static char *pod_of(void)
{
	struct err ignored = ERR_INIT;
	AUTO(oci_spec) struct oci_spec *spec = oci_spec_load("config.json", &ignored);
	enum container_kind kind;
	const char *sandbox;

	if (!spec || kind_of(spec, &kind, &sandbox, &ignored) < 0 || kind != KIND_IN_POD)
		return NULL;
	return xstrdup(sandbox);
}

/* Prints the address of the pod's shim, which serves the pod's other containers too. */
static int join_pod(const struct invocation *inv, const char *sandbox, struct err *err)
{
	AUTO(str) char *path = socket_path(inv, sandbox);
	AUTO(str) char *address = str_fmt("unix://%s", path);
	AUTO(fd) int probe = fd_unix_connect(path, err);

	if (probe < 0) {
		err_wrap(err, "the shim of the pod %s does not answer", sandbox);
		return err_hint(err, "the pod has ended: remove it, and run it again");
	}
	if (write_bundle_file("address", address, err) < 0)
		return -1;
	return fd_write_all(STDOUT_FILENO, address, strlen(address), err);
}

int shim_start(const struct invocation *inv, struct err *err)
{
	AUTO(str) char *path = socket_path(inv, inv->id);
	AUTO(str) char *address = str_fmt("unix://%s", path);
	AUTO(str) char *pod = pod_of();
	struct child server;
	char pid[16];

	if (pod)
		return join_pod(inv, pod, err);
	if (path_make(SOCKET_DIR, 0711, err) < 0)
		return -1;
	AUTO(fd) int listener = listen_at(path, err);
	if (listener < 0)
		return -1;
	if (spawn_server(inv, listener, &server, err) < 0) {
		(void)unlink(path);
		return -1;
	}
	(void)str_print(pid, sizeof(pid), "%d", (int)server.pid);
	if (placement_join_cgroup(STDIN_FILENO, server.pid, err) < 0 ||
	    placement_score(getppid(), server.pid, err) < 0 ||
	    write_bundle_file("shim.pid", pid, err) < 0 ||
	    write_bundle_file("address", address, err) < 0 ||
	    fd_write_all(STDOUT_FILENO, address, strlen(address), err) < 0) {
		spawn_kill(&server);
		(void)unlink(path);
		return -1;
	}
	return 0;
}

/* --- delete --- */

int shim_delete(const struct invocation *inv, struct err *err)
{
	Containerd__Task__V2__DeleteResponse reply = CONTAINERD__TASK__V2__DELETE_RESPONSE__INIT;
	Google__Protobuf__Timestamp now = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	AUTO(str) char *path = socket_path(inv, inv->id), *pod = pod_of();
	char cwd[4096];
	uint8_t out[256];
	size_t len;

	if (!pod)
		stale_server_end(inv->namespace, inv->id, path);
	/* What a container in a pod has left behind is removed with its sandbox. */
	if (!pod && sandbox_clean(inv->namespace, inv->id, err) < 0)
		return -1;
	if (getcwd(cwd, sizeof(cwd))) {
		AUTO(str) char *rootfs = path_join(cwd, "rootfs");

		if (mount_detach_below(rootfs, err) < 0)
			return -1;
	}
	if (!pod)
		(void)unlink(path);
	now.seconds = time(NULL);
	reply.exited_at = &now;
	reply.exit_status = 128 + SIGKILL;
	len = containerd__task__v2__delete_response__pack(&reply, out);
	return fd_write_all(STDOUT_FILENO, out, len, err);
}

/* --- server --- */

/* Only containerd ends a container: a shim that exited on a signal would leave it behind. */
static void on_signal(void *arg, int signo)
{
	struct shim *s = arg;
	bool empty;

	if (signo == SIGCHLD) {
		(void)spawn_reap_orphans();
		return;
	}
	(void)pthread_mutex_lock(&s->lock);
	empty = shim_is_empty(s);
	s->shutting_down |= empty;
	(void)pthread_mutex_unlock(&s->lock);
	if (empty)
		shim_post_stop(s);
	else
		log_warn("ignoring a signal: the shim has a container", LOG_I("signal", signo));
}

/* containerd reads the log from a FIFO in the bundle. It is opened for reading too, and
 * non-blocking: a slow reader does not block the shim, a missing one does not end it. */
static void open_log(const struct invocation *inv)
{
	int fd = open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	log_init("containerd-shim-kata-v2", "shim", LOG_LOGFMT, fd >= 0 ? fd : STDERR_FILENO,
		 inv->debug ? LOG_DEBUG : LOG_INFO);
	log_set_common("sandbox", inv->id);
}

static struct watch *watch_signals(struct shim *s, struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGCHLD);
	return loop_signals(s->loop, &set, on_signal, s, err);
}

/* virtiofsd, and QEMU where it does not leave the guest's memory out itself, inherit that no memory
 * that is shared with other processes is dumped: bit 1 of the default, 0x33 (core(5)). */
static void leave_guest_out_of_core_dumps(void)
{
	struct err err = ERR_INIT;

	if (file_write(AT_FDCWD, "/proc/self/coredump_filter", "0x31", &err) < 0)
		log_err(LOG_WARN, &err, "a core dump may have the guest's memory");
}

int shim_serve(const struct invocation *inv, struct err *err)
{
	/* Nothing that a flow may use is on the stack or freed: some still run at the end. */
	static struct shim s = { .lock = PTHREAD_MUTEX_INITIALIZER };
	const struct ttrpc_service services[] = {
		{ .name = "containerd.task.v2.Task", .methods = task_methods, .arg = &s },
		{ .name = NULL },
	};
	AUTO(str) char *path = socket_path(inv, inv->id);
	int listener = SERVER_FD;
	struct stat st;

	if (inv->socket)
		listener = listen_at(inv->socket, err);
	else if (fstat(SERVER_FD, &st) < 0 || !S_ISSOCK(st.st_mode))
		return err_set(err, E_USAGE, "no socket on fd 3; containerd runs `start` first");
	if (listener < 0 || fd_cloexec(listener, true, err) < 0)
		return -1;
	/* Streams and forwarded connections are fds. systemd's default limit, 1024, is one for
	 * programs with select(). */
	fd_raise_limit();
	open_log(inv);
	leave_guest_out_of_core_dumps();
	cond_init(&s.changed);
	s.inv = inv;
	s.socket = inv->socket ? inv->socket : STEAL(path, NULL);
	s.loop = loop_new(err);
	s.signals = s.loop ? watch_signals(&s, err) : NULL;
	if (!s.signals)
		return -1;
	s.events = events_new(getenv("TTRPC_ADDRESS"), inv->namespace);
	s.server = ttrpc_server_new(s.loop, services);
	ttrpc_server_listen(s.server, listener);
	shim_exit_when_orphaned(&s);
	log_info("shim is ready");
	loop_run(s.loop);
	events_end(s.events, deadline_in(EVENTS_MS));
	/* The process ends here; flows that still run have no caller. */
	return 0;
}

/* --- main --- */

static int dispatch(const struct invocation *inv, const char *verb, struct err *err)
{
	if (str_empty(inv->namespace))
		return err_set(err, E_USAGE, "no -namespace; this program is run by containerd");
	if (str_check_id(inv->id, "-id", err) < 0) {
		err->code = E_USAGE;
		return -1;
	}
	if (!verb)
		return shim_serve(inv, err);
	if (str_eq(verb, "start"))
		return shim_start(inv, err);
	if (str_eq(verb, "delete"))
		return shim_delete(inv, err);
	return err_set(err, E_USAGE, "unknown verb '%s'; known are start and delete", verb);
}

static int run(const struct invocation *inv, const struct opt *opts, const char *verb,
	       struct err *err)
{
	if (inv->info)
		return shim_print_info(err);
	if (!inv->version && !inv->help)
		return dispatch(inv, verb, err);
	if (inv->version) {
		(void)printf("containerd-shim-kata-v2: io.containerd.kata.v2, version %s\n",
			     KATA_VERSION);
	} else {
		(void)puts("containerd-shim-kata-v2 [options] [start | delete]");
		opt_help(opts, stdout);
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct invocation inv = { .address = "", .publish_binary = "containerd" };
	static const struct opt opts[] = {
		OPT_STR(0, "namespace", "NS", &inv.namespace, "namespace of the container"),
		OPT_STR(0, "id", "ID", &inv.id, "id of the container"),
		OPT_STR(0, "address", "PATH", &inv.address, "containerd's socket"),
		OPT_STR(0, "publish-binary", "PATH", &inv.publish_binary, "accepted, not used"),
		OPT_STR(0, "socket", "PATH", &inv.socket, "socket to serve, instead of fd 3"),
		OPT_STR(0, "bundle", "DIR", &inv.bundle, "bundle of the container"),
		OPT_FLAG(0, "debug", &inv.debug, "log more"),
		OPT_FLAG('v', "version", &inv.version, "print the version"),
		OPT_FLAG(0, "info", &inv.info, "print the runtime's description (protobuf)"),
		OPT_FLAG('h', "help", &inv.help, "print this help"),
		OPT_END
	};
	struct err err = ERR_INIT;
	int first;

	fd_fill_standard();
	file_set_umask();
	title_init(argc, argv);
	first = opt_parse(opts, OPT_SINGLE_DASH, argc, argv, &err);
	(void)mallopt(M_ARENA_MAX, 1);
	(void)signal(SIGPIPE, SIG_IGN);
	log_init("containerd-shim-kata-v2", "shim", LOG_LOGFMT, STDERR_FILENO, LOG_INFO);
	if (first >= 0)
		(void)!run(&inv, opts, first < argc ? argv[first] : NULL, &err);
	if (fd_end_output(&err))
		(void)fprintf(stderr, "containerd-shim-kata-v2: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : EXIT_SUCCESS;
}
