// SPDX-License-Identifier: Apache-2.0
/* Looks a block device up in sysfs. */

#include "device/block.h"

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { SECTOR = 512, UEVENT_MAX = 4096 };

/* The path of the device's node: DEVNAME= in its uevent file, below /dev; heap. */
static char *kernel_name(const char *dir, struct err *err)
{
	AUTO(str) char *path = path_join(dir, "uevent");
	AUTO(buf) struct buf text = BUF_INIT(UEVENT_MAX);
	AUTO(strv) char **lines = NULL;

	if (file_read(AT_FDCWD, path, UEVENT_MAX, &text, err) < 0)
		return NULL;
	lines = strv_split(buf_cstr(&text), "\n");
	strv_each(line, lines) {
		if (str_starts(*line, "DEVNAME="))
			return path_join("/dev", *line + strlen("DEVNAME="));
	}
	err_set(err, E_PROTOCOL, "%s has no DEVNAME", path);
	return NULL;
}

static int read_number(const char *dir, const char *name, uint64_t *out, struct err *err)
{
	AUTO(str) char *path = path_join(dir, name);
	AUTO(str) char *line = file_read_line(AT_FDCWD, path, err);

	return line ? str_u64(line, 10, 0, UINT64_MAX / SECTOR, path, out, err) : -1;
}

int block_find(dev_t number, struct block_device *out, struct err *err)
{
	AUTO(str) char *dir = str_fmt("/sys/dev/block/%u:%u", major(number), minor(number));
	uint64_t sectors, readonly;
	struct stat st;

	*out = (struct block_device)BLOCK_DEVICE_NONE;
	if (!path_exists(dir))
		return err_set(err, E_NOT_FOUND, "the host has no block device %u:%u",
			       major(number), minor(number));
	if (read_number(dir, "size", &sectors, err) < 0 ||
	    read_number(dir, "ro", &readonly, err) < 0)
		return -1;
	out->path = kernel_name(dir, err);
	if (!out->path)
		return -1;
	if (stat(out->path, &st) < 0 || !S_ISBLK(st.st_mode) || st.st_rdev != number) {
		err_set(err, E_STATE, "%s is not the block device %u:%u", out->path, major(number),
			minor(number));
		return err_hint(err, "make the node, as udev does");
	}
	out->size = sectors * SECTOR;
	out->readonly = readonly != 0;
	return 0;
}

void block_release(struct block_device *b)
{
	free(b->path);
	*b = (struct block_device)BLOCK_DEVICE_NONE;
}
