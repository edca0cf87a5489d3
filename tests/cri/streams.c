// SPDX-License-Identifier: Apache-2.0
/* exec-stream, attach and port-forward. */

#include "tests/cri/streams.h"

#include "base/buf.h"
#include "base/opt.h"
#include "base/str.h"
#include "base/thread.h"
#include "cri/client.h"
#include "cri/stream.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { PIECE = 16 << 10, RESULT_MAX = 64 << 10 };

/* What the thread that sends needs. It uses the stream until the process ends. */
struct input {
	struct cri_stream *s;
	int resized;   /* a signalfd for SIGWINCH; -1 without a terminal */
	bool detaches; /* closes the stream at the end of standard input */
};

/* --- sending --- */

static int send_size(struct cri_stream *s, struct err *err)
{
	struct winsize size;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) < 0)
		return err_sys(err, "read the size of the terminal");
	return cri_stream_resize(s, size.ws_col, size.ws_row, err);
}

/* Sends what there is. Returns 0 at the end of standard input. */
static int send_some(const struct input *in, struct err *err)
{
	struct pollfd ready[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				  { .fd = in->resized, .events = POLLIN } };
	struct signalfd_siginfo signal;
	/* All channels that take input have the same number. */
	char data[PIECE];
	ssize_t n;

	if (poll(ready, ARRAY_LEN(ready), -1) < 0)
		return errno == EINTR ? 1 : err_sys(err, "wait for input");
	if (ready[1].revents && read(in->resized, &signal, sizeof(signal)) > 0 &&
	    send_size(in->s, err) < 0)
		return -1;
	if (!ready[0].revents)
		return 1;
	n = read(STDIN_FILENO, data, sizeof(data));
	if (n <= 0)
		return n < 0 ? err_sys(err, "read standard input") : 0;
	return cri_stream_write(in->s, CRI_STDIN, data, (size_t)n, err) < 0 ? -1 : 1;
}

/* Thread. A server that has ended the stream takes no more input, which is no failure of ours. */
static void *send_input(void *arg)
{
	struct input *in = arg;
	struct err err = ERR_INIT;
	int more;

	do {
		more = send_some(in, &err);
	} while (more > 0);
	if (more == 0 && in->detaches)
		more = cri_stream_close(in->s, &err);
	if (more < 0 && err.sys != EPIPE && err.sys != ECONNRESET)
		(void)fprintf(stderr, "cri: input: %s\n", err.msg);
	return NULL;
}

/* --- processes --- */

/* Writes what arrives until the server closes the stream. Returns the exit code of the process, or
 * fallback if there was no result. */
static int receive_process(struct cri_stream *s, int fallback, struct deadline deadline,
			   struct err *err)
{
	AUTO(buf) struct buf result = BUF_INIT(RESULT_MAX);
	char data[PIECE];
	unsigned channel;
	int code;
	ssize_t n;

	while ((n = cri_stream_read(s, &channel, data, sizeof(data), deadline, err)) > 0) {
		if (channel == CRI_STDOUT || channel == CRI_STDERR) {
			FILE *to = channel == CRI_STDOUT ? stdout : stderr;

			if (fwrite(data, 1, (size_t)n, to) != (size_t)n || fflush(to) != 0)
				return err_sys(err, "write the output");
		} else if (channel == CRI_RESULT) {
			buf_add(&result, data, (size_t)n);
		} else {
			return err_set(err, E_PROTOCOL, "there is no channel %u", channel);
		}
	}
	if (n < 0 || buf_check(&result, "the result of the process", err) < 0)
		return -1;
	if (!result.len && fallback < 0)
		return err_set(err, E_GONE, "the server closed the stream without a result");
	if (!result.len)
		return fallback;
	return cri_stream_result(buf_cstr(&result), result.len, &code, err) < 0 ? -1 : code;
}

/* The signal is blocked before there are threads, so that only the signalfd sees it. */
static int follow_terminal(struct termios *before, struct err *err)
{
	struct termios raw;
	sigset_t set;
	int fd;

	if (tcgetattr(STDIN_FILENO, before) < 0)
		return err_set(err, E_USAGE, "-t needs a terminal as standard input");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "watch the size of the terminal");
	raw = *before;
	cfmakeraw(&raw);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	return fd;
}

/* Connects standard input and output to the process behind the URL. Returns its exit code, or
 * fallback. */
static int talk(const char *url, bool tty, bool detaches, struct deadline deadline, struct err *err)
{
	static struct input in;
	struct termios before;
	int code = -1;

	in = (struct input){ .resized = -1, .detaches = detaches };
	if (tty) {
		in.resized = follow_terminal(&before, err);
		if (in.resized < 0)
			return -1;
	}
	if (cri_stream_open(url, deadline, &in.s, err) == 0 &&
	    (!tty || send_size(in.s, err) == 0) && thread_detach(send_input, &in, 0, err) == 0)
		code = receive_process(in.s, detaches ? EXIT_SUCCESS : -1, deadline, err);
	if (tty)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	return code;
}

