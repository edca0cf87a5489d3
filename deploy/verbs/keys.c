// SPDX-License-Identifier: Apache-2.0
/* kata-deploy keys: generating and showing keys. */

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
#include <time.h>
#include <unistd.h>

static struct {
	const char *fd, *directory;
	bool plain, json;
} o = { .directory = TRUST_DIRECTORY };

static const struct opt generate_opts[] = {
	OPT_STR(0, "passphrase-fd", "N", &o.fd, "read the passphrase from file descriptor N"),
	OPT_FLAG(0, "no-passphrase", &o.plain, "do not encrypt the secret key"),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

static const struct opt show_opts[] = {
	OPT_STR(0, "trust-dir", "DIR", &o.directory, "trusted keys; default: " TRUST_DIRECTORY),
	OPT_FLAG(0, "json", &o.json, "print JSON"),
	OPT_END,
};

/* Writes a new file. */
static int write_new(const char *path, const struct buf *text, mode_t mode, struct err *err)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd < 0 && errno == EEXIST)
		return err_set(err, E_EXISTS,
			       "%s exists and is not overwritten; choose another name", path);
	if (fd < 0)
		return err_sys(err, "make %s", path);
	if (fd_write_all(fd, text->data, text->len, err) < 0)
		return err_wrap(err, "%s", path);
	if (fsync(fd) < 0 || close(STEAL(fd, -1)) < 0)
		return err_sys(err, "write %s", path);
	return 0;
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
	return rc < 0 ? -1 : write_new(pub_path, &public, 0644, err);
}

static struct json *key_json(const struct minisig_key *key, const char *name)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct json *j = json_make_object();
	char hex[17], *line;

	minisig_id_hex(key->id, hex);
	minisig_key_format(key, &text);
	line = strchr(text.data, '\n') + 1;
	line[strcspn(line, "\n")] = '\0';
	json_put(j, "id", json_make_string(hex));
	json_put(j, "name", json_make_string(name));
	json_put(j, "key", json_make_string(line));
	return j;
}

static void print_key(const struct json *j)
{
	(void)printf("%s  %s  %s\n", json_text(json_get(j, "id")), json_text(json_get(j, "key")),
		     json_text(json_get(j, "name")));
}

static int generate(int argc, char **argv, struct err *err)
{
	AUTO(minisig_secret) struct minisig_secret secret;
	AUTO(passphrase) struct passphrase passphrase = { "" };
	AUTO(str) char *name = str_fmt("%s.pub", argv[0]);
	struct minisig_key key;

	(void)argc;
	if (o.plain && o.fd)
		return err_set(
			err, E_USAGE,
			"--no-passphrase and --passphrase-fd exclude each other; leave one out");
	if (!o.plain && passphrase_get(&passphrase, o.fd, "the new key", true, err) < 0)
		return -1;
	if (minisig_generate(&secret, err) < 0 ||
	    write_pair(argv[0], &secret, passphrase.text, err) < 0)
		return -1;
	minisig_public(&secret, &key);
	AUTO(json) struct json *j = key_json(&key, name);
	if (o.json)
		say_json(j);
	else
		print_key(j);
	return 0;
}

static int show_files(int argc, char **argv, struct err *err)
{
	AUTO(json) struct json *list = json_make_array();

	for (int i = 0; i < argc; i++) {
		AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
		struct minisig_key key;

		if (file_read(AT_FDCWD, argv[i], MINISIG_TEXT_MAX, &text, err) < 0 ||
		    minisig_key_parse(&key, buf_cstr(&text), text.len, argv[i], err) < 0)
			return -1;
		json_add(list, key_json(&key, argv[i]));
	}
	if (o.json)
		say_json(list);
	for (size_t i = 0; !o.json && i < json_count(list); i++)
		print_key(json_at(list, i));
	return 0;
}

/* The keys that an install without --key would trust, except rotated ones: those are stored below
 * the prefix. */
static int show_trusted(struct err *err)
{
	struct trust_options options = { .directory = o.directory, .now = (uint64_t)time(NULL) };
	AUTO(trust) struct trust *trust = NULL;
	const struct json *keys;

	if (trust_open(&options, -1, &trust, err) < 0)
		return -1;
	AUTO(json) struct json *report = trust_report(trust);
	if (o.json) {
		say_json(report);
		return 0;
	}
	keys = json_get(report, "keys");
	for (size_t i = 0; i < json_count(keys); i++)
		(void)printf("%s  %s\n", json_text(json_get(json_at(keys, i), "id")),
			     json_text(json_get(json_at(keys, i), "name")));
	return 0;
}

static int show(int argc, char **argv, struct err *err)
{
	return argc ? show_files(argc, argv, err) : show_trusted(err);
}

const struct subverb keys_verbs[] = {
	{ "generate", "NAME", "make a key pair: NAME.key, which is secret, and NAME.pub",
	  generate_opts, generate, 1, 1 },
	{ "show", "[FILE.pub...]", "show public keys, or which keys are trusted here", show_opts,
	  show, 0, -1 },
	{ "rotate", "ROOT.json", "accept a new set of keys signed by the old one", rotate_opts,
	  keys_rotate, 1, 1 },
	{ NULL, NULL, NULL, NULL, NULL, 0, 0 },
};

int verb_keys(int argc, char **argv, struct err *err)
{
	return subverb_run(keys_verbs, argc, argv, err);
}
