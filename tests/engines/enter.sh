#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs a command in a root directory of chroot.sh: enter.sh [--beside] ROOT COMMAND...
#
# The command has mount, PID and network namespaces of its own, this tree as /src and working directory, and an overlay
# over ROOT, which does not change. All its processes end with it. Kernel, devices and control groups are the host's.
# Variables KATA_* are passed on; files of the host that KATA_HOST_FILES lists appear in /opt/host.
#
# With --beside the command stays in the host's root directory, with the host's programs. $NODE is then the other root,
# without any file of the test, and $UPPER its layer above $LOWER. ROOT may be /.
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

# Runs in the new namespaces, still with the host's programs. Arguments: ROOT, the tree, an empty directory, whether
# --beside was given, then the command.
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

# unshare ignores signals while it waits, so it is killed on a signal; its children end with it.
unshare --mount --propagation private --net --pid --fork --kill-child \
	bash -c "$inside" enter "$root" "$PWD" "$own" "$beside" \
	env -i HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" \
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" "$@" <&0 &
pid=$!
trap 'kill -KILL "$pid" 2>/dev/null; exit 143' INT TERM HUP
status=0
wait "$pid" || status=$?
exit "$status"
