// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Files that have the headers and notes of a guest kernel, for code that reads only those. */

#include <stddef.h>
#include <stdint.h>

struct note {
	const char *name; /* NULL ends a list */
	uint32_t type, desc_len;
};

/* The note for which kernel_stores_pages() is true, and the end of a list. */
#define NOTE_STORES_PAGES ((struct note){ "Kata", 1, 4 })
#define NOTE_END          ((struct note){ NULL, 0, 0 })

/* Writes such a file with these notes (NULL: none), and leaves out its last cut bytes. */
void kernel_lab_write(const char *path, const struct note *notes, size_t cut);
