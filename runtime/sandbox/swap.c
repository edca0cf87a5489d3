// SPDX-License-Identifier: Apache-2.0
/* Swap space of the guest: sparse files in the sandbox's directory, each plugged into the VM as a
 * disk. */

#include "sandbox/sandbox.h"

#include "base/path.h"
#include "base/str.h"
#include "device/swap.h"
#include "protocols/agent.pb-c.h"
#include "sandbox/record.h"

#include <stdlib.h>
#include <unistd.h>

enum { PATH_STEPS = 8 };

/* "1e/05" as the list of slots that AddSwapRequest has. */
static int parse_address(const struct vmm_address *address, uint32_t steps[PATH_STEPS], size_t *n,
			 struct err *err)
{
	AUTO(strv) char **words = strv_split(address->pci, "/");

	*n = 0;
	if (*address->scsi) {
		err_set(err, E_UNSUPPORTED, "the agent finds swap space on PCI only");
		return err_hint(err, "set block_device_driver = \"virtio-blk\" in "
				     "[hypervisor.qemu]");
	}
	strv_each(word, words) {
		uint64_t slot;

		if (*n == PATH_STEPS || str_u64(*word, 16, 0, 31, "PCI slot", &slot, err) < 0)
			return -1;
		steps[(*n)++] = (uint32_t)slot;
	}
	return 0;
}

static int enable(struct sandbox *s, const struct disk *disk, struct deadline deadline,
		  struct err *err)
{
	Grpc__AddSwapRequest request = GRPC__ADD_SWAP_REQUEST__INIT;
	uint32_t steps[PATH_STEPS];

	if (parse_address(&disk->address, steps, &request.n_pcipath, err) < 0)
		return -1;
	request.pcipath = steps;
	return sandbox_call(s, "AddSwap", &request, NULL, deadline, NULL, err);
}

static int plug(struct sandbox *s, const char *file, struct deadline deadline, struct err *err)
{
	struct err ignored = ERR_INIT; /* the first error is reported */
	struct disk *disk;

	if (vm_plug_disk(s->vm, file, false, &disk, deadline, err) < 0)
		return -1;
	if (enable(s, disk, deadline, err) == 0)
		return 0;
	(void)!vm_unplug_disk(s->vm, disk, deadline, &ignored);
	return -1;
}

/* Gives the guest more swap space. The file is removed with the sandbox's directory. */
static int add(struct sandbox *s, uint64_t bytes, struct deadline deadline, struct err *err)
{
	AUTO(str)
	char *file = str_fmt(SANDBOX_SHARE_DIR "/%s/swap%u", s->key, s->swap.files);

	if (swap_make(file, bytes, err) < 0)
		return -1;
	s->swap.files++;
	if (plug(s, file, deadline, err) == 0)
		return 0;
	(void)unlink(file);
	return -1;
}

int sandbox_use_swap(struct sandbox *s, uint64_t bytes, struct deadline deadline, struct err *err)
{
	int result = 0;

	if (!bytes || !s->config->guest_swap)
		return 0;
	(void)pthread_mutex_lock(&s->swap.lock);
	if (s->swap.used + bytes > s->swap.given) {
		result = add(s, s->swap.used + bytes - s->swap.given, deadline, err);
		if (result == 0)
			s->swap.given = s->swap.used + bytes;
	}
	if (result == 0)
		s->swap.used += bytes;
	(void)pthread_mutex_unlock(&s->swap.lock);
	return result;
}

void sandbox_unuse_swap(struct sandbox *s, uint64_t bytes)
{
	if (!s->config->guest_swap)
		return;
	(void)pthread_mutex_lock(&s->swap.lock);
	s->swap.used -= bytes;
	(void)pthread_mutex_unlock(&s->swap.lock);
}
