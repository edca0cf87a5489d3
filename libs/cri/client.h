// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A client of the container runtime interface (CRI), for the socket of containerd or CRI-O. Its
 * calls, requests and answers are those of protocols/cri.proto.
 *
 *	Runtime__V1__StopPodSandboxRequest request = RUNTIME__V1__STOP_POD_SANDBOX_REQUEST__INIT;
 *	Runtime__V1__StopPodSandboxResponse *answer;
 *
 *	request.pod_sandbox_id = id;
 *	if (cri_call(socket, "StopPodSandbox", &request, deadline_in(60000), &answer, err) < 0)
 *		return -1;
 *	runtime__v1__stop_pod_sandbox_response__free_unpacked(answer, NULL);
 *
 * Every call has a connection of its own, blocks until its deadline, and may be made from any
 * thread. The server cancels a call whose deadline has passed, but may have carried it out in part.
 * Errors are those of http/grpc.h, with the server's text.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include "cri.pb-c.h"

#include <stddef.h>

/* The descriptor of a call, with the types of its request and its answer; NULL if name is
 * unknown. */
const ProtobufCMethodDescriptor *cri_call_find(const char *name);
/* Makes a call. request is a message of the call's request type. answer is the address of a
 * pointer, which gets a message of the answer type; the caller frees it with
 * protobuf_c_message_free_unpacked(). Answers of more than 16 MiB are E_LIMIT. */
MUST_CHECK int cri_call(const char *socket, const char *name, const void *request,
			struct deadline deadline, void *answer, struct err *err);

/* Makes a call whose answer is a stream (GetContainerEvents), until the server ends it, each()
 * returns false, or the deadline passes (E_TIMEOUT). each() gets a message of the answer type. */
MUST_CHECK int cri_call_each(const char *socket, const char *name, const void *request,
			     struct deadline deadline,
			     bool (*each)(void *arg, const ProtobufCMessage *answer), void *arg,
			     struct err *err);

struct cri_version {
	char *name, *version, *api; /* "containerd", "1.6.20", "v1" */
};
void cri_version_release(struct cri_version *v);
DEFINE_AUTO_STRUCT(cri_version, struct cri_version, cri_version_release)

/* The caller releases *out. */
MUST_CHECK int cri_client_version(const char *socket, struct deadline deadline,
				  struct cri_version *out, struct err *err);
/* The names of the server's runtime handlers; the caller frees *out with strv_free(). E_UNSUPPORTED
 * if the server does not report them. */
MUST_CHECK int cri_client_handlers(const char *socket, struct deadline deadline, char ***out,
				   struct err *err);

/* Extracts the names from the bytes of a StatusResponse; for tests and fuzzing. */
MUST_CHECK int cri_client_read_handlers(const void *data, size_t len, char ***out, struct err *err);
