// SPDX-License-Identifier: Apache-2.0
/* The kinds of sources, and their documents. */

#include "deploy/fetch/fetch-internal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/minisig.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the children's user --- */

int source_lend(const struct source *s, int dir, struct err *err)
{
	uid_t uid = s->uid ? s->uid : CONFINE_NOBODY;
	gid_t gid = s->gid ? s->gid : CONFINE_NOBODY;

	if (geteuid() == 0 && fchown(dir, uid, gid) < 0)
		return err_sys(err, "give a directory to user %u", (unsigned)uid);
	return 0;
}

int source_take_back(int dir, struct err *err)
{
	if (geteuid() == 0 && fchown(dir, 0, 0) < 0)
		return err_sys(err, "take a directory back");
	return 0;
}

/* --- opening --- */

static bool is_url(const char *release)
{
	return strncasecmp(release, "http://", 7) == 0 || strncasecmp(release, "https://", 8) == 0;
}

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, tolower(c)) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* "file:///a%20b" is "/a b"; NULL: a remote host, or a wrong escape. */
static char *path_of_url(const char *url)
{
	const char *p = url + strlen("file://");
	struct buf path = BUF_INIT(4096);

	if (str_starts(p, "localhost/"))
		p += strlen("localhost");
	for (; *p; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

		if (*p == '%' && (low < 0 || !(high | low))) {
			buf_release(&path);
			return NULL;
		}
		buf_chr(&path, *p == '%' ? (char)(high << 4 | low) : *p);
		p += *p == '%' ? 2 : 0;
	}
	if (path.over || *buf_cstr(&path) != '/') {
		buf_release(&path);
		return NULL;
	}
	return buf_steal(&path);
}

static int open_path(struct source *s, const char *release, struct err *err)
{
	AUTO(str)
	char *path = str_starts(release, "file://") ? path_of_url(release) : xstrdup(release);
	struct stat st;

	if (!path)
		return err_set(err, E_USAGE, "'%s' is not a file URL of this machine", release);
	AUTO(fd) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "open the release %s", path);
	if (S_ISDIR(st.st_mode)) {
		s->dir = STEAL(fd, -1);
		return 0;
	}
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_USAGE, "the release %s is neither a directory nor a file",
			       path);
	return spool_open(s, fd, err);
}

static int open_urls(struct source *s, char *const *releases, struct err *err)
{
	bool secure = false;

	strv_each(url, releases) {
		if (!is_url(*url))
			return err_set(err, E_USAGE, "'%s' cannot be a mirror of a URL", *url);
		if (http_check_url(*url, err) < 0)
			return -1;
		secure = secure || strncasecmp(*url, "https", 5) == 0;
	}
	s->urls = strv_dup(releases);
	/* Read by us: the child's user may have no access to it. */
	if (secure || s->http.cacert) {
		if (http_read_ca(s->http.cacert, &s->ca, err) < 0)
			return -1;
		s->http.ca_pem = buf_cstr(&s->ca);
	}
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
		return err_set(err, E_USAGE, "only URLs can have mirrors: '%s' is not a URL",
			       releases[0]);
	if (strstr(releases[0], "://") && strncasecmp(releases[0], "file://", 7) != 0) {
		err_set(err, E_USAGE, "'%s' is not a supported kind of source", releases[0]);
		return err_hint(
			err, "supported are https, http and file URLs, directories, tar files, and "
			     "- for standard input");
	}
	return str_eq(releases[0], "-") ? spool_open(s, STDIN_FILENO, err)
					: open_path(s, releases[0], err);
}

int source_open(const struct source_options *o, struct source **out, struct err *err)
{
	AUTO(source) struct source *s = NEW(struct source);

	*s = (struct source){ .dir = -1,
			      .http = o->http,
			      .ca = BUF_INIT(HTTP_CA_MAX),
			      .cache = { xstrdup(o->cache ? o->cache : SOURCE_CACHE), -1 },
			      .keep_cache = o->keep_cache,
			      .uid = o->uid,
			      .gid = o->gid,
			      .documents = VEC_INIT };
	if (open_any(s, o->releases, err) < 0)
		return -1;
	*out = STEAL(s, NULL);
	return 0;
}

static void forget_documents(struct source *s)
{
	vec_each(struct document, d, &s->documents) {
		free(d->name);
		free(d->text);
	}
	vec_release(&s->documents);
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
	forget_documents(s);
	buf_release(&s->ca);
	strv_free(s->urls);
	free(s->name);
	free(s->spool);
	free(s);
}

int source_enter(struct source *s, const char *path, struct err *err)
{
	AUTO(strv) char **urls = s->urls;
	AUTO(fd) int dir = s->dir;

	forget_documents(s);
	s->urls = NULL;
	s->dir = -1;
	strv_each(url, urls)
		strv_pushf(&s->urls, "%s%s%s/", *url, str_ends(*url, "/") ? "" : "/", path);
	if (urls)
		return 0;
	s->dir = path_open(dir, path, PATH_BENEATH, O_RDONLY | O_DIRECTORY, 0, err);
	return s->dir < 0 ? err_wrap(err, "%s", s->name) : 0;
}

/* --- documents --- */

int source_file(struct source *s, const char *path, uint64_t size, struct err *err)
{
	AUTO(fd) int fd = path_open(s->dir, path, PATH_BENEATH, O_RDONLY | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0)
		return err_wrap(err, "%s", s->name);
	if (fstat(fd, &st) < 0)
		return err_sys(err, "%s: look at %s", s->name, path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_INVALID, "%s: %s is not a regular file", s->name, path);
	if (size != UINT64_MAX && (uint64_t)st.st_size != size)
		return err_set(err, E_INVALID, "%s: %s has %llu bytes instead of %llu", s->name,
			       path, (unsigned long long)st.st_size, (unsigned long long)size);
	return STEAL(fd, -1);
}

