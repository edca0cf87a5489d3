// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * A runner whose tests start daemons: what a failed test leaves is ended with it.
 *
 *	children_adopt();
 *	srunner_run_all(r, CK_NORMAL);
 *	children_end();
 */

void children_adopt(void); /* from here on orphans become children of this process */
void children_end(void);   /* kills all children, and what they leave in their turn */
