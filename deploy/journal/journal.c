// SPDX-License-Identifier: Apache-2.0
/* Formats and parses the journal; writes, extends, reads and removes its file. */

#include "deploy/journal/journal.h"

#include "base/deadline.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "json/fields.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA = 1, SUM = 16, JOURNAL_MAX = 256 << 20 };

#define NAME "journal"
#define TMP  "journal.new"

static const char *const words[] = { "", "commit", "undo", "forward", "back" };

static void add_line(struct buf *to, struct json *j)
{
	AUTO(str) char *text = json_format(j, false);
	char hex[65];

	json_free(j);
	sha256_hex(text, strlen(text), hex);
	buf_fmt(to, "%.*s %s\n", SUM, hex, text);
}

void journal_format(const struct plan *p, struct buf *to)
{
	struct json *head = json_make_object();

	json_put(head, "journal", json_make_int(SCHEMA));
	json_put(head, "verb", json_make_string(p->verb));
	json_put(head, "actions", json_make_u64(p->actions.n));
	json_put(head, "made_prefix", json_make_bool(p->made_prefix));
	json_put(head, "made_state", json_make_bool(p->made_state));
	add_line(to, head);
	vec_each(struct plan_action, a, &p->actions)
		add_line(to, plan_action_json(a));
}

/* Consumes the next line and returns its document (the caller frees it); NULL if the line is
 * incomplete or has a wrong checksum. */
static struct json *next_line(const char **text, size_t *left, struct err *err)
{
	const char *line = *text, *end = *left ? memchr(line, '\n', *left) : NULL;
	size_t len = end ? (size_t)(end - line) : *left;
	char hex[65];

	*text += len + (end ? 1 : 0);
	*left -= len + (end ? 1 : 0);
	if (!end || len < SUM + 2 || line[SUM] != ' ') {
		err_set(err, E_INVALID, "an incomplete line");
		return NULL;
	}
	sha256_hex(line + SUM + 1, len - SUM - 1, hex);
	if (memcmp(hex, line, SUM) != 0) {
		err_set(err, E_INVALID, "a line with a wrong checksum");
		return NULL;
	}
	return json_parse(line + SUM + 1, len - SUM - 1, NAME, err);
}

static int parse_head(struct plan *p, const struct json *j, uint64_t *actions, struct err *err)
{
	const char *verb;
	uint64_t schema;
	struct fields f;

	if (fields_begin(&f, j, "its first line", err) < 0 ||
	    fields_u64(&f, "journal", true, &schema, err) < 0)
		return -1;
	if (schema != SCHEMA)
		return err_set(err, E_UNSUPPORTED, "schema %llu; a newer kata-deploy wrote it",
			       (unsigned long long)schema);
	if (fields_text(&f, "verb", true, &verb, err) < 0 ||
	    fields_u64(&f, "actions", true, actions, err) < 0 ||
	    fields_bool(&f, "made_prefix", &p->made_prefix, err) < 0 ||
	    fields_bool(&f, "made_state", &p->made_state, err) < 0 || fields_end(&f, err) < 0)
		return -1;
	plan_begin(p, verb);
	return 0;
}

/* Returns the kernel's random id of this boot, heap; NULL if it is not known. */
static char *boot_id(void)
{
	struct err ignored = ERR_INIT;

	return file_read_line(AT_FDCWD, "/proc/sys/kernel/random/boot_id", &ignored);
}

/* The time counts within one boot only. If the word is of an earlier boot, every process of today
 * was started after it: 1 ms. */
static void take_restored(struct plan *p, const struct json *line)
{
	AUTO(str) char *boot = boot_id();
	const struct json *ms = json_get(line, "ms");
	uint64_t then = 0;

	if (ms && (json_kind(ms) != JSON_IS_INT || json_u64(ms, &then) < 0))
		then = 0;
	p->restored = str_eq(boot, json_get_text(line, "boot")) && then ? then : 1;
}