static struct document *find(struct source *s, const char *name)
{
	vec_each(struct document, d, &s->documents) {
		if (str_eq(d->name, name))
			return d;
	}
	return NULL;
}

static void keep(struct source *s, const char *name, struct buf *text)
{
	struct document d = { .name = xstrdup(name) };

	if (text) {
		(void)buf_room(text, 1);
		d.len = text->len;
		d.text = text->data ? buf_steal(text) : xstrdup("");
	}
	vec_push(&s->documents, d);
}

static int read_document(struct source *s, const char *name, size_t limit, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(limit);
	struct err mine = ERR_INIT;
	AUTO(fd) int fd = source_file(s, name, UINT64_MAX, &mine);

	if (fd < 0 && mine.code == E_NOT_FOUND) {
		keep(s, name, NULL);
		return 0;
	}
	if (fd < 0) {
		*err = mine;
		return -1;
	}
	if (file_read_fd(fd, name, limit, &text, err) < 0)
		return err_wrap(err, "%s", s->name);
	keep(s, name, &text);
	return 0;
}

/* A document is fetched together with its first two signatures: usually there are no more, and it
 * saves connections. */
enum { TOGETHER = 3 };

struct pages {
	char *names[TOGETHER];
	struct http_job jobs[TOGETHER];
	size_t n;
};

static void pages_release(struct pages *p)
{
	for (size_t i = 0; i < TOGETHER; i++) {
		free(p->names[i]);
		fd_close(&p->jobs[i].fd);
	}
}
DEFINE_AUTO_STRUCT(pages, struct pages, pages_release)

static int add_page(struct source *s, struct pages *p, char *name, size_t limit, struct err *err)
{
	struct http_job *job = &p->jobs[p->n];

	p->names[p->n] = name;
	if (find(s, name))
		return 0; /* the slot is reused */
	*job = (struct http_job){
		.path = name, .fd = -1, .size = UINT64_MAX, .limit = limit, .optional = true
	};
	job->fd = memfd_create("document", MFD_CLOEXEC);
	if (job->fd < 0)
		return err_sys(err, "create a file in memory for %s", name);
	p->n++;
	return 0;
}

static int keep_pages(struct source *s, struct pages *p, struct err *err)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct http_job *job = &p->jobs[i];
		AUTO(buf) struct buf text = BUF_INIT(0);

		if (job->missing) {
			keep(s, p->names[i], NULL);
			continue;
		}
		if (lseek(job->fd, 0, SEEK_SET) < 0)
			return err_sys(err, "read %s", p->names[i]);
		if (file_read_fd(job->fd, p->names[i], job->limit, &text, err) < 0)
			return err_wrap(err, "%s", s->name);
		keep(s, p->names[i], &text);
	}
	return 0;
}

static int fetch_document(struct source *s, const char *name, size_t limit, struct err *err)
{
	AUTO(pages) struct pages p = { { NULL }, { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } }, 0 };
	AUTO(download) struct download d = { .s = s, .jobs = p.jobs };

	if (add_page(s, &p, xstrdup(name), limit, err) < 0)
		return -1;
	for (unsigned i = 0; str_ends(name, ".yaml") && i < TOGETHER - 1; i++) {
		if (add_page(s, &p, release_signature_name(name, i), MINISIG_TEXT_MAX, err) < 0)
			return -1;
	}
	d.n = p.n;
	return download_run(&d, err) < 0 ? -1 : keep_pages(s, &p, err);
}

/* NULL without an error if there is none. */
static const struct document *get(struct source *s, const char *name, size_t limit, struct err *err)
{
	const struct document *d = find(s, name);

	if (!d) {
		if ((s->urls ? fetch_document(s, name, limit, err)
			     : read_document(s, name, limit, err)) < 0)
			return NULL;
		d = find(s, name);
	}
	if (d->text && d->len > limit) {
		(void)err_set(err, E_LIMIT, "%s is larger than %zu bytes", name, limit);
		return NULL;
	}
	return d->text ? d : NULL;
}

int source_document(struct source *s, const char *name, size_t limit, struct buf *to,
		    struct err *err)
{
	const struct document *d = get(s, name, limit, err);

	if (!d)
		return err->code != E_OK ? -1
					 : err_set(err, E_NOT_FOUND,
						   s->urls ? "%s has no %s, or denies access to it"
							   : "%s has no %s",
						   s->name, name);
	to->max = limit;
	buf_add(to, d->text, d->len);
	return buf_check(to, name, err);
}

int source_signatures(struct source *s, const char *name, char ***texts, struct err *err)
{
	*texts = NULL;
	for (unsigned i = 0; i < SOURCE_SIGNATURES_MAX; i++) {
		AUTO(str) char *signature = release_signature_name(name, i);
		const struct document *d = get(s, signature, MINISIG_TEXT_MAX, err);

		if (!d && err->code != E_OK) {
			strv_free(STEAL(*texts, NULL));
			return -1;
		}
		if (!d)
			break;
		strv_push(texts, d->text);
	}
	return 0;
}

bool source_distrust(struct source *s)
{
	char **others;

	if (strv_len(s->urls) < 2)
		return false;
	others = strv_dup(s->urls + 1);
	strv_free(s->urls);
	s->urls = others;
	free(s->name);
	s->name = http_shown(s->urls[0]);
	forget_documents(s);
	return true;
}
