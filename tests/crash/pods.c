// SPDX-License-Identifier: Apache-2.0
/*
 * The walk of the runtime: crash-pods [--every N] [--from K] [--only NAME] [--real PREFIX] SHIM
 * FAKE-VM.
 *
 * Plays a container manager that takes a pod and its containers through create, start, exec,
 * update, stop and delete. The shim is killed at its first system call that changes the host, then,
 * in another run, at its second, and so on until it survives to its end. After each kill the
 * manager runs `delete` for each container, as containerd does. Then nothing may be left: no
 * process, mount, directory, socket, network namespace, link, filter or control group. `start` and
 * `delete` are killed in the same way, and then run again.
 *
 * --every N: only each N-th call, from the K-th on. --real PREFIX: with real VMs of the
 * installation at PREFIX; otherwise FAKE-VM plays QEMU and the guest.
 *
 * Each run is in mount, network, IPC and process namespaces of its own.
 */

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "mount/mount.h"
#include "tests/crash/server.h"
#include "tests/unit/kernel_lab.h"
#include "tests/unit/wire_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR     "/run/t"
#define ADDRESS DIR "/containerd.sock"
#define CONFIG  DIR "/configuration.toml"
#define KERNEL  DIR "/vmlinux"
#define SPACE   "crash"
#define NETNS   "pod"
#define VOLUME  DIR "/csi" /* a direct-assigned volume, and the record of it */
#define RECORD  "/run/kata-containers/shared/direct-volumes/L3J1bi90L2NzaQ=="

enum { ANSWER_MS = 60000, SETTLE_MS = 20000, STATE_MAX = 1 << 20, RUN_S = 120 };

/* --- the calls of a pod's life --- */

struct step {
	const char *method, *id, *exec;
};

struct life {
	const char *name, *pod; /* the id of the container that has the shim */
	const char *config;     /* lines of [hypervisor.qemu] */
	const char *script;     /* of fake_vm */
	struct step steps[24];
	/* Of a life with fake_vm only: what it has besides. */
	const char *mounts;    /* of the containers of the pod, each with a comma before it */
	const char *resources; /* of the same, or NULL */
	bool fake;
};

/* A life is a list of calls, and of these events. */
#define PLUG   "an interface is added to the pod's namespace"
#define UNPLUG "that interface is removed"

static const struct life lives[] = {
	{ .name = "pod", .pod = "pod", .config = "shared_fs = \"virtio-9p\"\n", .script = "pod", .steps = {
		  { "Create", "pod", "" },  { "Start", "pod", "" },    { "Create", "one", "" },
		  { "Start", "one", "" },   { "Exec", "one", "e" },    { "Start", "one", "e" },
		  { "Update", "one", "" },  { "Kill", "one", "e" },    { "Wait", "one", "e" },
		  { "Delete", "one", "e" }, { "Create", "two", "" },   { "Start", "two", "" },
		  { "Kill", "one", "" },    { "Wait", "one", "" },     { "Delete", "one", "" },
		  { "Kill", "pod", "" },    { "Wait", "pod", "" },     { "Delete", "two", "" },
		  { "Delete", "pod", "" },  { "Shutdown", "pod", "" }, { NULL, NULL, NULL },
	  } },
	/* A single container: the shim makes a network namespace and starts virtiofsd. */
	{ .name = "single", .pod = "single", .config = "shared_fs = \"virtio-fs\"\n", .script = "good", .steps = {
		  { "Create", "single", "" },
		  { "Start", "single", "" },
		  { "Kill", "single", "" },
		  { "Wait", "single", "" },
		  { "Delete", "single", "" },
		  { "Shutdown", "single", "" },
		  { NULL, NULL, NULL },
	  } },
	/* What only some pods have: a user for the VMM, a direct-assigned volume, swap space, an
	 * interface that comes while the pod runs, memory that is added. */
	{ .name = "extras",
	  .pod = "pod",
	  .config = "shared_fs = \"virtio-fs\"\nrootless = true\nenable_guest_swap = true\n"
		    "enable_virtio_mem = false\n",
	  .script = "pod",
	  .steps = { { "Create", "pod", "" },
		     { "Start", "pod", "" },
		     { PLUG, "", "" },
		     { "Create", "one", "" },
		     { "Start", "one", "" },
		     { UNPLUG, "", "" },
		     { "Kill", "one", "" },
		     { "Wait", "one", "" },
		     { "Delete", "one", "" },
		     { "Kill", "pod", "" },
		     { "Wait", "pod", "" },
		     { "Delete", "pod", "" },
		     { "Shutdown", "pod", "" },
		     { NULL, NULL, NULL } },
	  .mounts = ",{\"destination\":\"/csi\",\"type\":\"bind\",\"source\":\"" VOLUME
		    "\",\"options\":[\"rbind\",\"rw\"]}",
	  .resources = ",\"resources\":{\"memory\":{\"limit\":33554432,\"swap\":67108864}}",
	  .fake = true },
	/* An interface with a macvtap, which outlives the process that holds it. */
	{ .name = "macvtap",
	  .pod = "pod",
	  .config = "shared_fs = \"virtio-9p\"\n[runtime]\ninternetworking_model = \"macvtap\"\n",
	  .script = "pod",
	  .steps = { { "Create", "pod", "" },
		     { "Start", "pod", "" },
		     { PLUG, "", "" },
		     { "Kill", "pod", "" },
		     { "Wait", "pod", "" },
		     { "Delete", "pod", "" },
		     { "Shutdown", "pod", "" },
		     { NULL, NULL, NULL } },
	  .fake = true },
};

