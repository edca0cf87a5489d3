// SPDX-License-Identifier: Apache-2.0
/* The shim with a guest that behaves: its requests to the agent, the configuration of the VM,
 * events and streams. */

#include "tests/unit/sanitized.h"
#include "tests/unit/shim_lab.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOINED "/sys/fs/cgroup/h/managers/shim/cgroup.procs"

/* --- one container --- */

static void holds_text(struct wire_value v, const unsigned *path, const char *expect)
{
	AUTO(str) char *text = wire_get_text(v.data, v.len, path);

	ck_assert_str_eq(text, expect);
}

static void check_requests(void)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	struct wire_value v, arg;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	(void)shim_recorded(&log, "grpc.Health", "Check");
	v = shim_recorded(&log, "grpc.AgentService", "CreateSandbox");
	holds_text(v, WIRE_PATH(1), "guest"); /* hostname */
	holds_text(v, WIRE_PATH(5), "c");     /* sandbox_id */
	holds_text(v, WIRE_PATH(3, 1), "9p"); /* storages: driver, source, fstype, mount_point */
	holds_text(v, WIRE_PATH(3, 3), "kataShared");
	holds_text(v, WIRE_PATH(3, 4), "9p");
	holds_text(v, WIRE_PATH(3, 6), "/run/kata-containers/shared/containers/");
	v = shim_recorded(&log, "grpc.AgentService", "CreateContainer");
	holds_text(v, WIRE_PATH(1), "c"); /* container_id, exec_id */
	holds_text(v, WIRE_PATH(2), "c");
	holds_text(v, WIRE_PATH(6, 1), "1.0.2"); /* OCI: Version */
	holds_text(v, WIRE_PATH(6, 2, 4), "sh"); /* Process: Args, Env, Cwd, User */
	holds_text(v, WIRE_PATH(6, 2, 5), "A=b");
	holds_text(v, WIRE_PATH(6, 2, 6), "/tmp");
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(6, 2, 3, 1)), 1);
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(6, 2, 3, 2)), 2);
	holds_text(v, WIRE_PATH(6, 3, 1), "/run/kata-containers/shared/containers/c/rootfs");
	ck_assert(wire_find(v.data, v.len, 6, 0, &arg));
	ck_assert(wire_find(arg.data, arg.len, 2, 0, &arg));
	ck_assert(wire_find(arg.data, arg.len, 4, 2, &arg)); /* the third of Args */
	ck_assert(arg.len == 4 && memcmp(arg.data, "true", 4) == 0);
	v = shim_recorded(&log, "grpc.AgentService", "StartContainer");
	holds_text(v, WIRE_PATH(1), "c");
	v = shim_recorded(&log, "grpc.AgentService", "WaitProcess");
	holds_text(v, WIRE_PATH(1), "c");
	v = shim_recorded(&log, "grpc.AgentService", "ReadStdout");
	holds_text(v, WIRE_PATH(1), "c");
	ck_assert_uint_gt(wire_get_number(v.data, v.len, WIRE_PATH(3)), 0);
	v = shim_recorded(&log, "grpc.AgentService", "SignalProcess");
	holds_text(v, WIRE_PATH(1), "c");
	holds_text(v, WIRE_PATH(2), "c");
	ck_assert_uint_eq(wire_get_number(v.data, v.len, WIRE_PATH(3)), 9);
	(void)shim_recorded(&log, "grpc.AgentService", "DestroySandbox");
}

START_TEST(a_container_runs_from_create_to_delete)
{
	struct answer a;

	shim_start_container("good");
	shim_await_event("/tasks/create", 0);
	shim_await_event("/tasks/start", 0);
	ck_assert_uint_eq(shim_state(STATE_STATUS), STATUS_RUNNING);
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_await_event("/tasks/exit", 137);
	a = shim_ask_id("Delete", 0);
	ck_assert_msg(a.code == RPC_OK, "%s", a.text);
	ck_assert_uint_eq(wire_get_number(a.payload.data, a.payload.len, WIRE_PATH(2)), 137);
	buf_release(&a.payload);
	shim_output_is("hello\n");
	check_requests();
	shim_finish();
}
END_TEST

