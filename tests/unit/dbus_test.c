// SPDX-License-Identifier: Apache-2.0
/*
 * libs/dbus and its calls to systemd. A child plays systemd on a private socket; each row of a
 * table says what it does, including invalid messages.
 */

#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "dbus/dbus.h"
#include "dbus/systemd.h"

#include <check.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATIENCE_MS = 20000, SHORT_MS = 300 };

static char dir[SCRATCH_DIR];
static char socket_path[64];

static void setup(void)
{
	scratch_make(dir, "dbus");
	(void)str_print(socket_path, sizeof(socket_path), "%s/private", dir);
}

static void teardown(void)
{
	(void)unlink(socket_path);
	(void)rmdir(dir);
}

/* --- messages of the peer --- */

struct wire {
	char data[4096];
	size_t n;
};

static void raw(struct wire *w, const void *data, size_t n)
{
	ck_assert_uint_le(w->n + n, sizeof(w->data));
	memcpy(w->data + w->n, data, n);
	w->n += n;
}

static void pad(struct wire *w, size_t to)
{
	while (w->n % to)
		raw(w, "", 1);
}

static void u32(struct wire *w, uint32_t v)
{
	pad(w, 4);
	raw(w, &v, 4); /* only for little endian machines, as the library */
}

static void text(struct wire *w, const char *s)
{
	u32(w, (uint32_t)strlen(s));
	raw(w, s, strlen(s) + 1);
}

static void field(struct wire *w, char code, char type, const char *s, uint32_t v)
{
	pad(w, 8);
	raw(w, (char[]){ code, 1, type, 0 }, 4);
	if (type == 'u') {
		u32(w, v);
	} else if (type == 't') {
		pad(w, 8);
		u32(w, v);
		u32(w, 0);
	} else if (type == 'y') {
		raw(w, &v, 1);
	} else if (type == 'g') {
		raw(w, (char[]){ (char)strlen(s) }, 1);
		raw(w, s, strlen(s) + 1);
	} else {
		text(w, s);
	}
}

static struct wire begin(char type)
{
	struct wire w = { .n = 0 };

	raw(&w, (char[]){ 'l', type, 1, 1 }, 4);
	u32(&w, 0);
	u32(&w, 7);
	u32(&w, 0);
	return w;
}

/* Ends the fields; then the body follows. */
static void fields_end(struct wire *w)
{
	uint32_t n = (uint32_t)(w->n - 16);

	memcpy(w->data + 12, &n, 4);
	pad(w, 8);
}

static void body_end(struct wire *w, size_t from)
{
	uint32_t n = (uint32_t)(w->n - from);

	memcpy(w->data + 4, &n, 4);
}

static struct wire answer(uint32_t to, const char *job)
{
	struct wire w = begin(DBUS_ANSWER);
	size_t body;

	field(&w, 5, 'u', NULL, to);
	if (job)
		field(&w, 8, 'g', "o", 0);
	fields_end(&w);
	body = w.n;
	if (job)
		text(&w, job);
	body_end(&w, body);
	return w;
}

/* The answer to Properties.Get: a variant. */
static struct wire value(uint32_t to, const char *type, const char *is)
{
	struct wire w = begin(DBUS_ANSWER);
	size_t body;

	field(&w, 5, 'u', NULL, to);
	field(&w, 8, 'g', "v", 0);
	fields_end(&w);
	body = w.n;
	raw(&w, (char[]){ (char)strlen(type) }, 1);
	raw(&w, type, strlen(type) + 1);
	if (*type == 'u')
		u32(&w, 5);
	else
		text(&w, is);
	body_end(&w, body);
	return w;
}

/* An answer with fields of a later version of D-Bus. */
static struct wire answer_with(uint32_t to, const char *job, char code, char type)
{
	struct wire w = begin(DBUS_ANSWER);
	size_t body;

	field(&w, code, type, "a", 5);
	field(&w, 5, 'u', NULL, to);
	field(&w, code, type, "/b", 6);
	field(&w, 8, 'g', "o", 0);
	fields_end(&w);
	body = w.n;
	text(&w, job);
	body_end(&w, body);
	return w;
}

static struct wire refusal(uint32_t to, const char *name, const char *why)
{
	struct wire w = begin(DBUS_ERROR);
	size_t body;

