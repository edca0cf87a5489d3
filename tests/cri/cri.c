// SPDX-License-Identifier: Apache-2.0
/*
 * Calls the CRI of a container manager, as a kubelet does, from the command line:
 *
 *	cri --socket SOCKET --field exit_code ExecSync '{"container_id": "c1", "cmd": ["true"]}'
 *
 * Calls and members have the names of cri.proto. exec runs a command in a container, with the
 * output and the exit status of that command:
 *
 *	cri --socket SOCKET exec c1 cat /etc/hosts
 *
 * port-forward connects standard input and output to a port of a pod, until the connection closes:
 *
 *	cri --socket SOCKET port-forward p1 8080
 */

#include "base/file.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "cri/client.h"
#include "cri/message.h"
#include "cri/stream.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { REQUEST_MAX = 1 << 20, DEFAULT_SECONDS = 120 };

static struct {
	const char *socket, *field;
	unsigned seconds;
	bool help;
} o = { .seconds = DEFAULT_SECONDS };

static const struct opt opts[] = {
	OPT_STR('s', "socket", "SOCKET", &o.socket, "the manager's CRI socket"),
	OPT_UINT('t', "timeout", "SECONDS", &o.seconds, "wait that long for the answer (120)"),
	OPT_STR('f', "field", "PATH", &o.field,
		"print this of the answer, as text: status.exit_code, items.0.id, items.*.id"),
	OPT_FLAG('h', "help", &o.help, "print this help"),
	OPT_END,
};

static void print_help(void)
{
	const ProtobufCServiceDescriptor *s = &runtime__v1__runtime_service__descriptor;

	(void)puts(
		"usage: cri --socket SOCKET [OPTION...] CALL [REQUEST]\n\n"
		"REQUEST is a file, - for standard input, or JSON itself, which begins with {.\n");
	opt_help(opts, stdout);
	(void)puts("\ncalls:");
	for (unsigned i = 0; i < s->n_methods; i++)
		(void)printf("  %s\n", s->methods[i].name);
}

static struct json *read_request(const char *from, struct err *err)
{
	AUTO(buf) struct buf text = BUF_INIT(REQUEST_MAX);

	if (*from == '{')
		return json_parse(from, strlen(from), "request", err);
	if (str_eq(from, "-"))
		from = "/dev/stdin";
	if (file_read(AT_FDCWD, from, REQUEST_MAX, &text, err) < 0)
		return NULL;
	return json_parse(buf_cstr(&text), text.len, from, err);
}

static void print_text(const struct json *j)
{
	AUTO(str) char *text = NULL;

	if (json_kind(j) == JSON_IS_STRING) {
		(void)puts(json_text(j));
		return;
	}
	text = json_format(j, false);
	(void)puts(text);
}

static int print_field(const struct json *j, char *const *path, struct err *err)
{
	const struct json *below = NULL;
	enum json_kind kind = json_kind(j);

	if (!*path) {
		print_text(j);
		return 0;
	}
	if (kind == JSON_IS_ARRAY && str_eq(*path, "*")) {
		for (size_t i = 0; i < json_count(j); i++) {
			if (print_field(json_at(j, i), path + 1, err) < 0)
				return -1;
		}
		return 0;
	}
	if (kind == JSON_IS_OBJECT) {
		below = json_get(j, *path);
	} else if (kind == JSON_IS_ARRAY) {
		uint64_t i;

		if (str_u64(*path, 10, 0, UINT32_MAX, "the index", &i, err) < 0)
			return -1;
		below = i < json_count(j) ? json_at(j, (size_t)i) : NULL;
	}
	if (!below)
		return err_set(err, E_NOT_FOUND, "the answer has no '%s' in %s", *path,
			       json_kind_name(kind));
	return print_field(below, path + 1, err);
}

static int print_answer(const ProtobufCMessage *answer, struct err *err)
{
	AUTO(json) struct json *j = cri_message_print(answer);
	AUTO(strv) char **path = NULL;
	AUTO(str) char *text = NULL;

	if (o.field) {
		path = strv_split(o.field, ".");
		return print_field(j, path, err);
	}
	text = json_format(j, true);
	(void)puts(text);
	return 0;
}

