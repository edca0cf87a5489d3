// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The name and command line of a process, as ps(1) shows them. A child that continues without exec
 * changes them, so that nobody takes it for its parent.
 *
 *	title_init(argc, argv);		// in main, first
 *	...
 *	title_set("kata-container one");	// in the child
 */

/* Remembers where the command line is. Without this call title_set() changes only the name. */
void title_init(int argc, char **argv);

/* Sets the name of the calling process to the first word of title, cut to 15 bytes, and its command
 * line to title, cut to the length of the original command line. Async-signal-safe. */
void title_set(const char *title);
