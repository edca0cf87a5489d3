// SPDX-License-Identifier: Apache-2.0
/* kata-agent, the program: PID 1 of the guest, or a service of a guest with another init. */

#include "agent/boot.h"
#include "agent/console.h"
#include "agent/forget.h"
#include "agent/rpc/rpc.h"
#include "agent/sandbox.h"
#include "agent/scale.h"
#include "agent/settings.h"
#include "agent/storage/watcher.h"
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

enum { BIG = 64 * 1024 };

static void on_signal(void *arg, int signo)
{
	struct loop *loop = arg;

	if (signo == SIGCHLD)
		(void)spawn_reap_orphans();
	else
		loop_stop(loop);
}

struct options {
	const char *address, *config;
	bool version, help;
};

static int read_settings(const struct options *o, struct settings *out, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(64 * 1024);

	/* On a machine that is not a guest, as in tests, the kernel's command line has no "agent."
	 * parameters. */
	if (file_read(AT_FDCWD, "/proc/cmdline", 64 * 1024, &text, err) < 0 ||
	    settings_load(buf_cstr(&text), environ, o->config, out, err) < 0)
		return -1;
	if (o->address)
		str_set(&out->server_addr, o->address);
	return 0;
}

static struct watch *watch_signals(struct loop *loop, struct err *err)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	return loop_signals(loop, &set, on_signal, loop, err);
}

/* Refuses a request that is not in the configuration file's list. */
static int allow(void *arg, const struct ttrpc_method *method, struct err *err)
{
	const struct settings *s = ((struct sandbox *)arg)->settings;

	if (!s->restricted || strv_has(s->allowed, method->request->short_name))
		return 0;
	return err_set(err, E_UNSUPPORTED, "%s is blocked", method->request->short_name);
}

static int serve(struct sandbox *sandbox, struct err *err)
{
	const struct ttrpc_service services[] = {
		{ "grpc.AgentService", agent_methods, sandbox, allow },
		{ .name = "grpc.Health", .methods = health_methods },
		{ .name = NULL },
	};
	const struct settings *settings = sandbox->settings;
	struct ttrpc_server *server = ttrpc_server_new(sandbox->loop, services);
	int result = transport_serve(sandbox->loop, server, settings->server_addr, err);

	if (result == 0) {
		log_info("agent is ready", LOG_S("address", settings->server_addr));
		loop_run(sandbox->loop);
	}
	if (getpid() != 1) /* as PID 1 nothing is freed: the VM ends */
		ttrpc_server_free(server);
	return result;
}

static int run_in(struct sandbox *sandbox, struct err *err)
{
	const struct settings *settings = sandbox->settings;

	if (getpid() == 1 && boot_cgroups(settings->unified_cgroup, err) < 0)
		return -1;
	if (logs_start(sandbox->loop, settings, err) < 0 ||
	    (settings->debug_console && console_start(sandbox->loop, settings, err) < 0))
		return -1;
	if (getpid() == 1) /* else the machine may not be ours alone */
		scale_raise_tcp();
	scale_init();
	return serve(sandbox, err);
}

static int run(const struct options *o, struct err *err)
{
	AUTO(settings) struct settings settings = { 0 };
	struct sandbox sandbox;
	struct watch *signals;
	struct loop *loop;
	int result;

	if (read_settings(o, &settings, err) < 0)
		return -1;
	loop = loop_new(err);
	signals = loop ? watch_signals(loop, err) : NULL;
	if (!signals) {
		loop_free(loop);
		return -1;
	}
	sandbox_init(&sandbox, &settings, loop);
	result = run_in(&sandbox, err);
	if (getpid() == 1)
		return result;
	watch_remove(signals);
	watcher_stop();
	forget_stop();
	sandbox_release(&sandbox);
	loop_free(loop);
	return result;
}

int main(int argc, char **argv)
{
	static struct options o;
	static const struct opt opts[] = {
		OPT_STR('a', "address", "ADDR", &o.address,
			"listen on unix://PATH, vsock://CID:PORT "
			"or serial://NAME"),
		OPT_STR('c', "config", "FILE", &o.config, "take all settings from FILE"),
		OPT_FLAG('v', "version", &o.version, "print the version"),
		OPT_FLAG('h', "help", &o.help, "print this help"), OPT_END
	};
	struct err err = ERR_INIT;
	int failed;

	if (container_is_init(argc, argv))
		return container_init_main();
	/* A guest without a console has none of them. */
	fd_fill_standard();
	file_set_umask();
	if (getpid() != 1 && opt_parse(opts, OPT_PLAIN, argc, argv, &err) < 0) {
		(void)fprintf(stderr, "kata-agent: %s\n", err.msg);
		return err_exit_status(err.code);
	}
	if (o.version || o.help) {
		(void)printf("kata-agent version %s\n", KATA_VERSION);
		if (o.help)
			opt_help(opts, stdout);
		return EXIT_SUCCESS;
	}
	/* One arena keeps the guest small, since flows are short. Memory of large messages goes
	 * back to the kernel. */
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_MMAP_THRESHOLD, BIG);
	(void)mallopt(M_TRIM_THRESHOLD, BIG);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	log_init("kata-agent", "agent", LOG_JSON, STDERR_FILENO, LOG_INFO);
	failed = (getpid() == 1 && boot(&err) < 0) || run(&o, &err) < 0;
	if (failed)
		log_err(LOG_FATAL, &err, "the agent cannot start");
	if (getpid() == 1)
		power_off();
	return failed ? err_exit_status(err.code) : EXIT_SUCCESS;
}
