#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Becomes a node: node.sh NODE-FOLDER. lib.sh calls it in namespaces of the node's own.
#
# The node's root directory is this machine's, with an overlay for the node's own files and everything that it writes
# (NODE-FOLDER/layer/upper). Large directories, and those that containerd cannot have on an overlay, are in
# NODE-FOLDER/disk. PID 1 is this machine's systemd, which runs two units, containerd and the kubelet, so that programs
# find a real service manager. CLUSTER_KUBELET is the directory with the kubelet.
set -euo pipefail
node=$1
name=$(basename "$node")
root=$node/layer/root
mount --make-rprivate /
mount -t overlay -o "lowerdir=/,upperdir=$node/layer/upper,workdir=$node/layer/work" "$name" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=0755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
mkdir "$root"/run/{lock,programs}
mount --bind "$CLUSTER_KUBELET" "$root/run/programs"
for folder in containerd kubelet cni; do
	mkdir -p "$node/disk/$folder" "$root/var/lib/$folder"
	mount --bind "$node/disk/$folder" "$root/var/lib/$folder"
done
mkdir -p "$node/log" "$root/var/log/node" "$root/var/log/pods" "$root/var/log/containers"
mount --bind "$node/log" "$root/var/log/node"
# In the cgroup namespace the node's control groups are the root of each hierarchy.
mount -t tmpfs -o mode=0755 cgroup "$root/sys/fs/cgroup"
for controller in "$node"/../cgroups/*; do
	controller=$(basename "$controller")
	mkdir "$root/sys/fs/cgroup/$controller"
	options=$controller
	[ "$controller" != systemd ] || options=none,name=systemd
	mount -t cgroup -o "$options" cgroup "$root/sys/fs/cgroup/$controller"
done
# A kubelet would set these for the whole machine if they had other values.
for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
	kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
	echo "${setting#*=}" >"$root/run/$(basename "${setting%=*}")"
	[ ! -e "$root/proc/sys/${setting%=*}" ] ||
		mount --bind "$root/run/$(basename "${setting%=*}")" "$root/proc/sys/${setting%=*}"
done
hostname "$name"
ip link set lo up
mkdir "$root/run/old"
cd "$root"
pivot_root . run/old
umount -l /run/old
rmdir /run/old
exec env -i container=kata-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
	/lib/systemd/systemd --system --unit=node.target --log-target=console --show-status=no
