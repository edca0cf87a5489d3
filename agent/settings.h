// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent's settings. They are loaded once at the start and never change, so any thread may read
 * them.
 *
 *	AUTO(settings) struct settings s = { 0 };
 *	settings_load(cmdline, environ, config_file, &s, err)
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>

struct settings {
	char *server_addr;     /* vsock://CID:PORT, serial://NAME, unix://PATH */
	char *log_addr;        /* serial://NAME, or NULL: the console */
	char *config_file;     /* the file that the settings come from, or NULL */
	char **allowed;        /* if restricted: names of the requests' messages that are served */
	int level;             /* enum log_level */
	unsigned pipe_size;    /* of stdio, in bytes; 0: the kernel's default */
	unsigned hotplug_ms;   /* how long a device may take to appear */
	unsigned log_port;     /* vsock port for the log, or 0 */
	unsigned console_port; /* vsock port for the debug console; 0: /dev/console */
	bool debug_console, devmode, trace;
	bool unified_cgroup; /* cgroup v2 */
	bool restricted;     /* only requests listed in allowed */
};

/*
 * Loads the settings: the "agent." parameters of the kernel command line, overridden by
 * KATA_AGENT_* of the environment. If config_file (NULL or "": none) or the command line names a
 * configuration file, that file alone. An unknown parameter of the command line is logged and
 * ignored; a bad value is an error that names it.
 */
MUST_CHECK int settings_load(const char *cmdline, char *const *env, const char *config_file,
			     struct settings *out, struct err *err);
/* Parses a kernel command line, of at most 64 KiB, alone. */
MUST_CHECK int settings_parse(const char *cmdline, struct settings *out, struct err *err);
void settings_release(struct settings *s);
DEFINE_AUTO_STRUCT(settings, struct settings, settings_release)
