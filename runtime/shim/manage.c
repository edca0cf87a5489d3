// SPDX-License-Identifier: Apache-2.0
/* Requests of operators about a sandbox: the usage of a direct-assigned volume, and growing one. */

#include "manage/manage.h"

#include "base/path.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "protocols/csi.pb-c.h"
#include "shim/shim.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>

enum { ASK_MS = 60000 };

/* A container that has the volume, held by its init (process_put). */
struct holder {
	struct process *init;
	const struct device *device;
};

/* With the lock held: the container's disk for the volume, or NULL. */
static const struct device *volume_of(const struct container *c, const char *path)
{
	if (c->creating || c->deleting || c->leaving)
		return NULL;
	for (size_t i = 0; i < c->devices.list.n; i++) {
		const struct device *d = &c->devices.list.v[i];

		if (d->disk && str_eq(d->volume, path))
			return d;
	}
	return NULL;
}

/* With the lock held: a container that has the volume and is not being deleted, or NULL. */
static struct container *find_container(const struct shim *s, const char *path,
					const struct device **device)
{
	for (size_t i = 0; i < s->containers.n; i++) {
		*device = volume_of(s->containers.v[i], path);
		if (*device)
			return s->containers.v[i];
	}
	return NULL;
}

static int hold(struct shim *s, const char *volume, struct holder *out, struct err *err)
{
	AUTO(str) char *path = path_clean(volume);
	struct container *c;

	(void)pthread_mutex_lock(&s->lock);
	c = find_container(s, path, &out->device);
	out->init = c ? c->init : NULL;
	if (out->init) {
		out->init->refs++;
		c->users++;
	}
	(void)pthread_mutex_unlock(&s->lock);
	return out->init ? 0
			 : err_set(err, E_NOT_FOUND,
				   "no container of this sandbox has the volume %s", path);
}

/* --- stats --- */

/* In the form in which upstream prints the agent's message. */
static struct json *describe_usage(const Grpc__VolumeUsage *usage)
{
	struct json *j = json_make_object();

	json_put(j, "available", json_make_u64(usage->available));
	json_put(j, "total", json_make_u64(usage->total));
	json_put(j, "used", json_make_u64(usage->used));
	json_put(j, "unit", json_make_int(usage->unit));
	return j;
}

static char *describe(const Grpc__VolumeStatsResponse *r)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *list = json_make_array(), *condition = json_make_object();

	for (size_t i = 0; i < r->n_usage; i++)
		json_add(list, describe_usage(r->usage[i]));
	json_put(j, "usage", list);
	if (r->volume_condition) {
		json_put(condition, "abnormal", json_make_bool(r->volume_condition->abnormal));
		json_put(condition, "message", json_make_string(r->volume_condition->message));
	}
	json_put(j, "volume_condition", condition);
	return json_format(j, false);
}

static int on_stats(void *arg, const struct manage_request *r, struct buf *answer, struct err *err)
{
	Grpc__VolumeStatsRequest request = GRPC__VOLUME_STATS_REQUEST__INIT;
	Grpc__VolumeStatsResponse *stats = NULL;
	AUTO(str) char *path = manage_query(r, "path", err), *text = NULL;
	struct shim *s = arg;
	struct holder h;
	int result;

	if (!path || hold(s, path, &h, err) < 0)
		return -1;
	request.volume_guest_path = h.device->mount_point;
	result = sandbox_call(s->sandbox, "GetVolumeStats", &request,
			      &grpc__volume_stats_response__descriptor, deadline_in(ASK_MS), &stats,
			      err);
	process_put(h.init);
	if (result < 0)
		return -1;
	text = describe(stats);
	protobuf_c_message_free_unpacked(&stats->base, NULL);
	buf_str(answer, text);
	return 0;
}

/* --- resize --- */

static int parse_resize(const char *body, char **path, uint64_t *size, struct err *err)
{
	AUTO(json) struct json *j = json_parse(body, strlen(body), "the request", err);
	const struct json *number = j && json_kind(j) == JSON_IS_OBJECT ? json_get(j, "Size")
									: NULL;
	const char *volume = j ? json_get_text(j, "VolumePath") : NULL;

	if (err->code)
		return -1;
	if (!volume || !number || json_kind(number) != JSON_IS_INT || json_u64(number, size) < 0)
		return err_set(err, E_INVALID,
			       "the request is not {\"VolumePath\": PATH, \"Size\": BYTES}");
	*path = xstrdup(volume);
	return 0;
}

/* Grows the device, then the file system on it. */
static int resize(struct shim *s, const struct device *d, uint64_t size, struct err *err)
{
	Grpc__ResizeVolumeRequest request = GRPC__RESIZE_VOLUME_REQUEST__INIT;
	struct deadline deadline = deadline_in(ASK_MS);

	request.volume_guest_path = d->mount_point;
	request.size = size;
	if (vm_grow_disk(s->sandbox->vm, d->disk, size, deadline, err) < 0)
		return -1;
	return sandbox_call(s->sandbox, "ResizeVolume", &request, NULL, deadline, NULL, err);
}

static int on_resize(void *arg, const struct manage_request *r, struct buf *answer, struct err *err)
{
	AUTO(str) char *path = NULL;
	struct shim *s = arg;
	struct holder h;
	uint64_t size;
	int result;

	(void)answer; /* stays empty, as upstream's */
	if (parse_resize(r->body, &path, &size, err) < 0 || hold(s, path, &h, err) < 0)
		return -1;
	result = resize(s, h.device, size, err);
	process_put(h.init);
	return result < 0 ? err_wrap(err, "volume %s", path) : 0;
}

struct manage *shim_manage(struct shim *s, const char *dir, struct err *err)
{
	static const struct manage_route routes[] = {
		{ "GET", "/direct-volume/stats", on_stats },
		{ "POST", "/direct-volume/resize", on_resize },
		{ NULL, NULL, NULL },
	};
	AUTO(str) char *socket = path_join(dir, MANAGE_SOCKET);

	return manage_new(s->loop, socket, routes, s, err);
}