/* The process that is killed. */
enum subject { SUBJECT_SERVER, SUBJECT_START, SUBJECT_DELETE, SUBJECT_CARELESS };

#define CONTROL "control"

static const struct {
	const char *name;
	enum subject subject;
	const struct life *life;
} walks[] = {
	{ "pod", SUBJECT_SERVER, &lives[0] },
	{ "single", SUBJECT_SERVER, &lives[1] },
	{ "start", SUBJECT_START, &lives[0] },
	{ "delete", SUBJECT_DELETE, &lives[0] },
	{ "delete-single", SUBJECT_DELETE, &lives[1] },
	{ "extras", SUBJECT_SERVER, &lives[2] },
	{ "delete-extras", SUBJECT_DELETE, &lives[2] },
	{ "macvtap", SUBJECT_SERVER, &lives[3] },
	{ "delete-macvtap", SUBJECT_DELETE, &lives[3] },
	/* Only with --only: this life must fail. */
	{ CONTROL, SUBJECT_CARELESS, &lives[0] },
};

/* The result of a run for its parent, in shared memory. */
struct outcome {
	unsigned calls;
	long syscall;
	const struct step *step; /* the step that was not answered; NULL: all were */
	bool good;
	char text[16384];
};

static const char *shim, *fake_vm, *real;
static const struct life *life;
static pid_t walker; /* this program */
static struct outcome *outcome;

_Noreturn static void fail(const char *what, const struct err *err)
{
	(void)snprintf(outcome->text, sizeof(outcome->text), "%s%s%s", what, err ? ": " : "",
		       err ? err->msg : "");
	_exit(1);
}

static void must(int rc, const char *what, const struct err *err)
{
	if (rc < 0)
		fail(what, err);
}

static void put(const char *path, const char *text)
{
	struct err err = ERR_INIT;

	must(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &err), path, &err);
}

static void run(char *const *argv, struct buf *out)
{
	struct spawn s = { .argv = argv };
	struct err err = ERR_INIT;

	must(spawn_run(&s, NULL, 0, out, deadline_in(ANSWER_MS), &err) == 0 ? 0 : -1, argv[0],
	     &err);
}

/* --- the node --- */

static const char *const kinds[] = { [0] = "", "sandbox", "container" };

static void make_bundle(const char *id)
{
	bool in_pod = str_eq(life->pod, "pod"), is_pod = str_eq(id, life->pod);
	const char *kind = kinds[!in_pod ? 0 : is_pod ? 1 : 2];
	AUTO(str) char *dir = path_join(DIR, id), *root = path_join(dir, "rootfs");
	AUTO(str) char *config = path_join(dir, "config.json"), *log = path_join(dir, "log");
	struct err err = ERR_INIT;
	AUTO(str)
	char *text = str_fmt(
		"{\"ociVersion\":\"1.0.2\",\"hostname\":\"guest\",\"process\":{\"args\":[\"sleep\","
		"\"1000\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},"
		"\"root\":{\"path\":\"rootfs\"},\"mounts\":[{\"destination\":\"/"
		"proc\",\"type\":\"proc\",\"source\":\"proc\"},{\"destination\":\"/"
		"dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\"},{\"destination\":\"/data\","
		"\"type\":\"bind\",\"source\":\"" DIR
		"/volume\",\"options\":[\"rbind\",\"rw\"]}%s],"
		"\"annotations\":{%s%s%s},\"linux\":{\"cgroupsPath\":\"/kata-crash-%d/%s\","
		"\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"mount\"},{\"type\":\"ipc\"},{"
		"\"type\":\"uts\"},{\"type\":\"network\"%s}]%s"
		"}}",
		!is_pod && life->mounts ? life->mounts : "",
		in_pod ? "\"io.kubernetes.cri.sandbox-id\":\"pod\","
			 "\"io.kubernetes.cri.container-type\":\""
		       : "",
		kind, in_pod ? "\"" : "", (int)walker, id,
		in_pod ? ",\"path\":\"/run/netns/" NETNS "\"" : "",
		!is_pod && life->resources ? life->resources : "");

	must(path_make(root, 0755, &err), root, &err);
	put(config, text);
	put(log, "");
}

