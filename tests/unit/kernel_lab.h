// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Files that look like a guest kernel to who only reads what it says of itself. */

#include <stddef.h>
#include <stdint.h>

struct note {
	const char *name; /* NULL: no more */
	uint32_t type, desc_len;
};

/* The note of a kernel that stores what it reads, and the end of a list. */
#define NOTE_STORES_PAGES ((struct note){ "Kata", 1, 4 })
#define NOTE_END          ((struct note){ NULL, 0, 0 })

/* Writes one with these notes (NULL: none) and without its last cut bytes. */
void kernel_lab_write(const char *path, const struct note *notes, size_t cut);
