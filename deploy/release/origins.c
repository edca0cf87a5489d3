// SPDX-License-Identifier: Apache-2.0
/* Reads the sources of components, from the files that their builds have left in the tree. */

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/release-internal.h"
#include "yaml/yaml.h"

#include <fcntl.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 20, WORD_BYTES = 200 };

void origins_release(struct origins *o)
{
	vec_each(struct origin, row, &o->rows) {
		free(row->name);
		free(row->version);
		free(row->licence);
		free(row->package);
		free(row->file);
	}
	vec_release(&o->rows);
}

static int parse_origin(struct origins *o, const struct part *part, const struct json *j,
			struct err *err)
{
	const char *name, *version, *licence, *package, *file;
	struct origin row = { .component = part->name };
	struct fields f;

	if (fields_begin(&f, j, "source", err) < 0 ||
	    release_take_text(&f, "name", true, WORD_BYTES, &name, err) < 0 ||
	    release_take_text(&f, "version", true, WORD_BYTES, &version, err) < 0 ||
	    release_take_text(&f, "licence", true, WORD_BYTES, &licence, err) < 0 ||
	    release_take_text(&f, "package", true, WORD_BYTES, &package, err) < 0 ||
	    release_take_text(&f, "file", true, WORD_BYTES, &file, err) < 0 ||
	    release_take_digest(&f, "sha256", true, row.sha256, err) < 0 ||
	    fields_bool(&f, "linked", &row.linked, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	row.name = xstrdup(name);
	row.version = xstrdup(version);
	row.licence = xstrdup(licence);
	row.package = xstrdup(package);
	row.file = xstrdup(file);
	vec_push(&o->rows, row);
	return 0;
}

static int parse(struct origins *o, const struct part *part, const struct json *j, struct err *err)
{
	const struct json *list;
	struct fields f;

	if (fields_begin(&f, j, part->sources, err) < 0 ||
	    fields_array(&f, "sources", &list, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	for (size_t i = 0; i < json_count(list); i++) {
		if (parse_origin(o, part, json_at(list, i), err) < 0)
			return err_wrap(err, "%s: source %zu", part->sources, i + 1);
	}
	return 0;
}

static int load(struct build *b, const struct part *part, struct err *err)
{
	AUTO(fd) int fd = path_open(b->tree, part->sources, PATH_NO_LINKS, O_RDONLY, 0, err);
	AUTO(buf) struct buf text = BUF_INIT(TEXT_MAX);
	AUTO(json) struct json *j = NULL;

	if (fd < 0) {
		err_wrap(err, "read the sources of component '%s'", part->name);
		return err_hint(err, "build the component again: its build writes that file");
	}
	if (file_read_fd(fd, part->sources, TEXT_MAX, &text, err) < 0)
		return -1;
	j = yaml_parse(buf_cstr(&text), text.len, part->sources, err);
	return j ? parse(&b->origins, part, j, err) : -1;
}

int build_origins(struct build *b, struct err *err)
{
	vec_each(struct part, part, &b->parts.parts) {
		if (part->sources && release_component(&b->r, part->name) && load(b, part, err) < 0)
			return -1;
	}
	return 0;
}
