// SPDX-License-Identifier: Apache-2.0
/* kata-deploy fetch: an offline copy of a release, verified before it is made. */

#include "base/path.h"
#include "base/str.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/node.h"
#include "deploy/cli/offer.h"
#include "deploy/cli/progress.h"

#include <fcntl.h>

const struct opt fetch_opts[] = {
	CLI_SOURCE,
	OPT_STR(0, "to", "DIR", &cli.to, "target: a new directory or an earlier copy"),
	OPT_STRV(0, "components", "NAME,...", &cli.components, "only these and the required ones"),
	CLI_TRUSTED,
	CLI_PLACE,
	CLI_TALK,
	OPT_END,
};

int verb_fetch(int argc, char **argv, struct err *err)
{
	static const struct source_progress show = { progress_at, NULL };
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(offer) struct offer o = OFFER_INIT;
	AUTO(str) char *sentence = NULL;

	(void)argc, (void)argv;
	if (!cli.to)
		return err_set(err, E_USAGE, "--to DIR is required: the directory of the copy");
	if (progress_open(err) < 0 || node_open(DEPLOY_LOOK, &d, err) < 0 ||
	    offer_open(d, &o, err) < 0 || path_make(cli.to, 0755, err) < 0)
		return -1;
	AUTO(fd) int dir = open(cli.to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(err, "open %s", cli.to);
	if (source_copy(o.source, &o.release, cli.components, dir, &show, err) < 0)
		return err_wrap(err, "copy kata %s to %s", o.release.version, cli.to);
	progress_end();
	sentence = str_fmt("kata %s is in %s; install it with --release %s", o.release.version,
			   cli.to, cli.to);
	say_done("fetch", true, sentence);
	return 0;
}
