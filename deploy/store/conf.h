// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * What becomes of a file that a person may edit. Digests of: what the release before shipped, what
 * is on disk, what the new release ships; NULL where there is no such file.
 */

enum conf_verdict {
	CONF_TAKE,   /* put the new one there */
	CONF_KEEP,   /* leave it alone */
	CONF_PARK,   /* leave it alone and put the new one beside it as NAME.new */
	CONF_REMOVE, /* take it away */
};

enum conf_verdict conf_judge(const char *shipped, const char *disk, const char *fresh);
