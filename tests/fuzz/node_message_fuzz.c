// SPDX-License-Identifier: Apache-2.0
/* Lines that the two containers of the DaemonSet send to each other. A message that parses can be
 * printed as one line, and that line parses to the same message. */

#include "deploy/node/message.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try(const char *text, size_t size, enum message_side from)
{
	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
	struct err err = ERR_INIT, ignored = ERR_INIT; /* most inputs are not messages */
	struct message m, again;

	if (message_parse(text, size, from, &m, &ignored) < 0) {
		if (ignored.code != E_PROTOCOL)
			bug("refused with code %d", (int)ignored.code);
		return;
	}
	if (message_format(&m, &line, &err) < 0)
		bug("what was parsed cannot be printed: %s", err.msg);
	if (memchr(line.data, '\n', line.len) != line.data + line.len - 1)
		bug("not one line");
	if (message_parse(line.data, line.len - 1, from, &again, &err) < 0)
		bug("what was printed does not parse: %s", err.msg);
	if (memcmp(&m, &again, sizeof(m)) != 0)
		bug("what was printed parses to something else");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = size ? (const char *)data : "";

	try(text, size, MESSAGE_FROM_NODE);
	try(text, size, MESSAGE_FROM_REPORT);
	return 0;
}
