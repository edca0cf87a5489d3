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
 * by ttrpc_reply, ttrpc_reply_read or ttrpc_fail, from any thread, at any time, also after its
 * connection has ended.
 *
 *  TTRPC_FLOW	runs on a thread of its own and may block: for requests with several steps
 *  TTRPC_URGENT	as TTRPC_FLOW, and has threads left when too many other requests are stuck on theirs:
 *		for requests that end what these wait for
 *  TTRPC_EVENT	runs on the loop and must not block; it may keep the call and answer it later:
 *		for requests that only wait
 *  TTRPC_WAIT	as TTRPC_EVENT, for short requests that may wait as long as a process runs: there
 *		may be as many as memory allows, and they leave the room of the others alone
 *  TTRPC_STREAM	as TTRPC_WAIT, with data that a stream may not take for long. If too much
 *		waits already, E_LIMIT: the caller asks again later. One of at most 1 KiB is taken
 *		in any case, so that a stream that is not blocked goes on
 */
enum ttrpc_kind { TTRPC_FLOW, TTRPC_URGENT, TTRPC_EVENT, TTRPC_WAIT, TTRPC_STREAM };

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
 * on_close is called on the loop when the peer has closed the stream or violated the protocol (see
 * why), before fd is closed; it takes ownership of fd by returning true (to serve a port again). */
typedef bool (*ttrpc_close_fn)(void *arg, int fd, const struct err *why);
void ttrpc_server_serve(struct ttrpc_server *server, int fd, ttrpc_close_fn on_close, void *arg);
/* Number of connected streams. On the loop. */
size_t ttrpc_server_clients(const struct ttrpc_server *server);
/* Number of unanswered calls. */
unsigned ttrpc_server_busy(const struct ttrpc_server *server);

/* Answers with a message of the method's reply type. */
void ttrpc_reply(struct ttrpc_call *call, const void *message);
/* Answers with a message whose only field, number 1 of type bytes, is the data that can be read
 * from the non-blocking fd now, at most max bytes. The data is not copied in between; a full pipe
 * is spliced. Returns the number of bytes. If that is 0 or -1, the call is not answered yet, and
 * result and errno are those of read(2), or -1 with EPIPE (the caller has disconnected) or ENOBUFS
 * (the caller does not read its answers). */
ssize_t ttrpc_reply_read(struct ttrpc_call *call, int fd, size_t max);
/* Answers with an error: its code as a google.rpc status, and its message. */
void ttrpc_fail(struct ttrpc_call *call, const struct err *err);
/* The caller's deadline (timeout_nano), or DEADLINE_NEVER. */
struct deadline ttrpc_call_deadline(const struct ttrpc_call *call);
/* Sets a function that is called on the loop if the caller disconnects before the answer: event
 * methods use it to release what they hold, flows to give up. The call must still be answered. Set
 * it in the handler. A flow may answer at the same time, so in a flow arg must outlive the call. */
void ttrpc_call_on_cancel(struct ttrpc_call *call, loop_fn fn, void *arg);
const char *ttrpc_call_method(const struct ttrpc_call *call);
/* E_LIMIT if the call's connection has no room for n more requests that wait: to be asked before
 * something is made that its caller will have to wait for. */
MUST_CHECK int ttrpc_call_check_room(const struct ttrpc_call *call, size_t n, struct err *err);

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
/* For tests: the stream id of the next call, an odd number. */
void ttrpc_client_set_next_id(struct ttrpc_client *client, uint32_t id);

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
 * The counterpart of ttrpc_reply_read, for a method whose reply has one field, number 1 of type
 * bytes. done is called on the loop with these bytes, not copied and valid until it returns, or
 * with an error. begun (may be NULL) is called on the loop when a long answer begins to arrive: the
 * peer has finished the request, so the next one can be sent while the rest of the answer arrives.
 * The call has no deadline.
 */
struct ttrpc_reader {
	void (*begun)(void *arg);
	void (*done)(void *arg, const uint8_t *data, size_t len, const struct err *err);
};
void ttrpc_read_async(struct ttrpc_client *client, const char *service, const char *method,
		      const void *request, const struct ttrpc_reader *reader, void *arg);