static int exec_stream(const char *socket, bool tty, struct deadline deadline, char **argv,
		       struct err *err)
{
	Runtime__V1__ExecRequest request = RUNTIME__V1__EXEC_REQUEST__INIT;
	Runtime__V1__ExecResponse *answer;
	int code;

	request.container_id = argv[0];
	request.cmd = argv + 1;
	request.n_cmd = strv_len(request.cmd);
	request.tty = tty;
	request.stdin = request.stdout = true;
	request.stderr = !tty;
	if (cri_call(socket, "Exec", &request, deadline, &answer, err) < 0)
		return -1;
	code = talk(answer->url, tty, false, deadline, err);
	runtime__v1__exec_response__free_unpacked(answer, NULL);
	return code;
}

static int attach(const char *socket, bool tty, struct deadline deadline, char **argv,
		  struct err *err)
{
	Runtime__V1__AttachRequest request = RUNTIME__V1__ATTACH_REQUEST__INIT;
	Runtime__V1__AttachResponse *answer;
	int code;

	request.container_id = argv[0];
	request.tty = tty;
	request.stdin = request.stdout = true;
	request.stderr = !tty;
	if (cri_call(socket, "Attach", &request, deadline, &answer, err) < 0)
		return -1;
	code = talk(answer->url, tty, true, deadline, err);
	runtime__v1__attach_response__free_unpacked(answer, NULL);
	return code;
}

/* --- ports --- */

/* Each channel begins with the port. Returns 1 if the server reported an error. */
static int receive_port(struct cri_stream *s, struct deadline deadline, struct err *err)
{
	size_t port_left[] = { sizeof(uint16_t), sizeof(uint16_t) };
	char data[PIECE];
	unsigned channel;
	int status = 0;
	ssize_t n;

	while ((n = cri_stream_read(s, &channel, data, sizeof(data), deadline, err)) > 0) {
		size_t skip;

		if (channel > CRI_FORWARD_ERROR)
			return err_set(err, E_PROTOCOL, "there is no channel %u", channel);
		skip = port_left[channel] < (size_t)n ? port_left[channel] : (size_t)n;
		port_left[channel] -= skip;
		if (channel == CRI_FORWARD_ERROR && skip < (size_t)n)
			status = EXIT_FAILURE;
		(void)fwrite(data + skip, 1, (size_t)n - skip,
			     channel == CRI_FORWARD_DATA ? stdout : stderr);
	}
	return n < 0 ? -1 : status;
}

static int port_forward(const char *socket, bool tty, struct deadline deadline, char **argv,
			struct err *err)
{
	Runtime__V1__PortForwardRequest request = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;
	Runtime__V1__PortForwardResponse *answer;
	static struct input in = { .resized = -1 };
	uint64_t number;
	int32_t port;
	int rc;

	if (tty)
		return err_set(err, E_USAGE, "a port has no terminal");
	if (str_u64(argv[1], 10, 1, UINT16_MAX, "the port", &number, err) < 0)
		return -1;
	port = (int32_t)number;
	request.pod_sandbox_id = argv[0];
	request.port = &port;
	request.n_port = 1;
	if (cri_call(socket, "PortForward", &request, deadline, &answer, err) < 0)
		return -1;
	rc = cri_stream_open(answer->url, deadline, &in.s, err);
	runtime__v1__port_forward_response__free_unpacked(answer, NULL);
	if (rc < 0 || thread_detach(send_input, &in, 0, err) < 0)
		return -1;
	return receive_port(in.s, deadline, err);
}

/* --- verbs --- */

static const struct verb {
	const char *name, *operands;
	int min, max; /* number of operands */
	int (*run)(const char *socket, bool tty, struct deadline deadline, char **argv,
		   struct err *err);
} verbs[] = {
	{ "exec-stream", "CONTAINER COMMAND...", 2, INT32_MAX, exec_stream },
	{ "attach", "CONTAINER", 1, 1, attach },
	{ "port-forward", "POD PORT", 2, 2, port_forward },
};

static int run_verb(const struct verb *v, const char *socket, struct deadline deadline, int argc,
		    char **argv, struct err *err)
{
	bool tty = false;
	const struct opt opts[] = {
		OPT_FLAG('t', "tty", &tty, "give the process a terminal"),
		OPT_END,
	};
	int first = opt_parse(opts, OPT_PLAIN, argc, argv, err);

	if (first < 0)
		return -1;
	if (argc - first < v->min || argc - first > v->max)
		return err_set(err, E_USAGE, "%s %s is expected", v->name, v->operands);
	return v->run(socket, tty, deadline, argv + first, err);
}

bool stream_verb(const char *socket, struct deadline deadline, int argc, char **argv, int *status,
		 struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (str_eq(argv[0], verbs[i].name)) {
			*status = run_verb(&verbs[i], socket, deadline, argc, argv, err);
			return true;
		}
	}
	return false;
}
