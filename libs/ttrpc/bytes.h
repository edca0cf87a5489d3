// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Responses that carry much data: { status = {}, payload = { 1: bytes } }, written and read in
 * place, without the copies that packing and unpacking make. Internal to libs/ttrpc. No I/O.
 */

#include "ttrpc/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Such a response up to the first of its bytes. */
extern const struct conn_prefix ttrpc_bytes_prefix;

/* The bytes of { 1: bytes }. False: it is no such message. */
bool ttrpc_bytes_of(const uint8_t *payload, size_t n, const uint8_t **data, size_t *len);
/* Finds the bytes in a response's body: they stay there. False: the body is no such response, or
 * has a status other than an empty one, and has to be unpacked to know what it is. No bytes at all
 * is len 0. */
bool ttrpc_bytes_find(const uint8_t *body, size_t n, const uint8_t **data, size_t *len);
