// SPDX-License-Identifier: Apache-2.0
/*
 * Proves with a pod. The pod's name and a label have the proof's id, by which another process can
 * find and remove it. The proof's image is in the namespace of the CRI while the proof runs. The
 * pause image must be there already: importing another one under its name would change all other
 * pods.
 */

#include "deploy/prove/prove-internal.h"

#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cri/client.h"
#include "cri/message.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LABEL "kata-deploy.proof"
#define PODS  "k8s.io" /* containerd's namespace for pods */

enum {
	CALL_MS = 60000,
	ASK_MS = 10000,
	LOOK_MS = 100,
	LEARN_MS = 10000,
	LOG_MAX = 1 << 16,
	UP_MS = 1000,
	AWAY_MS = 60000,
	STOPPING_MS = 10000,
	RUNNING_MS = 3000,
	REMOVE_MS = 10000
};
enum { EXEC_S = 30 };

/* Calls the CRI with a request in JSON; returns the answer as JSON, which the caller frees, or
 * NULL. */
static struct json *call(const struct proof *p, const char *name, const char *request,
			 struct deadline deadline, struct err *err)
{
	const ProtobufCMethodDescriptor *method = cri_call_find(name);
	AUTO(json) struct json *j = json_parse(request, strlen(request), name, err);
	ProtobufCMessage *message = j ? cri_message_parse(method->input, j, name, err) : NULL,
			 *reply;
	struct json *answer = NULL;

	if (!message)
		return NULL;
	if (interrupt_check(err) == 0 &&
	    cri_call(prove_socket(p), name, message, deadline, &reply, err) == 0) {
		answer = cri_message_print(reply);
		protobuf_c_message_free_unpacked(reply, NULL);
	}
	protobuf_c_message_free_unpacked(message, NULL);
	return answer;
}

/* Makes a call whose request is only an id, and whose answer is empty. */
static int call_with_id(const struct proof *p, const char *name, const char *field, const char *id,
			struct deadline deadline, struct err *err)
{
	AUTO(str) char *request = str_fmt("{\"%s\": \"%s\"}", field, id);
	AUTO(json) struct json *answer = call(p, name, request, deadline, err);

	return answer ? 0 : -1;
}

/* Makes a call that answers with an id; returns the id, heap. */
static char *call_for_id(const struct proof *p, const char *name, const char *request,
			 const char *field, struct deadline deadline, struct err *err)
{
	AUTO(json) struct json *answer = call(p, name, request, deadline, err);
	const char *id = answer ? json_get_text(answer, field) : NULL;

	if (!answer)
		return NULL;
	if (str_empty(id)) {
		err_set(err, E_PROTOCOL,
			"%s: the answer has no %s; look into the log of the container manager",
			name, field);
		return NULL;
	}
	return xstrdup(id);
}

/* --- can this node run a pod? --- */

/* Stores the reason; returns 1. */
static int unfit(struct prove_report *report, const char *why)
{
	(void)!str_print(report->why, sizeof(report->why), "%.*s", (int)sizeof(report->why) - 1,
			 why);
	return 1;
}

/* True if a condition of the manager's status is met. */
static bool is_ready(const struct json *status, const char *type)
{
	const struct json *runtime = json_get(status, "status");
	const struct json *list = runtime ? json_get(runtime, "conditions") : NULL;

	for (size_t i = 0; list && i < json_count(list); i++) {
		const struct json *one = json_at(list, i), *on = json_get(one, "status");

		if (str_eq(json_get_text(one, "type"), type))
			return on && json_kind(on) == JSON_IS_BOOL && json_bool(on);
	}
	return false;
}

/* Returns the name of the pause image from the manager's configuration, heap; NULL: it is not
 * there. */
static char *pause_image(const struct json *status)
{
	const struct json *info = json_get(status, "info");
	const char *text = info ? json_get_text(info, "config") : NULL;
	struct err ignored = ERR_INIT;
	AUTO(json)
	struct json *config = text ? json_parse(text, strlen(text), "CRI", &ignored) : NULL;
	const char *name = config && json_kind(config) == JSON_IS_OBJECT
				   ? json_get_text(config, "sandboxImage")
				   : NULL;

	return name ? xstrdup(name) : NULL;
}

