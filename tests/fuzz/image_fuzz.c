// SPDX-License-Identifier: Apache-2.0
/* Images of a guest's root file system. The first line of the input is the text with the dm-verity
 * parameters, the rest is the image. */

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/image.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* These values are written to the guest's kernel command line, so they must not contain anything
 * that would add parameters to it. */
static void check(const struct root_image *i)
{
	static const char hex[] = "0123456789abcdefABCDEF";

	if (!*i->fs || strlen(i->fs) >= sizeof(i->fs))
		bug("no file system");
	if (!*i->root_hash)
		return;
	if (strspn(i->root_hash, hex) != 64 || i->root_hash[64] || !*i->salt ||
	    i->salt[strspn(i->salt, hex)] || !i->blocks || !i->data_block || !i->hash_block)
		bug("parameters of dm-verity");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, '\n', size) : NULL;
	size_t line = end ? (size_t)(end - data) : 0;
	AUTO(str) char *params = xstrndup((const char *)data, line);
	AUTO(fd) int fd = memfd_create("image", MFD_CLOEXEC);
	struct err err = ERR_INIT;
	struct root_image i;

	if (fd < 0 || (end && fd_write_all(fd, end + 1, size - line - 1, &err) < 0))
		return 0;
	if (root_image_read(fd, "/nowhere/image", params, "", &i, &err) == 0)
		check(&i);
	else if (!err.code)
		bug("a failure without an error");
	return 0;
}
