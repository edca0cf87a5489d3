// SPDX-License-Identifier: Apache-2.0
/* Which block devices of a specification become disks of the VM, and how; with a loop device. */

#include "tests/unit/suite.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"
#include "device/loop.h"
#include "shim/devices.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static char image[] = "/tmp/kata-devices-XXXXXX";
static char *path; /* of the loop device, or NULL: none can be made here */
static int loop = -1;
static struct disk plugged = { .address = { .pci = "1e/02" } };

/* The tests run no VM. */
int vm_plug_disk(struct vm *v, const char *host, bool readonly, struct disk **out,
		 struct deadline deadline, struct err *err)
{
	(void)v, (void)readonly, (void)deadline, (void)err;
	ck_assert_str_eq(host, path);
	plugged.users++;
	*out = &plugged;
	return 0;
}

int vm_unplug_disk(struct vm *v, struct disk *disk, struct deadline deadline, struct err *err)
{
	(void)v, (void)deadline, (void)err;
	disk->users--;
	return 0;
}

static bool refuse;

static int will(const struct runtime_config *c, enum vmm_capability what, struct err *err)
{
	(void)c, (void)what;
	return refuse ? err_set(err, E_UNSUPPORTED, "it cannot") : 0;
}

static const struct vmm_ops ops = { .will = will };

const struct vmm_ops *vmm_for(const struct runtime_config *config)
{
	(void)config;
	return &ops;
}

static void attach(bool readonly)
{
	struct err err = ERR_INIT;
	int fd;

	memcpy(image + strlen(image) - 6, "XXXXXX", 6);
	fd = mkstemp(image);
	ck_assert(fd >= 0 && ftruncate(fd, 1 << 20) == 0 && close(fd) == 0);
	loop = loop_attach(image, readonly, &path, &err);
}

static void detach(void)
{
	fd_close(&loop); /* it lets go of the file then */
	free(STEAL(path, NULL));
	(void)unlink(image);
}

static struct oci_spec *spec_of(const char *node, const char *rules)
{
	AUTO(str) char *text = NULL;
	struct err err = ERR_INIT;
	struct stat st;
	struct oci_spec *spec;

	ck_assert(stat(path, &st) == 0);
	text = str_fmt("{\"ociVersion\":\"1.0.2\",\"linux\":{\"devices\":[{\"path\":\"/dev/null\","
		       "\"type\":\"c\",\"major\":1,\"minor\":3},{\"path\":\"%s\",\"type\":\"b\","
		       "\"major\":%u,\"minor\":%u}],\"resources\":{\"devices\":[",
		       node, major(st.st_rdev), minor(st.st_rdev));
	AUTO(str)
	char *numbers = str_fmt("\"type\":\"b\",\"major\":%u,\"minor\":%u", major(st.st_rdev),
				minor(st.st_rdev));
	AUTO(strv) char **parts = strv_split(rules, "#");
	AUTO(str) char *filled = strv_join(parts, numbers);
	AUTO(str) char *all = str_fmt("%s%s]}}}", text, filled ? filled : "");

	spec = oci_spec_parse(all, strlen(all), "spec", &err);
	ck_assert_msg(spec != NULL, "%s: %s", all, err.msg);
	return spec;
}

#define DENY_ALL "{\"allow\":false,\"access\":\"rwm\"}"
#define ALL      "{\"allow\":true,\"access\":\"rwm\"}"
static const struct {
	const char *node; /* NULL: the host's own name */
	const char *rules;
	bool image_readonly, found, readonly;
} cases[] = {
	{ "/dev/x", "", false, true, false },
	{ "/dev/x", DENY_ALL ",{\"allow\":true,#,\"access\":\"rwm\"}", false, true, false },
	{ "/dev/x", DENY_ALL ",{\"allow\":true,#,\"access\":\"rw\"}", false, true, false },
	{ "/dev/x", DENY_ALL ",{\"allow\":true,#,\"access\":\"r\"}", false, true, true },
	{ "/dev/x", DENY_ALL ",{\"allow\":true,\"type\":\"c\",\"access\":\"rwm\"}", false, true,
	  true },
	{ "/dev/x", DENY_ALL ",{\"allow\":true,\"type\":\"b\",\"access\":\"rwm\"}", false, true,
	  false },
	{ "/dev/x", DENY_ALL ",{\"allow\":true,#,\"access\":\"rwm\"}", true, true, true },
	/* A device of its own of a privileged container, and one that is there with all. */
	{ "/dev/x", ALL, false, true, false },
	{ NULL, ALL, false, false, false },
	{ NULL, DENY_ALL ",{\"allow\":true,#,\"access\":\"rwm\"}", false, true, false },
};

