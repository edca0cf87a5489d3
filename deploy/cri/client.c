// SPDX-License-Identifier: Apache-2.0
#include "deploy/cri/client.h"
#include "base/buf.h"
#include "base/deadline.h"
#include "base/mem.h"
#include "base/str.h"
#include "cri.pb-c.h"
#include "http/grpc.h"
#include "json/json.h"

#include <string.h>

#define SERVICE "/runtime.v1.RuntimeService/"

/* containerd's own limit for messages. */
enum { ANSWER_MAX = 16 << 20 };

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
	AUTO(buf) struct buf answer = BUF_INIT(ANSWER_MAX);
	Runtime__V1__VersionResponse *r;

	if (grpc_call(socket, SERVICE "Version", "", 0, deadline, &answer, err) < 0)
		return -1;
	r = runtime__v1__version_response__unpack(NULL, answer.len,
						  (const uint8_t *)buf_cstr(&answer));
	if (!r)
		return err_set(err, E_PROTOCOL, "%s: invalid answer to CRI Version", socket);
	*out = (struct cri_version){ xstrdup(r->runtime_name), xstrdup(r->runtime_version),
				     xstrdup(r->runtime_api_version) };
	runtime__v1__version_response__free_unpacked(r, NULL);
	return 0;
}

/* Older managers do not list their handlers, but show their configuration. */
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
	AUTO(buf) struct buf answer = BUF_INIT(ANSWER_MAX);
	uint8_t packed[16];
	size_t len;

	request.verbose = true;
	len = runtime__v1__status_request__pack(&request, packed);
	if (grpc_call(socket, SERVICE "Status", packed, len, deadline, &answer, err) < 0)
		return -1;
	return cri_client_read_handlers(buf_cstr(&answer), answer.len, out, err) < 0
		       ? err_wrap(err, "%s", socket)
		       : 0;
}
