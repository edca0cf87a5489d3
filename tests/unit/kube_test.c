// SPDX-License-Identifier: Apache-2.0
/* libs/kube with API servers that are busy, cut connections, forget versions, and send wrong or
 * endless answers. */

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "kube/kube.h"
#include "tests/unit/kube_lab.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NODE   "/api/v1/nodes/n1"
#define OBJECT "{\"metadata\":{\"name\":\"n1\",\"resourceVersion\":\"7\"}}"
#define STATUS(reason, code)                                                                     \
	"{\"kind\":\"Status\",\"message\":\"because of \\u0007" reason "\",\"reason\":\"" reason \
	"\",\"code\":" code "}"
#define ANSWERS(list) api_start(&api, list, ARRAY_LEN(list)), k = api_client(&api, dir)

static char dir[API_DIR];
static struct err err;
static struct api api;
static struct kube *k;

static void setup(void)
{
	err_clear(&err);
	api_set_up(&api, dir);
	k = NULL;
}

static void teardown(void)
{
	kube_free(k);
	api_tear_down(&api, dir);
}

/* --- one request --- */

START_TEST(get_and_keep_the_connection)
{
	static const struct said said[] = {
		{ .asked = "GET " NODE " HTTP/1.1", .status = 200, .body = OBJECT },
		{ .asked = "GET " NODE, .status = 200, .body = OBJECT }
	};

	ANSWERS(said);
	for (int i = 0; i < 2; i++) {
		AUTO(json) struct json *node = kube_get(k, NODE, soon(), &err);

		ck_assert_msg(node != NULL, "%s", err.msg);
		ck_assert_str_eq(kube_meta(node, "name"), "n1");
	}
	api_end(&api);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 0)->head, "Authorization: Bearer secret\r\n"));
	ck_assert_uint_eq(api.nstayers, 1);
	ck_assert_str_eq(kube_namespace(k), "kata");
	ck_assert_uint_eq(kube_requests(k), 2);
}
END_TEST

static const struct said busy[][3] = {
	{ { .status = 429,
	    .headers = "Retry-After: 0\r\n",
	    .body = STATUS("TooManyRequests", "429") },
	  { .status = 200, .body = OBJECT } },
	{ { .status = 500, .body = "oops" }, { .status = 200, .body = OBJECT } },
	{ { .status = 503, .body = "" },
	  { .status = 504, .body = "" },
	  { .status = 200, .body = OBJECT } },
	{ { .status = 200, .body = OBJECT, .how = SAY_NOTHING },
	  { .status = 200, .body = OBJECT } },
	{ { .status = 200, .body = OBJECT, .how = SAY_HALF }, { .status = 200, .body = OBJECT } },
	{ { .status = 401, .body = STATUS("Unauthorized", "401") },
	  { .status = 200, .body = OBJECT } },
};

START_TEST(asked_again)
{
	size_t n = busy[_i][2].status ? 3 : 2;

	api_start(&api, busy[_i], n);
	k = api_client(&api, dir);
	AUTO(json) struct json *node = kube_get(k, NODE, soon(), &err);
	ck_assert_msg(node != NULL, "%d: %s", _i, err.msg);
	api_end(&api);
}
END_TEST

START_TEST(retry_after_is_waited_for)
{
	static const struct said said[] = {
		{ .status = 429, .headers = "Retry-After: 1\r\n", .body = "" },
		{ .status = 200, .body = OBJECT }
	};
	uint64_t begin = clock_ms();

	ANSWERS(said);
	AUTO(json) struct json *node = kube_get(k, NODE, soon(), &err);
	ck_assert_ptr_nonnull(node);
	ck_assert_uint_ge(clock_ms() - begin, 1000);
	api_end(&api);
}
END_TEST

