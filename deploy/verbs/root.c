// SPDX-License-Identifier: Apache-2.0
/* kata-deploy keys root and keys sign: make and sign a root.json, on the machines of the
 * signers. */

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/cli/say.h"
#include "deploy/release/build.h"
#include "deploy/release/stamp.h"
#include "deploy/trust/trust.h"
#include "deploy/verbs/packager.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { ROOT_MAX = 64 << 10 };

static struct {
	struct trust_root_new root;
	const char *after, *expires, *comment, *fd;
	char **keys, **channel_keys;
	bool json;
} o;

const struct opt root_opts[] = {
	OPT_PATH(0, "after", "ROOT.json", &o.after,
		 "the root that it follows, and defaults of the rest"),
	OPT_PATHS('k', "key", "FILE.pub", &o.keys, "a key for releases; may be repeated"),
	OPT_UINT(0, "threshold", "K", &o.root.threshold, "how many of them must sign; default: 1"),
	OPT_PATHS(0, "channel-key", "FILE.pub", &o.channel_keys,
		  "a key for channels; default: those for releases"),
	OPT_UINT(0, "channel-threshold", "K", &o.root.channel_threshold,
		 "how many of those must sign; default: 1"),
	OPT_STR(0, "expires", "TIME", &o.expires, "a time, or Nd: days from now"),
	OPT_END,
};

const struct opt root_sign_opts[] = {
	OPT_PATHS('k', "key", "FILE", &o.keys, "secret key; may be repeated"),
	OPT_STR(0, "comment", "TEXT", &o.comment, "trusted comment; default: the file's name"),
	OPT_STR(0, "passphrase-fd", "N", &o.fd,
		"read passphrases from N, a line per encrypted key"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

int keys_root(int argc, char **argv, struct err *err)
{
	AUTO(buf) struct buf after = BUF_INIT(ROOT_MAX);
	AUTO(str) char *text = NULL;
	int there = path_look(AT_FDCWD, argv[0], err);

	(void)argc;
	if (there < 0)
		return -1;
	if (there)
		return err_set(err, E_EXISTS,
			       "%s exists and is not overwritten; choose another name", argv[0]);
	if (when_parse(o.expires, "--expires", (uint64_t)time(NULL), &o.root.expires, err) < 0 ||
	    (o.after && file_read(AT_FDCWD, o.after, ROOT_MAX, &after, err) < 0))
		return -1;
	if (o.after) {
		o.root.after = buf_cstr(&after);
		o.root.after_len = after.len;
	}
	o.root.keys = o.keys;
	o.root.channel_keys = o.channel_keys;
	text = trust_root_text(&o.root, err);
	if (!text || file_replace(AT_FDCWD, argv[0], text, strlen(text), 0644, err) < 0)
		return -1;
	(void)fputs(text, stdout);
	return 0;
}

int keys_sign(int argc, char **argv, struct err *err)
{
	const char *name = path_basename(argv[0]);
	AUTO(str)
	char *dir = name == argv[0] ? xstrdup(".") : xstrndup(argv[0], (size_t)(name - argv[0]));
	AUTO(json) struct json *j = json_make_object();
	struct json *by = json_make_array();

	(void)argc;
	json_put(j, "signed_by", by);
	if (!strv_len(o.keys))
		return err_set(err, E_USAGE, "no key is given; add --key FILE, a secret key");
	strv_each(path, o.keys) {
		AUTO(minisig_secret) struct minisig_secret secret;
		char hex[17];

		if (secret_load(*path, o.fd, &secret, err) < 0 ||
		    release_sign_document(dir, name, &secret, o.comment ? o.comment : name, err) <
			    0)
			return -1;
		minisig_id_hex(secret.id, hex);
		json_add(by, json_make_string(hex));
		if (!o.json)
			(void)printf("%s is signed by %s\n", argv[0], hex);
	}
	if (o.json)
		say_json(j);
	return 0;
}
