// SPDX-License-Identifier: Apache-2.0
/*
 * Sends Update to a shim, which ctr cannot: task-update SOCKET SERVICE ID RESOURCES-JSON. The messages of
 * containerd.task.v3.Task are those of containerd.task.v2.Task.
 */

#include "base/err.h"
#include "base/fd.h"
#include "loop/loop.h"
#include "protocols/task.pb-c.h"
#include "ttrpc/ttrpc.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MS = 60000 };

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

int main(int argc, char **argv)
{
	Containerd__Task__V2__UpdateTaskRequest request =
		CONTAINERD__TASK__V2__UPDATE_TASK_REQUEST__INIT;
	Google__Protobuf__Any resources = GOOGLE__PROTOBUF__ANY__INIT;
	struct err err = ERR_INIT;
	struct loop *loop = loop_new(&(struct err)ERR_INIT);
	struct ttrpc_client *client;
	pthread_t thread;
	int fd;

	if (argc != 5) {
		(void)fputs("task-update SOCKET SERVICE ID RESOURCES-JSON\n", stderr);
		return EXIT_FAILURE;
	}
	fd = fd_unix_connect(argv[1], &err);
	if (fd < 0) {
		(void)fprintf(stderr, "task-update: %s\n", err.msg);
		return EXIT_FAILURE;
	}
	client = ttrpc_client_new(loop, fd, NULL, NULL);
	if (pthread_create(&thread, NULL, run_loop, loop) != 0)
		return EXIT_FAILURE;
	resources.type_url =
		(char *)"types.containerd.io/opencontainers/runtime-spec/1/LinuxResources";
	resources.value.data = (uint8_t *)argv[4];
	resources.value.len = strlen(argv[4]);
	request.id = argv[3];
	request.resources = &resources;
	if (ttrpc_call(client, argv[2], "Update", &request, NULL, deadline_in(ANSWER_MS), NULL,
		       &err) < 0)
		(void)fprintf(stderr, "task-update: %s\n", err.msg);
	/* The process ends here, and with it the loop and its thread. */
	return err.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