static bool has_image(const struct proof *p, const char *name)
{
	AUTO(str) char *words = str_fmt("-n " PODS " images ls -q name==%s", name);
	AUTO(buf) struct buf out = BUF_INIT(LOG_MAX);
	struct err ignored = ERR_INIT;

	return prove_call(p, words, &out, deadline_in(ASK_MS), &ignored) == 0 && out.len;
}

int pod_look(const struct proof *p, struct prove_report *report)
{
	struct err err = ERR_INIT;

	if (!p->client->has_pods || !prove_socket(p))
		return unfit(report, "the manager has no pods");
	AUTO(json)
	struct json *status = call(p, "Status", "{\"verbose\": true}", deadline_in(ASK_MS), &err);
	AUTO(str) char *pause = status ? pause_image(status) : NULL;

	if (!status)
		return unfit(report, "the manager does not serve the CRI");
	if (!is_ready(status, "RuntimeReady"))
		return unfit(report, "the manager's CRI is not ready");
	if (!is_ready(status, "NetworkReady"))
		return unfit(report, "the node has no pod network (CNI) yet");
	if (pause && !has_image(p, pause)) {
		AUTO(str)
		char *why = str_fmt("the node lacks the pause image %s", pause);

		return unfit(report, why);
	}
	return 0;
}

/* True for errors that the manager returns before it calls the runtime: the node is at fault. */
static bool blames_node(const struct err *err)
{
	return strstr(err->msg, "sandbox image") || strstr(err->msg, "setup network for sandbox");
}

/* True for errors of a manager that ends or starts, which say nothing about the runtime. What it
 * answers begins with the call's path (http/grpc.h), and may be an error of the runtime. */
static bool is_restarted(const struct err *err)
{
	bool lost = err->code == E_GONE || err->code == E_NOT_FOUND;

	return err->code == E_PROTOCOL || strstr(err->msg, "server is not initialized yet") ||
	       (lost && !str_starts(err->msg, "/runtime.v1."));
}

/* Waits for a manager that is restarted. Returns 1 when a pod can be run, 0 if not in time. */
static int await_manager(const struct proof *p, struct deadline deadline,
			 struct prove_report *report, struct err *err)
{
	struct deadline away = deadline_min(deadline, deadline_in(AWAY_MS));

	while (pod_look(p, report) != 0) {
		if (interrupt_sleep(LOOK_MS, err) < 0)
			return -1;
		if (deadline_passed(away))
			return 0;
	}
	return !deadline_passed(deadline);
}

/* --- the pod --- */

/* The directory of the logs of all pods of the proof, heap. */
static char *log_dir(const struct proof *p)
{
	return str_fmt("/run/kata-deploy/%s", p->id);
}

static char *log_name(const struct proof *p)
{
	return str_fmt("proof-%u.log", p->number);
}

static char *pod_config(const struct proof *p)
{
	AUTO(str) char *dir = log_dir(p), *name = str_fmt("%s-%u", p->id, p->number);

	return str_fmt("{\"metadata\": {\"name\": \"%s\", \"uid\": \"%s\", "
		       "\"namespace\": \"kata-deploy\"}, \"hostname\": \"%s\", "
		       "\"log_directory\": \"%s\", \"labels\": {\"" LABEL "\": \"%s\"}, "
		       "\"linux\": {\"security_context\": {\"namespace_options\": "
		       "{\"pid\": \"CONTAINER\"}}}}",
		       name, name, p->id, dir, p->id);
}

static char *run_sandbox(const struct proof *p, struct deadline deadline, struct err *err)
{
	AUTO(str) char *config = pod_config(p);
	AUTO(str)
	char *request = str_fmt("{\"runtime_handler\": \"%s\", \"config\": %s}", p->handler,
				config);

	return call_for_id(p, "RunPodSandbox", request, "pod_sandbox_id", deadline, err);
}

/* Creates the container; returns its id, heap. Retries for a while, since the CRI knows an image
 * only a moment after its import. */
static char *create(const struct proof *p, const char *pod, struct deadline deadline,
		    struct err *err)
{
	struct deadline learned = deadline_min(deadline, deadline_in(LEARN_MS));
	AUTO(str) char *config = pod_config(p), *log = log_name(p);
	AUTO(str)
	char *request = str_fmt("{\"pod_sandbox_id\": \"%s\", \"sandbox_config\": %s, \"config\": "
				"{\"metadata\": {\"name\": \"proof\"}, \"image\": {\"image\": "
				"\"" PROVE_NAME "\"}, \"log_path\": \"%s\", \"stdin\": true, "
				"\"linux\": {\"security_context\": {\"namespace_options\": "
				"{\"pid\": \"CONTAINER\"}}}}}",
				pod, config, log);

