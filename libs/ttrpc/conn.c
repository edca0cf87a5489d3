// SPDX-License-Identifier: Apache-2.0
/*
 * Frames over a stream fd. Output is written at once when nothing is queued; what the peer does not
 * accept is queued (bounded) and written when the fd is writable.
 */

#include "ttrpc/conn.h"

#include "base/buf.h"
#include "base/fd.h"
#include "base/mem.h"
#include "ttrpc/sluice.h"
#include "ttrpc/ttrpc.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	READ_CHUNK = 64 * 1024,
	DIRECT_CHUNK = 256 * 1024, /* a long body is read in place, in reads of this size */
	LONG = 64 * 1024,          /* frames from this size on are long */
	PREFIX_MAX = 64,
	QUEUE_MAX = 16 << 20, /* limit of the queue for a peer that does not read */
	/* A larger buffer is freed after use. One for a read of a full pipe is kept: fresh pages
	 * cost more than the memory. */
	KEEP_MAX = 2 << 20,
};

struct conn {
	struct loop *loop;
	const struct conn_ops *ops;
	void *arg;
	unsigned refs; /* atomic */
	struct watch *watch;

	struct ttrpc_decoder decoder; /* input side: loop only */
	struct ttrpc_frame frame;
	struct buf body;
	bool reported; /* broken was called */

	pthread_mutex_t lock; /* guards fd and the output side */
	int fd;
	struct buf out;
	size_t sent; /* bytes of out already written, at most half of it */
	bool flush_posted, failed;
	struct sluice sluice;
};

struct conn *conn_ref(struct conn *c)
{
	(void)__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void conn_unref(struct conn *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL))
		return;
	fd_close(&c->fd);
	sluice_release(&c->sluice);
	buf_release(&c->body);
	buf_release(&c->out);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

static void report(struct conn *c, const struct err *why)
{
	if (c->reported || !c->watch)
		return;
	c->reported = true;
	watch_set(c->watch, 0);
	c->ops->broken(c->arg, why);
}

/* Handles one event of the decoder. Returns 0 to continue, 1 if it needs more bytes, -1 with err if
 * the connection has to end. */
static int step(struct conn *c, const uint8_t **p, size_t *n, struct err *err)
{
	const uint8_t *piece;
	size_t len;
	int result;

	switch (ttrpc_decode(&c->decoder, p, n, &c->frame, &piece, &len)) {
	case TTRPC_MORE:
		return 1;
	case TTRPC_FRAME:
		buf_clear(&c->body);
		if (c->ops->strict && c->frame.len > TTRPC_MESSAGE_MAX)
			return err_set(err, E_PROTOCOL, "frame of %u bytes, limit %d", c->frame.len,
				       TTRPC_MESSAGE_MAX);
		if (c->ops->begun && c->frame.len >= LONG)
			c->ops->begun(c->arg, &c->frame);
		return 0;
	case TTRPC_BODY:
		if (c->frame.len > TTRPC_MESSAGE_MAX)
			return 0;
		if (piece == (const uint8_t *)c->body.data + c->body.len)
			c->body.data[c->body.len += len] = '\0'; /* was read in place */
		else
			buf_add(&c->body, piece, len);
		return 0;
	case TTRPC_END:
		result = c->ops->frame(c->arg, &c->frame,
				       c->frame.len > TTRPC_MESSAGE_MAX
					       ? NULL
					       : (const uint8_t *)buf_cstr(&c->body),
				       err);
		if (c->body.cap > KEEP_MAX)
			buf_release(&c->body);
		return result;
	}
	bug("decoder event");
}

/* The buffer for the next read and its size: chunk, or the body itself if much of it is missing. */
static uint8_t *read_buffer(struct conn *c, uint8_t *chunk, size_t *n)
{
	uint32_t left = c->decoder.have == TTRPC_HEADER ? c->decoder.left : 0;

	*n = READ_CHUNK;
	if (left < LONG || c->frame.len > TTRPC_MESSAGE_MAX)
		return chunk;
	*n = left < DIRECT_CHUNK ? left : DIRECT_CHUNK;
	return (uint8_t *)buf_room(&c->body, *n);
}

static void on_input(struct conn *c)
{
	uint8_t chunk[READ_CHUNK];
	struct err err = ERR_INIT;
	size_t n;
	uint8_t *to = read_buffer(c, chunk, &n);
	const uint8_t *p = to;
	ssize_t got = read(c->fd, to, n);
	int more = 0;

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		if (got < 0 && errno != ECONNRESET)
			err_sys(&err, "read from the peer");
		else
			err_set(&err, E_GONE, "the peer closed the connection");
		report(c, &err);
		return;
	}
	n = (size_t)got;
	while (more == 0 && c->watch)
		more = step(c, &p, &n, &err);
	if (more < 0)
		report(c, &err);
}

