// SPDX-License-Identifier: Apache-2.0
/*
 * The agent with requests that a runtime should not send: paths that lead elsewhere, missing parts,
 * broken frames. It refuses them with the right code, and continues to serve.
 */

#include "tests/unit/agent_lab.h"
#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void start(void)
{
	lab_start();
	lab_sandbox();
}

/* The path of a file in the agent's mount namespace, which is not ours. */
static char *seen_by_agent(const char *path)
{
	return str_fmt("/proc/%d/root%s", (int)lab_agent, path);
}

START_TEST(ids_that_are_no_plain_names_are_refused)
{
	static char big[10001];
	char *const bad[] = {
		(char *)"",  (char *)"/",    (char *)"../x", (char *)"a/b",  (char *)"..",
		(char *)".", (char *)"a..b", (char *)"a b",  (char *)"a\nb", (char *)"-x",
		big
	};
	struct lab_container c;

	memset(big, 'a', sizeof(big) - 1);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		Grpc__StartContainerRequest go = GRPC__START_CONTAINER_REQUEST__INIT;
		Grpc__ExecProcessRequest exec = GRPC__EXEC_PROCESS_REQUEST__INIT;

		lab_container(&c, bad[i], "true", false);
		lab_must_fail("CreateContainer", &c.request, E_INVALID);
		lab_container_free(&c);
		go.container_id = bad[i];
		lab_must_fail("StartContainer", &go, E_NOT_FOUND);
		exec.container_id = exec.exec_id = bad[i];
		lab_must_fail("ExecProcess", &exec, E_NOT_FOUND);
	}
	/* A directory that exists already is no bundle. */
	lab_container(&c, "shared", "true", false);
	lab_must_fail("CreateContainer", &c.request, E_EXISTS);
	lab_container_free(&c);
	AUTO(str) char *shared = seen_by_agent(LAB_SHARED "/lab/rootfs/bin/busybox");
	ck_assert(path_exists(shared));
}
END_TEST

START_TEST(unknown_containers_are_not_found)
{
	Grpc__StartContainerRequest go = GRPC__START_CONTAINER_REQUEST__INIT;
	Grpc__RemoveContainerRequest rm = GRPC__REMOVE_CONTAINER_REQUEST__INIT;
	Grpc__WaitProcessRequest wait = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__SignalProcessRequest sig = GRPC__SIGNAL_PROCESS_REQUEST__INIT;
	Grpc__ReadStreamRequest rd = GRPC__READ_STREAM_REQUEST__INIT;
	Grpc__WriteStreamRequest wr = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__CloseStdinRequest cl = GRPC__CLOSE_STDIN_REQUEST__INIT;
	Grpc__TtyWinResizeRequest tty = GRPC__TTY_WIN_RESIZE_REQUEST__INIT;
	Grpc__StatsContainerRequest stats = GRPC__STATS_CONTAINER_REQUEST__INIT;
	Grpc__GetDiagnosticDataRequest diag = GRPC__GET_DIAGNOSTIC_DATA_REQUEST__INIT;

	for (int with_container = 0; with_container < 2; with_container++) {
		char *id = (char *)(with_container ? "there" : "nope");

		if (with_container)
			lab_run("there", "sleep 100", false);
		wait.container_id = sig.container_id = rd.container_id = wr.container_id =
			cl.container_id = tty.container_id = id;
		wait.exec_id = sig.exec_id = rd.exec_id = wr.exec_id = cl.exec_id = tty.exec_id =
			(char *)"no-exec";
		sig.signal = 9;
		lab_must_fail("WaitProcess", &wait, E_NOT_FOUND);
		lab_must_fail("SignalProcess", &sig, E_NOT_FOUND);
		lab_must_fail("ReadStdout", &rd, E_NOT_FOUND);
		lab_must_fail("ReadStderr", &rd, E_NOT_FOUND);
		lab_must_fail("WriteStdin", &wr, E_NOT_FOUND);
		lab_must_fail("CloseStdin", &cl, E_NOT_FOUND);
		lab_must_fail("TtyWinResize", &tty, E_NOT_FOUND);
	}
	sig.exec_id = (char *)"there";
	for (unsigned i = 0; i < 2; i++) {
		sig.signal = i ? 65 : 0;
		lab_must_fail("SignalProcess", &sig, E_INVALID);
	}
	lab_remove("there");
	go.container_id = rm.container_id = stats.container_id = diag.container_id = (char *)"nope";
	diag.log_type = (char *)"termination_log";
	lab_must_fail("StartContainer", &go, E_NOT_FOUND);
	lab_must_fail("RemoveContainer", &rm, E_NOT_FOUND);
	lab_must_fail("StatsContainer", &stats, E_NOT_FOUND);
	lab_must_fail("GetDiagnosticData", &diag, E_NOT_FOUND);
}
END_TEST

