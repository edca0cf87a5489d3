// SPDX-License-Identifier: Apache-2.0
/* kata-deploy fetch: copies a release to a directory, after verifying it. */

#include "base/path.h"
#include "base/str.h"
#include "deploy/cli/node.h"
#include "deploy/cli/offer.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/verbs.h"

#include <fcntl.h>
#include <unistd.h>

static struct {
	struct cli_offer wanted;
	const char *to;
	struct cli_place place;
	struct cli_talk talk;
} o;

const struct opt fetch_opts[] = {
	CLI_SOURCE(o.wanted.source),
	OPT_PATH(0, "to", "DIR", &o.to, "target: a new directory or an earlier copy"),
	OPT_STRV(0, "components", "NAME,...", &o.wanted.parts.components,
		 "only these and the required ones"),
	CLI_TRUST(o.wanted.trust),
	CLI_PLACE(o.place),
	CLI_TALK(o.talk),
	OPT_END,
};

static int copy(const struct offer *offer, bool *changed, struct err *err)
{
	static const struct source_progress show = { progress_at, NULL };
	int there = path_look(AT_FDCWD, o.to, err);

	if (there < 0 || path_make(o.to, 0755, err) < 0)
		return -1;
	AUTO(fd) int dir = open(o.to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		(void)err_sys(err, "open %s", o.to);
	if (dir >= 0 && source_copy(offer->source, &offer->release, o.wanted.parts.components, dir,
				    &show, changed, err) == 0)
		return 0;
	if (!there)
		(void)rmdir(o.to); /* fails if it has files, with which the next fetch continues */
	return -1;
}

int verb_fetch(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(offer) struct offer offer = OFFER_OF(&o.wanted, &o.place);
	AUTO(str) char *sentence = NULL;
	bool changed = false;

	(void)argc, (void)argv;
	if (!o.to)
		return err_set(err, E_USAGE,
			       "no target is given; add --to DIR, the directory of the copy");
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_LOOK, &d, err) < 0 ||
	    offer_open(d, &offer, err) < 0)
		return -1;
	if (copy(&offer, &changed, err) < 0)
		return err_wrap(err, "copy kata %s to %s", offer.release.version, o.to);
	progress_end();
	sentence = str_fmt("kata %s is in %s; install it with --release %s", offer.release.version,
			   o.to, o.to);
	say_done("fetch", changed, sentence);
	return 0;
}