static void write_config(void)
{
	AUTO(str)
	char *fake = str_fmt("[hypervisor.qemu]\npath = \"%s\"\nkernel = \"" KERNEL "\"\n"
			     "initrd = \"/dev/null\"\naccelerator = \"tcg\"\n"
			     "transport = \"serial\"\nvirtio_fs_daemon = \"%s\"\n%s",
			     fake_vm, fake_vm, life->config);
	AUTO(str)
	char *vm = str_fmt(
		"[hypervisor.qemu]\nkernel = \"%s/share/kata-containers/vmlinux.container\"\n"
		"initrd = \"%s/share/kata-containers/kata-containers-initrd.img\"\n"
		"default_memory = 256\ntransport = \"serial\"\n%s",
		real, real, life->config);

	put(CONFIG, real ? vm : fake);
	kernel_lab_write(KERNEL, (struct note[]){ NOTE_STORES_PAGES, NOTE_END }, 0);
}

/* A root file system with the programs that a real container runs. */
static void make_image(void)
{
	static const char bin[] = DIR "/image/bin";
	struct err err = ERR_INIT;

	must(path_make(bin, 0755, &err), bin, &err);
	must(path_make(DIR "/volume", 0755, &err), "volume", &err);
	if (!real)
		return;
	run(ARGV("cp", "/bin/busybox", DIR "/image/bin/sleep"), NULL);
	run(ARGV("mkdir", DIR "/image/data", DIR "/image/proc", DIR "/image/dev"), NULL);
}

/* The network namespace, as a network plugin leaves it. */
static void make_network(void)
{
	run(ARGV("ip", "netns", "add", NETNS), NULL);
	run(ARGV("ip", "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns",
		 NETNS),
	    NULL);
	run(ARGV("ip", "-n", NETNS, "address", "add", "10.1.2.3/24", "dev", "eth0"), NULL);
	run(ARGV("ip", "-n", NETNS, "link", "set", "eth0", "up"), NULL);
}