START_TEST(incomplete_specifications_are_refused)
{
	static const char *const specs[] = {
		"{\"ociVersion\":\"1.0.2\"}",
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/\"}}",
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":[\"true\"],"
		"\"user\":{\"uid\":0,\"gid\":0}}}",
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/\"},\"process\":{\"cwd\":\"/\","
		"\"user\":{\"uid\":0,\"gid\":0}}}",
		"{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"/no/such\"},\"process\":{\"cwd\":"
		"\"/\",\"args\":[\"true\"],\"user\":{\"uid\":0,\"gid\":0}}}",
	};
	Grpc__CreateContainerRequest none = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	Grpc__Spec empty = GRPC__SPEC__INIT;
	struct lab_container c;

	none.container_id = (char *)"none";
	lab_must_fail("CreateContainer", &none, E_INVALID);
	none.oci = &empty;
	lab_must_fail("CreateContainer", &none, E_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		struct err err = ERR_INIT;

		lab_container_spec(&c, "none", specs[i]);
		ck_assert_int_eq(lab_call("CreateContainer", &c.request, NULL, NULL, &err), -1);
		ck_assert_msg(err.code == E_INVALID || err.code == E_NOT_FOUND, "%s", err.msg);
		lab_container_free(&c);
	}
	/* Nothing is left of the failed ones: the id is free. */
	ck_assert_int_eq(lab_output("none", "echo ok", "ok\n"), 0);
}
END_TEST

START_TEST(an_id_in_use_is_refused)
{
	Grpc__CreateSandboxRequest again = GRPC__CREATE_SANDBOX_REQUEST__INIT;
	Grpc__StartContainerRequest go = GRPC__START_CONTAINER_REQUEST__INIT;
	struct lab_container c;

	again.sandbox_id = (char *)"other";
	lab_must_fail("CreateSandbox", &again, E_EXISTS);
	lab_run("dup", "sleep 100", false);
	lab_container(&c, "dup", "true", false);
	lab_must_fail("CreateContainer", &c.request, E_EXISTS);
	lab_container_free(&c);
	go.container_id = (char *)"dup";
	lab_must_fail("StartContainer", &go, E_STATE);
	lab_remove("dup");
}
END_TEST

static void try_storage(const char *driver, const char *source, const char *mount_point,
			enum err_code code)
{
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = { &s };
	struct lab_container c;

	s.driver = (char *)driver;
	s.source = (char *)source;
	s.fstype = (char *)"tmpfs";
	s.mount_point = (char *)mount_point;
	lab_container(&c, "st", "true", false);
	c.request.storages = list;
	c.request.n_storages = 1;
	lab_must_fail("CreateContainer", &c.request, code);
	c.request.storages = NULL;
	c.request.n_storages = 0;
	lab_container_free(&c);
}

START_TEST(storages_stay_below_our_directory)
{
	try_storage("ephemeral", "tmpfs", "/etc", E_INVALID);
	try_storage("ephemeral", "tmpfs", "", E_INVALID);
	try_storage("ephemeral", "tmpfs", "relative", E_INVALID);
	try_storage("ephemeral", "tmpfs", "/run/kata-containers", E_INVALID);
	try_storage("ephemeral", "tmpfs", "/run/kata-containers/../../etc", E_INVALID);
	try_storage("ephemeral", "tmpfs", "/run/kata-containers/a/../b", E_INVALID);
	try_storage("local", "local", "/run/kata-containersX/a", E_INVALID);
	try_storage("no-such", "x", "/run/kata-containers/a", E_UNSUPPORTED);
	try_storage("", "x", "/run/kata-containers/a", E_UNSUPPORTED);
	try_storage("bind", "/no/such", "/run/kata-containers/a", E_NOT_FOUND);
	try_storage("blk", "zz", "/run/kata-containers/a", E_INVALID);
	try_storage("blk", "/etc/passwd", "/run/kata-containers/a", E_INVALID);
	try_storage("blk", "/dev/../etc/passwd", "/run/kata-containers/a", E_INVALID);
	try_storage("scsi", "1", "/run/kata-containers/a", E_INVALID);
	try_storage("scsi", "1:99999", "/run/kata-containers/a", E_INVALID);
	ck_assert_int_eq(lab_output("st", "echo ok", "ok\n"), 0);
}
END_TEST

