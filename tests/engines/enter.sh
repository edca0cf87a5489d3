#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command with the engines of chroot.sh: enter.sh ROOT COMMAND...
#
# The command has mount, process and network namespaces of its own, this tree as /src and working
# directory, and a layer of its own above ROOT, which stays as it is. What it started ends with it.
# Kernel, devices and control groups are the host's. Variables KATA_* are handed on; the files of the
# host in KATA_HOST_FILES are seen in /opt/host.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$(realpath "$1")
shift
mkdir -p "${root%/*}/own"

# In the new namespaces, still with the host's programs: $1 ROOT, $2 tree, then the command.
# shellcheck disable=SC2016
inside='
set -euo pipefail
root=$1 tree=$2 own=${1%/*}/own
shift 2
mount -t tmpfs -o mode=0755 engines "$own"
mkdir "$own/upper" "$own/work" "$own/root"
new=$own/root
mount -t overlay -o "lowerdir=$root,upperdir=$own/upper,workdir=$own/work" engines "$new"
mount --bind "$tree" "$new/src"
mount -t proc -o nosuid,nodev,noexec proc "$new/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$new/sys"
mount --rbind /sys/fs/cgroup "$new/sys/fs/cgroup"
mount --rbind /dev "$new/dev"
mount -t tmpfs -o mode=0755 run "$new/run"
mkdir "$new/run/lock"
mount -t tmpfs -o mode=1777 tmp "$new/tmp"
mkdir "$new/opt/host"
for file in ${KATA_HOST_FILES:-}; do
	touch "$new/opt/host/${file##*/}"
	mount --bind -o ro "$file" "$new/opt/host/${file##*/}"
done
mount --make-rprivate "$new"
ip link set lo up
cd "$new"
pivot_root . mnt
cd /src
umount -l /mnt
exec tini -- "$@"
'

variables=()
while IFS= read -r -d '' variable; do
	[[ $variable != KATA_* ]] || variables+=("$variable")
done < <(env -0)

# unshare itself takes no signal while it waits; its end is that of all it started.
unshare --mount --propagation private --net --pid --fork --kill-child \
	bash -c "$inside" enter "$root" "$PWD" \
	env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" "$@" <&0 &
pid=$!
trap 'kill -KILL "$pid" 2>/dev/null; exit 143' INT TERM HUP
wait "$pid"
