// SPDX-License-Identifier: Apache-2.0
/* Opens the kinds of sources, and gives up mirrors whose documents are bad. */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- opening --- */

enum { PATIENCE_MS = 700 };

static bool is_url(const char *release)
{
	return strncasecmp(release, "http://", 7) == 0 || strncasecmp(release, "https://", 8) == 0;
}

/* Returns the path of a file URL, heap: "/a b" of "file:///a%20b". NULL: it names a remote host, or
 * has a wrong escape. */
static char *path_of_url(const char *url)
{
	const char *p = url + strlen("file://");
	AUTO(str) char *path = NULL;

	if (str_starts(p, "localhost/"))
		p += strlen("localhost");
	path = str_url_decode(p, strlen(p), false);
	return path && *path == '/' ? STEAL(path, NULL) : NULL;
}

static int open_archive(struct source *s, int tar, struct err *err)
{
	s->dir = spool(&s->cache, &s->helpers, tar, s->name, &s->spool, err);
	return s->dir < 0 ? -1 : 0;
}

static int open_path(struct source *s, const char *release, struct err *err)
{
	AUTO(str)
	char *path = str_starts(release, "file://") ? path_of_url(release) : xstrdup(release);
	struct stat st;

	if (!path)
		return err_set(
			err, E_USAGE,
			"'%s' is not a file URL of this machine; give file:///PATH, or the path",
			release);
	AUTO(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		(void)err_sys(err, "open the release %s", path);
		return err_hint(err, "--release takes a URL, a directory or a tar file");
	}
	if (S_ISDIR(st.st_mode)) {
		s->dir = STEAL(fd, -1);
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return err_set(
			err, E_USAGE,
			"the release %s is neither a directory nor a file; name one of these",
			path);
	return open_archive(s, fd, err);
}

static bool is_secure(const char *url)
{
	return url && strncasecmp(url, "https:", 6) == 0;
}

/* The parent reads the certificates: the child's user may have no access to the file. Without https
 * they are needed only if a server redirects to it, so they may be missing. */
static int read_ca(struct source *s, bool needed, struct err *err)
{
	if (http_read_ca(s->http.cacert, &s->ca, err) == 0) {
		s->http.ca_pem = buf_cstr(&s->ca);
		return 0;
	}
	if (needed || err->code != E_NOT_FOUND)
		return -1;
	err_clear(err);
	return 0;
}

static int open_urls(struct source *s, char *const *releases, struct err *err)
{
	bool secure = s->http.cacert || is_secure(s->http.proxy);

	strv_each(url, releases) {
		if (!is_url(*url))
			return err_set(err, E_USAGE,
				       "'%s' cannot be a mirror of a URL; give URLs only", *url);
		if (http_check_url(*url, err) < 0 || sites_add(&s->sites, *url, err) < 0)
			return -1;
		secure = secure || is_secure(*url);
	}
	if (read_ca(s, secure, err) < 0)
		return -1;
	http_init();
	return 0;
}

static int open_any(struct source *s, char *const *releases, struct err *err)
{
	if (!releases || !releases[0])
		return err_set(err, E_USAGE, "no release given; name one with --release");
	s->name = is_url(releases[0])        ? http_shown(releases[0])
		  : str_eq(releases[0], "-") ? xstrdup("standard input")
					     : xstrdup(releases[0]);
	if (is_url(releases[0]))
		return open_urls(s, releases, err);
	if (releases[1])
		return err_set(err, E_USAGE,
			       "only URLs can have mirrors: '%s' is not a URL; give one release",
			       releases[0]);
	if (strstr(releases[0], "://") && strncasecmp(releases[0], "file://", 7) != 0) {
		err_set(err, E_USAGE, "'%s' is not a supported kind of source", releases[0]);
		return err_hint(
			err, "supported are https, http and file URLs, directories, tar files, and "
			     "- for standard input");
	}
	return str_eq(releases[0], "-") ? open_archive(s, STDIN_FILENO, err)
					: open_path(s, releases[0], err);
}

int source_open(const struct source_options *o, struct source **out, struct err *err)
{
	AUTO(source) struct source *s = NEW(struct source);

	*s = (struct source){ .sites = { .all = VEC_INIT },
			      .dir = -1,
			      .http = o->http,
			      .ca = BUF_INIT(HTTP_CA_MAX),
			      .cache = { .path = xstrdup(o->cache ? o->cache : SOURCE_CACHE),
					 .dir = -1 },
			      .keep_cache = o->keep_cache,
			      .patience_ms = o->patience_ms ? o->patience_ms : PATIENCE_MS,
			      .helpers = { o->uid, o->gid },
			      .documents = VEC_INIT };
	if (open_any(s, o->releases, err) < 0)
		return -1;
	*out = STEAL(s, NULL);
	return 0;
}

void source_close(struct source *s)
{
	struct err ignored = ERR_INIT;

	if (!s)
		return;
	if (s->spool)
		(void)!path_remove_below(s->cache.dir, s->spool, &ignored);
	cache_close(&s->cache);
	fd_close(&s->dir);
	source_forget(s);
	buf_release(&s->ca);
	sites_release(&s->sites);
	free(s->name);
	free(s->spool);
	free(s);
}

int source_enter(struct source *s, const char *path, struct err *err)
{
	bool settled = s->settled;

	source_forget(s);
	s->settled = settled;
	s->entered = true;
	if (source_is_remote(s)) {
		AUTO(str) char *below = s->sites.below;

		s->sites.below = below ? str_fmt("%s/%s", below, path) : xstrdup(path);
		return 0;
	}
	AUTO(fd) int dir = s->dir;
	s->dir = path_open(dir, path, PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	return s->dir < 0 ? err_wrap(err, "%s", s->name) : 0;
}

/* True for errors of this machine or of the caller, which no other mirror can help with. */
static bool is_local(enum err_code code)
{
	return code == E_IO || code == E_FAILED || code == E_CANCELLED || code == E_USAGE ||
	       code == E_STATE;
}

/* This ends: each call takes one mirror away for good. */
bool source_distrust(struct source *s, struct err *err)
{
	size_t bad = sites_next(&s->sites, 0);

	if (!source_is_remote(s) || is_local(err->code))
		return false;
	if (!sites_set_aside(&s->sites, bad, err) && !sites_return(&s->sites, bad, err)) {
		(void)sites_blame(&s->sites, 0, err);
		if (http_weight(err->code) == 0)
			(void)err_hint(err, "check URL, network and proxy, or give another "
					    "--release");
		return false;
	}
	err_clear(err);
	source_forget(s);
	s->entered = false;
	str_set(&s->sites.below, NULL);
	return true;
}
