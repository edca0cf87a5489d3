// SPDX-License-Identifier: Apache-2.0
/* Parsers of control group files. Lines of an unknown form are skipped; lists are bounded by the
 * size of the text. */

#include "base/mem.h"
#include "base/str.h"
#include "base/vec.h"
#include "container/cgroup.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static bool digits(const char *s, size_t len, uint64_t *out)
{
	uint64_t v = 0;

	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' || __builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

uint64_t cgroup_value(const char *text, const char *key)
{
	size_t len = strlen(key);
	uint64_t v;

	for (const char *line = text; *line; line += strcspn(line, "\n")) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ' ' &&
		    digits(line + len + 1, strcspn(line + len + 1, "\n"), &v))
			return v;
	}
	return 0;
}

void cgroup_add_kills(const char *events, struct buf *stat)
{
	buf_fmt(stat, "oom_kill %" PRIu64 "\n", cgroup_value(events, "oom_kill"));
}

/* Fields of memory.stat that have another name in cgroup v1. */
static const char *v1_name(const char *name)
{
	static const char *const names[][2] = {
		{ "file", "cache" },
		{ "anon", "rss" },
		{ "file_mapped", "mapped_file" },
		{ "file_dirty", "dirty" },
		{ "file_writeback", "writeback" },
		{ "anon_thp", "rss_huge" },
	};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(name, names[i][0]))
			return names[i][1];
	}
	return name;
}

void cgroup_parse_memory_stat(const char *text, bool unified, struct container_stats *out)
{
	AUTO(strv) char **lines = strv_split(text, "\n");
	VEC(struct container_stat_pair) list = VEC_INIT;

	strv_each(line, lines) {
		char *space = strchr(*line, ' ');
		struct container_stat_pair p;

		if (!space || !digits(space + 1, strlen(space + 1), &p.value))
			continue;
		*space = '\0';
		if (str_print(p.key, sizeof(p.key), "%s", unified ? v1_name(*line) : *line) == 0)
			vec_push(&list, p);
	}
	free(out->memory.stats);
	out->memory.stats = list.v;
	out->memory.n_stats = list.n;
}

static bool parse_device(const char *s, struct container_blkio_entry *e)
{
	size_t len = strcspn(s, " "), colon = strcspn(s, ":");

	return colon < len && digits(s, colon, &e->major) &&
	       digits(s + colon + 1, len - colon - 1, &e->minor);
}

void cgroup_parse_blkio(const char *text, struct container_blkio_entry **v, size_t *n)
{
	AUTO(strv) char **lines = strv_split(text, "\n");
	VEC(struct container_blkio_entry) list = VEC_INIT;

	strv_each(line, lines) {
		AUTO(strv) char **f = strv_split(*line, " ");
		struct container_blkio_entry e = { 0 };

		/* The last line is a total without a device. */
		if (strv_len(f) == 3 && parse_device(f[0], &e) &&
		    str_print(e.op, sizeof(e.op), "%s", f[1]) == 0 &&
		    digits(f[2], strlen(f[2]), &e.value))
			vec_push(&list, e);
	}
	free(*v);
	*v = list.v;
	*n = list.n;
}

struct entries {
	VEC(struct container_blkio_entry) v;
};

