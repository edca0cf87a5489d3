// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Responses with much data: { status = {}, payload = { 1: bytes } }, written and parsed in place,
 * without the copies of packing and unpacking. Internal to libs/ttrpc. No I/O.
 */

#include "ttrpc/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of such a response before its bytes. */
extern const struct conn_prefix ttrpc_bytes_prefix;

/* Finds the bytes of { 1: bytes }. False: not such a message. */
bool ttrpc_bytes_of(const uint8_t *payload, size_t n, const uint8_t **data, size_t *len);
/* Finds the bytes in a response's body; *data points into it. False: not such a response, or one
 * with a non-empty status: it has to be unpacked. Without bytes *len is 0. */
bool ttrpc_bytes_find(const uint8_t *body, size_t n, const uint8_t **data, size_t *len);