static const struct {
	struct said said;
	enum err_code code;
	const char *says;
} refused[] = {
	{ { .status = 404, .body = STATUS("NotFound", "404") },
	  E_NOT_FOUND,
	  "because of ?NotFound" },
	{ { .status = 403, .body = STATUS("Forbidden", "403") }, E_PERMISSION, "lacks that right" },
	{ { .status = 409, .body = STATUS("AlreadyExists", "409") }, E_EXISTS, "GET " NODE },
	{ { .status = 409, .body = STATUS("Conflict", "409") }, E_STATE, "Conflict" },
	{ { .status = 409, .body = "<html>" }, E_STATE, "409" },
	{ { .status = 422, .body = STATUS("Invalid", "422") }, E_INVALID, "Invalid" },
	{ { .status = 302, .headers = "Location: http://elsewhere.example/\r\n", .body = "" },
	  E_PROTOCOL,
	  "302" },
	{ { .status = 200, .body = "<html>hotel</html>" }, E_PROTOCOL, "answer:1:" },
	{ { .status = 200, .body = "[1]" }, E_PROTOCOL, "not an object" },
	{ { .status = 200, .body = "{\"a\":1,\"a\":2}" }, E_PROTOCOL, "duplicate" },
	{ { .status = 200, .body = "" }, E_PROTOCOL, "answer" },
	{ { .status = 0, .body = "SSH-2.0-x\r\n", .how = SAY_RAW }, E_PROTOCOL, "" },
	{ { .status = 200, .body = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .how = SAY_ENDLESS },
	  E_LIMIT,
	  "3145728" },
	{ { .status = 404, .body = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", .how = SAY_ENDLESS },
	  E_LIMIT,
	  "3145728" },
};

START_TEST(it_is_an_error)
{
	api_start(&api, &refused[_i].said, 1);
	k = api_client(&api, dir);
	ck_assert_ptr_null(kube_get(k, NODE, soon(), &err));
	ck_assert_msg(err.code == refused[_i].code, "%d: %s: %s", _i, err_slug(err.code), err.msg);
	ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "%d: %s", _i, err.msg);
	api_end(&api);
}
END_TEST

START_TEST(headers_that_do_not_end)
{
	AUTO(buf) struct buf text = BUF_INIT(1 << 20);

	buf_str(&text, "HTTP/1.1 200 OK\r\n");
	while (text.len < 200000)
		buf_fmt(&text, "X-%zu: %0500d\r\n", text.len, 1);
	struct said said[] = { { .body = buf_cstr(&text), .how = SAY_RAW } };
	ANSWERS(said);
	ck_assert_ptr_null(kube_get(k, NODE, soon(), &err));
	ck_assert_int_eq(err.code, E_LIMIT);
	api_stop(&api); /* before what it says goes out of scope */
}
END_TEST

START_TEST(the_deadline_ends_it)
{
	static const struct said said[] = { { .how = SAY_SILENCE } };

	ANSWERS(said);
	ck_assert_ptr_null(kube_get(k, NODE, deadline_in(200), &err));
	ck_assert_int_eq(err.code, E_TIMEOUT);
}
END_TEST

START_TEST(nobody_listens)
{
	api_start(&api, NULL, 0);
	k = api_client(&api, dir);
	api_stop(&api);
	/* The deadline is doubled until there is time for a second attempt. */
	for (uint64_t ms = 300, before = 0;; ms *= 2, before = kube_requests(k)) {
		err_clear(&err);
		ck_assert_ptr_null(kube_get(k, NODE, deadline_in(ms), &err));
		if (err.code == E_GONE && kube_requests(k) > before + 1)
			break;
		ck_assert_msg(ms < 60000, "%s", err.msg);
	}
}
END_TEST

static void put_token(const char *text)
{
	AUTO(str) char *path = path_join(dir, "token");
	struct err ignored = ERR_INIT;

	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, path, text, strlen(text), 0600, &ignored),
			 0);
}

static void rotate(void *arg)
{
	put_token(arg);
}

START_TEST(a_new_token_is_used)
{
	static char third[] = "third\n";
	static const struct said said[] = {
		{ .status = 200, .body = OBJECT },
		{ .status = 200, .body = OBJECT },
		{ .status = 401, .body = "", .before = rotate, .arg = third },
		{ .status = 200, .body = OBJECT },
	};
	static const char *const tokens[] = { "secret", "second", "second", "third" };

	ANSWERS(said);
	for (int i = 0; i < 3; i++) {
		AUTO(json) struct json *node = kube_get(k, NODE, soon(), &err);

		ck_assert_msg(node != NULL, "%s", err.msg);
		if (i == 0)
			put_token("second");
	}
	for (size_t i = 0; i < ARRAY_LEN(tokens); i++) {
		AUTO(str) char *line = str_fmt("Bearer %s\r\n", tokens[i]);

		ck_assert_msg(strstr(api_asked(&api, i)->head, line) != NULL, "%s",
			      api_asked(&api, i)->head);
	}
}
END_TEST

/* While the token's file is being written or missing, the old token is used. A request must neither
 * fail nor report that the object is not found. */
