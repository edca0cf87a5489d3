// SPDX-License-Identifier: Apache-2.0
/* The follower of a network namespace, with a VM and an agent that fail at first. Needs root and
 * ip(8). */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "sandbox/follow.h"
#include "sandbox/interfaces.h"
#include "sandbox/record.h"
#include "sandbox/vm.h"
#include "json/json.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

#define must(call) ck_assert_msg((call) == 0, "%s", err.msg)

static char dir[SCRATCH_DIR];
static struct runtime_config config;
static struct sandbox sandbox;
static pthread_t thread;
static struct err err;

/* --- VM and agent --- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	int plug, update, route; /* how many more of these fail */
	char **done;             /* those that did not */
} guest;

static int do_or_fail(int *failures, const char *what, const char *name, struct err *e)
{
	int result = 0;

	(void)pthread_mutex_lock(&lock);
	if (*failures > 0) {
		--*failures;
		result = err_set(e, E_TIMEOUT, "the guest is busy");
	} else {
		strv_pushf(&guest.done, "%s %s", what, name);
	}
	(void)pthread_mutex_unlock(&lock);
	return result;
}

/* A tap lasts as long as a VM has it open. */
static void keep_tap(int fd)
{
	ck_assert_int_ge(fcntl(fd, F_DUPFD_CLOEXEC, 3), 0);
}

int vm_plug_nic(struct vm *v, const char *id, const struct vmm_device *card,
		struct deadline deadline, struct err *e)
{
	(void)v, (void)deadline;
	keep_tap(card->nic.tap);
	return do_or_fail(&guest.plug, "plug", id, e);
}

int vm_unplug_nic(struct vm *v, const char *id, struct deadline deadline, struct err *e)
{
	(void)v, (void)deadline;
	return do_or_fail(&guest.plug, "unplug", id, e);
}

int interfaces_update(struct sandbox *s, struct endpoint *one, struct deadline deadline,
		      struct err *e)
{
	AUTO(str) char *what = str_fmt("%s %s", one->gone ? "without" : "with", one->link.name);
	int result = do_or_fail(&guest.update, "update", what, e);

	(void)deadline;
	s->network.routes_synced = false;
	one->synced = result == 0;
	return result;
}

/* As an agent, does not know interfaces that were not plugged in. */
int interfaces_route(struct sandbox *s, struct deadline deadline, struct err *e)
{
	(void)deadline;
	if (s->network.routes_synced)
		return 0;
	vec_each(struct netlink_route, r, &s->network.routes.routes) {
		vec_each(struct endpoint, one, &s->network.endpoints.list) {
			if (str_eq(one->link.name, r->device) && !one->connected)
				return err_set(e, E_NOT_FOUND, "no link %s", r->device);
		}
	}
	s->network.routes_synced = do_or_fail(&guest.route, "routes", "", e) == 0;
	return s->network.routes_synced ? 0 : -1;
}

static void set_failing(int plug, int update, int route)
{
	(void)pthread_mutex_lock(&lock);
	guest.plug = plug, guest.update = update, guest.route = route;
	(void)pthread_mutex_unlock(&lock);
}

static bool has_done(const char *what)
{
	bool found;

	(void)pthread_mutex_lock(&lock);
	found = strv_has(guest.done, what);
	(void)pthread_mutex_unlock(&lock);
	return found;
}

static void await(const char *what)
{
	struct deadline d = deadline_in(WAIT_MS);

	while (!has_done(what)) {
		ck_assert_msg(!deadline_passed(d), "not done: %s", what);
		(void)poll(NULL, 0, 10);
	}
}

static void forget_done(void)
{
	(void)pthread_mutex_lock(&lock);
	strv_free(STEAL(guest.done, NULL));
	(void)pthread_mutex_unlock(&lock);
}

/* --- the namespace --- */

static void shell(const char *script)
{
	struct spawn s = { .argv = ARGV("sh", "-ec", script) };
	AUTO(buf) struct buf out = BUF_INIT(1 << 20);

	ck_assert_msg(spawn_run(&s, NULL, 0, &out, deadline_in(60000), &err) == 0, "%s: %s", script,
		      err.msg);
}

static void *run_loop(void *arg)
{
	loop_run(arg);
	return NULL;
}

static void setup(void)
{
	scratch_make(dir, "follow");
	ck_assert(unshare(CLONE_NEWNET) == 0);
	shell("ip link set lo up; ip link add peer type veth peer name eth0 address "
	      "02:00:00:00:00:07\n"
	      "ip link set peer addrgenmode none; ip link set eth0 addrgenmode none\n"
	      "ip link set peer up; ip link set eth0 up; ip addr add 10.1.2.3/24 dev eth0");
	config = (struct runtime_config){ .net_model = (char *)"tcfilter",
					  .vhost_net_off = true,
					  .request_timeout_s = 60 };
	sandbox = (struct sandbox){ .loop = loop_new(&(struct err)ERR_INIT), .config = &config };
	sandbox.record = record_new(dir, "none", "follow-test");
	must(network_scan(&sandbox.network, &config, "/proc/thread-self/ns/net", &err));
	record_interface(sandbox.record, &sandbox.network, sandbox.network.endpoints.list.v);
	must(network_connect(&sandbox.network, &err));
	keep_tap(sandbox.network.endpoints.list.v->tap_fd);
	sandbox.network.endpoints.list.v->synced = true;
	sandbox.network.routes_synced = true;
	ck_assert(pthread_create(&thread, NULL, run_loop, sandbox.loop) == 0);
	sandbox.follower = follow_start(&sandbox, &err);
	ck_assert_msg(sandbox.follower != NULL, "%s", err.msg);
}

