// SPDX-License-Identifier: Apache-2.0
/*
 * mkroot: makes a root image from a file system on the build machine. Needs no privileges and no
 * loop device.
 */
#include "osbuilder/verity.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
	const char *output;
	bool plain, mapped, help;
} o;

static const struct opt opts[] = {
	OPT_PATH('o', "output", "FILE", &o.output,
		 "write the image to FILE, and its root hash to FILE.verity"),
	OPT_FLAG('p', "plain", &o.plain, "no hash tree: the guest does not verify the image"),
	OPT_FLAG('m', "mapped", &o.mapped, "no hash tree, for guests that map an nvdimm (dax)"),
	OPT_FLAG('h', "help", &o.help, "print this text"),
	OPT_END,
};

/* Writes the root hash beside the image, or removes that of an older image. */
static int write_params(const char *path, const struct verity *v, struct err *err)
{
	AUTO(str) char *params = verity_params(v), *line = str_fmt("%s\n", params);

	if (o.plain || o.mapped)
		return unlink(path) < 0 && errno != ENOENT ? err_sys(err, "remove %s", path) : 0;
	return file_replace_volatile(AT_FDCWD, path, line, strlen(line), 0644, err);
}

static int make(const char *filesystem, const char *part, struct err *err)
{
	AUTO(fd) int in = open(filesystem, O_RDONLY | O_CLOEXEC);
	AUTO(fd) int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	AUTO(str) char *beside = str_fmt("%s.verity", o.output);
	enum verity_kind kind = o.mapped ? VERITY_MAPPED : o.plain ? VERITY_PLAIN : VERITY_TREE;
	struct verity v;

	if (in < 0)
		return err_sys(err, "%s", filesystem);
	if (out < 0)
		return err_sys(err, "make %s", part);
	if (verity_make_image(in, filesystem, kind, out, o.output, &v, err) < 0 ||
	    write_params(beside, &v, err) < 0)
		return -1;
	return rename(part, o.output) < 0 ? err_sys(err, "make %s", o.output) : 0;
}

static int run(int argc, char **argv, struct err *err)
{
	int first = opt_parse(opts, OPT_PLAIN, argc, argv, err);
	AUTO(str) char *part = NULL;

	if (first < 0)
		return -1;
	if (o.help) {
		printf("Usage: mkroot [OPTIONS] FILE-SYSTEM\n");
		opt_help(opts, stdout);
		return 0;
	}
	if (!o.output || first + 1 != argc)
		return err_set(err, E_USAGE,
			       "an output file (-o) and one file system are required");
	part = str_fmt("%s.part", o.output);
	if (make(argv[first], part, err) == 0)
		return 0;
	(void)unlink(part);
	return -1;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	fd_fill_standard();
	file_set_umask();
	(void)!run(argc, argv, &err);
	if (fd_end_output(&err))
		fprintf(stderr, "mkroot: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : 0;
}
