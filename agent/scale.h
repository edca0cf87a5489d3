// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Limits of the whole guest that the kernel derives from its memory when it boots: threads, memory
 * for sockets, tracked connections, watched files, namespaces. A VM that was booted small and has
 * grown would keep those of a small machine. Any thread.
 */

/*
 * Lets TCP use a quarter of the memory before connections are reset; before scale_init(). The kernel
 * chooses an eighth, and resets what a program has closed and the peer has not read yet: in a VM of
 * 256 MiB a dozen responses of 2 MB, which no node resets. Buffers are counted to the container's
 * control group, so a container does not get more memory by this. Where systemd is PID 1, the kernel's limit
 * stays. A failure is logged.
 */
void scale_raise_tcp(void);
/* Remembers the memory and the limits of now. Without it scale_limits() changes nothing. */
void scale_init(void);
/* If there is more memory than before, raises the limits in proportion; one that somebody has
 * changed since stays. A failure is logged. */
void scale_limits(void);
