// SPDX-License-Identifier: Apache-2.0
#pragma once

/*
 * The rate of this machine's time stamp counter. Without KVM QEMU passes the counter through, and a guest
 * that is not told its rate measures it against an emulated timer, which often fails on a busy host. The
 * machine q35 has other clocks to fall back on; microvm has none, and the guest's kernel stands still.
 */

#include <stdint.h>

/* In kHz, measured for 2 ms, within 0.1 %; 0: there is none. */
uint64_t tsc_khz(void);
