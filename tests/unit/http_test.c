// SPDX-License-Identifier: Apache-2.0
/*
 * http/http.h with good servers, and with servers that are slow, send endless or wrong answers, cut
 * connections and redirect in circles.
 */

#include "base/deadline.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "http/http-internal.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"
#include "tests/unit/web_lab.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEN = 300000 };

static char dir[SCRATCH_DIR];
static struct err err;
static struct web web;
static struct tls tls;
static unsigned char content[LEN];
static char digest[65];
static struct http_options quick = { .pause_ms = 10, .stall = 2 };

static char *in(const char *name)
{
	return path_join(dir, name);
}

static void put(const char *name, const void *data, size_t len)
{
	scratch_write(dir, name, data, len, 0644);
}

static void setup(void)
{
	uint32_t seed = 11;

	err_clear(&err);
	tls.pid = -1;
	/* The tests must not use the proxy of the machine on which they run. */
	(void)unsetenv("http_proxy");
	(void)unsetenv("https_proxy");
	(void)unsetenv("HTTPS_PROXY");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	scratch_make(dir, "http");
	for (size_t i = 0; i < LEN; i++) {
		seed = seed * 1664525 + 1013904223;
		content[i] = (unsigned char)(seed >> 24);
	}
	sha256_hex(content, LEN, digest);
	put("file", content, LEN);
	web_start(&web, dir);
}

static void teardown(void)
{
	tls_stop(&tls);
	web_stop(&web);
	scratch_remove(dir);
}

/* --- one file from some mirrors --- */

static int open_target(void)
{
	AUTO(str) char *path = in("target");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static struct http_job usual(int fd)
{
	return (struct http_job){ .path = "file", .fd = fd, .size = LEN, .sha256 = digest };
}

static bool is_content(int fd)
{
	static unsigned char data[LEN + 1];

	return pread(fd, data, sizeof(data), 0) == LEN && memcmp(data, content, LEN) == 0;
}

/* way_list: the way of each mirror (web_lab.h), separated by blanks. */
static int fetch(struct http_job *job, const char *way_list, const struct http_watch *watch)
{
	AUTO(strv) char **ways = strv_split(way_list, " "), **mirrors = NULL;

	strv_each(way, ways) {
		AUTO(str) char *url = web_url(&web, *way);

		strv_push(&mirrors, url);
	}
	return http_fetch(&quick, mirrors, job, 1, watch, &err);
}

static const struct {
	const char *ways;
	unsigned requests; /* 0: any number */
} delivers[] = {
	{ "ok", 1 },
	{ "plain", 1 },
	{ "chunked", 1 },
	{ "cut-once", 2 },
	{ "cut-weak", 2 },
	{ "changed", 2 },
	{ "changed-quietly", 3 },
	{ "changed-untagged", 3 },
	{ "range-wrong", 3 },
	{ "range-missing", 3 },
	{ "range-total", 3 },
	{ "416", 3 },
	{ "hop", 4 }, /* is cut after the redirect, and begins at the mirror again */
	{ "busy-twice", 3 },
	{ "busy-wait", 3 },
	{ "flood-busy-twice", 3 },
	{ "cut cut-once", 0 },
	{ "cut-often cut-often-too", 4 },
	{ "404 ok", 2 },
	{ "403 410 ok", 3 },
	{ "swapped ok", 2 },
	{ "endless ok", 2 },
	{ "long ok", 2 },
	{ "short ok", 2 },
	{ "loop ok", HTTP_REDIRECTS + 2 },
	{ "elsewhere ok", 2 },
	{ "busy ok", 2 },
	{ "hang-up ok", 2 },
	{ "garbage ok", 2 },
	{ "headers ok", 2 },
	{ "interim ok", 2 },
	{ "flood ok", 2 },
	{ "unasked ok", 2 },
	{ "silent ok", 2 },
	{ "slow ok", 2 },
};

START_TEST(it_arrives)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);

	ck_assert_msg(fetch(&job, delivers[_i].ways, NULL) == 0, "%s: %s", delivers[_i].ways,
		      err.msg);
	ck_assert(job.done && is_content(fd));
	if (delivers[_i].requests)
		ck_assert_msg(web_count(&web) == delivers[_i].requests, "%s: %u requests",
			      delivers[_i].ways, web_count(&web));
	ck_assert(str_starts(web_request(&web, 0)->agent, "kata-deploy/"));
}
END_TEST

