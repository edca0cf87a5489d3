// SPDX-License-Identifier: Apache-2.0
/* Servers for tests: our own, which misbehaves on request, and those of OpenSSL and nghttp2. */

#include "tests/unit/web_lab.h"

#include "tests/unit/server.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* These do not use Check, because programs without Check use this server too. */
#define must_say(condition, ...)          \
	do {                              \
		if (!(condition))         \
			bug(__VA_ARGS__); \
	} while (0)
#define must(condition) must_say(condition, "%s", #condition)

enum { HEAD = 8192, CHUNK = 64 << 10 };

struct client {
	struct web_log *log;
	const char *root;
	int sock;
	const struct web_request *r;
	char *way;
	const char *path;
	unsigned asked; /* how often this path was requested, including this request */
	/* the file */
	char *data;
	size_t len;
	bool found;
	/* the requested range; from is 0 if there is none */
	size_t from;
	bool ranged;
};

/* --- answers --- */

static void say(struct client *c, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = send(c->sock, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			_exit(0);
		p += n;
		len -= (size_t)n;
	}
}

static void sayf(struct client *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void sayf(struct client *c, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	say(c, text, strlen(text));
}

static void wait_for_end(struct client *c)
{
	struct pollfd end = { .fd = c->sock, .events = POLLIN };
	char byte;

	while (poll(&end, 1, -1) < 0 || recv(c->sock, &byte, 1, 0) > 0)
		;
}

/* Sends the headers of a good answer that begins at c->from. */
static void head(struct client *c, const char *etag, size_t length)
{
	if (c->ranged)
		sayf(c,
		     "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
		     "Content-Length: %zu\r\n",
		     c->from, c->len - 1, c->len, length);
	else
		sayf(c, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n", length);
	if (*etag)
		sayf(c, "ETag: %s\r\n", etag);
	sayf(c, "Connection: close\r\n\r\n");
}

static void rest(struct client *c, size_t len)
{
	say(c, c->data + c->from, len);
}

static void no_range(struct client *c)
{
	c->from = 0;
	c->ranged = false;
}

static void way_ok(struct client *c)
{
	if (*c->r->if_range && !str_eq(c->r->if_range, "\"one\""))
		no_range(c);
	head(c, "\"one\"", c->len - c->from);
	rest(c, c->len - c->from);
}

static void way_late(struct client *c)
{
	(void)poll(NULL, 0, 1000);
	way_ok(c);
}

/* Answers when two connections are open at the same time, or after 10 seconds. */
static void way_together(struct client *c)
{
	for (int i = 0; i < 1000 && atomic_load(&c->log->most_together) < 2; i++)
		(void)poll(NULL, 0, 10);
	way_ok(c);
}

static void way_plain(struct client *c)
{
	no_range(c);
	head(c, "", c->len);
	rest(c, c->len);
}

/* Sends half of the remaining file, then closes the connection. */
static void way_cut(struct client *c)
{
	head(c, "\"one\"", c->len - c->from);
	rest(c, (c->len - c->from) / 2);
}

/* Sends half of the remaining file, then nothing, but keeps the connection. */
static void way_hang(struct client *c)
{
	way_cut(c);
	wait_for_end(c);
}

static void way_cut_once(struct client *c)
{
	if (c->asked == 1)
		way_cut(c);
	else
		way_ok(c);
}

/* Each time sends a quarter of the file at most. The entity tag is the mirror's own, as it is where
 * servers make it from an inode. */
static void way_cut_often(struct client *c)
{
	AUTO(str) char *etag = str_fmt("\"%s\"", c->way);
	size_t left;

	if (*c->r->if_range && !str_eq(c->r->if_range, etag))
		no_range(c);
	left = c->len - c->from;
	head(c, etag, left);
	rest(c, left < c->len / 4 ? left : c->len / 4);
}

static void way_cut_weak(struct client *c)
{
	head(c, "W/\"one\"", c->len - c->from);
	rest(c, c->asked == 1 ? c->len / 2 : c->len - c->from);
}

/* After the connection broke, the file has changed. The client notices with If-Range. */
static void way_changed(struct client *c)
{
	if (c->asked == 1) {
		memset(c->data, 'x', c->len);
		head(c, "\"old\"", c->len - c->from);
		rest(c, c->len / 2);
		return;
	}
	if (!str_eq(c->r->if_range, "\"new\""))
		no_range(c);
	head(c, "\"new\"", c->len - c->from);
	rest(c, c->len - c->from);
}

/* The same, but the server ignores If-Range, or does not even send tags. */
static void way_changed_quietly(struct client *c)
{
	bool tags = str_eq(c->way, "changed-quietly");

	if (c->asked == 1)
		memset(c->data, 'x', c->len);
	head(c, !tags ? "" : c->asked == 1 ? "\"old\"" : "\"new\"", c->len - c->from);
	rest(c, c->asked == 1 ? c->len / 2 : c->len - c->from);
}

static void way_endless(struct client *c)
{
	char zeros[CHUNK] = { 0 };

	sayf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
	for (;;)
		say(c, zeros, sizeof(zeros));
}

static void way_chunked(struct client *c)
{
	sayf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%zx\r\n", c->len);
	say(c, c->data, c->len);
	sayf(c, "\r\n0\r\n\r\n");
}

static void way_long(struct client *c)
{
	no_range(c);
	head(c, "", c->len + 10);
	rest(c, c->len);
	say(c, "0123456789", 10);
}

static void way_short(struct client *c)
{
	no_range(c);
	head(c, "", c->len - 10);
	rest(c, c->len - 10);
}

static void way_swapped(struct client *c)
{
	c->data[c->len / 2] ^= 1;
	way_ok(c);
}

/* Answers a request for a range with the start of the file. Content-Range is missing, has a wrong
 * total, or says truly that it is the start. */
static void way_wrong_range(struct client *c)
{
	size_t from = c->from;

	if (c->asked == 1) {
		way_cut(c);
		return;
	}
	if (!c->ranged) {
		way_ok(c);
		return;
	}
	if (str_eq(c->way, "range-missing"))
		sayf(c, "HTTP/1.1 206 Partial Content\r\nContent-Length: %zu\r\n\r\n",
		     c->len - from);
	else if (str_eq(c->way, "range-total"))
		sayf(c,
		     "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %zu-%zu/%zu\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     from, c->len - 1, c->len + 1, c->len - from);
	else
		sayf(c,
		     "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-%zu/%zu\r\n"
		     "Content-Length: %zu\r\n\r\n",
		     c->len - 1, c->len, c->len);
	say(c, c->data, c->len - from);
}

/* Answers with a range although the whole file was requested. */
static void way_unasked(struct client *c)
{
	c->ranged = true;
	c->from = c->len / 2;
	way_ok(c);
}

static void way_416(struct client *c)
{
	if (c->ranged)
		sayf(c, "HTTP/1.1 416 Nope\r\nContent-Length: 0\r\n\r\n");
	else if (c->asked == 1)
		way_cut(c);
	else
		way_ok(c);
}

static void redirect(struct client *c, const char *to)
{
	sayf(c, "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 4\r\n\r\ngone", to);
}

static void way_loop(struct client *c)
{
	AUTO(str) char *to = str_fmt("/loop/%s", c->path);

	redirect(c, to);
}

static void way_hop(struct client *c)
{
	AUTO(str) char *to = str_fmt("/cut-once/%s", c->path);

	redirect(c, to);
}

/* Redirects to the URL that is in the file. */
static void way_jump(struct client *c)
{
	c->data[c->len] = '\0';
	redirect(c, c->data);
}

static void way_elsewhere(struct client *c)
{
	redirect(c, "file:///etc/passwd");
}

static void way_busy(struct client *c)
{
	if (str_eq(c->way, "busy") || c->asked <= 2)
		sayf(c, "HTTP/1.1 503 Busy\r\n%sContent-Length: 4\r\n\r\nbusy",
		     str_eq(c->way, "busy-wait") ? "Retry-After: 1\r\n" : "");
	else
		way_ok(c);
}

static void way_status(struct client *c)
{
	sayf(c, "HTTP/1.1 %s No\r\nContent-Length: 2\r\n\r\nno", c->way);
}

/* Sends an error page without an end. */
static void way_flood(struct client *c)
{
	bool busy = str_eq(c->way, "flood-busy-twice");
	char text[CHUNK];

	if (busy && c->asked > 2) {
		way_ok(c);
		return;
	}
	memset(text, 'x', sizeof(text));
	sayf(c, "HTTP/1.1 %s\r\n\r\n", busy ? "503 Busy" : "404 No");
	for (;;)
		say(c, text, sizeof(text));
}

/* Sends ten bytes per second, so that the connection is never idle but takes very long. */
static void way_slow(struct client *c)
{
	head(c, "\"one\"", c->len - c->from);
	for (size_t i = c->from; i < c->len; i++) {
		say(c, c->data + i, 1);
		(void)poll(NULL, 0, 100);
	}
}

static void way_silent(struct client *c)
{
	wait_for_end(c);
}

static void way_headers(struct client *c)
{
	sayf(c, "HTTP/1.1 200 OK\r\n");
	for (unsigned i = 0;; i++)
		sayf(c, "X-Number-%u: %01000u\r\n", i, i);
}

static void way_interim(struct client *c)
{
	for (;;)
		sayf(c, "HTTP/1.1 100 Continue\r\nX-A: %0500d\r\n\r\n", 1);
}

static void way_garbage(struct client *c)
{
	sayf(c, "SSH-2.0-OpenSSH_9.2\r\n\001\002\003");
}

static void way_hang_up(struct client *c)
{
	(void)c;
}

/* Answers every request with a login page, as a captive portal or a proxy does. */
static void way_html(struct client *c)
{
	static const char page[] = "<!DOCTYPE html><html><body>Please log in</body></html>\n";

	sayf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %zu\r\n\r\n%s",
	     strlen(page), page);
}

/* Replaces the contents of one kind of file and serves the others correctly. */
static void way_junk(struct client *c)
{
	static const struct {
		const char *way, *part;
	} kinds[] = {
		{ "junk-signature", ".minisig" },
		{ "junk-channel-signature", "channel.yaml.minisig" },
		{ "junk-release", "release.yaml" },
		{ "junk-blob", "blobs/" },
	};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_eq(kinds[i].way, c->way) || !strstr(c->path, kinds[i].part))
			continue;
		no_range(c);
		if (!str_eq(c->way, "junk-blob"))
			c->len = c->len < 4 ? c->len : 4;
		memset(c->data, 'j', c->len);
	}
	head(c, "", c->len - c->from);
	rest(c, c->len - c->from);
}

