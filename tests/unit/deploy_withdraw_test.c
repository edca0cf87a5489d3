// SPDX-License-Identifier: Apache-2.0
/* kata-deploy withdraw with a scripted API server: which nodes get the request, for which nodes it
 * waits, and what it reports about nodes that have not uninstalled. */

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "deploy/report/withdraw.h"
#include "tests/unit/kube_lab.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>

static struct api api;
static char dir[API_DIR];
static struct kube *k;
static struct withdraw w;
static struct err err;
static char **done;

static void on_done(void *arg, const char *node)
{
	(void)arg;
	strv_push(&done, node);
}

static void setup(void)
{
	api_set_up(&api, dir);
	err_clear(&err);
	w = (struct withdraw){
		.space = "kata", .seconds = 60, .settle_ms = 200, .grace_s = 3600, .done = on_done
	};
}

static void teardown(void)
{
	kube_free(k);
	withdraw_release(&w);
	strv_free(done);
	api_tear_down(&api, dir);
}

#define ANSWERS(said)                                     \
	do {                                              \
		api_start(&api, (said), ARRAY_LEN(said)); \
		k = api_client(&api, dir);                \
	} while (0)

#define LEASES "POST /apis/coordination.k8s.io/v1/namespaces/kata/leases "
#define NODES  "GET /api/v1/nodes?labelSelector=kata-deploy.katacontainers.io%2Fdefault"
#define LIST(item) \
	"{\"kind\":\"NodeList\",\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[" item "]}"
#define READY      "{\"type\":\"Ready\",\"status\":\"True\"}"
#define DOWN       "{\"type\":\"Ready\",\"status\":\"Unknown\",\"message\":\"stopped posting\"}"
#define KATA(text) "{\"type\":\"KataReady\",\"status\":\"False\",\"message\":\"" text "\"}"
#define NODE(name, conditions)                                                          \
	"{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"10\"},\"status\":{" \
	"\"conditions\":[" conditions "]}}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"

static const struct said made = { .asked = LEASES, .status = 201, .body = "{\"metadata\":{}}" };

START_TEST(nodes_that_uninstall_are_waited_for)
{
	struct said said[] = {
		made,
		{ .asked = NODES,
		  .status = 200,
		  .body = LIST(NODE("a", READY) "," NODE("b", READY)) },
		{ .asked = NODES,
		  .status = 200,
		  .body = EVENT("MODIFIED", NODE("a", READY "," KATA("waits for its turn")))
			  EVENT("DELETED", NODE("b", READY)) EVENT("DELETED", NODE("a", READY)),
		  .how = SAY_STAY },
	};

	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(w.asked, 2);
	ck_assert_uint_eq(w.left.n, 0);
	ck_assert_uint_eq(strv_len(done), 2);
	ck_assert_str_eq(done[0], "b");
	api_end(&api);
	api_stop(&api);
}
END_TEST

/* The node got its label after the request. */
START_TEST(a_node_that_appears_later_is_waited_for)
{
	struct said said[] = {
		made,
		{ .asked = NODES, .status = 200, .body = LIST("") },
		{ .asked = NODES,
		  .status = 200,
		  .body = EVENT("ADDED", NODE("a", READY)) EVENT("DELETED", NODE("a", READY)),
		  .how = SAY_STAY },
	};

	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(w.asked, 1);
	ck_assert_uint_eq(strv_len(done), 1);
	api_stop(&api);
}
END_TEST

