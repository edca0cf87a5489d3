// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Certificates of authorities that a portable program brings along (packaging/roots.sh), for
 * machines that have none. In other programs these symbols do not exist: test the address.
 */

#include <stddef.h>

extern const unsigned char http_roots[] __attribute__((weak));
extern const size_t http_roots_len __attribute__((weak));