static const struct {
	const char *way;
	void (*answer)(struct client *c);
} ways[] = {
	{ "ok", way_ok },
	{ "late", way_late },
	{ "together", way_together },
	{ "plain", way_plain },
	{ "cut", way_cut },
	{ "hang", way_hang },
	{ "cut-once", way_cut_once },
	{ "cut-often", way_cut_often },
	{ "cut-often-too", way_cut_often },
	{ "cut-weak", way_cut_weak },
	{ "changed", way_changed },
	{ "changed-quietly", way_changed_quietly },
	{ "changed-untagged", way_changed_quietly },
	{ "endless", way_endless },
	{ "chunked", way_chunked },
	{ "long", way_long },
	{ "short", way_short },
	{ "swapped", way_swapped },
	{ "range-wrong", way_wrong_range },
	{ "range-missing", way_wrong_range },
	{ "range-total", way_wrong_range },
	{ "unasked", way_unasked },
	{ "416", way_416 },
	{ "loop", way_loop },
	{ "hop", way_hop },
	{ "jump", way_jump },
	{ "elsewhere", way_elsewhere },
	{ "busy", way_busy },
	{ "busy-twice", way_busy },
	{ "busy-wait", way_busy },
	{ "401", way_status },
	{ "403", way_status },
	{ "404", way_status },
	{ "410", way_status },
	{ "418", way_status },
	{ "flood", way_flood },
	{ "flood-busy-twice", way_flood },
	{ "slow", way_slow },
	{ "silent", way_silent },
	{ "headers", way_headers },
	{ "interim", way_interim },
	{ "garbage", way_garbage },
	{ "hang-up", way_hang_up },
	{ "html", way_html },
	{ "junk-signature", way_junk },
	{ "junk-channel-signature", way_junk },
	{ "junk-release", way_junk },
	{ "junk-blob", way_junk },
};