/* At the removal of the last container that uses it; a storage that belongs to the pod, at the
 * end of the sandbox (lab_stop). */
START_TEST(a_storage_is_counted_and_unmounted)
{
	bool stays = _i;
	AUTO(str) char *point = seen_by_agent("/run/kata-containers/vol");
	Grpc__Storage s = GRPC__STORAGE__INIT;
	Grpc__Storage *list[] = { &s };
	char *options[] = { (char *)"size=65536,noexec", (char *)"fsgid=77" };
	struct lab_container c[2];
	struct statvfs fs;
	struct stat st;

	s.driver = (char *)(stays ? "ephemeral" : "overlayfs");
	s.source = s.fstype = (char *)"tmpfs";
	s.mount_point = (char *)"/run/kata-containers/vol";
	s.options = options;
	s.n_options = stays ? 2 : 1;
	for (int i = 0; i < 2; i++) {
		lab_container(&c[i], i ? "v1" : "v0", "true", false);
		c[i].request.storages = list;
		c[i].request.n_storages = 1;
		(void)lab_must("CreateContainer", &c[i].request, NULL);
		lab_container_free(&c[i]);
	}
	ck_assert(statvfs(point, &fs) == 0 && stat(point, &st) == 0);
	ck_assert_uint_eq(fs.f_blocks * fs.f_frsize, 65536); /* the options were kept */
	ck_assert(fs.f_flag & ST_NOEXEC);
	if (stays)
		ck_assert(st.st_gid == 77 && (st.st_mode & S_ISGID));
	lab_remove("v0");
	ck_assert(path_exists(point));
	lab_remove("v1");
	ck_assert(path_exists(point) == stays);
}
END_TEST

/* --- CopyFile --- */

static void copy_to(const char *path, unsigned mode, const char *data, int64_t size, int64_t offset,
		    enum err_code code)
{
	Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;

	r.path = (char *)path;
	r.file_mode = mode;
	r.dir_mode = 0755;
	r.file_size = size;
	r.offset = offset;
	r.data.data = (uint8_t *)data;
	r.data.len = strlen(data);
	if (code)
		lab_must_fail("CopyFile", &r, code);
	else
		(void)lab_must("CopyFile", &r, NULL);
}

