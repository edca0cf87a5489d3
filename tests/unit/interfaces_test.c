// SPDX-License-Identifier: Apache-2.0
/* What the agent is told of an interface. */

#include "tests/unit/suite.h"

#include "base/str.h"
#include "protocols/agent.pb-c.h"
#include "sandbox/interfaces.h"

#include <check.h>
#include <stdlib.h>

static struct sandbox sandbox;
static bool failing;
static char *told; /* the last request: "DEVICE NAME" */

/* The runtime's network is not needed, but for this. */
const char *network_name_of(const struct network *n, int index)
{
	(void)n, (void)index;
	return "";
}

int sandbox_call(struct sandbox *s, const char *method, const void *request,
		 const ProtobufCMessageDescriptor *reply_type, struct deadline deadline,
		 void *reply, struct err *err)
{
	const Grpc__UpdateInterfaceRequest *r = request;

	(void)s, (void)method, (void)reply_type, (void)deadline, (void)reply;
	free(told);
	told = str_fmt("%s %s", r->interface->device, r->interface->name);
	return failing ? err_set(err, E_TIMEOUT, "the guest is busy") : 0;
}

static const char *tell(struct endpoint *e, const char *name, bool works)
{
	struct err err = ERR_INIT;

	ck_assert_int_eq(str_print(e->link.name, sizeof(e->link.name), "%s", name), 0);
	failing = !works;
	ck_assert_int_eq(interfaces_update(&sandbox, e, deadline_in(0), &err), works ? 0 : -1);
	ck_assert(e->synced == works);
	return told;
}

/* By which the agent tells two cards with one hardware address apart. */
START_TEST(the_agent_is_told_the_name_that_the_guest_has)
{
	struct endpoint e = { .synced = false };

	ck_assert_str_eq(tell(&e, "net1", true), "net1 net1");
	ck_assert_str_eq(tell(&e, "net2", false), "net1 net2");
	ck_assert_str_eq(tell(&e, "net3", true), "net1 net3");
	ck_assert_str_eq(tell(&e, "net3", true), "net3 net3");
	free(STEAL(told, NULL));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("interfaces");
	TCase *t = tcase_create("requests");

	tcase_add_test(t, the_agent_is_told_the_name_that_the_guest_has);
	suite_add_tcase(s, t);
	return suite_run(s);
}
