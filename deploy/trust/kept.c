// SPDX-License-Identifier: Apache-2.0
/*
 * The copy of the memory that survives an uninstall: one file for the node, with an entry for each
 * prefix, so that installations side by side can follow different channels.
 */

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/advice.h"
#include "deploy/trust/trust-internal.h"
#include "json/fields.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { SCHEMA = 1 };

void trust_kept_release(struct trust_kept *kept)
{
	free(kept->file);
	free(kept->prefix);
	json_free(kept->prefixes);
	*kept = (struct trust_kept){ NULL, NULL, NULL };
}

static int parse(struct trust_kept *kept, const struct json *j, struct err *err)
{
	const struct json *prefixes;
	uint64_t schema;
	struct fields f;

	if (fields_begin(&f, j, kept->file, err) < 0 ||
	    fields_u64(&f, "schema", true, &schema, err) < 0)
		return -1;
	if (schema != SCHEMA)
		return err_set(err, E_UNSUPPORTED,
			       "%s has schema %llu; it was written by a newer kata-deploy",
			       kept->file, (unsigned long long)schema);
	if (fields_object(&f, "prefixes", &prefixes, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	kept->prefixes = prefixes ? json_share(prefixes) : NULL;
	return 0;
}

/* What a newer version wrote is not damaged. */
static int hint_restore(struct err *err)
{
	if (err->code == E_UNSUPPORTED)
		return err_hint(err, "use that one, or one that is newer");
	return err_hint(
		err,
		"restore it from a backup; %s removes it, and with it the memory of every prefix",
		advice("uninstall --forget-trust"));
}

/* A user without the right to read the file cannot install either: only queries come here. */
static bool is_denied(void)
{
	return errno == EACCES && geteuid() != 0;
}

int trust_kept_load(struct trust_kept *kept, struct err *err)
{
	AUTO(fd)
	int fd = kept->file ? open(kept->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	AUTO(buf) struct buf text = BUF_INIT(TRUST_MEMORY_MAX);
	AUTO(json) struct json *j = NULL;

	if (!kept->file || (fd < 0 && (errno == ENOENT || errno == ENOTDIR)))
		return 0;
	if (fd < 0 && is_denied()) {
		log_warn("the memory of trust is not readable for this user, so an install may "
			 "refuse what this accepts",
			 LOG_S("file", kept->file));
		return 0;
	}
	if (fd < 0)
		return err_sys(err, "open %s", kept->file);
	if (file_read_fd(fd, kept->file, TRUST_MEMORY_MAX, &text, err) == 0)
		j = json_parse(buf_cstr(&text), text.len, kept->file, err);
	return j && parse(kept, j, err) == 0 ? 0 : hint_restore(err);
}

int trust_kept_past(const struct trust_kept *kept, struct trust_past *past, struct err *err)
{
	const struct json *j = kept->prefixes && kept->prefix
				       ? json_get(kept->prefixes, kept->prefix)
				       : NULL;

	if (!j)
		return 0;
	return trust_past_take(past, j, kept->file, err) < 0 ? hint_restore(err) : 1;
}

/* Appends a new entry at the end, so that the first entry is the oldest. */
char *trust_kept_format(const struct trust_kept *kept, const struct trust_past *past)
{
	size_t n = kept->prefixes ? json_count(kept->prefixes) : 0, i = 0;
	AUTO(json) struct json *j = json_make_object(), *mine = json_make_object();
	struct json *prefixes = json_make_object();

	if (past)
		trust_past_put(past, mine);
	for (void *it = n ? json_begin(kept->prefixes) : NULL; it;
	     it = json_after(kept->prefixes, it), i++) {
		bool is_mine = str_eq(json_key(it), kept->prefix);

		if (is_mine ? past != NULL : i + TRUST_PREFIXES_MAX > n)
			json_put(prefixes, json_key(it),
				 json_share(is_mine ? mine : json_value(it)));
	}
	if (past && !json_get(prefixes, kept->prefix))
		json_put(prefixes, kept->prefix, json_share(mine));
	json_put(j, "schema", json_make_int(SCHEMA));
	json_put(j, "prefixes", prefixes);
	if (!json_count(prefixes))
		return NULL;
	AUTO(str) char *text = json_format(j, true);
	return str_fmt("%s\n", text);
}
