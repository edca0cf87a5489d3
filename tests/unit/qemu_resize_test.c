// SPDX-License-Identifier: Apache-2.0
/* Resizing a QEMU that answers too late: what it has then counts, and the next resize succeeds. */

#include "tests/unit/qmp_lab.h"
#include "tests/unit/suite.h"

#include "base/mem.h"
#include "base/str.h"
#include "vmm/qemu/resize.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

/* STEP_MS: enough for the first of two commands on a busy machine. */
enum { LONG_MS = 60000, STEP_MS = 1000, SHORT_MS = 100 };

static char q35[] = "q35", none[] = "";
static struct runtime_config config;
static struct vmm vmm;

static void setup(void)
{
	config = (struct runtime_config){ .machine_type = q35,
					  .file = none,
					  .file_mem_backend = none,
					  .image = none,
					  .memory_slots = 10 };
	const struct vmm_request r = { .config = &config, .size = { 1, 256 }, .most = { 4, 4096 } };

	lab_start();
	vmm.control = lab_client;
	vmm.growth = qemu_growth_new(&r);
}

static void teardown(void)
{
	qemu_growth_free(vmm.growth);
	lab_stop();
}

/* --- the caller's side, on a thread of its own --- */

struct call {
	struct vmm_size wanted, got;
	uint64_t ms;
	struct err err;
	int result;
	pthread_t thread;
};

static void *call_main(void *arg)
{
	struct call *c = arg;

	c->result = qemu_resize(&vmm, &c->wanted, &c->got, deadline_in(c->ms), &c->err);
	return NULL;
}

static void call(struct call *c, unsigned vcpus, uint64_t memory_mib, uint64_t ms)
{
	*c = (struct call){ .wanted = { vcpus, memory_mib }, .ms = ms, .err = ERR_INIT };
	ck_assert_int_eq(pthread_create(&c->thread, NULL, call_main, c), 0);
}

static void ends(struct call *c, unsigned vcpus, uint64_t memory_mib)
{
	(void)pthread_join(c->thread, NULL);
	ck_assert_msg(c->result == 0, "%s", c->err.msg);
	ck_assert_uint_eq(c->got.vcpus, vcpus);
	ck_assert_uint_eq(c->got.memory_mib, memory_mib);
}

static void times_out(struct call *c)
{
	(void)pthread_join(c->thread, NULL);
	ck_assert_int_lt(c->result, 0);
	ck_assert_msg(c->err.code == E_TIMEOUT, "%s", c->err.msg);
}

/* --- QEMU's side --- */

static void meet(const char *name, const char *returns)
{
	AUTO(json) struct json *command = lab_hear(name);
	AUTO(str) char *rest = str_fmt("\"return\": %s", returns);

	lab_answer(command, rest);
}

static const char *id_of(const struct json *command)
{
	return json_get_text(json_get(command, "arguments"), "id");
}

#define FREE  "{\"type\": \"cpu\", \"props\": {\"core-id\": 1}}"
#define TAKEN "{\"type\": \"cpu\", \"props\": {\"core-id\": 0}, \"qom-path\": \"/machine/x\"}"
#define DIMM  "{\"type\": \"dimm\", \"data\": {\"size\": 268435456, \"addr\": 4294967296}}"
#define IMAGE "{\"type\": \"nvdimm\", \"data\": {\"size\": 268435456, \"addr\": 4294967296}}"
#define GREW  "{\"type\": \"virtio-mem\", \"data\": {\"size\": 0}}"

/* --- tests --- */

START_TEST(a_processor_that_comes_late_is_counted)
{
	struct call c;

	call(&c, 2, 256, STEP_MS);
	meet("query-hotpluggable-cpus", "[" FREE "," FREE "," TAKEN "]");
	AUTO(json) struct json *late = lab_hear("device_add");
	times_out(&c);
	lab_answer(late, LAB_OK);
	call(&c, 3, 256, LONG_MS);
	meet("query-hotpluggable-cpus", "[" FREE "," TAKEN "," TAKEN "]");
	meet("query-memory-devices", "[]");
	meet("query-hotpluggable-cpus", "[" FREE "," TAKEN "," TAKEN "]");
	AUTO(json) struct json *next = lab_hear("device_add");
	ck_assert_str_ne(id_of(next), id_of(late));
	lab_answer(next, LAB_OK);
	ends(&c, 3, 256);
}
END_TEST

/* _i: the DIMM was plugged, or QEMU refused it in the end. */
START_TEST(memory_that_comes_late_is_counted)
{
	struct call c;

	call(&c, 1, 512, STEP_MS);
	AUTO(json) struct json *first = lab_hear("object-add");
	lab_answer(first, LAB_OK);
	AUTO(json) struct json *late = lab_hear("device_add");
	AUTO(json) struct json *undo = lab_hear("object-del");
	ck_assert_str_eq(id_of(undo), id_of(first));
	times_out(&c);
	lab_answer(late, LAB_OK);
	lab_answer(undo, LAB_OK);
	call(&c, 1, 768, LONG_MS);
	meet("query-hotpluggable-cpus", "[" TAKEN "]");
	meet("query-memory-devices", _i ? "[" DIMM "," IMAGE "]" : "[]");
	AUTO(json) struct json *next = lab_hear("object-add");
	ck_assert_str_ne(id_of(next), id_of(first));
	ck_assert_int_eq(json_int(json_get(json_get(next, "arguments"), "size")), (_i ? 256 : 512)
											  << 20);
	lab_answer(next, LAB_OK);
	meet("device_add", "{}");
	ends(&c, 1, 768);
}
END_TEST