	field(&w, 4, 's', name, 0);
	field(&w, 5, 'u', NULL, to);
	field(&w, 8, 'g', "s", 0);
	fields_end(&w);
	body = w.n;
	text(&w, why);
	body_end(&w, body);
	return w;
}

static struct wire removed(const char *job, const char *unit, const char *result)
{
	struct wire w = begin(DBUS_SIGNAL);
	size_t body;

	field(&w, 1, 'o', "/org/freedesktop/systemd1", 0);
	field(&w, 2, 's', "org.freedesktop.systemd1.Manager", 0);
	field(&w, 3, 's', "JobRemoved", 0);
	field(&w, 8, 'g', "uoss", 0);
	fields_end(&w);
	body = w.n;
	u32(&w, 12);
	text(&w, job);
	text(&w, unit);
	text(&w, result);
	body_end(&w, body);
	return w;
}

static void put(int fd, struct wire w)
{
	if (send(fd, w.data, w.n, MSG_NOSIGNAL) != (ssize_t)w.n)
		_exit(3);
}

/* --- the peer --- */

#define JOB "/org/freedesktop/systemd1/job/12"

enum play {
	DONE,
	DONE_EARLY, /* the signal comes before the answer */
	OTHERS,     /* other jobs end before it */
	IN_BYTES,   /* everything byte by byte */
	NEW_BYTE,   /* from here: header fields with unknown codes, of these types */
	NEW_NUMBER,
	NEW_LONG_NUMBER,
	NEW_TEXT,
	NEW_PATH,
	NEW_SIGNATURE,
	NEW_LIST,
	NO_CODE,
	FAILED,
	NO_UNIT,
	THERE,
	DENIED,
	NO_JOB,
	FLOOD,    /* only signals, without an answer */
	REJECTED, /* at the authentication */
	ENDLESS_GREETING,
	SILENT,
	CLOSES,
	CLOSES_LATER,
	HUGE,
	OTHER_ORDER,
	CUT_FIELD,
	TEXT_WITHOUT_END,
	WRONG_TYPE,
	REEXEC_DONE, /* from here: re-executed after it has named the job; the job goes on */
	REEXEC_FAILS,
	REEXEC_AGAIN,  /* and again, at every point of the conversation */
	REEXEC_ACTIVE, /* from here: the job has ended meanwhile, and this is the unit's state */
	REEXEC_RELOADING,
	REEXEC_ACTIVATING,
	REEXEC_INACTIVE,
	REEXEC_FAILED,
	REEXEC_UNKNOWN,  /* no such unit */
	REEXEC_NO_STATE, /* the property is no text */
	REEXEC_NEVER_BACK,
};

static const struct play_end {
	enum play play;
	enum err_code code;
} plays[] = {
	{ DONE, E_OK },
	{ DONE_EARLY, E_OK },
	{ OTHERS, E_OK },
	{ IN_BYTES, E_OK },
	{ NEW_BYTE, E_OK },
	{ NEW_NUMBER, E_OK },
	{ NEW_LONG_NUMBER, E_OK },
	{ NEW_TEXT, E_OK },
	{ NEW_PATH, E_OK },
	{ NEW_SIGNATURE, E_OK },
	{ NEW_LIST, E_PROTOCOL },
	{ NO_CODE, E_PROTOCOL },
	{ FAILED, E_FAILED },
	{ NO_UNIT, E_NOT_FOUND },
	{ THERE, E_EXISTS },
	{ DENIED, E_PERMISSION },
	{ NO_JOB, E_PROTOCOL },
	{ FLOOD, E_TIMEOUT },
	{ REJECTED, E_PERMISSION },
	{ SILENT, E_TIMEOUT },
	{ ENDLESS_GREETING, E_PROTOCOL },
	{ CLOSES, E_GONE },
	{ CLOSES_LATER, E_GONE },
	{ HUGE, E_PROTOCOL },
	{ OTHER_ORDER, E_PROTOCOL },
	{ CUT_FIELD, E_PROTOCOL },
	{ TEXT_WITHOUT_END, E_PROTOCOL },
	{ WRONG_TYPE, E_PROTOCOL },
	{ REEXEC_DONE, E_OK },
	{ REEXEC_FAILS, E_FAILED },
	{ REEXEC_AGAIN, E_OK },
	{ REEXEC_ACTIVE, E_OK },
	{ REEXEC_RELOADING, E_OK },
	{ REEXEC_ACTIVATING, E_FAILED },
	{ REEXEC_INACTIVE, E_FAILED },
	{ REEXEC_FAILED, E_FAILED },
	{ REEXEC_UNKNOWN, E_FAILED },
	{ REEXEC_NO_STATE, E_PROTOCOL },
	{ REEXEC_NEVER_BACK, E_TIMEOUT },
};

