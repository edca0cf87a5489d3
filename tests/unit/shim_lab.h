// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * Runs the real shim. The test plays the container manager: it writes messages byte by byte to the
 * shim's task socket. fake_vm runs in place of QEMU and plays the guest.
 *
 *	shim_start_container("good");	// the script of fake_vm
 *	...
 *	shim_must(shim_ask_id("Delete", 0), "Delete");
 *	shim_finish();			// fails if something is left
 *
 * Each test has a mount and a network namespace of its own, in which /run is empty. Needs root.
 * There is one shim per process (Check forks for each test) and one container, "c".
 */

#include "tests/unit/wire_lab.h"

#include "base/buf.h"
#include "tests/unit/sanitized.h"

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#define DIR    "/run/t"
#define BUNDLE DIR "/bundle"
#define EVENTS DIR "/events.sock"
#define OUTPUT DIR "/output"
#define VM_LOG DIR "/requests" /* requests to the agent: length and body of each frame */
#define VM_PID VM_LOG ".pid"   /* the VM's pid, once it runs */
#define TASK   "containerd.task.v2.Task"

#define SHARE_9P "shared_fs = \"virtio-9p\"" /* a share for shim_start() */

/* Sanitizers make everything slower. */
enum { SLOW = SANITIZED ? 5 : 1 };

enum { ANSWER_MS = 15000 * SLOW, QUIET_MS = 20000 * SLOW };

/* Fields of the answer to State, and values of STATE_STATUS. */
enum { STATE_VMM = 3, STATE_STATUS = 4 };
enum { STATUS_RUNNING = 2, STATUS_STOPPED = 3 };

enum code { RPC_OK = 0, RPC_UNKNOWN = 2, RPC_NOT_FOUND = 5, RPC_UNIMPLEMENTED = 12 };

/* --- the manager --- */

struct answer {
	unsigned code;
	char text[512];
	struct buf payload;
};

extern int shim_manager; /* a connection to the shim */
extern pid_t shim_pid;
/* A path in the mount namespace of the VM, as this process can open it; heap. With 9p the share is
 * mounted there. */
char *shim_path_of_vm(const char *path);

int shim_connect(void); /* a new connection to the shim, which the caller closes */

void shim_ask_on(int fd, const char *service, const char *method, const struct buf *payload,
		 unsigned timeout_ms);
struct answer shim_answer_on(int fd, const char *method);
/* One call of TASK on a new connection. Most requests have the container's id as their only field:
 * shim_ask_id() sends {1: "c"}. */
struct answer shim_ask(const char *method, const struct buf *payload, unsigned timeout_ms);
struct answer shim_ask_id(const char *method, unsigned timeout_ms);
/* Adds a part of an OCI specification to a request, as a google.protobuf.Any. */
void shim_add_any(struct buf *payload, unsigned field, const char *json);
/* Check an answer and release it. */
void shim_must(struct answer a, const char *what);
void shim_must_fail(struct answer a, const char *text);
struct answer shim_create(void); /* with the file OUTPUT as standard output */
struct answer shim_create_to(const char *output);
struct answer shim_kill(unsigned signo, unsigned timeout_ms);
unsigned shim_wait(void); /* waits for the end of the container; returns its exit status */
unsigned shim_state(unsigned field); /* calls State; returns the number in that field */

/* The topic of the events that the shim sent, in order; "" after the last one. Static. */
const char *shim_event(unsigned number);
/* So many of the next event connections are closed before the shim gets an answer. */
extern unsigned shim_events_to_lose;
extern bool shim_events_hang; /* the next event gets no answer, nor any later one */
void shim_await_event(const char *topic, unsigned status);

void shim_await_request(const char *method); /* waits until the agent got this request */

/* --- starting and ending the shim --- */

/* To be set before the start. */
extern const char *shim_more_config;   /* text of a drop-in, or NULL */
extern const struct buf *shim_options; /* standard input of the verb `start`, or NULL */
/* Called in the test's namespaces before the start, to change what the shim finds; or NULL. */
extern void (*shim_host)(void);

/* Replaces a file: the bundle's config.json, say, between the start and Create. */
void shim_write(const char *path, const char *text);
/* Path of the network namespace in the specification, or NULL for a new one. */
extern const char *shim_netns;
/* Writes the bundle's config.json. type: "sandbox" or "container" of the pod "c"; "": a single
 * container. process, linux_members: further members of these objects, each with a comma before it,
 * or "". */
void shim_write_spec(const char *type, const char *process, const char *linux_members);
/* script: what fake_vm plays; share: a line of [hypervisor.qemu]. */
void shim_start(const char *script, const char *share);
/* The verb `start` alone, with fd as its standard output. Returns its exit code. */
int shim_start_into(int fd, const char *script, const char *share);
/* Starts the shim with 9p, then calls Create and Start. */
void shim_start_container(const char *script);
void shim_is_small(void); /* fails if the shim has used too much memory */
/* The ids of the shim's threads; the caller frees them (strv_free). */
char **shim_threads(void);
/* The payload of the first request of this method in log, the contents of VM_LOG; it points into
 * log. Fails if there is no such request. */
struct wire_value shim_recorded(const struct buf *log, const char *service, const char *method);
/* How often the text is in the shim's log. */
size_t shim_times_logged(const char *text);
void shim_logged(const char *text); /* fails if it is not there */
void shim_output_is(const char *expect);
/* Calls Shutdown. The shim must end, and nothing of it may be left. */
void shim_finish(void);
/* Kills and deletes the container, then calls shim_finish(). */
void shim_kill_and_finish(void);
/* Deletes a container that ended with 255, then calls shim_finish(). */
void shim_delete_container(void);
/* Arguments of the shim's verbs: the namespace ("ns") and containerd's address. */
extern const char *shim_namespace, *shim_manager_address;
/* Runs the verb `delete`, as containerd does after a shim has ended. */
void shim_delete_verb(void);
/* Waits until every process that the test or the shim started has ended. Unless killed, the shim
 * must have exited with 0. */
void shim_no_process_is_left(bool killed);
/* Fails if files, mounts or the socket of the shim are left. */
void shim_nothing_is_left(void);

/* Runs the tests that add() puts into the test case; all are skipped without root. */
int shim_main(const char *name, void (*add)(TCase *t));