static const struct {
	const char *ways;
	enum err_code code;
	const char *says;
} fails[] = {
	{ "404", E_NOT_FOUND, "does not have it" },
	{ "410", E_NOT_FOUND, "410" },
	{ "401", E_PERMISSION, "401" },
	{ "403 403", E_PERMISSION, "403" },
	{ "418", E_PROTOCOL, "418" },
	{ "busy", E_GONE, "503" },
	{ "hang-up", E_GONE, "" },
	{ "garbage", E_PROTOCOL, "" },
	{ "silent", E_TIMEOUT, "" },
	{ "slow", E_TIMEOUT, "" },
	{ "endless", E_LIMIT, "300000" },
	{ "long", E_LIMIT, "300010" },
	{ "short", E_INVALID, "299990" },
	{ "swapped", E_INVALID, "SHA-256" },
	{ "swapped long 404 short", E_INVALID, "" },
	{ "loop", E_PROTOCOL, "redirects" },
	{ "elsewhere", E_PROTOCOL, "redirect" },
	{ "headers", E_LIMIT, "headers" },
	{ "interim", E_LIMIT, "headers" },
	{ "flood", E_NOT_FOUND, "does not have it" },
	{ "unasked", E_PROTOCOL, "range" },
};

START_TEST(it_does_not)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);
	struct stat st;

	quick.stall = 1;
	ck_assert_msg(fetch(&job, fails[_i].ways, NULL) < 0, "%s", fails[_i].ways);
	ck_assert_msg(err.code == fails[_i].code && strstr(err.msg, fails[_i].says), "%s: %s",
		      fails[_i].ways, err.msg);
	ck_assert_msg(strstr(err.msg, "/file: ") != NULL, "%s", err.msg);
	ck_assert(!job.done);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_le(st.st_size, LEN);
}
END_TEST

/* --- resuming --- */

/* The state after a run that was killed: half of the file. */
static const struct {
	const char *way;
	bool right; /* the half has the right bytes */
	unsigned requests;
	uint64_t received;
} resumed[] = {
	{ "ok", true, 1, LEN / 2 },
	/* the half is wrong: the digest shows it, and the file is fetched as a whole once */
	{ "ok", false, 2, LEN / 2 + LEN },
	{ "plain", true, 1, LEN },
	{ "plain", false, 1, LEN },
};

START_TEST(a_broken_run_is_gone_on_with)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);

	ck_assert_int_eq((int)write(fd, content, LEN / 2), LEN / 2);
	if (!resumed[_i].right)
		ck_assert_int_eq((int)pwrite(fd, "wrong", 5, 100), 5);
	ck_assert_msg(fetch(&job, resumed[_i].way, NULL) == 0, "%s", err.msg);
	ck_assert(is_content(fd));
	ck_assert_str_eq(web_request(&web, 0)->range, "bytes=150000-");
	ck_assert_str_eq(web_request(&web, 0)->if_range, "");
	ck_assert_uint_eq(web_count(&web), resumed[_i].requests);
	ck_assert_uint_eq(job.received, resumed[_i].received);
}
END_TEST

/* Then only the tag of the server shows that both parts are of one file. */
static const struct {
	const char *way, *if_range; /* of the second request */
	unsigned requests;
} undigested[] = {
	{ "cut-once", "\"one\"", 2 },
	{ "changed", "\"old\"", 2 },
	{ "changed-quietly", "\"old\"", 3 },
	{ "changed-untagged", "", 2 },
};

START_TEST(without_a_digest_the_tag_decides)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);

	job.sha256 = NULL;
	ck_assert_int_eq((int)write(fd, content, LEN / 2), LEN / 2); /* of unknown origin */
	ck_assert_msg(fetch(&job, undigested[_i].way, NULL) == 0, "%s", err.msg);
	ck_assert(is_content(fd));
	ck_assert_str_eq(web_request(&web, 0)->range, "");
	ck_assert_str_eq(web_request(&web, 1)->if_range, undigested[_i].if_range);
	ck_assert_uint_eq(web_count(&web), undigested[_i].requests);
}
END_TEST

