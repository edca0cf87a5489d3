// SPDX-License-Identifier: Apache-2.0
/* Messages between node and report: round trips, bounds, and messages of a hostile peer. */

#include "tests/unit/suite.h"

#include "base/buf.h"
#include "base/str.h"
#include "deploy/node/message.h"

#include <check.h>
#include <stddef.h>
#include <string.h>

static struct message state(void)
{
	struct message m = { .kind = MESSAGE_STATE };

	m.state = (struct node_state){ .phase = PHASE_FAILED,
				       .ready = true,
				       .claimed = true,
				       .since = 1700000000,
				       .serial = UINT64_MAX,
				       .drift = 3,
				       .restarts = 1,
				       .failures = 2,
				       .retry = 1700000600 };
	message_text(m.state.version, sizeof(m.state.version), "3.10.0");
	message_text(m.state.generation, sizeof(m.state.generation), "3.10.0-0123456789ab");
	message_text(m.state.manager, sizeof(m.state.manager), "containerd");
	message_text(m.state.kernel, sizeof(m.state.kernel), "6.1.158");
	message_text(m.state.agent, sizeof(m.state.agent), "3.10.0");
	message_text(m.state.code, sizeof(m.state.code), "timeout");
	message_text(m.state.message, sizeof(m.state.message), "it said \"no\" \\ \xc3\xa4");
	return m;
}

static struct message turn(enum message_kind kind)
{
	struct message m = { .kind = kind };

	if (kind != MESSAGE_KEEP)
		message_text(m.id, sizeof(m.id), "t-1700000000.4");
	if (kind == MESSAGE_WANT_TURN)
		m.held = true;
	if (kind == MESSAGE_END_TURN)
		m.good = true;
	if (kind == MESSAGE_WANT_TURN || kind == MESSAGE_END_TURN)
		message_text(m.reason, sizeof(m.reason), "containerd has to be restarted");
	return m;
}

static enum message_side side(enum message_kind kind)
{
	return kind >= MESSAGE_TURN ? MESSAGE_FROM_REPORT : MESSAGE_FROM_NODE;
}

START_TEST(a_message_survives_its_text)
{
	enum message_kind kind = (enum message_kind)_i;
	struct message m = kind == MESSAGE_STATE ? state() : turn(kind), heard;
	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
	struct err err = ERR_INIT;

	ck_assert_int_eq(message_format(&m, &line, &err), 0);
	ck_assert_int_eq(line.data[line.len - 1], '\n');
	ck_assert_ptr_eq(memchr(line.data, '\n', line.len), line.data + line.len - 1);
	ck_assert_msg(message_parse(line.data, line.len - 1, side(kind), &heard, &err) == 0, "%s",
		      err.msg);
	ck_assert_int_eq(memcmp(&m, &heard, sizeof(m)), 0);
}
END_TEST

/* What is no value does not count: padding, and what a longer text left after its end. */
START_TEST(states_with_the_same_values_are_the_same)
{
	struct node_state a = state().state, b = a;

	((char *)&b)[offsetof(struct node_state, claimed) + sizeof(b.claimed)] ^= 1;
	b.code[strlen(b.code) + 2] = 'x';
	ck_assert(memcmp(&a, &b, sizeof(a)) != 0);
	ck_assert(node_state_same(&a, &b));
	b = a, b.phase = PHASE_STARTING;
	ck_assert(!node_state_same(&a, &b));
	b = a, b.claimed = false;
	ck_assert(!node_state_same(&a, &b));
	b = a, b.retry++;
	ck_assert(!node_state_same(&a, &b));
	b = a, b.message[0]++;
	ck_assert(!node_state_same(&a, &b));
}
END_TEST

START_TEST(messages_of_the_other_side_are_refused)
{
	enum message_kind kind = (enum message_kind)_i;
	struct message m = kind == MESSAGE_STATE ? state() : turn(kind), heard;
	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
	enum message_side other = side(kind) == MESSAGE_FROM_NODE ? MESSAGE_FROM_REPORT
								  : MESSAGE_FROM_NODE;
	struct err err = ERR_INIT;

	ck_assert_int_eq(message_format(&m, &line, &err), 0);
	ck_assert_int_lt(message_parse(line.data, line.len - 1, other, &heard, &err), 0);
	ck_assert_int_eq(err.code, E_PROTOCOL);
}
END_TEST

/* Every text has its maximum length, and each character is escaped. */
START_TEST(the_longest_state_fits)
{
	struct message m = state(), heard;
	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
	struct err err = ERR_INIT;
	char *const texts[] = { m.state.version, m.state.generation, m.state.manager,
				m.state.kernel,  m.state.agent,      m.state.code };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		memset(texts[i], '"', MESSAGE_NAME - 1);
		texts[i][MESSAGE_NAME - 1] = '\0';
	}
	memset(m.state.message, '\\', MESSAGE_TEXT - 1);
	m.state.message[MESSAGE_TEXT - 1] = '\0';
	m.state.since = m.state.drift = m.state.restarts = UINT64_MAX;
	ck_assert_msg(message_format(&m, &line, &err) == 0, "%s", err.msg);
	ck_assert_uint_le(line.len, MESSAGE_MAX);
	ck_assert_int_eq(message_parse(line.data, line.len - 1, MESSAGE_FROM_NODE, &heard, &err),
			 0);
	ck_assert_int_eq(memcmp(&m, &heard, sizeof(m)), 0);
}
END_TEST

