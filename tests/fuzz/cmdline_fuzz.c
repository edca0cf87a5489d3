// SPDX-License-Identifier: Apache-2.0
/* The kernel command line as the agent reads it. */

#include "agent/agent.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(str) char *text = xstrndup((const char *)data, size);
	struct settings settings;
	struct err err = ERR_INIT;

	log_set_level(LOG_FATAL);
	if (settings_parse(text, &settings, &err) < 0 && !err.code)
		bug("a failure without an error");
	settings_release(&settings);
	return 0;
}
