// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Three-way decision about a file that the administrator may edit. Arguments are digests of the
 * file as shipped by the old release, on disk, and as shipped by the new release; NULL: no such
 * file.
 */

enum conf_verdict {
	CONF_TAKE,   /* install the new one */
	CONF_KEEP,   /* keep the one on disk */
	CONF_PARK,   /* keep it, and install the new one beside it as NAME.new */
	CONF_REMOVE, /* remove it */
};

enum conf_verdict conf_judge(const char *shipped, const char *disk, const char *fresh);
