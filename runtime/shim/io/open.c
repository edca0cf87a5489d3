// SPDX-License-Identifier: Apache-2.0
/* Opening what the manager has named: FIFOs, files, or a program that reads the output. */

#include "shim/io/io-internal.h"
#include "shim/io/uri.h"

#include "base/fd.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define STRICT_LOGGER "binary-v2://"

enum { READY_MS = 10000 };

static int open_fifo_out(const char *path, struct err *err)
{
	/* Opens both ends: never blocks, and survives a temporary absence of the reader. */
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? err_sys(err, "open %s", path) : fd;
}

static int open_file_out(const char *path, struct err *err)
{
	AUTO(str) char *dir = xstrndup(path, (size_t)(path_basename(path) - path));
	int fd;

	if (path_make(dir, 0755, err) < 0)
		return -1;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return fd < 0 ? err_sys(err, "open %s", path) : fd;
}

static int open_output(const char *text, struct output *o, struct err *err)
{
	AUTO(uri) struct uri uri = URI_INIT;
	struct stat st;

	if (str_empty(text))
		return 0;
	if (uri_parse(text, &uri, err) < 0)
		return -1;
	if (str_eq(uri.scheme, "file"))
		o->fd = open_file_out(uri.path, err);
	else if (str_eq(uri.scheme, "fifo"))
		o->fd = open_fifo_out(uri.path, err);
	else
		return err_set(
			err, E_INVALID,
			"output '%s': schemes are fifo://, file://, binary:// and binary-v2://",
			text);
	if (o->fd < 0)
		return -1;
	o->pollable = fstat(o->fd, &st) == 0 && !S_ISREG(st.st_mode);
	o->fifo = o->pollable && S_ISFIFO(st.st_mode);
	return 0;
}

static int open_input(const char *text, struct input *in, struct err *err)
{
	AUTO(uri) struct uri uri = URI_INIT;

	if (str_empty(text))
		return 0;
	if (uri_parse(text, &uri, err) < 0)
		return -1;
	if (!str_eq(uri.scheme, "fifo"))
		return err_set(err, E_INVALID, "input '%s': the scheme is fifo://", text);
	in->fd = open(uri.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return in->fd < 0 ? err_sys(err, "open %s", uri.path) : 0;
}

/* binary:///path?key=value&...: the arguments are alternating keys and values. */
static char **logger_arguments(const char *text, struct err *err)
{
	AUTO(uri) struct uri uri = URI_INIT;
	char **argv = NULL;

	if (uri_parse(text, &uri, err) < 0)
		return NULL;
	strv_push(&argv, uri.path);
	strv_each(p, uri.query)
		strv_push(&argv, *p);
	return argv;
}

/* Waits for the end of file, or a byte. strict: only the byte counts, as a program that has failed
 * causes the end of file too. */
static int await_logger(int fd, bool strict, const char *program, struct err *err)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char byte;

	if (poll(&wait, 1, READY_MS) == 0)
		return err_set(err, E_TIMEOUT, "logging program %s did not become ready", program);
	if (strict && read(fd, &byte, 1) != 1)
		return err_set(err, E_FAILED, "logging program %s ended before it was ready",
			       program);
	return 0;
}

/* The logging program reads our output from fds 3 and 4 and reports on fd 5 that it is ready. */
static int start_logger(struct io *io, const char *uri, struct err *err)
{
	AUTO(strv) char **argv = logger_arguments(uri, err);
	AUTO(strv) char **env = strv_dup(environ);
	int out[2] = { -1, -1 }, errs[2] = { -1, -1 }, ready[2] = { -1, -1 }, result = -1;

	if (!argv)
		return -1;
	strv_env_set(&env, "CONTAINER_ID", io->container);
	strv_env_set(&env, "CONTAINER_NAMESPACE", io->namespace);
	if (fd_pipe(out, err) < 0 || fd_pipe(errs, err) < 0 || fd_pipe(ready, err) < 0)
		goto out;
	struct spawn_fd fds[] = { { out[0], 3 }, { errs[0], 4 }, { ready[1], 5 } };
	struct spawn s = { .argv = argv, .env = env, .fds = fds, .nfds = 3 };
	if (spawn_start(&s, &io->logger, err) < 0)
		goto out;
	fd_close(&ready[1]);
	if (await_logger(ready[0], str_starts(uri, STRICT_LOGGER), argv[0], err) < 0 ||
	    fd_nonblock(out[1], true, err) < 0 || fd_nonblock(errs[1], true, err) < 0)
		goto out;
	io->out.fd = STEAL(out[1], -1);
	io->err.fd = STEAL(errs[1], -1);
	io->out.pollable = io->err.pollable = true;
	result = 0;
out:
	for (int i = 0; i < 2; i++) {
		fd_close(&out[i]);
		fd_close(&errs[i]);
		fd_close(&ready[i]);
	}
	return result;
}

int io_open_streams(struct io *io, const struct io_request *r, struct err *err)
{
	if (open_input(r->in, &io->in, err) < 0)
		return -1;
	if (r->out && (str_starts(r->out, "binary://") || str_starts(r->out, STRICT_LOGGER)))
		return start_logger(io, r->out, err);
	if (open_output(r->out, &io->out, err) < 0)
		return -1;
	return r->terminal ? 0 : open_output(r->err, &io->err, err);
}
