// SPDX-License-Identifier: Apache-2.0
/*
 * -info: the runtime's name and version, and its features in the form of the OCI runtime
 * specification (features.md). containerd 2 passes them on to its clients.
 */

#include "shim/shim.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "mount/mount.h"
#include "protocols/introspection.pb-c.h"
#include "json/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FEATURES_URL "types.containerd.io/opencontainers/runtime-spec/1/features/Features"

static struct json *texts(const char *const *names, size_t n)
{
	struct json *list = json_make_array();

	for (size_t i = 0; i < n; i++)
		json_add(list, json_make_string(names[i]));
	return list;
}

static struct json *mount_options(void)
{
	struct json *list = json_make_array();

	for (size_t i = 0; mount_options_name(i); i++)
		json_add(list, json_make_string(mount_options_name(i)));
	return list;
}

static struct json *enabled(bool on)
{
	struct json *object = json_make_object();

	json_put(object, "enabled", json_make_bool(on));
	return object;
}

static struct json *linux_features(void)
{
	static const char *const namespaces[] = { "cgroup", "ipc",  "mount", "network",
						  "pid",    "user", "uts" };
	struct json *object = json_make_object(), *cgroup = json_make_object(),
		    *mounts = json_make_object();

	json_put(object, "namespaces", texts(namespaces, ARRAY_LEN(namespaces)));
	json_put(cgroup, "v1", json_make_bool(true));
	json_put(cgroup, "v2", json_make_bool(true));
	json_put(object, "cgroup", cgroup);
	json_put(object, "seccomp", enabled(true));
	json_put(object, "apparmor", enabled(false));
	/* Mounts of what the host shares cannot be id-mapped: virtio-fs and 9p do not support
	 * it. */
	json_put(mounts, "idmap", enabled(false));
	json_put(object, "mountExtensions", mounts);
	return object;
}

static char *features(void)
{
	static const char *const hooks[] = { "prestart", "createRuntime", "poststart", "poststop" };
	AUTO(json) struct json *object = json_make_object();

	json_put(object, "ociVersionMin", json_make_string("1.0.0"));
	json_put(object, "ociVersionMax", json_make_string("1.2.0"));
	json_put(object, "hooks", texts(hooks, ARRAY_LEN(hooks)));
	json_put(object, "mountOptions", mount_options());
	json_put(object, "linux", linux_features());
	return json_format(object, false);
}

int shim_print_info(struct err *err)
{
	Containerd__Types__RuntimeInfo info = CONTAINERD__TYPES__RUNTIME_INFO__INIT;
	Containerd__Types__RuntimeVersion version = CONTAINERD__TYPES__RUNTIME_VERSION__INIT;
	Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT;
	AUTO(str) char *text = features();
	uint8_t *out;
	int result;

	version.version = (char *)KATA_VERSION;
	any.type_url = (char *)FEATURES_URL;
	any.value.data = (uint8_t *)text;
	any.value.len = strlen(text);
	info.name = (char *)"io.containerd.kata.v2";
	info.version = &version;
	info.features = &any;
	out = xmalloc(containerd__types__runtime_info__get_packed_size(&info));
	result = fd_write_all(STDOUT_FILENO, out, containerd__types__runtime_info__pack(&info, out),
			      err);
	free(out);
	return result < 0 ? err_wrap(err, "the runtime's description") : 0;
}