START_TEST(nodes_that_do_not_uninstall_are_named)
{
	struct said said[] = {
		made,
		{ .asked = NODES,
		  .status = 200,
		  .body = LIST(NODE("a", READY "," KATA("2 pods use it")) "," NODE("b", DOWN)) },
		{ .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
		{ .asked = NODES,
		  .status = 200,
		  .body = LIST(NODE("a", READY "," KATA("2 pods use it")) "," NODE("b", DOWN)) },
		{ .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
	};

	w.seconds = 1;
	w.unready = true;
	ANSWERS(said);
	ck_assert_int_lt(withdraw_run(&w, k, &err), 0);
	ck_assert_int_eq(err.code, E_TIMEOUT);
	ck_assert_msg(strstr(err.msg, "2 of 2 nodes") && strstr(err.msg, "a: 2 pods use it") &&
			      strstr(err.msg, "b (not Ready)"),
		      "%s", err.msg);
	ck_assert_uint_eq(w.left.n, 2);
	api_stop(&api);
}
END_TEST

/* It may never come back; it is named, but does not count as a failure. */
START_TEST(a_node_that_is_down_is_not_waited_for)
{
	struct said said[] = {
		made,
		{ .asked = NODES,
		  .status = 200,
		  .body = LIST(NODE("a", DOWN "," KATA("Unknown")) "," NODE("b", READY)) },
		{ .asked = NODES,
		  .status = 200,
		  .body = EVENT("DELETED", NODE("b", READY)),
		  .how = SAY_STAY },
	};

	w.grace_s = 1;
	w.settle_ms = 2500; /* what is looked at then */
	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(w.asked, 2);
	ck_assert_uint_eq(w.left.n, 1);
	ck_assert_str_eq(w.left.v[0].name, "a");
	ck_assert_str_eq(w.left.v[0].why, "Unknown");
	ck_assert(!w.left.v[0].ready);
	api_stop(&api);
}
END_TEST

START_TEST(many_names_are_cut)
{
	AUTO(buf) struct buf list = BUF_INIT(65536);
	struct said said[] = {
		made,
		{ .asked = NODES, .status = 200 },
		{ .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
		{ .asked = NODES, .status = 200 },
		{ .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
	};

	buf_str(&list, "{\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[");
	for (int i = 0; i < 100; i++)
		buf_fmt(&list, "%s{\"metadata\":{\"name\":\"n%d\"}}", i ? "," : "", i);
	buf_str(&list, "]}");
	said[1].body = said[3].body = buf_cstr(&list);
	w.seconds = 1;
	w.unready = true;
	ANSWERS(said);
	ck_assert_int_lt(withdraw_run(&w, k, &err), 0);
	ck_assert_msg(strstr(err.msg, "100 of 100 nodes") && strstr(err.msg, " and 80 more"), "%s",
		      err.msg);
	api_stop(&api);
}
END_TEST

/* A malformed node object is a node that is not Ready. */
#define ODD(name, rest) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"1\"}" rest "}"
#define NUMBER          ODD("a", ",\"status\":7")
#define TEXT            ODD("b", ",\"status\":{\"conditions\":\"x\"}")
#define MIXED           ",\"status\":{\"conditions\":[null,7,\"Ready\",{\"type\":7}]}"
#define BARE            ",\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":true}]}"
#define ODD_ONES        NUMBER "," TEXT "," ODD("c", MIXED) "," ODD("d", BARE) "," ODD("e", "")

START_TEST(malformed_nodes_are_survived)
{
	struct said said[] = {
		made,
		{ .asked = NODES, .status = 200, .body = LIST(ODD_ONES) },
		{ .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
	};

	w.grace_s = 1;
	w.settle_ms = 2500;
	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(w.left.n, 5);
	for (size_t i = 0; i < w.left.n; i++)
		ck_assert(!w.left.v[i].ready && !w.left.v[i].why);
	api_stop(&api);
}
END_TEST

/* The DaemonSet owns the request; a request of an earlier attempt is used. */
START_TEST(the_request_is_a_lease_of_the_daemonset)
{
	static const struct said said[] = {
		{ .asked = "GET /apis/apps/v1/namespaces/kata/daemonsets/lab ",
		  .status = 200,
		  .body = "{\"metadata\":{\"name\":\"lab\",\"uid\":\"u-1\"}}" },
		{ .asked = LEASES, .status = 409, .body = "{\"reason\":\"AlreadyExists\"}" },
		{ .asked = "GET /api/v1/nodes?labelSelector=kata-deploy.katacontainers.io%2Fb",
		  .status = 200,
		  .body = LIST("") },
		{ .status = 200, .body = "", .how = SAY_STAY },
	};

	w.owner = "lab";
	w.suffix = "b";
	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(w.asked, 0);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->body, "kata-deploy.b.uninstall"));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->body, "\"uid\":\"u-1\""));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->body, "\"kind\":\"DaemonSet\""));
	api_stop(&api);
}
END_TEST

/* The request that is there is of an installation that was removed a moment ago: nodes ignore it,
 * and the cluster removes it with its DaemonSet. */
START_TEST(a_request_that_vanishes_is_made_again)
{
	static const struct said said[] = {
		{ .asked = LEASES, .status = 409, .body = "{\"reason\":\"AlreadyExists\"}" },
		{ .asked = NODES, .status = 200, .body = LIST(NODE("a", READY)) },
		{ .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
		{ .asked = LEASES, .status = 201, .body = "{\"metadata\":{}}" },
		{ .asked = NODES, .status = 200, .body = LIST(NODE("a", READY)) },
		{ .asked = NODES,
		  .status = 200,
		  .body = EVENT("DELETED", NODE("a", READY)),
		  .how = SAY_STAY },
	};

	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(done), 1);
	api_end(&api);
	api_stop(&api);
}
END_TEST

#define SET  "GET /apis/apps/v1/namespaces/kata/daemonsets/lab "
#define PODS "GET /api/v1/namespaces/kata/pods?labelSelector=app%3Dkata%2Cname%3Dlab"
#define POD(node, phase)                                                                \
	"{\"metadata\":{\"name\":\"p-" node "\"},\"spec\":{\"nodeName\":\"" node "\"}," \
	"\"status\":{\"phase\":\"" phase "\"}}"

static const struct said lab = {
	.asked = SET,
	.status = 200,
	.body = "{\"metadata\":{\"name\":\"lab\",\"uid\":\"u-1\"},\"spec\":{\"selector\":"
		"{\"matchLabels\":{\"app\":\"kata\",\"name\":\"lab\"}}}}",
};