START_TEST(a_token_that_cannot_be_read_now_is_the_old_one)
{
	static const struct said said[] = {
		{ .status = 200, .body = OBJECT },
		{ .status = 200, .body = OBJECT },
		{ .status = 200, .body = OBJECT },
	};
	AUTO(str) char *path = path_join(dir, "token");

	ANSWERS(said);
	for (int i = 0; i < 3; i++) {
		AUTO(json) struct json *node = NULL;

		if (i == 1)
			put_token("");
		if (i == 2)
			ck_assert(unlink(path) == 0 && mkdir(path, 0700) == 0);
		node = kube_get(k, NODE, soon(), &err);
		ck_assert_msg(node != NULL, "%d: %s", i, err.msg);
		ck_assert_ptr_nonnull(
			strstr(api_asked(&api, (size_t)i)->head, "Bearer secret\r\n"));
	}
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(an_old_token_is_sent_twice_at_most)
{
	static const struct said said[] = { { .status = 401, .body = "" },
					    { .status = 401, .body = "" } };

	ANSWERS(said);
	ck_assert_ptr_null(kube_get(k, NODE, soon(), &err));
	ck_assert_int_eq(err.code, E_PERMISSION);
	api_end(&api);
}
END_TEST

START_TEST(a_token_cannot_add_headers)
{
	static const struct said said[] = { { 0 } };

	ANSWERS(said);
	put_token("a\r\nX-Evil: 1");
	ck_assert_ptr_null(kube_get(k, NODE, soon(), &err));
	ck_assert_int_eq(err.code, E_CONFIG);
	ck_assert_uint_eq(api_count(&api), 0);
}
END_TEST

START_TEST(it_can_be_cancelled)
{
	static const struct said said[] = { { .how = SAY_SILENCE } };
	AUTO(str) char *config = path_join(dir, "config");
	struct kube *other = NULL;
	int ends[2];

	ANSWERS(said);
	ck_assert_int_eq(fd_pipe(ends, &err), 0);
	struct kube_options o = { .kubeconfig = config, .cancel = ends[0] };
	ck_assert_int_eq(kube_open(&o, &other, &err), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_ptr_null(kube_get(other, NODE, soon(), &err));
	ck_assert_int_eq(err.code, E_CANCELLED);
	kube_free(other);
	(void)close(ends[0]);
	(void)close(ends[1]);
}
END_TEST

/* --- changes --- */

static struct json *set_label(void *arg, const struct json *object, struct err *e)
{
	struct json *patch = json_make_object(), *meta = json_make_object(),
		    *labels = json_make_object();
	unsigned *calls = arg;

	(void)object, (void)e;
	(*calls)++;
	json_put(labels, "a", json_make_string("b"));
	json_put(meta, "labels", labels);
	json_put(patch, "metadata", meta);
	return patch;
}

START_TEST(a_conflict_begins_again)
{
	static const struct said said[] = {
		{ .asked = "GET " NODE " ", .status = 200, .body = OBJECT },
		{ .asked = "PATCH " NODE "/status ",
		  .status = 409,
		  .body = STATUS("Conflict", "409") },
		{ .asked = "GET " NODE " ",
		  .status = 200,
		  .body = "{\"metadata\":{\"resourceVersion\":\"8\"}}" },
		{ .asked = "PATCH " NODE "/status ", .status = 200, .body = OBJECT },
	};
	unsigned calls = 0;

	ANSWERS(said);
	AUTO(json)
	struct json *after = kube_change(k, NODE, "/status", set_label, &calls, soon(), &err);
	ck_assert_msg(after != NULL, "%s", err.msg);
	ck_assert_uint_eq(calls, 2);
	api_end(&api);
	ck_assert_str_eq(api_asked(&api, 1)->body,
			 "{\"metadata\":{\"labels\":{\"a\":\"b\"},\"resourceVersion\":\"7\"}}");
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 3)->body, "\"resourceVersion\":\"8\""));
	ck_assert_ptr_nonnull(
		strstr(api_asked(&api, 1)->head, "Content-Type: application/merge-patch+json"));
}
END_TEST

static struct json *no_patch(void *arg, const struct json *object, struct err *e)
{
	(void)arg, (void)object, (void)e;
	return NULL;
}

START_TEST(nothing_to_change)
{
	static const struct said said[] = { { .asked = "GET ", .status = 200, .body = OBJECT } };

	ANSWERS(said);
	AUTO(json) struct json *after = kube_change(k, NODE, "", no_patch, NULL, soon(), &err);
	ck_assert_ptr_nonnull(after);
	api_end(&api);
}
END_TEST

