// SPDX-License-Identifier: Apache-2.0
/* Unpacking with a budget, as an allocator of protobuf-c that fails once it is used up. */

#include "ttrpc/unpack.h"

#include <stdlib.h>

/* Real messages, most of whose bytes are text, take less than 10 times their length; short ones with
 * many empty parts, such as the statistics of a container, need the constant. */
enum { BUDGET_TIMES = 32, BUDGET_MORE = 256 << 10 };

static void *allocate(void *arg, size_t size)
{
	size_t *left = arg;

	if (size > *left)
		return NULL;
	*left -= size;
	return malloc(size);
}

static void release(void *arg, void *p)
{
	(void)arg;
	free(p);
}

void *ttrpc_unpack(const ProtobufCMessageDescriptor *type, size_t len, const uint8_t *data)
{
	size_t left = len * BUDGET_TIMES + BUDGET_MORE; /* len is at most TTRPC_MESSAGE_MAX */
	ProtobufCAllocator allocator = { allocate, release, &left };

	return protobuf_c_message_unpack(type, &allocator, len, data);
}