/* Where the end of a stop is another one. A unit that does not exist is stopped. */
static const struct play_end stops[] = {
	{ NO_UNIT, E_OK },         { REEXEC_ACTIVE, E_FAILED }, { REEXEC_RELOADING, E_FAILED },
	{ REEXEC_INACTIVE, E_OK }, { REEXEC_FAILED, E_OK },     { REEXEC_UNKNOWN, E_OK },
};

static enum err_code stop_code(const struct play_end *play)
{
	for (size_t i = 0; i < ARRAY_LEN(stops); i++) {
		if (stops[i].play == play->play)
			return stops[i].code;
	}
	return play->code;
}

/* Reads one message from the client; returns its serial. member: the call that it must be, NULL:
 * any. */
static uint32_t hear_call(int fd, const char *member)
{
	AUTO(dbus_message) struct dbus_message m = DBUS_MESSAGE_INIT;
	struct err err = ERR_INIT;
	char head[DBUS_HEAD], rest[4096];
	size_t length;

	if (fd_read_full(fd, head, sizeof(head), &err) != sizeof(head) ||
	    dbus_length(head, &length, &err) < 0 || length - sizeof(head) > sizeof(rest) ||
	    fd_read_full(fd, rest, length - sizeof(head), &err) != (ssize_t)(length - sizeof(head)))
		_exit(4);
	buf_add(&m.data, head, sizeof(head));
	buf_add(&m.data, rest, length - sizeof(head));
	if (dbus_parse(&m, &err) < 0 || (member && !str_eq(m.member, member)))
		_exit(8);
	return m.serial;
}

static uint32_t hear(int fd)
{
	return hear_call(fd, NULL);
}

/* The authentication. As with systemd, a message that arrives together with BEGIN is lost. */
static void greet(int fd, enum play play)
{
	char line[256] = "";
	struct err err = ERR_INIT;
	ssize_t n = 0, got;

	while (n < 15 || memcmp(line + n - 7, "BEGIN\r\n", 7) != 0) {
		got = recv(fd, line + n, sizeof(line) - (size_t)n, 0);
		if (got <= 0 || (n += got) == sizeof(line))
			_exit(5);
	}
	if (line[0] || strncmp(line + 1, "AUTH EXTERNAL ", 14) != 0)
		_exit(6);
	if (play == SILENT)
		(void)pause();
	if (play == REJECTED && fd_write_all(fd, "REJECTED EXTERNAL\r\n", 19, &err) == 0)
		(void)pause();
	while (play == ENDLESS_GREETING && send(fd, "OK", 2, MSG_NOSIGNAL) == 2)
		;
	if (fd_write_all(fd, "OK 1234deadbeef\r\n", 17, &err) < 0)
		_exit(7);
}

static void slowly(int fd, struct wire w)
{
	for (size_t i = 0; i < w.n; i++) {
		if (send(fd, w.data + i, 1, MSG_NOSIGNAL) != 1)
			_exit(3);
		if (i % 16 == 0)
			(void)usleep(1000);
	}
}

static void hostile(int fd, enum play play, uint32_t serial)
{
	struct wire w = answer(serial, JOB);

	if (play == HUGE)
		memcpy(w.data + 4, "\xff\xff\xff\x7f", 4);
	if (play == OTHER_ORDER)
		w.data[0] = 'B';
	if (play == CUT_FIELD)
		memcpy(w.data + 12, "\x05\0\0\0", 4);
	if (play == TEXT_WITHOUT_END)
		w.data[w.n - 1] = 'x';
	if (play == WRONG_TYPE)
		w.data[18] = 's';
	put(fd, w);
	(void)pause();
}