START_TEST(create_and_delete)
{
	static const struct said said[] = {
		{ .asked = "POST /apis/x ", .status = 201, .body = OBJECT, .how = SAY_NOTHING },
		{ .asked = "POST /apis/x ", .status = 409, .body = STATUS("AlreadyExists", "409") },
		{ .asked = "DELETE /apis/x/n1 ", .status = 200, .body = "{\"kind\":\"Status\"}" },
		{ .asked = "DELETE /apis/x/n1 ", .status = 409, .body = STATUS("Conflict", "409") },
	};
	struct kube_precondition is = { .uid = "u-1", .version = "7" };

	ANSWERS(said);
	AUTO(json) struct json *object = json_parse(OBJECT, strlen(OBJECT), "o", &err);
	ck_assert_ptr_null(kube_create(k, "/apis/x", object, soon(), &err));
	ck_assert_int_eq(err.code, E_EXISTS);
	err_clear(&err);
	ck_assert_int_eq(kube_delete(k, "/apis/x/n1", &is, soon(), &err), 0);
	ck_assert_ptr_nonnull(
		strstr(api_asked(&api, 2)->body,
		       "\"preconditions\":{\"uid\":\"u-1\",\"resourceVersion\":\"7\"}"));
	ck_assert_int_eq(kube_delete(k, "/apis/x/n1", &is, soon(), &err), -1);
	ck_assert_int_eq(err.code, E_STATE);
	api_end(&api);
}
END_TEST

/* --- lists and watches --- */

/* The events that were reported, as text: "begin a b sync +c ~a -b". */
static struct buf told;
static const char *enough_at;

static int note(void *arg, enum kube_event event, const struct json *object, struct err *e)
{
	static const char *const marks[] = { "begin", "+", "~", "-", "sync" };

	(void)arg, (void)e;
	buf_fmt(&told, "%s%s%s", told.len ? " " : "", marks[event],
		object ? kube_meta(object, "name") : "");
	return enough_at && strstr(buf_cstr(&told), enough_at) ? 1 : 0;
}

static void forget(const char *enough)
{
	buf_release(&told);
	told = (struct buf)BUF_INIT(4096);
	enough_at = enough;
}

#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\",\"resourceVersion\":\"5\"}}"
#define LIST(version, token, items)                                                \
	"{\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" token \
	"\"},\"items\":" items "}"
#define EVENT(type, name, version)                                          \
	"{\"type\":\"" type "\",\"object\":{\"metadata\":{\"name\":\"" name \
	"\",\"resourceVersion\":\"" version "\"}}}\n"
#define EXPIRED "{\"type\":\"ERROR\",\"object\":" STATUS("Expired", "410") "}\n"

static const struct kube_selection nodes = { .path = "/api/v1/nodes" };

START_TEST(pages)
{
	static const struct said said[] = {
		{ .asked = "GET /api/v1/nodes?labelSelector=a%3Db&limit=250 ",
		  .status = 200,
		  .body = LIST("9", "t=/1", "[" ITEM("a") "," ITEM("b") "]") },
		{ .asked = "GET /api/v1/nodes?labelSelector=a%3Db&limit=250&continue=t%3D%2F1 ",
		  .status = 200,
		  .body = LIST("9", "", "[" ITEM("c") "]") },
	};
	struct kube_selection s = { .path = "/api/v1/nodes", .labels = "a=b" };

	ANSWERS(said);
	forget(NULL);
	ck_assert_msg(kube_list(k, &s, note, NULL, soon(), &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&told), "begin +a +b +c sync");
	api_end(&api);
}
END_TEST

START_TEST(a_forgotten_page_begins_again)
{
	static const struct said said[] = {
		{ .asked = "GET /api/v1/nodes?limit=250 ",
		  .status = 200,
		  .body = LIST("9", "t", "[" ITEM("a") "]") },
		{ .asked = "GET /api/v1/nodes?limit=250&continue=t ",
		  .status = 410,
		  .body = STATUS("Expired", "410") },
		{ .asked = "GET /api/v1/nodes?limit=250 ",
		  .status = 200,
		  .body = LIST("10", "", "[" ITEM("b") "]") },
	};

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_list(k, &nodes, note, NULL, soon(), &err), 0);
	ck_assert_str_eq(buf_cstr(&told), "begin +a begin +b sync");
	api_end(&api);
}
END_TEST

static const struct {
	const char *body;
	enum err_code code;
} bad_lists[] = {
	{ "{}", E_PROTOCOL },
	{ "{\"items\":7}", E_PROTOCOL },
	{ "{\"items\":[7]}", E_PROTOCOL },
	{ "{\"items\":[{}]}", E_PROTOCOL },
	{ LIST("9999999999999999999999999999999999999999999999999999999999999999999999999999999999"
	       "9999999999999999999999999999999999999999999999",
	       "", "[]"),
	  E_PROTOCOL },
};

