// SPDX-License-Identifier: Apache-2.0
/* Parses and formats channel.yaml. */

#include "base/mem.h"
#include "base/str.h"
#include "deploy/release/release-internal.h"
#include "yaml/yaml.h"

#include <string.h>

enum { PATH_BYTES = 512, NAME_BYTES = 64 };

void channel_release(struct channel *c)
{
	free(c->name);
	free(c->version);
	free(c->path);
	memset(c, 0, sizeof(*c));
}

/* The path becomes part of a URL without escaping, so only characters without a meaning there are
 * allowed. */
static int check_path(const char *path, struct err *err)
{
	AUTO(strv) char **parts = strv_split(path, "/");
	AUTO(str) char *again = strv_join(parts, "/");
	bool clean = str_eq(path, again) && *path;

	strv_each(part, parts)
		clean = clean && !str_eq(*part, "..") && (!str_eq(*part, ".") || !parts[1]);
	if (clean && path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789/._+~-")] == '\0')
		return 0;
	return err_set(err, E_INVALID,
		       "path '%s' is not a clean path below the channel's directory; give one such "
		       "as 3.9.0",
		       path);
}

static int parse(struct channel *c, const struct json *j, const char *name, struct err *err)
{
	const char *channel, *version, *path;
	struct fields f;

	if (fields_begin(&f, j, name, err) < 0 || release_take_schema(&f, err) < 0 ||
	    release_take_text(&f, "name", true, NAME_BYTES, &channel, err) < 0 ||
	    release_take_times(&f, &c->serial, &c->created, &c->expires, err) < 0 ||
	    release_take_text(&f, "version", true, NAME_BYTES, &version, err) < 0 ||
	    release_take_text(&f, "path", true, PATH_BYTES, &path, err) < 0 ||
	    release_take_digest(&f, "release", true, c->release, err) < 0 ||
	    fields_end(&f, err) < 0)
		return -1;
	if (str_check_id(channel, "channel", err) < 0 ||
	    str_check_id(version, "version", err) < 0 || check_path(path, err) < 0)
		return err_wrap(err, "%s", name);
	/* The highest serials are stored by channel name; releases use this name (trust.h). */
	if (str_eq(channel, "release"))
		return err_set(err, E_INVALID,
			       "%s: a channel cannot be called 'release'; give it another name",
			       name);
	str_set(&c->name, channel);
	str_set(&c->version, version);
	str_set(&c->path, path);
	return 0;
}

int channel_parse(struct channel *c, const char *text, size_t len, const char *name,
		  struct err *err)
{
	AUTO(json) struct json *j = NULL;

	if (len > CHANNEL_TEXT_MAX)
		return err_set(err, E_LIMIT, "%s has %zu bytes, at most %d", name, len,
			       CHANNEL_TEXT_MAX);
	j = yaml_parse(text, len, name, err);
	return j ? parse(c, j, name, err) : -1;
}

int channel_format(const struct channel *c, struct buf *to, struct err *err)
{
	AUTO(json) struct json *j = json_make_object();

	json_put(j, "schema", json_make_int(RELEASE_SCHEMA));
	json_put(j, "name", json_make_string(c->name));
	release_put_times(j, c->serial, c->created, c->expires);
	json_put(j, "version", json_make_string(c->version));
	json_put(j, "path", json_make_string(c->path));
	json_put(j, "release", json_make_string(c->release));
	return yaml_format(j, to, err);
}
