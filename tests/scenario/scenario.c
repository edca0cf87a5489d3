// SPDX-License-Identifier: Apache-2.0
/*
 * Runs scenario files: given a node, run kata-deploy, expect a result. scenario PROGRAM FILE...
 *
 *	name: description of the scenario, which is printed
 *	given: [STEP...]
 *	run: command line of kata-deploy; or manage: command line of kata-manager
 *	as: UID; default: the caller's
 *	umask: "077"; default: 022
 *	bare: true						without the defaults below
 *	input: PATH of standard input; default: /dev/null
 *	environment: "NAME=VALUE ..." in addition to the caller's
 *	status: 0, or the slug of an error; default: 0
 *	expect: [CHECK...]
 *	then: [{run, status, expect}, ...]
 *
 * Steps:
 *
 *	release: NAME, version, serial, files: {PATH: TEXT}	built and signed in ${dir}/NAME; for
 *								missing members releases.yaml, in the
 *								parent directory, has defaults
 *	run: COMMAND						must succeed
 *	write: PATH, text: TEXT
 *	replace: PATH, text: OLD, with: NEW
 *	remove: PATH
 *	mkdir: PATH
 *	link: PATH, to: TARGET
 *	exec: COMMAND LINE					must succeed
 *	snapshot: NAME, of: PATH				records a tree for same-as
 *	mount: PATH, options: OF A TMPFS			until the end
 *	read-only: PATH						until the end
 *	hide: PATH						an absolute path of the host
 *	lock: PATH						is held until the end
 *	fill: PATH						a file that fills the disk
 *	serve: PATH						over HTTP until the end
 *	pin: PATH						immutable until the end, or unpin: PATH
 *
 * A check is a step, or one of
 *
 *	file: PATH, text: TEXT; or has: TEXT
 *	absent: PATH
 *	points: PATH, to: PATTERN
 *	says: TEXT, times: N; or silent-about: TEXT		in either output stream
 *	json: PATH.OF.MEMBERS, is: VALUE			standard output is one document
 *	members: [NAME...]					all members of that document
 *	same-as: NAME, of: PATH
 *	asked: PATH, at-most: N; or at-least: N			requests to ${web} for this prefix
 *
 * Paths are relative to a temporary directory. In strings, ${dir} is that directory, ${key} the
 * public key of the releases, ${web} the server of "serve" (web_lab.h has its special paths),
 * ${deaf} an address that drops packets, ${closed} one that refuses connections, ${sha256:PATH} the
 * digest of a file, and ${SHA256:PATH} the same in capitals. Unless the command line has them, the
 * command gets a prefix, a lock, a cache, a trust directory and a memory of trust below ${dir},
 * --cri none, --no-proof and --yes.
 */

#include "base/deadline.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "crypto/sha256.h"
#include "tests/crash/tree.h"
#include "tests/scenario/around.h"
#include "yaml/yaml.h"
#include "json/json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FILE_MAX = 4 << 20, RUN_MS = 120000, SNAPSHOTS_MAX = 16 };

struct snapshot {
	char *name, *text;
};

struct node {
	const char *program;
	char *dir;
	struct buf out, all; /* of the last run: standard output; both */
	int status;
	struct snapshot snapshots[SNAPSHOTS_MAX];
	size_t nsnapshots;
	struct around around;
	struct json *releases; /* releases.yaml */
};

/* What a stage says of how it is run; each may be NULL. */
struct manner {
	const char *program, *as, *input, *environment;
	bool bare;
};

/* Of a file, with letters of that case; heap. */
static char *digest_of(const struct node *n, const char *path, bool upper)
{
	AUTO(str) char *full = path_join(n->dir, path);
	AUTO(fd) int fd = open(full, O_RDONLY | O_CLOEXEC);
	struct err ignored = ERR_INIT;
	uint64_t size;
	char hex[65];

	if (fd < 0 || sha256_fd(fd, path, hex, &size, &ignored) < 0)
		return NULL;
	for (char *p = hex; upper && *p; p++)
		*p = (char)toupper((unsigned char)*p);
	return xstrdup(hex);
}