static void io_field(const char *field, struct container_blkio_entry e, struct entries *bytes,
		     struct entries *ios)
{
	static const struct {
		const char *key, *op;
		bool bytes;
	} fields[] = {
		{ "rbytes=", "Read", true },    { "wbytes=", "Write", true },
		{ "dbytes=", "Discard", true }, { "rios=", "Read", false },
		{ "wios=", "Write", false },    { "dios=", "Discard", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		const char *value = field + strlen(fields[i].key);

		if (!str_starts(field, fields[i].key) || !digits(value, strlen(value), &e.value))
			continue;
		(void)str_print(e.op, sizeof(e.op), "%s", fields[i].op);
		if (fields[i].bytes)
			vec_push(&bytes->v, e);
		else
			vec_push(&ios->v, e);
	}
}

void cgroup_parse_io_stat(const char *text, struct container_stats *out)
{
	AUTO(strv) char **lines = strv_split(text, "\n");
	struct entries bytes = { VEC_INIT }, ios = { VEC_INIT };

	strv_each(line, lines) {
		AUTO(strv) char **f = strv_split(*line, " ");
		struct container_blkio_entry e = { 0 };

		if (!strv_len(f) || !parse_device(f[0], &e))
			continue;
		strv_each(field, f + 1)
			io_field(*field, e, &bytes, &ios);
	}
	free(out->blkio.service_bytes);
	free(out->blkio.serviced);
	out->blkio.service_bytes = bytes.v.v;
	out->blkio.n_service_bytes = bytes.v.n;
	out->blkio.serviced = ios.v.v;
	out->blkio.n_serviced = ios.v.n;
}

void cgroup_parse_per_cpu(const char *text, struct container_stats *out)
{
	AUTO(strv) char **f = strv_split(text, " \n");
	VEC(uint64_t) list = VEC_INIT;

	strv_each(field, f) {
		uint64_t v;

		if (digits(*field, strlen(*field), &v))
			vec_push(&list, v);
	}
	free(out->cpu.per_cpu);
	out->cpu.per_cpu = list.v;
	out->cpu.n_per_cpu = list.n;
}

/* The page sizes are the middle parts of the file names: "hugetlb.2MB.current". */
static bool page_size(const char *file, const char *suffix, char out[16])
{
	const char *start = file + strlen("hugetlb.");
	AUTO(str) char *tail = str_fmt(".%s", suffix);

	if (!str_starts(file, "hugetlb.") || !str_ends(start, tail))
		return false;
	return str_print(out, 16, "%.*s", (int)(strlen(start) - strlen(tail)), start) == 0 &&
	       !strchr(out, '.');
}

/* "max 3" of version 2's events; a plain number in version 1. */
static uint64_t failures(struct cgroup *g, const char *file)
{
	struct err ignored = ERR_INIT; /* a missing file counts as 0 */
	AUTO(buf) struct buf b = BUF_INIT(0);

	if (!g->ops->unified)
		return cgroup_number(g, "hugetlb", file);
	return cgroup_read(g, "hugetlb", file, &b, &ignored) < 0
		       ? 0
		       : cgroup_value(buf_cstr(&b), "max");
}

void cgroup_hugetlb_stats(struct cgroup *g, const char *usage, const char *max, const char *fails,
			  struct container_stats *out)
{
	const char *folder = cgroup_folder(g, "hugetlb");
	AUTO(dir) DIR *dir = folder ? opendir(folder) : NULL;
	VEC(struct container_hugetlb) list = VEC_INIT;

	for (struct dirent *e; dir && (e = readdir(dir));) {
		struct container_hugetlb h = { 0 };
		AUTO(str) char *max_file = NULL;
		AUTO(str) char *fails_file = NULL;

		if (!page_size(e->d_name, usage, h.page_size))
			continue;
		max_file = max ? str_fmt("hugetlb.%s.%s", h.page_size, max) : NULL;
		fails_file = str_fmt("hugetlb.%s.%s", h.page_size, fails);
		h.usage = cgroup_number(g, "hugetlb", e->d_name);
		h.max_usage = max ? cgroup_number(g, "hugetlb", max_file) : 0;
		h.failcnt = failures(g, fails_file);
		vec_push(&list, h);
	}
	out->hugetlb = list.v;
	out->n_hugetlb = list.n;
}

void container_stats_release(struct container_stats *s)
{
	free(s->cpu.per_cpu);
	free(s->memory.stats);
	free(s->blkio.service_bytes);
	free(s->blkio.serviced);
	free(s->hugetlb);
	*s = (struct container_stats){ 0 };
}
