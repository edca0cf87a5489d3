// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Moves what a pipe holds to a connection as pages, without a copy, behind a few bytes of ours.
 * The pages are taken into a pipe of the sluice's own first: others may read the source too (a
 * container has its standard output as /proc/self/fd/1), so only what was taken is certain, and a
 * header may promise no more. They go out through a second pipe, a part at a time: a virtio-serial
 * port takes the whole of a pipe or goes wrong (the driver counts the pages that it takes, but
 * hands over as many as the pipe had). Internal to libs/ttrpc; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sluice {
	int taken[2], leaving[2]; /* pipes: [0] reads, [1] writes; made at the first use; -1 */
	bool useless;
};

#define SLUICE_INIT                           \
	{                                     \
		{ -1, -1 }, { -1, -1 }, false \
	}

/* Takes what the pipe fd holds, at most max bytes; a sluice that sent everything is empty. Returns
 * how many bytes, or 0 if nothing was taken: fd is no pipe or has too little in it to be worth it. */
size_t sluice_take(struct sluice *s, int fd, size_t max);

/* Sends head and the len bytes that were taken to the non-blocking fd to, as far as it takes them.
 * What is in the way still is in two places, in this order: *held bytes to be read from leaving[0],
 * and *left bytes to be read from taken[0]. -1: bytes were lost, to is of no use any more. */
int sluice_send(struct sluice *s, const uint8_t *head, size_t head_len, size_t len, int to,
		size_t *held, size_t *left);
void sluice_release(struct sluice *s);