START_TEST(what_is_whole_needs_no_server)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);
	size_t len = _i == 0 ? LEN : LEN + 5;
	AUTO(mem) unsigned char *data = xcalloc(1, LEN + 5);

	memcpy(data, content, LEN);
	if (_i == 2)
		data[7] ^= 1, len = LEN;
	ck_assert_int_eq((int)write(fd, data, len), (int)len);
	ck_assert_msg(fetch(&job, "ok", NULL) == 0, "%s", err.msg);
	ck_assert(job.done && is_content(fd));
	ck_assert_uint_eq(web_count(&web), _i == 0 ? 0 : 1);
}
END_TEST

/* We send a server's tag back as a line of our requests, so it must not add lines. */
START_TEST(a_tag_is_harmless)
{
	char tag[HTTP_TAG_MAX];

	ck_assert(http_tag_parse("\"a\"", 3, tag));
	ck_assert(http_tag_parse("Tue, 24 Nov 2026 16:05:55 GMT", 29, tag));
	ck_assert(!http_tag_parse("W/\"a\"", 5, tag));
	ck_assert(!http_tag_parse("\"a\r\nX: y\"", 9, tag));
	ck_assert(!http_tag_parse("\"a", 2, tag));
	ck_assert_str_eq(tag, "");
}
END_TEST

START_TEST(ranges_are_read)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{ "bytes 0-9/10", true },
		{ "bytes 5-9/*", true },
		{ "bytes 5-9/9", false },
		{ "bytes 9-5/10", false },
		{ "bytes */10", false },
		{ "bytes 0-9/10 ", false },
		{ "bytes 0-9", false },
		{ "bytes -9/10", false },
		{ "bits 0-9/10", false },
		{ "bytes 0-99999999999999999999/*", false },
		{ "", false },
	};
	struct http_range r;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_msg(http_range_parse(cases[i].text, strlen(cases[i].text), &r) ==
				      cases[i].good,
			      "%s", cases[i].text);
}
END_TEST

/* --- sizes --- */

START_TEST(an_unknown_size_has_a_limit)
{
	static const char *const ways[] = { "ok", "chunked", "endless", "ok", "chunked" };
	static const uint64_t limits[] = { LEN, LEN, 100000, LEN - 1, LEN - 1 };
	AUTO(buf) struct buf text = BUF_INIT(0);
	AUTO(str) char *url = web_url(&web, ways[_i]);
	char *const mirrors[] = { url, NULL };
	int rc = http_get(&quick, mirrors, "file", limits[_i], &text, &err);

	if (_i < 2) {
		ck_assert_msg(rc == 0, "%s", err.msg);
		ck_assert(text.len == LEN && memcmp(text.data, content, LEN) == 0);
	} else {
		ck_assert_int_lt(rc, 0);
		ck_assert_int_eq(err.code, E_LIMIT);
		ck_assert_uint_le(text.len, limits[_i]);
	}
}
END_TEST

START_TEST(what_is_optional_may_be_missing)
{
	AUTO(buf) struct buf one = BUF_INIT(LEN), other = BUF_INIT(LEN);
	AUTO(str) char *url = web_url(&web, "ok"), *refuse = web_url(&web, "403");
	char *const mirrors[] = { url, _i ? refuse : NULL, NULL };
	struct http_job jobs[] = {
		{ .path = "file", .fd = -1, .to = &one, .size = UINT64_MAX, .limit = LEN },
		{ .path = "none",
		  .fd = -1,
		  .to = &other,
		  .size = UINT64_MAX,
		  .limit = LEN,
		  .optional = true },
	};

	ck_assert_msg(http_fetch(&quick, mirrors, jobs, 2, NULL, &err) == 0, "%s", err.msg);
	ck_assert(jobs[0].done && !jobs[0].missing && jobs[1].missing && !jobs[1].done);
	ck_assert_uint_eq(other.len, 0);
}
END_TEST

/* --- several files --- */

