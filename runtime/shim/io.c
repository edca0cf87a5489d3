// SPDX-License-Identifier: Apache-2.0
/*
 * Standard streams between the manager's pipes and the agent, all on the loop: output is requested
 * from the agent while there is room for it; input is read after the agent has accepted the
 * previous piece. FIFOs are held open at both ends, so that a restart of the manager does not end a
 * stream.
 */

#include "shim/shim.h"
#include "shim/uri.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/spawn.h"
#include "base/str.h"
#include "protocols/agent.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	CHUNK = 256 * 1024,
	OUT_CHUNK = 1 << 20,
	BUFFER = 1 << 20,                   /* no request while more than this is queued */
	QUEUE_MAX = BUFFER + 2 * OUT_CHUNK, /* plus the answers of earlier requests */
	READY_MS = 10000,
	LOGGER_MS = 12000
};

/* Waiting for readers after the end of a process; see io_settle. */
enum { TICK_MS = 2, QUIET_MS = 50, STALLED_MS = 2000, SETTLE_MS = 5000 };

struct output {
	struct io *io;
	const char *method;
	int fd; /* -1: read and thrown away */
	bool pollable, grown;
	bool fifo; /* open for reading too */
	struct watch *watch;
	struct buf queue; /* output not yet read by the manager */
	bool asking, ended;
	bool arriving; /* an answer has begun to arrive; the next was requested if there was room */
};

struct input {
	struct io *io;
	int fd, hold; /* hold: our own writer of the FIFO, so that it does not end before CloseIO */
	bool close_asked; /* loop: CloseIO came before the start */
	struct watch *watch;
	uint8_t *data;
	size_t len, done;
	bool closed;  /* CloseStdin was sent to the agent */
	bool discard; /* the process has closed its input, the manager still writes */
};

struct io {
	struct process *process;
	unsigned refs; /* loop: one for each pending request, one for the owner */
	struct output out, err;
	struct input in;
	struct child logger;
	bool stopped;         /* loop */
	bool detached;        /* loop: the agent is gone */
	size_t moved;         /* loop: number of answers, for io_settle */
	pthread_mutex_t lock; /* guards done */
	pthread_cond_t changed;
	bool done; /* both outputs are delivered */
};

/* --- opening --- */

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
		return err_set(err, E_INVALID,
			       "output '%s': schemes are fifo://, file:// and binary://", text);
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

