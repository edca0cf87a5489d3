// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a bundle with a shim and no manager, with a root file system that ctr's snapshotters do not
 * have; ends with the exit status of its process:
 *
 *	task-run SHIM BUNDLE ID OUTPUT TYPE SOURCE [OPTION...]
 */

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "loop/loop.h"
#include "protocols/task.pb-c.h"
#include "ttrpc/ttrpc.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 120000 };

static struct ttrpc_client *client;
static char *id;

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static int start_shim(const char *shim, const char *bundle, struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(4096);
	struct spawn s = { .argv = ARGV(shim, "-namespace", "default", "-id", id, "-address",
					"/run/no-manager", "start"),
			   .cwd = bundle };
	struct loop *loop = loop_new(&(struct err)ERR_INIT);
	pthread_t thread;
	int fd;

	if (spawn_run(&s, NULL, 0, &out, deadline_in(ANSWER_MS), err) < 0)
		return -1;
	fd = fd_unix_connect(buf_cstr(&out) + strlen("unix://"), err);
	if (fd < 0)
		return -1;
	client = ttrpc_client_new(loop, fd, NULL, NULL);
	return pthread_create(&thread, NULL, run_loop, loop) == 0
		       ? 0
		       : err_set(err, E_FAILED, "no thread for the loop");
}

static int call(const char *method, const void *request,
		const ProtobufCMessageDescriptor *reply_type, void *reply, struct err *err)
{
	return ttrpc_call(client, "containerd.task.v2.Task", method, request, reply_type,
			  deadline_in(ANSWER_MS), reply, err);
}

static int create(const char *bundle, const char *output, char *const *mount, struct err *err)
{
	Containerd__Task__V2__CreateTaskRequest request =
		CONTAINERD__TASK__V2__CREATE_TASK_REQUEST__INIT;
	Containerd__Types__Mount root = CONTAINERD__TYPES__MOUNT__INIT, *roots[] = { &root };
	AUTO(str) char *url = str_fmt("file://%s", output);

	root.type = mount[0];
	root.source = mount[1];
	root.options = (char **)mount + 2;
	root.n_options = strv_len(mount + 2);
	request.id = id;
	request.bundle = (char *)bundle;
	request.stdout = url;
	request.stderr = url;
	request.rootfs = roots;
	request.n_rootfs = 1;
	return call("Create", &request, NULL, NULL, err);
}

static int run(unsigned *status, struct err *err)
{
	Containerd__Task__V2__StartRequest start = CONTAINERD__TASK__V2__START_REQUEST__INIT;
	Containerd__Task__V2__WaitRequest wait = CONTAINERD__TASK__V2__WAIT_REQUEST__INIT;
	Containerd__Task__V2__DeleteRequest delete = CONTAINERD__TASK__V2__DELETE_REQUEST__INIT;
	Containerd__Task__V2__WaitResponse *end;

	start.id = wait.id = delete.id = id;
	if (call("Start", &start, NULL, NULL, err) < 0 ||
	    call("Wait", &wait, &containerd__task__v2__wait_response__descriptor, &end, err) < 0)
		return -1;
	*status = end->exit_status;
	protobuf_c_message_free_unpacked(&end->base, NULL);
	return call("Delete", &delete, NULL, NULL, err);
}

int main(int argc, char **argv)
{
	Containerd__Task__V2__ShutdownRequest shutdown =
		CONTAINERD__TASK__V2__SHUTDOWN_REQUEST__INIT;
	struct err err = ERR_INIT, ignored = ERR_INIT;
	unsigned status = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 7) {
		(void)fputs("task-run SHIM BUNDLE ID OUTPUT TYPE SOURCE [OPTION...]\n", stderr);
		return EXIT_FAILURE;
	}
	id = argv[3];
	if (start_shim(argv[1], argv[2], &err) == 0) {
		if (create(argv[2], argv[4], argv + 5, &err) == 0)
			(void)!run(&status, &err);
		shutdown.id = id;
		(void)!call("Shutdown", &shutdown, NULL, NULL, &ignored); /* it ends meanwhile */
	}
	if (err.code)
		(void)fprintf(stderr, "task-run: %s\n", err.msg);
	/* The process ends here, and with it the loop and its thread. */
	return err.code ? EXIT_FAILURE : (int)status;
}
