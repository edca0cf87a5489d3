// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The real shim between a container manager and a guest that are both hand-made: messages written
 * byte by byte on its task socket, fake_vm in QEMU's place.
 *
 *	shim_start_container("good");	// the script that the guest plays
 *	...
 *	shim_must(shim_ask_id("Delete", 0), "Delete");
 *	shim_finish();			// nothing may be left
 *
 * Each test has a mount and a network namespace of its own with an empty /run. Needs root. One shim
 * per process (Check forks for each test), one container "c".
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
#define VM_LOG DIR "/requests" /* what the agent was asked: length and body of each frame */
#define TASK   "containerd.task.v2.Task"

/* Sanitizers have their own overhead. */
enum { SLOW = SANITIZED ? 5 : 1 };

enum { ANSWER_MS = 15000 * SLOW, QUIET_MS = 20000 * SLOW };

enum code { RPC_OK = 0, RPC_UNKNOWN = 2, RPC_NOT_FOUND = 5, RPC_UNIMPLEMENTED = 12 };

/* --- the manager --- */

struct answer {
	unsigned code;
	char text[512];
	struct buf payload;
};

extern int shim_manager; /* a connection to the shim */
extern pid_t shim_pid;

void shim_ask_on(int fd, const char *service, const char *method, const struct buf *payload,
		 unsigned timeout_ms);
struct answer shim_answer_on(int fd, const char *method);
/* One call of TASK on a connection of its own; with {1: "c"}, which most requests are. */
struct answer shim_ask(const char *method, const struct buf *payload, unsigned timeout_ms);
struct answer shim_ask_id(const char *method, unsigned timeout_ms);
/* These release the answer. */
void shim_must(struct answer a, const char *what);
void shim_must_fail(struct answer a, const char *text);
struct answer shim_create(void); /* with OUTPUT as standard output */
struct answer shim_create_to(const char *output);
struct answer shim_kill(unsigned signo, unsigned timeout_ms);
unsigned shim_wait(void); /* for the end of the container: its exit status */

/* Every event that came, in their order. */
struct event {
	char topic[32];
	unsigned status; /* of an exit */
};
extern struct event shim_events[64];
extern unsigned shim_n_events;
extern unsigned shim_events_to_lose; /* that many connections end before the answer */
void shim_await_event(const char *topic, unsigned status);

void shim_await_request(const char *method); /* until the agent was asked that */

/* --- life and end --- */

extern const char *shim_more_config;   /* a drop-in, or NULL; before the start */
extern const struct buf *shim_options; /* on the standard input of `start`, or NULL */
extern void (*shim_host)(void); /* changes the shim's surroundings before its start, or NULL */

/* share: a line of [hypervisor.qemu]. */
void shim_start(const char *script, const char *share);
/* The same with 9p, Create and Start. */
void shim_start_container(const char *script);
void shim_is_small(void);
/* The payload of the first request for a method in the text of VM_LOG; fails without one. */
struct wire_value shim_recorded(const struct buf *log, const char *service, const char *method);
void shim_output_is(const char *expect);
/* Shutdown; the shim must end and have left nothing. */
void shim_finish(void);
/* Delete of a container that ended with 255, and that. */
void shim_delete_container(void);
extern const char *shim_namespace;       /* of the verbs that are run; "ns" */
extern const char *shim_manager_address; /* that they are told */
/* The `delete` verb, as containerd calls it after a shim is gone. */
void shim_delete_verb(void);
void shim_no_process_is_left(bool killed);
void shim_nothing_is_left(void);

/* Runs what add puts into the test case; skipped without root. */
int shim_main(const char *name, void (*add)(TCase *t));