static void make_volume(void)
{
	AUTO(fd) int disk = open(DIR "/disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct err err = ERR_INIT;

	must(disk < 0 ? -1 : ftruncate(disk, 1 << 20), "make a disk", NULL);
	must(path_make(VOLUME, 0755, &err), VOLUME, &err);
	must(path_make(RECORD, 0700, &err), RECORD, &err);
	put(RECORD "/mountInfo.json", "{\"volume-type\":\"block\",\"device\":\"" DIR
				      "/disk\",\"fstype\":\"ext4\",\"metadata\":{},"
				      "\"options\":[]}");
}

static void make_node(void)
{
	struct err err = ERR_INIT;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("proc", "/proc", "proc", 0, NULL) < 0 || mount_detach_below("/run", &err) < 0 ||
	    mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") < 0)
		fail("make mounts", NULL);
	must(path_make(DIR, 0755, &err), DIR, &err);
	must(path_make("/run/containerd/s", 0711, &err), "sockets", &err);
	must(path_make("/run/vc/sbs", 0755, &err), "states", &err);
	must(path_make("/run/vc/vm", 0755, &err), "VMs", &err);
	must(path_make("/run/vc/users", 0700, &err), "users", &err);
	must(path_make("/run/kata-containers/shared/sandboxes", 0755, &err), "shares", &err);
	write_config();
	make_image();
	make_network();
	if (life->mounts)
		make_volume();
	for (const struct step *s = life->steps; s->method; s++) {
		if (str_eq(s->method, "Create"))
			make_bundle(s->id);
	}
}

/* --- the state of the host --- */

static struct buf *state;

static int add_path(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	if (!str_starts(path, DIR "/") && !str_starts(path, "/run/vc/accelerator") &&
	    !str_starts(path, "/run/vc/transport") && !str_starts(path, "/run/vc/virtiofsd"))
		buf_fmt(state, "path %s\n", path);
	return 0;
}

/* Control groups below those of the pods, which a kubelet makes and removes. */
static int add_cgroup(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	AUTO(str) char *ours = str_fmt("/kata-crash-%d/", (int)walker);

	(void)st, (void)at;
	if (kind == FTW_D && strstr(path, ours))
		buf_fmt(state, "control group %s\n", path);
	return 0;
}

static int remove_cgroup(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	AUTO(str) char *ours = str_fmt("/kata-crash-%d", (int)walker);

	(void)st, (void)at;
	if (kind == FTW_DP && strstr(path, ours))
		(void)rmdir(path);
	return 0;
}

static void add_mounts(void)
{
	AUTO(buf) struct buf text = BUF_INIT(STATE_MAX);
	AUTO(strv) char **lines = NULL;
	struct err err = ERR_INIT;

	must(file_read(AT_FDCWD, "/proc/self/mountinfo", STATE_MAX, &text, &err), "mounts", &err);
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines) {
		AUTO(strv) char **words = strv_split(*line, " ");

		if (strv_len(words) > 4 && str_starts(words[4], "/run"))
			buf_fmt(state, "mount %s\n", words[4]);
	}
}

/* All processes but this one. */
static void add_processes(void)
{
	for (int pid = 2; pid < 32768; pid++) {
		AUTO(str) char *path = str_fmt("/proc/%d/cmdline", pid);
		AUTO(buf) struct buf line = BUF_INIT(65536);
		struct err err = ERR_INIT;

		if (!path_exists(path) || file_read(AT_FDCWD, path, 65536, &line, &err) < 0)
			continue;
		for (size_t i = 0; i < line.len; i++)
			line.data[i] = line.data[i] ? line.data[i] : ' ';
		buf_fmt(state, "process %s\n", buf_cstr(&line));
	}
}

/* Orphans of our daemons are our children now. */
static void reap(void)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static void describe(struct buf *to)
{
	buf_clear(to);
	reap();
	state = to;
	add_mounts();
	(void)nftw("/run", add_path, 16, FTW_PHYS | FTW_MOUNT);
	(void)nftw("/sys/fs/cgroup", add_cgroup, 16, FTW_PHYS);
	run(ARGV("ip", "-o", "link"), to);
	run(ARGV("ip", "-n", NETNS, "-o", "link"), to);
	run(ARGV("tc", "-n", NETNS, "qdisc"), to);
	run(ARGV("tc", "-n", NETNS, "filter", "show", "dev", "eth0", "ingress"), to);
	reap();
	add_processes();
}

/* Prints the lines that only one of the two texts has. */
static void show_difference(const char *was, const char *is)
{
	AUTO(strv) char **a = strv_split(was, "\n"), **b = strv_split(is, "\n");
	AUTO(buf) struct buf text = BUF_INIT(sizeof(outcome->text));

	strv_each(line, b) {
		if (!strv_has(a, *line))
			buf_fmt(&text, "\n      left: %.300s", *line);
	}
	strv_each(line, a) {
		if (!strv_has(b, *line))
			buf_fmt(&text, "\n      gone: %.300s", *line);
	}
	(void)snprintf(outcome->text, sizeof(outcome->text), "%s", buf_cstr(&text));
}

/* The kernel removes a link a moment after its last user has ended. */
static bool nothing_is_left(const struct buf *before)
{
	struct deadline d = deadline_in(SETTLE_MS);
	AUTO(buf) struct buf now = BUF_INIT(STATE_MAX);

	for (;;) {
		describe(&now);
		if (str_eq(before->data, now.data))
			return true;
		if (deadline_passed(d))
			break;
		(void)poll(NULL, 0, 100);
	}
	show_difference(before->data, now.data);
	return false;
}

/* --- the manager --- */

static char *socket_path(void)
{
	AUTO(str) char *name = str_fmt(ADDRESS "/" SPACE "/%s", life->pod);
	char hex[65];

	sha256_hex(name, strlen(name), hex);
	return str_fmt("/run/containerd/s/%s", hex);
}