/* These ways need no file. */
static bool is_blind(void (*answer)(struct client *c))
{
	return answer == way_status || answer == way_html || answer == way_silent ||
	       answer == way_busy || answer == way_hang_up;
}

/* --- requests --- */

static void field(const char *text, const char *name, char to[WEB_LINE])
{
	AUTO(str) char *mark = str_fmt("\r\n%s: ", name);
	const char *at = strcasestr(text, mark);

	*to = '\0';
	if (at)
		(void)str_print(to, WEB_LINE, "%.*s", (int)strcspn(at + strlen(mark), "\r"),
				at + strlen(mark));
}

static void read_file(struct client *c)
{
	AUTO(str) char *path = path_join(c->root, c->path);
	AUTO(fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	c->len = (size_t)st.st_size;
	c->data = xmalloc(c->len + 1);
	c->found = fd_read_full(fd, c->data, c->len, &ignored) == st.st_size;
}

static void note(struct client *c, const char *text)
{
	unsigned n = atomic_fetch_add(&c->log->count, 1);
	struct web_request *r = &c->log->kept[n % WEB_KEPT];
	const char *path = strchr(text, ' ');

	path = path ? path + 1 : "/";
	if (str_starts(path, "http://")) /* we are used as a proxy */
		path = strchr(path + 7, '/') ?: "/";
	(void)str_print(r->path, WEB_LINE, "%.*s", (int)strcspn(path + 1, " "), path + 1);
	field(text, "Range", r->range);
	field(text, "If-Range", r->if_range);
	field(text, "User-Agent", r->agent);
	field(text, "Host", r->host);
	field(text, "Authorization", r->authorization);
	for (unsigned i = 0; i <= n && i < WEB_KEPT; i++)
		c->asked += str_eq(c->log->kept[i].path, r->path);
	c->r = r;
}

static void answer(struct client *c, const char *text)
{
	char *slash;
	uint64_t from = 0;
	struct err ignored = ERR_INIT;

	note(c, text);
	c->way = xstrdup(c->r->path);
	slash = strchr(c->way, '/');
	if (slash)
		*slash = '\0';
	c->path = slash ? slash + 1 : "";
	read_file(c);
	if (str_starts(c->r->range, "bytes=")) {
		AUTO(str) char *number = xstrndup(c->r->range + 6, strcspn(c->r->range + 6, "-"));

		c->ranged = str_u64(number, 10, 0, c->len, "range", &from, &ignored) == 0;
		c->from = from;
	}
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		if (str_eq(ways[i].way, c->way) && (c->found || is_blind(ways[i].answer))) {
			ways[i].answer(c);
			return;
		}
	}
	sayf(c, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
}

static void serve(struct web_log *log, const char *root, int sock)
{
	struct client c = { .log = log, .root = root, .sock = sock };
	unsigned now = atomic_fetch_add(&log->together, 1) + 1;
	char text[HEAD] = "";
	size_t have = 0;

	while (!strstr(text, "\r\n\r\n") && have < sizeof(text) - 1) {
		ssize_t n = recv(sock, text + have, sizeof(text) - 1 - have, 0);

		if (n <= 0)
			break;
		have += (size_t)n;
		text[have] = '\0';
	}
	if (now > atomic_load(&log->most_together))
		atomic_store(&log->most_together, now);
	if (have)
		answer(&c, text);
	(void)shutdown(sock, SHUT_WR);
	wait_for_end(&c);
	atomic_fetch_sub(&log->together, 1);
	free(c.way);
	free(c.data);
}

/* Each connection is served by a process. A test whose result depends on the order of requests
 * sends them one after the other. */
static _Noreturn void run_server(struct web_log *log, const char *root, int listener)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	for (;;) {
		int sock = accept(listener, NULL, NULL);

		if (sock < 0)
			continue;
		if (fork() == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(log, root, sock);
			_exit(0);
		}
		(void)close(sock);
	}
}

