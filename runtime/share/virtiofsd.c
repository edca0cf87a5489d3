// SPDX-License-Identifier: Apache-2.0
/* Recognizes a virtiofsd by its --help, builds its command line, and runs it. */

#include "share/virtiofsd.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HELP_MS = 10000, HELP_MAX = 256 << 10 };

#define NOTES "/run/vc/virtiofsd"

/* --- kinds --- */

/* Texts in --help that identify each kind. The description of the second option lists the cache
 * modes. */
static const struct {
	const char *shared, *cache;
} kinds[] = {
	[VIRTIOFSD_C] = { "-o source=", "-o cache=" },
	[VIRTIOFSD_RUST] = { "--shared-dir <", "--cache <" },
};

static bool has_word(const char *text, size_t len, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= len; i++) {
		bool begins = i == 0 || !isalpha((unsigned char)text[i - 1]);

		if (begins && strncmp(text + i, word, n) == 0 &&
		    (i + n == len || !isalpha((unsigned char)text[i + n])))
			return true;
	}
	return false;
}

/* The program's name for a cache mode, if the text has it, or NULL. */
static const char *name_of_mode(const char *text, size_t len, const char *asked)
{
	const char *other = str_eq(asked, "none")    ? "never"
			    : str_eq(asked, "never") ? "none"
						     : NULL;

	if (has_word(text, len, asked))
		return asked;
	return other && has_word(text, len, other) ? other : NULL;
}

/* The length of an option's description, up to the next line that begins with an option. */
static size_t option_len(const char *option)
{
	const char *line = option;

	while ((line = strchr(line, '\n')) != NULL) {
		line += 1 + strspn(line + 1, " ");
		if (*line == '-')
			return (size_t)(line - option);
	}
	return strlen(option);
}

int virtiofsd_recognize(const char *program, const char *help, const char *asked,
			enum virtiofsd_kind *kind, const char **mode, struct err *err)
{
	const char *cache;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		cache = strstr(help, kinds[i].cache);
		if (!cache || !strstr(help, kinds[i].shared))
			continue;
		*kind = (enum virtiofsd_kind)i;
		*mode = name_of_mode(cache, option_len(cache), asked);
		if (*mode)
			return 0;
		err_set(err, E_CONFIG, "virtio_fs_cache = \"%s\": %s has no such mode", asked,
			program);
		return err_hint(err, "%s --help lists those that it has", program);
	}
	err_set(err, E_CONFIG,
		"virtio_fs_daemon = \"%s\": neither QEMU's virtiofsd nor the one in Rust (1.10 or "
		"newer)",
		program);
	return err_hint(err, "install one, correct the path, or set shared_fs = \"virtio-9p\"");
}

/* --- command line --- */

/* The number in a file of /proc/sys; otherwise if it has none. */
static uint64_t number_in(const char *path, uint64_t otherwise)
{
	struct err ignored = ERR_INIT; /* no such limit on this host */
	AUTO(str) char *text = file_read_line(AT_FDCWD, path, &ignored);
	uint64_t n;

	if (!text || str_u64(text, 10, 1, UINT64_MAX, path, &n, &ignored) < 0)
		return otherwise;
	return n;
}

/*
 * The limit of open files: virtiofsd has one open for each file that the guest's kernel caches. It
 * is what the kernel allows a process, less a reserve for the rest of the host, within our own hard
 * limit, which is raised if that is allowed.
 */
static uint64_t descriptors(void)
{
	enum { OTHERS = 16384, USUAL = 1 << 20 };
	uint64_t most = number_in("/proc/sys/fs/nr_open", USUAL);
	uint64_t all = number_in("/proc/sys/fs/file-max", UINT64_MAX);
	struct rlimit own, raised;

	if (all > 2 * OTHERS && most > all - OTHERS)
		most = all - OTHERS;
	if (getrlimit(RLIMIT_NOFILE, &own) < 0 || own.rlim_max >= most)
		return most;
	raised = (struct rlimit){ own.rlim_cur, most };
	return setrlimit(RLIMIT_NOFILE, &raised) == 0 ? most : own.rlim_max;
}

static bool lists(char *const *args, const char *option)
{
	strv_each(a, args) {
		if (str_starts(*a, option))
			return true;
	}
	return false;
}

