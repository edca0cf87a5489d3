// SPDX-License-Identifier: Apache-2.0
/* Messages from a D-Bus peer. Texts that are found in a message lie inside it, and reading its body
 * comes to an end. */

#include "base/mem.h"
#include "dbus/dbus.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(const struct dbus_message *m, const char *text)
{
	const char *end = m->data.data + m->data.len;

	if (text && (text < m->data.data || text + strlen(text) >= end))
		bug("a text outside the message");
}

static void read_body(const struct dbus_message *m)
{
	struct dbus_reader r = dbus_read(m);

	while (*r.types) {
		char type = *r.types;

		if (type == 'u')
			(void)dbus_number(&r);
		else if (type == 'v')
			(void)dbus_variant(&r);
		else
			inside(m, dbus_text(&r, type == 'o' ? 'o' : 's'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(dbus_message) struct dbus_message m = DBUS_MESSAGE_INIT;
	struct err err = ERR_INIT, ignored = ERR_INIT; /* most inputs are not messages */
	size_t length;

	if (size < DBUS_HEAD)
		return 0;
	if (dbus_length((const char *)data, &length, &ignored) == 0 &&
	    (length < DBUS_HEAD || length > DBUS_MESSAGE_MAX))
		bug("a message of %zu bytes", length);
	buf_add(&m.data, data, size);
	if (dbus_parse(&m, &err) < 0)
		return 0;
	inside(&m, m.path);
	inside(&m, m.interface);
	inside(&m, m.member);
	inside(&m, m.error);
	read_body(&m);
	return 0;
}
