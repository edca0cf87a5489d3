# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A private containerd below the temporary directory $LAB, and images that the tests build for it. Sourced by lib.sh
# and by the tests of other engines; the caller writes $LAB/config.toml.
#
#   lab_apart SCRIPT ARG...	call first: runs the script again in namespaces of its own (mounts, network, IPC,
#				processes), unless it already is, so that several can run at the same time
#   lab_prefix PREFIX		sets LAB_PREFIX to a copy of PREFIX, with KATA_TEST_CONFIG (TOML) as a drop-in;
#				annotations may choose configurations in $LAB/conf
#   lab_containerd		starts containerd, lab_stop_containerd ends it; lab_ctr is ctr with its address
#   lab_busybox DIR		makes a root with a static busybox (busybox.sh)
#   lab_import DIR CONFIG NAME...
#				imports an image of those files; CONFIG is the image's configuration (JSON)
#   lab_layout DIR CONFIG NAME...
#				writes that image to $LAB/image.tar, for another containerd
#   lab_xfs FILE		makes an XFS in the file that the guest's kernel can read
#   lab_remove			ends containerd and removes $LAB

# shellcheck source=tests/integration/busybox.sh
. "$(dirname "${BASH_SOURCE[0]}")/busybox.sh"

# shellcheck source=tests/integration/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/wait.sh"

LAB=

lab_apart() {
	if [ -z "${LAB_APART:-}" ]; then
		[ "$(id -u)" = 0 ] || {
			echo "skipped: containers and their networks need root"
			exit 0
		}
		LAB_APART=1 exec unshare --mount --propagation private --net --ipc --pid --fork \
			--kill-child --mount-proc "$@"
	fi
	mount -t tmpfs -o mode=0755 run /run
	mkdir -p /run/lock /var/lib/cni
	mount -t tmpfs cni /var/lib/cni
	ip link set lo up
}

lab_prefix() { # PREFIX
	LAB_PREFIX=$LAB/prefix
	cp -a "$1" "$LAB_PREFIX"
	mkdir -p "$LAB/conf" "$LAB_PREFIX/share/defaults/kata-containers/config.d"
	printf '[runtime]\nvalid_config_paths = ["%s"]\n%s\n' "$LAB/conf" "${KATA_TEST_CONFIG:-}" \
		>"$LAB_PREFIX/share/defaults/kata-containers/config.d/00-lab.toml"
}

lab_ctr() {
	command ctr --address "$LAB/containerd.sock" "$@"
}

lab_containerd() {
	PATH="${LAB_PREFIX:+$LAB_PREFIX/bin:}$PATH" containerd --config "$LAB/config.toml" \
		>>"$LAB/containerd.log" 2>&1 &
	echo $! >"$LAB/containerd.pid"
	answers containerd "$LAB/containerd.pid" "$LAB/containerd.log" lab_ctr version
}

# By pid file, because a test runs in a subshell, and the processes that it starts are not our children.
lab_stop_containerd() {
	local pid
	pid=$(cat "$LAB/containerd.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null
	tail --pid="$pid" -f /dev/null
	rm -f "$LAB/containerd.pid"
}

# lab_web DIR PORT [ADDRESS]: starts a web server, waits until it listens, and sets WEB to its pid
lab_web() {
	busybox httpd -f -p "${3:+$3:}$2" -h "$1" &
	WEB=$!
	for _ in $(seq 300); do
		(exec 3<>"/dev/tcp/${3:-127.0.0.1}/$2") 2>/dev/null && return 0
		kill -0 "$WEB" || break
		sleep 0.1
	done
	echo "    the web server does not listen at port $2" >&2
	return 1
}

# A newer mkfs.xfs enables features that the guest's kernel lacks; Debian 12's rejects its own configuration file.
lab_xfs() { # FILE
	mkfs.xfs -q -c options=/usr/share/xfsprogs/mkfs/lts_6.1.conf "$1" >/dev/null 2>&1 || mkfs.xfs -q "$1" >/dev/null
}

lab_remove() {
	lab_stop_containerd
	# Mounts that a killed containerd has left must not disturb the next test.
	awk -v lab="$LAB/" 'index($5, lab) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
		xargs -r -n 1 umount -l 2>/dev/null
	rm -rf "$LAB"
}

lab_blob() { # FILE -> prints its digest, stores it
	local digest
	digest=$(sha256sum "$1" | cut -d' ' -f1)
	cp "$1" "$LAB/oci/blobs/sha256/$digest"
	echo "$digest"
}

lab_import() { # DIR CONFIG NAME...
	lab_layout "$@" && lab_ctr images import "$LAB/image.tar" >/dev/null
}

# Writes the OCI layout without any image tool or registry.
lab_layout() { # DIR CONFIG NAME...
	local root=$1 settings=$2 layer config manifest name names=""
	shift 2
	rm -rf "$LAB/oci"
	mkdir -p "$LAB/oci/blobs/sha256"
	tar -C "$root" --sort=name --owner=0 --group=0 --mtime=@0 -cf "$LAB/layer.tar" .
	layer=$(lab_blob "$LAB/layer.tar")
	cat >"$LAB/c.json" <<-EOF
		{"architecture":"amd64","os":"linux","config":$settings,
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
	for name in "$@"; do
		names+="${names:+,}
		 {\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",
		  \"digest\":\"sha256:$manifest\",\"size\":$(stat -c %s "$LAB/m.json"),
		  \"annotations\":{\"io.containerd.image.name\":\"$name\"}}"
	done
	echo "{\"schemaVersion\":2,\"manifests\":[$names]}" >"$LAB/oci/index.json"
	tar -C "$LAB/oci" -cf "$LAB/image.tar" .
}