START_TEST(files_are_copied_whole_and_only_below_our_directory)
{
	AUTO(str) char *file = seen_by_agent("/run/kata-containers/c/d/f");
	AUTO(str) char *part = seen_by_agent("/run/kata-containers/c/d/.f.kata-part");
	AUTO(str) char *link = seen_by_agent("/run/kata-containers/c/l");
	AUTO(buf) struct buf text = BUF_INIT(1024);
	struct err err = ERR_INIT;
	struct stat st;
	char target[64];

	copy_to("/run/kata-containers/c/d/f", S_IFREG | 0640, "12345", 8, 0, 0);
	ck_assert(!path_exists(file)); /* not before it is whole */
	copy_to("/run/kata-containers/c/d/f", S_IFREG | 0640, "678", 8, 5, 0);
	ck_assert(file_read(AT_FDCWD, file, 1024, &text, &err) == 0);
	ck_assert_str_eq(text.data, "12345678");
	ck_assert(stat(file, &st) == 0 && (st.st_mode & 07777) == 0640);
	ck_assert(!path_exists(part));
	copy_to("/run/kata-containers/c/e", S_IFDIR | 0711, "", 0, 0, 0);
	copy_to("/run/kata-containers/c/empty", 0600, "", 0, 0, 0);
	for (int twice = 0; twice < 2; twice++)
		copy_to("/run/kata-containers/c/l", S_IFLNK | 0777, "/etc", 0, 0, 0);
	ck_assert_int_eq(readlink(link, target, sizeof(target)), 4);
	/* Not through the link, not out of the directory, nothing but the three kinds. */
	copy_to("/run/kata-containers/c/l/passwd", 0644, "x", 1, 0, E_FAILED);
	copy_to("/run/kata-containers/../x", 0644, "x", 1, 0, E_FAILED);
	copy_to("/run/kata-containers/c/../../../etc/x", 0644, "x", 1, 0, E_FAILED);
	copy_to("/run/kata-containers/c/..", 0644, "x", 1, 0, E_INVALID);
	copy_to("/run/kata-containers/", 0644, "x", 1, 0, E_INVALID);
	copy_to("/run/kata-containersx/f", 0644, "x", 1, 0, E_INVALID);
	copy_to("/etc/x", 0644, "x", 1, 0, E_INVALID);
	copy_to("", 0644, "x", 1, 0, E_INVALID);
	copy_to("/run/kata-containers/n", S_IFBLK | 0644, "x", 1, 0, E_INVALID);
	copy_to("/run/kata-containers/n", 0644, "xx", 1, 0, E_INVALID);
	copy_to("/run/kata-containers/n", 0644, "x", 1, 1, E_INVALID);
	copy_to("/run/kata-containers/n", 0644, "x", -1, 0, E_INVALID);
	copy_to("/run/kata-containers/n", 0644, "x", 1, -1, E_INVALID);
	copy_to("/run/kata-containers/n", 0644, "x", INT64_MAX, INT64_MAX, E_INVALID);
	copy_to("/run/kata-containers/s", S_IFLNK | 0777, "", 0, 0, E_INVALID);
}
END_TEST

#define VOLUME "/run/kata-containers/shared/containers/copied/c/mount-1"

/* Sends what the kubelet has in a volume with these keys after an update; links come last. */
static void send_volume(const char *version, const char *const *keys)
{
	AUTO(str) char *directory = str_fmt(VOLUME "/%s", version);

	copy_to(directory, S_IFDIR | 0755, "", 0, 0, 0);
	for (const char *const *key = keys; *key; key++) {
		AUTO(str) char *file = str_fmt("%s/%s", directory, *key);

		copy_to(file, S_IFREG | 0644, "value", 5, 0, 0);
	}
	copy_to(VOLUME "/..data", S_IFLNK | 0777, version, 0, 0, 0);
	for (const char *const *key = keys; *key; key++) {
		AUTO(str) char *link = str_fmt(VOLUME "/%s", *key);
		AUTO(str) char *target = str_fmt("..data/%s", *key);

		copy_to(link, S_IFLNK | 0777, target, 0, 0, 0);
	}
}

static bool is_in_volume(const char *name)
{
	AUTO(str) char *path = str_fmt(VOLUME "/%s", name);
	AUTO(str) char *file = seen_by_agent(path);
	struct stat st;

	return lstat(file, &st) == 0;
}

/* As in the kubelet's own directory, nothing of the former contents stays: tokens change every hour,
 * and the copies are in the guest's memory. */
START_TEST(the_next_contents_of_a_volume_replace_the_former)
{
	send_volume("..1", (const char *[]){ "gone", "kept", NULL });
	copy_to(VOLUME "/elsewhere", S_IFLNK | 0777, "/nowhere", 0, 0, 0);
	send_volume("..2", (const char *[]){ "kept", "new", NULL });
	ck_assert(is_in_volume("..2/kept"));
	ck_assert(is_in_volume("kept") && is_in_volume("new") && is_in_volume("elsewhere"));
	ck_assert(!is_in_volume("..1") && !is_in_volume("gone"));
	send_volume("..2", (const char *[]){ "kept", "new", NULL });
	ck_assert(is_in_volume("..2/kept") && is_in_volume("new"));
	/* Contents that have not arrived yet replace nothing. */
	copy_to(VOLUME "/..data", S_IFLNK | 0777, "..3", 0, 0, 0);
	ck_assert(is_in_volume("..2/kept") && is_in_volume("new"));
	/* Only a name in the same directory is removed. */
	copy_to("/run/kata-containers/victim/f", S_IFREG | 0644, "x", 1, 0, 0);
	copy_to(VOLUME "/..data", S_IFLNK | 0777, "../../../../../victim", 0, 0, 0);
	send_volume("..4", (const char *[]){ "kept", NULL });
	AUTO(str) char *victim = seen_by_agent("/run/kata-containers/victim/f");
	ck_assert(path_exists(victim));
}
END_TEST

