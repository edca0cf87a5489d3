// SPDX-License-Identifier: Apache-2.0
/* Recognizes the names of a release's files; files with other names are ignored. */

#include "deploy/fetch/fetch-internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "crypto/sha256.h"

#include <string.h>

static bool is_digest_name(const char *name, const char *folder, const char *suffix)
{
	AUTO(str) char *digest = NULL;

	if (!str_starts(name, folder) ||
	    strlen(name) != strlen(folder) + SHA256_HEX + strlen(suffix))
		return false;
	digest = xstrndup(name + strlen(folder), SHA256_HEX);
	return sha256_is_hex(digest) && str_ends(name, suffix);
}

bool name_is_document(const char *name)
{
	static const char *const documents[] = { "release.yaml", "channel.yaml", RELEASE_SBOM,
						 RELEASE_PROVENANCE };

	for (size_t i = 0; i < ARRAY_LEN(documents); i++) {
		if (str_eq(name, documents[i]))
			return true;
	}
	return !strchr(name, '/') && str_ends(name, ".minisig");
}

bool name_is_content(const char *name)
{
	return is_digest_name(name, "blobs/", ".tar.zst") ||
	       is_digest_name(name, "patches/", ".zst");
}

/* An archive may have been made of "." or of the directory by its name. The first file of a release
 * determines the directory; files outside it are ignored. */
const char *name_in_archive(char **prefix, const char *path)
{
	const char *name;

	while (str_starts(path, "./"))
		path += 2;
	name = path;
	if (*prefix) {
		if (!str_starts(path, *prefix))
			return NULL;
		name += strlen(*prefix);
		return name_is_document(name) || name_is_content(name) ? name : NULL;
	}
	if (!name_is_document(name) && !name_is_content(name)) {
		name = strchr(path, '/');
		if (!name || (!name_is_document(name + 1) && !name_is_content(name + 1)))
			return NULL;
		name++;
	}
	*prefix = xstrndup(path, (size_t)(name - path));
	return name;
}
