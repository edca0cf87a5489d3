// SPDX-License-Identifier: Apache-2.0
/* kata-deploy withdraw: has every node of a cluster uninstall, and waits. */

#include "deploy/report/withdraw.h"

#include "base/str.h"
#include "deploy/cli/say.h"
#include "deploy/verbs/verbs.h"

static struct {
	const char *suffix, *space, *owner, *kubeconfig, *context;
	unsigned seconds;
	bool unready;
	struct cli_talk talk;
} o = { .seconds = WITHDRAW_SECONDS };

const struct opt withdraw_opts[] = {
	OPT_STR(0, "suffix", "NAME", &o.suffix, "name of the installation beside others"),
	OPT_STR(0, "owner", "DAEMONSET", &o.owner,
		"the request is removed with it; default: it stays"),
	OPT_STR(0, "namespace", "NAME", &o.space, "of the DaemonSet; default: the account's"),
	OPT_UINT(0, "timeout", "SECONDS", &o.seconds, "default: 600"),
	OPT_FLAG(0, "wait-unready", &o.unready, "wait for nodes that are not Ready, too"),
	OPT_PATH(0, "kubeconfig", "FILE", &o.kubeconfig, "default: the pod's service account"),
	OPT_STR(0, "context", "NAME", &o.context, "of the kubeconfig; default: its current one"),
	CLI_TALK(o.talk),
	OPT_END,
};

static void on_done(void *arg, const char *node)
{
	(void)arg;
	say_note("%s has uninstalled", node);
}

static void print_left(const struct withdraw *w)
{
	vec_each(const struct withdraw_node, n, &w->left)
		say("%s is not Ready and has not uninstalled%s%s; run kata-deploy uninstall there "
		    "when it is back",
		    n->name, n->why ? ": " : "", n->why ? n->why : "");
	say("%llu of %llu nodes have uninstalled", (unsigned long long)(w->asked - w->left.n),
	    (unsigned long long)w->asked);
}

static void print_json(const struct withdraw *w)
{
	AUTO(json) struct json *j = json_make_object();
	struct json *left = json_make_array();

	json_put(j, "verb", json_make_string("withdraw"));
	json_put(j, "asked", json_make_u64(w->asked));
	json_put(j, "left", left);
	vec_each(const struct withdraw_node, n, &w->left) {
		struct json *one = json_make_object();

		json_put(one, "node", json_make_string(n->name));
		json_put(one, "ready", json_make_bool(n->ready));
		json_put(one, "why", json_make_string(n->why));
		json_add(left, one);
	}
	say_json(j);
}

int verb_withdraw(int argc, char **argv, struct err *err)
{
	AUTO(withdraw)
	struct withdraw w = { .suffix = o.suffix,
			      .owner = o.owner,
			      .seconds = o.seconds,
			      .unready = o.unready,
			      .done = on_done };
	struct kube_options access = { .kubeconfig = o.kubeconfig, .context = o.context };
	AUTO(kube) struct kube *k = NULL;

	(void)argc, (void)argv;
	if (say_begin(&o.talk, err) < 0 || kube_open(&access, &k, err) < 0)
		return -1;
	w.space = o.space ? o.space : kube_namespace(k);
	if (kube_check_name(w.space, "namespace", err) < 0 ||
	    (o.suffix && kube_check_name(o.suffix, "suffix", err) < 0) ||
	    (o.owner && kube_check_name(o.owner, "DaemonSet", err) < 0) ||
	    withdraw_run(&w, k, err) < 0)
		return -1;
	if (o.talk.json)
		print_json(&w);
	else
		print_left(&w);
	return 0;
}