START_TEST(files_are_copied_with_any_owner)
{
	AUTO(str) char *file = seen_by_agent("/run/kata-containers/o");
	static const uid_t ids[] = { 0, 1000, INT32_MAX, 3000000000, UINT32_MAX - 1 };
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		Grpc__CopyFileRequest r = GRPC__COPY_FILE_REQUEST__INIT;

		r.path = (char *)"/run/kata-containers/o";
		r.file_mode = 04755;
		r.uid = (int32_t)ids[i];
		r.gid = (int32_t)(ids[i] - 1);
		if (!ids[i])
			r.gid = 0;
		(void)lab_must("CopyFile", &r, NULL);
		ck_assert(stat(file, &st) == 0 && (st.st_mode & 07777) == 04755);
		ck_assert_uint_eq(st.st_uid, ids[i]);
		ck_assert_uint_eq(st.st_gid, ids[i] ? ids[i] - 1 : 0);
	}
}
END_TEST

/* --- routes --- */

static void shell(const char *script)
{
	struct spawn s = { .argv = ARGV("sh", "-ec", script) };
	struct err err = ERR_INIT;

	ck_assert_msg(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err) == 0, "%s: %s", script,
		      err.msg);
}

/* The guest hears the routers itself; they announce a route again only after minutes. */
START_TEST(routes_that_a_router_has_announced_stay)
{
	Grpc__UpdateRoutesRequest update = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__Routes none = GRPC__ROUTES__INIT;

	shell("ip link add r type veth peer name e; ip link set r up; ip link set e up\n"
	      "ip addr add fd00::3/64 dev e nodad; ip route add fd09::/64 via fd00::1 dev e\n"
	      "ip -6 route add default via fd00::1 dev e proto ra");
	update.routes = &none;
	(void)lab_must("UpdateRoutes", &update, NULL);
	shell("ip -6 route show default | grep -q fd00::1; ! ip -6 route | grep -q fd09");
}
END_TEST

/* --- other requests --- */