static void teardown(void)
{
	follow_stop(sandbox.follower);
	loop_stop(sandbox.loop);
	(void)pthread_join(thread, NULL);
	loop_free(sandbox.loop);
	must(network_disconnect(&sandbox.network, &err));
	network_release(&sandbox.network);
	record_free(sandbox.record);
	forget_done();
	scratch_remove(dir);
}

/* "NAME TAP" of each recorded interface, strv. */
static char **recorded(void)
{
	AUTO(str) char *path = path_join(dir, "persist.json");
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);
	AUTO(json) struct json *j = NULL;
	const struct json *things;
	char **out = NULL;

	if (file_read(AT_FDCWD, path, 1 << 20, &text, &err) < 0) {
		err_clear(&err); /* nothing was written yet */
		return NULL;
	}
	j = json_parse(buf_cstr(&text), text.len, "record", &err);
	ck_assert_msg(j != NULL, "%s", err.msg);
	things = json_get(j, "things");
	for (size_t i = 0; i < json_count(things); i++)
		strv_pushf(&out, "%s %s", json_get_text(json_at(things, i), "name"),
			   json_get_text(json_at(things, i), "tap"));
	return out;
}

static void await_record(size_t n, const char *first, const char *second)
{
	struct deadline d = deadline_in(WAIT_MS);

	for (;;) {
		AUTO(strv) char **now = recorded();
		AUTO(str) char *all = strv_join(now, ", ");

		if (strv_len(now) == n && strv_has(now, first) && (n < 2 || strv_has(now, second)))
			return;
		ck_assert_msg(!deadline_passed(d), "recorded: %s", all);
		(void)poll(NULL, 0, 10);
	}
}

#define ADD_ETH1                                                                  \
	"ip link add peer1 type veth peer name eth1\n"                            \
	"ip link set peer1 addrgenmode none; ip link set eth1 addrgenmode none\n" \
	"ip link set peer1 up; ip addr add 10.1.3.3/24 dev eth1; ip link set eth1 up\n"

/* --- the tests --- */

START_TEST(an_interface_that_could_not_be_plugged_is_tried_again)
{
	set_failing(2, 0, 0);
	shell(ADD_ETH1 "ip route add 10.9.0.0/16 via 10.1.3.1");
	await("update with eth1");
	await("routes ");
	ck_assert(has_done("plug tap1_kata"));
	await_record(2, "eth0 tap0_kata", "eth1 tap1_kata");
}
END_TEST

/* The guest gets the routes of the others. */
START_TEST(an_interface_that_is_never_plugged_does_no_harm)
{
	set_failing(1 << 20, 0, 0);
	shell(ADD_ETH1 "ip route add 10.9.0.0/16 via 10.1.3.1\n"
		       "ip route add 10.8.0.0/16 via 10.1.2.1");
	await("routes ");
	ck_assert(!has_done("update with eth1"));
	shell("ip link del eth1"); /* before the next try, or between two */
	set_failing(0, 0, 0);
	forget_done();
	shell("ip route add 10.7.0.0/16 via 10.1.2.1");
	await("routes ");
	ck_assert(!has_done("plug tap1_kata"));
}
END_TEST

START_TEST(what_the_agent_could_not_do_is_tried_again)
{
	set_failing(0, 2, 2);
	shell("ip addr add 10.1.4.3/24 dev eth0; ip route add 10.8.0.0/16 via 10.1.2.1");
	await("update with eth0");
	await("routes ");
}
END_TEST

START_TEST(an_interface_that_has_gone_is_tried_again)
{
	set_failing(0, 2, 0);
	shell("ip link del eth0");
	await("update without eth0");
}
END_TEST

/* The agent finds cards by their hardware address. */
START_TEST(a_card_that_has_gone_makes_room_for_its_successor)
{
	set_failing(0, 2, 0);
	shell("ip link add peer1 type veth peer name eth1 address 02:00:00:00:00:07\n"
	      "ip link del eth0; ip addr add 10.1.3.3/24 dev eth1; ip link set eth1 up");
	await("update with eth1");
	for (char **one = guest.done; !str_eq(*one, "update without eth0"); one++)
		ck_assert_str_ne(*one, "plug tap1_kata");
}
END_TEST

START_TEST(a_renamed_interface_is_recorded_by_its_name)
{
	shell(ADD_ETH1);
	await_record(2, "eth0 tap0_kata", "eth1 tap1_kata");
	shell("ip link set eth1 down; ip link set eth1 name net1; ip link set net1 up");
	await_record(2, "eth0 tap0_kata", "net1 tap1_kata");
	/* Names that change places. */
	shell("ip link set eth0 down; ip link set net1 down; ip link set eth0 name x\n"
	      "ip link set net1 name eth0; ip link set x name net1\n"
	      "ip link set eth0 up; ip link set net1 up");
	await_record(2, "net1 tap0_kata", "eth0 tap1_kata");
	shell("ip link del eth0");
	await_record(1, "net1 tap0_kata", NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("follow");
	TCase *t = tcase_create("follow");

	tcase_set_timeout(t, 120);
	if (geteuid() == 0) {
		tcase_add_checked_fixture(t, setup, teardown);
		tcase_add_test(t, an_interface_that_could_not_be_plugged_is_tried_again);
		tcase_add_test(t, an_interface_that_is_never_plugged_does_no_harm);
		tcase_add_test(t, what_the_agent_could_not_do_is_tried_again);
		tcase_add_test(t, an_interface_that_has_gone_is_tried_again);
		tcase_add_test(t, a_card_that_has_gone_makes_room_for_its_successor);
		tcase_add_test(t, a_renamed_interface_is_recorded_by_its_name);
	} else {
		(void)puts("skipped: a network namespace needs root");
	}
	suite_add_tcase(s, t);
	return suite_run(s);
}
