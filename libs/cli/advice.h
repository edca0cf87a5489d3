// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Commands in messages. People copy them, so each has the options that say on what the present run
 * works: without --prefix it would work on another installation.
 *
 *	advice_option("--prefix", "/srv/kata");
 *	...
 *	err_hint(err, "run %s", advice("recover"));	// kata-deploy recover --prefix /srv/kata
 *
 * advice_option() is called before threads are started.
 */

/* Adds an option to all commands, with its value as a shell reads it; the same option again replaces
 * it. NULL: the option is not given. */
void advice_option(const char *name, const char *value);

/* Returns "kata-deploy WORDS OPTIONS", in one of four buffers of this thread that are used in turn;
 * cut like the message of a struct err. WORDS begin with a verb that has the options. */
const char *advice(const char *words);
/* The same with another value of one option; and for a verb that has only one of the options. */
const char *advice_with(const char *words, const char *option, const char *value);
const char *advice_only(const char *words, const char *option);
