// SPDX-License-Identifier: Apache-2.0
/* Leases and Events of libs/kube. */

#include "base/str.h"
#include "kube/event.h"
#include "kube/lease.h"
#include "tests/unit/kube_lab.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>
#include <unistd.h>

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kata/leases"
#define LEASE_OF(h, v)                                                                      \
	"{\"metadata\":{\"name\":\"turn-0\",\"uid\":\"u1\",\"resourceVersion\":\"" v "\"}," \
	"\"spec\":{\"holderIdentity\":\"" h "\",\"leaseDurationSeconds\":30}}"
#define STATUS(reason, code) "{\"kind\":\"Status\",\"reason\":\"" reason "\",\"code\":" code "}"
#define ANSWERS(list)        api_start(&api, list, ARRAY_LEN(list)), k = api_client(&api, dir)

static char dir[API_DIR];
static struct err err;
static struct api api;
static struct kube *k;
static const char *const labels[] = { "a", "b", NULL };
static const struct kube_lease lease = { .space = "kata",
					 .name = "turn-0",
					 .holder = "n1",
					 .seconds = 30,
					 .labels = labels,
					 .node = "n1",
					 .node_uid = "u-n1" };

static void setup(void)
{
	err_clear(&err);
	api_set_up(&api, dir);
	k = NULL;
}

static void teardown(void)
{
	kube_free(k);
	api_tear_down(&api, dir);
}

START_TEST(acquired_renewed_released)
{
	static const struct said said[] = {
		{ .asked = "POST " LEASES " ", .status = 201, .body = LEASE_OF("n1", "1") },
		{ .asked = "GET " LEASES "/turn-0 ", .status = 200, .body = LEASE_OF("n1", "1") },
		{ .asked = "PATCH " LEASES "/turn-0 ", .status = 200, .body = LEASE_OF("n1", "2") },
		{ .asked = "GET " LEASES "/turn-0 ", .status = 200, .body = LEASE_OF("n1", "2") },
		{ .asked = "DELETE " LEASES "/turn-0 ", .status = 200, .body = "{}" },
	};
	const char *made;

	ANSWERS(said);
	ck_assert_msg(kube_lease_acquire(k, &lease, soon(), &err) == 0, "%s", err.msg);
	ck_assert_msg(kube_lease_renew(k, &lease, soon(), &err) == 0, "%s", err.msg);
	ck_assert_msg(kube_lease_release(k, &lease, soon(), &err) == 0, "%s", err.msg);
	api_end(&api);
	made = api_asked(&api, 0)->body;
	ck_assert_ptr_nonnull(
		strstr(made, "\"holderIdentity\":\"n1\",\"leaseDurationSeconds\":30"));
	ck_assert_ptr_nonnull(strstr(made, "\"labels\":{\"a\":\"b\"}"));
	ck_assert_ptr_nonnull(strstr(made, "\"kind\":\"Node\",\"name\":\"n1\",\"uid\":\"u-n1\""));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 2)->body, "\"resourceVersion\":\"1\""));
	ck_assert_ptr_nonnull(
		strstr(api_asked(&api, 4)->body, "\"uid\":\"u1\",\"resourceVersion\":\"2\""));
}
END_TEST

START_TEST(held_by_another)
{
	static const struct said said[] = {
		{ .status = 409, .body = STATUS("AlreadyExists", "409") },
		{ .status = 200, .body = LEASE_OF("n2", "1") },
		{ .status = 404, .body = STATUS("NotFound", "404") },
		{ .status = 200, .body = LEASE_OF("n2", "1") },
		{ .status = 404, .body = STATUS("NotFound", "404") },
	};

	ANSWERS(said);
	ck_assert_int_eq(kube_lease_acquire(k, &lease, soon(), &err), -1);
	ck_assert_int_eq(err.code, E_EXISTS);
	for (int i = 0; i < 2; i++) {
		err_clear(&err);
		ck_assert_int_eq(kube_lease_renew(k, &lease, soon(), &err), -1);
		ck_assert_msg(err.code == E_STATE, "%s", err.msg);
	}
	err_clear(&err);
	/* A lease that somebody else holds, or that does not exist, is not changed. */
	ck_assert_int_eq(kube_lease_release(k, &lease, soon(), &err), 0);
	ck_assert_int_eq(kube_lease_release(k, &lease, soon(), &err), 0);
	api_end(&api);
}
END_TEST

START_TEST(released_while_it_changes)
{
	static const struct said said[] = {
		{ .asked = "GET", .status = 200, .body = LEASE_OF("n1", "1") },
		{ .asked = "DELETE", .status = 409, .body = STATUS("Conflict", "409") },
		{ .asked = "GET", .status = 200, .body = LEASE_OF("n1", "2") },
		{ .asked = "DELETE", .status = 200, .body = "{}" },
	};

	ANSWERS(said);
	ck_assert_msg(kube_lease_release(k, &lease, soon(), &err) == 0, "%s", err.msg);
	api_end(&api);
}
END_TEST

static struct json *parsed(const char *text)
{
	struct json *j = json_parse(text, strlen(text), "lease", &err);

	ck_assert_msg(j != NULL, "%s", err.msg);
	return j;
}

