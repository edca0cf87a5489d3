// SPDX-License-Identifier: Apache-2.0
#pragma once

/* The walls, in the order in which the child puts them up. Each is called once, in the child. */

#include "confine/confine.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CONFINE_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONFINE_SANITIZED 1
#endif
#ifndef CONFINE_SANITIZED
#define CONFINE_SANITIZED 0
#endif

/* Closes every fd but the listed ones and talk; 0, 1, 2 become /dev/null unless listed. */
MUST_CHECK int confine_close_fds(const struct confine *c, int talk, struct err *err);
MUST_CHECK int confine_limit(const struct confine *c, struct err *err);
/* Root directory, user, capabilities, no new privileges. */
MUST_CHECK int confine_lower(const struct confine *c, struct err *err);
/* Nothing, if the kernel has no Landlock. */
MUST_CHECK int confine_landlock(const struct confine *c, struct err *err);
/* 0: there is none. */
int confine_landlock_abi(void);
MUST_CHECK int confine_filter(const struct confine *c, struct err *err);
