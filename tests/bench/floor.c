// SPDX-License-Identifier: Apache-2.0
/*
 * The floor: from exec of QEMU to the agent's first answer, with our kernel, initrd and machine and
 * nothing else. Prints milliseconds, a line a run: floor CONFIGURATION ACCELERATOR RUNS
 */

#include "base/deadline.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/path.h"
#include "base/scope.h"
#include "base/str.h"
#include "config/config.h"
#include "vmm/vmm.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* ttRPC: Health.Check on stream 1, spelled out. */
static const char check[] = "\0\0\0\x14\0\0\0\x01\x01\0"
			    "\x0a\x0bgrpc.Health\x12\x05"
			    "Check";

static int one(struct loop *loop, const struct runtime_config *c, const char *accelerator,
	       const char *dir, struct err *err)
{
	const struct vmm_device share = { .kind = VMM_FS_9P, .fs = { "kataShared", dir } };
	struct vmm_request r = { .loop = loop,
				 .config = c,
				 .dir = dir,
				 .accelerator = accelerator,
				 .devices = &share,
				 .ndevices = 1,
				 .netns = -1,
				 .mountns = -1,
				 .vhost_vsock = -1,
				 .size = { 1, (uint64_t)c->memory_mib } };
	struct pollfd come[] = { { .events = POLLIN }, { interrupt_fd(), POLLIN, 0 } };
	uint64_t begin = clock_us();
	struct vmm vmm;

	if (vmm_for(c)->start(&r, &vmm, deadline_in(120000), err) < 0)
		return -1;
	come[0].fd = vmm.agent;
	if (fd_write_all(vmm.agent, check, sizeof(check) - 1, err) == 0) {
		(void)poll(come, 2, 120000);
		if (come[0].revents)
			(void)printf("%.1f\n", (double)(clock_us() - begin) / 1000);
		else if (interrupt_check(err) == 0)
			err_set(err, E_TIMEOUT, "the agent did not answer");
	}
	interrupt_shield(true);
	vmm.ops->stop(&vmm, deadline_in(5000));
	interrupt_shield(false);
	return err->code ? -1 : 0;
}

static void *run_loop(void *loop)
{
	loop_run(loop);
	return NULL;
}

static int measure(const struct runtime_config *c, const char *accelerator, uint64_t runs,
		   const char *dir, struct err *err)
{
	struct loop *loop = loop_new(&(struct err)ERR_INIT);
	pthread_t thread;

	if (pthread_create(&thread, NULL, run_loop, loop) != 0)
		bug("no thread for the loop");
	for (uint64_t i = 0; i < runs && !err->code; i++)
		(void)!one(loop, c, accelerator, dir, err);
	loop_stop(loop);
	(void)pthread_join(thread, NULL);
	loop_free(loop);
	return err->code ? -1 : 0;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/kata-floor-XXXXXX";
	struct err err = ERR_INIT, clean = ERR_INIT;
	AUTO(config) struct runtime_config *c = NULL;
	uint64_t runs = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	interrupt_catch("floor", "ending the VM"); /* which has a process group of its own */
	if (argc != 4 || str_u64(argv[3], 10, 1, 1000, "RUNS", &runs, &err) < 0) {
		(void)fprintf(stderr, "usage: floor CONFIGURATION ACCELERATOR RUNS\n");
		return EXIT_FAILURE;
	}
	c = config_load(argv[1], NULL, &err);
	if (c && mkdtemp(dir)) {
		(void)!measure(c, argv[2], runs, dir, &err);
		(void)!path_remove_tree(dir, &clean);
	}
	if (err.code)
		(void)fprintf(stderr, "floor: %s\n", err.msg);
	return err.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