START_TEST(a_list_that_is_none)
{
	struct said said[] = { { .status = 200, .body = bad_lists[_i].body } };

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_list(k, &nodes, note, NULL, soon(), &err), -1);
	ck_assert_int_eq(err.code, bad_lists[_i].code);
	api_stop(&api); /* before what it says goes out of scope */
}
END_TEST

/* A collection: the first objects have another size than the others. The continue token is the
 * number of the next object and the limit, which must stay. */
struct collection {
	unsigned n, small;
	size_t size; /* of each of the others */
};

static unsigned number_of(const char *line, const char *parameter, unsigned otherwise)
{
	const char *at = strstr(line, parameter);

	return at ? (unsigned)strtoul(at + strlen(parameter), NULL, 10) : otherwise;
}

static void put_page(const struct collection *c, unsigned from, unsigned limit, struct buf *body)
{
	AUTO(str) char *filler = xmalloc(c->size + 1);
	unsigned end = limit && from + limit < c->n ? from + limit : c->n;

	memset(filler, 'x', c->size);
	filler[c->size] = '\0';
	buf_fmt(body, "{\"metadata\":{\"resourceVersion\":\"9\"");
	if (end < c->n)
		buf_fmt(body, ",\"continue\":\"t%u-%u\"", end, limit);
	buf_str(body, "},\"items\":[");
	for (unsigned i = from; i < end; i++) {
		buf_fmt(body, "%s{\"metadata\":{\"name\":\"n%u\"},\"x\":\"", i > from ? "," : "",
			i);
		buf_str(body, i < c->small ? "" : filler);
		buf_str(body, "\"}");
	}
	buf_str(body, "]}");
}

static void give_page(void *arg, const struct asked *asked, struct said *answer, char **body)
{
	AUTO(buf) struct buf text = BUF_INIT(64 << 20);
	unsigned from = number_of(asked->line, "continue=t", 0);
	unsigned limit = number_of(asked->line, "limit=", 0);

	*answer = (struct said){ .status = 400 };
	if (from && number_of(strstr(asked->line, "continue="), "-", 0) != limit)
		return;
	put_page(arg, from, limit, &text);
	answer->status = 200;
	*body = buf_steal(&text);
}

static int count_found(void *arg, enum kube_event event, const struct json *object, struct err *e)
{
	unsigned *n = arg;

	(void)object, (void)e;
	*n = event == KUBE_BEGIN ? 0 : *n + (event == KUBE_FOUND);
	return 0;
}

/* Objects of which a usual page, or the whole list at once, is longer than an answer may be. */
START_TEST(large_objects_come_in_smaller_pages)
{
	static const struct {
		struct collection is;
		bool cached;
		int rc;
	} cases[] = {
		{ { 300, 0, 100 << 10 }, false, 0 }, { { 450, 250, 100 << 10 }, false, 0 },
		{ { 2, 0, 9 << 20 }, false, 0 },     { { 300, 0, 100 << 10 }, true, 0 },
		{ { 1, 0, 17 << 20 }, false, -1 },
	};
	struct collection is = cases[_i].is;
	struct kube_selection s = { .path = "/api/v1/nodes", .cached = cases[_i].cached };
	struct deadline deadline = deadline_in(60000);
	unsigned n = 0;

	api_serve(&api, give_page, &is);
	k = api_client(&api, dir);
	ck_assert_msg(kube_list(k, &s, count_found, &n, deadline, &err) == cases[_i].rc, "%s",
		      err.msg);
	if (cases[_i].rc == 0)
		ck_assert_uint_eq(n, is.n);
	else
		ck_assert_int_eq(err.code, E_LIMIT);
	api_stop(&api); /* before what it says goes out of scope */
}
END_TEST

START_TEST(pages_in_a_circle)
{
	static const struct said said[] = { { .status = 200, .body = LIST("9", "t", "[]") },
					    { .status = 200, .body = LIST("9", "t", "[]") } };

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_list(k, &nodes, note, NULL, soon(), &err), -1);
	ck_assert_int_eq(err.code, E_PROTOCOL);
}
END_TEST