START_TEST(texts_are_cut_and_cleaned)
{
	char to[6];

	message_text(to, sizeof(to), "a\nb\x1b[");
	ck_assert_str_eq(to, "a?b?[");
	message_text(to, sizeof(to), "abcd\xc3\xa4");
	ck_assert_str_eq(to, "abcd");
	message_text(to, sizeof(to), "abc\xc3\xa4");
	ck_assert_str_eq(to, "abc\xc3\xa4");
	message_text(to, sizeof(to), NULL);
	ck_assert_str_eq(to, "");
}
END_TEST

static const char *const wrong[] = {
	"",
	"[]",
	"null",
	"{}",
	"{\"v\":1}",
	"{\"v\":1,\"type\":\"turn\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":7}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"../x\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"a b\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"a\\u0000\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"a\",\"id\":\"b\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"a\",\"release\":\"http://x\"}",
	"{\"v\":1,\"type\":\"turn\",\"id\":\"a\"} {}",
	"{\"v\":2,\"type\":\"turn\",\"id\":\"a\"}",
	"{\"v\":-1,\"type\":\"turn\",\"id\":\"a\"}",
	"{\"v\":\"1\",\"type\":\"turn\",\"id\":\"a\"}",
	"{\"type\":\"turn\",\"id\":\"a\"}",
	"{\"v\":1,\"type\":\"install\",\"id\":\"a\"}",
	"{\"v\":1,\"type\":\"uninstall\"}",
	("{\"v\":1,\"type\":\"turn\",\"id\":"
	 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
};

START_TEST(wrong_messages_are_refused)
{
	struct message heard;
	struct err err = ERR_INIT;

	ck_assert_int_lt(
		message_parse(wrong[_i], strlen(wrong[_i]), MESSAGE_FROM_REPORT, &heard, &err), 0);
	ck_assert_int_eq(err.code, E_PROTOCOL);
}
END_TEST

static const char *const wrong_states[] = {
	"{\"v\":1,\"type\":\"state\"}",
	"{\"v\":1,\"type\":\"state\",\"phase\":\"great\"}",
	"{\"v\":1,\"type\":\"state\",\"phase\":\"ready\",\"ready\":1}",
	"{\"v\":1,\"type\":\"state\",\"phase\":\"ready\",\"serial\":-1}",
	"{\"v\":1,\"type\":\"state\",\"phase\":\"ready\",\"label\":\"x\"}",
	("{\"v\":1,\"type\":\"state\",\"phase\":\"ready\",\"version\":"
	 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}"),
	"{\"v\":1,\"type\":\"want-turn\",\"id\":\"a\",\"held\":\"yes\"}",
};

START_TEST(a_state_that_breaks_the_rules_is_refused)
{
	struct message heard;
	struct err err = ERR_INIT;

	ck_assert_int_lt(message_parse(wrong_states[_i], strlen(wrong_states[_i]),
				       MESSAGE_FROM_NODE, &heard, &err),
			 0);
	ck_assert_int_eq(err.code, E_PROTOCOL);
}
END_TEST

START_TEST(a_message_that_is_too_long_is_refused)
{
	static char text[MESSAGE_MAX + 1];
	struct message heard;
	struct err err = ERR_INIT;

	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, "{\"v\":1,\"type\":\"turn\",\"id\":\"a\"}", 30);
	ck_assert_int_lt(message_parse(text, MESSAGE_MAX, MESSAGE_FROM_REPORT, &heard, &err), 0);
	ck_assert_int_eq(err.code, E_PROTOCOL);
}
END_TEST

START_TEST(a_message_with_a_wrong_id_is_not_sent)
{
	struct message m = { .kind = MESSAGE_TURN };
	AUTO(buf) struct buf line = BUF_INIT(MESSAGE_MAX);
	struct err err = ERR_INIT;

	message_text(m.id, sizeof(m.id), "a b");
	ck_assert_int_lt(message_format(&m, &line, &err), 0);
	ck_assert_uint_eq(line.len, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("node_message");
	TCase *tc = tcase_create("message");

	tcase_add_loop_test(tc, a_message_survives_its_text, MESSAGE_STATE, MESSAGE_KEEP + 1);
	tcase_add_loop_test(tc, messages_of_the_other_side_are_refused, MESSAGE_STATE,
			    MESSAGE_KEEP + 1);
	tcase_add_test(tc, states_with_the_same_values_are_the_same);
	tcase_add_test(tc, the_longest_state_fits);
	tcase_add_test(tc, texts_are_cut_and_cleaned);
	tcase_add_loop_test(tc, wrong_messages_are_refused, 0, ARRAY_LEN(wrong));
	tcase_add_loop_test(tc, a_state_that_breaks_the_rules_is_refused, 0,
			    ARRAY_LEN(wrong_states));
	tcase_add_test(tc, a_message_that_is_too_long_is_refused);
	tcase_add_test(tc, a_message_with_a_wrong_id_is_not_sent);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}