char **virtiofsd_command(const char *program, enum virtiofsd_kind kind, const char *mode,
			 const char *dir, char *const *extra)
{
	char **argv = NULL;

	/* record_undo() finds an unrecorded virtiofsd by its first options, up to the directory. */
	strv_push(&argv, program);
	strv_push(&argv, "--fd=3");
	if (kind == VIRTIOFSD_C) {
		strv_push(&argv, "-o");
		strv_pushf(&argv, "source=%s", dir);
		strv_push(&argv, "-o");
		strv_pushf(&argv, "cache=%s", mode);
		strv_push(&argv, "-o");
		strv_push(&argv, "no_posix_lock,xattr");
		strv_push(&argv, "-f");
	} else {
		strv_pushf(&argv, "--shared-dir=%s", dir);
		strv_pushf(&argv, "--cache=%s", mode);
		strv_push(&argv, "--xattr");
	}
	/* Measured: fastest for small files. */
	if (!lists(extra, "--thread-pool-size"))
		strv_push(&argv, "--thread-pool-size=0");
	if (!lists(extra, "--rlimit-nofile"))
		strv_pushf(&argv, "--rlimit-nofile=%llu", (unsigned long long)descriptors());
	strv_each(a, extra)
		strv_push(&argv, *a);
	return argv;
}

/* --- help text --- */

/* A line that changes when the program is replaced, heap; NULL if it does not exist. */
static char *identity(const char *program)
{
	struct stat st;

	if (stat(program, &st) < 0)
		return NULL;
	return str_fmt("%s %ju:%ju %jd %jd.%09ld %jd.%09ld\n", program, (uintmax_t)st.st_dev,
		       (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec,
		       st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec, st.st_ctim.tv_nsec);
}

static bool recall(const char *notes, const char *who, struct buf *help)
{
	struct err ignored = ERR_INIT; /* nothing was noted yet */
	size_t len = strlen(who);

	if (file_read(AT_FDCWD, notes, HELP_MAX, help, &ignored) == 0 && help->len > len &&
	    memcmp(help->data, who, len) == 0) {
		buf_eat(help, len);
		return true;
	}
	buf_clear(help);
	return false;
}

void virtiofsd_help(const char *program, const char *notes, struct buf *help)
{
	struct spawn s = { .argv = ARGV((char *)program, "--help") };
	/* Before the program runs: if it is replaced meanwhile, the note does not fit the new
	 * one. */
	AUTO(str) char *who = identity(program);
	AUTO(buf) struct buf text = BUF_INIT(HELP_MAX);
	struct err ignored = ERR_INIT; /* the program runs again the next time */

	if (who && recall(notes, who, help))
		return;
	if (spawn_run(&s, NULL, 0, help, deadline_in(HELP_MS), &ignored) < 0)
		buf_clear(help);
	if (!who || help->len == 0)
		return;
	buf_str(&text, who);
	buf_add(&text, help->data, help->len);
	(void)!file_note(notes, text.data, text.len, 0600, &ignored);
}

void virtiofsd_forget(void)
{
	(void)unlink(NOTES);
}

/* --- start and stop --- */

/* *argv: the command line, strv, heap. */
static int plan(const struct runtime_config *c, const char *dir, char ***argv, struct err *err)
{
	AUTO(buf) struct buf help = BUF_INIT(HELP_MAX);
	enum virtiofsd_kind kind;
	const char *mode;

	virtiofsd_help(c->virtiofsd, NOTES, &help); /* an empty text is not recognized */
	if (virtiofsd_recognize(c->virtiofsd, buf_cstr(&help), c->virtiofs_cache, &kind, &mode,
				err) < 0)
		return err_wrap(err, "%s", c->file);
	*argv = virtiofsd_command(c->virtiofsd, kind, mode, dir, c->virtiofsd_args);
	return 0;
}

int virtiofsd_start(const struct share *s, const char *socket, const char *log,
		    struct child *daemon, struct err *err)
{
	AUTO(fd) int listener = fd_unix_listen(socket, err);
	AUTO(strv) char **argv = NULL;
	struct spawn_fd fds[] = { { listener, 3 }, { -1, 2 } };
	AUTO(fd) int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	const int ns[] = { s->mountns.ns, -1 };
	struct spawn spec = { .fds = fds,
			      .nfds = 2,
			      .ns = ns,
			      .cwd = "/",
			      .new_group = true,
			      .any_processor = true };

	if (listener < 0)
		return -1;
	if (out < 0)
		return err_sys(err, "make %s", log);
	if (plan(s->config, s->dir, &argv, err) < 0)
		return -1;
	fds[1].fd = out;
	spec.argv = argv;
	return spawn_start(&spec, daemon, err);
}

void virtiofsd_stop(struct child *daemon)
{
	if (daemon->pid > 0)
		(void)kill(-daemon->pid, SIGKILL); /* not reaped yet, so the pid is still its */
	spawn_kill(daemon);
}

bool virtiofsd_failed(const struct child *daemon)
{
	int code;

	return spawn_has_ended(daemon, &code) && code != 0;
}
