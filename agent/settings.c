// SPDX-License-Identifier: Apache-2.0
/* The agent's words on the kernel command line. */

#include "agent/agent.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { CMDLINE_MAX = 64 * 1024 };

static int set_level(struct settings *s, const char *value, struct err *err)
{
	s->level = log_level_parse(value);
	return s->level < 0 ? err_set(err, E_CONFIG, "unknown log level '%s'", value) : 0;
}

static int set_server(struct settings *s, const char *value, struct err *err)
{
	if (!str_starts(value, "serial://") && !str_starts(value, "unix://") &&
	    !str_starts(value, "vsock://"))
		return err_set(err, E_CONFIG,
			       "address '%s' is neither vsock://, serial:// nor "
			       "unix://",
			       value);
	str_set(&s->server_addr, value);
	return 0;
}

static int set_log(struct settings *s, const char *value, struct err *err)
{
	if (!str_starts(value, "serial://"))
		return err_set(err, E_CONFIG, "log address '%s' is not serial://", value);
	str_set(&s->log_addr, value);
	return 0;
}

static int set_pipe_size(struct settings *s, const char *value, struct err *err)
{
	uint64_t n;

	if (str_u64(value, 10, 0, 1 << 20, "pipe size", &n, err) < 0)
		return -1;
	s->pipe_size = (unsigned)n;
	return 0;
}

static const struct {
	const char *name;
	int (*set)(struct settings *s, const char *value, struct err *err);
} words[] = {
	{ "agent.log=", set_level },
	{ "agent.server_addr=", set_server },
	{ "agent.log_addr=", set_log },
	{ "agent.container_pipe_size=", set_pipe_size },
};

static int take_word(const char *word, struct settings *out, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (!str_starts(word, words[i].name))
			continue;
		if (words[i].set(out, word + strlen(words[i].name), err) < 0)
			return err_wrap(err, "kernel command line: %s", word);
		return 0;
	}
	log_warn("unknown word on the kernel command line", LOG_S("word", word));
	return 0;
}

int settings_parse(const char *cmdline, struct settings *out, struct err *err)
{
	AUTO(strv) char **list = NULL;

	*out = (struct settings){ .level = LOG_INFO };
	if (strnlen(cmdline, CMDLINE_MAX) == CMDLINE_MAX)
		return err_set(err, E_LIMIT, "kernel command line of %d bytes", CMDLINE_MAX);
	list = strv_split(cmdline, " \t\n");
	str_set(&out->server_addr, "vsock://-1:1024");
	strv_each(word, list) {
		if (str_starts(*word, "agent.") && take_word(*word, out, err) < 0)
			return -1;
	}
	return 0;
}

void settings_release(struct settings *s)
{
	free(s->server_addr);
	free(s->log_addr);
	*s = (struct settings){ .level = LOG_INFO };
}
