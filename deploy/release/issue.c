// SPDX-License-Identifier: Apache-2.0
/* Writes channel.yaml, with a new release or again before it expires. */

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "deploy/release/build-internal.h"
#include "deploy/release/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { DAY = 24 * 60 * 60, DAYS = 30 };

#define NAME "channel.yaml"

int channel_write(int dir, const struct channel *c, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(CHANNEL_TEXT_MAX);
	AUTO(channel) struct channel again = { 0 };

	if (channel_format(c, &text, err) < 0 ||
	    channel_parse(&again, text.data, text.len, NAME, err) < 0)
		return -1;
	return file_replace_volatile(dir, NAME, text.data, text.len, 0644, err);
}

int channel_load(const char *dir, struct channel *c, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(CHANNEL_TEXT_MAX);
	AUTO(str) char *path = path_join(dir, NAME);

	return file_read(AT_FDCWD, path, CHANNEL_TEXT_MAX, &text, err) < 0
		       ? -1
		       : channel_parse(c, buf_cstr(&text), text.len, path, err);
}

/* Removes the signatures of the old text, which the new text does not match. */
static int drop_signatures(int dir, struct err *err)
{
	for (unsigned n = 0; n < TRUST_SIGNATURES_MAX; n++) {
		AUTO(str) char *name = release_signature_name(NAME, n);

		if (unlinkat(dir, name, 0) < 0)
			return errno == ENOENT ? 0 : err_sys(err, "remove %s", name);
	}
	return 0;
}

/* Fills c: digest and version of the named release, and the defaults of the options. */
static int fill(const struct release_channel_options *o, struct channel *c, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(str) char *dir = path_join(o->dir, o->path ? o->path : ".");
	AUTO(str) char *path = path_join(dir, "release.yaml");

	if (file_read(AT_FDCWD, path, RELEASE_TEXT_MAX, &text, err) < 0 ||
	    release_parse(&r, buf_cstr(&text), text.len, path, err) < 0)
		return -1;
	sha256_hex(buf_cstr(&text), text.len, c->release);
	str_set(&c->version, r.version);
	str_set(&c->path, o->path ? o->path : ".");
	if (o->name)
		str_set(&c->name, o->name);
	else if (!c->name)
		str_set(&c->name, "stable");
	c->serial = o->serial ? o->serial : c->serial ? c->serial + 1 : r.serial;
	c->created = o->created;
	c->expires = o->expires ? o->expires : o->created + DAYS * (uint64_t)DAY;
	if (c->expires <= c->created || c->expires > STAMP_MAX)
		return err_set(err, E_USAGE,
			       "the expiry is not after the creation time; give a later --expires");
	return 0;
}

int release_channel(const struct release_channel_options *o, struct channel *out, struct err *err)
{
	AUTO(fd) int dir = open(o->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err why = ERR_INIT;

	if (dir < 0)
		return err_sys(err, "open %s", o->dir);
	if (channel_load(o->dir, out, &why) < 0 && why.code != E_NOT_FOUND) {
		*err = why;
		return err_hint(err, "remove it, if it is not needed");
	}
	if (fill(o, out, err) < 0 || drop_signatures(dir, err) < 0 ||
	    channel_write(dir, out, err) < 0)
		return err_wrap(err, "%s", o->dir);
	return 0;
}
