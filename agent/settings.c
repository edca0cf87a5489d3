// SPDX-License-Identifier: Apache-2.0
/* Loads the agent's settings: a table of parameters for kernel command line and environment, and
 * the keys of the configuration file. */

#include "agent/settings.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "toml/toml.h"

#include <stdlib.h>
#include <string.h>

enum { CMDLINE_MAX = 64 * 1024, HOTPLUG_MS = 3000, HOTPLUG_MAX_S = 3600, PIPE_MAX = 1 << 20 };

static int set_level(struct settings *s, const char *value, struct err *err)
{
	int level = log_level_parse(value);

	if (level < 0)
		return err_set(err, E_CONFIG, "unknown log level '%.64s'", value);
	s->level = level;
	return 0;
}

static int set_server(struct settings *s, const char *value, struct err *err)
{
	if (!str_starts(value, "serial://") && !str_starts(value, "unix://") &&
	    !str_starts(value, "vsock://"))
		return err_set(err, E_CONFIG,
			       "address '%.256s' is neither vsock://, serial:// nor unix://",
			       value);
	str_set(&s->server_addr, value);
	return 0;
}

static int set_log(struct settings *s, const char *value, struct err *err)
{
	if (!str_starts(value, "serial://"))
		return err_set(err, E_CONFIG, "log address '%.256s' is not serial://", value);
	str_set(&s->log_addr, value);
	return 0;
}

static int set_pipe_size(struct settings *s, const char *value, struct err *err)
{
	uint64_t n;

	if (str_u64(value, 10, 0, PIPE_MAX, "pipe size", &n, err) < 0)
		return -1;
	s->pipe_size = (unsigned)n;
	return 0;
}

/* Sets *out to a positive number; others are ignored, as by upstream. */
static int positive(const char *value, uint64_t max, const char *what, unsigned *out,
		    struct err *err)
{
	int64_t n;

	if (str_i64(value, INT64_MIN, (int64_t)max, what, &n, err) < 0)
		return -1;
	if (n > 0)
		*out = (unsigned)n;
	return 0;
}

static int set_hotplug(struct settings *s, const char *value, struct err *err)
{
	unsigned seconds = s->hotplug_ms / 1000;

	if (positive(value, HOTPLUG_MAX_S, "hotplug timeout", &seconds, err) < 0)
		return -1;
	s->hotplug_ms = seconds * 1000;
	return 0;
}

static int set_log_port(struct settings *s, const char *value, struct err *err)
{
	return positive(value, UINT32_MAX, "log port", &s->log_port, err);
}

static int set_console_port(struct settings *s, const char *value, struct err *err)
{
	return positive(value, UINT32_MAX, "debug console port", &s->console_port, err);
}

/* "agent.x" without a value means true. */
static int boolean(const char *value, const char *what, bool *out, struct err *err)
{
	if (str_eq(value, "") || str_eq(value, "true") || str_eq(value, "1"))
		*out = true;
	else if (str_eq(value, "false") || str_eq(value, "0"))
		*out = false;
	else
		return err_set(err, E_CONFIG, "%s is '%.64s', neither true nor false", what, value);
	return 0;
}

static int set_console(struct settings *s, const char *value, struct err *err)
{
	return boolean(value, "debug_console", &s->debug_console, err);
}

static int set_devmode(struct settings *s, const char *value, struct err *err)
{
	return boolean(value, "devmode", &s->devmode, err);
}

static int set_trace(struct settings *s, const char *value, struct err *err)
{
	return boolean(value, "trace", &s->trace, err);
}

static int set_unified(struct settings *s, const char *value, struct err *err)
{
	return boolean(value, "unified_cgroup_hierarchy", &s->unified_cgroup, err);
}

static int set_config(struct settings *s, const char *value, struct err *err)
{
	(void)err;
	str_set(&s->config_file, value);
	return 0;
}

static const struct word {
	const char *name, *env;
	bool alone; /* the parameter may be without a value */
	int (*set)(struct settings *s, const char *value, struct err *err);
} words[] = {
	{ "agent.log", "KATA_AGENT_LOG_LEVEL", false, set_level },
	{ "agent.server_addr", "KATA_AGENT_SERVER_ADDR", false, set_server },
	{ "agent.log_addr", NULL, false, set_log },
	{ "agent.log_vport", NULL, false, set_log_port },
	{ "agent.container_pipe_size", NULL, false, set_pipe_size },
	{ "agent.hotplug_timeout", NULL, false, set_hotplug },
	{ "agent.debug_console", NULL, true, set_console },
	{ "agent.debug_console_vport", NULL, false, set_console_port },
	{ "agent.devmode", NULL, true, set_devmode },
	{ "agent.trace", "KATA_AGENT_TRACING", true, set_trace },
	{ "agent.unified_cgroup_hierarchy", NULL, true, set_unified },
	{ "agent.config_file", NULL, false, set_config },
};

