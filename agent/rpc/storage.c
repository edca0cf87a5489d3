// SPDX-License-Identifier: Apache-2.0
/* Requests about files, volumes, mounts in use and swap space. */

#include "agent/rpc/rpc.h"

#include "agent/device/pci.h"
#include "agent/sandbox.h"
#include "agent/storage/copyfile.h"
#include "agent/storage/mounted.h"
#include "agent/storage/swap.h"
#include "agent/storage/volume.h"
#include "base/mem.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "protocols/csi.pb-c.h"

void on_copy_file(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__CopyFileRequest *r = request;
	struct err err = ERR_INIT;
	struct copyfile chunk = { .path = r->path,
				  .mode = r->file_mode,
				  .dir_mode = r->dir_mode,
				  /* The upper half of the ids, which user namespaces
				   * have, is negative in the message. */
				  .uid = (uid_t)r->uid,
				  .gid = (gid_t)r->gid,
				  .offset = r->offset,
				  .size = r->file_size,
				  .data = r->data.data,
				  .len = r->data.len };

	(void)arg;
	answer(call, copyfile_write(&chunk, &err), &err);
}

/* --- volumes --- */

void on_get_volume_stats(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__VolumeStatsRequest *r = request;
	Grpc__VolumeStatsResponse reply = GRPC__VOLUME_STATS_RESPONSE__INIT;
	Grpc__VolumeUsage bytes = GRPC__VOLUME_USAGE__INIT, inodes = GRPC__VOLUME_USAGE__INIT;
	Grpc__VolumeUsage *usage[] = { &bytes, &inodes };
	Grpc__VolumeCondition condition = GRPC__VOLUME_CONDITION__INIT;
	struct err err = ERR_INIT;
	struct statvfs fs;

	(void)arg;
	if (volume_stats(r->volume_guest_path, &fs, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	bytes.unit = GRPC__VOLUME_USAGE__UNIT__BYTES;
	bytes.total = (uint64_t)fs.f_blocks * fs.f_frsize;
	bytes.available = (uint64_t)fs.f_bavail * fs.f_frsize;
	bytes.used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize;
	inodes.unit = GRPC__VOLUME_USAGE__UNIT__INODES;
	inodes.total = fs.f_files;
	inodes.available = fs.f_favail;
	inodes.used = fs.f_files - fs.f_ffree;
	condition.message = (char *)"OK";
	reply.usage = usage;
	reply.n_usage = ARRAY_LEN(usage);
	reply.volume_condition = &condition;
	ttrpc_reply(call, &reply);
}

void on_resize_volume(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ResizeVolumeRequest *r = request;
	const struct sandbox *s = arg;
	struct err err = ERR_INIT;
	int result = volume_resize(r->volume_guest_path, r->size,
				   flow_deadline(call, s->settings->hotplug_ms), &err);

	answer(call, result, &err);
}

/* --- mounts in use --- */

void on_update_ephemeral_mounts(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateEphemeralMountsRequest *r = request;
	struct err err = ERR_INIT;
	int result = 0;

	(void)arg;
	for (size_t i = 0; result == 0 && i < r->n_storages; i++)
		result = mounted_rescale(r->storages[i], &err);
	answer(call, result, &err);
}

void on_remove_stale_virtiofs_share_mounts(struct ttrpc_call *call, const void *request, void *arg)
{
	struct err err = ERR_INIT;

	(void)request;
	(void)arg;
	answer(call, mounted_drop_stale(&err), &err);
}

/* --- swap space --- */

void on_add_swap(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__AddSwapRequest *r = request;
	const struct sandbox *s = arg;
	AUTO(strv) char **slots = NULL;
	AUTO(str) char *path = NULL;
	struct err err = ERR_INIT;
	int result;

	for (size_t i = 0; i < r->n_pcipath && i < PCI_DEPTH + 1; i++)
		strv_pushf(&slots, "%02x", r->pcipath[i]);
	path = strv_join(slots, "/");
	result = swap_add("blk", path ? path : "", flow_deadline(call, s->settings->hotplug_ms),
			  &err);
	answer(call, result, &err);
}

void on_add_swap_path(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__AddSwapPathRequest *r = request;
	const struct sandbox *s = arg;
	struct err err = ERR_INIT;
	int result = swap_add("mmioblk", r->path, flow_deadline(call, s->settings->hotplug_ms),
			      &err);

	answer(call, result, &err);
}
