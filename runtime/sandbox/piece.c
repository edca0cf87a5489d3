// SPDX-License-Identifier: Apache-2.0
/* Which part of a piece of input is sent next. */

#include "sandbox/piece.h"

#include "sandbox/vm.h"

/* With the ids in it, a request with so much input is one that the agent takes in any case. */
enum { SHORT = 512 };

void piece_begin(struct piece *p, const uint8_t *data, size_t len)
{
	*p = (struct piece){ .data = data, .len = len, .most = SIZE_MAX };
}

bool piece_is_left(const struct piece *p)
{
	return p->done < p->len;
}

struct piece_part piece_next(struct piece *p)
{
	size_t left = p->len - p->done;

	p->part = left < p->most ? left : p->most;
	return (struct piece_part){ (uint8_t *)p->data + p->done, p->part };
}

bool piece_taken(struct piece *p, uint32_t n)
{
	if (n == 0 || n > p->part)
		return false;
	p->done += n;
	p->most = SIZE_MAX;
	return true;
}

unsigned piece_refused(struct piece *p)
{
	bool was_short = p->part <= SHORT;

	p->most = SHORT;
	return was_short ? VM_AGAIN_MS : 1;
}