/* The DaemonSet was narrowed to other nodes: nobody would uninstall on a. The pod of b runs, c is
 * down, the pod of d has ended for good. */
START_TEST(nodes_without_a_pod_are_named_early)
{
	struct said list = { .asked = NODES,
			     .status = 200,
			     .body = LIST(NODE("a", READY) "," NODE("b", READY) "," NODE(
				     "c", DOWN) "," NODE("d", READY)) },
		    pods = { .asked = PODS,
			     .status = 200,
			     .body = LIST(POD("b", "Running") "," POD("d", "Failed")) },
		    stay = { .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
		    gone = { .asked = NODES,
			     .status = 200,
			     .body = EVENT("DELETED", NODE("b", READY)),
			     .how = SAY_STAY };
	struct said said[] = { lab, made, list, stay, pods, list, gone, pods, list, gone, pods };

	w.owner = "lab";
	w.grace_s = 1;
	w.seconds = 600;
	ANSWERS(said);
	ck_assert_int_lt(withdraw_run(&w, k, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_msg(strstr(err.msg, "2 nodes") && strstr(err.msg, "a, d") &&
			      strstr(err.msg, "DaemonSet lab") && strstr(err.msg, "nodeSelector"),
		      "%s", err.msg);
	ck_assert_ptr_null(strstr(err.msg, " c"));
	api_stop(&api);
}
END_TEST

/* A pod that is replaced is missing for moments, and an account may lack the right to see pods:
 * both are waited for. */
START_TEST(a_pod_that_is_away_for_a_moment_is_no_reason)
{
	struct said list = { .asked = NODES, .status = 200, .body = LIST(NODE("a", READY)) },
		    none = { .asked = PODS, .status = 200, .body = LIST("") },
		    some = { .asked = PODS, .status = 200, .body = LIST(POD("a", "Running")) },
		    refused = { .asked = PODS,
				.status = 403,
				.body = "{\"reason\":\"Forbidden\"}" },
		    stay = { .asked = NODES, .status = 200, .body = "", .how = SAY_STAY },
		    gone = { .asked = NODES,
			     .status = 200,
			     .body = EVENT("DELETED", NODE("a", READY)),
			     .how = SAY_STAY };
	struct said said[] = { lab,  made, list, stay, none, list,    stay, some,
			       list, stay, none, list, stay, refused, list, gone };

	w.owner = "lab";
	w.grace_s = 1;
	ANSWERS(said);
	ck_assert_msg(withdraw_run(&w, k, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(strv_len(done), 1);
	api_end(&api);
	api_stop(&api);
}
END_TEST

START_TEST(no_daemonset_and_nodes_that_it_should_ask)
{
	static const struct said said[] = {
		{ .asked = "GET /apis/apps/v1/namespaces/kata/daemonsets/lab ",
		  .status = 404,
		  .body = "{\"reason\":\"NotFound\"}" },
		{ .asked = NODES,
		  .status = 200,
		  .body = LIST(NODE("a", READY) "," NODE("b", READY)) },
	};

	w.owner = "lab";
	ANSWERS(said);
	ck_assert_int_lt(withdraw_run(&w, k, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_msg(strstr(err.msg, "DaemonSet lab") && strstr(err.msg, "2 nodes"), "%s",
		      err.msg);
	api_end(&api);
	api_stop(&api);
}
END_TEST

START_TEST(a_missing_permission_is_named)
{
	static const struct said said[] = {
		{ .asked = LEASES,
		  .status = 403,
		  .body = "{\"reason\":\"Forbidden\",\"message\":\"leases is forbidden\"}" },
	};

	ANSWERS(said);
	ck_assert_int_lt(withdraw_run(&w, k, &err), 0);
	ck_assert_int_eq(err.code, E_PERMISSION);
	api_end(&api);
	api_stop(&api);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("deploy_withdraw");
	TCase *t = tcase_create("withdraw");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nodes_that_uninstall_are_waited_for);
	tcase_add_test(t, a_node_that_appears_later_is_waited_for);
	tcase_add_test(t, nodes_that_do_not_uninstall_are_named);
	tcase_add_test(t, a_node_that_is_down_is_not_waited_for);
	tcase_add_test(t, many_names_are_cut);
	tcase_add_test(t, malformed_nodes_are_survived);
	tcase_add_test(t, the_request_is_a_lease_of_the_daemonset);
	tcase_add_test(t, a_request_that_vanishes_is_made_again);
	tcase_add_test(t, nodes_without_a_pod_are_named_early);
	tcase_add_test(t, a_pod_that_is_away_for_a_moment_is_no_reason);
	tcase_add_test(t, no_daemonset_and_nodes_that_it_should_ask);
	tcase_add_test(t, a_missing_permission_is_named);
	suite_add_tcase(s, t);
	return suite_run(s);
}
