// SPDX-License-Identifier: Apache-2.0
/* Starts a real agent for a test and calls it. */

#include "tests/unit/agent_lab.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "loop/loop.h"
#include "mount/mount.h"

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CALL_MS = 60000 };

struct ttrpc_client *lab_client;
pid_t lab_agent;
static struct child agent = { -1, -1 };
static struct loop *loop;
static pthread_t thread;

static void *run_loop(void *arg)
{
	(void)arg;
	loop_run(loop);
	return NULL;
}

void lab_connect(const char *path)
{
	struct err err = ERR_INIT;
	int fd = -1;

	for (int i = 0; i < 500 && fd < 0; i++) {
		err_clear(&err);
		fd = fd_unix_connect(path, &err);
		if (fd < 0)
			(void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
	}
	ck_assert_msg(fd >= 0, "%s", err.msg);
	loop = loop_new(&(struct err)ERR_INIT);
	lab_client = ttrpc_client_new(loop, fd, NULL, NULL);
	ck_assert(pthread_create(&thread, NULL, run_loop, NULL) == 0);
}

void lab_start_with(const char *config)
{
	char *const *argv = ARGV(KATA_AGENT, "--address", "unix://" LAB_SOCKET);
	char *const *with = ARGV(KATA_AGENT, "--address", "unix://" LAB_SOCKET, "--config",
				 "/run/agent.toml");
	struct spawn s = { .argv = config ? with : argv,
			   .fds = (struct spawn_fd[]){ { STDERR_FILENO, 2 } },
			   .nfds = 1,
			   .parent_death_signal = SIGKILL };
	struct err err = ERR_INIT;

	(void)signal(SIGPIPE, SIG_IGN);
	ck_assert(unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWUTS) == 0);
	ck_assert(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	ck_assert(mount_detach_below("/run", &err) == 0);
	ck_assert(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0);
	if (config)
		ck_assert_msg(file_replace_volatile(AT_FDCWD, "/run/agent.toml", config,
						    strlen(config), 0600, &err) == 0,
			      "%s", err.msg);
	ck_assert_msg(spawn_start(&s, &agent, &err) == 0, "%s", err.msg);
	lab_agent = agent.pid;
	lab_connect(LAB_SOCKET);
}

void lab_start(void)
{
	lab_start_with(NULL);
}

static void nothing_is_left(void)
{
	AUTO(buf) struct buf mounts = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	glob_t found;

	ck_assert(file_read(AT_FDCWD, "/proc/self/mountinfo", 1 << 20, &mounts, &err) == 0);
	ck_assert_msg(!strstr(buf_cstr(&mounts), " /run/kata-containers"), "%s", mounts.data);
	AUTO(str) char *pattern = str_fmt("/sys/fs/cgroup/*/kata-lab-%d-*", (int)getpid());
	ck_assert_msg(glob(pattern, 0, NULL, &found) == GLOB_NOMATCH, "%s", found.gl_pathv[0]);
}

void lab_stop(void)
{
	Grpc__DestroySandboxRequest destroy = GRPC__DESTROY_SANDBOX_REQUEST__INIT;
	struct err err = ERR_INIT;
	int code;

	ck_assert_msg(lab_call("DestroySandbox", &destroy, NULL, NULL, &err) == 0, "%s", err.msg);
	ck_assert_msg(spawn_wait(&agent, deadline_in(20000), &code, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(code, 0);
	lab_disconnect();
	nothing_is_left();
}

void lab_disconnect(void)
{
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	ttrpc_client_free(lab_client);
	loop_free(loop);
}

int lab_call(const char *method, const void *request, const ProtobufCMessageDescriptor *reply_type,
	     void *reply, struct err *err)
{
	return ttrpc_call(lab_client, "grpc.AgentService", method, request, reply_type,
			  deadline_in(CALL_MS), reply, err);
}

void *lab_must(const char *method, const void *request,
	       const ProtobufCMessageDescriptor *reply_type)
{
	struct err err = ERR_INIT;
	void *reply = NULL;

	ck_assert_msg(lab_call(method, request, reply_type, reply_type ? &reply : NULL, &err) == 0,
		      "%s: %s", method, err.msg);
	return reply;
}

void lab_must_fail(const char *method, const void *request, enum err_code code)
{
	struct err err = ERR_INIT;

	ck_assert_msg(lab_call(method, request, NULL, NULL, &err) < 0, "%s succeeded", method);
	ck_assert_msg(err.code == code, "%s: %s instead of %s: %s", method, err_slug(err.code),
		      err_slug(code), err.msg);
}

void lab_sandbox(void)
{
	Grpc__CreateSandboxRequest r = GRPC__CREATE_SANDBOX_REQUEST__INIT;

	r.sandbox_id = (char *)"sb";
	r.hostname = (char *)"pod-name";
	(void)lab_must("CreateSandbox", &r, NULL);
}

/* --- containers --- */

bool lab_remote;

const char *lab_rootfs(void)
{
	static const char *const applets[] = { "sh",    "true",     "cat", "echo",  "sleep",
					       "id",    "stty",     "ls",  "mount", "kill",
					       "head",  "readlink", "dd",  "df",    "rm",
					       "mkdir", "trap",     NULL };
	static const char root[] = LAB_SHARED "/lab/rootfs";
	struct err err = ERR_INIT;

	if (lab_remote || path_exists(root))
		return root;
	ck_assert_msg(path_make(LAB_SHARED "/lab/rootfs/bin", 0755, &err) == 0, "%s", err.msg);
	ck_assert_msg(
		spawn_run(&(struct spawn){ .argv = ARGV("/bin/cp", "/bin/busybox",
							LAB_SHARED "/lab/rootfs/bin/busybox") },
			  NULL, 0, NULL, deadline_in(CALL_MS), &err) == 0,
		"%s", err.msg);
	for (const char *const *a = applets; *a; a++) {
		AUTO(str) char *link = str_fmt("%s/bin/%s", root, *a);

		ck_assert(symlink("busybox", link) == 0);
	}
	return root;
}

void lab_container_spec(struct lab_container *c, const char *id, const char *json)
{
	struct err err = ERR_INIT;

	grpc__create_container_request__init(&c->request);
	c->spec = oci_spec_parse(json, strlen(json), "lab", &err);
	ck_assert_msg(c->spec != NULL, "%s", err.msg);
	c->request.container_id = xstrdup(id);
	c->request.oci = oci_spec_to_message(c->spec);
}

void lab_container(struct lab_container *c, const char *id, const char *script, bool terminal)
{
	static unsigned n;
	AUTO(str)
	char *json = str_fmt(
		"{\"ociVersion\":\"1.0.2\",\"process\":{\"terminal\":%s,\"args\":[\"sh\",\"-c\","
		"\"%s\"],\"env\":[\"PATH=/bin\"],\"cwd\":\"/\",\"user\":{\"uid\":0,\"gid\":0}},"
		"\"root\":{\"path\":\"%s\"},\"mounts\":["
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
		"\"options\":[\"nosuid\",\"mode=755\"]},"
		"{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
		"\"options\":[\"newinstance\",\"ptmxmode=0666\",\"mode=0620\"]}],"
		"\"linux\":{\"cgroupsPath\":\"/kata-lab-%d-%u\",\"namespaces\":[{\"type\":\"pid\"},"
		"{\"type\":\"mount\"},{\"type\":\"uts\"},{\"type\":\"ipc\"}]}}",
		terminal ? "true" : "false", script, lab_rootfs(), (int)getpid(), ++n);

	lab_container_spec(c, id, json);
}

void lab_container_free(struct lab_container *c)
{
	protobuf_c_message_free_unpacked(&c->request.oci->base, NULL);
	free(c->request.container_id);
	oci_spec_free(c->spec);
}

void lab_run(const char *id, const char *script, bool terminal)
{
	Grpc__StartContainerRequest start = GRPC__START_CONTAINER_REQUEST__INIT;
	struct lab_container c;

	lab_container(&c, id, script, terminal);
	(void)lab_must("CreateContainer", &c.request, NULL);
	lab_container_free(&c);
	start.container_id = (char *)id;
	(void)lab_must("StartContainer", &start, NULL);
}

int lab_wait(const char *id, const char *exec)
{
	Grpc__WaitProcessRequest r = GRPC__WAIT_PROCESS_REQUEST__INIT;
	Grpc__WaitProcessResponse *reply;
	int status;

	r.container_id = (char *)id;
	r.exec_id = (char *)exec;
	reply = lab_must("WaitProcess", &r, &grpc__wait_process_response__descriptor);
	status = reply->status;
	protobuf_c_message_free_unpacked(&reply->base, NULL);
	return status;
}

void lab_remove(const char *id)
{
	Grpc__RemoveContainerRequest r = GRPC__REMOVE_CONTAINER_REQUEST__INIT;

	r.container_id = (char *)id;
	(void)lab_must("RemoveContainer", &r, NULL);
}

char *lab_read(const char *method, const char *id, const char *exec)
{
	Grpc__ReadStreamRequest r = GRPC__READ_STREAM_REQUEST__INIT;
	AUTO(buf) struct buf all = BUF_INIT(64 << 20);
	struct err err = ERR_INIT;

	r.container_id = (char *)id;
	r.exec_id = (char *)exec;
	r.len = 32768;
	for (;;) {
		Grpc__ReadStreamResponse *reply = NULL;

		if (lab_call(method, &r, &grpc__read_stream_response__descriptor, &reply, &err) < 0)
			break;
		ck_assert_uint_gt(reply->data.len, 0);
		ck_assert_uint_le(reply->data.len, r.len);
		buf_add(&all, reply->data.data, reply->data.len);
		protobuf_c_message_free_unpacked(&reply->base, NULL);
	}
	ck_assert_msg(err.code == E_FAILED && strstr(err.msg, "read meet eof"), "%s", err.msg);
	ck_assert(!all.over);
	return all.data ? buf_steal(&all) : xstrdup("");
}

void lab_signal(const char *id, const char *exec, unsigned number)
{
	Grpc__SignalProcessRequest r = GRPC__SIGNAL_PROCESS_REQUEST__INIT;

	r.container_id = (char *)id;
	r.exec_id = (char *)exec;
	r.signal = number;
	(void)lab_must("SignalProcess", &r, NULL);
}

void lab_write(const char *id, const char *exec, const char *data, size_t len)
{
	Grpc__WriteStreamRequest r = GRPC__WRITE_STREAM_REQUEST__INIT;
	Grpc__WriteStreamResponse *reply;

	r.container_id = (char *)id;
	r.exec_id = (char *)exec;
	r.data.data = (uint8_t *)data;
	r.data.len = len;
	reply = lab_must("WriteStdin", &r, &grpc__write_stream_response__descriptor);
	ck_assert_uint_eq(reply->len, len);
	protobuf_c_message_free_unpacked(&reply->base, NULL);
}

void lab_close_stdin(const char *id, const char *exec)
{
	Grpc__CloseStdinRequest r = GRPC__CLOSE_STDIN_REQUEST__INIT;

	r.container_id = (char *)id;
	r.exec_id = (char *)exec;
	(void)lab_must("CloseStdin", &r, NULL);
}

void lab_exec(const char *id, const char *exec, const char *script, bool terminal)
{
	Grpc__ExecProcessRequest r = GRPC__EXEC_PROCESS_REQUEST__INIT;
	AUTO(str)
	char *json = str_fmt("{\"args\":[\"sh\",\"-c\",\"%s\"],\"env\":[\"PATH=/bin\",\"E=1\"],"
			     "\"cwd\":\"/\",\"terminal\":%s,\"user\":{\"uid\":0,\"gid\":0}}",
			     script, terminal ? "true" : "false");
	struct err err = ERR_INIT;
	AUTO(oci_process)
	struct oci_process *process = oci_process_parse(json, strlen(json), "exec", &err);

	ck_assert_msg(process != NULL, "%s", err.msg);
	r.container_id = (char *)id;
	r.exec_id = (char *)exec;
	r.process = oci_process_to_message(process);
	(void)lab_must("ExecProcess", &r, NULL);
	protobuf_c_message_free_unpacked(&r.process->base, NULL);
}

int lab_output(const char *id, const char *script, const char *expect)
{
	AUTO(str) char *out = NULL;
	int code;

	lab_run(id, script, false);
	out = lab_read("ReadStdout", id, "");
	code = lab_wait(id, "");
	lab_remove(id);
	ck_assert_str_eq(out, expect);
	return code;
}
