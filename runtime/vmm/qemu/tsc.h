// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The rate of this machine's time stamp counter (TSC). Without KVM, QEMU passes the counter
 * through. A guest that does not get its rate on the kernel command line measures it against an
 * emulated timer, which often fails on a busy host. The machine q35 has other clocks to fall back
 * on; microvm has none, and there the guest's kernel hangs.
 */

#include <stdint.h>

/* The rate in kHz, measured for 2 ms, within 0.1 %; 0 on a machine without a TSC. */
uint64_t tsc_khz(void);