/* What the "${NAME}" at *s stands for; moves after it. */
static char *value_at(const struct node *n, const char **s)
{
	const char *end = strncmp(*s, "${", 2) == 0 ? strchr(*s, '}') : NULL;
	AUTO(str) char *name = end ? xstrndup(*s + 2, (size_t)(end - *s) - 2) : NULL;
	char *value;

	if (!name)
		return NULL;
	if (str_starts(name, "sha256:") || str_starts(name, "SHA256:"))
		value = digest_of(n, name + 7, *name == 'S');
	else if (str_eq(name, "dir"))
		value = xstrdup(n->dir);
	else if (str_eq(name, "key"))
		value = path_join(n->dir, "key.pub");
	else
		value = around_url(&n->around, name);
	if (value)
		*s = end + 1;
	return value;
}

static const char *text(const struct json *j, const char *key)
{
	const struct json *v = json_get(j, key);

	return v && json_kind(v) == JSON_IS_STRING ? json_text(v) : NULL;
}

/* Replaces ${dir} and the other names; heap. */
static char *expand(const struct node *n, const char *s)
{
	AUTO(buf) struct buf b = BUF_INIT(FILE_MAX);

	while (*s) {
		AUTO(str) char *value = value_at(n, &s);

		if (value)
			buf_str(&b, value);
		else
			buf_chr(&b, *s++);
	}
	return b.len ? buf_steal(&b) : xstrdup("");
}

static char *at(const struct node *n, const char *path)
{
	AUTO(str) char *p = expand(n, path);

	return *p == '/' ? xstrdup(p) : path_join(n->dir, p);
}

static int put(const struct node *n, const char *path, const char *s, mode_t mode, struct err *err)
{
	AUTO(str) char *full = at(n, path), *dir = NULL, *data = expand(n, s);

	dir = xstrndup(full, (size_t)(path_basename(full) - full));
	if (path_make(dir, 0755, err) < 0)
		return -1;
	return file_replace_volatile(AT_FDCWD, full, data, strlen(data), mode, err);
}

/* --- commands --- */

static bool mentions(char *const *words, const char *option)
{
	return strv_has(words, option);
}

static void default_to(char ***argv, const char *option, const struct node *n, const char *path)
{
	if (mentions(*argv, option))
		return;
	strv_push(argv, option);
	strv_pushf(argv, "%s/%s", n->dir, path);
}

/* Which of the defaults a verb takes. */
static void add_defaults(const struct node *n, const char *verb, char ***argv)
{
	static const char *const releases[] = { "install", "upgrade", "plan",
						"repair",  "fetch",   NULL };
	static const char *const managers[] = { "install", "plan", NULL };
	static const char *const changes[] = { "install",   "upgrade", "rollback",
					       "uninstall", "gc",      NULL };
	static const char *const others[] = { "release", "keys",      "manual", "help",
					      "--help",  "--version", NULL };

	if (strv_has((char *const *)others, verb) || mentions(*argv, "--help"))
		return;
	/* Another root has a place and a lock of its own. */
	if (!mentions(*argv, "--root"))
		default_to(argv, "--prefix", n, "opt");
	if (!mentions(*argv, "--root") && !str_eq(verb, "doctor")) {
		default_to(argv, "--lock", n, "lock");
		default_to(argv, "--trust-memory", n, "memory");
	}
	if (strv_has((char *const *)releases, verb)) {
		default_to(argv, "--cache", n, "cache");
		default_to(argv, "--trust-dir", n, "trust.d");
	}
	if (strv_has((char *const *)managers, verb) && !mentions(*argv, "--cri")) {
		strv_push(argv, "--cri");
		strv_push(argv, "none");
	}
	if ((str_eq(verb, "install") || str_eq(verb, "upgrade")) && !mentions(*argv, "--no-proof"))
		strv_push(argv, "--no-proof");
	if (strv_has((char *const *)changes, verb) && !mentions(*argv, "--yes"))
		strv_push(argv, "--yes");
}

