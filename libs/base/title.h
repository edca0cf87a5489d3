// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What a process is called. A child that goes on without exec has the name and the command line of its
 * parent, by which it would be taken for one.
 *
 *	title_init(argc, argv);		// in main, first
 *	...
 *	title_set("kata-container one");	// in the child
 */

/* Where the command line is. Without it title_set() changes only the name. */
void title_init(int argc, char **argv);

/* Async-signal-safe: the calling process's name is the title's first word, of 15 bytes at most, and the title
 * its command line, cut to the length of the one that it was started with. */
void title_set(const char *title);
