// SPDX-License-Identifier: Apache-2.0
/* Compares the lists that QEMU prints with devices.def. */

#include "vmm/qemu/devices.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

#include <string.h>

enum { HELP_MAX = 1 << 20 };

static const struct row {
	const char *option, *name;
} rows[] = {
#define QEMU_MACHINE(name, option) { "-machine", name },
#define QEMU_DEVICE(type, option)  { "-device", type },
#define QEMU_OBJECT(type)          { "-object", type },
#define QEMU_OPTION(option)
#include "vmm/qemu/devices.def"
};

bool qemu_lists(const char *help, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = help; *line; line += strspn(line, "\n")) {
		size_t len = strcspn(line, "\n");
		const char *word = line + strspn(line, " ");
		bool quoted = str_starts(word, "name \"");

		word += quoted ? strlen("name \"") : 0;
		if (strncmp(word, name, n) == 0 &&
		    (quoted ? word[n] == '"' : strchr(" \n", word[n]) != NULL))
			return true;
		line += len;
	}
	return false;
}

int qemu_missing(const char *program, char ***missing, struct deadline deadline, struct err *err)
{
	AUTO(strv) char **none = NULL;
	AUTO(buf) struct buf help = BUF_INIT(HELP_MAX);
	const char *asked = NULL;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct spawn s = { .argv = ARGV(program, rows[i].option, "help") };

		if (!asked || !str_eq(asked, rows[i].option)) {
			buf_clear(&help);
			if (spawn_run(&s, NULL, 0, &help, deadline, err) != 0)
				return err_wrap(err, "ask QEMU for what it has");
			asked = rows[i].option;
		}
		if (!qemu_lists(buf_cstr(&help), rows[i].name))
			strv_push(&none, rows[i].name);
	}
	*missing = STEAL(none, NULL);
	return 0;
}
