// SPDX-License-Identifier: Apache-2.0
/* kata-deploy keys rotate: accepts a new set of keys signed by the old one. */

#include "base/file.h"
#include "base/str.h"
#include "deploy/cli/memory.h"
#include "deploy/cli/node.h"
#include "deploy/cli/say.h"
#include "deploy/release/signatures.h"
#include "deploy/trust/trust.h"
#include "deploy/verbs/packager.h"
#include "deploy/verbs/verbs.h"

#include <fcntl.h>

static struct {
	const char *trust_dir;
	bool allow_expired;
	struct cli_place place;
	struct cli_talk talk;
} o;

enum { ROOT_MAX = 64 << 10 };

const struct opt rotate_opts[] = {
	OPT_PATH(0, "trust-dir", "DIR", &o.trust_dir, "default: " TRUST_DIRECTORY),
	OPT_FLAG(0, "allow-expired", &o.allow_expired, "accept a root that has expired"),
	CLI_PLACE(o.place),
	CLI_JSON(o.talk),
	OPT_END,
};

static void print_roles(const struct json *report)
{
	const struct json *keys = json_get(report, "keys");

	for (size_t i = 0; i < json_count(keys); i++) {
		AUTO(strv) char **roles = NULL;

		if (json_get_strings(json_at(keys, i), "roles", &roles) < 0)
			continue;
		AUTO(str) char *list = strv_join(roles, ",");
		say("%s  %s", json_get_text(json_at(keys, i), "id"), list);
	}
	say("%lld must sign a release, %lld a channel",
	    (long long)json_int(json_get(report, "threshold")),
	    (long long)json_int(json_get(report, "channel_threshold")));
}

int keys_rotate(int argc, char **argv, struct err *err)
{
	AUTO(str) char *kept = NULL, *directory = NULL;
	struct trust_options options;
	AUTO(signatures) struct signatures sigs = SIGNATURES_INIT;
	AUTO(buf) struct buf root = BUF_INIT(ROOT_MAX);
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(trust) struct trust *t = NULL;

	(void)argc;
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, DEPLOY_CHANGE, &d, err) < 0)
		return -1;
	directory = place_trust(&o.place, o.trust_dir, err);
	if (!directory)
		return -1;
	options = memory_options(&o.place, &kept);
	options.directory = directory;
	options.allow_expired = o.allow_expired;
	if (!deploy_installed(d)->current) {
		err_set(err, E_STATE, "nothing is installed below %s", o.place.prefix);
		return err_hint(err, "put the root into %s/root.json", options.directory);
	}
	if (file_read(AT_FDCWD, argv[0], ROOT_MAX, &root, err) < 0 ||
	    signatures_read(AT_FDCWD, argv[0], &sigs, err) < 0 ||
	    trust_open(&options, deploy_state(d), &t, err) < 0 ||
	    trust_rotate(t, buf_cstr(&root), root.len, sigs.list, sigs.n, err) < 0 ||
	    memory_commit(d, &o.place, t, err) < 0)
		return -1;
	AUTO(json) struct json *j = trust_report(t);
	if (o.talk.json)
		say_json(j);
	say("the keys of %s are trusted from now on:", argv[0]);
	print_roles(j);
	return 0;
}
