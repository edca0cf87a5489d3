// SPDX-License-Identifier: Apache-2.0
/*
 * The mount table, /proc/PID/mountinfo. If it parses, every mount is found by its target, and the
 * list, printed with escapes, parses to the same list.
 */

#include "base/buf.h"
#include "base/str.h"
#include "mount/mount.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_escaped(struct buf *to, const char *s)
{
	for (; *s; s++) {
		if (strchr(" \t\n\\#", *s))
			buf_fmt(to, "\\%03o", (unsigned)(unsigned char)*s);
		else
			buf_chr(to, *s);
	}
	buf_chr(to, ' ');
}

static void print(const struct mount_list *list, struct buf *to)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct mount_entry *e = &list->v[i];

		buf_fmt(to, "%" PRIu64 " %" PRIu64 " %u:%u ", e->id, e->parent, e->major, e->minor);
		put_escaped(to, e->root);
		put_escaped(to, e->target);
		put_escaped(to, e->options);
		buf_str(to, "- ");
		put_escaped(to, e->type);
		put_escaped(to, e->source);
		put_escaped(to, e->super_options);
		to->len--; /* drop the last blank */
		buf_chr(to, '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(mount_list) struct mount_list list = { NULL, 0 }, again = { NULL, 0 };
	AUTO(buf) struct buf first = BUF_INIT(MOUNT_LIST_MAX);
	AUTO(buf) struct buf second = BUF_INIT(MOUNT_LIST_MAX);
	struct err err = ERR_INIT;

	if (mount_list_parse((const char *)data, size, &list, &err) < 0)
		return 0;
	for (size_t i = 0; i < list.n; i++) {
		if (!mount_list_has(&list, list.v[i].target))
			bug("a mount is not found");
	}
	print(&list, &first);
	if (mount_list_parse(buf_cstr(&first), first.len, &again, &err) < 0)
		bug("what was printed does not parse: %s: %s", err.msg, buf_cstr(&first));
	print(&again, &second);
	if (!str_eq(buf_cstr(&first), buf_cstr(&second)))
		bug("'%s' became '%s'", buf_cstr(&first), buf_cstr(&second));
	return 0;
}