/* With the lock held. -1: the connection is dead. */
static int flush_locked(struct conn *c)
{
	while (c->sent < c->out.len && c->fd >= 0) {
		ssize_t n = write(c->fd, c->out.data + c->sent, c->out.len - c->sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return -1;
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	/* A virtio-serial port accepts little at a time, so the rest of the queue is not moved to
	 * the front after each write. */
	if (c->sent > c->out.len / 2) {
		buf_eat(&c->out, c->sent);
		c->sent = 0;
	}
	if (c->out.cap > KEEP_MAX && !c->out.len)
		buf_release(&c->out);
	return 0;
}

static void on_output(struct conn *c)
{
	struct err err = ERR_INIT;
	bool failed, empty;

	(void)pthread_mutex_lock(&c->lock);
	failed = c->failed || flush_locked(c) < 0;
	empty = c->out.len == 0;
	(void)pthread_mutex_unlock(&c->lock);
	if (failed) {
		err_set(&err, E_GONE, "the peer does not read what is sent to it");
		report(c, &err);
	} else if (!c->reported) {
		watch_set(c->watch, empty ? EPOLLIN : EPOLLIN | EPOLLOUT);
	}
}

static void on_event(void *arg, uint32_t events)
{
	struct conn *c = conn_ref(arg);

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		on_input(c);
	if ((events & EPOLLOUT) && c->watch && !c->reported)
		on_output(c);
	conn_unref(c);
}

/* A sender could not write everything: wait for the fd on the loop. */
static void on_posted(void *arg)
{
	struct conn *c = arg;

	(void)pthread_mutex_lock(&c->lock);
	c->flush_posted = false;
	(void)pthread_mutex_unlock(&c->lock);
	if (c->watch && !c->reported)
		on_output(c);
	conn_unref(c);
}

/* vsock sends a packet for each spliced page, so copying is cheaper. */
static bool is_vsock(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_VSOCK;
}

struct conn *conn_new(struct loop *loop, int fd, const struct conn_ops *ops, void *arg)
{
	struct conn *c = NEW(struct conn);
	struct err err = ERR_INIT;

	if (fd_nonblock(fd, true, &err) < 0)
		bug("%s", err.msg);
	c->loop = loop;
	c->ops = ops;
	c->arg = arg;
	c->refs = 1;
	c->fd = fd;
	c->sluice = (struct sluice)SLUICE_INIT;
	c->sluice.useless = is_vsock(fd);
	c->body.max = TTRPC_MESSAGE_MAX;
	c->out.max = QUEUE_MAX;
	(void)pthread_mutex_init(&c->lock, NULL);
	c->watch = loop_watch(loop, fd, EPOLLIN, on_event, c);
	return c;
}

int conn_close(struct conn *c)
{
	int fd;

	watch_remove(c->watch);
	c->watch = NULL;
	(void)pthread_mutex_lock(&c->lock);
	fd = STEAL(c->fd, -1);
	(void)pthread_mutex_unlock(&c->lock);
	return fd;
}

void conn_shutdown(struct conn *c)
{
	(void)pthread_mutex_lock(&c->lock);
	if (c->fd >= 0)
		(void)shutdown(c->fd, SHUT_RDWR);
	(void)pthread_mutex_unlock(&c->lock);
}

/* With the lock held: writes the queue as far as the peer accepts it. */
static void push_locked(struct conn *c, bool idle)
{
	if (idle && flush_locked(c) < 0)
		c->failed = true;
	if ((c->out.len || c->failed) && !c->flush_posted) {
		c->flush_posted = true;
		loop_post(c->loop, on_posted, conn_ref(c));
	}
}

/* With the lock held: appends header and body to the queue. */
static int send_locked(struct conn *c, const struct ttrpc_frame *f, const ProtobufCMessage *message,
		       struct err *err)
{
	bool idle = c->out.len == 0;
	uint8_t *room;

	if (c->fd < 0 || c->failed)
		return err_set(err, E_GONE, "the connection is closed");
	room = (uint8_t *)buf_room(&c->out, TTRPC_HEADER + f->len);
	if (!room)
		return err_set(err, E_LIMIT, "the peer has not read %zu bytes", c->out.len);
	ttrpc_encode_header(f, room);
	(void)protobuf_c_message_pack(message, room + TTRPC_HEADER);
	c->out.len += TTRPC_HEADER + f->len;
	push_locked(c, idle);
	return 0;
}

int conn_send(struct conn *c, uint32_t stream, enum ttrpc_type type,
	      const ProtobufCMessage *message, struct err *err)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	struct ttrpc_frame f = { (uint32_t)len, stream, (uint8_t)type, 0 };
	int result;

	if (len > TTRPC_MESSAGE_MAX)
		return err_set(err, E_LIMIT, "message of %zu bytes, limit %d", len,
			       TTRPC_MESSAGE_MAX);
	(void)pthread_mutex_lock(&c->lock);
	result = send_locked(c, &f, message, err);
	(void)pthread_mutex_unlock(&c->lock);
	return result;
}

/* With the lock held: moves len bytes from our own pipe fd to the queue. */
static void queue_locked(struct conn *c, int fd, size_t len)
{
	while (len && !c->failed) {
		ssize_t n = read(fd, buf_room(&c->out, len), len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			c->failed = true; /* the frame is incomplete */
			return;
		}
		c->out.len += (size_t)n;
		len -= (size_t)n;
	}
}

/* With the lock held, nothing queued, len bytes in the sluice. What the peer does not accept at
 * once is read into the queue. */
static void send_taken_locked(struct conn *c, struct ttrpc_frame *f,
			      const struct conn_prefix *prefix, size_t len)
{
	uint8_t head[TTRPC_HEADER + PREFIX_MAX];
	size_t held, left;

	f->len = (uint32_t)(prefix->len + len);
	ttrpc_encode_header(f, head);
	prefix->make(head + TTRPC_HEADER, len);
	if (sluice_send(&c->sluice, head, TTRPC_HEADER + prefix->len, len, c->fd, &held, &left) < 0)
		c->failed = true;
	queue_locked(c, c->sluice.leaving[0], held);
	queue_locked(c, c->sluice.taken[0], left);
	push_locked(c, false);
}

/* Reads until fd has no more data now: a terminal returns at most a page per read. A socket is read
 * once: the kernel reports a reset to one call only, so one that fails behind data would make the
 * next one see an end. */
static ssize_t read_available(int fd, uint8_t *to, size_t max)
{
	ssize_t n = recv(fd, to, max, 0);
	size_t done = 0;

	if (n >= 0 || errno != ENOTSOCK)
		return n;
	do {
		n = read(fd, to + done, max - done);
		done += n > 0 ? (size_t)n : 0;
	} while (n > 0 && done < max);
	return done ? (ssize_t)done : n;
}

static ssize_t send_read_locked(struct conn *c, struct ttrpc_frame *f,
				const struct conn_prefix *prefix, int fd, size_t max)
{
	size_t head = TTRPC_HEADER + prefix->len;
	bool idle = c->out.len == 0;
	size_t taken;
	uint8_t *room;
	ssize_t n;

	if (c->fd < 0 || c->failed) {
		errno = EPIPE;
		return -1;
	}
	taken = idle && prefix->len <= PREFIX_MAX ? sluice_take(&c->sluice, fd, max) : 0;
	if (taken) {
		send_taken_locked(c, f, prefix, taken);
		return (ssize_t)taken;
	}
	room = (uint8_t *)buf_room(&c->out, head + max);
	if (!room) {
		errno = ENOBUFS;
		return -1;
	}
	n = read_available(fd, room + head, max);
	if (n <= 0)
		return n;
	f->len = (uint32_t)(prefix->len + (size_t)n);
	ttrpc_encode_header(f, room);
	prefix->make(room + TTRPC_HEADER, (size_t)n);
	c->out.len += head + (size_t)n;
	push_locked(c, idle);
	return n;
}

ssize_t conn_send_read(struct conn *c, uint32_t stream, enum ttrpc_type type,
		       const struct conn_prefix *prefix, int fd, size_t max)
{
	struct ttrpc_frame f = { 0, stream, (uint8_t)type, 0 };
	ssize_t n;
	int why;

	if (max > TTRPC_MESSAGE_MAX - prefix->len)
		max = TTRPC_MESSAGE_MAX - prefix->len;
	(void)pthread_mutex_lock(&c->lock);
	n = send_read_locked(c, &f, prefix, fd, max);
	why = errno;
	(void)pthread_mutex_unlock(&c->lock);
	errno = why;
	return n;
}
