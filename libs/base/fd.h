// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * File descriptors: reading and writing whole buffers, passing fds between processes, pipes and
 * sockets. Every fd made here is close-on-exec.
 */

#include "base/deadline.h"
#include "base/err.h"
#include "base/scope.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* For the begin of main(): if standard input, output or error is closed, makes its number a
 * descriptor that can neither be read nor written. Otherwise the next file that is opened would get
 * that number, and then what is meant for standard error. */
void fd_fill_standard(void);

/* For the end of main(): writes what standard output has buffered; sets err if that fails, unless it
 * is set already. Returns true if err is to be printed: not that a pipe has no reader any more, which
 * has read enough. */
bool fd_end_output(struct err *err);

/* Closes *fd if it is open and sets it to -1; errno is kept. For fds held in structs. */
void fd_close(int *fd);

/* Reads until len bytes or end of file; returns the number of bytes read. */
MUST_CHECK ssize_t fd_read_full(int fd, void *data, size_t len, struct err *err);
/* Writes all bytes; on a non-blocking fd waits until it is writable. */
MUST_CHECK int fd_write_all(int fd, const void *data, size_t len, struct err *err);
/* The same on a non-blocking fd, but E_TIMEOUT if the bytes could not be written by the deadline. */
MUST_CHECK int fd_write_until(int fd, const void *data, size_t len, struct deadline deadline,
			      struct err *err);

MUST_CHECK int fd_pipe(int ends[2], struct err *err); /* [0] reads, [1] writes */
MUST_CHECK int fd_socketpair(int type, int ends[2], struct err *err);
MUST_CHECK int fd_nonblock(int fd, bool on, struct err *err);
MUST_CHECK int fd_cloexec(int fd, bool on, struct err *err);
/* E_LIMIT, with a hint, if fewer than n more fds can be opened now. Call it before work that must
 * not stop half-way for lack of fds. */
MUST_CHECK int fd_check_room(unsigned n, struct err *err);
/* Lets this process open as many files as it is allowed to. Call it before there are threads; programs
 * that spawn_start() starts get the former limit, unless they are to have many_files. */
void fd_raise_limit(void);
/* Undoes that. Async-signal-safe: for a child between fork and exec. */
void fd_restore_limit(void);
/* A duplicate >= 3, close-on-exec. */
MUST_CHECK int fd_dup(int fd, struct err *err);

/* Sends or receives one message of up to len bytes with up to 8 fds over an AF_UNIX socket. fd_recv
 * sets *nfds to the number of fds received, which the caller owns, and returns the size of the
 * message, 0 at end of stream. */
enum { FD_PASS_MAX = 8 };
MUST_CHECK int fd_send(int sock, const void *data, size_t len, const int *fds, size_t nfds,
		       struct err *err);
MUST_CHECK ssize_t fd_recv(int sock, void *data, size_t len, int fds[FD_PASS_MAX], size_t *nfds,
			   struct err *err);

/* Makes blocking calls on a socket fail with EAGAIN at the deadline. option: SO_RCVTIMEO,
 * SO_SNDTIMEO. */
void fd_limit_time(int sock, int option, struct deadline deadline);

/* connect(2) on a blocking socket, with E_TIMEOUT at the deadline. name is for messages. */
struct sockaddr;
MUST_CHECK int fd_connect(int sock, const struct sockaddr *to, unsigned len,
			  struct deadline deadline, const char *name, struct err *err);

/* Has a TCP connection noticed as dead although nothing is sent: the peer is probed after idle_s
 * seconds of silence, then every probe_s seconds. */
void fd_keep_alive(int sock, int idle_s, int probe_s);

/* AF_UNIX stream sockets by path ("@name" is abstract). A path that is too long for the kernel
 * (107 bytes) is E_LIMIT. A connection waits while the listener's queue is full: until the
 * deadline, fd_unix_connect for 10 seconds (E_TIMEOUT). fd_unix_listen creates the socket file with
 * mode 0600. */
MUST_CHECK int fd_unix_connect(const char *path, struct err *err);
MUST_CHECK int fd_unix_connect_until(const char *path, struct deadline deadline, struct err *err);
MUST_CHECK int fd_unix_listen(const char *path, struct err *err);

/* The path of an open file as /proc/self/fd shows it, heap; NULL if it cannot be read. */
char *fd_path(int fd);