START_TEST(abandoned)
{
	struct kube_observations s = { 0 };
	AUTO(json)
	struct json *one = parsed(LEASE_OF("n2", "1")), *two = parsed(LEASE_OF("n2", "2"));
	AUTO(json)
	struct json *mark = parsed("{\"metadata\":{\"uid\":\"m\",\"resourceVersion\":\"1\"},"
				   "\"spec\":{\"holderIdentity\":\"n2\"}}");

	kube_observe_begin(&s);
	ck_assert(!kube_observe(&s, one, 1000));
	ck_assert(!kube_observe(&s, mark, 1000));
	kube_observe_end(&s);
	ck_assert(!kube_observe(&s, one, 30999));
	ck_assert(kube_observe(&s, one, 31000));
	/* It was renewed, so its time begins again. */
	ck_assert(!kube_observe(&s, two, 31001));
	ck_assert(!kube_observe(&s, two, 61000));
	ck_assert(kube_observe(&s, two, 61001));
	ck_assert(!kube_observe(&s, mark, 99999999));
	/* An observation that was not repeated is forgotten. */
	kube_observe_begin(&s);
	kube_observe_end(&s);
	ck_assert(!kube_observe(&s, two, 99999999));
	kube_observations_release(&s);
}
END_TEST

/* --- Events --- */

#define EVENTS "/apis/events.k8s.io/v1/namespaces/kube-system/events"

START_TEST(events)
{
	static const struct said said[] = {
		{ .asked = "POST " EVENTS " ", .status = 201, .body = "{}" },
		{ .asked = "PATCH " EVENTS "/n1.", .status = 200, .body = "{}" },
		{ .asked = "POST " EVENTS " ", .status = 201, .body = "{}" },
		{ .asked = "PATCH " EVENTS "/n1.",
		  .status = 404,
		  .body = STATUS("NotFound", "404") },
		{ .asked = "POST " EVENTS " ", .status = 201, .body = "{}" },
	};
	struct kube_recorder r = { .controller = "example.com/x", .instance = "i", .node = "n1" };
	struct kube_occurrence h = {
		.reason = "Failed", .action = "Deploy", .note = "no", .warning = true
	};

	ANSWERS(said);
	/* It happens four times: the first is recorded, then the count. */
	for (int i = 0; i < 3; i++)
		ck_assert_msg(kube_record(k, &r, &h, soon(), &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(api_count(&api), 1);
	r.sent_at -= KUBE_SERIES_MS;
	ck_assert_int_eq(kube_record(k, &r, &h, soon(), &err), 0);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->body, "\"series\":{\"count\":4,"));
	/* Another occurrence begins a new Event, and so does one whose Event the cluster
	 * deleted. */
	h.reason = "Ready";
	ck_assert_int_eq(kube_record(k, &r, &h, soon(), &err), 0);
	r.sent_at -= KUBE_SERIES_MS;
	ck_assert_msg(kube_record(k, &r, &h, soon(), &err) == 0, "%s", err.msg);
	api_end(&api);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 0)->body, "\"type\":\"Warning\""));
	ck_assert_ptr_nonnull(
		strstr(api_asked(&api, 0)->body, "\"kind\":\"Node\",\"name\":\"n1\""));
	kube_recorder_release(&r);
}
END_TEST

/* The name of a node may have 253 characters; an Event's name and reportingInstance may not have as
 * many, and a part of the name does not end in '.' or '-'. */
START_TEST(a_long_name_of_a_node_is_cut)
{
	static const struct said said[] = { { .status = 201, .body = "{}" } };
	char node[254] = "";
	struct kube_recorder r = { .controller = "example.com/x", .instance = node, .node = node };
	struct kube_occurrence h = { .reason = "A", .action = "B", .note = "c" };
	AUTO(str) char *name = NULL, *instance = NULL;

	memset(node, 'a', sizeof(node) - 1);
	memcpy(node + 197, "--.", 3);
	name = str_fmt("\"name\":\"%.197s.", node);
	instance = str_fmt("\"reportingInstance\":\"%.128s\"", node);
	ANSWERS(said);
	ck_assert_msg(kube_record(k, &r, &h, soon(), &err) == 0, "%s", err.msg);
	ck_assert_msg(strstr(api_asked(&api, 0)->body, name), "%s", api_asked(&api, 0)->body);
	ck_assert_msg(strstr(api_asked(&api, 0)->body, instance), "%s", api_asked(&api, 0)->body);
	kube_recorder_release(&r);
}
END_TEST

START_TEST(a_long_note_is_cut_at_a_character)
{
	static const struct said said[] = { { .status = 201, .body = "{}" } };
	struct kube_recorder r = { .controller = "example.com/x", .instance = "i", .node = "n1" };
	char note[KUBE_NOTE_MAX + 10];
	struct kube_occurrence h = { .reason = "A", .action = "B", .note = note };

	memset(note, 'a', sizeof(note));
	memcpy(note + KUBE_NOTE_MAX - 1, "\xc3\xa4", 2);
	note[sizeof(note) - 1] = '\0';
	ANSWERS(said);
	ck_assert_msg(kube_record(k, &r, &h, soon(), &err) == 0, "%s", err.msg);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 0)->body, "a\",\"regarding\""));
	kube_recorder_release(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kube_lease");
	TCase *t = tcase_create("lease");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, acquired_renewed_released);
	tcase_add_test(t, held_by_another);
	tcase_add_test(t, released_while_it_changes);
	tcase_add_test(t, abandoned);
	tcase_add_test(t, events);
	tcase_add_test(t, a_long_name_of_a_node_is_cut);
	tcase_add_test(t, a_long_note_is_cut_at_a_character);
	suite_add_tcase(s, t);
	return suite_run(s);
}
