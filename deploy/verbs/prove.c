// SPDX-License-Identifier: Apache-2.0
/* kata-deploy prove: runs the proof of the installed release again. It holds the lock: a change would
 * restart the manager, and the proof of another installation removes the image that this one uses. */

#include "deploy/prove/prove.h"

#include "base/str.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/verbs.h"

#include <sys/utsname.h>

static struct {
	struct cli_place place;
	struct cli_manager manager;
	struct cli_talk talk;
} o;

const struct opt prove_opts[] = { CLI_PLACE(o.place), CLI_MANAGER(o.manager), CLI_TALK(o.talk),
				  OPT_END };

static void print(const struct prove_report *report)
{
	struct utsname u;

	say("a %s ran in its own VM, %llu ms after the request", report->pod ? "pod" : "container",
	    (unsigned long long)report->ms);
	if (!report->pod)
		say("  no pod           %s", report->why);
	if (uname(&u) == 0)
		say("  kernel here      %s", u.release);
	say("  kernel in the VM %s", report->kernel);
	say("  agent            %s", report->agent);
	say("  memory           %s", say_bytes(report->memory));
	say("  processors       %llu", (unsigned long long)report->cpus);
}

int verb_prove(int argc, char **argv, struct err *err)
{
	AUTO(deploy) struct deploy *d = NULL;
	AUTO(json) struct json *doc = NULL;
	const struct json *record;
	AUTO(cri) struct cri *cri = NULL;
	struct prove_report report;
	struct prove what;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || node_open(&o.place, node_may_hold(), &d, err) < 0)
		return -1;
	if (node_need_installed(d, &o.place, err) < 0 ||
	    node_manager(d, &o.place, &o.manager, &doc, &cri, err) < 0 ||
	    node_need_running(cri, err) < 0 || /* its client would wait for it */
	    node_recall(d, "cri", &doc, &record, err) < 0)
		return -1;
	what = (struct prove){ .manager = cri_name(cri),
			       .socket = cri_socket(cri),
			       .prefix = o.place.prefix,
			       .handler = node_handler(record) };
	prove_name(&what);
	progress_phase("proof");
	if (prove_run(&what, &report, err) < 0)
		return -1;
	progress_end();
	if (o.talk.json) {
		AUTO(json) struct json *j = prove_json(&report);

		say_json(j);
	} else {
		print(&report);
	}
	return 0;
}
