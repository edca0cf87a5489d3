// SPDX-License-Identifier: Apache-2.0
/* A container's root file system: mounted on the host and shared or copied, or mounted by the
 * guest. */

#include "shim/shim.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "device/loop.h"
#include "mount/mount.h"
#include "sandbox/copies.h"

#include <fcntl.h>

/* Where the guest mounts root file systems that are on block devices. */
#define GUEST_ROOT_DIR "/run/kata-containers/sandbox/rootfs"

/* With uidmap= and gidmap= the snapshotter (overlayfs since containerd 2.0) leaves it to whoever mounts
 * to map the owners of the layers' files. The kernel does not know these options. */
static int check_options(const Containerd__Types__Mount *m, struct err *err)
{
	for (size_t i = 0; i < m->n_options; i++) {
		if (!str_starts(m->options[i], "uidmap=") && !str_starts(m->options[i], "gidmap="))
			continue;
		err_set(err, E_UNSUPPORTED,
			"root file system: the snapshotter wants the owners of its files mapped "
			"when they are mounted (%.100s), which this runtime does not do",
			m->options[i]);
		return err_hint(err, "remove --remap-labels, in Kubernetes hostUsers: false");
	}
	return 0;
}

/* Adds a root file system on a block device to c->devices, for the guest to mount. False if it is
 * not on a block device or not the whole root, or the VM cannot take disks. */
static bool leave_rootfs_to_guest(struct container *c, const CreateRequest *r)
{
	const struct runtime_config *config = c->shim->config;
	const Containerd__Types__Mount *m = r->n_rootfs == 1 ? r->rootfs[0] : NULL;
	AUTO(strv) char **options = NULL;
	AUTO(str) char *mount_point = str_fmt(GUEST_ROOT_DIR "/%s", c->id);
	struct device_mount mount = { .mount_point = mount_point };
	struct err cannot = ERR_INIT; /* the host mounts it instead */

	if (!m || *m->target || config->block_off ||
	    vmm_for(config)->will(config, VMM_CAN_PLUG_DISK, &cannot) < 0)
		return false;
	for (size_t i = 0; i < m->n_options; i++)
		strv_push(&options, m->options[i]);
	mount.source = m->source;
	mount.fstype = m->type;
	mount.options = options;
	if (!devices_can_mount(&mount))
		return false;
	devices_add_mount(&c->devices, &mount);
	c->block_root = STEAL(mount_point, NULL);
	return true;
}

/* Makes one of the mounts that containerd lists, on the root or, with a target (since containerd
 * 1.7), on a directory of what the mounts before it have made; links on the way are the image's. An
 * image file gets a loop device, as by mount(8). */
static int mount_layer(const char *rootfs, const Containerd__Types__Mount *m, struct err *err)
{
	AUTO(str) char *target = path_from_root(rootfs, m->target, err);
	AUTO(mount_options) struct mount_options o = MOUNT_OPTIONS_INIT;
	AUTO(strv) char **options = NULL;
	AUTO(str) char *device = NULL;
	AUTO(fd) int loop = -1;

	if (!target)
		return -1;
	for (size_t k = 0; k < m->n_options; k++)
		strv_push(&options, m->options[k]);
	if (strv_has(options, "loop")) {
		loop = loop_attach(m->source, strv_has(options, "ro"), &device, err);
		if (loop < 0)
			return -1;
		strv_remove(options, "loop");
	}
	/* Private: unmounting it here must not unmount the original. */
	strv_push(&options, "rprivate");
	if (mount_options_parse(options, &o, err) < 0)
		return -1;
	return mount_at(device ? device : m->source, target, m->type, &o, err);
}

int container_mount_rootfs(struct container *c, const CreateRequest *r, struct err *err)
{
	const char *given = c->spec->root_path ? c->spec->root_path : "rootfs";
	struct err missing = ERR_INIT;

	for (size_t i = 0; i < r->n_rootfs; i++) {
		if (check_options(r->rootfs[i], err) < 0)
			return -1;
	}
	c->rootfs = given[0] == '/' ? xstrdup(given) : path_join(r->bundle, given);
	if (leave_rootfs_to_guest(c, r))
		return 0;
	if (r->n_rootfs && path_make(c->rootfs, 0711, err) < 0)
		return -1;
	for (size_t i = 0; i < r->n_rootfs; i++) {
		if (mount_layer(c->rootfs, r->rootfs[i], err) < 0)
			return err_wrap(err, "root file system");
		c->rootfs_mounted = true;
	}
	AUTO(fd) int fd = open(c->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		err_sys(&missing, "root file system %s", c->rootfs);
		*err = missing;
		return err_hint(err, "the container engine must create it before the container");
	}
	return 0;
}

int container_give_rootfs(struct container *c, struct guest *guest, char **path, struct err *err)
{
	struct share *share = &c->shim->sandbox->share;

	if (c->block_root)
		*path = xstrdup(c->block_root);
	else if (share_is_none(share))
		copies_add(&guest->copies, c->rootfs, c->id, "rootfs", path);
	else
		return share_rootfs(share, c->id, c->rootfs, path, err);
	return 0;
}
