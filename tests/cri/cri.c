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
 * Verbs of streams.h connect standard input and output to a command, a container or a port.
 */

#include "base/file.h"
#include "base/mem.h"
#include "base/opt.h"
#include "base/str.h"
#include "cri/client.h"
#include "cri/message.h"
#include "tests/cri/streams.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

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
		"usage: cri --socket SOCKET [OPTION...] CALL [REQUEST]\n"
		"       cri --socket SOCKET [OPTION...] exec CONTAINER COMMAND...\n"
		"       cri --socket SOCKET [OPTION...] exec-stream [-t] CONTAINER COMMAND...\n"
		"       cri --socket SOCKET [OPTION...] attach [-t] CONTAINER\n"
		"       cri --socket SOCKET [OPTION...] port-forward POD PORT\n\n"
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

/* Prints an answer of a stream at once. */
static bool print_each(void *arg, const ProtobufCMessage *answer)
{
	return print_answer(answer, arg) == 0 && fflush(stdout) == 0;
}

static int ask(const char *name, const char *from, struct err *err)
{
	struct deadline deadline = deadline_in(1000 * (uint64_t)o.seconds);
	const ProtobufCMethodDescriptor *call = cri_call_find(name);
	AUTO(json) struct json *j = NULL;
	ProtobufCMessage *request, *answer = NULL;
	int rc;

	if (!call)
		return err_set(err, E_USAGE, "no call '%s'; --help lists them", name);
	j = read_request(from, err);
	request = j ? cri_message_parse(call->input, j, "request", err) : NULL;
	if (!request)
		return -1;
	if (str_eq(name, "GetContainerEvents"))
		rc = cri_call_each(o.socket, name, request, deadline, print_each, err, err);
	else
		rc = cri_call(o.socket, name, request, deadline, &answer, err);
	protobuf_c_message_free_unpacked(request, NULL);
	if (rc < 0 || !answer)
		return err->code ? -1 : rc;
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

/* Returns the exit status of this program, or -1. */
static int run(int argc, char **argv, struct err *err)
{
	int first = opt_parse(opts, OPT_PLAIN, argc, argv, err), status;

	if (first < 0)
		return -1;
	if (o.help) {
		print_help();
		return 0;
	}
	argc -= first;
	argv += first;
	if (!o.socket || argc < 1)
		return err_set(err, E_USAGE, "cri --socket SOCKET CALL [REQUEST] is expected");
	if (argc >= 3 && str_eq(argv[0], "exec"))
		return exec(argv + 1, err);
	if (stream_verb(o.socket, deadline_in(1000 * (uint64_t)o.seconds), argc, argv, &status,
			err))
		return status;
	if (argc > 2)
		return err_set(err, E_USAGE, "%s: one REQUEST is expected", argv[0]);
	return ask(argv[0], argc == 2 ? argv[1] : "{}", err);
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
