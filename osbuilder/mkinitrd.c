// SPDX-License-Identifier: Apache-2.0
/*
 * mkinitrd: packs the guest's initial RAM disk on the build machine. Needs no privileges.
 */
#include "osbuilder/initrd.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/opt.h"
#include "base/str.h"

#include <fcntl.h>
#include <stdio.h>

enum {
	INITRD_MAX = 256 << 20,
	/* Up to this size compression saves less time than an emulated processor needs to
	 * decompress. */
	FIT = 4 << 20,
};

static struct {
	const char *output;
	const char *compress;
	char **vars;
	bool help;
} o = { .compress = "fit" };

static const struct opt opts[] = {
	OPT_PATH('o', "output", "FILE", &o.output, "write the initrd to FILE"),
	OPT_STR('z', "compress", "HOW", &o.compress,
		"none, gzip, zstd or fit (default): none up to 4 MiB, zstd above"),
	OPT_STRV('D', "define", "NAME=VALUE", &o.vars, "the value of $NAME in manifests"),
	OPT_FLAG('h', "help", &o.help, "print this text"),
	OPT_END,
};

static int build(char *const *manifests, struct initrd_options *options, struct buf *out,
		 struct err *err)
{
	bool fit = str_eq(o.compress, "fit");

	if (!fit && pack_filter_parse(o.compress, &options->filter, err) < 0)
		return -1;
	if (fit)
		options->filter = PACK_PLAIN;
	if (initrd_build(manifests, options, out, err) < 0)
		return -1;
	if (!fit || out->len <= FIT)
		return 0;
	options->filter = PACK_ZSTD;
	buf_clear(out);
	return initrd_build(manifests, options, out, err);
}

static int run(int argc, char **argv, struct err *err)
{
	AUTO(buf) struct buf out = BUF_INIT(INITRD_MAX);
	struct initrd_options options = { 0 };
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	int first = opt_parse(opts, OPT_PLAIN, argc, argv, err);
	uint64_t mtime = 0;

	if (first < 0)
		return -1;
	if (o.help) {
		printf("Usage: mkinitrd [OPTIONS] MANIFEST...\n");
		opt_help(opts, stdout);
		return 0;
	}
	if (!o.output || first == argc)
		return err_set(err, E_USAGE, "an output file (-o) and a manifest are required");
	/* A cpio archive has 32 bits for a time. */
	if (epoch && str_u64(epoch, 10, 0, UINT32_MAX, "SOURCE_DATE_EPOCH", &mtime, err) < 0)
		return -1;
	options.vars = o.vars;
	options.mtime = (time_t)mtime;
	if (build(argv + first, &options, &out, err) < 0)
		return -1;
	return file_replace_volatile(AT_FDCWD, o.output, out.data, out.len, 0644, err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;

	fd_fill_standard();
	(void)!run(argc, argv, &err);
	strv_free(o.vars);
	if (fd_end_output(&err))
		fprintf(stderr, "mkinitrd: %s\n", err.msg);
	return err.code ? err_exit_status(err.code) : 0;
}
