// SPDX-License-Identifier: Apache-2.0
/* Waits for block devices on PCI, on SCSI, or by their node, until the node can be opened. */

#include "agent/device/block.h"

#include "agent/device/pci.h"
#include "agent/device/uevent.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* The path of the first entry of a directory with this prefix and suffix, heap, or NULL. */
static char *first_entry(const char *folder, const char *prefix, const char *suffix)
{
	AUTO(dir) DIR *dir = opendir(folder);

	for (struct dirent *e; dir && (e = readdir(dir));) {
		if (e->d_name[0] != '.' && str_starts(e->d_name, prefix) &&
		    str_ends(e->d_name, suffix))
			return path_join(folder, e->d_name);
	}
	return NULL;
}

struct search {
	const struct pci_path *pci; /* of a virtio-blk device */
	unsigned target, lun;       /* of a SCSI disk */
	char *node;                 /* path of the node to wait for, or of the node found; heap */
};

/* True if the node is a block device that can be opened: the kernel makes the node a moment
 * before. */
static bool is_block(const char *node)
{
	AUTO(fd) int fd = -1;
	struct stat st;

	if (stat(node, &st) < 0 || !S_ISBLK(st.st_mode))
		return false;
	fd = open(node, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return fd >= 0 || errno != ENXIO;
}

/* The disk of the device with that directory in sysfs: sets s->node, and returns whether it is
 * usable. */
static int found_block(struct search *s, const char *folder)
{
	AUTO(str) char *block = path_join(folder, "block");
	AUTO(str) char *disk = first_entry(block, "", "");

	if (!disk)
		return 0;
	free(s->node);
	s->node = path_join("/dev", path_basename(disk));
	return is_block(s->node);
}

static int probe_pci_block(void *arg, struct err *err)
{
	struct search *s = arg;
	AUTO(str) char *device = pci_resolve("/sys", s->pci);
	AUTO(str) char *virtio = device ? first_entry(device, "virtio", "") : NULL;

	(void)err;
	return virtio ? found_block(s, virtio) : 0;
}

static int probe_scsi(void *arg, struct err *err)
{
	struct search *s = arg;
	AUTO(str) char *address = str_fmt(":0:%u:%u", s->target, s->lun);
	AUTO(str) char *device = first_entry("/sys/class/scsi_device", "", address);
	AUTO(str) char *folder = device ? path_join(device, "device") : NULL;

	(void)err;
	return folder ? found_block(s, folder) : 0;
}

static int probe_node(void *arg, struct err *err)
{
	(void)err;
	return is_block(((struct search *)arg)->node);
}

static char *wait_pci(const char *id, struct deadline deadline, struct err *err)
{
	struct pci_path pci;
	struct search s = { .pci = &pci };
	AUTO(str) char *what = str_fmt("block device at PCI path %.64s", id);

	if (pci_path_parse(id, &pci, err) < 0)
		return NULL;
	if (uevent_wait(probe_pci_block, &s, deadline, what, err) == 0)
		return s.node;
	free(s.node);
	return NULL;
}

static char *wait_node(const char *node, struct deadline deadline, struct err *err)
{
	AUTO(str) char *clean = path_clean(node);
	AUTO(str) char *what = str_fmt("block device %.128s", node);
	struct search s = { .node = clean };

	if (!path_is_below(clean, "/dev") || str_eq(clean, "/dev")) {
		err_set(err, E_INVALID, "'%.128s' is not below /dev", node);
		return NULL;
	}
	if (uevent_wait(probe_node, &s, deadline, what, err) < 0)
		return NULL;
	return STEAL(clean, NULL);
}

/* Has every SCSI host adapter scan the address. */
static int scan_scsi(const struct search *s, struct err *err)
{
	AUTO(str) char *request = str_fmt("0 %u %u", s->target, s->lun);
	AUTO(dir) DIR *dir = opendir("/sys/class/scsi_host");

	for (struct dirent *e; dir && (e = readdir(dir));) {
		AUTO(str) char *scan = str_fmt("%s/scan", e->d_name);

		if (e->d_name[0] != '.' && file_write(dirfd(dir), scan, request, err) < 0)
			return err_wrap(err, "scan %s", e->d_name);
	}
	return 0;
}

static char *wait_scsi(const char *id, struct deadline deadline, struct err *err)
{
	AUTO(strv) char **parts = strv_split(id, ":");
	AUTO(str) char *what = str_fmt("SCSI disk %.64s", id);
	struct search s = { .node = NULL };
	uint64_t target, lun;

	if (strv_len(parts) != 2) {
		err_set(err, E_INVALID, "'%.64s' is not a SCSI address ID:LUN", id);
		return NULL;
	}
	if (str_u64(parts[0], 10, 0, 255, "SCSI id", &target, err) < 0 ||
	    str_u64(parts[1], 10, 0, 16383, "SCSI lun", &lun, err) < 0)
		return NULL;
	s.target = (unsigned)target;
	s.lun = (unsigned)lun;
	if (scan_scsi(&s, err) == 0 && uevent_wait(probe_scsi, &s, deadline, what, err) == 0)
		return s.node;
	free(s.node);
	return NULL;
}

char *device_block(const char *type, const char *id, struct deadline deadline, struct err *err)
{
	if (str_eq(type, "scsi"))
		return wait_scsi(id, deadline, err);
	if (str_eq(type, "blk") && !str_starts(id, "/"))
		return wait_pci(id, deadline, err);
	return wait_node(id, deadline, err);
}

bool device_block_any(void)
{
	static const char *const names[] = { "vd", "sd", "pmem" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO(str) char *disk = first_entry("/sys/class/block", names[i], "");

		if (disk)
			return true;
	}
	return false;
}
