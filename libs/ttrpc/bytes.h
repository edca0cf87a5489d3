// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Responses with much data, { status = {}, payload = { 1: bytes } }, are written and parsed in
 * place here, without the copies that packing and unpacking make. Internal to libs/ttrpc. No I/O.
 */

#include "ttrpc/conn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The part of such a response that precedes its bytes. */
extern const struct conn_prefix ttrpc_bytes_prefix;

/* Finds the bytes in a payload { 1: bytes }; *data points into it. False if the payload has another
 * form. */
bool ttrpc_bytes_of(const uint8_t *payload, size_t n, const uint8_t **data, size_t *len);
/* Finds the bytes in the body of a response; *data points into it, *len is 0 if it has none. False
 * if the response has another form or a non-empty status: the caller has to unpack it. */
bool ttrpc_bytes_find(const uint8_t *body, size_t n, const uint8_t **data, size_t *len);