struct seen {
	uint64_t last, total;
	unsigned calls, done;
	uint64_t when, gap; /* ms */
};

static void on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct seen *s = arg;
	uint64_t now = clock_ms();

	if (s->when && now - s->when > s->gap)
		s->gap = now - s->when;
	s->when = now;
	s->last = done;
	s->total = total;
	s->calls++;
}

static void on_done(void *arg, size_t job)
{
	struct seen *s = arg;

	(void)job;
	s->done++;
}

enum { MANY = 12 };

static void fetch_many(const char *way, struct seen *seen)
{
	struct http_job jobs[MANY];
	struct http_watch watch = { .progress = on_progress, .done = on_done, .arg = seen };
	AUTO(str) char *url = web_url(&web, way);
	char *const mirrors[] = { url, NULL };
	int fds[MANY];

	for (size_t i = 0; i < MANY; i++) {
		AUTO(str) char *path = str_fmt("%s/target%zu", dir, i);

		fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		jobs[i] = usual(fds[i]);
	}
	ck_assert_msg(http_fetch(&quick, mirrors, jobs, MANY, &watch, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert(jobs[i].done && is_content(fds[i]));
		(void)close(fds[i]);
	}
}

START_TEST(several_come_at_once)
{
	struct seen seen = { 0 };

	quick.connections = 4;
	fetch_many("together", &seen);
	ck_assert_uint_ge(atomic_load(&web.log->most_together), 2);
	ck_assert_uint_eq(seen.last, MANY * LEN);
	ck_assert_uint_eq(seen.total, MANY * LEN);
	ck_assert_uint_eq(seen.done, MANY);
	ck_assert_uint_eq(web_count(&web), MANY);
	ck_assert_uint_le(atomic_load(&web.log->most_together), 6); /* some are still closing */
}
END_TEST

START_TEST(the_rate_is_for_all)
{
	struct seen seen = { 0 };
	uint64_t start = clock_ms();

	quick.rate = 2 << 20;
	fetch_many("ok", &seen);
	ck_assert_uint_ge(clock_ms() - start, 1200); /* 3.6 MB at 2 MiB/s */
	ck_assert_uint_lt(seen.gap, 5000);
	ck_assert_uint_gt(seen.calls, 5);
}
END_TEST

/* A mirror that keeps failing is not used any more while another one works. */
START_TEST(a_bad_mirror_loses_its_lives)
{
	struct http_job jobs[MANY];
	AUTO(str) char *bad = web_url(&web, "busy"), *good = web_url(&web, "ok");
	char *const mirrors[] = { bad, good, NULL };
	int fds[MANY];
	unsigned asked = 0;

	quick.connections = 1;
	for (size_t i = 0; i < MANY; i++) {
		AUTO(str) char *path = str_fmt("%s/target%zu", dir, i);

		fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		jobs[i] = usual(fds[i]);
	}
	ck_assert_msg(http_fetch(&quick, mirrors, jobs, MANY, NULL, &err) == 0, "%s", err.msg);
	for (unsigned i = 0; i < web_count(&web); i++)
		asked += str_starts(web_request(&web, i)->path, "busy");
	ck_assert_uint_eq(asked, HTTP_BUDGET);
	for (size_t i = 0; i < MANY; i++)
		(void)close(fds[i]);
}
END_TEST

struct aside {
	unsigned n;
	size_t mirror;
	struct err why;
};

static void on_aside(void *arg, size_t mirror, const struct err *why)
{
	struct aside *a = arg;

	a->n++;
	a->mirror = mirror;
	a->why = *why;
}

/* Fetches many files from two mirrors; returns the number of requests to the first. */
static unsigned fetch_from_two(const char *first, struct aside *a)
{
	struct http_job jobs[MANY];
	struct http_watch watch = { .aside = on_aside, .arg = a };
	AUTO(str) char *good = web_url(&web, "ok");
	char *const mirrors[] = { (char *)(uintptr_t)first, good, NULL };
	int fds[MANY];
	unsigned asked = 0;

	for (size_t i = 0; i < MANY; i++) {
		AUTO(str) char *path = str_fmt("%s/target%zu", dir, i);

		fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		jobs[i] = usual(fds[i]);
	}
	ck_assert_msg(http_fetch(&quick, mirrors, jobs, MANY, &watch, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert(jobs[i].done && is_content(fds[i]));
		(void)close(fds[i]);
	}
	for (unsigned i = 0; i < web_count(&web); i++)
		asked += !str_starts(web_request(&web, i)->path, "ok/");
	return asked;
}

static char *dead_url(int kind, struct deaf *deaf)
{
	switch (kind) {
	case 0:
		return str_fmt("http://127.0.0.1:%d/", web_free_port());
	case 1:
		deaf_start(deaf);
		return str_fmt("http://127.0.0.1:%d/", deaf->port);
	case 2:
		return xstrdup("http://kata.invalid/");
	case 3:
		return web_url(&web, "hang-up");
	default:
		return web_url(&web, "silent");
	}
}

/* A mirror that refuses or drops connections, has no address or does not answer is tried only once,
 * however many files there are. */
START_TEST(a_dead_mirror_costs_one_attempt)
{
	struct aside a = { .n = 0 };
	struct deaf deaf = { 0 };
	AUTO(str) char *dead = dead_url(_i, &deaf);

	ck_assert_uint_le(fetch_from_two(dead, &a), 6);
	ck_assert_uint_eq(a.n, 1);
	ck_assert_uint_eq(a.mirror, 0);
	ck_assert(http_weight(a.why.code) == 0);
	deaf_stop(&deaf);
}
END_TEST

/* A mirror that sent a wrong file is not used for others. */
START_TEST(a_wrong_mirror_is_set_aside)
{
	static const char *const ways[] = { "swapped", "long", "html", "garbage", "loop" };
	struct aside a = { .n = 0 };
	AUTO(str) char *wrong = web_url(&web, ways[_i]);

	quick.connections = 1;
	ck_assert_uint_le(fetch_from_two(wrong, &a), 1 + HTTP_REDIRECTS);
	ck_assert_uint_eq(a.n, 1);
	ck_assert_uint_eq(a.mirror, 0);
	ck_assert(http_weight(a.why.code) == 2);
}
END_TEST

/* If one mirror says that the file does not exist, that is the error, whatever the other did. */
START_TEST(not_there_is_an_answer)
{
	struct deaf deaf = { 0 };
	AUTO(str)
	char *dead = dead_url(_i / 4, &deaf), *none = web_url(&web, _i & 1 ? "403" : "404");
	char *const mirrors[] = { _i & 2 ? dead : none, _i & 2 ? none : dead, NULL };
	AUTO(buf) struct buf text = BUF_INIT(LEN);
	struct http_job job = { .path = "none",
				.fd = -1,
				.to = &text,
				.size = UINT64_MAX,
				.limit = LEN,
				.optional = true };

	ck_assert_msg(http_fetch(&quick, mirrors, &job, 1, NULL, &err) == 0, "%s", err.msg);
	ck_assert(job.missing && !job.done);
	deaf_stop(&deaf);
}
END_TEST

START_TEST(every_mirror_is_blamed)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);
	static const char *const said[] = { "/404/file: the server does not have it",
					    "/swapped/file: its SHA-256 is", "/hang-up/file: " };

	ck_assert_int_lt(fetch(&job, "404 swapped hang-up", NULL), 0);
	ck_assert_int_eq(err.code, E_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		ck_assert_msg(strstr(err.msg, said[i]), "%s", err.msg);
}
END_TEST

/* The pause is that of Retry-After; ours is much shorter in the tests. */
START_TEST(retry_after_is_kept)
{
	AUTO(fd) int fd = open_target();
	struct http_job job = usual(fd);
	uint64_t start = clock_ms();

	ck_assert_msg(fetch(&job, "busy-wait", NULL) == 0, "%s", err.msg);
	ck_assert_uint_ge(clock_ms() - start, 1900);
}
END_TEST

/* --- addresses --- */

START_TEST(only_http_is_spoken)
{
	static const char *const urls[] = {
		"ftp://127.0.0.1/", "file:///etc/passwd", "127.0.0.1/x",
		"http:///x",        "http://h/x?y",       "http://h/a b",
		"http://h/\n",      "https://h/#x",       ""
	};
	AUTO(buf) struct buf text = BUF_INIT(100);
	char *const mirrors[] = { (char *)(uintptr_t)urls[_i], NULL };

	ck_assert_int_lt(http_get(&quick, mirrors, "passwd", 100, &text, &err), 0);
	ck_assert_int_eq(err.code, E_USAGE);
}
END_TEST

START_TEST(a_bad_url_says_what_to_write)
{
	static char long_path[5000];
	static const struct {
		const char *url, *remedy;
	} bad[] = {
		{ "h/x", "; write https://HOST/PATH" },
		{ "https://me@there@h/x", "; write %40 in a password" },
		{ "https://h/x?y", "; remove '?' and '#'" },
		{ "https://h/a b", "; write %20 for a blank" },
		{ long_path, "https://h" },
		{ long_path, "more than 4096 bytes; shorten it" },
	};

	(void)snprintf(long_path, sizeof(long_path), "https://h/%04900d", 0);
	ck_assert_int_lt(http_check_url(bad[_i].url, &err), 0);
	ck_assert_int_eq(err.code, E_USAGE);
	ck_assert_msg(strstr(err.msg, bad[_i].remedy), "%s", err.msg);
}
END_TEST

START_TEST(passwords_are_not_shown)
{
	AUTO(str) char *url = str_fmt("http://me:secret@127.0.0.1:%d/404/", web.port);
	AUTO(buf) struct buf text = BUF_INIT(100);
	char *const mirrors[] = { url, NULL };

	ck_assert_int_lt(http_get(&quick, mirrors, "file", 100, &text, &err), 0);
	ck_assert_ptr_null(strstr(err.msg, "secret"));
	ck_assert_ptr_nonnull(strstr(err.msg, "http://127.0.0.1"));
}
END_TEST

START_TEST(names_are_escaped)
{
	AUTO(buf) struct buf text = BUF_INIT(100);
	AUTO(str) char *url = web_url(&web, "ok");
	char *const mirrors[] = { url, NULL };

	ck_assert_int_lt(http_get(&quick, mirrors, "a b\r\nX: y?#%", 100, &text, &err), 0);
	ck_assert_str_eq(web_request(&web, 0)->path, "ok/a%20b%0D%0AX%3A%20y%3F%23%25");
}
END_TEST

START_TEST(a_proxy_is_used)
{
	AUTO(buf) struct buf text = BUF_INIT(LEN);
	AUTO(str) char *proxy = str_fmt("http://127.0.0.1:%d", web.port);
	char *const mirrors[] = { (char *)(uintptr_t) "http://kata.invalid/ok/", NULL };
	struct http_options o = quick;

	if (_i == 0)
		o.proxy = proxy;
	else
		(void)setenv("http_proxy", proxy, 1);
	ck_assert_msg(http_get(&o, mirrors, "file", LEN, &text, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(text.len, LEN);
	ck_assert_str_eq(web_request(&web, 0)->host, "kata.invalid");
	(void)unsetenv("http_proxy");
}
END_TEST

START_TEST(a_refusing_port_is_told)
{
	AUTO(buf) struct buf text = BUF_INIT(100);
	AUTO(str) char *url = web_url(&web, "ok");
	char *const mirrors[] = { url, NULL };
	struct web gone = web;

	web_stop(&web);
	(void)gone;
	ck_assert_int_lt(http_get(&quick, mirrors, "file", 100, &text, &err), 0);
	ck_assert_int_eq(err.code, E_GONE);
}
END_TEST

/* --- TLS --- */

static const struct {
	const char *key, *ca;
	bool good;
	const char *says;
} secured[] = {
	{ "good", "ca.crt", true, "" },
	{ "wrong", "ca.crt", false, "127.0.0.1" },
	{ "expired", "ca.crt", false, "expired" },
	{ "good", "other-ca.crt", false, "certificate" },
	{ "good", NULL, false, "certificate" },
};

static int get_secure(const char *ca, bool as_text, const char *name, struct buf *to)
{
	AUTO(str) char *url = str_fmt("https://127.0.0.1:%d/", tls.port);
	AUTO(str) char *path = ca ? in(ca) : NULL;
	AUTO(buf) struct buf pem = BUF_INIT(HTTP_CA_MAX);
	char *const mirrors[] = { url, NULL };
	struct http_options o = quick;

	if (as_text)
		ck_assert_msg(http_read_ca(path, &pem, &err) == 0, "%s", err.msg);
	o.cacert = path;
	o.ca_pem = pem.data;
	return http_get(&o, mirrors, name, LEN, to, &err);
}

START_TEST(certificates_are_checked)
{
	AUTO(buf) struct buf text = BUF_INIT(LEN);
	int i = _i % (int)ARRAY_LEN(secured);
	uint64_t start = clock_ms();

	tls_keys(dir);
	put("doc", "a document", 10);
	tls_start(&tls, dir, secured[i].key, 0);
	if (secured[i].good) {
		ck_assert_msg(get_secure(secured[i].ca, _i != i, "doc", &text) == 0, "%s", err.msg);
		ck_assert_str_eq(text.data, "a document");
		return;
	}
	quick.pause_ms = 60000; /* the error is final: there is no second attempt */
	ck_assert_int_lt(get_secure(secured[i].ca, _i != i && secured[i].ca, "doc", &text), 0);
	ck_assert_msg(err.code == E_TRUST && strstr(err.msg, secured[i].says), "%s", err.msg);
	ck_assert_uint_lt(clock_ms() - start, 30000);
	ck_assert_uint_eq(text.len, 0);
}
END_TEST

/* The server has only HTTP/2. Files that had contents before are fetched as a whole. */
START_TEST(http_2_is_spoken)
{
	struct http_job jobs[MANY];
	AUTO(str) char *ca = in("ca.crt"), *url = NULL;
	char *mirrors[] = { NULL, NULL };
	struct http_options o = quick;
	int fds[MANY];

	tls_keys(dir);
	h2_start(&tls, dir, "good");
	url = str_fmt("https://127.0.0.1:%d/", tls.port);
	mirrors[0] = url;
	o.cacert = ca;
	for (size_t i = 0; i < MANY; i++) {
		AUTO(str) char *path = str_fmt("%s/target%zu", dir, i);

		fds[i] = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		ck_assert_int_eq((int)write(fds[i], content, i * 1000), (int)i * 1000);
		jobs[i] = usual(fds[i]);
	}
	ck_assert_msg(http_fetch(&o, mirrors, jobs, MANY, NULL, &err) == 0, "%s", err.msg);
	for (size_t i = 0; i < MANY; i++) {
		ck_assert(jobs[i].done && is_content(fds[i]));
		(void)close(fds[i]);
	}
}
END_TEST

/* User and password of the mirror go to the same server only, which asks for them at each path. */
START_TEST(a_password_stays_with_its_server)
{
	static const struct {
		const char *host;
		bool kept;
	} cases[] = { { "127.0.0.1", true }, { "localhost", false }, { "other@127.0.0.1", false } };
	AUTO(buf) struct buf text = BUF_INIT(LEN);
	AUTO(str) char *start = str_fmt("http://me:secret@127.0.0.1:%d/jump/", web.port);
	AUTO(str) char *to = str_fmt("http://%s:%d/ok/file", cases[_i].host, web.port);
	char *const mirrors[] = { start, NULL };
	const char *const mine = "Basic bWU6c2VjcmV0";

	put("jump", to, strlen(to));
	ck_assert_msg(http_get(&quick, mirrors, "jump", LEN, &text, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(web_count(&web), 2);
	ck_assert_str_eq(web_request(&web, 0)->authorization, mine);
	ck_assert_int_eq(str_eq(web_request(&web, 1)->authorization, mine), cases[_i].kept);
}
END_TEST

START_TEST(an_origin_is_scheme_host_and_port)
{
	static const char *const cases[][3] = {
		{ "http://me@a/x", "http://a/y", "http://me@a/y" },
		{ "http://me:p@a:80/x", "HTTP://A/y", "HTTP://me:p@A/y" },
		{ "https://me@a", "https://a:443?q", "https://me@a:443?q" },
		{ "http://me@a/x", "https://a/y", "https://a/y" },
		{ "http://me@a/x", "http://a:81/y", "http://a:81/y" },
		{ "http://me@a/x", "http://a.b/y", "http://a.b/y" },
		{ "http://me@a/x", "http://b@a/y", "http://b@a/y" },
		{ "http://me@a/x", "http://b/@a/y", "http://b/@a/y" },
		{ "http://a/x", "http://a/y", "http://a/y" },
	};
	AUTO(str) char *to = http_redirected(cases[_i][0], cases[_i][1]);

	ck_assert_str_eq(to, cases[_i][2]);
}
END_TEST

/* After a redirect to https there is none back to http, even if the first URL was http. */
START_TEST(https_stays_https)
{
	AUTO(buf) struct buf text = BUF_INIT(LEN);
	AUTO(str)
	char *answer = str_fmt("HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:%d/ok/"
			       "file\r\n\r\n",
			       web.port);
	AUTO(str) char *start = web_url(&web, "jump"), *ca = in("ca.crt"), *there = NULL;
	char *const mirrors[] = { start, NULL };
	struct http_options o = quick;

	tls_keys(dir);
	put("doc", answer, strlen(answer));
	tls_start(&tls, dir, "good", 1);
	there = str_fmt("https://127.0.0.1:%d/doc", tls.port);
	put("jump", there, strlen(there));
	o.cacert = ca;
	if (_i)
		ck_assert_int_lt(http_get(&o, mirrors, "jump", LEN, &text, &err), 0);
	else
		ck_assert_int_lt(get_secure("ca.crt", false, "doc", &text), 0);
	ck_assert_msg(err.code == E_TRUST && strstr(err.msg, "away from https"), "%s", err.msg);
	ck_assert_uint_eq(web_count(&web), (unsigned)_i);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("http");
	TCase *t = tcase_create("http");

	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, it_arrives, 0, ARRAY_LEN(delivers));
	tcase_add_loop_test(t, it_does_not, 0, ARRAY_LEN(fails));
	tcase_add_loop_test(t, a_broken_run_is_gone_on_with, 0, ARRAY_LEN(resumed));
	tcase_add_loop_test(t, without_a_digest_the_tag_decides, 0, ARRAY_LEN(undigested));
	tcase_add_loop_test(t, what_is_whole_needs_no_server, 0, 3);
	tcase_add_test(t, a_tag_is_harmless);
	tcase_add_test(t, ranges_are_read);
	tcase_add_loop_test(t, an_unknown_size_has_a_limit, 0, 5);
	tcase_add_loop_test(t, what_is_optional_may_be_missing, 0, 2);
	tcase_add_test(t, several_come_at_once);
	tcase_add_test(t, the_rate_is_for_all);
	tcase_add_test(t, a_bad_mirror_loses_its_lives);
	tcase_add_loop_test(t, a_dead_mirror_costs_one_attempt, 0, 5);
	tcase_add_loop_test(t, a_wrong_mirror_is_set_aside, 0, 5);
	tcase_add_loop_test(t, not_there_is_an_answer, 0, 20);
	tcase_add_test(t, every_mirror_is_blamed);
	tcase_add_test(t, retry_after_is_kept);
	tcase_add_loop_test(t, only_http_is_spoken, 0, 9);
	tcase_add_loop_test(t, a_bad_url_says_what_to_write, 0, 6);
	tcase_add_test(t, passwords_are_not_shown);
	tcase_add_test(t, names_are_escaped);
	tcase_add_loop_test(t, a_proxy_is_used, 0, 2);
	tcase_add_test(t, a_refusing_port_is_told);
	tcase_add_loop_test(t, certificates_are_checked, 0, 2 * ARRAY_LEN(secured));
	tcase_add_test(t, http_2_is_spoken);
	tcase_add_loop_test(t, a_password_stays_with_its_server, 0, 3);
	tcase_add_loop_test(t, an_origin_is_scheme_host_and_port, 0, 9);
	tcase_add_loop_test(t, https_stays_https, 0, 2);
	suite_add_tcase(s, t);
	return suite_run(s);
}
