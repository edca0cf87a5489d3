// SPDX-License-Identifier: Apache-2.0
/* kata-deploy release: build, sign, check and compare releases. */

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/subverb.h"
#include "crypto/minisig.h"
#include "crypto/sha256.h"
#include "deploy/cli/say.h"
#include "deploy/release/build.h"
#include "deploy/release/stamp.h"
#include "deploy/verbs/packager.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct {
	struct release_build_options build;
	struct release_channel_options channel;
	const char *serial, *created, *expires, *channel_expires;
	char **old, **keys, **channel_keys;
	const char *comment, *fd, *role;
	unsigned level, threshold;
	bool allow_expired, json;
} o = { .build = { .components = "packaging/components.yaml" } };

static const struct opt build_opts[] = {
	OPT_PATH(0, "tree", "DIR", &o.build.tree, "the files below the prefix: bin/, share/ ..."),
	OPT_PATH(0, "out", "DIR", &o.build.out, "target: a new directory"),
	OPT_PATH(0, "components", "FILE", &o.build.components, "the component of each file"),
	OPT_STR(0, "version", "V", &o.build.version, "version of the release"),
	OPT_STR(0, "architecture", "A", &o.build.architecture, "as uname -m; default: this one's"),
	OPT_STR(0, "serial", "N", &o.serial, "default: created, or one above those of --old"),
	OPT_STR(0, "created", "TIME", &o.created, "default: SOURCE_DATE_EPOCH"),
	OPT_STR(0, "expires", "TIME", &o.expires, "a time, or Nd: days after; default: 365d"),
	OPT_STR(0, "minimum", "V", &o.build.minimum, "oldest kata-deploy that may install it"),
	OPT_STR(0, "guest-kernel", "V", &o.build.guest_kernel, "version that the proof must find"),
	OPT_STR(0, "agent", "V", &o.build.agent, "version that the proof must find"),
	OPT_PATHS(0, "old", "DIR", &o.old, "make patches from this release; may be repeated"),
	OPT_STR(0, "channel", "NAME", &o.build.channel, "default: stable"),
	OPT_STR(0, "channel-expires", "TIME", &o.channel_expires, "as --expires; default: 30d"),
	OPT_STR(0, "source", "URI", &o.build.source, "location of the sources, for the provenance"),
	OPT_STR(0, "commit", "ID", &o.build.commit, "their git commit"),
	OPT_STR(0, "builder", "URI", &o.build.builder, "the builder, for the provenance"),
	OPT_UINT(0, "level", "N", &o.level, "zstd's level; default: 19"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt sign_opts[] = {
	OPT_PATHS('k', "key", "FILE", &o.keys, "secret key; may be repeated"),
	OPT_STR(0, "role", "release|channel", &o.role,
		"sign only what that role signs; default: both"),
	OPT_STR(0, "comment", "TEXT", &o.comment, "trusted comment; default: what is signed"),
	OPT_STR(0, "passphrase-fd", "N", &o.fd,
		"read passphrases from N, a line per encrypted key"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt channel_opts[] = {
	OPT_PATH(0, "path", "DIR", &o.channel.path, "the release, below DIR; default: DIR itself"),
	OPT_STR(0, "channel", "NAME", &o.channel.name, "default: as it was, or stable"),
	OPT_STR(0, "serial", "N", &o.serial, "default: one more than it was"),
	OPT_STR(0, "created", "TIME", &o.created, "default: SOURCE_DATE_EPOCH, or now"),
	OPT_STR(0, "expires", "TIME", &o.expires, "a time, or Nd: days after; default: 30d"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt check_opts[] = {
	OPT_PATHS('k', "key", "FILE", &o.keys, "public key: check signatures too; may be repeated"),
	OPT_PATHS(0, "channel-key", "FILE", &o.channel_keys, "public key for channels only"),
	OPT_UINT(0, "threshold", "K", &o.threshold, "number of keys that must have signed"),
	OPT_FLAG(0, "allow-expired", &o.allow_expired, "accept what has expired"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt diff_opts[] = {
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static int parse_serial(uint64_t *serial, struct err *err)
{
	if (!o.serial || str_u64(o.serial, 10, 1, UINT64_MAX, "--serial", serial, err) == 0)
		return 0;
	err->code = E_USAGE;
	return err_hint(err, "give a number from 1 up, or leave it out");
}

static int fill_build(struct err *err)
{
	struct release_build_options *b = &o.build;
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	if (!b->tree || !b->out || !b->version)
		return err_set(err, E_USAGE,
			       "an option is missing; give --tree DIR, --out DIR and --version V");
	if (parse_serial(&b->serial, err) < 0)
		return -1;
	b->old = o.old;
	b->level = o.level;
	return when_parse(o.created ? o.created : epoch, "the time of creation", 0, &b->created,
			  err) < 0 ||
			       when_parse(o.expires, "--expires", b->created, &b->expires, err) <
				       0 ||
			       when_parse(o.channel_expires, "--channel-expires", b->created,
					  &b->channel_expires, err) < 0
		       ? -1
		       : 0;
}

static int load_text(const char *dir, struct buf *text, char sha256[65], struct err *err)
{
	AUTO(str) char *path = str_fmt("%s/release.yaml", dir);

	if (file_read(AT_FDCWD, path, RELEASE_TEXT_MAX, text, err) < 0)
		return -1;
	sha256_hex(buf_cstr(text), text->len, sha256);
	return 0;
}

/* Returns the summary of a release; the caller frees it. */
static struct json *summary(const char *dir, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX);
	AUTO(release) struct release r = RELEASE_INIT;
	uint64_t download = 0;
	struct json *j;
	char sha256[65];

	if (load_text(dir, &text, sha256, err) < 0 ||
	    release_parse(&r, buf_cstr(&text), text.len, dir, err) < 0)
		return NULL;
	vec_each(struct release_component, c, &r.components)
		download += c->size;
	j = json_make_object();
	json_put(j, "directory", json_make_string(dir));
	json_put(j, "version", json_make_string(r.version));
	json_put(j, "architecture", json_make_string(r.architecture));
	json_put(j, "serial", json_make_u64(r.serial));
	json_put(j, "sha256", json_make_string(sha256));
	json_put(j, "files", json_make_u64(r.layout.entries.n));
	json_put(j, "bytes", json_make_u64(layout_bytes(&r.layout)));
	json_put(j, "download", json_make_u64(download));
	json_put(j, "patches", json_make_u64(r.patches.n));
	return j;
}

static int print_summary(const char *dir, struct json *more, const char *word, struct err *err)
{
	AUTO(json) struct json *j = summary(dir, err), *kept = more;

	if (!j)
		return -1;
	if (kept)
		json_put(j, word, json_share(kept));
	if (o.json) {
		say_json(j);
		return 0;
	}
	(void)printf("%s: kata %s %s, serial %" PRIi64 ": %" PRIi64 " files, %" PRIi64
		     " bytes, %" PRIi64 " to download, %" PRIi64 " patches\n%s  release.yaml\n",
		     dir, json_text(json_get(j, "version")), json_text(json_get(j, "architecture")),
		     json_int(json_get(j, "serial")), json_int(json_get(j, "files")),
		     json_int(json_get(j, "bytes")), json_int(json_get(j, "download")),
		     json_int(json_get(j, "patches")), json_text(json_get(j, "sha256")));
	return 0;
}

static int build(int argc, char **argv, struct err *err)
{
	(void)argc, (void)argv;
	if (fill_build(err) < 0 || release_build(&o.build, err) < 0 ||
	    release_check(o.build.out, NULL, err) < 0)
		return -1;
	return print_summary(o.build.out, NULL, NULL, err);
}

/* Makes the trusted comment of a signature: what was signed. */
static int make_comment(const char *dir, const char *document, char **out, struct err *err)
{
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(channel) struct channel c = { 0 };

	if (o.comment) {
		*out = xstrdup(o.comment);
	} else if (str_eq(document, "channel.yaml")) {
		if (channel_load(dir, &c, err) < 0)
			return -1;
		*out = str_fmt("channel %s: kata %s, serial %" PRIu64, c.name, c.version, c.serial);
	} else {
		if (release_load(dir, &r, err) < 0)
			return -1;
		*out = str_fmt("kata %s %s, serial %" PRIu64, r.version, r.architecture, r.serial);
	}
	return 0;
}

static int sign_as(const char *dir, const char *document, const struct minisig_secret *secret,
		   struct err *err)
{
	AUTO(str) char *comment = NULL;

	return make_comment(dir, document, &comment, err) < 0
		       ? -1
		       : release_sign_document(dir, document, secret, comment, err);
}

/* Chooses the documents to sign by --role; without it, release.yaml and, if it exists,
 * channel.yaml. */
static int choose_documents(const char *dir, char ***documents, struct err *err)
{
	AUTO(str) char *channel = path_join(dir, "channel.yaml");
	enum trust_role role = TRUST_ROLES;
	int there = 0;

	if (role_parse(o.role, &role, err) < 0)
		return -1;
	if (role != TRUST_CHANNEL)
		strv_push(documents, "release.yaml");
	if (role == TRUST_ROLES)
		there = path_look(AT_FDCWD, channel, err);
	if (there < 0)
		return -1;
	if (role == TRUST_CHANNEL || there)
		strv_push(documents, "channel.yaml");
	return 0;
}

/* Signs the documents with each key; appends the ids of the keys to by. */
static int sign_all(const char *dir, char *const *documents, struct json *by, struct err *err)
{
	strv_each(path, o.keys) {
		AUTO(minisig_secret) struct minisig_secret secret;
		char hex[17];

		if (secret_load(*path, o.fd, &secret, err) < 0)
			return -1;
		strv_each(document, documents) {
			if (sign_as(dir, *document, &secret, err) < 0)
				return -1;
		}
		minisig_id_hex(secret.id, hex);
		json_add(by, json_make_string(hex));
	}
	return 0;
}

static void print_channel(const struct channel *c, const char *dir, struct json *by)
{
	AUTO(json) struct json *j = json_make_object(), *kept = by;
	char expires[STAMP_SIZE];

	stamp_format(c->expires, expires);
	json_put(j, "directory", json_make_string(dir));
	json_put(j, "name", json_make_string(c->name));
	json_put(j, "serial", json_make_u64(c->serial));
	json_put(j, "expires", json_make_string(expires));
	json_put(j, "version", json_make_string(c->version));
	json_put(j, "path", json_make_string(c->path));
	json_put(j, "release", json_make_string(c->release));
	if (kept)
		json_put(j, "signed_by", json_share(kept));
	if (o.json)
		say_json(j);
	else
		(void)printf("%s: channel %s, serial %" PRIu64 ", until %s: kata %s in %s\n", dir,
			     c->name, c->serial, expires, c->version, c->path);
}

static int sign(int argc, char **argv, struct err *err)
{
	AUTO(strv) char **documents = NULL;
	AUTO(json) struct json *by = json_make_array();
	AUTO(channel) struct channel c = { 0 };

	(void)argc;
	if (!strv_len(o.keys))
		return err_set(err, E_USAGE, "no key is given; add --key FILE, a secret key");
	if (choose_documents(argv[0], &documents, err) < 0 ||
	    sign_all(argv[0], documents, by, err) < 0)
		return -1;
	if (strv_has(documents, "release.yaml"))
		return print_summary(argv[0], json_share(by), "signed_by", err);
	if (channel_load(argv[0], &c, err) < 0)
		return -1;
	print_channel(&c, argv[0], json_share(by));
	return 0;
}

static int channel(int argc, char **argv, struct err *err)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	AUTO(channel) struct channel c = { 0 };

	(void)argc;
	o.channel.dir = argv[0];
	o.channel.created = (uint64_t)time(NULL);
	if (parse_serial(&o.channel.serial, err) < 0 ||
	    when_parse(o.created ? o.created : epoch, "the time of creation", 0, &o.channel.created,
		       err) < 0 ||
	    when_parse(o.expires, "--expires", o.channel.created, &o.channel.expires, err) < 0 ||
	    release_channel(&o.channel, &c, err) < 0)
		return -1;
	print_channel(&c, argv[0], NULL);
	return 0;
}

static int damaged(struct err *err)
{
	return err->code == E_INVALID ? err_hint(err, "copy the release again, or build it again")
				      : -1;
}

static int check(int argc, char **argv, struct err *err)
{
	struct trust_options options = {
		.keys = o.keys,
		.channel_keys = o.channel_keys,
		.threshold = o.threshold,
		.allow_expired = o.allow_expired,
		.now = (uint64_t)time(NULL),
	};
	AUTO(trust) struct trust *trust = NULL;

	(void)argc;
	if (o.threshold && !strv_len(o.keys))
		return err_set(err, E_USAGE,
			       "--threshold is about keys; add --key FILE, the public keys");
	if ((strv_len(o.keys) && trust_open(&options, -1, &trust, err) < 0) ||
	    release_check(argv[0], trust, err) < 0)
		return damaged(err);
	if (!trust && !o.json)
		(void)printf("signatures were not checked; give --key FILE to check them\n");
	return print_summary(argv[0], trust ? trust_report(trust) : NULL, "trust", err);
}

static int diff(int argc, char **argv, struct err *err)
{
	AUTO(release) struct release from = RELEASE_INIT, to = RELEASE_INIT;

	(void)argc;
	if (release_load(argv[0], &from, err) < 0 || release_load(argv[1], &to, err) < 0)
		return damaged(err);
	AUTO(json) struct json *j = release_diff(&from, &to);
	if (o.json)
		say_json(j);
	else
		release_diff_print(j, stdout);
	return 0;
}

const struct subverb release_verbs[] = {
	{ "build", "", "make a release directory out of an install tree", build_opts, build, 0, 0 },
	{ "sign", "DIR", "sign a release and its channel", sign_opts, sign, 1, 1 },
	{ "channel", "DIR", "write channel.yaml again, before it expires", channel_opts, channel, 1,
	  1 },
	{ "check", "DIR", "compare every byte of a release with release.yaml", check_opts, check, 1,
	  1 },
	{ "diff", "OLD NEW", "show the changes from one release to another", diff_opts, diff, 2,
	  2 },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0 },
};

int verb_release(int argc, char **argv, struct err *err)
{
	return subverb_run(release_verbs, argc, argv, err);
}
