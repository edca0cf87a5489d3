// SPDX-License-Identifier: Apache-2.0
/* The kernel's command line, from which the agent takes its configuration. */

#include "agent/settings.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/scope.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str) char *line = xstrndup(size ? (const char *)data : "", size);
	AUTO(settings) struct settings s;
	struct err err = ERR_INIT;

	(void)log_set_fd(-1);
	if (settings_parse(line, &s, &err) == 0 && (!s.server_addr || s.level < 0))
		bug("no address or level from '%s'", line);
	return 0;
}
