// SPDX-License-Identifier: Apache-2.0
/*
 * kata-collect-data: makes an archive for a bug report. Lists its contents first, and writes it
 * after confirmation.
 */

#include "archive/pack.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/opt.h"
#include "base/path.h"
#include "base/str.h"
#include "cli/ask.h"
#include "cli/manual.h"
#include "utils/collect/gather.h"
#include "utils/collect/mask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *output, *prefix, *root;
	char **hide;
	bool show, yes, no_logs, version, help;
} o = { .prefix = KATA_PREFIX };

static const struct opt opts[] = {
	OPT_PATH('o', "output", "FILE", &o.output, "default: kata-report-DATE-TIME.tar.gz here"),
	OPT_FLAG('s', "show", &o.show, "print all of it, write nothing"),
	OPT_STRV(0, "hide", "WORD", &o.hide, "mask this word too; may be repeated"),
	OPT_FLAG(0, "no-logs", &o.no_logs, "leave logs out"),
	OPT_PATH(0, "prefix", "DIR", &o.prefix, "of the installation; default: " KATA_PREFIX),
	OPT_PATH(0, "root", "DIR", &o.root, "look at the files below DIR, run nothing"),
	OPT_FLAG('y', "yes", &o.yes, "do not ask; needed without a terminal"),
	OPT_FLAG('v', "version", &o.version, "print the version"),
	OPT_FLAG('h', "help", &o.help, "print this text"),
	OPT_END,
};

#define ABOUT                                                                             \
	"Collects versions, configuration, logs and the state of Kata Containers for a\n" \
	"report about a fault, with secrets masked, and writes it if you agree.\n"

static const struct manual manual = {
	.name = "kata-collect-data",
	.text = "collects what a report about a fault of Kata Containers needs",
	.opts = opts,
	.about = ABOUT "Secrets are found by their names and their form: look at all of it with\n"
		       "--show before it leaves your hands.",
};

static void usage(void)
{
	(void)printf("usage: kata-collect-data [OPTION...]\n" ABOUT "\n");
	opt_help(opts, stdout);
}

/* --- showing --- */

static void list_parts(const struct report *r, FILE *to)
{
	vec_each(struct part, p, &r->parts)
		(void)fprintf(to, "%9zu bytes  %4zu masked  %-34s %s%s%s\n", p->text.len,
			      p->secrets, p->name, p->from, p->problem ? ": " : "",
			      p->problem ? p->problem : "");
}

/* Replaces control characters, which a terminal would obey. */
static void print_text(const struct buf *text)
{
	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->data[i];

		(void)putchar(c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f) ? c : '?');
	}
	if (text->len && text->data[text->len - 1] != '\n')
		(void)putchar('\n');
}

static void show(const struct report *r)
{
	vec_each(struct part, p, &r->parts) {
		(void)printf("==== %s (%s)%s%s\n", p->name, p->from, p->problem ? ": " : "",
			     p->problem ? p->problem : "");
		print_text(&p->text);
	}
}

static size_t total(const struct report *r, bool secrets)
{
	size_t n = 0;

	vec_each(struct part, p, &r->parts)
		n += secrets ? p->secrets : p->text.len;
	return n;
}

/* --- writing --- */

static int add_part(struct pack *pack, const char *top, const char *name, const void *data,
		    size_t len, struct err *err)
{
	AUTO(str) char *path = path_join(top, name);
	struct pack_entry e = { .path = path, .mode = S_IFREG | 0600, .data = data, .len = len };

	return pack_add(pack, &e, err);
}

static int add_index(struct pack *pack, const char *top, const struct report *r, struct err *err)
{
	char *text = NULL;
	size_t len = 0;
	FILE *to = open_memstream(&text, &len);
	int rc;

	if (!to)
		return err_sys(err, "make a stream");
	(void)fprintf(to, "kata-collect-data %s\n", KATA_VERSION);
	list_parts(r, to);
	if (fclose(to) != 0) {
		free(text);
		return err_sys(err, "make the index");
	}
	rc = add_part(pack, top, "index.txt", text, len, err);
	free(text);
	return rc;
}

static int fill(const struct report *r, const char *top, int fd, struct err *err)
{
	AUTO(pack) struct pack *pack = pack_new_tar(PACK_GZIP, 6, time(NULL), fd, err);

	if (!pack || add_index(pack, top, r, err) < 0)
		return -1;
	vec_each(struct part, p, &r->parts) {
		if (add_part(pack, top, p->name, buf_cstr(&p->text), p->text.len, err) < 0)
			return -1;
	}
	return pack_finish(pack, err);
}

/* Writes the archive, readable by its owner only. */
static int write_archive(const struct report *r, const char *path, const char *top, struct err *err)
{
	AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0 && errno == EEXIST)
		return err_set(err, E_EXISTS,
			       "%s exists and is not overwritten; choose another name", path);
	if (fd < 0)
		return err_sys(err, "make %s", path);
	rc = fill(r, top, fd, err);
	if (rc == 0 && close(STEAL(fd, -1)) < 0)
		rc = err_sys(err, "write %s", path);
	if (rc < 0)
		(void)unlink(path);
	return rc < 0 ? err_wrap(err, "%s", path) : 0;
}

static int collect(struct err *err)
{
	AUTO(report) struct report r = REPORT_INIT;
	struct gather_options g = { o.prefix, o.root, o.hide, o.no_logs };
	time_t now = time(NULL);
	struct tm tm;
	char top[64], text[32];

	if (!gmtime_r(&now, &tm) || !strftime(text, sizeof(text), "%Y%m%d-%H%M%S", &tm))
		return err_set(err, E_FAILED, "the clock is out of range; set it");
	(void)!str_print(top, sizeof(top), "kata-report-%s", text);
	AUTO(str) char *path = o.output ? str_fmt("%s", o.output) : str_fmt("%s.tar.gz", top);
	if (geteuid() != 0 && !o.root)
		log_warn("without root some files and logs are not readable");
	gather(&g, &r);
	if (o.show) {
		show(&r);
		return 0;
	}
	list_parts(&r, stdout);
	(void)printf(
		"%zu files, %zu bytes, %zu secrets masked. Secrets are found by their names and "
		"their form:\nlook at all of it with --show, and hide what is left with --hide "
		"WORD.\n",
		r.parts.n, total(&r, false), total(&r, true));
	(void)fflush(stdout);
	AUTO(str) char *question = str_fmt("write %s?", path);
	if (ask_yes(question, o.yes, err) < 0 || write_archive(&r, path, top, err) < 0)
		return -1;
	(void)printf("%s is written; only you can read it\n", path);
	return 0;
}

static int run(int argc, char **argv, struct err *err)
{
	int first = opt_parse(opts, OPT_PLAIN, argc, argv, err);

	if (first < 0)
		return -1;
	if (first + 1 < argc && str_eq(argv[first], "manual"))
		return manual_print(&manual, argv[first + 1], stdout, err);
	if (first < argc)
		return err_set(err, E_USAGE, "'%s' is not expected; --help lists the options",
			       argv[first]);
	if (o.help)
		usage();
	else if (o.version)
		(void)printf("kata-collect-data %s\n", KATA_VERSION);
	else
		return collect(err);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	fd_fill_standard();
	(void)umask(077);
	log_init("kata-collect-data", "collect", LOG_LOGFMT, 2, LOG_WARN);
	(void)!run(argc, argv, &err);
	strv_free(o.hide);
	if (fd_end_output(&err))
		(void)fprintf(stderr, "kata-collect-data: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : EXIT_SUCCESS;
}
