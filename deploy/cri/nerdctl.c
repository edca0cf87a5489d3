// SPDX-License-Identifier: Apache-2.0
/*
 * The back end of nerdctl, which passes the name of a runtime, or the path of a shim, to
 * containerd. So nothing is registered, and the plan shows the command to use.
 */
#include "base/mem.h"
#include "base/str.h"
#include "deploy/cri/backend.h"
#include "deploy/cri/containerd.h"

static int edit(struct cri *c, struct edits *e, struct err *err)
{
	AUTO(str) char *shim = cri_shim(c);

	(void)err;
	e->off = true;
	e->reason = str_fmt("nothing is registered for nerdctl: `nerdctl run --runtime %s`", shim);
	return 0;
}

/* Every shim can be named. */
static int served(const char *socket, struct deadline deadline, char ***out, struct err *err)
{
	(void)socket, (void)deadline, (void)out;
	return err_set(err, E_UNSUPPORTED,
		       "nerdctl has no runtime handlers; name the shim with --runtime");
}

static const char *const marks[] = { "/usr/local/bin/nerdctl", "/usr/bin/nerdctl", NULL };

const struct cri_backend backend_nerdctl = {
	.name = "nerdctl",
	.config = "/etc/nerdctl/nerdctl.toml",
	.state = "/run/containerd",
	.socket = "/run/containerd/containerd.sock",
	.marks = marks,
	.restart = RESTART_NONE,
	.edit = edit,
	.answers = containerd_answers,
	.served = served,
};
