// SPDX-License-Identifier: Apache-2.0
/*
 * The decision table for files below etc/:
 *
 *	disk is		release is	decision
 *	missing		shipping it	take		no edit can be lost
 *	missing		not shipping	keep
 *	as shipped	shipping it	take		(keep if the release did not change it)
 *	as shipped	not shipping	remove
 *	as it will be	shipping it	keep		nothing to write
 *	edited		unchanged	keep		only the administrator changed it
 *	edited		changed		park		both changed it
 *	edited		not shipping	keep		it is the administrator's now
 */

#include "deploy/store/conf.h"

#include "base/str.h"

enum conf_verdict conf_judge(const char *shipped, const char *disk, const char *fresh)
{
	if (!fresh)
		return disk && str_eq(disk, shipped) ? CONF_REMOVE : CONF_KEEP;
	if (!disk)
		return CONF_TAKE;
	if (str_eq(disk, fresh) || str_eq(shipped, fresh))
		return CONF_KEEP;
	return str_eq(disk, shipped) ? CONF_TAKE : CONF_PARK;
}