START_TEST(the_remaining_calls_answer_or_refuse)
{
	Grpc__ListInterfacesRequest links = GRPC__LIST_INTERFACES_REQUEST__INIT;
	Grpc__ListRoutesRequest routes = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__UpdateInterfaceRequest update = GRPC__UPDATE_INTERFACE_REQUEST__INIT;
	Grpc__UpdateRoutesRequest no_routes = GRPC__UPDATE_ROUTES_REQUEST__INIT;
	Grpc__AddARPNeighborsRequest no_neighbours = GRPC__ADD_ARPNEIGHBORS_REQUEST__INIT;
	Grpc__VolumeStatsRequest volume = GRPC__VOLUME_STATS_REQUEST__INIT;
	Grpc__ResizeVolumeRequest resize = GRPC__RESIZE_VOLUME_REQUEST__INIT;
	Grpc__AddSwapRequest swap = GRPC__ADD_SWAP_REQUEST__INIT;
	Grpc__AddSwapPathRequest swap_path = GRPC__ADD_SWAP_PATH_REQUEST__INIT;
	Grpc__OnlineCPUMemRequest online = GRPC__ONLINE_CPUMEM_REQUEST__INIT;
	Grpc__GetMetricsRequest metrics = GRPC__GET_METRICS_REQUEST__INIT;
	Grpc__ReseedRandomDevRequest seed = GRPC__RESEED_RANDOM_DEV_REQUEST__INIT;
	Grpc__UpdateContainerRequest limits = GRPC__UPDATE_CONTAINER_REQUEST__INIT;
	Grpc__SetPolicyRequest policy = GRPC__SET_POLICY_REQUEST__INIT;
	Grpc__MemAgentMemcgConfig memcg = GRPC__MEM_AGENT_MEMCG_CONFIG__INIT;
	Types__Interface wanted = TYPES__INTERFACE__INIT;
	uint32_t slots[20] = { 99 };
	Grpc__Interfaces *list;
	Grpc__Metrics *text;

	list = lab_must("ListInterfaces", &links, &grpc__interfaces__descriptor);
	ck_assert_uint_ge(list->n_interfaces, 1);
	protobuf_c_message_free_unpacked(&list->base, NULL);
	(void)lab_must("ListRoutes", &routes, NULL);
	lab_must_fail("UpdateInterface", &update, E_INVALID);
	update.interface = &wanted;
	lab_must_fail("UpdateInterface", &update, E_INVALID);
	lab_must_fail("UpdateRoutes", &no_routes, E_INVALID);
	(void)lab_must("AddARPNeighbors", &no_neighbours, NULL);
	volume.volume_guest_path = (char *)"relative";
	lab_must_fail("GetVolumeStats", &volume, E_INVALID);
	volume.volume_guest_path = (char *)"/no/such";
	lab_must_fail("GetVolumeStats", &volume, E_NOT_FOUND);
	volume.volume_guest_path = (char *)"/run";
	(void)lab_must("GetVolumeStats", &volume, NULL);
	resize.volume_guest_path = (char *)"/run";
	lab_must_fail("ResizeVolume", &resize, E_UNSUPPORTED); /* tmpfs */
	lab_must_fail("AddSwap", &swap, E_INVALID);
	swap.pcipath = slots;
	swap.n_pcipath = 1;
	lab_must_fail("AddSwap", &swap, E_INVALID);
	swap.n_pcipath = ARRAY_LEN(slots);
	lab_must_fail("AddSwap", &swap, E_INVALID);
	swap_path.path = (char *)"/etc/passwd";
	lab_must_fail("AddSwapPath", &swap_path, E_INVALID);
	online.cpu_only = true;
	(void)lab_must("OnlineCPUMem", &online, NULL);
	lab_must_fail("ReseedRandomDev", &seed, E_INVALID);
	lab_must_fail("UpdateContainer", &limits, E_INVALID);
	lab_must_fail("SetPolicy", &policy, E_UNSUPPORTED);
	lab_must_fail("MemAgentMemcgSet", &memcg, E_UNSUPPORTED);
	lab_must_fail("NoSuchMethod", &memcg, E_UNSUPPORTED);
	text = lab_must("GetMetrics", &metrics, &grpc__metrics__descriptor);
	ck_assert_ptr_nonnull(strstr(text->metrics, "kata_agent_total_rss "));
	ck_assert_ptr_nonnull(strstr(text->metrics, "kata_guest_meminfo{item=\"memtotal\"}"));
	ck_assert_ptr_nonnull(strstr(
		text->metrics, "kata_guest_netdev_stat{interface=\"lo\",item=\"recv_bytes\"}"));
	protobuf_c_message_free_unpacked(&text->base, NULL);
}
END_TEST

/* --- frames by hand --- */

static int send_raw(const char *bytes, size_t len)
{
	struct err err = ERR_INIT;
	int fd = fd_unix_connect(LAB_SOCKET, &err);

	ck_assert_msg(fd >= 0, "%s", err.msg);
	ck_assert(fd_write_all(fd, bytes, len, &err) == 0);
	return fd;
}

START_TEST(broken_frames_do_not_hurt)
{
	static const struct {
		const char *bytes;
		size_t len;
	} raw[] = {
		{ "\0\0\0\4\0\0\0\1\1\0\xff\xff\xff\xff", 14 }, /* no ttRPC request */
		{ "\0\0\0\0\0\0\0\1\1\0", 10 },                 /* an empty one */
		{ "\xff\xff\xff\xff\0\0\0\1\1\0", 10 },         /* length 4 GiB */
		{ "\0\0\0\0\0\0\0\2\1\0", 10 },                 /* even stream */
		{ "\0\0\0\0\0\0\0\1\7\0", 10 },                 /* unknown type */
		{ "\0\0\0\x22\0\0\0\1\1\0\x0a\x11grpc.AgentService\x12\x0f"
		  "CreateContaine",
		  44 },
		{ "GET / HTTP/1.0\r\n\r\n", 18 },
	};

	for (size_t i = 0; i < ARRAY_LEN(raw); i++) {
		int fd = send_raw(raw[i].bytes, raw[i].len);
		struct pollfd p = { .fd = fd, .events = POLLIN };

		(void)poll(&p, 1, 50);
		(void)close(fd);
	}
	ck_assert_int_eq(lab_output("alive", "echo yes", "yes\n"), 0);
}
END_TEST

