// SPDX-License-Identifier: Apache-2.0
/* configuration.toml into its struct, by way of a file in memory: the loader takes paths. */

#include "base/fd.h"
#include "base/path.h"
#include "config/config.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;
	struct runtime_config *c;
	AUTO(fd) int fd = memfd_create("configuration.toml", MFD_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, data, size, &ignored) < 0)
		return 0;
	c = config_load(path_of_fd(fd).path, NULL, &err);
	if (c)
		config_free(c);
	return 0;
}
