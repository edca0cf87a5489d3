// SPDX-License-Identifier: Apache-2.0
/* Mount tables: what parses and is written again with escapes parses to the same entries. */

#include "base/buf.h"
#include "mount/mount.h"

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

static void print(const struct mount_table *table, struct buf *to)
{
	vec_each(struct mount_entry, e, &table->entries) {
		buf_fmt(to, "%d %d 0:1 ", e->id, e->parent);
		put_escaped(to, e->root);
		put_escaped(to, e->path);
		buf_str(to, "rw - ");
		put_escaped(to, e->type);
		put_escaped(to, e->source);
		buf_str(to, "rw\n");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err err = ERR_INIT;
	AUTO(buf) struct buf first = BUF_INIT(64 << 20);
	AUTO(buf) struct buf second = BUF_INIT(64 << 20);
	AUTO(mount_table) struct mount_table table = { VEC_INIT }, again = { VEC_INIT };

	if (mount_table_parse(size ? (const char *)data : "", size, &table, &err) < 0)
		return 0;
	print(&table, &first);
	if (mount_table_parse(buf_cstr(&first), first.len, &again, &err) < 0)
		bug("what was printed does not parse: %s: %s", err.msg, buf_cstr(&first));
	print(&again, &second);
	if (strcmp(buf_cstr(&first), buf_cstr(&second)) != 0)
		bug("'%s' became '%s'", buf_cstr(&first), buf_cstr(&second));
	return 0;
}