START_TEST(counting)
{
	static const struct said said[] = {
		{ .asked = "GET /api/v1/nodes?limit=1 ",
		  .status = 200,
		  .body = "{\"metadata\":{\"continue\":\"t\",\"remainingItemCount\":999},\"items\":"
			  "[" ITEM("a") "]}" },
		{ .asked = "GET /api/v1/nodes?limit=1 ",
		  .status = 200,
		  .body = LIST("9", "", "null") },
		{ .asked = "GET /api/v1/nodes?labelSelector=x&limit=250 ",
		  .status = 200,
		  .body = LIST("9", "", "[" ITEM("a") "," ITEM("b") "]") },
	};
	struct kube_selection s = { .path = "/api/v1/nodes", .labels = "x" };
	uint64_t n = 0;

	ANSWERS(said);
	ck_assert_msg(kube_count(k, &nodes, &n, soon(), &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(n, 1000);
	ck_assert_int_eq(kube_count(k, &nodes, &n, soon(), &err), 0);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(kube_count(k, &s, &n, soon(), &err), 0);
	ck_assert_uint_eq(n, 2);
	api_end(&api);
}
END_TEST

START_TEST(a_watch_goes_on_after_its_last_version)
{
	static const struct said said[] = {
		{ .asked = "GET /api/v1/nodes?limit=250 ",
		  .status = 200,
		  .body = LIST("9", "", "[" ITEM("a") "]") },
		{ .status = 200,
		  .body = EVENT("ADDED", "b", "10") EVENT("MODIFIED", "b", "11"),
		  .how = SAY_STREAM },
		{ .status = 200,
		  .body = EVENT("BOOKMARK", "", "20") "{\"type\":\"ADD",
		  .how = SAY_STREAM },
		{ .status = 503, .body = "" },
		{ .status = 200, .body = "", .how = SAY_NOTHING },
		{ .status = 200, .body = EVENT("DELETED", "a", "21"), .how = SAY_STAY },
	};

	ANSWERS(said);
	forget("-a");
	ck_assert_msg(kube_watch(k, &nodes, note, NULL, soon(), &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&told), "begin +a sync +b ~b -a");
	api_end(&api);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->line, "resourceVersion=9 "));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->line, "watch=1"));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 1)->line, "allowWatchBookmarks=true"));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 2)->line, "resourceVersion=11 "));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 3)->line, "resourceVersion=20 "));
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 5)->line, "resourceVersion=20 "));
}
END_TEST

START_TEST(a_forgotten_version_is_listed_anew)
{
	static const struct said said[] = {
		{ .status = 200, .body = LIST("9", "", "[" ITEM("a") "]") },
		{ .status = 200, .body = EXPIRED, .how = SAY_STREAM },
		{ .status = 200, .body = LIST("30", "", "[" ITEM("b") "]") },
		{ .status = 410, .body = STATUS("Expired", "410") },
		{ .status = 200, .body = LIST("40", "", "[]") },
	};

	ANSWERS(said);
	forget("+b sync begin sync");
	ck_assert_msg(kube_watch(k, &nodes, note, NULL, soon(), &err) == 0, "%s", err.msg);
	ck_assert_str_eq(buf_cstr(&told), "begin +a sync begin +b sync begin sync");
	api_end(&api);
}
END_TEST

/* How long a watch takes that the server ends 11 times with a version that is too old, after
 * `before`. */
static uint64_t expire(const char *before)
{
	enum { TIMES = 11 };
	AUTO(str) char *stream = str_fmt("%s%s", before, EXPIRED);
	struct said said[2 * TIMES + 2];
	uint64_t began = clock_ms(), took;

	for (size_t i = 0; i < ARRAY_LEN(said); i++)
		said[i] = i % 2 ? (struct said){ .status = 200, .body = stream, .how = SAY_STREAM }
				: (struct said){ .status = 200, .body = LIST("9", "", "[]") };
	said[2 * TIMES + 1].body = EVENT("ADDED", "end", "99");
	ANSWERS(said);
	forget("+end");
	ck_assert_msg(kube_watch(k, &nodes, note, NULL, soon(), &err) == 0, "%s", err.msg);
	took = clock_ms() - began;
	api_end(&api);
	kube_free(STEAL(k, NULL));
	api_stop(&api);
	return took;
}

/* The pauses grow only for a server that does nothing else. */
START_TEST(a_watch_that_has_worked_is_listed_anew_soon)
{
	uint64_t worked = expire(EVENT("ADDED", "a", "10")), nothing = expire("");

	ck_assert_msg(worked < nothing / 2, "%u and %u ms", (unsigned)worked, (unsigned)nothing);
}
END_TEST