/* The logging program reads our output from fds 3 and 4 and reports on fd 5 that it is ready. */
static int start_logger(struct io *io, const char *uri, struct err *err)
{
	AUTO(strv) char **argv = logger_arguments(uri, err);
	AUTO(strv) char **env = strv_dup(environ);
	int out[2] = { -1, -1 }, errs[2] = { -1, -1 }, ready[2] = { -1, -1 }, result = -1;
	struct pollfd wait = { .events = POLLIN };

	if (!argv)
		return -1;
	strv_env_set(&env, "CONTAINER_ID", io->process->container->id);
	strv_env_set(&env, "CONTAINER_NAMESPACE", io->process->shim->inv->namespace);
	if (fd_pipe(out, err) < 0 || fd_pipe(errs, err) < 0 || fd_pipe(ready, err) < 0)
		goto out;
	struct spawn_fd fds[] = { { out[0], 3 }, { errs[0], 4 }, { ready[1], 5 } };
	struct spawn s = { .argv = argv, .env = env, .fds = fds, .nfds = 3 };
	if (spawn_start(&s, &io->logger, err) < 0)
		goto out;
	fd_close(&ready[1]);
	wait.fd = ready[0];
	if (poll(&wait, 1, READY_MS) == 0) {
		err_set(err, E_TIMEOUT, "logging program %s did not become ready", argv[0]);
		goto out;
	}
	if (fd_nonblock(out[1], true, err) < 0 || fd_nonblock(errs[1], true, err) < 0)
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

static void io_free(struct io *io)
{
	fd_close(&io->out.fd);
	fd_close(&io->err.fd);
	fd_close(&io->in.fd);
	fd_close(&io->in.hold);
	buf_release(&io->out.queue);
	buf_release(&io->err.queue);
	free(io->in.data);
	(void)pthread_mutex_destroy(&io->lock);
	(void)pthread_cond_destroy(&io->changed);
	free(io);
}

int io_open(struct process *p, struct io **out, struct err *err)
{
	struct io *io = NEW(struct io);

	io->process = p;
	io->refs = 1;
	io->logger = CHILD_NONE;
	io->out = (struct output){ io, "ReadStdout", -1, .queue = BUF_INIT(QUEUE_MAX) };
	io->err = (struct output){ io, "ReadStderr", -1, .queue = BUF_INIT(QUEUE_MAX) };
	io->in = (struct input){ .io = io, .fd = -1, .hold = -1 };
	io->err.ended = p->terminal;
	(void)pthread_mutex_init(&io->lock, NULL);
	cond_init(&io->changed);
	if (open_input(p->in, &io->in, err) == 0 &&
	    (p->out && str_starts(p->out, "binary://")
		     ? start_logger(io, p->out, err) == 0
		     : open_output(p->out, &io->out, err) == 0 &&
			       (p->terminal || open_output(p->err, &io->err, err) == 0))) {
		*out = io;
		return 0;
	}
	spawn_kill(&io->logger);
	io_free(io);
	return -1;
}

/* --- output --- */

static void unref(struct io *io)
{
	if (--io->refs == 0)
		io_free(io);
}

static struct ttrpc_client *agent(const struct io *io)
{
	return io->process->shim->sandbox->vm->client;
}

static void check_done(struct io *io)
{
	if (!io->out.ended || io->out.queue.len || !io->err.ended || io->err.queue.len)
		return;
	(void)pthread_mutex_lock(&io->lock);
	io->done = true;
	(void)pthread_cond_broadcast(&io->changed);
	(void)pthread_mutex_unlock(&io->lock);
}

static void ask(struct output *o);

static void finish_output(struct output *o)
{
	watch_remove(o->watch);
	o->watch = NULL;
	buf_clear(&o->queue);
	fd_close(&o->fd);
}

static void on_writable(void *arg, uint32_t events);

/* Enlarges the pipe, so that the reader wakes less often. True, once, if there is more room now. */
static bool grow_pipe(struct output *o)
{
	if (o->grown)
		return false;
	o->grown = true;
	return fcntl(o->fd, F_SETPIPE_SZ, OUT_CHUNK) > 0;
}

static void drop_output(struct output *o)
{
	log_warn("cannot write output, dropping it from here on", LOG_S("stream", o->method),
		 LOG_I("errno", errno));
	finish_output(o);
}

/* Writes what the manager accepts now and returns how much. If it is gone, o's fd is closed. */
static size_t put(struct output *o, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len && o->fd >= 0) {
		ssize_t n = write(o->fd, (const char *)data + done, len - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno == EAGAIN && !grow_pipe(o))
			break;
		else if (errno != EINTR && errno != EAGAIN)
			drop_output(o);
	}
	return done;
}

/* Writes queued output as far as the manager accepts it. */
static void flush(struct output *o)
{
	size_t done = put(o, o->queue.data, o->queue.len);

	if (o->fd < 0)
		buf_clear(&o->queue);
	else
		buf_eat(&o->queue, done);
	if (o->queue.len) {
		if (!o->watch)
			o->watch = loop_watch(o->io->process->shim->loop, o->fd, EPOLLOUT,
					      on_writable, o);
		return;
	}
	watch_remove(o->watch);
	o->watch = NULL;
	if (o->ended)
		finish_output(o);
}

static void on_writable(void *arg, uint32_t events)
{
	struct output *o = arg;

	(void)events;
	flush(o);
	ask(o);
	check_done(o->io);
}

/* What is not accepted at once is appended to the queue. */
static void deliver(struct output *o, const uint8_t *data, size_t len)
{
	size_t done = o->queue.len ? 0 : put(o, data, len);

	if (o->fd >= 0 && done < len)
		buf_add(&o->queue, data + done, len - done);
}

/* The agent has finished the request: ask for the next piece while this answer is in transit. */
static void on_begun(void *arg)
{
	struct output *o = arg;

	if (o->io->stopped || o->arriving)
		return;
	o->arriving = true;
	o->asking = false;
	ask(o);
}

static void on_output(void *arg, const uint8_t *data, size_t len, const struct err *err)
{
	struct output *o = arg;

	if (o->arriving)
		o->arriving = false;
	else
		o->asking = false;
	if (o->io->stopped) {
		unref(o->io);
		return;
	}
	o->io->moved++;
	/* If there is room, request the next piece before this one is written. */
	if (err)
		o->ended = true; /* end of the stream or of the sandbox */
	else
		ask(o);
	deliver(o, data, len);
	flush(o);
	ask(o);
	check_done(o->io);
	unref(o->io);
}