static void newer(int fd, enum play play, uint32_t serial)
{
	static const char types[] = {
		[NEW_BYTE] = 'y', [NEW_NUMBER] = 'u',    [NEW_LONG_NUMBER] = 't', [NEW_TEXT] = 's',
		[NEW_PATH] = 'o', [NEW_SIGNATURE] = 'g', [NEW_LIST] = 'a',        [NO_CODE] = 'u'
	};

	put(fd, answer_with(serial, JOB, play == NO_CODE ? 0 : 10, types[play]));
	put(fd, removed(JOB, "x.service", "done"));
	(void)pause();
}

static void flood(int fd)
{
	struct wire one = removed("/org/freedesktop/systemd1/job/9", "y.service", "failed"), many;

	for (many.n = 0; many.n + one.n <= sizeof(many.data);)
		raw(&many, one.data, one.n);
	for (;;)
		put(fd, many);
}

/* --- a systemd that is re-executed --- */

#define UNIT_PATH "/org/freedesktop/systemd1/unit/x_2eservice"

/* Closes the connection and the socket, which is back a moment later. */
static void reexec(int *listener, int *fd)
{
	struct err err = ERR_INIT;

	fd_close(fd);
	fd_close(listener);
	(void)unlink(socket_path);
	(void)usleep(200 * 1000);
	*listener = fd_unix_listen(socket_path, &err);
	if (*listener < 0)
		_exit(9);
}

static int next_client(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		_exit(10);
	return fd;
}

/* The next client subscribes and asks whether the job still exists. */
static uint32_t returns(int listener, int *fd)
{
	*fd = next_client(listener);
	greet(*fd, DONE);
	put(*fd, answer(hear_call(*fd, "Subscribe"), NULL));
	return hear_call(*fd, "Get");
}

static void reexec_everywhere(int *listener, int *fd)
{
	uint32_t serial;

	*fd = next_client(*listener);
	reexec(listener, fd); /* at the authentication */
	*fd = next_client(*listener);
	greet(*fd, DONE);
	(void)hear_call(*fd, "Subscribe");
	reexec(listener, fd);
	(void)returns(*listener, fd);
	reexec(listener, fd);
	serial = returns(*listener, fd);
	put(*fd, value(serial, "s", "running"));
	reexec(listener, fd); /* while it waits for the job */
}

/* The job has ended, and the unit is in that state. */
static void ended(int fd, uint32_t serial, enum play play)
{
	static const char *const states[] = {
		[REEXEC_ACTIVE] = "active",         [REEXEC_RELOADING] = "reloading",
		[REEXEC_ACTIVATING] = "activating", [REEXEC_INACTIVE] = "inactive",
		[REEXEC_FAILED] = "failed",         [REEXEC_NO_STATE] = "",
	};

	put(fd, refusal(serial, "org.freedesktop.DBus.Error.UnknownObject", "Unknown object"));
	serial = hear_call(fd, "GetUnit");
	if (play == REEXEC_UNKNOWN) {
		put(fd, refusal(serial, "org.freedesktop.systemd1.NoSuchUnit", "Not loaded."));
	} else {
		put(fd, answer(serial, UNIT_PATH));
		put(fd,
		    value(hear_call(fd, "Get"), play == REEXEC_NO_STATE ? "u" : "s", states[play]));
	}
}

static void play_reexec(int listener, int fd, enum play play)
{
	uint32_t serial;

	if (play == REEXEC_NEVER_BACK) {
		(void)unlink(socket_path);
		_exit(0);
	}
	reexec(&listener, &fd);
	if (play == REEXEC_AGAIN)
		reexec_everywhere(&listener, &fd);
	serial = returns(listener, &fd);
	if (play >= REEXEC_ACTIVE) {
		ended(fd, serial, play);
	} else {
		put(fd, value(serial, "s", "running"));
		put(fd, removed(JOB, "x.service", play == REEXEC_FAILS ? "failed" : "done"));
	}
	(void)pause();
}

