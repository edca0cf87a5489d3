// SPDX-License-Identifier: Apache-2.0
/* CRI calls over gRPC, and the version and handlers of the server. */

#include "cri/client.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/grpc.h"
#include "json/json.h"

#include <string.h>

/* containerd's limit for messages. */
enum { MESSAGE_MAX = 16 << 20 };

/* --- calls --- */

const ProtobufCMethodDescriptor *cri_call_find(const char *name)
{
	return protobuf_c_service_descriptor_get_method_by_name(
		&runtime__v1__runtime_service__descriptor, name);
}

static int pack(const ProtobufCMessage *m, const char *name, struct buf *to, struct err *err)
{
	size_t len = protobuf_c_message_get_packed_size(m);
	char *room = len ? buf_room(to, len) : NULL;

	if (room)
		to->len += protobuf_c_message_pack(m, (uint8_t *)room);
	return buf_check(to, name, err);
}

static char *path_of(const char *name)
{
	return str_fmt("/runtime.v1.RuntimeService/%s", name);
}

static int exchange(const char *socket, const char *name, const void *request,
		    const ProtobufCMessageDescriptor *answer_type, struct deadline deadline,
		    void *answer, struct err *err)
{
	AUTO(str) char *path = path_of(name);
	AUTO(buf) struct buf packed = BUF_INIT(MESSAGE_MAX);
	AUTO(buf) struct buf body = BUF_INIT(MESSAGE_MAX);
	ProtobufCMessage *m;

	if (pack(request, name, &packed, err) < 0 ||
	    grpc_call(socket, path, buf_cstr(&packed), packed.len, deadline, &body, err) < 0)
		return -1;
	m = protobuf_c_message_unpack(answer_type, NULL, body.len,
				      (const uint8_t *)buf_cstr(&body));
	if (!m)
		return err_set(err, E_PROTOCOL, "%s: invalid answer to CRI %s", socket, name);
	*(ProtobufCMessage **)answer = m;
	return 0;
}

static const ProtobufCMethodDescriptor *method(const char *name, const void *request)
{
	const ProtobufCMethodDescriptor *call = cri_call_find(name);

	if (!call || ((const ProtobufCMessage *)request)->descriptor != call->input)
		bug("%s is no call with that request", name);
	return call;
}

int cri_call(const char *socket, const char *name, const void *request, struct deadline deadline,
	     void *answer, struct err *err)
{
	return exchange(socket, name, request, method(name, request)->output, deadline, answer,
			err);
}

struct streaming {
	const ProtobufCMessageDescriptor *type;
	bool (*each)(void *arg, const ProtobufCMessage *answer);
	void *arg;
	bool invalid;
};

static bool take_message(void *arg, const void *message, size_t len)
{
	struct streaming *s = arg;
	ProtobufCMessage *m = protobuf_c_message_unpack(s->type, NULL, len, message);
	bool more;

	if (!m) {
		s->invalid = true;
		return false;
	}
	more = s->each(s->arg, m);
	protobuf_c_message_free_unpacked(m, NULL);
	return more;
}

int cri_call_each(const char *socket, const char *name, const void *request,
		  struct deadline deadline, bool (*each)(void *arg, const ProtobufCMessage *answer),
		  void *arg, struct err *err)
{
	AUTO(str) char *path = path_of(name);
	AUTO(buf) struct buf packed = BUF_INIT(MESSAGE_MAX);
	struct streaming s = { method(name, request)->output, each, arg, false };

	if (pack(request, name, &packed, err) < 0 ||
	    grpc_stream(socket, path, buf_cstr(&packed), packed.len, deadline, MESSAGE_MAX,
			take_message, &s, err) < 0)
		return -1;
	return s.invalid ? err_set(err, E_PROTOCOL, "%s: invalid answer to CRI %s", socket, name)
			 : 0;
}

/* --- the server ---
 *
 * These calls do not use cri_call(), whose table would link the code of every message into programs
 * that need only these. */

void cri_version_release(struct cri_version *v)
{
	free(v->name);
	free(v->version);
	free(v->api);
	*v = (struct cri_version){ .name = NULL };
}

int cri_client_version(const char *socket, struct deadline deadline, struct cri_version *out,
		       struct err *err)
{
	Runtime__V1__VersionRequest request = RUNTIME__V1__VERSION_REQUEST__INIT;
	Runtime__V1__VersionResponse *r;

	if (exchange(socket, "Version", &request, &runtime__v1__version_response__descriptor,
		     deadline, &r, err) < 0)
		return -1;
	*out = (struct cri_version){ xstrdup(r->runtime_name), xstrdup(r->runtime_version),
				     xstrdup(r->runtime_api_version) };
	runtime__v1__version_response__free_unpacked(r, NULL);
	return 0;
}

/* Older servers do not list their handlers, but report their configuration. */
static int handlers_of_config(const char *text, char ***out, struct err *err)
{
	AUTO(json) struct json *config = json_parse(text, strlen(text), "CRI status", err);
	static const char *const way[] = { "containerd", "runtimes" };
	const struct json *at = config;

	if (!config)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(way) && at; i++)
		at = json_kind(at) == JSON_IS_OBJECT ? json_get(at, way[i]) : NULL;
	if (!at || json_kind(at) != JSON_IS_OBJECT)
		return err_set(err, E_UNSUPPORTED,
			       "the CRI status does not list runtime handlers; update the "
			       "container manager");
	for (void *it = json_begin(at); it; it = json_after(at, it))
		strv_push(out, json_key(it));
	return 0;
}

static int take_handlers(const Runtime__V1__StatusResponse *r, char ***out, struct err *err)
{
	for (size_t i = 0; i < r->n_runtime_handlers; i++) {
		if (*r->runtime_handlers[i]->name)
			strv_push(out, r->runtime_handlers[i]->name);
	}
	if (r->n_runtime_handlers)
		return 0;
	for (size_t i = 0; i < r->n_info; i++) {
		if (str_eq(r->info[i]->key, "config"))
			return handlers_of_config(r->info[i]->value, out, err);
	}
	return err_set(
		err, E_UNSUPPORTED,
		"the CRI status does not list runtime handlers; update the container manager");
}

int cri_client_read_handlers(const void *data, size_t len, char ***out, struct err *err)
{
	Runtime__V1__StatusResponse *r = runtime__v1__status_response__unpack(NULL, len, data);
	AUTO(strv) char **names = NULL;
	int rc;

	if (!r)
		return err_set(err, E_PROTOCOL, "invalid answer to CRI Status");
	rc = take_handlers(r, &names, err);
	runtime__v1__status_response__free_unpacked(r, NULL);
	if (rc == 0)
		*out = STEAL(names, NULL);
	return rc;
}

int cri_client_handlers(const char *socket, struct deadline deadline, char ***out, struct err *err)
{
	Runtime__V1__StatusRequest request = RUNTIME__V1__STATUS_REQUEST__INIT;
	Runtime__V1__StatusResponse *r;
	AUTO(strv) char **names = NULL;
	int rc;

	request.verbose = true;
	if (exchange(socket, "Status", &request, &runtime__v1__status_response__descriptor,
		     deadline, &r, err) < 0)
		return -1;
	rc = take_handlers(r, &names, err);
	runtime__v1__status_response__free_unpacked(r, NULL);
	if (rc < 0)
		return err_wrap(err, "%s", socket);
	*out = STEAL(names, NULL);
	return 0;
}