/* A proxy of the kubeconfig is used whatever the environment says. */
START_TEST(the_environment_does_not_bypass_the_proxy)
{
	static const struct said said[] = {
		{ .asked = "GET http://127.0.0.1:1/api/v1/nodes/n1 ",
		  .status = 200,
		  .body = OBJECT },
	};
	AUTO(str) char *config = path_join(dir, "proxied"), *text = NULL;
	AUTO(json) struct json *node = NULL;

	ck_assert_int_eq(setenv("NO_PROXY", "*", 1), 0);
	api_start(&api, said, ARRAY_LEN(said));
	text = str_fmt("current-context: c\n"
		       "contexts: [{name: c, context: {cluster: k, user: u}}]\n"
		       "clusters: [{name: k, cluster: {server: \"http://127.0.0.1:1\", "
		       "proxy-url: \"http://127.0.0.1:%d\"}}]\n"
		       "users: [{name: u, user: {token: t}}]\n",
		       api.port);
	ck_assert_int_eq(file_replace_volatile(AT_FDCWD, config, text, strlen(text), 0600, &err),
			 0);
	ck_assert_msg(kube_open(&(struct kube_options){ .kubeconfig = config, .pause_ms = 5 }, &k,
				&err) == 0,
		      "%s", err.msg);
	node = kube_get(k, NODE, soon(), &err);
	ck_assert_msg(node != NULL, "%s", err.msg);
	api_end(&api);
}
END_TEST

static const struct {
	const char *line;
	enum err_code code;
} bad_events[] = {
	{ "rubbish\n", E_PROTOCOL },
	{ "{}\n", E_PROTOCOL },
	{ "{\"type\":\"ADDED\",\"object\":7}\n", E_PROTOCOL },
	{ "{\"type\":\"ADDED\",\"object\":{}}\n", E_PROTOCOL },
	{ EVENT("RENAMED", "a", "1"), E_PROTOCOL },
	{ "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"resourceVersion\":\"1\"}}}\n",
	  E_PROTOCOL },
	{ EVENT("ADDED", "a", ""), E_PROTOCOL },
};

START_TEST(an_event_that_is_none)
{
	struct said said[] = { { .status = 200, .body = LIST("9", "", "[]") },
			       { .status = 200, .body = bad_events[_i].line, .how = SAY_STAY } };

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_watch(k, &nodes, note, NULL, soon(), &err), -1);
	ck_assert_msg(err.code == bad_events[_i].code, "%d: %s", _i, err.msg);
	api_stop(&api); /* before what it says goes out of scope */
}
END_TEST

START_TEST(an_event_without_end)
{
	static const struct said said[] = {
		{ .status = 200, .body = LIST("9", "", "[]") },
		{ .status = 200,
		  .body = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  .how = SAY_ENDLESS },
	};

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_watch(k, &nodes, note, NULL, soon(), &err), -1);
	ck_assert_int_eq(err.code, E_LIMIT);
}
END_TEST

static int fail_as_if_cut(void *arg, enum kube_event event, const struct json *object,
			  struct err *e)
{
	(void)arg, (void)object;
	return event == KUBE_CHANGED ? err_set(e, E_GONE, "something else has gone") : 0;
}

/* The callback's error must not be mistaken for the end of the stream: the watch would continue and
 * the event be lost. */
START_TEST(a_watch_ends_with_the_error_of_its_callback)
{
	static const struct said said[] = {
		{ .status = 200, .body = LIST("9", "", "[]") },
		{ .status = 200, .body = EVENT("MODIFIED", "b", "11"), .how = SAY_STAY },
	};

	ANSWERS(said);
	ck_assert_int_eq(kube_watch(k, &nodes, fail_as_if_cut, NULL, soon(), &err), -1);
	ck_assert_int_eq(err.code, E_GONE);
	ck_assert_ptr_nonnull(strstr(err.msg, "something else has gone"));
	api_end(&api);
}
END_TEST

/* Retry-After also holds for watches. */
START_TEST(a_watch_that_is_refused_waits_as_long_as_it_is_told)
{
	static const struct said said[] = {
		{ .status = 200, .body = LIST("9", "", "[]") },
		{ .status = 429, .headers = "Retry-After: 1\r\n", .body = "" },
		{ .status = 200, .body = EVENT("DELETED", "a", "21"), .how = SAY_STAY },
	};
	uint64_t begin = clock_ms();

	ANSWERS(said);
	forget("-a");
	ck_assert_msg(kube_watch(k, &nodes, note, NULL, soon(), &err) == 0, "%s", err.msg);
	ck_assert_uint_ge(clock_ms() - begin, 1000);
	api_end(&api);
	ck_assert_ptr_nonnull(strstr(api_asked(&api, 2)->line, "resourceVersion=9 "));
}
END_TEST