/* Another user may not reach the folder that the program was built in. */
static int change_user(const struct node *n, const char *uid, const char *program, char ***argv,
		       struct err *err)
{
	AUTO(str) char *copy = path_join(n->dir, path_basename(program));
	struct spawn cp = { .argv = ARGV("cp", program, copy) };

	if (chmod(n->dir, 0755) < 0)
		return err_sys(err, "open %s to others", n->dir);
	if (!path_exists(copy) && spawn_run(&cp, NULL, 0, NULL, deadline_in(RUN_MS), err) != 0)
		return -1;
	strv_push(argv, "setpriv");
	strv_pushf(argv, "--reuid=%s", uid);
	strv_pushf(argv, "--regid=%s", uid);
	strv_push(argv, "--clear-groups");
	strv_push(argv, copy);
	return 0;
}

static int make_command(const struct node *n, const char *line, const struct manner *how,
			char ***argv, struct err *err)
{
	AUTO(str) char *expanded = expand(n, line);
	AUTO(strv) char **words = strv_split(expanded, " ");
	const char *program = how->program ? how->program : n->program;

	if (how->environment) {
		AUTO(str) char *more = expand(n, how->environment);
		AUTO(strv) char **pairs = strv_split(more, " ");

		strv_push(argv, "env");
		strv_each(pair, pairs)
			strv_push(argv, *pair);
	}
	if (how->as ? change_user(n, how->as, program, argv, err) < 0 : false)
		return -1;
	if (!how->as)
		strv_push(argv, program);
	strv_each(word, words)
		strv_push(argv, *word);
	if (words && !how->program && !how->bare)
		add_defaults(n, words[0], argv);
	return 0;
}