static void play_systemd(int listener, enum play play)
{
	int fd = next_client(listener);
	uint32_t serial;

	greet(fd, play);
	if (play == CLOSES)
		_exit(0);
	put(fd, answer(hear(fd), NULL));
	serial = hear(fd);
	if (play == CLOSES_LATER)
		_exit(0);
	if (play == NO_UNIT)
		put(fd, refusal(serial, "org.freedesktop.systemd1.NoSuchUnit",
				"Unit x.service not found.\n"));
	if (play == THERE)
		put(fd, refusal(serial, "org.freedesktop.systemd1.UnitExists",
				"Unit x.scope already exists."));
	if (play == DENIED)
		put(fd, refusal(serial, "org.freedesktop.DBus.Error.AccessDenied", "No"));
	if (play == NO_JOB)
		put(fd, answer(serial, NULL));
	if (play == FLOOD)
		flood(fd);
	if (play >= NEW_BYTE && play <= NO_CODE)
		newer(fd, play, serial);
	if (play >= HUGE && play <= WRONG_TYPE)
		hostile(fd, play, serial);
	if (play == IN_BYTES) {
		slowly(fd, answer(serial, JOB));
		slowly(fd, removed(JOB, "x.service", "done"));
	}
	if (play == OTHERS) {
		for (int i = 0; i < 3 * DBUS_KEPT; i++)
			put(fd, removed("/org/freedesktop/systemd1/job/9", "y.service", "failed"));
	}
	if (play == DONE_EARLY)
		put(fd, removed(JOB, "x.service", "done"));
	if (play == DONE_EARLY || play == DONE || play == OTHERS || play == FAILED)
		put(fd, answer(serial, JOB));
	if (play >= REEXEC_DONE) {
		put(fd, answer(serial, JOB));
		play_reexec(listener, fd, play);
	}
	if (play == FAILED)
		put(fd, removed(JOB, "x.service", "failed"));
	if (play == DONE || play == OTHERS)
		put(fd, removed(JOB, "x.service", "done"));
	(void)pause();
}

enum verb { RESTART, STOP, SCOPE };

static int do_verb(enum verb verb, struct deadline deadline, struct err *err)
{
	const struct systemd_scope scope = { "x.scope", "a-b.slice", "a scope", 4711 };

	switch (verb) {
	case RESTART:
		return systemd_restart(socket_path, "x.service", deadline, err);
	case STOP:
		return systemd_stop(socket_path, "x.scope", deadline, err);
	case SCOPE:
		return systemd_start_scope(socket_path, &scope, deadline, err);
	}
	return -1;
}

static void run_play(enum verb verb, size_t i)
{
	enum play play = plays[i].play;
	bool brief = play == SILENT || play == FLOOD || play == REEXEC_NEVER_BACK;
	enum err_code code = verb == STOP ? stop_code(&plays[i]) : plays[i].code;
	struct err err = ERR_INIT;
	struct child child = CHILD_NONE;
	AUTO(fd) int listener = fd_unix_listen(socket_path, &err);
	int side, rc;

	ck_assert_int_ge(listener, 0);
	side = spawn_fork(&child, &err);
	ck_assert_int_ge(side, 0);
	if (side == 0) {
		(void)alarm(60);
		play_systemd(listener, play);
		_exit(0);
	}
	fd_close(&listener);
	rc = do_verb(verb, deadline_in(brief ? SHORT_MS : PATIENCE_MS), &err);
	spawn_kill(&child);
	ck_assert_msg(err.code == code, "play %d: %d %s", (int)play, (int)err.code, err.msg);
	ck_assert_int_eq(rc, code ? -1 : 0);
}

START_TEST(systemd_restarts_it_or_the_error_says_why)
{
	run_play(RESTART, (size_t)_i);
}
END_TEST

START_TEST(systemd_stops_it_or_the_error_says_why)
{
	run_play(STOP, (size_t)_i);
}
END_TEST

START_TEST(systemd_makes_a_scope_or_the_error_says_why)
{
	run_play(SCOPE, (size_t)_i);
}
END_TEST

START_TEST(no_socket_is_said)
{
	struct err err = ERR_INIT;

	ck_assert(!systemd_is_there(socket_path));
	ck_assert_int_lt(systemd_restart(socket_path, "x.service", deadline_in(PATIENCE_MS), &err),
			 0);
	ck_assert_int_eq(err.code, E_NOT_FOUND);
}
END_TEST

/* A peer that accepts no connections: its queue is full. */
START_TEST(a_full_queue_is_waited_for_until_the_deadline)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[16], n = 0;
	struct err err = ERR_INIT;

	(void)str_print(to.sun_path, sizeof(to.sun_path), "%s", socket_path);
	ck_assert(bind(listener, (void *)&to, sizeof(to)) == 0 && listen(listener, 0) == 0);
	do {
		fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	} while (connect(fds[n++], (void *)&to, sizeof(to)) == 0);
	ck_assert_int_eq(systemd_restart(socket_path, "x.service", deadline_in(SHORT_MS), &err),
			 -1);
	ck_assert_msg(err.code == E_TIMEOUT, "%s", err.msg);
	while (n > 0)
		(void)close(fds[--n]);
	(void)close(listener);
}
END_TEST

