// SPDX-License-Identifier: Apache-2.0
/* Sets the SELinux label of the programs that a thread executes. */

#include "vmm/selinux.h"

#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdlib.h>

static const struct selinux_places kernels = { "/sys/fs/selinux", "/proc/thread-self/attr/exec" };

/* The file exists if a policy is loaded, whether it is enforced or not. */
static bool is_enabled(const struct selinux_places *places)
{
	AUTO(str) char *enforce = path_join(places->mount, "enforce");

	return path_exists(enforce);
}

int selinux_label(const struct selinux_places *places, const char *label, struct err *err)
{
	if (!places)
		places = &kernels;
	if (str_empty(label) || !is_enabled(places))
		return 0;
	if (file_write(AT_FDCWD, places->exec, label, err) == 0)
		return 0;
	err_wrap(err, "SELinux label '%.200s' of the VMM", label);
	return err_hint(err, "allow it in the node's policy, or set disable_selinux = true in "
			     "[hypervisor.qemu]");
}

/* An empty line removes the label. */
void selinux_unlabel(const struct selinux_places *places)
{
	struct err err = ERR_INIT;

	if (!places)
		places = &kernels;
	if (is_enabled(places) && file_write(AT_FDCWD, places->exec, "\n", &err) < 0)
		log_err(LOG_WARN, &err, "later programs begin with the VMM's SELinux label");
}
