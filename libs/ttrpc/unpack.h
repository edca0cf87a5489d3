// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Unpacks messages of a peer that is not trusted. Internal to libs/ttrpc. No I/O.
 */

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

/*
 * As protobuf_c_message_unpack(), with a bound on what is allocated for the message. protobuf-c merges
 * a field that occurs again, and copies all of its list each time: 4 MiB of a field of 4 bytes would
 * take minutes and copy terabytes. A message of many empty parts would take 50 times its length.
 *
 * Returns NULL if the message is malformed or exceeds the bound. The result is freed with
 * protobuf_c_message_free_unpacked(..., NULL).
 */
void *ttrpc_unpack(const ProtobufCMessageDescriptor *type, size_t len, const uint8_t *data);
