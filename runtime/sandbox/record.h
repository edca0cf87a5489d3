// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The record of a sandbox's resources on the host: persist.json in its state directory, a list of
 * things to undo. It is written before a thing is made or, for a process, before whoever waits for it is
 * told, so that record_undo finds what is there after this process has died.
 *
 *	{"version": 2, "id", "namespace", "agent_version",
 *	 "things": [{"kind": "process", "name": "vmm", "pid": 812, "start": 44121},
 *		    {"kind": "cgroup", "name": "/kata_overhead/x"},
 *		    {"kind": "user", "name": "vmm", "uid": 2046820353, "key": "x@default"},
 *		    {"kind": "interface", "name": "eth0", "tap": "tap0_kata",
 *		     "model": "tcfilter", "netns": "/run/netns/x", "device": 4, "inode": 4026532281},
 *		    {"kind": "volume", "name": "/csi/volume", "sandbox": "ID"}, ...]}
 *
 * Each kind of thing is a row of the table in record.c. Version 1 (0.1.0) had the members "vmm" and
 * "virtiofsd" instead of the list; it is read too.
 *
 * Thread safe.
 */

#include "base/err.h"

#include <sys/types.h>

/* The directories of a sandbox, each with its key below them. */
#define SANDBOX_STATE_DIR "/run/vc/sbs"
#define SANDBOX_VM_DIR    "/run/vc/vm"
#define SANDBOX_SHARE_DIR "/run/kata-containers/shared/sandboxes"

struct record;

/*
 * The key of a sandbox, unique on this host: ID@NAMESPACE, since an id is unique only in its
 * namespace. If it is too long for the path of a socket (108 bytes), it is cut and a digest is
 * appended. Heap; a valid file name that begins like the id.
 */
char *record_key(const char *namespace, const char *id);

/* A new, empty record, which record_write() will write into the directory. Never NULL. */
struct record *record_new(const char *dir, const char *namespace, const char *id);
void record_free(struct record *r);

/* The process of that name, with its start time; replaces an earlier one. pid <= 0: none. */
void record_process(struct record *r, const char *name, pid_t pid);
/* An interface of a network namespace that is connected with a VM (network/wire.h). */
struct endpoint;
struct network;
void record_interface(struct record *r, const struct network *n, const struct endpoint *e);
/* It no longer is. */
void record_no_interface(struct record *r, const char *name);
/* A control group of the host (host/cgroup.h). */
void record_cgroup(struct record *r, const char *path);
void record_forget_cgroups(struct record *r);
/* A direct-assigned volume that says that this sandbox uses it (device/volume.h). */
void record_volume(struct record *r, const char *path);
/* They say so no longer. */
void record_undo_volumes(struct record *r);
/* The user of the VMM (host/user.h). 0: none any more. */
void record_user(struct record *r, uid_t uid);
/* For operators, and for the installer's proof. Untrusted text: the reader must escape it. */
void record_agent_version(struct record *r, const char *version);
MUST_CHECK int record_write(struct record *r, struct err *err);

/* Undoes what is recorded in the directory, the newest thing first, and kills processes that were
 * started for the sandbox of that key and not recorded yet. A recorded process is killed if its pid
 * still belongs to it. Waits until they have ended. */
void record_undo(const char *dir, const char *key);