START_TEST(a_call_is_as_the_specification_says)
{
	const struct dbus_call call = { "/a", "b.c", "D", ARGV("one", ""), NULL };
	AUTO(dbus_message) struct dbus_message m = DBUS_MESSAGE_INIT;
	struct err err = ERR_INIT;
	struct dbus_reader r;
	size_t length;

	dbus_format(&call, 5, &m.data);
	ck_assert_int_eq(dbus_length(m.data.data, &length, &err), 0);
	ck_assert_uint_eq(length, m.data.len);
	ck_assert_msg(dbus_parse(&m, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(m.type, DBUS_CALL);
	ck_assert_uint_eq(m.serial, 5);
	ck_assert_str_eq(m.path, "/a");
	ck_assert_str_eq(m.interface, "b.c");
	ck_assert_str_eq(m.member, "D");
	ck_assert_str_eq(m.signature, "ss");
	r = dbus_read(&m);
	ck_assert_str_eq(dbus_text(&r, 's'), "one");
	ck_assert_str_eq(dbus_text(&r, 's'), "");
	ck_assert_ptr_null(dbus_text(&r, 's'));
	r = dbus_read(&m);
	ck_assert_ptr_null(dbus_text(&r, 'o'));
	ck_assert_ptr_null(dbus_text(&r, 's'));
}
END_TEST

/* Every value is aligned to its size, and the length of an array does not include the padding
 * before its first element. The bytes were written by hand from the specification. */
START_TEST(a_body_is_as_the_specification_says)
{
	static const char wanted[] = "\1\0\0\0x\0\0\0"
				     "\x24\0\0\0\0\0\0\0" /* 36 bytes, from 16 on */
				     "\1\0\0\0A\0\1b"
				     "\0\0\0\0\1\0\0\0"
				     "\1\0\0\0P\0\2a"
				     "u\0\0\0\4\0\0\0"
				     "\x67\x12\0\0"; /* 4711 */
	AUTO(dbus_body) struct dbus_body b = DBUS_BODY_INIT("sa(sv)");
	struct dbus_array list, pids;

	dbus_put_text(&b, "x");
	list = dbus_begin_array(&b, '(');
	dbus_begin_struct(&b);
	dbus_put_text(&b, "A");
	dbus_put_type(&b, "b");
	dbus_put_number(&b, true);
	dbus_begin_struct(&b);
	dbus_put_text(&b, "P");
	dbus_put_type(&b, "au");
	pids = dbus_begin_array(&b, 'u');
	dbus_put_number(&b, 4711);
	dbus_end_array(&b, pids);
	dbus_end_array(&b, list);
	ck_assert_uint_eq(b.data.len, sizeof(wanted) - 1);
	ck_assert_mem_eq(b.data.data, wanted, sizeof(wanted) - 1);
}
END_TEST

START_TEST(a_call_that_is_too_long_is_none)
{
	const struct dbus_call call = { "/a", "b.c", "D", ARGV("a text that does not fit", "e"),
					NULL };
	struct err err = ERR_INIT;

	for (size_t max = 1; max < 100; max++) {
		AUTO(buf) struct buf text = BUF_INIT(max);

		dbus_format(&call, 5, &text);
		ck_assert_int_lt(buf_check(&text, "a call", &err), 0);
		err_clear(&err);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dbus");
	TCase *tc = tcase_create("dbus");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_loop_test(tc, systemd_restarts_it_or_the_error_says_why, 0, ARRAY_LEN(plays));
	tcase_add_loop_test(tc, systemd_stops_it_or_the_error_says_why, 0, ARRAY_LEN(plays));
	tcase_add_loop_test(tc, systemd_makes_a_scope_or_the_error_says_why, 0, ARRAY_LEN(plays));
	tcase_add_test(tc, no_socket_is_said);
	tcase_add_test(tc, a_full_queue_is_waited_for_until_the_deadline);
	tcase_add_test(tc, a_body_is_as_the_specification_says);
	tcase_add_test(tc, a_call_is_as_the_specification_says);
	tcase_add_test(tc, a_call_that_is_too_long_is_none);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
