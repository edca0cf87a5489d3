// SPDX-License-Identifier: Apache-2.0
/* kata-deploy release: build, sign, check and compare releases. */

#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/subverb.h"
#include "crypto/minisig.h"
#include "crypto/sha256.h"
#include "deploy/cli/say.h"
#include "deploy/release/build.h"
#include "deploy/release/stamp.h"
#include "deploy/verbs/packager.h"
#include "deploy/verbs/passphrase.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DAY = 24 * 60 * 60, DAYS_MAX = 3650 };

static struct {
	struct release_build_options build;
	const char *serial, *created, *expires, *channel_expires;
	char **old, **keys;
	const char *comment, *fd;
	unsigned level, threshold;
	bool allow_expired, json;
} o = { .build = { .components = "packaging/components.yaml" } };

static const struct opt build_opts[] = {
	OPT_STR(0, "tree", "DIR", &o.build.tree, "the files below the prefix: bin/, share/ ..."),
	OPT_STR(0, "out", "DIR", &o.build.out, "target: a new directory"),
	OPT_STR(0, "components", "FILE", &o.build.components, "the component of each file"),
	OPT_STR(0, "version", "V", &o.build.version, "version of the release"),
	OPT_STR(0, "architecture", "A", &o.build.architecture, "as uname -m; default: this one's"),
	OPT_STR(0, "serial", "N", &o.serial, "default: created, or one above those of --old"),
	OPT_STR(0, "created", "TIME", &o.created, "default: SOURCE_DATE_EPOCH"),
	OPT_STR(0, "expires", "TIME", &o.expires, "a time, or Nd: days after; default: 365d"),
	OPT_STR(0, "minimum", "V", &o.build.minimum, "oldest kata-deploy that may install it"),
	OPT_STR(0, "guest-kernel", "V", &o.build.guest_kernel, "version that the proof must find"),
	OPT_STR(0, "agent", "V", &o.build.agent, "version that the proof must find"),
	OPT_STRV(0, "old", "DIR", &o.old, "make patches from this release; may be repeated"),
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
	OPT_STRV('k', "key", "FILE", &o.keys, "secret key; may be repeated"),
	OPT_STR(0, "comment", "TEXT", &o.comment, "trusted comment; default: what is signed"),
	OPT_STR(0, "passphrase-fd", "N", &o.fd,
		"read passphrases from N, a line per encrypted key"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt check_opts[] = {
	OPT_STRV('k', "key", "FILE", &o.keys, "public key: check signatures too; may be repeated"),
	OPT_UINT(0, "threshold", "K", &o.threshold, "number of keys that must have signed"),
	OPT_FLAG(0, "allow-expired", &o.allow_expired, "accept what has expired"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt diff_opts[] = {
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

/* Parses seconds, a timestamp, or, with a start, "Nd". */
static int parse_time(const char *text, const char *what, uint64_t start, uint64_t *out,
		      struct err *err)
{
	size_t len = text ? strlen(text) : 0;
	int rc = 0;

	if (start && len > 1 && text[len - 1] == 'd') {
		AUTO(str) char *days = xstrndup(text, len - 1);

		rc = str_u64(days, 10, 1, DAYS_MAX, what, out, err);
		*out = start + *out * DAY;
	} else if (text && text[strspn(text, "0123456789")] == '\0') {
		rc = str_u64(text, 10, 1, STAMP_MAX, what, out, err);
	} else if (text) {
		rc = stamp_parse(text, what, out, err);
	}
	if (rc == 0)
		return 0;
	err->code = E_USAGE;
	return err_hint(err, "give a time such as 2026-01-31T00:00:00Z, seconds since 1970, or, "
			     "for an expiry, Nd: N days");
}

static int fill_build(struct err *err)
{
	struct release_build_options *b = &o.build;
	const char *epoch = getenv("SOURCE_DATE_EPOCH");

	if (!b->tree || !b->out || !b->version)
		return err_set(
			err, E_USAGE,
			"what to build is not said; add --tree DIR, --out DIR and --version V");
	if (o.serial && str_u64(o.serial, 10, 1, UINT64_MAX, "--serial", &b->serial, err) < 0) {
		err->code = E_USAGE;
		return err_hint(err, "give a number from 1 up, or leave it out");
	}
	b->old = o.old;
	b->level = o.level;
	return parse_time(o.created ? o.created : epoch, "the time of creation", 0, &b->created,
			  err) < 0 ||
			       parse_time(o.expires, "--expires", b->created, &b->expires, err) <
				       0 ||
			       parse_time(o.channel_expires, "--channel-expires", b->created,
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

/* Summary of a release; the caller frees it. */
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

static int load_secret(const char *path, struct minisig_secret *secret, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	AUTO(passphrase) struct passphrase passphrase = { "" };
	int rc;

	if (file_read(AT_FDCWD, path, MINISIG_TEXT_MAX, &text, err) < 0)
		return err_wrap(err, "secret key");
	rc = minisig_secret_parse(secret, buf_cstr(&text), text.len, NULL, path, err);
	if (rc < 0 && err->code == E_PERMISSION) {
		/* It is encrypted. */
		err_clear(err);
		rc = passphrase_get(&passphrase, o.fd, path, false, err);
		if (rc == 0)
			rc = minisig_secret_parse(secret, text.data, text.len, passphrase.text,
						  path, err);
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
	return rc;
}

static int sign(int argc, char **argv, struct err *err)
{
	AUTO(release) struct release r = RELEASE_INIT;
	AUTO(str) char *comment = NULL;
	struct json *by = NULL;

	(void)argc;
	if (!strv_len(o.keys))
		return err_set(err, E_USAGE, "no key is given; add --key FILE, a secret key");
	if (release_load(argv[0], &r, err) < 0)
		return -1;
	comment = o.comment ? xstrdup(o.comment)
			    : str_fmt("kata %s %s, serial %" PRIu64, r.version, r.architecture,
				      r.serial);
	by = json_make_array();
	strv_each(path, o.keys) {
		AUTO(minisig_secret) struct minisig_secret secret;
		char hex[17];

		if (load_secret(*path, &secret, err) < 0 ||
		    release_sign(argv[0], &secret, comment, err) < 0) {
			json_free(by);
			return -1;
		}
		minisig_id_hex(secret.id, hex);
		json_add(by, json_make_string(hex));
	}
	return print_summary(argv[0], by, "signed_by", err);
}

static int check(int argc, char **argv, struct err *err)
{
	struct trust_options options = {
		.keys = o.keys,
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
		return -1;
	if (!trust && !o.json)
		(void)printf("signatures were not checked; give --key FILE to check them\n");
	return print_summary(argv[0], trust ? trust_report(trust) : NULL, "trust", err);
}

static int diff(int argc, char **argv, struct err *err)
{
	AUTO(release) struct release from = RELEASE_INIT, to = RELEASE_INIT;

	(void)argc;
	if (release_load(argv[0], &from, err) < 0 || release_load(argv[1], &to, err) < 0)
		return -1;
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
	{ "check", "DIR", "compare every byte of a release with its manifest", check_opts, check, 1,
	  1 },
	{ "diff", "OLD NEW", "show the changes from one release to another", diff_opts, diff, 2,
	  2 },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0 },
};

int verb_release(int argc, char **argv, struct err *err)
{
	return subverb_run(release_verbs, argc, argv, err);
}