static void add_any(struct buf *payload, unsigned field, const char *json)
{
	AUTO(buf) struct buf any = BUF_INIT(4096);

	wire_text(&any, 1, "types.containerd.io/opencontainers/runtime-spec/1/Thing");
	wire_text(&any, 2, json);
	wire_bytes(payload, field, any.data, any.len);
}

static void add_create(struct buf *payload, const char *id)
{
	AUTO(str) char *bundle = path_join(DIR, id), *out = str_fmt("file://" DIR "/%s.out", id);
	AUTO(buf) struct buf root = BUF_INIT(4096);

	wire_text(&root, 1, "bind");
	wire_text(&root, 2, DIR "/image");
	wire_text(&root, 4, "rbind");
	wire_text(payload, 2, bundle);
	wire_bytes(payload, 3, root.data, root.len);
	wire_text(payload, 6, out);
}

static void add_payload(struct buf *payload, const struct step *s)
{
	wire_text(payload, 1, s->id);
	if (str_eq(s->method, "Create")) {
		add_create(payload, s->id);
	} else if (str_eq(s->method, "Update")) {
		add_any(payload, 2, "{\"memory\":{\"limit\":50000000}}");
	} else {
		wire_text(payload, 2, s->exec);
		if (str_eq(s->method, "Exec"))
			add_any(payload, 7,
				"{\"args\":[\"sleep\",\"1000\"],\"cwd\":\"/\",\"env\":[\"PATH=/"
				"bin\"],\"user\":{\"uid\":0,\"gid\":0}}");
		if (str_eq(s->method, "Kill"))
			wire_number(payload, 3, SIGKILL);
	}
}

/* Returns 0, or 1 if the shim has ended. */
static int ask(const struct step *s)
{
	AUTO(buf) struct buf payload = BUF_INIT(8192), body = BUF_INIT(WIRE_MAX);
	AUTO(str) char *path = socket_path(), *text = NULL;
	struct err refused = ERR_INIT;
	AUTO(fd) int fd = fd_unix_connect(path, &refused);
	struct wire_frame frame;

	if (fd < 0)
		return 1;
	add_payload(&payload, s);
	wire_text(&body, 1, "containerd.task.v2.Task");
	wire_text(&body, 2, s->method);
	wire_bytes(&body, 3, payload.data, payload.len);
	if (wire_send(fd, 1, WIRE_REQUEST, &body) < 0 ||
	    wire_receive(fd, ANSWER_MS, &frame, &body) < 0)
		return 1;
	text = wire_get_text(body.data, body.len, WIRE_PATH(1, 2));
	if (!*text)
		return 0;
	AUTO(str) char *what = str_fmt("%s %s: %s", s->method, s->id, text);
	fail(what, NULL);
}

/* --- the shim --- */

static char **command(const char *id, const char *verb)
{
	char **argv = NULL;

	strv_push(&argv, shim);
	strv_push(&argv, "-namespace");
	strv_push(&argv, SPACE);
	strv_push(&argv, "-address");
	strv_push(&argv, ADDRESS);
	strv_push(&argv, "-publish-binary");
	strv_push(&argv, "containerd");
	strv_push(&argv, "-id");
	strv_push(&argv, id);
	if (verb)
		strv_push(&argv, verb);
	return argv;
}

/* In a process of its own, which reports the end of the program. */
static pid_t trace(const char *id, const char *verb, int listener, unsigned at)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	AUTO(strv) char **argv = command(id, verb);
	AUTO(str) char *bundle = path_join(DIR, id);
	struct server s = { .argv = argv, .cwd = bundle, .listener = listener, .at = at };
	struct err err = ERR_INIT;

	must(server_run(&s, &err), "trace the shim", &err);
	outcome->calls = s.calls;
	outcome->syscall = s.syscall;
	if (s.status != 0 && s.status != 128 + SIGKILL)
		(void)snprintf(outcome->text, sizeof(outcome->text), "%s ended with %d",
			       verb ? verb : "the shim", s.status);
	_exit(*outcome->text ? 1 : 0);
}

/* Runs the shim of a pod as `start` starts it. */
static pid_t serve(unsigned at)
{
	AUTO(str) char *path = socket_path();
	struct err err = ERR_INIT;
	int listener = fd_unix_listen(path, &err);
	pid_t tracer;

	must(listener, "listen", &err);
	tracer = trace(life->pod, NULL, listener, at);
	(void)close(listener); /* else a connection to a dead shim would wait */
	return tracer;
}