/* The query of a watch is longer than that of a list, so selectors may fit only into the latter. */
START_TEST(selectors_are_too_long_for_a_watch)
{
	static const struct said said[] = {
		{ .status = 200, .body = LIST("9", "", "[]") },
		{ .status = 200, .body = "{\"paths\":[]}" },
	};
	AUTO(str) char *labels = str_fmt("%0*d", KUBE_PATH_MAX - 60, 1);
	const struct kube_selection s = { .path = "/api/v1/nodes", .labels = labels };

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_watch(k, &s, note, NULL, soon(), &err), -1);
	ck_assert_msg(err.code == E_LIMIT, "%s", err.msg);
	ck_assert_uint_eq(api_count(&api), 1);
	api_stop(&api);
}
END_TEST

START_TEST(a_watch_has_a_deadline)
{
	static const struct said said[] = { { .status = 200, .body = LIST("9", "", "[]") },
					    { .status = 200, .body = "", .how = SAY_STAY } };

	ANSWERS(said);
	forget(NULL);
	ck_assert_int_eq(kube_watch(k, &nodes, note, NULL, deadline_in(500), &err), -1);
	ck_assert_int_eq(err.code, E_TIMEOUT);
}
END_TEST

/* --- helper functions --- */

START_TEST(paths)
{
	AUTO(str) char *path = kube_path("api", "v1", "nodes", "a/../b?c%", NULL);

	ck_assert_str_eq(path, "/api/v1/nodes/a%2F..%2Fb%3Fc%25");
}
END_TEST

START_TEST(names)
{
	static const char *const good[] = { "a", "a-1.b", "node-1.example.com" };
	static const char *const bad[] = { "", "-a", "a-", "A", "a..b", "a_b", "a/b", ".", "a." };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_int_eq(kube_check_name(good[i], "node", &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		ck_assert_int_eq(kube_check_name(bad[i], "node", &err), -1);
		err_clear(&err);
	}
	ck_assert_int_eq(kube_check_label("A_b.c-1", "value", &err), 0);
	ck_assert_int_eq(kube_check_label("a b", "value", &err), -1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("kube");
	TCase *request = tcase_create("request"), *many = tcase_create("many");

	tcase_set_timeout(request, 120);
	tcase_add_checked_fixture(request, setup, teardown);
	tcase_add_test(request, get_and_keep_the_connection);
	tcase_add_loop_test(request, asked_again, 0, (int)ARRAY_LEN(busy));
	tcase_add_test(request, retry_after_is_waited_for);
	tcase_add_loop_test(request, it_is_an_error, 0, (int)ARRAY_LEN(refused));
	tcase_add_test(request, headers_that_do_not_end);
	tcase_add_test(request, the_deadline_ends_it);
	tcase_add_test(request, nobody_listens);
	tcase_add_test(request, a_new_token_is_used);
	tcase_add_test(request, an_old_token_is_sent_twice_at_most);
	tcase_add_test(request, a_token_that_cannot_be_read_now_is_the_old_one);
	tcase_add_test(request, a_token_cannot_add_headers);
	tcase_add_test(request, it_can_be_cancelled);
	tcase_add_test(request, a_conflict_begins_again);
	tcase_add_test(request, nothing_to_change);
	tcase_add_test(request, create_and_delete);
	suite_add_tcase(s, request);

	tcase_set_timeout(many, 120);
	tcase_add_checked_fixture(many, setup, teardown);
	tcase_add_test(many, pages);
	tcase_add_test(many, a_forgotten_page_begins_again);
	tcase_add_loop_test(many, a_list_that_is_none, 0, (int)ARRAY_LEN(bad_lists));
	tcase_add_loop_test(many, large_objects_come_in_smaller_pages, 0, 5);
	tcase_add_test(many, pages_in_a_circle);
	tcase_add_test(many, counting);
	tcase_add_test(many, a_watch_goes_on_after_its_last_version);
	tcase_add_test(many, a_forgotten_version_is_listed_anew);
	tcase_add_test(many, a_watch_that_has_worked_is_listed_anew_soon);
	tcase_add_test(many, the_environment_does_not_bypass_the_proxy);
	tcase_add_loop_test(many, an_event_that_is_none, 0, (int)ARRAY_LEN(bad_events));
	tcase_add_test(many, an_event_without_end);
	tcase_add_test(many, a_watch_ends_with_the_error_of_its_callback);
	tcase_add_test(many, a_watch_that_is_refused_waits_as_long_as_it_is_told);
	tcase_add_test(many, selectors_are_too_long_for_a_watch);
	tcase_add_test(many, a_watch_has_a_deadline);
	tcase_add_test(many, paths);
	tcase_add_test(many, names);
	suite_add_tcase(s, many);

	return suite_run(s);
}