	for (;;) {
		char *id = call_for_id(p, "CreateContainer", request, "container_id", deadline,
				       err);

		if (id || err->code != E_NOT_FOUND || deadline_passed(learned))
			return id;
		err_clear(err);
		(void)poll(NULL, 0, LOOK_MS);
	}
}

/* False if somebody has stopped the pod. */
static bool is_up(const struct proof *p, const char *pod)
{
	AUTO(str) char *request = str_fmt("{\"pod_sandbox_id\": \"%s\"}", pod);
	struct err gone = ERR_INIT;
	AUTO(json)
	struct json *answer = call(p, "PodSandboxStatus", request, deadline_in(ASK_MS), &gone);
	const struct json *status = answer ? json_get(answer, "status") : NULL;

	return status && str_eq(json_get_text(status, "state"), "SANDBOX_READY");
}

/* Waits for the report, the first line of the log: "TIME stdout F TEXT". E_GONE: somebody has
 * stopped the pod. */
static int read_log(const struct proof *p, const char *pod, struct deadline deadline,
		    struct prove_report *report, struct err *err)
{
	struct deadline asked = deadline_in(UP_MS);
	AUTO(str) char *dir = log_dir(p), *name = log_name(p), *path = path_join(dir, name);

	for (;;) {
		AUTO(buf) struct buf text = BUF_INIT(LOG_MAX);
		struct err none_yet = ERR_INIT;
		const char *begin, *end;

		if (interrupt_check(err) < 0)
			return -1;
		if (file_read(AT_FDCWD, path, LOG_MAX, &text, &none_yet) == 0 &&
		    (begin = strstr(buf_cstr(&text), " stdout F ")) != NULL &&
		    (end = strchr(begin, '\n')) != NULL) {
			begin += strlen(" stdout F ");
			return prove_parse(begin, (size_t)(end - begin), report, err);
		}
		if (deadline_passed(asked)) {
			if (!is_up(p, pod))
				return err_set(err, E_GONE,
					       "the pod ended before its container reported; look "
					       "into the log of the container manager");
			asked = deadline_in(UP_MS);
		}
		if (deadline_passed(deadline))
			return err_set(
				err, E_TIMEOUT,
				"the pod's container wrote no report into its log, %s; " DOCTOR,
				path, DOCTOR_COMMAND);
		(void)poll(NULL, 0, LOOK_MS);
	}
}

/* Runs a command in the container, which must report the same kernel. */
static int exec(const struct proof *p, const char *container, struct deadline deadline,
		const struct prove_report *report, struct err *err)
{
	AUTO(str)
	char *request =
		str_fmt("{\"container_id\": \"%s\", \"cmd\": [\"/proof\"], \"timeout\": %d}",
			container, EXEC_S);
	AUTO(json) struct json *answer = call(p, "ExecSync", request, deadline, err);
	const char *text = answer ? json_get_text(answer, "stdout") : NULL;
	struct prove_report again = { .kernel = "" };

	if (!answer)
		return err_wrap(err, "run a command in the pod's container");
	if (!text || prove_parse(text, strcspn(text, "\n"), &again, err) < 0)
		return err_wrap(err, "the output of a command in the pod's container");
	return str_eq(again.kernel, report->kernel)
		       ? 0
		       : err_set(err, E_FAILED,
				 "a command in the pod's container runs on kernel %s, the "
				 "container on %s; " DOCTOR,
				 again.kernel, report->kernel, DOCTOR_COMMAND);
}

static int end(const struct proof *p, const char *pod, const char *container,
	       struct deadline deadline, struct err *err)
{
	if (call_with_id(p, "StopContainer", "container_id", container, deadline, err) < 0 ||
	    call_with_id(p, "RemoveContainer", "container_id", container, deadline, err) < 0 ||
	    call_with_id(p, "StopPodSandbox", "pod_sandbox_id", pod, deadline, err) < 0)
		return -1;
	return call_with_id(p, "RemovePodSandbox", "pod_sandbox_id", pod, deadline, err);
}

