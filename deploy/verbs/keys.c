// SPDX-License-Identifier: Apache-2.0
/* kata-deploy keys: the table of its subverbs, and keys generate. */

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/subverb.h"
#include "crypto/minisig.h"
#include "deploy/cli/say.h"
#include "deploy/trust/trust.h"
#include "deploy/verbs/packager.h"
#include "deploy/verbs/passphrase.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	const char *fd, *role;
	bool plain, json;
} o;

static const struct opt generate_opts[] = {
	OPT_STR(0, "role", "release|channel", &o.role,
		"channel: for channels only, in NAME.channel.key"),
	OPT_STR(0, "passphrase-fd", "N", &o.fd, "read the passphrase from file descriptor N"),
	OPT_FLAG(0, "no-passphrase", &o.plain, "do not encrypt the secret key"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

/* Writes a new file, or none. */
static int write_new(const char *path, const struct buf *text, mode_t mode, struct err *err)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0 && errno == EEXIST)
		return err_set(err, E_EXISTS,
			       "%s exists and is not overwritten; choose another name", path);
	if (fd < 0)
		return err_sys(err, "make %s", path);
	if (fd_write_all(fd, text->data, text->len, err) < 0)
		(void)err_wrap(err, "%s", path);
	else if (fsync(fd) < 0 || close(STEAL(fd, -1)) < 0)
		(void)err_sys(err, "write %s", path);
	else
		return 0;
	(void)unlink(path);
	return -1;
}

static int write_pair(const char *base, const struct minisig_secret *secret, const char *passphrase,
		      struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX), public = BUF_INIT(MINISIG_TEXT_MAX);
	AUTO(str) char *key_path = str_fmt("%s.key", base), *pub_path = str_fmt("%s.pub", base);
	struct minisig_key key;
	int rc;

	minisig_public(secret, &key);
	minisig_key_format(&key, &public);
	rc = minisig_secret_format(secret, passphrase, &text, err);
	if (rc == 0)
		rc = write_new(key_path, &text, 0600, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (rc < 0)
		return -1;
	if (write_new(pub_path, &public, 0644, err) < 0) {
		/* Half a pair would be in the way of the next run. */
		(void)unlink(key_path);
		return -1;
	}
	return 0;
}

static int generate(int argc, char **argv, struct err *err)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(passphrase) struct passphrase passphrase = { "" };
	enum trust_role role = TRUST_RELEASE;
	struct minisig_key key;

	(void)argc;
	if (role_parse(o.role, &role, err) < 0)
		return -1;
	/* In a trust directory the file name determines the role of a key. */
	AUTO(str)
	char *base = str_fmt("%s%s", argv[0], role == TRUST_CHANNEL ? ".channel" : "");
	AUTO(str) char *name = str_fmt("%s.pub", base);
	if (o.plain && o.fd)
		return err_set(
			err, E_USAGE,
			"--no-passphrase and --passphrase-fd exclude each other; leave one out");
	if (!o.plain && passphrase_get(&passphrase, o.fd, "the new key", true, err) < 0)
		return -1;
	if (minisig_generate(&secret, err) < 0 ||
	    write_pair(base, &secret, passphrase.text, err) < 0)
		return -1;
	minisig_public(&secret, &key);
	AUTO(json) struct json *j = key_json(&key, name);
	if (o.json)
		say_json(j);
	else
		key_print(j);
	return 0;
}

const struct subverb keys_verbs[] = {
	{ "generate", "NAME", "make a key pair: NAME.key, which is secret, and NAME.pub",
	  generate_opts, generate, 1, 1 },
	{ "show", "[FILE.pub...]", "show public keys, or which keys are trusted here", trusted_opts,
	  keys_show, 0, -1 },
	{ "trust", "FILE.pub...", "trust keys for this installation", trust_opts, keys_trust, 1,
	  -1 },
	{ "forget", "[ID...]", "forget keys that are trusted for this installation", forget_opts,
	  keys_forget, 0, -1 },
	{ "root", "ROOT.json", "make a set of keys with roles, to be signed", root_opts, keys_root,
	  1, 1 },
	{ "sign", "FILE", "sign a file, such as a set of keys", root_sign_opts, keys_sign, 1, 1 },
	{ "rotate", "ROOT.json", "accept a new set of keys signed by the old one", rotate_opts,
	  keys_rotate, 1, 1 },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0 },
};

int verb_keys(int argc, char **argv, struct err *err)
{
	return subverb_run(keys_verbs, argc, argv, err);
}
