// SPDX-License-Identifier: Apache-2.0
/* Reads the termination message that a container leaves for Kubernetes. */

#include "agent/termination.h"

#include "agent/paths.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* Only below GUEST_DIR, and without leaving it by links: the container writes there, and the path
 * comes from its specification. */
int termination_read(const char *path, struct buf *out, struct err *err)
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
	return file_read_fd(fd, "termination log", TERMINATION_MAX, out, err);
}
