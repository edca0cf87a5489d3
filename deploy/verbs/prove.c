// SPDX-License-Identifier: Apache-2.0
/* kata-deploy prove: runs the proof of an install again. */

#include "deploy/prove/prove.h"

#include "base/str.h"
#include "deploy/cli/cli.h"
#include "deploy/cli/node.h"
#include "deploy/cli/progress.h"

#include <sys/utsname.h>

const struct opt prove_opts[] = { CLI_PLACE, CLI_MANAGER, CLI_TALK, OPT_END };

static void print(const struct prove_report *report)
{
	struct utsname u;

	say("a container ran in its own VM, %llu ms after the request",
	    (unsigned long long)report->ms);
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
	AUTO(cri) struct cri *cri = NULL;
	struct prove_report report;
	struct prove what;

	(void)argc, (void)argv;
	if (progress_open(err) < 0 || node_open(DEPLOY_LOOK, &d, err) < 0)
		return -1;
	if (!deploy_installed(d)->current) {
		err_set(err, E_STATE, "nothing is installed below %s", node_prefix());
		return err_hint(err, "run kata-deploy install");
	}
	if (node_manager(d, &doc, &cri, err) < 0)
		return -1;
	what = (struct prove){ .manager = cri_name(cri),
			       .socket = cri_socket(cri),
			       .prefix = node_prefix() };
	prove_name(&what);
	progress_phase("proof");
	if (prove_run(&what, &report, err) < 0)
		return -1;
	progress_end();
	if (cli.json) {
		AUTO(json) struct json *j = prove_json(&report);

		say_json(j);
	} else {
		print(&report);
	}
	return 0;
}
