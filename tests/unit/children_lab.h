// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * For test programs whose tests start daemons: kills the processes that a failed test left behind.
 *
 *	children_adopt();
 *	status = suite_run(suite);
 *	children_end();
 */

void children_adopt(void); /* from here on orphans become children of this process */
void children_end(void);   /* kills all children, and orphans that come from them */
