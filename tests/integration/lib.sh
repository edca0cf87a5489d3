# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Shared by the demo and the integration tests: a private containerd below a temporary directory, a small image, and a
# check for anything left behind.
#
#   . tests/integration/lib.sh
#   lab_start PREFIX		sets LAB and LAB_PREFIX, starts the private containerd; EXIT cleans up
#   lab_image			imports kata-test:busybox
#   lab_left			prints what sandboxes have left on the host; empty if nothing
#   lab_gone			waits until that is nothing; prints it if it stays

# shellcheck source=tests/integration/containerd.sh
. "$(dirname "${BASH_SOURCE[0]}")/containerd.sh"

IMAGE=localhost/kata-test:busybox
export RUNTIME=io.containerd.kata.v2

lab_start() {
	LAB=$(mktemp -d /tmp/kata-lab-XXXXXX)
	trap lab_stop EXIT
	lab_prefix "$1"
	lab_links >"$LAB/links"
	cat >"$LAB/config.toml" <<-EOF
		version = 2
		root = "$LAB/root"
		state = "$LAB/state"
		disabled_plugins = ["io.containerd.grpc.v1.cri"]
		[grpc]
		address = "$LAB/containerd.sock"
		[ttrpc]
		address = "$LAB/containerd.sock.ttrpc"
		[debug]
		level = "debug"
	EOF
	lab_containerd
}

# Kills every task and removes every container.
lab_clear() {
	local id
	for id in $(lab_ctr containers list -q 2>/dev/null); do
		lab_ctr tasks kill -s KILL "$id" >/dev/null 2>&1
		lab_ctr tasks delete -f "$id" >/dev/null 2>&1
		lab_ctr containers rm "$id" >/dev/null 2>&1
	done
}

lab_stop() {
	local status=$?
	set +e
	lab_clear
	lab_remove
	exit "$status"
}

lab_image() {
	lab_busybox "$LAB/image"
	lab_import "$LAB/image" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "$IMAGE"
}

# The prefix of the names of this run's containers, so that other containers on this machine are ignored.
lab_name() { echo "lab${LAB##*-}"; }

lab_id() { # a fresh container's name
	local id
	id=$(lab_name)-$RANDOM$RANDOM
	lab_note "$id"
	echo "$id"
}

# Notes the ids of containers, each with the name that containerd gives the socket of its shim.
lab_note() { # ID...
	local id digest
	for id; do
		digest=$(printf %s "$LAB/containerd.sock/default/$id" | sha256sum)
		echo "$id ${digest%% *}" >>"$LAB/ids"
	done
}

# Prints the network devices whose names have the form of ours.
lab_links() { ip -o link | sed -n 's/^[0-9]*: \([^:@]*_kata\)[:@].*/\1/p' | sort; }

# Prints remaining sockets of the shims of the containers that were noted.
lab_sockets() {
	local id socket
	[ ! -e "$LAB/ids" ] || while read -r id socket; do
		[ ! -e "/run/containerd/s/$socket" ] || echo "socket: of $id"
	done <"$LAB/ids"
}

# Prints remaining processes, mounts, network devices, control groups, files and sockets of this run's sandboxes.
lab_left() {
	local name
	name=$(lab_name)
	pgrep -af -- "(-id |kata-container |sandboxes/|sandbox-)$name-" | cut -c1-120 | sed 's/^/process: /'
	awk -v mine="/$name-" 'index($5, mine) { print "mount: " $5 }' /proc/self/mountinfo
	find /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes /tmp -mindepth 1 -maxdepth 1 \
		-name "*$name-*" 2>/dev/null | sed 's/^/file: /'
	find /sys/fs/cgroup -type d -path "*$name-*" 2>/dev/null | sed 's/^/control group: /'
	# containerd renames a bundle to .ID before it removes it, and never looks at such a directory again if it is ended
	# in between. It is of no importance unless something is mounted there.
	find "$LAB/state" -mindepth 3 -maxdepth 3 -path '*runtime.v2.task*' ! -name '.*' | sed 's/^/bundle: /'
	awk -v mine="$LAB/state/io.containerd.runtime" 'index($5, mine) { print "mount: " $5 }' /proc/self/mountinfo
	lab_links | comm -13 "$LAB/links" - | sed 's/^/network device: /'
	lab_sockets
}

# A sandbox removes its last parts after the answer to its delete, and containerd calls `delete` for a shim that died when
# nobody waits. On a busy machine one look may take seconds.
lab_gone() {
	local left looks=0 ended=$SECONDS
	until [ $((SECONDS - ended)) -gt 60 ] && [ "$looks" -gt 10 ]; do
		left=$(lab_left)
		[ -n "$left" ] || return 0
		looks=$((looks + 1))
		sleep 0.1
	done
	printf '    left: %s\n' "$left"
	return 1
}

# lab_spec FILE ARGS-JSON [EXTRA]: writes a config.json for `ctr run --config` with the image's files as root.
# EXTRA are further members of the top object, starting with a comma.
lab_spec() {
	cat >"$1" <<-EOF
		{"ociVersion":"1.0.2","root":{"path":"$LAB/image"},"hostname":"lab",
		 "process":{"user":{"uid":0,"gid":0},"cwd":"/","env":["PATH=/bin"],"args":$2},
		 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
		  {"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","mode=755"]},
		  {"destination":"/dev/pts","type":"devpts","source":"devpts",
		   "options":["newinstance","ptmxmode=0666","mode=0620"]},
		  {"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]}],
		 "linux":{"namespaces":[{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"mount"},
		  {"type":"network"}]}${3:-}}
	EOF
}
