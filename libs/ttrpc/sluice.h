// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Moves what a pipe holds to a connection as pages, without a copy, behind a few bytes of ours. The
 * pages go through a pipe of the sluice's own: a virtio-serial port takes the whole of a pipe or
 * goes wrong (the driver counts the pages that it takes, but hands over as many as the pipe had),
 * and the source may get more at any moment. Internal to libs/ttrpc; one thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sluice {
	int in, out; /* the pipe, made at its first use; -1 */
	bool useless;
};

#define SLUICE_INIT           \
	{                     \
		-1, -1, false \
	}

/* How many bytes, at most max, a sluice is worth for; 0: fd is no pipe or has little in it. */
size_t sluice_worth(struct sluice *s, int fd, size_t max);

/* Sends head and len bytes of the pipe from to the non-blocking fd to, as far as it takes them.
 * What is in the way still is in two places, in this order: held bytes to be read from s->out, and
 * left bytes to be read from from. -1: bytes were lost, to is of no use any more. */
int sluice_send(struct sluice *s, const uint8_t *head, size_t head_len, int from, size_t len,
		int to, size_t *held, size_t *left);
void sluice_release(struct sluice *s);
