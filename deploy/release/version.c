// SPDX-License-Identifier: Apache-2.0
/* Compares versions. */

#include "deploy/release/release.h"

#include <ctype.h>
#include <string.h>

/* Compares runs of digits as numbers of any length, everything else by bytes. */
static int compare_part(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t i = 0, j = 0;

	while (i < alen && j < blen) {
		size_t m = 0, n = 0;
		int order;

		if (!isdigit((unsigned char)a[i]) || !isdigit((unsigned char)b[j])) {
			if (a[i] != b[j])
				return (unsigned char)a[i] < (unsigned char)b[j] ? -1 : 1;
			i++, j++;
			continue;
		}
		while (i < alen && a[i] == '0')
			i++;
		while (j < blen && b[j] == '0')
			j++;
		while (i + m < alen && isdigit((unsigned char)a[i + m]))
			m++;
		while (j + n < blen && isdigit((unsigned char)b[j + n]))
			n++;
		order = m == n ? memcmp(a + i, b + j, m) : m < n ? -1 : 1;
		if (order)
			return order;
		i += m, j += n;
	}
	return i < alen ? 1 : j < blen ? -1 : 0;
}

/* Compares the parts between dots; a missing part counts as "0". */
static int compare_dotted(const char *a, size_t alen, const char *b, size_t blen)
{
	const char *aend = a + alen, *bend = b + blen;

	while (a < aend || b < bend) {
		const char *adot = a < aend ? memchr(a, '.', (size_t)(aend - a)) : NULL;
		const char *bdot = b < bend ? memchr(b, '.', (size_t)(bend - b)) : NULL;
		size_t m = (size_t)((adot ? adot : aend) - a);
		size_t n = (size_t)((bdot ? bdot : bend) - b);
		int order = compare_part(m ? a : "0", m ? m : 1, n ? b : "0", n ? n : 1);

		if (order)
			return order;
		a = adot ? adot + 1 : aend;
		b = bdot ? bdot + 1 : bend;
	}
	return 0;
}

int version_compare(const char *a, const char *b)
{
	size_t alen = strcspn(a, "-"), blen = strcspn(b, "-");
	int order = compare_dotted(a, alen, b, blen);

	if (order || (!a[alen] && !b[blen]))
		return order;
	if (!a[alen] || !b[blen])
		return a[alen] ? -1 : 1;
	return compare_dotted(a + alen + 1, strlen(a + alen + 1), b + blen + 1,
			      strlen(b + blen + 1));
}