void web_start(struct web *w, const char *root)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	w->log = mmap(NULL, sizeof(*w->log), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	must(w->log != MAP_FAILED);
	must(bind(listener, (struct sockaddr *)&at, sizeof(at)) == 0);
	must(listen(listener, 64) == 0);
	must(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	w->port = ntohs(at.sin_port);
	w->pid = fork();
	must(w->pid >= 0);
	if (w->pid == 0)
		run_server(w->log, root, listener);
	(void)close(listener);
}

void web_stop(struct web *w)
{
	server_kill(&w->pid);
	if (w->log)
		(void)munmap(w->log, sizeof(*w->log));
	w->log = NULL;
}

char *web_url(const struct web *w, const char *way)
{
	return str_fmt("http://127.0.0.1:%d/%s/", w->port, way);
}

static int to_deaf(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)connect(fd, (struct sockaddr *)&at, sizeof(at));
	return fd;
}

void deaf_start(struct deaf *d)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	d->fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(d->fds[0], (struct sockaddr *)&at, sizeof(at)) == 0);
	must(listen(d->fds[0], 0) == 0);
	must(getsockname(d->fds[0], (struct sockaddr *)&at, &len) == 0);
	d->port = ntohs(at.sin_port);
	for (size_t i = 1; i < ARRAY_LEN(d->fds); i++)
		d->fds[i] = to_deaf(d->port);
}

