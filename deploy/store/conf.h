// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Three-way decision about a file below etc/, which the administrator may edit. The arguments are
 * digests of the file as the old release shipped it, as it is on disk, and as the new release ships
 * it; NULL: there is no such file.
 */

enum conf_verdict {
	CONF_TAKE,   /* install the new one */
	CONF_KEEP,   /* keep the one on disk */
	CONF_PARK,   /* keep it, and install the new one beside it as NAME.new */
	CONF_REMOVE, /* remove it */
};

enum conf_verdict conf_judge(const char *shipped, const char *disk, const char *fresh);
