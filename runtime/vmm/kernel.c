// SPDX-License-Identifier: Apache-2.0
/* Looks for our notes in the PT_NOTE segments of a guest kernel. The file is not trusted to be
 * valid. */

#include "vmm/kernel.h"

#include "base/fd.h"
#include "base/mem.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

enum { NOTE_STORES_PAGES = 1 };
/* A kernel has a handful of segments and notes of some hundred bytes. */
enum { SEGMENTS_MAX = 64, NOTES_MAX = 64 << 10 };

static const char owner[] = "Kata";

/* Returns 1 if all of it was read, 0 if the file is shorter, -1 with an error. */
static int read_at(int fd, const char *path, void *to, size_t len, uint64_t offset, struct err *err)
{
	size_t done = 0;

	if (offset > INT64_MAX - len)
		return 0;
	while (done < len) {
		ssize_t n = pread(fd, (char *)to + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno != EINTR)
			return err_sys(err, "read %s", path);
		if (n == 0)
			return 0;
		if (n > 0)
			done += (size_t)n;
	}
	return 1;
}

/* True for a 64-bit ELF file of our byte order with a plausible number of segments. */
static bool is_supported(const Elf64_Ehdr *h)
{
	const unsigned char order = __BYTE_ORDER == __LITTLE_ENDIAN ? ELFDATA2LSB : ELFDATA2MSB;

	return memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
	       h->e_ident[EI_DATA] == order && h->e_phentsize == sizeof(Elf64_Phdr) &&
	       h->e_phnum <= SEGMENTS_MAX;
}

/* The length of a name or description including its padding. */
static size_t padded(uint32_t len)
{
	return ((size_t)len + 3) & ~(size_t)3;
}

static bool has_note(const unsigned char *notes, size_t len, uint32_t type)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		const unsigned char *name = notes + sizeof(h);
		size_t rest = len - sizeof(h), body;

		memcpy(&h, notes, sizeof(h));
		body = padded(h.n_namesz) + padded(h.n_descsz);
		if (body > rest)
			return false;
		if (h.n_type == type && h.n_namesz == sizeof(owner) &&
		    memcmp(name, owner, sizeof(owner)) == 0)
			return true;
		notes += sizeof(h) + body;
		len = rest - body;
	}
	return false;
}

/* Returns 1 if the segment has the note, 0 if not, -1 with an error. */
static int find_note(int fd, const char *path, const Elf64_Phdr *segment, uint32_t type,
		     struct err *err)
{
	AUTO(mem) unsigned char *notes = NULL;
	int whole;

	if (segment->p_type != PT_NOTE || segment->p_filesz > NOTES_MAX)
		return 0;
	notes = xmalloc(segment->p_filesz + 1);
	whole = read_at(fd, path, notes, segment->p_filesz, segment->p_offset, err);
	return whole == 1 ? has_note(notes, segment->p_filesz, type) : whole;
}

int kernel_stores_pages(const char *path, bool *stores, struct err *err)
{
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Ehdr head;
	int found;

	*stores = false;
	if (fd < 0)
		return err_sys(err, "open %s", path);
	found = read_at(fd, path, &head, sizeof(head), 0, err);
	if (found != 1 || !is_supported(&head))
		return found < 0 ? -1 : 0;
	found = read_at(fd, path, segments, head.e_phnum * sizeof(*segments), head.e_phoff, err);
	if (found != 1)
		return found;
	found = 0;
	for (unsigned i = 0; i < head.e_phnum && found == 0; i++)
		found = find_note(fd, path, &segments[i], NOTE_STORES_PAGES, err);
	*stores = found == 1;
	return found < 0 ? -1 : 0;
}