void deaf_stop(struct deaf *d)
{
	for (size_t i = 0; d->port && i < ARRAY_LEN(d->fds); i++)
		(void)close(d->fds[i]);
	d->port = 0;
}

unsigned web_count(const struct web *w)
{
	return atomic_load(&w->log->count);
}

const struct web_request *web_request(const struct web *w, unsigned n)
{
	must(n < web_count(w));
	return &w->log->kept[n % WEB_KEPT];
}

/* --- TLS --- */

/* Reads "ACCEPT 127.0.0.1:PORT" from its output. */
static int read_port(int out)
{
	char text[512] = "";
	size_t have = 0;

	while (have < sizeof(text) - 1) {
		const char *at = strstr(text, "ACCEPT 127.0.0.1:");
		ssize_t n;

		if (at && strchr(at, '\n'))
			return (int)strtol(at + 17, NULL, 10);
		n = read(out, text + have, sizeof(text) - 1 - have);
		must_say(n > 0, "openssl s_server says: %s", text);
		have += (size_t)n;
		text[have] = '\0';
	}
	bug("openssl s_server says: %s", text);
}

void tls_start(struct tls *t, const char *dir, const char *key, int response)
{
	AUTO(str) char *crt = str_fmt("%s.crt", key), *pem = str_fmt("%s.key", key);
	struct err err = ERR_INIT;
	int ends[2];
	const char *argv[] = { "openssl",     "s_server", "-accept",
			       "127.0.0.1:0", "-cert",    crt,
			       "-key",        pem,        response ? "-HTTP" : "-WWW",
			       NULL };
	struct spawn_fd fds[2];
	struct child child;

	must(fd_pipe(ends, &err) == 0);
	fds[0] = (struct spawn_fd){ ends[1], 1 };
	fds[1] = (struct spawn_fd){ ends[1], 2 };
	struct spawn s = { .argv = (char *const *)(uintptr_t)argv,
			   .cwd = dir,
			   .fds = fds,
			   .nfds = 2,
			   .parent_death_signal = SIGKILL };
	must_say(spawn_start(&s, &child, &err) == 0, "%s", err.msg);
	(void)close(ends[1]);
	t->port = read_port(ends[0]);
	t->pid = child.pid;
	(void)close(child.pidfd);
	(void)close(ends[0]);
}

