// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/kernel_lab.h"

#include "base/buf.h"
#include "base/file.h"

#include <elf.h>
#include <endian.h>
#include <fcntl.h>
#include <string.h>

static void add_note(struct buf *b, const struct note *n)
{
	uint32_t len = (uint32_t)strlen(n->name) + 1, head[] = { len, n->desc_len, n->type };
	static const char zeros[64];

	buf_add(b, head, sizeof(head));
	buf_add(b, n->name, len);
	buf_add(b, zeros, (4 - len % 4) % 4 + (n->desc_len + 3) / 4 * 4);
}

/* The file consists of an ELF header, headers of a code and a note segment, and the notes. */
void kernel_lab_write(const char *path, const struct note *notes, size_t cut)
{
	AUTO(buf) struct buf b = BUF_INIT(65536), n = BUF_INIT(65536);
	Elf64_Ehdr h = { .e_phoff = sizeof(h), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2 };
	Elf64_Phdr code = { .p_type = PT_LOAD, .p_filesz = 1 }, note = { .p_type = PT_NOTE };
	struct err err = ERR_INIT;

	for (; notes && notes->name; notes++)
		add_note(&n, notes);
	memcpy(h.e_ident, ELFMAG, SELFMAG);
	h.e_ident[EI_CLASS] = ELFCLASS64;
	h.e_ident[EI_DATA] = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;
	note.p_offset = sizeof(h) + 2 * sizeof(note);
	note.p_filesz = n.len;
	buf_add(&b, &h, sizeof(h));
	buf_add(&b, &code, sizeof(code));
	buf_add(&b, &note, sizeof(note));
	buf_add(&b, n.data, n.len);
	if (file_replace_volatile(AT_FDCWD, path, b.data, b.len - cut, 0600, &err) < 0)
		bug("%s", err.msg);
}