static int run_as(struct node *n, const char *line, const struct manner *how, struct err *err)
{
	AUTO(strv) char **argv = NULL;
	AUTO(str) char *errors = path_join(n->dir, ".stderr");
	AUTO(str) char *input = how->input ? path_join(n->dir, how->input) : NULL;
	AUTO(buf) struct buf said = BUF_INIT(FILE_MAX);

	if (make_command(n, line, how, &argv, err) < 0)
		return -1;
	AUTO(fd) int in = open(input ? input : "/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO(fd) int out = open(n->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	AUTO(fd) int error = open(errors, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const struct spawn_fd fds[] = { { in, 0 }, { out, 1 }, { error, 2 } };
	struct spawn s = { .argv = argv, .fds = fds, .nfds = 3, .cwd = n->dir };
	struct child child = CHILD_NONE;

	if (in < 0 || out < 0 || error < 0)
		return err_sys(err, "make a file in %s", n->dir);
	if (spawn_start(&s, &child, err) < 0)
		return -1;
	if (spawn_wait(&child, deadline_in(RUN_MS), &n->status, err) < 0) {
		spawn_kill(&child);
		return err_wrap(err, "%s", line);
	}
	buf_clear(&n->out);
	buf_clear(&n->all);
	if (lseek(out, 0, SEEK_SET) < 0 || lseek(error, 0, SEEK_SET) < 0 ||
	    file_read_fd(out, "output", FILE_MAX, &n->out, err) < 0 ||
	    file_read_fd(error, "errors", FILE_MAX, &said, err) < 0)
		return -1;
	(void)unlink(errors);
	buf_str(&n->all, buf_cstr(&n->out));
	buf_str(&n->all, buf_cstr(&said));
	return 0;
}

static int run(struct node *n, const char *line, struct err *err)
{
	return run_as(n, line, &(struct manner){ 0 }, err);
}

static int must_run(struct node *n, const char *line, struct err *err)
{
	if (run(n, line, err) < 0)
		return -1;
	return n->status == 0 ? 0
			      : err_set(err, E_FAILED, "'%s' ended with %d: %s", line, n->status,
					buf_cstr(&n->all));
}

static int exec_other(const struct node *n, const char *line, struct err *err)
{
	AUTO(str) char *expanded = expand(n, line);
	AUTO(strv) char **argv = strv_split(expanded, " ");
	struct spawn s = { .argv = argv, .cwd = n->dir };

	return spawn_run(&s, NULL, 0, NULL, deadline_in(RUN_MS), err) == 0 ? 0 : -1;
}

/* --- releases --- */

static int make_key(struct node *n, struct err *err)
{
	AUTO(str) char *path = path_join(n->dir, "key.key");

	return path_exists(path) ? 0 : must_run(n, "keys generate --no-passphrase ${dir}/key", err);
}

static int make_tree(struct node *n, const char *name, const struct json *files, struct err *err)
{
	for (void *it = json_begin(files); it; it = json_after(files, it)) {
		AUTO(str) char *path = str_fmt(".trees/%s/%s", name, json_key(it));
		bool program = str_starts(json_key(it), "bin/");

		if (put(n, path, json_text(json_value(it)), program ? 0755 : 0644, err) < 0)
			return -1;
	}
	return 0;
}

/* What belongs to which component, if the scenario does not say. */
#define COMPONENTS                                                                      \
	"components:\n"                                                                 \
	"  - {name: base, text: what is needed, required: true, paths: [bin, etc]}\n"   \
	"  - {name: guest, text: kernel and initrd, required: false, paths: [share]}\n" \
	"  - {name: extra, text: the rest, required: false, paths: [lib, libexec]}\n"   \
	"copies: []\n"

static const struct json *of_release(const struct node *n, const struct json *j, const char *key)
{
	const struct json *usual = json_get(n->releases, text(j, "release"));

	return json_get(j, key) || !usual ? json_get(j, key) : json_get(usual, key);
}

static int make_release(struct node *n, const struct json *j, struct err *err)
{
	const char *name = text(j, "release"), *more = text(j, "options");
	const struct json *files = of_release(n, j, "files"), *serial = of_release(n, j, "serial"),
			  *is = of_release(n, j, "version");
	const char *version = is && json_kind(is) == JSON_IS_STRING ? json_text(is) : NULL;
	AUTO(str) char *build = NULL, *sign = NULL;

	if (!version || !files || json_kind(files) != JSON_IS_OBJECT)
		return err_set(err, E_INVALID, "release %s needs a version and files", name);
	build = str_fmt("release build --tree ${dir}/.trees/%s --out ${dir}/%s --components "
			"${dir}/components.yaml --version %s --serial %lld --created 1700000000 "
			"--expires 2099-01-01T00:00:00Z --channel-expires 2099-01-01T00:00:00Z "
			"--level 1 %s",
			name, name, version, serial ? (long long)json_int(serial) : 1LL,
			more ? more : "");
	sign = str_fmt("release sign --key ${dir}/key.key ${dir}/%s", name);
	if (put(n, "components.yaml", COMPONENTS, 0644, err) < 0 || make_key(n, err) < 0 ||
	    make_tree(n, name, files, err) < 0 || must_run(n, build, err) < 0)
		return -1;
	return must_run(n, sign, err);
}

/* --- changes of files --- */

static int read_text(const struct node *n, const char *path, struct buf *to, struct err *err)
{
	AUTO(str) char *full = at(n, path);

	return file_read(AT_FDCWD, full, FILE_MAX, to, err);
}

static int replace(const struct node *n, const char *path, const char *old, const char *new,
		   struct err *err)
{
	AUTO(buf) struct buf was = BUF_INIT(FILE_MAX), now = BUF_INIT(FILE_MAX);
	AUTO(str) char *full = at(n, path);
	const char *hit;

	if (read_text(n, path, &was, err) < 0)
		return -1;
	hit = strstr(buf_cstr(&was), old);
	if (!hit)
		return err_set(err, E_NOT_FOUND, "'%s' is not in %s", old, path);
	buf_add(&now, was.data, (size_t)(hit - was.data));
	buf_str(&now, new);
	buf_add(&now, hit + strlen(old), was.len - (size_t)(hit - was.data) - strlen(old));
	return file_replace_volatile(AT_FDCWD, full, now.data, now.len, 0644, err);
}

static int take_snapshot(struct node *n, const char *name, const char *path, struct err *err)
{
	AUTO(str) char *full = at(n, path);
	struct snapshot *s = &n->snapshots[n->nsnapshots];

	if (n->nsnapshots == SNAPSHOTS_MAX)
		return err_set(err, E_LIMIT, "more than %d snapshots", SNAPSHOTS_MAX);
	AUTO(buf) struct buf now = BUF_INIT(FILE_MAX);
	if (tree_describe(full, &now, err) < 0)
		return -1;
	s->text = xstrdup(buf_cstr(&now));
	s->name = xstrdup(name);
	n->nsnapshots++;
	return 0;
}

static int compare_snapshot(const struct node *n, const char *name, const char *path,
			    struct err *err)
{
	AUTO(str) char *full = at(n, path);
	AUTO(buf) struct buf now = BUF_INIT(FILE_MAX);

	if (tree_describe(full, &now, err) < 0)
		return -1;
	for (size_t i = 0; i < n->nsnapshots; i++) {
		if (str_eq(n->snapshots[i].name, name))
			return str_eq(n->snapshots[i].text, buf_cstr(&now))
				       ? 0
				       : err_set(err, E_STATE, "%s is not as in %s", path, name);
	}
	return err_set(err, E_NOT_FOUND, "there is no snapshot %s", name);
}

/* 1: it was one of these. */
static int change(struct node *n, const struct json *j, struct err *err)
{
	const char *path, *to = text(j, "to"), *of = text(j, "of"), *with = text(j, "with");
	AUTO(str) char *target = to ? expand(n, to) : NULL;

	if ((path = text(j, "write")))
		return put(n, path, text(j, "text"), 0644, err) < 0 ? -1 : 1;
	if ((path = text(j, "replace")))
		return replace(n, path, text(j, "text"), with, err) < 0 ? -1 : 1;
	if ((path = text(j, "exec")))
		return exec_other(n, path, err) < 0 ? -1 : 1;
	if ((path = text(j, "snapshot")))
		return take_snapshot(n, path, of ? of : "opt", err) < 0 ? -1 : 1;
	if ((path = text(j, "same-as")))
		return compare_snapshot(n, path, of ? of : "opt", err) < 0 ? -1 : 1;
	if (!(path = text(j, "remove")) && !(path = text(j, "link")) && !(path = text(j, "mkdir")))
		return 0;
	AUTO(str) char *full = at(n, path);
	if (text(j, "mkdir"))
		return path_make(full, 0755, err) < 0 ? -1 : 1;
	if (text(j, "remove"))
		return path_remove_tree(full, err) < 0 ? -1 : 1;
	return symlink(target, full) < 0 ? err_sys(err, "link %s", full) : 1;
}

static int step(struct node *n, const struct json *j, struct err *err)
{
	int done;

	if (text(j, "release"))
		return make_release(n, j, err);
	if (text(j, "run"))
		return must_run(n, text(j, "run"), err);
	done = change(n, j, err);
	if (done == 0)
		done = around_add(&n->around, n->dir, j, err);
	if (done == 0)
		return err_set(err, E_INVALID, "a step of no known kind");
	return done < 0 ? -1 : 0;
}

/* --- checks --- */

static int check_file(const struct node *n, const struct json *j, struct err *err)
{
	AUTO(buf) struct buf is = BUF_INIT(FILE_MAX);
	const char *path = text(j, "file");
	AUTO(str) char *whole = text(j, "text") ? expand(n, text(j, "text")) : NULL;
	AUTO(str) char *part = text(j, "has") ? expand(n, text(j, "has")) : NULL;

	if (read_text(n, path, &is, err) < 0)
		return -1;
	if ((!whole || str_eq(buf_cstr(&is), whole)) && (!part || strstr(buf_cstr(&is), part)))
		return 0;
	return err_set(err, E_STATE, "%s has '%.200s'", path, buf_cstr(&is));
}

static int check_link(const struct node *n, const struct json *j, struct err *err)
{
	AUTO(str) char *full = at(n, text(j, "points"));
	AUTO(str) char *pattern = expand(n, text(j, "to"));
	char target[4096];
	ssize_t len = readlink(full, target, sizeof(target) - 1);

	if (len < 0)
		return err_sys(err, "read the link %s", full);
	target[len] = '\0';
	return fnmatch(pattern, target, 0) == 0
		       ? 0
		       : err_set(err, E_STATE, "%s leads to %s", full, target);
}

/* Members by name, elements by number. */
static const struct json *member(const struct json *j, const char *path)
{
	AUTO(strv) char **parts = strv_split(path, ".");

	strv_each(part, parts) {
		if (!j)
			return NULL;
		if (json_kind(j) == JSON_IS_ARRAY)
			j = json_at(j, strtoul(*part, NULL, 10));
		else
			j = json_kind(j) == JSON_IS_OBJECT ? json_get(j, *part) : NULL;
	}
	return j;
}

static int check_json(const struct node *n, const struct json *j, struct err *err)
{
	AUTO(json)
	struct json *doc = json_parse(n->out.data ? n->out.data : "", n->out.len, "the output",
				      err);
	const struct json *is = doc ? member(doc, text(j, "json")) : NULL;
	const struct json *wanted = json_get(j, "is");
	AUTO(str) char *a = is ? json_format(is, false) : xstrdup("nothing");
	AUTO(str) char *b = wanted ? json_format(wanted, false) : xstrdup("nothing");

	if (!doc)
		return -1;
	return str_eq(a, b) ? 0
			    : err_set(err, E_STATE, "%s is %s and not %s", text(j, "json"), a, b);
}

static int check_members(const struct node *n, const struct json *wanted, struct err *err)
{
	AUTO(json)
	struct json *doc = json_parse(n->out.data ? n->out.data : "", n->out.len, "the output",
				      err);
	size_t has = 0;

	if (!doc)
		return -1;
	for (void *it = json_begin(doc); it; it = json_after(doc, it))
		has++;
	for (size_t i = 0; i < json_count(wanted); i++) {
		if (!json_get(doc, json_text(json_at(wanted, i))))
			return err_set(err, E_STATE, "the document has no %s",
				       json_text(json_at(wanted, i)));
	}
	return has == json_count(wanted)
		       ? 0
		       : err_set(err, E_STATE, "the document has %zu members: %.300s", has,
				 buf_cstr(&n->out));
}

static int check_asked(const struct node *n, const struct json *j, struct err *err)
{
	const struct json *most = json_get(j, "at-most"), *least = json_get(j, "at-least");
	unsigned times = around_asked(&n->around, text(j, "asked"));

	if ((!most || times <= json_int(most)) && (!least || times >= json_int(least)))
		return 0;
	return err_set(err, E_STATE, "%s was asked for %u times", text(j, "asked"), times);
}

static int check_said(const struct node *n, const struct json *j, struct err *err)
{
	const char *says = text(j, "says");
	AUTO(str) char *wanted = expand(n, says ? says : text(j, "silent-about"));
	const struct json *exactly = json_get(j, "times");
	unsigned times = 0;

	for (const char *at = buf_cstr(&n->all); (at = strstr(at, wanted)); at++)
		times++;
	if (exactly ? times == json_int(exactly) : says ? times > 0 : times == 0)
		return 0;
	return err_set(err, E_STATE, "it says '%.300s'", buf_cstr(&n->all));
}

static int check(struct node *n, const struct json *j, struct err *err)
{
	const char *s;

	if (text(j, "asked"))
		return check_asked(n, j, err);
	if (text(j, "file"))
		return check_file(n, j, err);
	if (text(j, "points"))
		return check_link(n, j, err);
	if (text(j, "json"))
		return check_json(n, j, err);
	if (json_get(j, "members"))
		return check_members(n, json_get(j, "members"), err);
	if ((s = text(j, "absent"))) {
		AUTO(str) char *full = at(n, s);
		struct stat st;

		return lstat(full, &st) < 0 ? 0 : err_set(err, E_STATE, "%s is there", s);
	}
	if (text(j, "says") || text(j, "silent-about"))
		return check_said(n, j, err);
	return step(n, j, err);
}

static int check_status(const struct node *n, const struct json *wanted, struct err *err)
{
	int status = 0;

	if (wanted && json_kind(wanted) == JSON_IS_INT)
		status = (int)json_int(wanted);
	else if (wanted) {
		status = -1;
#define X(sym, slug, exit_status, rpc, meaning) \
	if (str_eq(json_text(wanted), (slug)))  \
		status = (exit_status);
		ERR_CODES(X)
#undef X
	}
	return n->status == status ? 0
				   : err_set(err, E_STATE, "status %d and not %d: %.300s",
					     n->status, status, buf_cstr(&n->all));
}

/* An error that a user can act on must name a remedy, whether or not the scenario expects a text.
 * Exceptions: cancelled commands and errors of the system. */
static int check_remedy(const struct node *n, struct err *err)
{
	static const enum err_code codes[] = { E_FAILED,      E_USAGE,   E_CONFIG, E_NOT_FOUND,
					       E_EXISTS,      E_STATE,   E_LIMIT,  E_PERMISSION,
					       E_UNSUPPORTED, E_TIMEOUT, E_TRUST,  E_INVALID,
					       E_PROTOCOL,    E_GONE };
	AUTO(strv) char **lines = strv_split(buf_cstr(&n->all), "\n");

	/* With kata-manager the error of kata-deploy is the line before the last. */
	strv_each(line, lines) {
		if (str_starts(*line, "kata-") && strstr(*line, "; "))
			return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		if (n->status == err_exit_status(codes[i]))
			return err_set(err, E_STATE, "it does not say what to do: %.300s",
				       buf_cstr(&n->all));
	}
	return 0;
}

static int stage(struct node *n, const struct json *j, struct err *err)
{
	const struct json *expect = json_get(j, "expect");
	const char *line = text(j, "run"), *managed = text(j, "manage");
	AUTO(str)
	char *manager = str_fmt("%.*skata-manager", (int)(path_basename(n->program) - n->program),
				n->program);
	const char *mask = text(j, "umask");
	const struct manner how = { managed ? manager : NULL, text(j, "as"), text(j, "input"),
				    text(j, "environment"), json_get(j, "bare") };

	line = managed ? managed : line;
	if (!line)
		return err_set(err, E_INVALID, "nothing to run");
	if (json_get(j, "as") && !how.as)
		return err_set(err, E_INVALID, "as: \"UID\"");
	(void)umask((mode_t)strtoul(mask ? mask : "022", NULL, 8));
	if (run_as(n, line, &how, err) < 0 || check_status(n, json_get(j, "status"), err) < 0 ||
	    check_remedy(n, err) < 0)
		return err_wrap(err, "%s", line);
	for (size_t i = 0; expect && i < json_count(expect); i++) {
		if (check(n, json_at(expect, i), err) < 0)
			return err_wrap(err, "%s: expect %zu", line, i + 1);
	}
	return 0;
}

static int play(struct node *n, const struct json *j, struct err *err)
{
	const struct json *given = json_get(j, "given"), *then = json_get(j, "then");

	for (size_t i = 0; given && i < json_count(given); i++) {
		if (step(n, json_at(given, i), err) < 0)
			return err_wrap(err, "given %zu", i + 1);
	}
	if (stage(n, j, err) < 0)
		return -1;
	for (size_t i = 0; then && i < json_count(then); i++) {
		const struct json *next = json_at(then, i);

		if (text(next, "run") || text(next, "manage") ? stage(n, next, err) < 0
							      : check(n, next, err) < 0)
			return -1;
	}
	return 0;
}

/* --- a file --- */

static struct json *load_releases(const char *file, struct err *err)
{
	AUTO(str)
	char *path = str_fmt("%.*s../releases.yaml", (int)(path_basename(file) - file), file);
	AUTO(buf) struct buf source = BUF_INIT(FILE_MAX);

	return file_read(AT_FDCWD, path, FILE_MAX, &source, err) < 0
		       ? NULL
		       : yaml_parse(buf_cstr(&source), source.len, path, err);
}

static int scenario(const char *program, const char *file, char **name, bool *lacks,
		    struct err *err)
{
	AUTO(buf) struct buf source = BUF_INIT(FILE_MAX);
	AUTO(json) struct json *j = NULL;
	char dir[] = "/tmp/kata-scenario-XXXXXX";
	struct node n = { .program = program,
			  .around = AROUND_INIT,
			  .out = BUF_INIT(FILE_MAX),
			  .all = BUF_INIT(2 * FILE_MAX) };
	struct err ignored = ERR_INIT;
	int rc;

	if (file_read(AT_FDCWD, file, FILE_MAX, &source, err) < 0)
		return -1;
	j = yaml_parse(buf_cstr(&source), source.len, file, err);
	n.releases = j ? load_releases(file, err) : NULL;
	if (!n.releases)
		return -1;
	*name = xstrdup(text(j, "name") ? text(j, "name") : file);
	if (!mkdtemp(dir))
		return err_sys(err, "make %s", dir);
	n.dir = dir;
	rc = play(&n, j, err);
	*lacks = n.around.lacks;
	around_release(&n.around);
	(void)!path_remove_tree(dir, &ignored);
	for (size_t i = 0; i < n.nsnapshots; i++) {
		free(n.snapshots[i].name);
		free(n.snapshots[i].text);
	}
	json_free(n.releases);
	buf_release(&n.out);
	buf_release(&n.all);
	return rc;
}

/* What a scenario mounts is nobody else's business, nor what the node itself remembers; and what runs on this
 * machine, container managers for example, is none of a scenario's. Returns in the child that plays them; -1:
 * without the right to. */
static int apart(void)
{
	int status;
	pid_t child;

	if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("scenario", "/var/lib", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
		return -1;
	child = fork();
	if (child < 0)
		return -1;
	if (child == 0) /* all others of its namespace end with it */
		return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ||
				       mount("proc", "/proc", "proc", 0, NULL) < 0
			       ? -1
			       : 0;
	while (waitpid(child, &status, 0) < 0)
		;
	exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

int main(int argc, char **argv)
{
	AUTO(str) char *program = argc > 1 ? realpath(argv[1], NULL) : NULL;
	unsigned passed = 0, failed = 0;

	(void)umask(022);
	/* Servers are on this machine. */
	(void)unsetenv("http_proxy");
	(void)unsetenv("all_proxy");
	if (apart() < 0) {
		(void)puts("skipped: scenarios: they need root, to mount");
		return EXIT_SUCCESS;
	}
	if (!program) {
		(void)fputs("usage: scenario PROGRAM FILE...\n", stderr);
		return 2;
	}
	for (int i = 2; i < argc; i++) {
		AUTO(str) char *name = NULL;
		struct err err = ERR_INIT;
		bool lacks = false;

		if (scenario(program, argv[i], &name, &lacks, &err) == 0) {
			passed++;
			(void)printf("  ok    %s\n", name);
		} else if (lacks) {
			(void)printf("skipped: %s: %s\n", name, err.msg);
		} else {
			failed++;
			(void)printf("  FAIL  %s (%s)\n        %s\n", name ? name : "", argv[i],
				     err.msg);
		}
		(void)fflush(stdout);
	}
	(void)printf("scenario: %u passed, %u failed\n", passed, failed);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
