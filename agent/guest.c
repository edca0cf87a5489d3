// SPDX-License-Identifier: Apache-2.0
/* Requests about the guest itself: details, clock, random numbers. */

#include "agent/agent.h"
#include "agent/storage/driver.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <unistd.h>

static uint64_t memory_block_size(void)
{
	struct err ignored = ERR_INIT; /* a kernel without memory hotplug has no blocks: 0 */
	AUTO(str)
	char *text = file_read_line(AT_FDCWD, "/sys/devices/system/memory/block_size_bytes",
				    &ignored);
	uint64_t size = 0;

	if (text && str_u64(text, 16, 0, UINT64_MAX, "block size", &size, &ignored) < 0)
		return 0;
	return size;
}

/* kernel/patches, 0003 */
static bool stores_file_pages(void)
{
	struct err ignored = ERR_INIT; /* a kernel without the patch, or without virtio-fs */
	AUTO(str)
	char *on = file_read_line(AT_FDCWD, "/sys/module/virtiofs/parameters/store_pages",
				  &ignored);

	return str_eq(on, "Y");
}

void on_get_guest_details(struct ttrpc_call *call, const void *request, void *arg)
{
	const char *const *storages = storage_drivers();
	const Grpc__GuestDetailsRequest *r = request;
	Grpc__GuestDetailsResponse reply = GRPC__GUEST_DETAILS_RESPONSE__INIT;
	Grpc__AgentDetails details = GRPC__AGENT_DETAILS__INIT;

	(void)arg;
	if (r->mem_block_size)
		reply.mem_block_size_bytes = memory_block_size();
	if (r->mem_hotplug_probe)
		reply.support_mem_hotplug_probe = access("/sys/devices/system/memory/probe",
							 F_OK) == 0;
	reply.file_pages = stores_file_pages();
	details.version = (char *)KATA_VERSION;
	details.init_daemon = getpid() == 1;
	details.storage_handlers = (char **)storages;
	details.n_storage_handlers = strv_len((char *const *)storages);
	details.supports_seccomp = true;
	reply.agent_details = &details;
	ttrpc_reply(call, &reply);
}

void on_set_guest_date_time(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__SetGuestDateTimeRequest *r = request;
	struct timeval now = { .tv_sec = r->sec, .tv_usec = r->usec };
	struct err err = ERR_INIT;

	(void)arg;
	if (settimeofday(&now, NULL) < 0)
		err_sys(&err, "set the clock");
	answer(call, err.code ? -1 : 0, &err);
}

void on_reseed_random_dev(struct ttrpc_call *call, const void *request, void *arg)
{
	const Grpc__ReseedRandomDevRequest *r = request;
	struct err err = ERR_INIT;
	AUTO(fd) int fd = open("/dev/random", O_RDWR | O_CLOEXEC);
	int bits = (int)(r->data.len * 8);

	(void)arg;
	if (r->data.len == 0 || r->data.len > 4096)
		err_set(&err, E_INVALID, "seed of %zu bytes; 1 to 4096 are allowed", r->data.len);
	else if (fd < 0 || fd_write_all(fd, r->data.data, r->data.len, &err) < 0 ||
		 ioctl(fd, RNDADDTOENTCNT, &bits) < 0 || ioctl(fd, RNDRESEEDCRNG) < 0)
		(void)(err.code ? -1 : err_sys(&err, "reseed /dev/random"));
	answer(call, err.code ? -1 : 0, &err);
}