/* Readers dereference these messages without a check. */
START_TEST(statistics_of_a_silent_guest_have_every_part)
{
	static const unsigned parts[][6] = {
		{ 1, 2, 2 },     /* pids */
		{ 1, 2, 3, 1 },  /* processors: use */
		{ 1, 2, 3, 2 },  /* and throttling */
		{ 1, 2, 4, 33 }, /* memory: use */
		{ 1, 2, 4, 34 }, /* swap */
		{ 1, 2, 4, 35 }, /* the kernel's */
		{ 1, 2, 4, 36 }, /* of TCP */
	};
	struct answer a;

	shim_start_container("good");
	a = shim_ask_id("Stats", 0);
	ck_assert_msg(a.code == RPC_OK, "%s", a.text);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct wire_value v = { .data = (const uint8_t *)a.payload.data,
					.len = a.payload.len };

		for (const unsigned *field = parts[i]; *field; field++)
			ck_assert_msg(wire_find(v.data, v.len, *field, 0, &v), "part %zu: field %u",
				      i, *field);
	}
	buf_release(&a.payload);
	shim_kill_and_finish();
}
END_TEST

/* --- configuration --- */

/* The command line of the VMM, with spaces between the words. */
static void command_line(struct buf *out)
{
	AUTO(str) char *path = str_fmt("/proc/%u/cmdline", shim_state(STATE_VMM));
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, path, 1 << 16, out, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < out->len; i++)
		out->data[i] = out->data[i] ? out->data[i] : ' ';
}

static const char configured[] =
	"[hypervisor.qemu]\nmachine_accelerators = \"hmat=on\"\ncpu_features = \"-pmu\"\n"
	"seccompsandbox = \"on,spawn=deny\"\nfirmware = \"/bin/sh\"\ndefault_vcpus = 2.5\n"
	"default_maxvcpus = 7\ndefault_memory = 300\ndefault_maxmemory = 1024\n"
	"memory_slots = 4\nkernel_params = \"one=1 two\"\n"
	"enable_debug = true\nuse_legacy_serial = true\nenable_mem_prealloc = true\n"
	"enable_hugepages = true\npcie_root_port = 2\nentropy_source = \"/dev/random\"\n"
	"msize_9p = 8192\nguest_hook_path = \"/hooks\"\n"
	"[agent.kata]\nkernel_modules = [\"first\", \"second a=b c=d\"]\nenable_debug = true\n"
	"[runtime]\nsandbox_bind_mounts = [\"" DIR "/shared\", \"" DIR "/shared/file:rw\"]\n";

static void check_command_line(void)
{
	static const char *const words[] = {
		" -machine q35,accel=tcg,",
		",dump-guest-core=off,",
		",hmat=on ",
		" -cpu max,erms=off,fsrm=off,-pmu ",
		" -smp 3,maxcpus=7 ", /* with the half processor of the container */
		" -m 300M,slots=4,maxmem=940M ",
		"size=300M,",
		"prealloc=on,share=on,hugetlb=on",
		"isa-serial",
		"filename=/dev/random",
		"pcie-root-port,id=rp0",
		"id=rp1",
		" -bios /bin/sh ",
		" -sandbox on,spawn=deny ",
		" -append debug ",
		" swiotlb=noforce dummy.numdummies=0 nf_conntrack.hashsize=9600 console=ttyS0",
		" sysctl.fs.inotify.max_user_watches=1048576 sysctl.fs.protected_fifos=1"
		" sysctl.fs.protected_regular=1 sysctl.vm.max_map_count=1048576"
		" sysctl.vm.overcommit_memory=1 ",
		" norandmaps no_timer_check agent.log=debug one=1 two ",
	};
	AUTO(buf) struct buf line = BUF_INIT(1 << 16);

	command_line(&line);
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		ck_assert_msg(strstr(buf_cstr(&line), words[i]) != NULL, "no '%s' in %s", words[i],
			      buf_cstr(&line));
}

static void check_sandbox_request(void)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct wire_value v, second;
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG, 1 << 20, &log, &err) == 0, "%s", err.msg);
	v = shim_recorded(&log, "grpc.AgentService", "CreateSandbox");
	holds_text(v, WIRE_PATH(6), "/hooks");
	holds_text(v, WIRE_PATH(7, 1), "first");
	ck_assert(wire_find(v.data, v.len, 7, 1, &second));
	holds_text(second, WIRE_PATH(1), "second");
	holds_text(second, WIRE_PATH(2), "a=b");
	holds_text(v, WIRE_PATH(3, 5), "trans=virtio,version=9p2000.L,cache=mmap,msize=8192");
}