static void ask(struct output *o)
{
	static const struct ttrpc_reader reader = { on_begun, on_output };
	Grpc__ReadStreamRequest request = GRPC__READ_STREAM_REQUEST__INIT;
	struct process *p = o->io->process;

	if (o->asking || o->ended || o->io->stopped || o->queue.len > BUFFER)
		return;
	o->asking = true;
	o->io->refs++;
	request.container_id = p->container->id;
	request.exec_id = p->exec_id;
	request.len = OUT_CHUNK;
	ttrpc_read_async(agent(o->io), "grpc.AgentService", o->method, &request, &reader, o);
}

/* --- settling --- */

struct settle {
	struct io *io;
	struct watch *timer;
	loop_fn done;
	void *arg;
	size_t moved, left; /* as of the last change */
	struct deadline quiet, stalled, end;
};

static size_t not_taken(const struct output *o)
{
	int unread = 0;

	if (o->fd >= 0 && o->pollable && ioctl(o->fd, FIONREAD, &unread) < 0)
		unread = 0; /* not supported, e.g. by a socket of a logging program */
	return o->queue.len + (size_t)unread;
}

/* All output of the process was read. If other processes still hold the output open, there is no
 * end of file to wait for; then it counts as settled when nothing more arrives. */
static bool taken(const struct output *o, bool quiet)
{
	return (o->ended || quiet) && !not_taken(o);
}

static bool settled(struct settle *s)
{
	struct io *io = s->io;
	size_t left = not_taken(&io->out) + not_taken(&io->err);
	bool quiet;

	if (left != s->left || io->moved != s->moved) {
		s->left = left;
		s->moved = io->moved;
		s->quiet = deadline_in(QUIET_MS);
		s->stalled = deadline_in(STALLED_MS);
	}
	quiet = deadline_passed(s->quiet);
	return io->stopped || (taken(&io->out, quiet) && taken(&io->err, quiet)) ||
	       deadline_passed(s->stalled) || deadline_passed(s->end);
}

static void on_settle_tick(void *arg)
{
	struct settle *s = arg;

	if (!settled(s))
		return;
	watch_remove(s->timer);
	s->done(s->arg);
	unref(s->io);
	free(s);
}

void io_settle(struct io *io, loop_fn done, void *arg)
{
	struct settle *s;

	if (!io || io->stopped || (taken(&io->out, false) && taken(&io->err, false))) {
		done(arg);
		return;
	}
	s = NEW(struct settle);
	io->refs++;
	*s = (struct settle){ .io = io,
			      .done = done,
			      .arg = arg,
			      .moved = io->moved,
			      .left = not_taken(&io->out) + not_taken(&io->err),
			      .quiet = deadline_in(QUIET_MS),
			      .stalled = deadline_in(STALLED_MS),
			      .end = deadline_in(SETTLE_MS) };
	/* There is no event for a pipe that becomes empty. */
	s->timer = loop_timer(io->process->shim->loop, TICK_MS, true, on_settle_tick, s);
}

/* --- input --- */

static void send_input(struct input *in);

static void on_closed(void *arg, const void *reply, const struct err *err)
{
	(void)reply;
	(void)err; /* the process may be gone, and its input with it */
	unref(arg);
}

static void close_input(struct input *in)
{
	watch_remove(STEAL(in->watch, NULL));
	fd_close(&in->fd);
	fd_close(&in->hold);
}

static void end_input(struct input *in)
{
	Grpc__CloseStdinRequest request = GRPC__CLOSE_STDIN_REQUEST__INIT;
	struct process *p = in->io->process;

	close_input(in);
	if (in->closed || in->discard || in->io->stopped || in->io->detached)
		return;
	in->closed = true;
	in->io->refs++;
	request.container_id = p->container->id;
	request.exec_id = p->exec_id;
	(void)ttrpc_call_async(agent(in->io), "grpc.AgentService", "CloseStdin", &request, NULL,
			       DEADLINE_NEVER, on_closed, in->io);
}

static void on_sent(void *arg, const void *reply, const struct err *err)
{
	struct input *in = arg;
	const Grpc__WriteStreamResponse *r = reply;
	struct io *io = in->io;

	if (!io->stopped && err) {
		/* A broken pipe would look like a failure to the manager. */
		in->discard = true;
		if (in->watch)
			watch_set(in->watch, EPOLLIN);
	} else if (!io->stopped) {
		in->done += r->len < in->len - in->done ? r->len : in->len - in->done;
		if (in->done < in->len)
			send_input(in);
		else if (in->watch)
			watch_set(in->watch, EPOLLIN);
	}
	unref(io);
}

