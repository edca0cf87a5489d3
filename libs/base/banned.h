// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Calls that are compile errors everywhere (force-included by the build). Each has a safe
 * replacement: str_print, str_fmt and buf.h for text; str_u64 for numbers; strv_split for tokens;
 * spawn.h for programs.
 */

#ifndef __ASSEMBLER__
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Some C libraries have these as macros; a macro cannot be poisoned. */
#undef sprintf
#undef vsprintf
#undef alloca
#pragma GCC poison strcpy strcat sprintf vsprintf strncpy strncat strtok strtok_r
#pragma GCC poison gets atoi atol atoll atof gmtime localtime ctime asctime
#pragma GCC poison mktemp tmpnam tempnam system popen alloca
#endif