/* Runs the container in a pod, from its start to the removal of the pod. */
static int run_container(const struct proof *p, const char *pod, uint64_t began,
			 struct deadline deadline, struct prove_report *report, struct err *err)
{
	AUTO(str) char *container = create(p, pod, deadline, err);

	if (!container ||
	    call_with_id(p, "StartContainer", "container_id", container, deadline, err) < 0 ||
	    read_log(p, pod, deadline, report, err) < 0)
		return -1;
	report->ms = clock_ms() - began;
	return prove_read_agent(pod, report, err) < 0 ||
			       exec(p, container, deadline, report, err) < 0
		       ? -1
		       : end(p, pod, container, deadline, err);
}

static bool has_running(const struct proof *p, const char *pod)
{
	AUTO(str)
	char *request = str_fmt("{\"filter\": {\"pod_sandbox_id\": \"%s\", \"state\": {\"state\": "
				"\"CONTAINER_RUNNING\"}}}",
				pod);
	struct err gone = ERR_INIT;
	AUTO(json)
	struct json *answer = call(p, "ListContainers", request, deadline_in(ASK_MS), &gone);
	const struct json *list = answer ? json_get(answer, "containers") : NULL;

	return list && json_count(list);
}

/* After a failure: true if somebody else is stopping the pod. A manager stops the containers first,
 * then the network, and reports the pod as ready until all of that is done; and it reports the end
 * of a container somewhat later than calls to it fail. So this waits for a while. */
static bool is_stopped_by_others(const struct proof *p, const char *pod)
{
	struct deadline stopping = deadline_in(STOPPING_MS), running = deadline_in(RUNNING_MS);
	struct err cancelled = ERR_INIT;

	while (is_up(p, pod)) {
		if (deadline_passed(stopping) ||
		    (deadline_passed(running) && has_running(p, pod)) ||
		    interrupt_sleep(LOOK_MS, &cancelled) < 0)
			return false;
	}
	return true;
}

/* Proves with one pod; returns as pod_prove(). *ended: somebody else has stopped it, or restarted
 * the manager. */
static int run_pod(const struct proof *p, struct deadline deadline, struct prove_report *report,
		   bool *ended, struct err *err)
{
	uint64_t began = clock_ms();
	AUTO(str) char *pod = run_sandbox(p, deadline, err);

	*ended = false;
	if (!pod && blames_node(err)) {
		(void)unfit(report, err->msg);
	} else if (!pod && is_restarted(err)) {
		(void)unfit(report, "the container manager was restarted meanwhile");
		*ended = true;
	} else if (!pod) {
		return -1;
	} else {
		if (run_container(p, pod, began, deadline, report, err) == 0)
			return 0;
		if (err->code == E_CANCELLED || !is_stopped_by_others(p, pod))
			return -1;
		(void)unfit(report, "it was ended early, as a kubelet does with pods of others");
		*ended = true;
	}
	log_err(LOG_WARN, err, "the proof was not made with a pod");
	err_clear(err);
	return 1;
}

/* Stops and removes a pod. Retries, since a stop may fail while somebody else stops the same pod:
 * both take the network down. */
static int remove_pod(const struct proof *p, const char *pod, struct err *err)
{
	struct deadline deadline = deadline_in(REMOVE_MS);

	for (;;) {
		if (call_with_id(p, "StopPodSandbox", "pod_sandbox_id", pod, deadline_in(CALL_MS),
				 err) == 0 &&
		    call_with_id(p, "RemovePodSandbox", "pod_sandbox_id", pod, deadline_in(CALL_MS),
				 err) == 0)
			return 0;
		if (err->code == E_CANCELLED || deadline_passed(deadline))
			return -1;
		err_clear(err);
		if (interrupt_sleep(LOOK_MS, err) < 0)
			return -1;
	}
}

/* Returns the ids of the pod's containers, strv. */
static char **containers_of(const struct proof *p, const char *pod)
{
	AUTO(str) char *request = str_fmt("{\"filter\": {\"pod_sandbox_id\": \"%s\"}}", pod);
	struct err gone = ERR_INIT;
	AUTO(json)
	struct json *found = call(p, "ListContainers", request, deadline_in(ASK_MS), &gone);
	const struct json *list = found ? json_get(found, "containers") : NULL;
	char **ids = NULL;

	for (size_t i = 0; list && i < json_count(list); i++) {
		const char *id = json_get_text(json_at(list, i), "id");

		if (id)
			strv_push(&ids, id);
	}
	return ids;
}

