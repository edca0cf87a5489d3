// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A real agent for a test, and a client to talk to it. The agent is an ordinary process that
 * listens on a unix socket; it has mount, network and UTS namespaces of its own, in which /run is
 * empty. Needs root. There is one per process; Check forks for each test.
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
/* Ends the sandbox and the agent. The test fails if mounts or control groups of it are left. */
void lab_stop(void);

/* True for an agent in a VM: lab_rootfs() then makes nothing, the test copies a root file system
 * into the guest itself. */
extern bool lab_remote;
void lab_connect(const char *path);
void lab_disconnect(void);

/* One call of grpc.AgentService. */
int lab_call(const char *method, const void *request, const ProtobufCMessageDescriptor *reply_type,
	     void *reply, struct err *err);
/* The same call, which must succeed. The caller frees the reply with
 * protobuf_c_message_free_unpacked. */
void *lab_must(const char *method, const void *request,
	       const ProtobufCMessageDescriptor *reply_type);
/* The same call, which must fail with this code. */
void lab_must_fail(const char *method, const void *request, enum err_code code);

void lab_sandbox(void); /* calls CreateSandbox with the id "sb" */

/* Makes a root file system with busybox for a container. Returns its path in the guest. */
const char *lab_rootfs(void);
/* A request for a container: lab_container() makes one that runs a shell script,
 * lab_container_spec() one with the specification json. Free it with lab_container_free(). */
struct lab_container {
	Grpc__CreateContainerRequest request;
	struct oci_spec *spec;
};
void lab_container(struct lab_container *c, const char *id, const char *script, bool terminal);
void lab_container_spec(struct lab_container *c, const char *id, const char *json);
void lab_container_free(struct lab_container *c);
/* Creates and starts a container. */
void lab_run(const char *id, const char *script, bool terminal);
/* Starts one more process in the container, which runs a script. */
void lab_exec(const char *id, const char *exec, const char *script, bool terminal);
int lab_wait(const char *id, const char *exec);
void lab_signal(const char *id, const char *exec, unsigned number);
void lab_remove(const char *id);
void lab_write(const char *id, const char *exec, const char *data, size_t len);
void lab_close_stdin(const char *id, const char *exec);
/* Reads a stream to its end; the caller frees the text. method: ReadStdout or ReadStderr. */
char *lab_read(const char *method, const char *id, const char *exec);
/* Runs a container with this script until it ends, and removes it. Its output must be expect;
 * returns its exit code. */
int lab_output(const char *id, const char *script, const char *expect);
