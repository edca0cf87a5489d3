// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Limits of the whole guest that the kernel derives from its memory when it boots: threads, memory
 * for sockets, watched files. A VM that was booted small and has grown would keep those of a small
 * machine. Any thread.
 */

/* Remembers the memory and the limits of now. Without it scale_limits() changes nothing. */
void scale_init(void);
/* If there is more memory than before, raises the limits in proportion; one that somebody has
 * changed since stays. A failure is logged. */
void scale_limits(void);