/* Returns the last word; unreadable lines are ignored. */
static enum journal_word parse_words(struct plan *p, const char *text, size_t left)
{
	enum journal_word word = JOURNAL_NONE;

	while (left) {
		struct err ignored = ERR_INIT;
		AUTO(json) struct json *j = next_line(&text, &left, &ignored);
		const char *said = NULL;
		struct fields f;

		if (!j || fields_begin(&f, j, NAME, &ignored) < 0 ||
		    fields_text(&f, "word", true, &said, &ignored) < 0)
			continue;
		for (size_t i = JOURNAL_COMMIT; i < ARRAY_LEN(words); i++) {
			if (str_eq(said, words[i]))
				word = (enum journal_word)i;
		}
		p->resumes |= word == JOURNAL_FORWARD;
		if (word == JOURNAL_BACK && !p->restored)
			take_restored(p, j);
	}
	return word;
}

static int parse_all(struct plan *p, enum journal_word *word, const char *text, size_t left,
		     struct err *err)
{
	uint64_t actions = 0;
	AUTO(json) struct json *head = next_line(&text, &left, err);

	if (!head || parse_head(p, head, &actions, err) < 0)
		return -1;
	for (uint64_t i = 0; i < actions; i++) {
		AUTO(json) struct json *j = next_line(&text, &left, err);
		struct plan_action a = { 0 };

		if (!j || plan_action_parse(&a, j, err) < 0) {
			plan_action_release(&a);
			return -1;
		}
		vec_push(&p->actions, a);
	}
	*word = parse_words(p, text, left);
	return 0;
}

int journal_parse(struct plan *p, enum journal_word *word, const char *text, size_t len,
		  struct err *err)
{
	*word = JOURNAL_NONE;
	return parse_all(p, word, text, len, err) < 0 ? err_wrap(err, "the journal") : 0;
}

int journal_begin(int state, const struct plan *p, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(JOURNAL_MAX);
	struct file_new how = { TMP, 0600, (uid_t)-1, (gid_t)-1, NULL };

	journal_format(p, &text);
	if (buf_check(&text, "the journal", err) < 0)
		return -1;
	return file_replace_via(state, NAME, text.data, text.len, &how, err);
}

int journal_say(int state, enum journal_word word, struct err *err)
{
	AUTO(buf) struct buf line = BUF_INIT(256);
	AUTO(str) char *boot = boot_id();
	struct json *j = json_make_object();
	AUTO(fd) int fd = openat(state, NAME, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);

	json_put(j, "word", json_make_string(words[word]));
	if (word == JOURNAL_BACK) {
		json_put(j, "ms", json_make_u64(clock_ms()));
		json_put(j, "boot", json_make_string(boot));
	}
	/* A crash may have left an incomplete word: begin on a new line. */
	buf_chr(&line, '\n');
	add_line(&line, j);
	if (fd < 0)
		return path_sys(err, state, NAME, "open the journal");
	if (fd_write_all(fd, line.data, line.len, err) < 0)
		return err_wrap(err, "the journal");
	return fsync(fd) < 0 ? err_sys(err, "sync the journal") : 0;
}

int journal_load(int state, struct plan *p, enum journal_word *word, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(JOURNAL_MAX);
	AUTO(fd) int fd = openat(state, NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, "open the journal");
	if (file_read_fd(fd, "the journal", JOURNAL_MAX, &text, err) == 0 &&
	    journal_parse(p, word, buf_cstr(&text), text.len, err) == 0)
		return 1;
	/* This program writes nothing above a limit, so it is damaged. */
	if (err->code == E_LIMIT)
		err->code = E_INVALID;
	return -1;
}

int journal_end(int state, struct err *err)
{
	if (unlinkat(state, NAME, 0) < 0 && errno != ENOENT)
		return path_sys(err, state, NAME, "remove the journal");
	return fsync(state) < 0 ? err_sys(err, "sync the directory of the journal") : 0;
}
