// SPDX-License-Identifier: Apache-2.0
/* Sizes of huge pages. */

#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"

#include <string.h>

#define PAGE_MAX (UINT64_C(1) << 40)

/* The exponent of 2 of a unit: 0 for none, -1 for one that does not exist. */
static int unit_shift(const char *unit)
{
	static const char units[] = "KMGT";
	const char *found = *unit ? strchr(units, *unit) : NULL;

	if (!*unit)
		return 0;
	return found && (!unit[1] || str_eq(unit + 1, "B")) ? 10 * (int)(found - units + 1) : -1;
}

int oci_page_size(const char *text, uint64_t *bytes, struct err *err)
{
	size_t digits = text ? strspn(text, "0123456789") : 0;
	AUTO(str) char *number = xstrndup(text ? text : "", digits);
	int shift = text ? unit_shift(text + digits) : -1;
	uint64_t n;

	if (shift < 0)
		return err_set(err, E_INVALID, "'%.64s' is not a size of huge pages",
			       text ? text : "");
	if (str_u64(number, 10, 1, PAGE_MAX >> shift, "size of huge pages", &n, err) < 0)
		return -1;
	n <<= shift;
	if (n < 4096 || n & (n - 1))
		return err_set(err, E_INVALID, "%.64s is not a power of two from 4 KiB to 1 TiB",
			       text);
	*bytes = n;
	return 0;
}
