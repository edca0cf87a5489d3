// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * ttRPC, containerd's small RPC protocol: client and server of unary calls on one stream socket.
 *
 * Wire: a 10-byte header (u32 BE length, u32 BE stream id, u8 type, u8 flags) and a protobuf body
 * of at most 4 MiB. See docs/protocol/ttrpc.md. The codec (codec.h) does no I/O.
 *
 * Messages are protobuf-c structs. Messages passed to callbacks are freed by this library, except
 * where noted; messages passed in stay owned by the caller.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "loop/loop.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { TTRPC_MESSAGE_MAX = 4 << 20 };

/* --- server --- */

struct ttrpc_server;
struct ttrpc_call;

/*
 * One method. The request is valid until the call is answered; every call is answered exactly once,
 * by ttrpc_reply or ttrpc_fail, from any thread, at any time, also after its connection is gone.
 *
 *  TTRPC_FLOW	runs on a thread of its own and may block: requests that take steps
 *  TTRPC_EVENT	runs on the loop and must not block; it may keep the call and answer it later:
 *		requests that only wait
 */
enum ttrpc_kind { TTRPC_FLOW, TTRPC_EVENT };

struct ttrpc_method {
	const char *name; /* "CreateContainer" */
	enum ttrpc_kind kind;
	const ProtobufCMessageDescriptor *request;
	void (*handle)(struct ttrpc_call *call, const void *request, void *arg);
};

struct ttrpc_service {
	const char *name;                   /* "grpc.AgentService" */
	const struct ttrpc_method *methods; /* ends with a NULL name */
	void *arg;
	/* Called before the method, on the loop; may reject the request. NULL: all are allowed. */
	int (*allow)(void *arg, const struct ttrpc_method *method, struct err *err);
};

/* services ends with a NULL name and lives as long as the server. */
struct ttrpc_server *ttrpc_server_new(struct loop *loop, const struct ttrpc_service *services);
/* Closes connections and listeners and waits for running flows. Their calls, and those kept by
 * event methods, must still be answered (nothing is sent). On the loop's thread or after it
 * ended. */
void ttrpc_server_free(struct ttrpc_server *server);

/* Accepts connections of a listening socket, which it takes ownership of. */
void ttrpc_server_listen(struct ttrpc_server *server, int listener);
/* Serves one connected stream (a socket, a virtio-serial port), which it takes ownership of.
 * on_close is called on the loop when the peer is gone or violated the protocol (see why), before
 * fd is closed; it takes ownership of fd by returning true (to serve a port again). */
typedef bool (*ttrpc_close_fn)(void *arg, int fd, const struct err *why);
void ttrpc_server_serve(struct ttrpc_server *server, int fd, ttrpc_close_fn on_close, void *arg);
/* Number of unanswered calls. */
unsigned ttrpc_server_busy(const struct ttrpc_server *server);

void ttrpc_reply(struct ttrpc_call *call, const void *message);
/* Answers with a message whose only field is number 1 of type bytes: what can be read from the
 * non-blocking fd now, at most max bytes, without an intermediate copy; a full pipe is spliced.
 * Returns the number of bytes. If it is 0 or -1 the call is not answered yet: it is the result of
 * read(2), and errno is that of read, EPIPE (the caller has disconnected) or ENOBUFS (the caller
 * does not read its answers). */
ssize_t ttrpc_reply_read(struct ttrpc_call *call, int fd, size_t max);
void ttrpc_fail(struct ttrpc_call *call, const struct err *err);
/* The caller's deadline (timeout_nano), or DEADLINE_NEVER. */
struct deadline ttrpc_call_deadline(const struct ttrpc_call *call);
/* Called on the loop when the caller's connection is gone before the answer; event methods use it
 * to release what they hold, flows to learn that the caller is gone. The call must still be
 * answered. Set it in the handler. A flow may answer at the same time, so in a flow arg must
 * outlive the call. */
void ttrpc_call_on_cancel(struct ttrpc_call *call, loop_fn fn, void *arg);
const char *ttrpc_call_method(const struct ttrpc_call *call);

/* --- client --- */

struct ttrpc_client;

/* Takes ownership of a connected stream. When the peer closes it or violates the protocol, every
 * pending and later call fails (E_GONE, E_PROTOCOL) and on_close is called once on the loop. */
struct ttrpc_client *ttrpc_client_new(struct loop *loop, int fd,
				      void (*on_close)(void *arg, const struct err *why),
				      void *arg);
/* Fails pending calls with E_GONE and closes. On the loop's thread or after it ended; no other
 * thread may still be waiting in a call (use ttrpc_client_shutdown first). */
void ttrpc_client_free(struct ttrpc_client *client);
/* Any thread: closes the connection; pending calls fail with E_GONE. */
void ttrpc_client_shutdown(struct ttrpc_client *client);

/*
 * Any thread but the loop's: one call and its answer. The deadline is sent as timeout_nano and
 * enforced here too: E_TIMEOUT, a late answer is dropped. reply (may be NULL) gets a message to be
 * freed with protobuf_c_message_free_unpacked. An error of the peer keeps its text; its status
 * becomes the nearest code.
 */
MUST_CHECK int ttrpc_call(struct ttrpc_client *client, const char *service, const char *method,
			  const void *request, const ProtobufCMessageDescriptor *reply_type,
			  struct deadline deadline, void *reply, struct err *err);

/*
 * Any thread: sends and returns; done is called exactly once on the loop with the reply (freed
 * after it returns) or an error. Returns an id for ttrpc_client_cancel, which makes done get
 * E_CANCELLED, unless the answer was first.
 */
typedef void (*ttrpc_done_fn)(void *arg, const void *reply, const struct err *err);
uint32_t ttrpc_call_async(struct ttrpc_client *client, const char *service, const char *method,
			  const void *request, const ProtobufCMessageDescriptor *reply_type,
			  struct deadline deadline, ttrpc_done_fn done, void *arg);
void ttrpc_client_cancel(struct ttrpc_client *client, uint32_t id);

/*
 * The counterpart of ttrpc_reply_read: a call whose answer is a message with field number 1 of type
 * bytes only; done gets these bytes without a copy, valid until it returns. For a long answer begun
 * (may be NULL) is called on the loop when it begins to arrive: the peer has finished the request,
 * so the next request can be sent while the rest of the answer arrives. No deadline.
 */
struct ttrpc_reader {
	void (*begun)(void *arg);
	void (*done)(void *arg, const uint8_t *data, size_t len, const struct err *err);
};
void ttrpc_read_async(struct ttrpc_client *client, const char *service, const char *method,
		      const void *request, const struct ttrpc_reader *reader, void *arg);
