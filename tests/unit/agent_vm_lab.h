// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The agent where it belongs: PID 1 of a VM, over a virtio-serial port, with the calls of
 * agent_lab.h. The root file system comes by CopyFile, so nothing else is needed. One VM per test.
 *
 *	vm_boot("quiet");
 *	...CreateSandbox...
 *	vm_copy_busybox();	// the root of lab_container()
 *	vm_end();		// DestroySandbox; the VM must end by itself
 *
 * With KATA_ROOT_IMAGE in the environment the guest's root is that image, and KATA_ROOT_WORDS are on the
 * kernel's command line (tests/integration/image-vm.sh); else it is the initrd.
 */

#include "tests/unit/agent_lab.h"

#include "base/mem.h"
#include "base/spawn.h"

#include <stdint.h>

extern char vm_dir[64]; /* of this test, removed at its end */

void vm_setup(void);
void vm_teardown(void);
/* words: more of the kernel's command line; devices: more arguments of QEMU, or NULL. */
void vm_boot(const char *words);
void vm_boot_with(const char *words, char *const *devices);
/* The name in the guest of a test's own virtio disk, the first one being 0; until the next call. */
const char *vm_disk(unsigned n);
/* A file of the guest, below its shared directory; mode has a type. */
void vm_copy(const char *path, unsigned mode, const char *data, size_t len);
void vm_copy_busybox(void);
void vm_end(void);
int vm_code(void); /* waits for the end of QEMU */
/* One command to QEMU, which must not be an error; events in between are of no interest. */
int vm_qmp_open(void);
void vm_qmp(int fd, const char *command);
/* A file of 16 MiB that the program (as "mkfs.ext4 -q FILE") has formatted, heap. */
char *vm_make_disk(const char *name, const char *program);
uint64_t vm_volume_size(const char *path); /* bytes, by GetVolumeStats */

/* Runs what add puts into the test case; skipped without QEMU, guest kernel or initrd. */
int vm_main(const char *name, void (*add)(TCase *tc));