static void remove_whole(const struct proof *p, const char *pod)
{
	AUTO(strv) char **ids = containers_of(p, pod);
	struct err why = ERR_INIT;

	if (remove_pod(p, pod, &why) < 0)
		log_err(LOG_WARN, &why, "cannot remove the proof's pod", LOG_S("pod", pod));
	strv_each(id, ids)
		bundle_clear(p, PODS, *id);
	bundle_clear(p, PODS, pod);
}

/* Lists the pods of the proof; the caller frees the answer. NULL: the manager does not tell. One that
 * is restarted gets time: nobody else removes these pods. */
static struct json *list_pods(const struct proof *p)
{
	AUTO(str)
	char *request = str_fmt("{\"filter\": {\"label_selector\": {\"" LABEL "\": \"%s\"}}}",
				p->id);
	struct deadline away = deadline_in(PROVE_AWAY_MS);

	for (;;) {
		struct err err = ERR_INIT;
		struct json *found = call(p, "ListPodSandbox", request, deadline_in(ASK_MS), &err);

		if (found || !is_restarted(&err) || deadline_passed(away))
			return found;
		(void)poll(NULL, 0, LOOK_MS);
	}
}

static void remove_pods(const struct proof *p)
{
	AUTO(json) struct json *found = list_pods(p);
	const struct json *list = found ? json_get(found, "items") : NULL;

	for (size_t i = 0; list && i < json_count(list); i++) {
		const char *id = json_get_text(json_at(list, i), "id");

		if (id)
			remove_whole(p, id);
	}
}

static int run_pods(const struct proof *p, struct deadline deadline, struct prove_report *report,
		    struct err *err)
{
	struct proof one = *p; /* all but the number is borrowed */
	bool ended;
	int rc, serves;

	for (one.number = 1;; one.number++) {
		rc = run_pod(&one, deadline, report, &ended, err);
		if (!ended || one.number >= p->pods)
			return rc;
		serves = await_manager(p, deadline, report, err);
		if (serves <= 0)
			return serves < 0 ? -1 : rc;
		/* Remove the pod that was ended. */
		remove_pods(p);
	}
}

/* True for errors of a ctr whose containerd ends or starts. */
static bool was_cut(const struct err *err)
{
	static const char *const signs[] = { "code = Unavailable", "connection refused",
					     "error reading from server", "dial unix" };

	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (strstr(err->msg, signs[i]))
			return true;
	return false;
}

/* Loads the image of the proof; returns as pod_prove(). */
static int load_image(const struct proof *p, struct deadline deadline, struct prove_report *report,
		      struct err *err)
{
	for (unsigned i = 1;; i++) {
		int serves;

		if (prove_call(p, "-n " PODS " images import @file", NULL, deadline, err) == 0)
			return 0;
		if (i >= p->pods || !was_cut(err))
			return -1;
		log_err(LOG_WARN, err, "the image of the proof was not loaded");
		err_clear(err);
		serves = await_manager(p, deadline, report, err);
		if (serves <= 0)
			return serves < 0 ? -1 : 1;
	}
}

int pod_prove(const struct proof *p, struct deadline deadline, struct prove_report *report,
	      struct err *err)
{
	AUTO(str) char *dir = log_dir(p);
	int rc;

	if (pod_look(p, report) != 0)
		return 1;
	rc = load_image(p, deadline, report, err);
	if (rc != 0)
		return rc;
	if (path_make(dir, 0700, err) < 0)
		return -1;
	rc = run_pods(p, deadline, report, err);
	report->pod = rc == 0;
	return rc < 0 ? err_wrap(err, "a pod") : rc;
}

/* --- afterwards --- */

void pod_clean(const struct proof *p)
{
	AUTO(str) char *dir = log_dir(p);
	struct err ignored = ERR_INIT; /* there may be nothing to remove */

	if (!p->client->has_pods || !prove_socket(p))
		return;
	remove_pods(p);
	if (has_image(p, PROVE_NAME))
		(void)!prove_call(p, "-n " PODS " images delete --sync @image", NULL,
				  deadline_in(CALL_MS), &ignored);
	err_clear(&ignored);
	(void)!path_remove_tree(dir, &ignored);
}