static int ask(const char *name, const char *from, struct err *err)
{
	const ProtobufCMethodDescriptor *call = cri_call_find(name);
	AUTO(json) struct json *j = NULL;
	ProtobufCMessage *request, *answer;
	int rc;

	if (!call)
		return err_set(err, E_USAGE, "no call '%s'; --help lists them", name);
	j = read_request(from, err);
	request = j ? cri_message_parse(call->input, j, "request", err) : NULL;
	if (!request)
		return -1;
	rc = cri_call(o.socket, name, request, deadline_in(1000 * (uint64_t)o.seconds), &answer,
		      err);
	protobuf_c_message_free_unpacked(request, NULL);
	if (rc < 0)
		return -1;
	rc = print_answer(answer, err);
	protobuf_c_message_free_unpacked(answer, NULL);
	return rc;
}

/* Returns the exit code of the command, or -1. */
static int exec(char **argv, struct err *err)
{
	Runtime__V1__ExecSyncRequest request = RUNTIME__V1__EXEC_SYNC_REQUEST__INIT;
	Runtime__V1__ExecSyncResponse *answer;
	int code;

	request.container_id = argv[0];
	request.cmd = argv + 1;
	request.n_cmd = strv_len(request.cmd);
	if (cri_call(o.socket, "ExecSync", &request, deadline_in(1000 * (uint64_t)o.seconds),
		     &answer, err) < 0)
		return -1;
	(void)fwrite(answer->stdout.data, 1, answer->stdout.len, stdout);
	(void)fwrite(answer->stderr.data, 1, answer->stderr.len, stderr);
	code = answer->exit_code;
	runtime__v1__exec_sync_response__free_unpacked(answer, NULL);
	return code;
}

/* --- port-forward --- */

/* Thread: sends standard input. Its end does not end the connection. */
static void *forward_input(void *arg)
{
	struct err err = ERR_INIT;
	char data[16 << 10];
	ssize_t n;

	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0) {
		if (cri_stream_write(arg, CRI_FORWARD_DATA, data, (size_t)n, &err) < 0) {
			(void)fprintf(stderr, "cri: input: %s\n", err.msg);
			break;
		}
	}
	return NULL;
}

/* Each channel begins with the port. Returns 1 if the server reported an error. */
static int forward_output(struct cri_stream *s, struct deadline deadline, struct err *err)
{
	size_t port_left[] = { sizeof(uint16_t), sizeof(uint16_t) };
	char data[16 << 10];
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

static int port_forward(char **argv, struct err *err)
{
	Runtime__V1__PortForwardRequest request = RUNTIME__V1__PORT_FORWARD_REQUEST__INIT;
	struct deadline deadline = deadline_in(1000 * (uint64_t)o.seconds);
	Runtime__V1__PortForwardResponse *answer;
	AUTO(cri_stream) struct cri_stream *s = NULL;
	pthread_t input;
	uint64_t number;
	int32_t port;
	int rc;

	if (str_u64(argv[1], 10, 1, UINT16_MAX, "the port", &number, err) < 0)
		return -1;
	port = (int32_t)number;
	request.pod_sandbox_id = argv[0];
	request.port = &port;
	request.n_port = 1;
	if (cri_call(o.socket, "PortForward", &request, deadline, &answer, err) < 0)
		return -1;
	rc = cri_stream_open(answer->url, deadline, &s, err);
	runtime__v1__port_forward_response__free_unpacked(answer, NULL);
	if (rc < 0)
		return -1;
	errno = pthread_create(&input, NULL, forward_input, s);
	if (errno)
		return err_sys(err, "make a thread");
	(void)pthread_detach(input);
	rc = forward_output(s, deadline, err);
	(void)STEAL(s, NULL); /* the thread uses it until the process ends */
	return rc;
}

/* Returns the exit status of this program, or -1. */
static int run(int argc, char **argv, struct err *err)
{
	int first = opt_parse(opts, OPT_PLAIN, argc, argv, err);

	if (first < 0)
		return -1;
	if (o.help) {
		print_help();
		return 0;
	}
	if (o.socket && argc - first >= 3 && str_eq(argv[first], "exec"))
		return exec(argv + first + 1, err);
	if (o.socket && argc - first == 3 && str_eq(argv[first], "port-forward"))
		return port_forward(argv + first + 1, err);
	if (!o.socket || argc - first < 1 || argc - first > 2)
		return err_set(err, E_USAGE, "cri --socket SOCKET CALL [REQUEST] is expected");
	return ask(argv[first], argc - first == 2 ? argv[first + 1] : "{}", err);
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	int status = run(argc, argv, &err);

	if (status < 0) {
		(void)fprintf(stderr, "cri: %s\n", err.msg);
		return err_exit_status(err.code);
	}
	if (fflush(stdout) != 0) {
		perror("cri: standard output");
		return EXIT_FAILURE;
	}
	return status;
}
