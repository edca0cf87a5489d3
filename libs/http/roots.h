// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Certificates of authorities built into the portable program (packaging/roots.sh), for machines
 * without a bundle. Other programs lack these symbols: test the address.
 */

#include <stddef.h>

extern const unsigned char http_roots[] __attribute__((weak));
extern const size_t http_roots_len __attribute__((weak));
