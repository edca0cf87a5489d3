# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A dockerd with its default paths, inside enter.sh, where no other containers exist.
#
#	docker_start PREFIX	starts it with PREFIX/bin first in its PATH; sets LAB; EXIT cleans up
#	docker_image		imports $IMAGE, which has a static busybox
#	docker_left		prints what is left of sandboxes; empty if nothing
#	docker_gone		waits until nothing is left of them
#	docker_reset		after a failure: starts a new daemon, without anything from before
#
# Docker's networks need iptables and kernel modules of the host, so they are not used.

# shellcheck source=tests/integration/busybox.sh
. "$(dirname "${BASH_SOURCE[0]}")/../integration/busybox.sh"

# shellcheck source=tests/integration/wait.sh
. "$(dirname "${BASH_SOURCE[0]}")/../integration/wait.sh"

LAB=
IMAGE=kata-test:busybox
DOCKERD_OPTIONS=(--iptables=false --ip6tables=false --bridge=none --storage-driver=overlay2)

docker_start() {
	[ "$(cat /proc/1/comm)" = tini ] || {
		echo "docker_start: only inside of tests/engines/enter.sh" >&2
		return 1
	}
	DOCKER_PREFIX=$1
	LAB=$(mktemp -d /tmp/kata-lab-XXXXXX)
	trap docker_stop EXIT
	mkdir -p /var/lib/docker /etc/docker
	mountpoint -q /var/lib/docker || mount -t tmpfs docker /var/lib/docker
	docker_daemon
}

docker_daemon() {
	rm -f /run/docker.pid
	PATH=$DOCKER_PREFIX/bin:$PATH dockerd "${DOCKERD_OPTIONS[@]}" >>"$LAB/dockerd.log" 2>&1 &
	echo $! >"$LAB/dockerd.pid"
	answers dockerd "$LAB/dockerd.pid" "$LAB/dockerd.log" docker version
}

docker_end_daemon() {
	local pid
	pid=$(cat "$LAB/dockerd.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null
	timeout 60 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
	rm -f "$LAB/dockerd.pid"
}

docker_clear() {
	docker ps -aq 2>/dev/null | timeout 60 xargs -r docker rm -f >/dev/null 2>&1
}

docker_reset() {
	docker_clear
	docker_gone >/dev/null && return 0
	docker_end_daemon
	pkill -KILL 'containerd-shim|qemu-system|virtiofsd' # in a process namespace that is ours
	docker_left | sed -n 's/^mount: //p' | sort -r | xargs -r umount -l
	rm -rf /run/vc/sbs /run/vc/vm /run/docker/containerd /var/lib/docker/containers/*
	docker_daemon
}

docker_stop() {
	local status=$?
	set +e
	docker_clear
	docker_end_daemon
	rm -rf "$LAB"
	exit "$status"
}

docker_image() {
	local root=$LAB/image
	lab_busybox "$root"
	mkdir -p "$root/home/user"
	printf 'root:x:0:\nuser:x:1000:\nmore:x:2000:user\n' >"$root/etc/group"
	echo data >"$root/etc/data"
	chmod 1777 "$root/tmp"
	chown 1000:1000 "$root/home/user"
	tar -C "$root" --numeric-owner -cf - . |
		docker import -c 'ENV PATH=/bin' -c 'CMD ["sh"]' - "$IMAGE" >/dev/null
}

# Prints processes, mounts and files of sandboxes; all that exist in here belong to the tests.
docker_left() {
	pgrep -af 'containerd-shim|qemu-system|virtiofsd' | cut -c1-120 | sed 's/^/process: /'
	awk '$5 ~ /\/run\/(kata-containers|vc)/ { print "mount: " $5 }' /proc/self/mountinfo
	find /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes -mindepth 1 -maxdepth 1 \
		2>/dev/null | sed 's/^/file: /'
}

docker_gone() {
	local ended=$SECONDS
	while [ $((SECONDS - ended)) -le 20 ]; do # a sandbox removes its last parts after the answer to its removal
		[ -n "$(docker_left)" ] || return 0
		sleep 0.1
	done
	docker_left | sed 's/^/    left: /'
	return 1
}