static void await(pid_t tracer)
{
	int status;

	while (waitpid(tracer, &status, 0) < 0 && errno == EINTR)
		;
	if (status != 0)
		_exit(1);
}

static void run_delete(const char *id)
{
	AUTO(strv) char **argv = command(id, "delete");
	AUTO(str) char *bundle = path_join(DIR, id);
	struct spawn s = { .argv = argv, .cwd = bundle };
	struct err err = ERR_INIT;

	must(spawn_run(&s, NULL, 0, NULL, deadline_in(ANSWER_MS), &err) == 0 ? 0 : -1, "delete",
	     &err);
}

/* Runs `delete` twice for each container that was created up to this step (NULL: the last), with
 * the pod's first or last. */
static void delete_all(const struct step *until, bool pod_first)
{
	if (pod_first)
		run_delete(life->pod);
	for (const struct step *s = life->steps; s->method; s++) {
		if (str_eq(s->method, "Create") && !str_eq(s->id, life->pod))
			run_delete(s->id);
		if (s == until)
			break;
	}
	run_delete(life->pod);
}

/* --- events --- */

static bool shim_serves(void)
{
	AUTO(str) char *path = socket_path();
	struct err refused = ERR_INIT;
	AUTO(fd) int fd = fd_unix_connect(path, &refused);

	return fd >= 0;
}

static bool has_link(const char *name)
{
	AUTO(buf) struct buf links = BUF_INIT(STATE_MAX);

	run(ARGV("ip", "-n", NETNS, "-o", "link"), &links);
	return strstr(buf_cstr(&links), name) != NULL;
}

/* Waits until the shim has connected the second interface, or has disconnected it. Returns 1 if it
 * has ended. */
static int await_wire(bool connected)
{
	struct deadline d = deadline_in(ANSWER_MS);

	while (has_link(" tap1_kata") != connected) {
		if (!shim_serves())
			return 1;
		if (deadline_passed(d))
			fail(connected ? "the shim does not connect a later interface"
				       : "the shim does not disconnect a removed interface",
			     NULL);
		(void)poll(NULL, 0, 20);
	}
	return 0;
}

static int plug(void)
{
	run(ARGV("ip", "link", "add", "veth1", "type", "veth", "peer", "name", "eth1", "netns",
		 NETNS),
	    NULL);
	run(ARGV("ip", "-n", NETNS, "address", "add", "10.1.3.3/24", "dev", "eth1"), NULL);
	run(ARGV("ip", "-n", NETNS, "link", "set", "eth1", "up"), NULL);
	return await_wire(true);
}

static int unplug(void)
{
	run(ARGV("ip", "-n", NETNS, "link", "delete", "eth1"), NULL);
	return await_wire(false);
}

static int take(const struct step *s)
{
	return str_eq(s->method, PLUG) ? plug() : str_eq(s->method, UNPLUG) ? unplug() : ask(s);
}

/* Returns the first step that was not answered, or NULL. */
static const struct step *live(void)
{
	for (const struct step *s = life->steps; s->method; s++) {
		if (take(s))
			return s;
	}
	return NULL;
}

static void walk_server(unsigned at)
{
	pid_t tracer = serve(at);

	outcome->step = live();
	if (outcome->step && !at)
		fail("no answer", NULL);
	await(tracer);
	delete_all(outcome->step, at % 2);
}

/* Without a `delete`. */
static void walk_careless(unsigned at)
{
	pid_t tracer = serve(at);

	outcome->step = live();
	await(tracer);
}

/* Nobody knows the server that a killed `start` has started. */
static void walk_start(unsigned at)
{
	await(trace(life->pod, "start", -1, at));
	run_delete(life->pod);
}

/* The shim is killed while everything runs, then `delete` is killed too. */
static void walk_delete(unsigned at)
{
	pid_t tracer = serve(0);

	for (const struct step *s = life->steps; s->method && !str_eq(s->method, "Kill"); s++) {
		if (take(s))
			fail("the shim is gone", NULL);
	}
	run(ARGV("pkill", "-KILL", "-f", " -id "), NULL); /* in this namespace */
	await(tracer);
	await(trace(life->pod, "delete", -1, at));
	delete_all(NULL, at % 2);
}

static void (*const walkers[])(unsigned at) = {
	[SUBJECT_SERVER] = walk_server,
	[SUBJECT_START] = walk_start,
	[SUBJECT_DELETE] = walk_delete,
	[SUBJECT_CARELESS] = walk_careless,
};

