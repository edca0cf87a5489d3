// SPDX-License-Identifier: Apache-2.0
/* Chooses between virtio-fs, 9p and no share. */

#include "share/choice.h"

#include "base/str.h"
#include "vmm/kernel.h"

int share_refuse(const struct runtime_config *c, struct err *err)
{
	err_set(err, E_CONFIG,
		"%s: shared_fs = \"" SHARE_VIRTIOFS "\": without KVM the guest would go on running "
		"the old code of a program that was replaced: kernel %s does not store what it "
		"reads",
		c->file, c->kernel);
	return err_hint(err, "use the kernel of this release, or set shared_fs = \"" SHARE_9P "\"");
}

int share_choose(const struct runtime_config *c, const char *accelerator,
		 struct share_choice *choice, struct err *err)
{
	bool stores;

	if (*c->shared_fs && !str_eq(c->shared_fs, SHARE_VIRTIOFS)) {
		*choice = (struct share_choice){ c->shared_fs, "as configured" };
		return 0;
	}
	if (!str_eq(accelerator, "tcg")) {
		*choice = (struct share_choice){ SHARE_VIRTIOFS,
						 *c->shared_fs ? "as configured" : "with KVM" };
		return 0;
	}
	if (kernel_stores_pages(c->kernel, &stores, err) < 0)
		return -1;
	if (!stores && *c->shared_fs)
		return share_refuse(c, err);
	if (!stores)
		*choice = (struct share_choice){ SHARE_9P,
						 "without KVM, with a guest kernel that does not "
						 "store what it reads" };
	else
		*choice = (struct share_choice){
			SHARE_VIRTIOFS,
			*c->shared_fs ? "as configured" : "the guest kernel stores what it reads"
		};
	return 0;
}