START_TEST(a_device_is_given_as_its_rules_say)
{
	Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	const struct storages none = STORAGES_INIT;
	const struct runtime_config config = { .machine_type = NULL };
	AUTO(oci_spec) struct oci_spec *spec = NULL;
	struct devices d = DEVICES_INIT;
	struct err err = ERR_INIT;

	attach(cases[_i].image_readonly);
	if (!path) {
		(void)puts("skipped: no loop device can be made here");
		return;
	}
	spec = spec_of(cases[_i].node ? cases[_i].node : path, cases[_i].rules);
	ck_assert_msg(devices_find(&d, spec, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(d.list.n, cases[_i].found);
	ck_assert_int_eq(devices_check(&d, &config, &err), 0);
	if (cases[_i].found) {
		ck_assert_int_eq(d.list.v[0].readonly, cases[_i].readonly);
		ck_assert_int_eq(devices_plug(&d, NULL, deadline_in(1000), &err), 0);
		devices_describe(&d, &none, &request);
		ck_assert_uint_eq(request.n_devices, 1);
		ck_assert_uint_eq(request.n_storages, 0);
		ck_assert_str_eq(request.devices[0]->type, "blk");
		ck_assert_str_eq(request.devices[0]->id, "1e/02");
		devices_unplug(&d, NULL);
		devices_unplug(&d, NULL); /* once is enough */
		ck_assert_uint_eq(plugged.users, 0);
		refuse = true;
		ck_assert_int_lt(devices_check(&d, &config, &err), 0);
		ck_assert_int_eq(err.code, E_UNSUPPORTED);
	}
	/* The guest gets no node for a device that is not plugged in. */
	devices_leave_out(&d, spec);
	ck_assert_uint_eq(spec->linux_.n_devices, 1 + cases[_i].found);
	ck_assert_str_eq(spec->linux_.devices[0].path, "/dev/null");
	devices_release(&d);
	detach();
}
END_TEST

/* The agent puts the guest's number into limits that have the host's. */
START_TEST(the_agent_learns_the_number_of_a_file_systems_disk)
{
	Grpc__CreateContainerRequest request = GRPC__CREATE_CONTAINER_REQUEST__INIT;
	char *loop_option[] = { (char *)"loop", NULL };
	const struct storages none = STORAGES_INIT;
	struct device_mount m = { .fstype = "ext4", .mount_point = "/root" };
	struct devices d = DEVICES_INIT;
	AUTO(str) char *number = NULL;
	struct err err = ERR_INIT;
	struct stat st;

	attach(false);
	if (!path) {
		(void)puts("skipped: no loop device can be made here");
		return;
	}
	ck_assert(stat(path, &st) == 0);
	m.source = path;
	devices_add_mount(&d, &m);
	ck_assert_int_eq(devices_plug(&d, NULL, deadline_in(1000), &err), 0);
	devices_describe(&d, &none, &request);
	ck_assert_uint_eq(request.n_storages, 1);
	ck_assert_uint_eq(request.storages[0]->n_driver_options, 1);
	number = str_fmt("kata.host_device=%u:%u", major(st.st_rdev), minor(st.st_rdev));
	ck_assert_str_eq(request.storages[0]->driver_options[0], number);
	devices_unplug(&d, NULL);
	m.source = image; /* has no number on the host */
	m.options = loop_option;
	devices_add_mount(&d, &m);
	ck_assert_ptr_null(d.list.v[1].host_number);
	devices_release(&d);
	detach();
}
END_TEST

START_TEST(a_missing_device_is_named)
{
	static const char text[] = "{\"ociVersion\":\"1.0.2\",\"linux\":{\"devices\":[{\"path\":"
				   "\"/dev/sdx\",\"type\":\"b\",\"major\":8,\"minor\":65535}]}}";
	AUTO(oci_spec) struct oci_spec *spec = NULL;
	struct devices d = DEVICES_INIT;
	struct err err = ERR_INIT;

	spec = oci_spec_parse(text, strlen(text), "spec", &err);
	ck_assert_msg(spec != NULL, "%s", err.msg);
	ck_assert_int_lt(devices_find(&d, spec, &err), 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
	ck_assert_msg(strstr(err.msg, "device /dev/sdx: ") != NULL, "%s", err.msg);
	devices_release(&d);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("devices");
	TCase *tc = tcase_create("devices");

	tcase_add_loop_test(tc, a_device_is_given_as_its_rules_say, 0, (int)ARRAY_LEN(cases));
	tcase_add_test(tc, the_agent_learns_the_number_of_a_file_systems_disk);
	tcase_add_test(tc, a_missing_device_is_named);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