START_TEST(the_configuration_reaches_the_vm)
{
	static const char shared[] =
		"/run/kata-containers/shared/sandboxes/c@ns/shared/sandbox-mounts";
	AUTO(str) char *of_vm = NULL, *dir = NULL, *file = NULL;

	shim_more_config = configured;
	shim_start_container("good");
	of_vm = shim_path_of_vm(shared);
	dir = path_join(of_vm, "shared/new");
	file = path_join(of_vm, "file");
	check_command_line();
	check_sandbox_request();
	/* A directory read-only, a file of it writable. */
	ck_assert(open(dir, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EROFS);
	ck_assert(access(file, W_OK) == 0);
	shim_kill_and_finish();
}
END_TEST

static const struct {
	const char *entry, *says;
} bad_mounts[] = {
	{ "relative", "'relative' is not an absolute path" },
	{ "/", "'/' is not an absolute path" },
	{ "/no/such", "/no/such" },
	{ DIR "/shared\", \"/tmp/../" DIR "/shared/:rw", "two entries are named 'shared'" },
};

START_TEST(a_bind_mount_that_cannot_be_shared_fails_create)
{
	AUTO(str)
	char *text = str_fmt("[runtime]\nsandbox_bind_mounts = [\"%s\"]", bad_mounts[_i].entry);

	shim_more_config = text;
	shim_start("good", SHARE_9P);
	shim_must_fail(shim_create(), bad_mounts[_i].says);
	shim_finish();
}
END_TEST

/* A full disk makes it fail. Not every manager then calls `delete`. */
/* A hook without a time limit has that of Create, be it shorter or longer than usual. */
START_TEST(a_hook_has_the_time_of_create)
{
	struct deadline soon = deadline_in(8000 * SLOW);

	shim_more_config = "[runtime]\ncreate_container_timeout = 1\n";
	shim_start("good", SHARE_9P);
	shim_write_spec("", "",
			"},\"hooks\":{\"prestart\":[{\"path\":\"/bin/sleep\",\"args\":[\"sleep\","
			"\"60\"]}]");
	shim_must_fail(shim_create(), "prestart hook: /bin/sleep: sleep: it did not end in time");
	ck_assert(!deadline_passed(soon));
	shim_finish();
}
END_TEST

START_TEST(a_create_that_fails_early_leaves_nothing)
{
	static const char shares[] = "/run/kata-containers/shared/sandboxes";
	struct err err = ERR_INIT;

	shim_start("good", SHARE_9P);
	ck_assert_int_eq(path_make(shares, 0755, &err), 0);
	ck_assert_int_eq(mount("tmpfs", shares, "tmpfs", 0, "nr_inodes=1"), 0);
	shim_must_fail(shim_create(), shares);
	ck_assert_int_eq(umount(shares), 0);
	shim_finish();
}
END_TEST

/* --- updates --- */

static const struct {
	const char *config, *says;
} fixed[] = {
	{ "[hypervisor.qemu]\nmachine_type = \"microvm\"\n", "machine_type is microvm" },
	{ "[runtime]\nstatic_sandbox_resource_mgmt = true\n", "static_sandbox_resource_mgmt" },
	{ "[hypervisor.qemu]\ndefault_maxmemory = 4000\n", "default_maxmemory" },
	{ "[hypervisor.qemu]\nenable_virtio_mem = false\nmemory_slots = 0\n", "memory_slots" },
};

static struct answer limit_memory(const char *bytes)
{
	AUTO(str) char *text = str_fmt("{\"memory\": {\"limit\": %s}}", bytes);
	AUTO(buf) struct buf payload = BUF_INIT(4096);

	wire_text(&payload, 1, "c");
	shim_add_any(&payload, 2, text);
	return shim_ask("Update", &payload, 0);
}

START_TEST(an_update_beyond_the_maximum_size_is_refused)
{
	shim_more_config = fixed[_i].config;
	shim_start_container("good");
	shim_must_fail(limit_memory("4294967296"), fixed[_i].says);
	shim_must(limit_memory("-1"), "Update");
	shim_kill_and_finish();
}
END_TEST

/* --- events, streams --- */

/* A manager that is away for a while, or restarts, gets every event, once each and in their order.
 */
START_TEST(events_are_sent_again)
{
	static const char *const topics[] = { "/tasks/create", "/tasks/start", "/tasks/exit",
					      "/tasks/delete" };

	shim_events_to_lose = 3;
	shim_start_container("good");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_await_event("/tasks/delete", 137);
	ck_assert_uint_eq(shim_events_to_lose, 0);
	for (unsigned i = 0; i < ARRAY_LEN(topics); i++)
		ck_assert_str_eq(shim_event(i), topics[i]);
	ck_assert_str_eq(shim_event(ARRAY_LEN(topics)), "");
	shim_finish();
}
END_TEST

/* Before Shutdown is answered: containerd then calls `delete`, which kills a slow shim. */
START_TEST(events_of_a_shim_that_ends_are_delivered)
{
	shim_start_container("good");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_await_event("/tasks/exit", 137);
	shim_events_to_lose = 1;
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_must(shim_ask_id("Shutdown", 0), "Shutdown");
	ck_assert_str_eq(shim_event(3), "/tasks/delete");
	shim_delete_verb();
	shim_no_process_is_left(false);
	shim_nothing_is_left();
}
END_TEST

/* Such a manager is stopped, or its disk hangs. */
START_TEST(a_manager_that_takes_no_events_does_not_hold_the_shim)
{
	enum { EXECS = 8 };

	shim_start_container("good");
	shim_await_event("/tasks/start", 0);
	__atomic_store_n(&shim_events_hang, true, __ATOMIC_RELEASE);
	for (int i = 0; i < EXECS; i++) {
		AUTO(buf) struct buf payload = BUF_INIT(4096);
		AUTO(str) char *id = str_fmt("e%d", i);

		wire_text(&payload, 1, "c");
		wire_text(&payload, 2, id);
		shim_add_any(&payload, 7, "{\"args\":[\"sh\"],\"cwd\":\"/\"}");
		shim_must(shim_ask("Exec", &payload, 0), "Exec");
	}
	shim_kill_and_finish();
}
END_TEST

START_TEST(output_goes_into_a_fifo)
{
	struct pollfd ready = { .events = POLLIN };
	char text[16] = "";
	ssize_t n;

	shim_start("good", SHARE_9P);
	ck_assert_int_eq(mkfifo(DIR "/out", 0600), 0);
	AUTO(fd) int fd = open(DIR "/out", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	shim_must(shim_create_to("fifo://" DIR "/out"), "Create");
	shim_must(shim_ask_id("Start", 0), "Start");
	ready.fd = fd;
	ck_assert_int_eq(poll(&ready, 1, ANSWER_MS), 1);
	n = read(fd, text, sizeof(text) - 1);
	ck_assert_int_eq(n, 6);
	ck_assert_str_eq(text, "hello\n");
	shim_kill_and_finish();
}
END_TEST

/* On a busy machine the manager may open the FIFO long after a short program has ended. */
START_TEST(output_waits_for_its_reader)
{
	char text[16] = "";

	shim_start("good", SHARE_9P);
	ck_assert_int_eq(mkfifo(DIR "/out", 0600), 0);
	shim_must(shim_create_to("fifo://" DIR "/out"), "Create");
	shim_must(shim_ask_id("Start", 0), "Start");
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	AUTO(fd) int fd = open(DIR "/out", O_RDONLY | O_CLOEXEC); /* waits for a writer */
	ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 6);
	ck_assert_str_eq(text, "hello\n");
	ck_assert_int_eq(read(fd, text, sizeof(text)), 0);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_finish();
}
END_TEST

static const struct {
	const char *uri, *says;
} bad_outputs[] = {
	{ "tcp://127.0.0.1:1", "schemes are fifo://, file://, binary:// and binary-v2://" },
	{ "fifo://" DIR "/missing", "open " DIR "/missing" },
	{ "file://" BUNDLE "/config.json/x", "config.json" },
	{ "binary:///no/such/logger?a=b", "/no/such/logger" },
	{ "binary:///bin/false",
	  "" }, /* a logger is ready when it closes its fd, also if it has ended */
	{ "binary-v2:///bin/false", "logging program /bin/false ended before it was ready" },
	{ "binary-v2:///bin/sh?-c=printf%20x%20%3E%265", "" },
};

START_TEST(output_that_cannot_be_opened_fails_create)
{
	shim_start("good", SHARE_9P);
	if (*bad_outputs[_i].says) {
		shim_must_fail(shim_create_to(bad_outputs[_i].uri), bad_outputs[_i].says);
	} else {
		shim_must(shim_create_to(bad_outputs[_i].uri), "Create");
		shim_must(shim_ask_id("Delete", 0), "Delete");
	}
	shim_finish();
}
END_TEST

/* --- placement --- */

/* One hierarchy, made of plain files; the host's would keep the group of a test that fails. */
static void one_hierarchy(void)
{
	struct err err = ERR_INIT;
	int fd;

	ck_assert(mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, NULL) == 0);
	ck_assert_msg(path_make("/sys/fs/cgroup/h/managers/shim", 0755, &err) == 0, "%s", err.msg);
	fd = open(JOINED, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	ck_assert(fd >= 0);
	(void)close(fd);
}

static const struct {
	const char *type;
	unsigned field;
	bool bootstrap; /* as an extension among what containerd 2.3 writes */
} cgroup_options[] = {
	{ "containerd.runc.v1.Options", 3, false },
	{ "containerd.linux.runc.CreateOptions", 9, false },
	{ "containerd.runc.v1.Options", 3, true },
};

static void bootstrap(struct buf *out, const struct buf *options)
{
	AUTO(buf) struct buf extension = BUF_INIT(512);

	wire_text(out, 1, "c1");
	wire_text(out, 2, "test");
	wire_text(out, 4, "2.3.0");
	wire_text(out, 7, "/usr/bin/containerd");
	wire_bytes(&extension, 1, options->data, options->len);
	wire_bytes(out, 8, extension.data, extension.len);
}

START_TEST(the_shim_joins_the_cgroup_of_the_options)
{
	AUTO(buf) struct buf options = BUF_INIT(256);
	AUTO(buf) struct buf any = BUF_INIT(512);
	AUTO(buf) struct buf params = BUF_INIT(1024);
	struct err err = ERR_INIT;
	char *joined;

	wire_text(&options, cgroup_options[_i].field, "/managers/shim");
	wire_text(&any, 1, cgroup_options[_i].type);
	wire_bytes(&any, 2, options.data, options.len);
	bootstrap(&params, &any);
	shim_options = cgroup_options[_i].bootstrap ? &params : &any;
	shim_host = one_hierarchy;
	shim_start("good", SHARE_9P);
	joined = file_read_line(AT_FDCWD, JOINED, &err);
	ck_assert_msg(joined != NULL, "%s", err.msg);
	ck_assert_int_eq(strtol(joined, NULL, 10), shim_pid);
	free(joined);
	shim_must(shim_ask_id("Shutdown", 0), "Shutdown");
	shim_no_process_is_left(false);
}
END_TEST

/* containerd's score, and that of the shim, which the kernel has to kill first. */
static const struct {
	const char *theirs;
	long ours;
} scores[] = { { "0", 1 }, { "300", 301 }, { "1000", 1000 } };

START_TEST(the_shim_is_killed_before_containerd)
{
	struct err err = ERR_INIT;
	AUTO(str) char *path = NULL, *is = NULL;

	/* The lab starts the shim as containerd does. */
	ck_assert_msg(file_write(AT_FDCWD, "/proc/self/oom_score_adj", scores[_i].theirs, &err) ==
			      0,
		      "%s", err.msg);
	shim_start("good", SHARE_9P);
	path = str_fmt("/proc/%d/oom_score_adj", (int)shim_pid);
	is = file_read_line(AT_FDCWD, path, &err);
	ck_assert_msg(is != NULL, "%s", err.msg);
	ck_assert_int_eq(strtol(is, NULL, 10), scores[_i].ours);
	shim_must(shim_ask_id("Shutdown", 0), "Shutdown");
	shim_no_process_is_left(false);
}
END_TEST

static rlim_t limit_of(pid_t pid)
{
	struct rlimit limit;

	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
	return limit.rlim_cur;
}

/* A service of systemd that asks for nothing else, as containerd 2's, may open 1024 files. */
START_TEST(the_shim_and_its_vmm_may_open_more_files_than_its_manager)
{
	const struct rlimit few = { 200, 5000 };

	if (UNDER_VALGRIND) /* which has limits of its own */
		return;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	shim_start_container("good");
	ck_assert_uint_eq(limit_of(shim_pid), 5000);
	ck_assert_uint_eq(limit_of((pid_t)shim_state(STATE_VMM)), 5000);
	shim_kill_and_finish();
}
END_TEST

/* A service of systemd with CPUAffinity=, as on nodes that keep processors for pods. */
START_TEST(a_vmm_may_use_other_processors_than_its_manager)
{
	cpu_set_t all, one, got;
	size_t first = 0;

	ck_assert(sched_getaffinity(0, sizeof(all), &all) == 0);
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	ck_assert(sched_setaffinity(0, sizeof(one), &one) == 0);
	shim_start_container("good");
	ck_assert(sched_getaffinity((pid_t)shim_state(STATE_VMM), sizeof(got), &got) == 0);
	ck_assert(CPU_EQUAL(&got, &all));
	shim_kill_and_finish();
}
END_TEST

/* What the shim prints about itself: containerd asks for it with -info. */
static const char *const about[] = { "-info", "-version", "-help" };

START_TEST(what_cannot_be_printed_is_an_error)
{
	AUTO(fd) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	AUTO(buf) struct buf said = BUF_INIT(4096);
	struct spawn_fd fds[] = { { full, STDOUT_FILENO }, { -1, STDERR_FILENO } };
	struct spawn s = { .argv = ARGV(SHIM, (char *)about[_i]), .fds = fds, .nfds = 2 };
	struct child child = CHILD_NONE;
	struct err err = ERR_INIT;
	int ends[2], code = 0;

	ck_assert(fd_pipe(ends, &err) == 0);
	fds[1].fd = ends[1];
	ck_assert_msg(spawn_start(&s, &child, &err) == 0, "%s", err.msg);
	ck_assert_msg(spawn_wait(&child, deadline_in(ANSWER_MS), &code, &err) == 0, "%s", err.msg);
	ck_assert_int_ne(code, 0);
	fd_close(&ends[1]);
	ck_assert_msg(file_read_fd(ends[0], "the error", 4096, &said, &err) == 0, "%s", err.msg);
	fd_close(&ends[0]);
	ck_assert_msg(strstr(buf_cstr(&said), "no space left") != NULL, "%s", buf_cstr(&said));
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, what_cannot_be_printed_is_an_error, 0, ARRAY_LEN(about));
	tcase_add_test(t, a_container_runs_from_create_to_delete);
	tcase_add_test(t, statistics_of_a_silent_guest_have_every_part);
	tcase_add_test(t, a_hook_has_the_time_of_create);
	tcase_add_test(t, a_create_that_fails_early_leaves_nothing);
	tcase_add_test(t, the_configuration_reaches_the_vm);
	tcase_add_loop_test(t, a_bind_mount_that_cannot_be_shared_fails_create, 0,
			    ARRAY_LEN(bad_mounts));
	tcase_add_loop_test(t, an_update_beyond_the_maximum_size_is_refused, 0, ARRAY_LEN(fixed));
	tcase_add_test(t, events_are_sent_again);
	tcase_add_test(t, events_of_a_shim_that_ends_are_delivered);
	tcase_add_test(t, a_manager_that_takes_no_events_does_not_hold_the_shim);
	tcase_add_test(t, output_goes_into_a_fifo);
	tcase_add_test(t, output_waits_for_its_reader);
	tcase_add_loop_test(t, the_shim_joins_the_cgroup_of_the_options, 0,
			    ARRAY_LEN(cgroup_options));
	tcase_add_test(t, the_shim_and_its_vmm_may_open_more_files_than_its_manager);
	tcase_add_test(t, a_vmm_may_use_other_processors_than_its_manager);
	tcase_add_loop_test(t, the_shim_is_killed_before_containerd, 0, ARRAY_LEN(scores));
	tcase_add_loop_test(t, output_that_cannot_be_opened_fails_create, 0,
			    ARRAY_LEN(bad_outputs));
}

int main(void)
{
	return shim_main("shim", add_tests);
}
