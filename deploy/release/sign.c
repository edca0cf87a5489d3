// SPDX-License-Identifier: Apache-2.0
/* Signs documents: NAME.minisig, NAME.1.minisig, ... beside the document, one for each key. */

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "deploy/release/build.h"

#include <fcntl.h>
#include <string.h>

char *release_signature_name(const char *document, unsigned n)
{
	return n ? str_fmt("%s.%u.minisig", document, n) : str_fmt("%s.minisig", document);
}

/* Sets *yes if the signature file does not exist, or is by this key and may be replaced. */
static int is_free(int dir, const char *name, const struct minisig_secret *secret, bool *yes,
		   struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(MINISIG_TEXT_MAX);
	struct minisig sig;

	*yes = true;
	if (file_read(dir, name, MINISIG_TEXT_MAX, &text, err) < 0) {
		if (err->code != E_NOT_FOUND)
			return -1;
		err_clear(err);
		return 0;
	}
	if (minisig_parse(&sig, buf_cstr(&text), text.len, name, err) < 0)
		return err_hint(err, "remove it, if it is not needed");
	*yes = memcmp(sig.id, secret->id, MINISIG_ID) == 0;
	return 0;
}

static int sign_document(int dir, const char *document, const struct minisig_secret *secret,
			 const char *comment, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(RELEASE_TEXT_MAX), sig = BUF_INIT(MINISIG_TEXT_MAX);

	if (file_read(dir, document, RELEASE_TEXT_MAX, &text, err) < 0 ||
	    minisig_sign(secret, buf_cstr(&text), text.len, comment, &sig, err) < 0)
		return -1;
	for (unsigned n = 0; n < TRUST_SIGNATURES_MAX; n++) {
		AUTO(str) char *name = release_signature_name(document, n);
		bool yes;

		if (is_free(dir, name, secret, &yes, err) < 0)
			return -1;
		if (yes)
			return file_replace(dir, name, sig.data, sig.len, 0644, err);
	}
	return err_set(err, E_LIMIT, "%s has %d signatures already; remove one", document,
		       TRUST_SIGNATURES_MAX);
}

int release_sign_document(const char *dir, const char *name, const struct minisig_secret *secret,
			  const char *comment, struct err *err)
{
	AUTO(fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "open %s", dir);
	return sign_document(fd, name, secret, comment, err) < 0 ? err_wrap(err, "%s", dir) : 0;
}

int release_sign(const char *dir, const struct minisig_secret *secret, const char *comment,
		 struct err *err)
{
	AUTO(str) char *channel = path_join(dir, "channel.yaml");

	int there;

	if (release_sign_document(dir, "release.yaml", secret, comment, err) < 0)
		return -1;
	there = path_look(AT_FDCWD, channel, err);
	return there > 0 ? release_sign_document(dir, "channel.yaml", secret, comment, err) : there;
}