/* --- runs --- */

/* The first process of its namespace. */
_Noreturn static void scene(enum subject subject, unsigned at)
{
	AUTO(buf) struct buf before = BUF_INIT(STATE_MAX);

	(void)signal(SIGPIPE, SIG_IGN);
	if (setenv("KATA_CONF_FILE", CONFIG, 1) < 0 || setenv("FAKE_VM", life->script, 1) < 0)
		fail("set the environment", NULL);
	make_node();
	describe(&before);
	walkers[subject](at);
	if (has_link(" eth1"))
		run(ARGV("ip", "-n", NETNS, "link", "delete", "eth1"), NULL);
	outcome->good = nothing_is_left(&before);
	_exit(0);
}

/* True if the process was killed at that call and nothing was left. */
static bool run_at(const char *name, enum subject subject, unsigned at)
{
	int status;
	pid_t pid;

	*outcome = (struct outcome){ .calls = 0 };
	pid = fork();
	if (pid == 0) {
		pid_t inner;

		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
		    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWPID) < 0)
			fail("make namespaces", NULL);
		(void)alarm(RUN_S); /* the first process of a namespace would ignore it */
		inner = fork();
		if (inner == 0) {
			if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
				fail("die with the parent", NULL);
			scene(subject, at);
		}
		(void)waitpid(inner, &status, 0);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
	}
	(void)waitpid(pid, &status, 0);
	if (status == 0 && outcome->good)
		return true;
	(void)printf("  FAIL  %s killed at call %u (system call %ld%s%s %s): %s\n", name, at,
		     outcome->syscall, outcome->step ? ", in " : "",
		     outcome->step ? outcome->step->method : "",
		     outcome->step ? outcome->step->id : "",
		     *outcome->text ? outcome->text : "it did not end");
	(void)fflush(stdout);
	return false;
}

struct options {
	uint64_t every, from;
	const char *only;
};

static unsigned walk(size_t i, const struct options *o, unsigned *points)
{
	const char *name = walks[i].name;
	unsigned failed = 0, most, at;

	life = walks[i].life;
	/* First a run without a kill: if it failed, the others would show nothing. */
	if (!run_at(name, walks[i].subject, 0))
		return 1;
	most = outcome->calls;
	for (at = (unsigned)o->from; at <= most; at += (unsigned)o->every) {
		failed += !run_at(name, walks[i].subject, at);
		++*points;
	}
	(void)printf("  %-5s %s%s (%u calls)\n", failed ? "FAIL" : "ok", name,
		     real ? " with VMs" : "", most);
	(void)fflush(stdout);
	return failed;
}

static int parse(int argc, char **argv, struct options *o)
{
	struct err err = ERR_INIT;
	int i = 1;

	for (; i + 1 < argc && str_starts(argv[i], "--"); i += 2) {
		if (str_eq(argv[i], "--only"))
			o->only = argv[i + 1];
		else if (str_eq(argv[i], "--real"))
			real = argv[i + 1];
		else if (str_u64(argv[i + 1], 10, 1, 1000000, argv[i],
				 str_eq(argv[i], "--every") ? &o->every : &o->from, &err) < 0)
			return -1;
	}
	if (argc - i != 2)
		return -1;
	shim = argv[i];
	fake_vm = argv[i + 1];
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .every = 1, .from = 1 };
	unsigned points = 0, failed = 0;

	if (parse(argc, argv, &o) < 0) {
		(void)fputs(
			"usage: crash-pods [--every N] [--from K] [--only NAME] [--real PREFIX] "
			"SHIM FAKE-VM\n",
			stderr);
		return 2;
	}
	if (geteuid() != 0) {
		(void)puts("skipped: the crash walk of pods needs root");
		return 0;
	}
	walker = getpid();
	outcome = mmap(NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (outcome == MAP_FAILED)
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(walks); i++) {
		if (real && walks[i].life->fake)
			continue;
		if (o.only ? str_eq(o.only, walks[i].name) : !str_eq(walks[i].name, CONTROL))
			failed += walk(i, &o, &points);
	}
	(void)nftw("/sys/fs/cgroup", remove_cgroup, 16, FTW_PHYS | FTW_DEPTH);
	(void)printf("crash walk of pods: %u points, %u failed\n", points, failed);
	return failed || !points ? 1 : 0;
}
