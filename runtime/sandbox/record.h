// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The record of a sandbox's resources on the host: persist.json in its state directory, a list of
 * what is to be removed after this process has died. A resource is recorded and written before it
 * is made; a process right after its start, before anything waits for it.
 *
 *	struct record *r = record_new(dir, namespace, id);
 *	record_cgroup(r, path);
 *	if (record_write(r, err) < 0)
 *		return -1;
 *	... makes the cgroup
 *	record_forget_cgroups(r), record_write(r, err)		// after it was removed
 *	record_free(r);
 *
 *	{"version": 2, "id", "namespace", "agent_version",
 *	 "things": [{"kind": "process", "name": "vmm", "pid": 812, "start": 44121},
 *		    {"kind": "cgroup", "name": "/kata_overhead/x"},
 *		    {"kind": "user", "name": "vmm", "uid": 2046820353, "key": "x@default"},
 *		    {"kind": "interface", "name": "eth0", "tap": "tap0_kata", "model": "tcfilter",
 *		     "netns": "/run/netns/x", "device": 4, "inode": 4026532281},
 *		    {"kind": "volume", "name": "/csi/volume", "sandbox": "ID@NAMESPACE"}, ...]}
 *
 * Each kind is a row of the table in record.c. Version 1 (0.1.0) had the members "vmm" and
 * "virtiofsd" instead of the list; record_undo() reads it too.
 *
 * Any thread.
 */

#include "base/err.h"

#include <sys/types.h>

/* A sandbox has a directory named after its key in each of these. */
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

/* Returns a new, empty record, for record_free(). record_write() will write it into the
 * directory. */
struct record *record_new(const char *dir, const char *namespace, const char *id);
void record_free(struct record *r);

/* These change the record in memory; adding replaces an earlier entry of the same kind and name. */

/* A process, with its start time; pid <= 0 removes the entry of that name. */
void record_process(struct record *r, const char *name, pid_t pid);
/* An interface of a network namespace that is connected with the VM (network/wire.h). It replaces an
 * entry of the same tap: the interface may have been renamed. */
struct endpoint;
struct network;
void record_interface(struct record *r, const struct network *n, const struct endpoint *e);
void record_forget_interface(struct record *r, const char *tap);
/* A control group of the host (host/cgroup.h). */
void record_cgroup(struct record *r, const char *path);
void record_forget_cgroups(struct record *r);
/* A direct-assigned volume that is marked as used by this sandbox (device/volume.h). */
void record_volume(struct record *r, const char *path);
/* Removes the marks of the recorded volumes, and the entries. */
void record_undo_volumes(struct record *r);
/* The user of the VMM (host/user.h); 0 removes the entry. */
void record_user(struct record *r, uid_t uid);
/* For operators, and for the installer's proof. Untrusted text: whoever prints it must escape
 * it. */
void record_agent_version(struct record *r, const char *version);

/* Writes persist.json, atomically. */
MUST_CHECK int record_write(struct record *r, struct err *err);

/* After the sandbox's process has died: removes what persist.json in dir lists, the newest entry
 * first, and kills processes that were started for the sandbox of that key but are not recorded. A
 * recorded process is killed only if pid and start time are still its. Waits until they have ended,
 * but 3 s at most, and 4 s in all; failures are logged. */
void record_undo(const char *dir, const char *key);
