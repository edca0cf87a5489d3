// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A real agent for a test: an ordinary process on a unix socket, in mount, network and UTS
 * namespaces of its own with an empty /run, and a client to talk to it. Needs root. One per process
 * (Check forks for each test).
 */

#include "base/err.h"
#include "base/str.h"
#include "oci/message.h"
#include "oci/spec.h"
#include "protocols/agent.pb-c.h"
#include "protocols/health.pb-c.h"
#include "ttrpc/ttrpc.h"

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#define LAB_SOCKET "/run/agent.sock"
#define LAB_SHARED "/run/kata-containers/shared/containers"

extern struct ttrpc_client *lab_client;
extern pid_t lab_agent; /* its pid */

/* config: a configuration file, or NULL. */
void lab_start_with(const char *config);
void lab_start(void);
/* Ends the sandbox and the agent; nothing may be left of it. */
void lab_stop(void);

/* An agent elsewhere: in a VM, where the root file system is the test's affair. */
extern bool lab_remote;
void lab_connect(const char *path);
void lab_disconnect(void);

/* One call of grpc.AgentService. */
int lab_call(const char *method, const void *request, const ProtobufCMessageDescriptor *reply_type,
	     void *reply, struct err *err);
/* It must succeed; replies are freed with protobuf_c_message_free_unpacked. */
void *lab_must(const char *method, const void *request,
	       const ProtobufCMessageDescriptor *reply_type);
/* It must fail with this code. */
void lab_must_fail(const char *method, const void *request, enum err_code code);

void lab_sandbox(void); /* CreateSandbox "sb" */

/* The root file system of a container: busybox. Returns its guest path. */
const char *lab_rootfs(void);
/* A request for a container that runs a shell script, or that has the specification json. Free with
 * lab_container_free. */
struct lab_container {
	Grpc__CreateContainerRequest request;
	struct oci_spec *spec;
};
void lab_container(struct lab_container *c, const char *id, const char *script, bool terminal);
void lab_container_spec(struct lab_container *c, const char *id, const char *json);
void lab_container_free(struct lab_container *c);
/* Creates and starts one. */
void lab_run(const char *id, const char *script, bool terminal);
/* One more process in it that runs a script. */
void lab_exec(const char *id, const char *exec, const char *script, bool terminal);
int lab_wait(const char *id, const char *exec);
void lab_signal(const char *id, const char *exec, unsigned number);
void lab_remove(const char *id);
void lab_write(const char *id, const char *exec, const char *data, size_t len);
void lab_close_stdin(const char *id, const char *exec);
/* All of a stream to its end, heap. */
char *lab_read(const char *method, const char *id, const char *exec);
/* Runs it to the end: output compared, exit code returned. */
int lab_output(const char *id, const char *script, const char *expect);
