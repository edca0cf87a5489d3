// SPDX-License-Identifier: Apache-2.0
/* Requests about mounts that are in use, and the termination message of a container. */

#include "agent/agent.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "mount/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { LAST_WORD_MAX = 64 * 1024 };

/* --- memory-backed volumes --- */

/* Called after memory was plugged: their size was a fraction of the old memory. */
static int rescale(const Grpc__Storage *s, struct err *err)
{
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **words = NULL;
	struct statfs fs;

	if (storage_check_path(s->mount_point, err) < 0)
		return -1;
	if (statfs(s->mount_point, &fs) < 0)
		return err_sys(err, "look at %s", s->mount_point);
	if (fs.f_type != TMPFS_MAGIC)
		return err_set(err, E_STATE, "no tmpfs is mounted there");
	strv_push(&words, "remount");
	for (size_t i = 0; i < s->n_options; i++) {
		if (!str_starts(s->options[i], "fsgid="))
			strv_push(&words, s->options[i]);
	}
	return mount_options_parse(words, &o, err) < 0
		       ? -1
		       : mount_at(s->source, s->mount_point, "tmpfs", &o, err);
}

void on_update_ephemeral_mounts(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__UpdateEphemeralMountsRequest *r = request;
	struct err err = ERR_INIT;
	int result = 0;

	(void)arg;
	for (size_t i = 0; result == 0 && i < r->n_storages; i++) {
		result = rescale(r->storages[i], &err);
		if (result < 0)
			err_wrap(&err, "storage %.256s", r->storages[i]->mount_point);
	}
	answer(call, result, &err);
}

/* --- stale shares --- */

/* The host has removed the root of a virtio-fs mount: it can only be unmounted. */
static bool is_stale(const struct mount_entry *m)
{
	struct stat st;

	if (!str_eq(m->type, "virtiofs") || !path_is_below(m->target, SHARED_DIR) ||
	    str_eq(m->target, SHARED_DIR))
		return false;
	return stat(m->target, &st) < 0 &&
	       (errno == ENOENT || errno == ESTALE || errno == EIO || errno == ENOTCONN);
}

void on_remove_stale_virtiofs_share_mounts(struct ttrpc_call *call, const void *request, void *arg)
{
	AUTO(mount_list) struct mount_list mounts = { .n = 0 };
	struct err err = ERR_INIT;
	int result = mount_list_read(&mounts, &err);

	(void)request;
	(void)arg;
	for (size_t i = mounts.n; result == 0 && i > 0; i--) {
		const struct mount_entry *m = &mounts.v[i - 1];

		if (is_stale(m) && umount2(m->target, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
			log_warn("cannot unmount a stale share", LOG_S("mount_point", m->target),
				 LOG_I("errno", errno));
	}
	answer(call, result, &err);
}

/* --- termination message --- */

/* Only a file of the guest: the container's root is untrusted, and its specification may be. */
static int read_last_word(const char *path, struct buf *out, struct err *err)
{
	AUTO(fd) int root = -1;
	AUTO(fd) int fd = -1;
	struct stat st;

	if (!str_starts(path, GUEST_DIR "/"))
		return err_set(err, E_UNSUPPORTED,
			       "the termination log is not a file of the guest");
	root = open(GUEST_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(err, "open " GUEST_DIR);
	fd = path_open(root, path + strlen(GUEST_DIR "/"), PATH_BENEATH,
		       O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, err);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "the termination log is not a regular file");
	return file_read_fd(fd, "termination log", LAST_WORD_MAX, out, err);
}

static int get_diagnostic_data(struct sandbox *s, const Grpc__GetDiagnosticDataRequest *r,
			       struct buf *out, struct err *err)
{
	struct entry *e;
	int result;

	if (!str_eq(r->log_type, "termination_log") && !str_eq(r->log_type, "termination-log"))
		return err_set(err, E_UNSUPPORTED, "there is no diagnostic data '%.64s'",
			       r->log_type);
	e = entry_get(s, r->container_id, err);
	if (!e)
		return -1;
	if (e->termination_log)
		result = read_last_word(e->termination_log, out, err);
	else
		result = err_set(err, E_NOT_FOUND, "container %s has no termination log", e->id);
	entry_put(e);
	return result;
}

void on_get_diagnostic_data(struct ttrpc_call *call, const void *request, void *arg)
{
	Grpc__GetDiagnosticDataResponse reply = GRPC__GET_DIAGNOSTIC_DATA_RESPONSE__INIT;
	AUTO(buf) struct buf out = BUF_INIT(LAST_WORD_MAX);
	struct err err = ERR_INIT;

	if (get_diagnostic_data(arg, request, &out, &err) < 0) {
		ttrpc_fail(call, &err);
		return;
	}
	reply.data = (char *)buf_cstr(&out);
	ttrpc_reply(call, &reply);
}
