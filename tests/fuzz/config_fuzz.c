// SPDX-License-Identifier: Apache-2.0
/* configuration.toml, and annotations. The loader takes a path, so the text is put into a file in
 * memory. */

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "config/config.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct runtime_config *load(const void *text, size_t len, const char *const *annotations)
{
	struct err err = ERR_INIT, ignored = ERR_INIT;
	AUTO(fd) int fd = memfd_create("configuration.toml", MFD_CLOEXEC);

	if (fd < 0 || fd_write_all(fd, text, len, &ignored) < 0)
		return NULL;
	return config_load(path_of_fd(fd).path, annotations, &err);
}

/*
 * An input "@NAME=VALUE" is an annotation. The configuration enables three annotations; whatever
 * the value is, other settings do not change.
 */
static void annotate(const uint8_t *data, size_t size)
{
	static const char open[] =
		"[hypervisor.qemu]\npath = \"/bin/true\"\nkernel = \"/dev/null\"\n"
		"initrd = \"/dev/null\"\nshared_fs = \"virtio-9p\"\n"
		"enable_annotations = [\"kernel_params\", \"default_memory\", "
		"\"virtio_fs_extra_args\"]\n";
	AUTO(str) char *text = xstrndup((const char *)data, size);
	char *value = strchr(text, '=');
	AUTO(str) char *name = NULL;
	struct runtime_config *c;

	if (!value)
		return;
	*value++ = '\0';
	name = str_fmt("io.katacontainers.config.%s", text);
	c = load(open, sizeof(open) - 1, (const char *const[]){ name, value, NULL });
	if (!c)
		return;
	if (!str_eq(c->qemu_path, "/bin/true") || !str_eq(c->kernel, "/dev/null") ||
	    !str_eq(c->shared_fs, "virtio-9p") || c->sandbox_bind_mounts)
		bug("annotation %s reached further than it may", name);
	config_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct runtime_config *c;

	if (size && *data == '@') {
		annotate(data + 1, size - 1);
		return 0;
	}
	c = load(data, size, NULL);
	if (c)
		config_free(c);
	return 0;
}
