// SPDX-License-Identifier: Apache-2.0
/* Device numbers in limits of block I/O. */

#include "base/mem.h"
#include "base/str.h"
#include "oci/spec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct mapping {
	oci_disk_map *map;
	void *arg;
};

static void map_weights(struct oci_resources *r, const struct mapping *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->block_io.n_weight_device; i++) {
		struct oci_weight_device d = r->block_io.weight_device[i];

		if (m->map(m->arg, &d.major, &d.minor))
			r->block_io.weight_device[kept++] = d;
	}
	r->block_io.n_weight_device = kept;
}

static void map_throttles(struct oci_throttle_list *list, const struct mapping *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++) {
		struct oci_throttle_device d = list->v[i];

		if (m->map(m->arg, &d.major, &d.minor))
			list->v[kept++] = d;
	}
	list->n = kept;
}

/* Reads the "MAJOR:MINOR" at the begin of a line. Returns the rest; NULL for another line, such as
 * "default 100". */
static const char *take_number(const char *line, int64_t *major, int64_t *minor)
{
	char *end;

	if (*line < '0' || *line > '9')
		return NULL;
	*major = strtoll(line, &end, 10);
	if (*end != ':' || end[1] < '0' || end[1] > '9')
		return NULL;
	*minor = strtoll(end + 1, &end, 10);
	return *end == ' ' || *end == '\0' ? end : NULL;
}

/* False if no line is left. */
static bool map_lines(char **value, const struct mapping *m)
{
	AUTO(strv) char **lines = strv_split(*value, "\n"), **kept = NULL;

	strv_each(line, lines) {
		int64_t major, minor;
		const char *rest = take_number(*line, &major, &minor);

		if (!rest)
			strv_push(&kept, *line);
		else if (m->map(m->arg, &major, &minor))
			strv_pushf(&kept, "%" PRId64 ":%" PRId64 "%s", major, minor, rest);
	}
	free(*value);
	*value = kept ? strv_join(kept, "\n") : xstrdup("");
	return kept != NULL;
}

/* False for a setting of disks none of which is left. */
static bool map_setting(struct oci_pair *p, const void *arg)
{
	return !str_starts(p->key, "io.") || map_lines(&p->value, arg);
}

void oci_resources_map_disks(struct oci_resources *r, oci_disk_map *map, void *arg)
{
	const struct mapping m = { map, arg };

	map_weights(r, &m);
	map_throttles(&r->block_io.read_bps, &m);
	map_throttles(&r->block_io.write_bps, &m);
	map_throttles(&r->block_io.read_iops, &m);
	map_throttles(&r->block_io.write_iops, &m);
	oci_unified_filter(r, map_setting, &m);
}
