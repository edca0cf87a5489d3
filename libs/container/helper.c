// SPDX-License-Identifier: Apache-2.0
/*
 * Our side of starting a process in a container: the helper (our own binary, re-executed from a
 * sealed copy, so that a container cannot reach the original through /proc) and the talk with it.
 */

#include "container/container-internal.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* One sealed copy for the life of this process. */
static pthread_mutex_t self_lock = PTHREAD_MUTEX_INITIALIZER;
static int self_fd = -1;

static int copy_self(struct err *err)
{
	AUTO(fd) int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	AUTO(fd) int out = memfd_create("kata-init", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct stat st;
	off_t done = 0;

	if (in < 0 || out < 0 || fstat(in, &st) < 0)
		return err_sys(err, "copy our own binary");
	while (done < st.st_size) {
		ssize_t n = sendfile(out, in, &done, (size_t)(st.st_size - done));

		if (n < 0 && errno != EINTR)
			return err_sys(err, "copy our own binary");
		if (n == 0)
			return err_set(err, E_IO, "our own binary is shorter than it was");
	}
	if (fchmod(out, 0500) < 0 ||
	    fcntl(out, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return err_sys(err, "seal the copy of our own binary");
	return STEAL(out, -1);
}

static int sealed_self(struct err *err)
{
	int fd;

	(void)pthread_mutex_lock(&self_lock);
	if (self_fd < 0)
		self_fd = copy_self(err);
	fd = self_fd;
	(void)pthread_mutex_unlock(&self_lock);
	return fd;
}

int helper_receive(int sock, struct deadline deadline, struct init_message *m, int *fd,
		   struct err *err)
{
	struct pollfd wait = { .fd = sock, .events = POLLIN };
	int fds[FD_PASS_MAX], n;
	size_t n_fds;
	ssize_t len;

	*fd = -1;
	do
		n = poll(&wait, 1, deadline_left(deadline));
	while (n < 0 && errno == EINTR);
	if (n == 0)
		return err_set(err, E_TIMEOUT, "the container's first process did not get ready");
	len = fd_recv(sock, m, sizeof(*m), fds, &n_fds, err);
	if (len < 0)
		return -1;
	for (size_t i = 0; i < n_fds; i++) {
		if (i == 0)
			*fd = fds[0];
		else
			fd_close(&fds[i]);
	}
	if (len == 0)
		return err_set(err, E_GONE, "the container's first process ended early");
	m->text[sizeof(m->text) - 1] = '\0';
	if (len == (ssize_t)sizeof(*m) && m->note != NOTE_FAILED)
		return 0;
	fd_close(fd);
	if (len != (ssize_t)sizeof(*m))
		return err_set(err, E_PROTOCOL, "the container's first process said %zd bytes",
			       len);
	if (m->value < E_FAILED || m->value > E_CANCELLED)
		m->value = E_FAILED;
	return err_set(err, (enum err_code)m->value, "%s", m->text);
}

static int send_note(int sock, enum init_note note, struct err *err)
{
	struct init_message m = { .note = note };

	return fd_send(sock, &m, sizeof(m), NULL, 0, err);
}

static int send_request(int sock, const struct helper *h, struct err *err)
{
	struct init_request r = { .magic = INIT_MAGIC,
				  .role = h->role,
				  .json_len = (uint32_t)strlen(h->json),
				  .seccomp_len = h->seccomp_json ? (uint32_t)strlen(h->seccomp_json)
								 : 0,
				  .seccomp = h->seccomp,
				  .user_namespace = h->user_namespace,
				  .n_ns = (int32_t)h->n_fds };

	if (r.json_len > INIT_JSON_MAX || r.seccomp_len > INIT_JSON_MAX)
		return err_set(err, E_LIMIT, "the specification is larger than %d bytes",
			       INIT_JSON_MAX);
	if (fd_send(sock, &r, sizeof(r), h->fds, h->n_fds, err) < 0 ||
	    fd_write_all(sock, h->json, r.json_len, err) < 0)
		return -1;
	return r.seccomp_len ? fd_write_all(sock, h->seccomp_json, r.seccomp_len, err) : 0;
}

static int launch(const struct helper *h, int theirs, struct child *child, struct err *err)
{
	const struct container_stdio *io = h->stdio;
	struct spawn_fd fds[5] = { { theirs, INIT_SOCKET } };
	struct spawn s = { .argv = ARGV("kata-container", "init"), .fds = fds, .nfds = 2 };
	AUTO(str) char *program = str_fmt("/proc/self/fd/%d", INIT_SELF);
	static char *const no_env[] = { NULL };
	int self = sealed_self(err);

	if (self < 0)
		return -1;
	fds[1] = (struct spawn_fd){ self, INIT_SELF };
	if (io->in >= 0)
		fds[s.nfds++] = (struct spawn_fd){ io->in, 0 };
	if (io->out >= 0)
		fds[s.nfds++] = (struct spawn_fd){ io->out, 1 };
	if (io->err >= 0)
		fds[s.nfds++] = (struct spawn_fd){ io->err, 2 };
	s.program = program;
	s.env = no_env;
	return spawn_start(&s, child, err);
}

/* From the helper's start to READY; the process it made is in out as soon as there is one. */
static int converse(struct container *c, const struct helper *h, int sock, struct deadline deadline,
		    struct container_process *out, struct err *err)
{
	struct init_message m;
	int fd;

	if (send_request(sock, h, err) < 0)
		return -1;
	for (;;) {
		if (helper_receive(sock, deadline, &m, &fd, err) < 0)
			return -1;
		if (m.note == NOTE_PID) {
			fd_close(&fd);
			if (spawn_adopt(m.value, &out->child, err) < 0 ||
			    h->prepare(c, m.value, err) < 0 || send_note(sock, NOTE_GO, err) < 0)
				return -1;
		} else if (m.note == NOTE_CONSOLE) {
			fd_close(&out->console);
			out->console = fd;
		} else {
			fd_close(&fd);
			if (m.note == NOTE_READY)
				return 0;
			return err_set(err, E_PROTOCOL, "unexpected note %u", m.note);
		}
	}
}

int helper_run(struct container *c, const struct helper *h, struct deadline deadline,
	       struct container_process *out, int *sock, struct err *err)
{
	struct child helper = CHILD_NONE;
	int ends[2], code;

	*out = (struct container_process){ CHILD_NONE, -1 };
	if (fd_socketpair(SOCK_STREAM, ends, err) < 0)
		return -1;
	AUTO(fd) int ours = ends[0];
	AUTO(fd) int theirs = ends[1];
	if (launch(h, theirs, &helper, err) < 0)
		return -1;
	fd_close(&theirs);
	if (converse(c, h, ours, deadline, out, err) < 0) {
		spawn_kill(&helper);
		spawn_kill(&out->child);
		fd_close(&out->console);
		return -1;
	}
	/* It exited right after it sent the pid; this only collects it. */
	if (spawn_wait(&helper, DEADLINE_NEVER, &code, err) < 0)
		return -1;
	*sock = STEAL(ours, -1);
	return 0;
}
