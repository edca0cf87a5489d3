// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent's settings: read once, before anything else runs, and never changed; any thread may
 * read them.
 */

#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>

struct settings {
	char *server_addr;     /* vsock://CID:PORT, serial://NAME, unix://PATH */
	char *log_addr;        /* serial://NAME, or NULL: the console */
	char *config_file;     /* the file that the settings were read from, or NULL */
	char **allowed;        /* names of the requests that are allowed, if restricted */
	int level;             /* enum log_level */
	unsigned pipe_size;    /* of stdio; 0: the kernel's */
	unsigned hotplug_ms;   /* how long a device may take to appear */
	unsigned log_port;     /* vsock port for the log, or 0 */
	unsigned console_port; /* vsock port for the debug console; 0: /dev/console */
	bool debug_console, devmode, trace;
	bool unified_cgroup; /* cgroup v2 */
	bool restricted;     /* only requests listed in allowed */
};

/*
 * Reads the agent's settings: the "agent." parameters of the kernel command line, overridden by
 * KATA_AGENT_* of the environment; or, if a configuration file is named ("": none), that file
 * alone. Unknown parameters are logged and ignored; a bad value is an error that names it.
 */
MUST_CHECK int settings_load(const char *cmdline, char *const *env, const char *config_file,
			     struct settings *out, struct err *err);
/* Parses a kernel command line only. At most 64 KiB. */
MUST_CHECK int settings_parse(const char *cmdline, struct settings *out, struct err *err);
void settings_release(struct settings *s);
DEFINE_AUTO_STRUCT(settings, struct settings, settings_release)
