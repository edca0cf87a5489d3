# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the demo and the integration tests share: a private containerd below a temporary directory, a
# small image made on the spot, and the question whether anything was left behind.
#
#   . tests/integration/lib.sh
#   lab_start PREFIX		sets LAB, defines ctr for the private containerd; EXIT cleans up.
#				LAB_PREFIX is a copy of PREFIX, with KATA_TEST_CONFIG (TOML) laid over, that
#				takes configurations of $LAB/conf
#   lab_image			imports kata-test:busybox
#   lab_left			prints what is left on the host, empty if nothing

LAB=
IMAGE=localhost/kata-test:busybox
export RUNTIME=io.containerd.kata.v2

lab_ctr() {
	command ctr --address "$LAB/containerd.sock" "$@"
}

lab_containerd() {
	PATH="$LAB_PREFIX/bin:$PATH" containerd --config "$LAB/config.toml" \
		>>"$LAB/containerd.log" 2>&1 &
	echo $! >"$LAB/containerd.pid"
	for _ in $(seq 600); do
		lab_ctr version >/dev/null 2>&1 && return 0
		kill -0 "$(cat "$LAB/containerd.pid")" 2>/dev/null || break
		sleep 0.05
	done
	echo "containerd did not start; its log:" >&2
	tail -n 20 "$LAB/containerd.log" >&2
	return 1
}

lab_start() {
	LAB=$(mktemp -d /tmp/kata-lab-XXXXXX)
	trap lab_stop EXIT
	LAB_PREFIX=$LAB/prefix
	cp -a "$1" "$LAB_PREFIX"
	mkdir -p "$LAB/conf" "$LAB_PREFIX/share/defaults/kata-containers/config.d"
	printf '[runtime]\nvalid_config_paths = ["%s"]\n%s\n' "$LAB/conf" "${KATA_TEST_CONFIG:-}" \
		>"$LAB_PREFIX/share/defaults/kata-containers/config.d/00-lab.toml"
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

# By pid file, since a test runs in a subshell and what it starts is not our child.
lab_stop_containerd() {
	local pid
	pid=$(cat "$LAB/containerd.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null
	tail --pid="$pid" -f /dev/null
	rm -f "$LAB/containerd.pid"
}

# Ends every task and forgets every container.
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
	lab_stop_containerd
	# What a killed containerd leaves mounted is its own business, but not the next test's.
	awk -v lab="$LAB/" 'index($5, lab) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		xargs -r -n 1 umount -l 2>/dev/null
	rm -rf "$LAB"
	exit "$status"
}

lab_blob() { # FILE -> prints its digest, stores it
	local digest
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "$LAB/oci/blobs/sha256/$digest"
	echo "$digest"
}

# An OCI image with a static busybox in it, written by hand: no registry, no image tool.
lab_image() {
	local root=$LAB/image layer config manifest
	mkdir -p "$root"/{bin,etc,tmp,dev,proc,sys,root} "$LAB/oci/blobs/sha256"
	cp /bin/busybox "$root/bin/busybox"
	for applet in $("$root/bin/busybox" --list); do
		[ "$applet" = busybox ] || ln -sf busybox "$root/bin/$applet"
	done
	printf 'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n' \
		>"$root/etc/passwd"
	printf 'root:x:0:\nuser:x:1000:\n' >"$root/etc/group"
	tar -C "$root" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$LAB/layer.tar" .
	layer=$(lab_blob "$LAB/layer.tar")
	cat >"$LAB/c.json" <<-EOF
		{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},
		 "rootfs":{"type":"layers","diff_ids":["sha256:$layer"]}}
	EOF
	config=$(lab_blob "$LAB/c.json")
	cat >"$LAB/m.json" <<-EOF
		{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",
		 "config":{"mediaType":"application/vnd.oci.image.config.v1+json",
		  "digest":"sha256:$config","size":$(stat -c %s "$LAB/c.json")},
		 "layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",
		  "digest":"sha256:$layer","size":$(stat -c %s "$LAB/layer.tar")}]}
	EOF
	manifest=$(lab_blob "$LAB/m.json")
	echo '{"imageLayoutVersion":"1.0.0"}' >"$LAB/oci/oci-layout"
	cat >"$LAB/oci/index.json" <<-EOF
		{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",
		 "digest":"sha256:$manifest","size":$(stat -c %s "$LAB/m.json"),
		 "annotations":{"io.containerd.image.name":"$IMAGE"}}]}
	EOF
	tar -C "$LAB/oci" -cf "$LAB/image.tar" .
	lab_ctr images import "$LAB/image.tar" >/dev/null
}

# A fresh container's name. Names of one run share a prefix, so that others on this machine do not count.
lab_id() {
	local id=lab$$-$RANDOM$RANDOM
	echo "$id" >>"$LAB/ids"
	echo "$id"
}

# Network devices that are named as ours are.
lab_links() { find /sys/class/net -mindepth 1 -name '*_kata' -printf '%f\n' | sort; }

# Where the shim of each container listened: named as containerd names its own.
lab_sockets() {
	local id digest
	sort -u "$LAB/ids" 2>/dev/null | while read -r id; do
		digest=$(printf %s "$LAB/containerd.sock/default/$id" | sha256sum)
		[ ! -e "/run/containerd/s/${digest%% *}" ] || echo "socket: of $id"
	done
}

# Processes, mounts, network devices, control groups, files and sockets of this run's sandboxes.
lab_left() {
	pgrep -af -- "(-id |sandboxes/|sandbox-)lab$$-" | cut -c1-120 | sed 's/^/process: /'
	awk -v mine="/lab$$-" 'index($5, mine) { print "mount: " $5 }' /proc/self/mountinfo
	find /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes /tmp -mindepth 1 -maxdepth 1 \
		-name "*lab$$-*" 2>/dev/null | sed 's/^/file: /'
	find /sys/fs/cgroup -type d -path "*lab$$-*" 2>/dev/null | sed 's/^/control group: /'
	find "$LAB/state" -mindepth 3 -maxdepth 3 -path '*runtime.v2.task*' | sed 's/^/bundle: /'
	lab_links | comm -13 "$LAB/links" - | sed 's/^/network device: /'
	lab_sockets
}

# lab_spec FILE ARGS-JSON [EXTRA]: a config.json for `ctr run --config` with the image's files as root.
# EXTRA is more of the top object, starting with a comma.
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
