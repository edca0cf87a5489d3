#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests that another run of a container manager's program is not taken for the manager: clients.sh KATA-DEPLOY
#
# k3s is kubectl and ctr too, and containerd prints its configuration. Runs without the processes of this machine, and with
# stand-ins for the programs, which wait for input that never arrives.
set -eu
if [ "${1-}" != inside ]; then
	if ! unshare --mount true 2>/dev/null; then
		echo "skipped: clients: they need root, to mount"
		exit 0
	fi
	exec unshare --mount --pid --fork --kill-child --mount-proc "$0" inside "$(realpath "$1")"
fi
deploy=$2
lab=$(mktemp -d "${TMPDIR:-/tmp}/clients.XXXXXX")
trap 'rm -rf "$lab"' EXIT
mount -t tmpfs tmpfs /run
mkfifo "$lab/never"
cd "$lab"

# runs YES|NO MANAGER PROGRAM NAME [WORD...]: whether such a process is that manager. Its first word is the name of a script.
runs() {
	local wanted=$1 manager=$2 program=$3 name=$4 pid got
	shift 4
	[ $# -gt 0 ] || set -- wait
	cp /bin/bash "$lab/$program"
	echo "read -r line <$lab/never" >"$lab/$1"
	(exec -a "$name" "$lab/$program" "$@") &
	pid=$!
	until [ "$(readlink "/proc/$pid/exe")" = "$lab/$program" ]; do sleep 0.01; done
	got=$("$deploy" doctor --json | jq -r --arg m "$manager" 'if any(.managers[]; .name == $m and .running) then "yes" else "no" end') || :
	kill "$pid"
	wait "$pid" 2>/dev/null || :
	rm -f "${lab:?}/$program" "$lab/$1"
	[ "$got" = "$wanted" ] || {
		echo "  FAIL  '$name $*' is $manager: $got"
		exit 1
	}
}

runs yes k3s k3s /usr/local/bin/k3s server --disable traefik
runs yes k3s k3s /usr/local/bin/k3s agent
runs yes k3s k3s "/usr/local/bin/k3s server" # it hides its options in this way
runs no k3s k3s kubectl get pods --watch
runs no k3s k3s ctr run --rm
runs no k3s k3s /usr/local/bin/k3s kubectl get pods --watch
runs no k3s k3s crictl
runs yes rke2 rke2 /usr/local/bin/rke2 server
runs no rke2 rke2 /usr/local/bin/rke2 etcd-snapshot save
runs yes containerd containerd /usr/bin/containerd
runs yes containerd containerd containerd wait --config /etc/containerd/config.toml
runs no containerd containerd containerd config dump
runs no containerd containerd containerd wait --config /etc/containerd/config.toml config dump
runs no containerd containerd containerd wait --address /run/containerd/containerd.sock publish --topic /tasks/exit
runs yes k0s containerd /data/k0s/bin/containerd wait --config=/etc/k0s/containerd.toml # with --data-dir
runs no containerd containerd /data/k0s/bin/containerd wait --config=/etc/k0s/containerd.toml
runs yes crio crio /usr/bin/crio
runs no crio crio /usr/bin/crio config
echo "  ok    a client of a container manager is not taken for the manager"
