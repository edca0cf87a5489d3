// SPDX-License-Identifier: Apache-2.0
/* What of a container's specification is refused, left out and passed on to the guest. */

#include "tests/unit/shim_lab.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define OTHER "d" /* a container of the pod whose sandbox container is "c" */

/* --- AppArmor --- */

static const struct {
	const char *profile;
	bool accepted;
} profiles[] = {
	{ "cri-containerd.apparmor.d", true },
	{ "cri-containerd.apparmor.d-hardened", false },
	{ "docker-default", true },
	{ "docker-default-strict", false },
	{ "nerdctl-default", true },
	{ "nerdctl-default2", false },
	{ "crio-default", true },
	{ "crio-default-1.24.3", true },
	{ "crio-default-strict", false },
	{ "crio-default-", false },
	{ "containers-default-0.50.1", true },
	{ "containers-default", false },
	{ "containers-default-mine", false },
	{ "unconfined", true },
	{ "unconfined-but-logged", false },
	{ "mine", false },
};

/* A profile that somebody wrote restricts more than an engine's default, whatever its name begins
 * with. */
START_TEST(only_the_default_profile_of_an_engine_is_left_out)
{
	AUTO(str)
	char *member = str_fmt(",\"apparmorProfile\":\"%s\"", profiles[_i].profile);

	shim_start("good", SHARE_9P);
	shim_write_spec("", member, "");
	if (profiles[_i].accepted) {
		shim_must(shim_create(), profiles[_i].profile);
		shim_must(shim_ask_id("Delete", 0), "Delete");
	} else {
		shim_must_fail(shim_create(), profiles[_i].profile);
	}
	shim_finish();
}
END_TEST

/* --- SELinux --- */

/* How often the text is in the shim's log. */
static size_t times_logged(const char *text)
{
	AUTO(buf) struct buf log = BUF_INIT(1 << 20);
	struct err err = ERR_INIT;
	size_t n = 0;

	ck_assert_msg(file_read(AT_FDCWD, BUNDLE "/log", 1 << 20, &log, &err) == 0, "%s", err.msg);
	for (const char *at = buf_cstr(&log); (at = strstr(at, text)); at++)
		n++;
	return n;
}

static void create_in_pod(const char *process, const char *linux_members)
{
	AUTO(buf) struct buf payload = BUF_INIT(1024);

	shim_write_spec("container", process, linux_members);
	wire_text(&payload, 1, OTHER);
	wire_text(&payload, 2, BUNDLE);
	shim_must(shim_ask("Create", &payload, 0), "Create");
}

static void delete_from_pod(void)
{
	AUTO(buf) struct buf payload = BUF_INIT(64);

	wire_text(&payload, 1, OTHER);
	shim_must(shim_ask("Delete", &payload, 0), "Delete");
}

static const struct {
	const char *pod, *container;
	size_t warnings;
} labels[] = {
	{ "u:r:pod_t:s0:c1,c2", "u:r:pod_t:s0:c1,c2", 0 },
	{ "u:r:pod_t:s0:c1,c2", "u:r:strict_t:s0:c1,c2", 1 },
	{ "", "u:r:strict_t:s0", 1 },
	{ "u:r:pod_t:s0", "", 0 },
};

START_TEST(a_label_that_no_process_gets_is_logged)
{
	AUTO(str) char *pod = str_fmt(",\"selinuxLabel\":\"%s\"", labels[_i].pod);
	AUTO(str) char *container = str_fmt(",\"selinuxLabel\":\"%s\"", labels[_i].container);

	shim_start("good", SHARE_9P);
	shim_write_spec("sandbox", pod, "");
	shim_must(shim_create(), "Create");
	ck_assert_uint_eq(times_logged("SELinux label is left out"), 0);
	create_in_pod(container, "");
	ck_assert_uint_eq(times_logged("SELinux label is left out"), labels[_i].warnings);
	delete_from_pod();
	shim_kill_and_finish();
}
END_TEST

static void add_tests(TCase *t)
{
	tcase_add_loop_test(t, only_the_default_profile_of_an_engine_is_left_out, 0,
			    ARRAY_LEN(profiles));
	tcase_add_loop_test(t, a_label_that_no_process_gets_is_logged, 0, ARRAY_LEN(labels));
}

int main(void)
{
	return shim_main("shim, specification", add_tests);
}