int web_free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(at);

	must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	must(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	return ntohs(at.sin_port);
}

static bool answers(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	AUTO(fd) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
}

void h2_start(struct tls *t, const char *dir, const char *key)
{
	AUTO(str) char *crt = str_fmt("%s/%s.crt", dir, key), *pem = str_fmt("%s/%s.key", dir, key);
	AUTO(str) char *port = NULL;
	struct deadline deadline = deadline_in(20000);
	struct err err = ERR_INIT;
	struct child child;

	t->port = web_free_port();
	port = str_fmt("%d", t->port);
	struct spawn s = { .argv = ARGV("/usr/sbin/nghttpd", "-a", "127.0.0.1", "-d", dir, port,
					pem, crt),
			   .parent_death_signal = SIGKILL };
	must_say(spawn_start(&s, &child, &err) == 0, "%s", err.msg);
	t->pid = child.pid;
	(void)close(child.pidfd);
	while (!answers(t->port)) {
		must(!deadline_passed(deadline));
		(void)poll(NULL, 0, 20);
	}
}

void tls_stop(struct tls *t)
{
	server_kill(&t->pid);
}

static void openssl(const char *dir, const char *command)
{
	AUTO(strv) char **argv = strv_split(command, " ");
	struct spawn s = { .argv = argv, .cwd = dir };
	struct err err = ERR_INIT;

	must_say(spawn_run(&s, NULL, 0, NULL, deadline_in(60000), &err) == 0, "%s: %s", command,
		 err.msg);
}

static void make_key(const char *dir, const char *name, const char *san, const char *days)
{
	AUTO(str)
	char *request = str_fmt("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
				"-nodes -keyout %s.key -out %s.csr -subj /CN=%s",
				name, name, name);
	AUTO(str)
	char *sign = str_fmt("openssl x509 -req -in %s.csr -CA ca.crt -CAkey ca.key "
			     "-CAcreateserial -days %s -extfile %s.ext -out %s.crt",
			     name, days, name, name);
	AUTO(str) char *ext = str_fmt("%s/%s.ext", dir, name);
	FILE *f = fopen(ext, "we");

	must(f);
	(void)fprintf(f, "subjectAltName=%s\n", san);
	(void)fclose(f);
	openssl(dir, request);
	openssl(dir, sign);
}

void tls_keys(const char *dir)
{
	static const char *const cas[] = { "ca", "other-ca" };

	for (size_t i = 0; i < ARRAY_LEN(cas); i++) {
		AUTO(str)
		char *make = str_fmt("openssl req -x509 -newkey ec -pkeyopt "
				     "ec_paramgen_curve:P-256 -nodes -keyout %s.key -out %s.crt "
				     "-days 10 -subj /CN=test-%s",
				     cas[i], cas[i], cas[i]);

		openssl(dir, make);
	}
	make_key(dir, "good", "IP:127.0.0.1,DNS:localhost", "10");
	make_key(dir, "wrong", "DNS:elsewhere.example", "10");
	/* Not "-1": openssl 3.5 refuses an end before the beginning. */
	make_key(dir, "expired", "IP:127.0.0.1", "0");
}