static int take_word(const char *word, struct settings *out, struct err *err)
{
	const char *value = strchr(word, '=');
	size_t len = value ? (size_t)(value - word) : strlen(word);

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i].name) != len || strncmp(words[i].name, word, len) != 0)
			continue;
		if (!value && !words[i].alone)
			return err_set(err, E_CONFIG, "kernel command line: %s has no value", word);
		if (words[i].set(out, value ? value + 1 : "", err) < 0)
			return err_wrap(err, "kernel command line: %.256s", word);
		return 0;
	}
	log_warn("unknown parameter on the kernel command line", LOG_S("word", word));
	return 0;
}

static void defaults(struct settings *s)
{
	*s = (struct settings){ .level = LOG_INFO,
				.hotplug_ms = HOTPLUG_MS,
				.unified_cgroup = true };
	str_set(&s->server_addr, "vsock://-1:1024");
}

int settings_parse(const char *cmdline, struct settings *out, struct err *err)
{
	AUTO(strv) char **list = NULL;

	defaults(out);
	if (strnlen(cmdline, CMDLINE_MAX) == CMDLINE_MAX)
		return err_set(err, E_LIMIT, "kernel command line of %d bytes or more",
			       CMDLINE_MAX);
	list = strv_split(cmdline, " \t\n");
	strv_each(word, list) {
		if (str_starts(*word, "agent.") && take_word(*word, out, err) < 0)
			return -1;
	}
	return 0;
}

static int take_env(char *const *env, struct settings *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		const char *value = words[i].env ? strv_env_get(env, words[i].env) : NULL;

		if (value && words[i].set(out, value, err) < 0)
			return err_wrap(err, "environment: %s", words[i].env);
	}
	return 0;
}

/* --- configuration file --- */

static int file_strings(struct toml_value *t, struct settings *s, struct err *err)
{
	const char *server, *level, *log;

	if (toml_get_string(t, "server_addr", NULL, &server, err) < 0 ||
	    toml_get_string(t, "log_level", NULL, &level, err) < 0 ||
	    toml_get_string(t, "log_addr", NULL, &log, err) < 0)
		return -1;
	if ((server && set_server(s, server, err) < 0) || (level && set_level(s, level, err) < 0) ||
	    (log && set_log(s, log, err) < 0))
		return -1;
	return 0;
}

static int file_numbers(struct toml_value *t, struct settings *s, struct err *err)
{
	int64_t hotplug, log, console, pipe;

	if (toml_get_int(t, "hotplug_timeout", 1, HOTPLUG_MAX_S, HOTPLUG_MS / 1000, &hotplug, err) <
		    0 ||
	    toml_get_int(t, "log_vport", 0, UINT32_MAX, 0, &log, err) < 0 ||
	    toml_get_int(t, "debug_console_vport", 0, UINT32_MAX, 0, &console, err) < 0 ||
	    toml_get_int(t, "container_pipe_size", 0, PIPE_MAX, 0, &pipe, err) < 0)
		return -1;
	s->hotplug_ms = (unsigned)hotplug * 1000;
	s->log_port = (unsigned)log;
	s->console_port = (unsigned)console;
	s->pipe_size = (unsigned)pipe;
	return 0;
}

static int file_flags(struct toml_value *t, struct settings *s, struct err *err)
{
	if (toml_get_bool(t, "debug_console", false, &s->debug_console, err) < 0 ||
	    toml_get_bool(t, "dev_mode", false, &s->devmode, err) < 0 ||
	    toml_get_bool(t, "tracing", false, &s->trace, err) < 0)
		return -1;
	return toml_get_bool(t, "unified_cgroup_hierarchy", true, &s->unified_cgroup, err);
}

static int load_file(const char *path, struct settings *s, struct err *err)
{
	static const char *const none[] = { NULL };
	AUTO(toml) struct toml_value *t = toml_load(path, err);
	struct toml_value *endpoints;

	if (!t || file_strings(t, s, err) < 0 || file_numbers(t, s, err) < 0 ||
	    file_flags(t, s, err) < 0 || toml_get_table(t, "endpoints", &endpoints, err) < 0 ||
	    toml_get_strings(endpoints, "allowed", &s->allowed, err) < 0 ||
	    toml_unused(t, none, err) < 0)
		return -1;
	s->restricted = true; /* a file without a list blocks every request */
	return 0;
}

int settings_load(const char *cmdline, char *const *env, const char *config_file,
		  struct settings *out, struct err *err)
{
	AUTO(str) char *path = NULL;

	if (settings_parse(cmdline, out, err) < 0)
		return -1;
	if (!str_empty(config_file))
		str_set(&out->config_file, config_file);
	if (!out->config_file)
		return take_env(env, out, err);
	path = STEAL(out->config_file, NULL);
	settings_release(out);
	defaults(out);
	out->config_file = xstrdup(path);
	return load_file(path, out, err);
}

void settings_release(struct settings *s)
{
	free(s->server_addr);
	free(s->log_addr);
	free(s->config_file);
	strv_free(s->allowed);
	*s = (struct settings){ .level = LOG_INFO };
}
