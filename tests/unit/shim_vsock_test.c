// SPDX-License-Identifier: Apache-2.0
/* Which transport to the agent the shim uses on hosts with a working, a broken and no vhost-vsock. */

#include "tests/unit/shim_lab.h"
#include "tests/unit/vsock_lab.h"

#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANY    "[hypervisor.qemu]\ntransport = \"\"\n"
#define VSOCK  "[hypervisor.qemu]\ntransport = \"vsock\"\n"
#define SERIAL "[hypervisor.qemu]\ntransport = \"serial\"\n"

static void working_host(void)
{
	vsock_lab_device();
	vsock_lab_start();
}

static void bare_host(void)
{
	vsock_lab_device();
	ck_assert(unlink("/dev/vhost-vsock") == 0);
}

static bool command_line_has(const char *text)
{
	AUTO(buf) struct buf line = BUF_INIT(65536);
	struct err err = ERR_INIT;

	ck_assert_msg(file_read(AT_FDCWD, VM_LOG ".argv", 65536, &line, &err) == 0, "%s", err.msg);
	return strstr(buf_cstr(&line), text) != NULL;
}

static void remembered_is(const char *expect)
{
	struct err err = ERR_INIT;
	AUTO(str) char *line = file_read_line(AT_FDCWD, "/run/vc/transport", &err);

	ck_assert_msg(str_eq(line, expect), "'%s' is not '%s'", line ? line : "nothing",
		      expect ? expect : "nothing");
}

static void end_container(void)
{
	shim_must(shim_kill(9, 0), "Kill");
	ck_assert_uint_eq(shim_wait(), 137);
	shim_must(shim_ask_id("Delete", 0), "Delete");
	shim_output_is("hello\n");
	shim_finish();
}

static const struct way {
	const char *config, *script;
	void (*host)(void);
	bool vsock; /* expected: vsock, not serial */
	const char *remembered;
} ways[] = {
	{ ANY, "good", working_host, true, "vsock" },
	{ VSOCK, "good", working_host, true, NULL },
	{ SERIAL, "good", working_host, false, NULL },
	{ ANY, "good", vsock_lab_device, false, "serial" }, /* no CID can be reserved */
	{ ANY, "no-vsock", working_host, false, "serial" }, /* no connection succeeds */
	{ ANY, "good", bare_host, false, NULL },
};

START_TEST(the_transport_that_works_is_used)
{
	const struct way *w = &ways[_i];
	struct vsock_seen seen;
	AUTO(str) char *device = NULL;

	shim_more_config = w->config;
	shim_host = w->host;
	shim_start_container(w->script);
	seen = vsock_lab_seen();
	device = str_fmt("\nvhost-vsock-pci,id=vsock0,vhostfd=3,guest-cid=%u\n", seen.cid);
	ck_assert(command_line_has(device) == w->vsock);
	ck_assert(command_line_has(" agent.server_addr=vsock://-1:1024 agent.log_vport=1025") ==
		  w->vsock);
	ck_assert(command_line_has("name=agent") != w->vsock);
	ck_assert(command_line_has(" agent.server_addr=serial://agent ") != w->vsock);
	remembered_is(w->remembered);
	if (w->vsock) {
		ck_assert_uint_eq(seen.asked, 2); /* the first CID was in use */
		ck_assert_uint_gt(seen.refused, 0);
		ck_assert_uint_eq(seen.connected, 2); /* agent and log */
		ck_assert_uint_ge(seen.cid, 3);
	}
	end_container();
}
END_TEST

static const struct {
	const char *script;
	void (*host)(void);
	const char *says;
} failures[] = {
	{ "good", vsock_lab_device, "/dev/vhost-vsock" },
	{ "no-vsock", working_host, "nobody listened on vsock" },
	{ "die-early", working_host, "the VM ended" },
};

START_TEST(a_configured_transport_has_no_fallback)
{
	shim_more_config = VSOCK;
	shim_host = failures[_i].host;
	shim_start(failures[_i].script, SHARE_9P);
	shim_must_fail(shim_create(), failures[_i].says);
	remembered_is(NULL);
	shim_finish();
}
END_TEST

static void add_tests(TCase *t)
{
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);

	if (fd < 0) {
		(void)puts("skipped: this kernel has no vsock");
		return;
	}
	(void)close(fd);
	tcase_add_loop_test(t, the_transport_that_works_is_used, 0, ARRAY_LEN(ways));
	tcase_add_loop_test(t, a_configured_transport_has_no_fallback, 0, ARRAY_LEN(failures));
}

int main(void)
{
	return shim_main("shim, vsock", add_tests);
}