/* Nobody else maps it, so it is no file: of a file's private mapping each page exists twice. */
START_TEST(memory_that_is_not_shared_is_no_file)
{
	const struct json *arguments;
	struct call c;

	call(&c, 1, 512, LONG_MS);
	AUTO(json) struct json *add = lab_hear("object-add");
	arguments = json_get(add, "arguments");
	ck_assert_str_eq(json_get_text(arguments, "qom-type"), "memory-backend-ram");
	ck_assert(!json_bool(json_get(arguments, "share")));
	lab_answer(add, LAB_OK);
	meet("device_add", "{}");
	ends(&c, 1, 512);
}
END_TEST

static void takes(uint64_t mib)
{
	AUTO(json) struct json *add = lab_hear("object-add");
	uint64_t bytes;

	ck_assert_int_eq(json_u64(json_get(json_get(add, "arguments"), "size"), &bytes), 0);
	ck_assert_uint_eq(bytes >> 20, mib);
	lab_answer(add, LAB_OK);
	meet("device_add", "{}");
}

/* Without KVM the processor addresses 1 TiB, not all of which is for memory. */
static const struct {
	struct vmm_size most;
	int64_t slots;
	struct vmm_size reached;
} bounds[] = {
	{ { 4, 4096 }, 10, { 4, 4096 } },
	{ { 4, 4000 }, 10, { 4, 3968 } },
	{ { 4, 4 << 20 }, 10, { 4, (1 << 20) - (128 << 10) - (10 << 10) } },
	{ { 1, 4096 }, 0, { 1, 256 } },
};

START_TEST(a_vm_knows_how_far_it_can_grow)
{
	const struct vmm_request r = {
		.config = &config, .accelerator = "tcg", .size = { 1, 256 }, .most = bounds[_i].most
	};

	config.memory_slots = bounds[_i].slots;
	qemu_growth_free(vmm.growth);
	vmm.growth = qemu_growth_new(&r);
	ck_assert_uint_eq(qemu_most(&vmm).vcpus, bounds[_i].reached.vcpus);
	ck_assert_uint_eq(qemu_most(&vmm).memory_mib, bounds[_i].reached.memory_mib);
}
END_TEST

/* A guest of 256 MiB has no 1 GiB for the pages of a DIMM of 64 GiB. _i: the slots are scarce. */
START_TEST(a_small_guest_grows_in_steps)
{
	const struct vmm_request r = { .config = &config,
				       .size = { 1, 256 },
				       .most = { 1, 1 << 20 } };
	struct call c;

	config.memory_slots = _i ? 2 : 10;
	qemu_growth_free(vmm.growth);
	vmm.growth = qemu_growth_new(&r);
	call(&c, 1, 512 << 10, LONG_MS);
	takes(8192);
	if (_i) {
		takes((512 << 10) - 8192 - 256);
	} else {
		takes((8192 + 256) * 32);
		takes((512 << 10) - (8192 + 256) * 33);
	}
	ends(&c, 1, 512 << 10);
}
END_TEST

START_TEST(a_backend_that_comes_late_is_removed)
{
	struct call c;

	call(&c, 1, 512, SHORT_MS);
	AUTO(json) struct json *late = lab_hear("object-add");
	AUTO(json) struct json *undo = lab_hear("object-del");
	ck_assert_str_eq(id_of(undo), id_of(late));
	times_out(&c);
	lab_answer(late, LAB_OK);
	lab_answer(undo, LAB_OK);
}
END_TEST

START_TEST(a_device_for_memory_that_comes_late_is_used)
{
	struct call c;

	config.virtio_mem = true;
	call(&c, 1, 512, STEP_MS);
	meet("object-add", "{}");
	AUTO(json) struct json *late = lab_hear("device_add");
	AUTO(json) struct json *undo = lab_hear("object-del");
	times_out(&c);
	lab_answer(late, LAB_OK);
	lab_answer(undo, "\"error\": {\"class\": \"GenericError\", \"desc\": \"in use\"}");
	call(&c, 1, 512, LONG_MS);
	meet("query-hotpluggable-cpus", "[" TAKEN "]");
	meet("query-memory-devices", "[" GREW "]");
	meet("qom-get", "0");
	meet("qom-set", "{}");
	meet("qom-get", "268435456");
	ends(&c, 1, 512);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("qemu, resize");
	TCase *tc = tcase_create("resize");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_processor_that_comes_late_is_counted);
	tcase_add_loop_test(tc, memory_that_comes_late_is_counted, 0, 2);
	tcase_add_test(tc, memory_that_is_not_shared_is_no_file);
	tcase_add_loop_test(tc, a_vm_knows_how_far_it_can_grow, 0, (int)ARRAY_LEN(bounds));
	tcase_add_loop_test(tc, a_small_guest_grows_in_steps, 0, 2);
	tcase_add_test(tc, a_backend_that_comes_late_is_removed);
	tcase_add_test(tc, a_device_for_memory_that_comes_late_is_used);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