START_TEST(a_reader_that_goes_away_frees_the_stream)
{
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	/* ReadStdout of "g" with len 9, stream 1; then Check, stream 3, whose answer shows that the
	 * agent has begun to read. */
	static const char frames[] =
		"\0\0\0\x26\0\0\0\1\1\0"
		"\x0a\x11grpc.AgentService\x12\x0aReadStdout\x1a\x05\x0a\x01g\x18\x09"
		"\0\0\0\x14\0\0\0\3\1\0"
		"\x0a\x0bgrpc.Health\x12\x05"
		"Check";
	struct pollfd answer = { .events = POLLIN };
	Grpc__ReadStreamResponse *reply = NULL;
	struct err err = ERR_INIT;

	lab_run("g", "read x; echo $x", false);
	answer.fd = send_raw(frames, sizeof(frames) - 1);
	ck_assert_int_eq(poll(&answer, 1, 60000), 1);
	r.container_id = (char *)"g";
	r.len = 9;
	lab_must_fail("ReadStdout", &r, E_STATE); /* one reader at a time */
	(void)close(answer.fd);
	Grpc__WriteStreamRequest w = GRPC__WRITE_STREAM_REQUEST__INIT;
	w.container_id = (char *)"g";
	w.data.data = (uint8_t *)"hi\n";
	w.data.len = 3;
	(void)lab_must("WriteStdin", &w, NULL);
	while (lab_call("ReadStdout", &r, &grpc__read_stream_response__descriptor, &reply, &err) <
	       0) {
		ck_assert_int_eq(err.code, E_STATE); /* the other one's end is not known yet */
		err_clear(&err);
		(void)poll(NULL, 0, 5);
	}
	ck_assert_uint_eq(reply->data.len, w.data.len);
	ck_assert_mem_eq(reply->data.data, w.data.data, w.data.len);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	ck_assert_int_eq(lab_wait("g", ""), 0);
	lab_remove("g");
}
END_TEST

/* --- allow list --- */

START_TEST(only_listed_requests_are_served)
{
	Grpc__ListRoutesRequest routes = GRPC__LIST_ROUTES_REQUEST__INIT;
	Grpc__GetMetricsRequest metrics = GRPC__GET_METRICS_REQUEST__INIT;

	lab_start_with("log_level = \"warn\"\n[endpoints]\nallowed = [\"ListRoutesRequest\", "
		       "\"DestroySandboxRequest\"]\n");
	(void)lab_must("ListRoutes", &routes, NULL);
	lab_must_fail("GetMetrics", &metrics, E_UNSUPPORTED);
	lab_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("agent, hostile");
	TCase *tc = tcase_create("requests"), *list = tcase_create("allow list");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, start, lab_stop);
	tcase_add_test(tc, ids_that_are_no_plain_names_are_refused);
	tcase_add_test(tc, unknown_containers_are_not_found);
	tcase_add_test(tc, incomplete_specifications_are_refused);
	tcase_add_test(tc, an_id_in_use_is_refused);
	tcase_add_test(tc, storages_stay_below_our_directory);
	tcase_add_loop_test(tc, a_storage_is_counted_and_unmounted, 0, 2);
	tcase_add_test(tc, files_are_copied_whole_and_only_below_our_directory);
	tcase_add_test(tc, the_next_contents_of_a_volume_replace_the_former);
	tcase_add_test(tc, files_are_copied_with_any_owner);
	tcase_add_test(tc, routes_that_a_router_has_announced_stay);
	tcase_add_test(tc, the_remaining_calls_answer_or_refuse);
	tcase_add_test(tc, broken_frames_do_not_hurt);
	tcase_add_test(tc, a_reader_that_goes_away_frees_the_stream);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(list, 60);
	tcase_add_test(list, only_listed_requests_are_served);
	suite_add_tcase(suite, list);
	return suite_run(suite);
}