static void send_input(struct input *in)
{
	Grpc__WriteStreamRequest request = GRPC__WRITE_STREAM_REQUEST__INIT;
	struct process *p = in->io->process;

	in->io->refs++;
	request.container_id = p->container->id;
	request.exec_id = p->exec_id;
	request.data.data = in->data + in->done;
	request.data.len = in->len - in->done;
	(void)ttrpc_call_async(agent(in->io), "grpc.AgentService", "WriteStdin", &request,
			       &grpc__write_stream_response__descriptor, DEADLINE_NEVER, on_sent,
			       in);
}

static void on_input(void *arg, uint32_t events)
{
	struct input *in = arg;
	ssize_t n;

	(void)events;
	if (!in->data)
		in->data = xmalloc(CHUNK);
	n = read(in->fd, in->data, CHUNK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_input(in);
		return;
	}
	if (in->discard)
		return;
	in->len = (size_t)n;
	in->done = 0;
	watch_set(in->watch, 0);
	send_input(in);
}

/* --- start and end --- */

/*
 * If the writer has already closed the FIFO before the start (POLLHUP), that is the end of the
 * input. Otherwise the FIFO is held open until CloseIO, also while the manager restarts.
 */
static void hold_input(struct input *in)
{
	struct pollfd state = { .fd = in->fd, .events = POLLIN };

	if (in->close_asked || (poll(&state, 1, 0) > 0 && (state.revents & POLLHUP)))
		return;
	in->hold = open(path_of_fd(in->fd).path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (in->hold < 0)
		log_warn("standard input will end with its writer", LOG_I("errno", errno));
}

/* A process without input reads end of file at once; a terminal has no end of file. */
static void start_input(struct input *in)
{
	const struct process *p = in->io->process;

	if (in->fd >= 0) {
		hold_input(in);
		in->watch = loop_watch(p->shim->loop, in->fd, EPOLLIN, on_input, in);
	} else if (!p->terminal) {
		end_input(in);
	}
}

void io_start(struct io *io)
{
	start_input(&io->in);
	ask(&io->out);
	ask(&io->err);
}

static void detach_output(struct output *o)
{
	o->ended = true;
	flush(o);
}

void io_detach(struct io *io)
{
	if (!io || io->detached || io->stopped)
		return;
	io->detached = io->in.discard = true;
	if (io->in.watch)
		watch_set(io->in.watch, EPOLLIN);
	detach_output(&io->out);
	detach_output(&io->err);
	check_done(io);
}

/* Without our writer the FIFO reports end of file when the manager's writer is closed. */
void io_close_stdin(struct io *io)
{
	if (!io)
		return;
	fd_close(&io->in.hold);
	io->in.close_asked = true;
}

struct stop_request {
	struct io *io;
	struct child logger;
};

static void stop_on_loop(void *arg)
{
	struct stop_request *r = arg;
	struct io *io = r->io;

	io->stopped = true;
	r->logger = io->logger;
	finish_output(&io->out);
	finish_output(&io->err);
	close_input(&io->in);
	unref(io);
}

static void await_done(struct io *io, struct deadline deadline)
{
	(void)pthread_mutex_lock(&io->lock);
	while (!io->done && cond_wait_until(&io->changed, &io->lock, deadline))
		;
	(void)pthread_mutex_unlock(&io->lock);
}

/* Closes our own reading end: from here on, writing to a FIFO without a reader fails instead of
 * waiting. */
static void give_up_reading(struct output *o)
{
	AUTO(str) char *path = str_fmt("/proc/self/fd/%d", o->fd);
	AUTO(fd)
	int writer = !o->fifo || o->fd < 0 ? -1 : open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	if (writer < 0)
		return;
	watch_remove(STEAL(o->watch, NULL));
	fd_close(&o->fd);
	o->fd = STEAL(writer, -1);
	o->fifo = false;
	flush(o);
}

static void finish_on_loop(void *arg)
{
	struct io *io = arg;

	if (!io->stopped) {
		give_up_reading(&io->out);
		give_up_reading(&io->err);
		check_done(io);
	}
}

void io_finish(struct io *io, struct deadline deadline)
{
	struct stop_request r = { .io = io };
	struct err ignored = ERR_INIT;
	int code;

	if (!io)
		return;
	loop_call(io->process->shim->loop, finish_on_loop, io);
	await_done(io, deadline);
	loop_call(io->process->shim->loop, stop_on_loop, &r);
	/* The pipes are closed, so the logging program exits; if not, it is killed. */
	if (r.logger.pid > 0 && spawn_wait(&r.logger, deadline_in(LOGGER_MS), &code, &ignored) < 0)
		spawn_kill(&r.logger);
}
