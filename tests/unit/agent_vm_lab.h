// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent as PID 1 of a VM, as it runs in production: the functions of agent_lab.h talk to it
 * over a virtio-serial port. The root file system of a container is sent with CopyFile, so that the
 * guest needs no shared directory. One VM per test.
 *
 *	vm_boot("quiet");
 *	...CreateSandbox...
 *	vm_copy_busybox();	// the root of lab_container()
 *	vm_end();		// DestroySandbox; the VM must end by itself
 *
 * The guest's root is the initrd. If KATA_ROOT_IMAGE is in the environment, it is that image, and
 * the words in KATA_ROOT_WORDS are added to the kernel's command line
 * (tests/integration/image-vm.sh).
 */

#include "tests/unit/agent_lab.h"

#include "base/mem.h"
#include "base/spawn.h"

#include <stdint.h>

extern char vm_dir[64]; /* a directory for this test, removed at its end */

void vm_setup(void);
void vm_teardown(void);
/* words are added to the kernel's command line, devices to QEMU's arguments (NULL: none). */
void vm_boot(const char *words);
void vm_boot_with(const char *words, char *const *devices);
/* The name that a virtio disk of the test has in the guest; its first disk is 0. Valid until the
 * next call. */
const char *vm_disk(unsigned n);
/* Makes a file in the guest, below its shared directory. mode includes the file type. */
void vm_copy(const char *path, unsigned mode, const char *data, size_t len);
void vm_copy_busybox(void);
void vm_end(void);
int vm_code(void); /* waits for the end of QEMU and returns its exit code */
int vm_qmp_open(void);
/* Sends a command to QEMU and waits for its answer, which must not be an error. Events that come
 * before the answer are skipped. */
void vm_qmp(int fd, const char *command);
/* Makes a file of 16 MiB and runs "PROGRAM -q FILE" to format it, as with mkfs.ext4. The caller
 * frees the path. */
char *vm_make_disk(const char *name, const char *program);
uint64_t vm_volume_size(const char *path); /* in bytes, from GetVolumeStats */

/* Runs the tests that add() puts into the test case; all are skipped if QEMU, a guest kernel or the
 * initrd is missing. */
int vm_main(const char *name, void (*add)(TCase *tc));
