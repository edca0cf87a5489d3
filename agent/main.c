// SPDX-License-Identifier: Apache-2.0
/* kata-agent: PID 1 of the guest, or a service of a bigger one. */

#include "agent/agent.h"
#include "agent/transport.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/str.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static void on_signal(void *arg, int signo)
{
	struct loop *loop = arg;

	if (signo == SIGCHLD)
		(void)spawn_reap_orphans();
	else
		loop_stop(loop);
}

static int read_settings(struct settings *out, const char *address, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);

	if (getpid() == 1 && file_read(AT_FDCWD, "/proc/cmdline", 64 * 1024, &text, err) < 0)
		return -1;
	if (settings_parse(buf_cstr(&text), out, err) < 0)
		return -1;
	if (address)
		str_set(&out->server_addr, address);
	return 0;
}

static void start_log(const struct settings *s)
{
	struct err err = ERR_INIT;
	int fd = STDERR_FILENO;

	if (s->log_addr) {
		fd = transport_open_port(s->log_addr + strlen("serial://"), &err);
		if (fd < 0) {
			log_err(LOG_WARN, &err, "logging to the console");
			fd = STDERR_FILENO;
		}
	}
	log_init("kata-agent", "agent", LOG_JSON, fd, (enum log_level)s->level);
}

static void watch_signals(struct loop *loop)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)loop_signals(loop, &set, on_signal, loop);
}

static int run(const char *address, struct err *err)
{
	struct sandbox sandbox = { .lock = PTHREAD_MUTEX_INITIALIZER,
				   .released = PTHREAD_COND_INITIALIZER };
	const struct ttrpc_service services[] = {
		{ .name = "grpc.AgentService", .methods = agent_methods, .arg = &sandbox },
		{ .name = "grpc.Health", .methods = health_methods },
		{ .name = NULL },
	};
	struct settings settings;
	struct ttrpc_server *server;

	if (read_settings(&settings, address, err) < 0)
		return -1;
	start_log(&settings);
	sandbox.pipe_size = settings.pipe_size;
	sandbox.loop = loop_new();
	watch_signals(sandbox.loop);
	server = ttrpc_server_new(sandbox.loop, services);
	if (transport_serve(sandbox.loop, server, settings.server_addr, err) < 0)
		return -1;
	log_info("agent is ready", LOG_S("address", settings.server_addr));
	loop_run(sandbox.loop);
	return 0; /* the process ends: what it has goes with it */
}

int main(int argc, char **argv)
{
	static const char *address;
	static bool version, help;
	static const struct opt opts[] = { OPT_STR('a', "address", "ADDR", &address,
						   "listen on unix://PATH, vsock://CID:PORT "
						   "or serial://NAME"),
					   OPT_FLAG('v', "version", &version, "print the version"),
					   OPT_FLAG('h', "help", &help, "print this help"),
					   OPT_END };
	struct err err = ERR_INIT;
	int failed;

	if (container_is_init(argc, argv))
		return container_init_main();
	if (getpid() != 1 && opt_parse(opts, OPT_PLAIN, argc, argv, &err) < 0) {
		(void)fprintf(stderr, "kata-agent: %s\n", err.msg);
		return err_exit_status(err.code);
	}
	if (version || help) {
		(void)printf("kata-agent version %s\n", KATA_VERSION);
		if (help)
			opt_help(opts, stdout);
		return EXIT_SUCCESS;
	}
	(void)mallopt(M_ARENA_MAX, 1); /* flows are short: one heap keeps the guest small */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	log_init("kata-agent", "agent", LOG_JSON, STDERR_FILENO, LOG_INFO);
	failed = (getpid() == 1 && boot(&err) < 0) || run(address, &err) < 0;
	if (failed)
		log_err(LOG_FATAL, &err, "the agent cannot run");
	if (getpid() == 1)
		power_off();
	return failed ? err_exit_status(err.code) : EXIT_SUCCESS;
}
