// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A sluice splices the contents of a pipe to a connection, after a header, without copying them.
 * The pages are first moved to a pipe of the sluice: other processes may read from the source too
 * (a container can open /proc/self/fd/1), so the header's length must be that of the data that was
 * moved. They are sent through a second pipe, a part at a time: splicing part of a pipe to a
 * virtio-serial port fails (the driver counts the pages it accepts but sends all pages of the
 * pipe). Internal to libs/ttrpc; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sluice {
	int taken[2], leaving[2]; /* pipes: [0] reads, [1] writes; made at the first use; -1 */
	bool useless; /* the pipes or the connection do not support it: data has to be copied */
};

#define SLUICE_INIT                           \
	{                                     \
		{ -1, -1 }, { -1, -1 }, false \
	}

/* Moves at most max bytes from the pipe fd into the sluice, which must be empty. Returns the number
 * of bytes, or 0 if nothing was moved: fd is not a pipe, or has too little data to be worth it. */
size_t sluice_take(struct sluice *s, int fd, size_t max);

/* Sends head and the len bytes of the sluice to the non-blocking fd to, as far as it accepts them.
 * The caller has to read the rest from the sluice: first *held bytes from leaving[0], then *left
 * bytes from taken[0]. Returns 0, or -1 if bytes were lost and the connection must be closed. */
int sluice_send(struct sluice *s, const uint8_t *head, size_t head_len, size_t len, int to,
		size_t *held, size_t *left);
void sluice_release(struct sluice *s);
