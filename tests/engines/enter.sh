#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command with the engines of chroot.sh: enter.sh [--beside] ROOT COMMAND...
#
# The command has mount, process and network namespaces of its own, this tree as /src and working
# directory, and a layer of its own above ROOT, which stays as it is. What it started ends with it.
# Kernel, devices and control groups are the host's. Variables KATA_* are handed on; the files of the
# host in KATA_HOST_FILES are seen in /opt/host.
#
# --beside: the command stays in the host's root, with the host's programs; $NODE is the other one, which
# has nothing of the test in it, $UPPER its layer above $LOWER. ROOT may be / then.
set -euo pipefail
cd "$(dirname "$0")/../.."
beside=
[ "$1" != --beside ] || {
	beside=1
	shift
}
root=$(realpath "$1")
shift
own=$(mktemp -d /tmp/kata-own-XXXXXX)
trap 'rmdir "$own"' EXIT

# In the new namespaces, still with the host's programs: $1 ROOT, $2 tree, $3 an empty directory, $4
# whether to stay beside it, then the command.
# shellcheck disable=SC2016
inside='
set -euo pipefail
root=$1 tree=$2 own=$3 beside=$4
shift 4
mount -t tmpfs -o mode=0755 engines "$own"
mkdir "$own/upper" "$own/work" "$own/root"
new=$own/root
mount -t overlay -o "lowerdir=$root,upperdir=$own/upper,workdir=$own/work" engines "$new"
mount -t proc -o nosuid,nodev,noexec proc "$new/proc"
mount -t sysfs -o nosuid,nodev,noexec sysfs "$new/sys"
mount --rbind /sys/fs/cgroup "$new/sys/fs/cgroup"
mount --rbind /dev "$new/dev"
mount -t tmpfs -o mode=0755 run "$new/run"
mkdir "$new/run/lock"
mount -t tmpfs -o mode=1777 tmp "$new/tmp"
ip link set lo up
if [ -n "$beside" ]; then
	mount -t proc proc /proc
	exec env -i "NODE=$new" "LOWER=$root" "UPPER=$own/upper" "${@:3}"
fi
mkdir -p "$new/src" "$new/opt/host"
mount --bind "$tree" "$new/src"
for file in ${KATA_HOST_FILES:-}; do
	touch "$new/opt/host/${file##*/}"
	mount --bind -o ro "$file" "$new/opt/host/${file##*/}"
done
mount --make-rprivate "$new"
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
	bash -c "$inside" enter "$root" "$PWD" "$own" "$beside" \
	env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" "$@" <&0 &
pid=$!
trap 'kill -KILL "$pid" 2>/dev/null; exit 143' INT TERM HUP
status=0
wait "$pid" || status=$?
exit "$status"
