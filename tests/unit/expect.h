// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Checks of calls whose last argument is &err, for test files that have a struct err err. */

#include "base/err.h"

#include <check.h>

#define OK(call)                                           \
	do {                                               \
		err_clear(&err);                           \
		ck_assert_msg((call) >= 0, "%s", err.msg); \
	} while (0)

#define FAILS(call, expected)                                         \
	do {                                                          \
		err_clear(&err);                                      \
		ck_assert_int_lt((call), 0);                          \
		ck_assert_msg(err.code == (expected), "%s", err.msg); \
	} while (0)
