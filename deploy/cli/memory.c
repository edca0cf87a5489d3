// SPDX-License-Identifier: Apache-2.0
/* Adds the memory of trust to a change. */

#include "deploy/cli/memory.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void memory_release(struct memory *m)
{
	free(m->text);
	free(m->kept);
	free(m->path);
	free(m->files);
}

struct trust_options memory_options(const struct cli_place *place, char **path)
{
	*path = path_join(place->memory, TRUST_KEPT_NAME);
	return (struct trust_options){ .kept = *path,
				       .prefix = place->prefix,
				       .now = place_now(place),
				       .clock = (uint64_t)time(NULL) };
}

/* True if the user, who can then only make plans, may not see the copy. */
static bool is_hidden(const struct cli_place *place)
{
	return geteuid() != 0 && access(place->memory, X_OK) < 0 && errno == EACCES;
}

static void add_copy(const struct cli_place *place, struct deploy_change *c, struct memory *m)
{
	if (is_hidden(place))
		return;
	m->path = path_join(place->memory, TRUST_KEPT_NAME);
	m->files = xcalloc(c->nfiles + 1, sizeof(*m->files));
	if (c->nfiles)
		memcpy(m->files, c->files, c->nfiles * sizeof(*m->files));
	m->files[c->nfiles] = (struct deploy_file){ .path = m->path,
						    .data = m->kept,
						    .len = m->kept ? strlen(m->kept) : 0,
						    .mode = 0600,
						    .outlives = true };
	c->files = m->files;
	c->nfiles++;
}

void memory_add(const struct cli_place *place, const struct trust *t, struct deploy_change *c,
		struct memory *m)
{
	m->text = trust_memory(t);
	m->kept = trust_kept(t, true);
	c->trust = m->text;
	add_copy(place, c, m);
}

void memory_leave(const struct cli_place *place, const struct trust *t, bool forget,
		  struct deploy_change *c, struct memory *m, bool *stays)
{
	*stays = t && !forget && trust_has_memory(t);
	m->kept = t ? trust_kept(t, *stays) : NULL;
	add_copy(place, c, m);
}

int memory_forget(const struct cli_place *place, const struct trust *t, struct err *err)
{
	AUTO(str) char *path = path_join(place->memory, TRUST_KEPT_NAME);
	AUTO(str) char *rest = t ? trust_kept(t, false) : NULL;
	int there = path_look(AT_FDCWD, path, err);

	if (there <= 0 || (t && !trust_has_memory(t)))
		return there < 0 ? -1 : 0;
	if (rest)
		return file_replace(AT_FDCWD, path, rest, strlen(rest), 0600, err) < 0 ? -1 : 1;
	if (unlink(path) < 0)
		return err_sys(err, "remove %s", path);
	(void)!rmdir(place->memory); /* fails if it has other files */
	return 1;
}

int memory_commit(struct deploy *d, const struct cli_place *place, const struct trust *t,
		  struct err *err)
{
	AUTO(memory) struct memory m = { 0 };
	struct deploy_change c = { 0 };

	memory_add(place, t, &c, &m);
	return deploy_rollback(d, deploy_installed(d)->current, &c, err) < 0
		       ? err_wrap(err, "remember what is trusted")
		       : 0;
}
