#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# PID 1 of a host with vhost-vsock: sets up the outer machine's files with an overlay as root.
b=/bin/busybox
$b mkdir -p /proc /sys /lower /layer /new
$b mount -t proc proc /proc
for m in /modules/*.ko; do $b insmod "$m" || echo "FAIL insmod $m"; done
$b mount -t virtiofs -o ro host /lower || echo "FAIL mount"
$b mount -t tmpfs layer /layer
$b mkdir -p /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work overlay /new ||
	echo "FAIL overlay"
for d in proc sys dev run tmp; do $b mkdir -p /new/$d; done
project=$($b sed -n 's/.*project=\([^ ]*\).*/\1/p' /proc/cmdline)
stage=$($b sed -n 's/.*stage=\([^ ]*\).*/\1/p' /proc/cmdline)
$b mount -t proc proc /new/proc
$b mount -t sysfs sys /new/sys
$b mount -t devtmpfs dev /new/dev
$b mount -t tmpfs run /new/run
$b mount -t tmpfs tmp /new/tmp
$b mount -t cgroup2 cgroup2 /new/sys/fs/cgroup
exec $b switch_root /new /bin/bash "$project/tests/vsock/inside.sh" "$stage"
