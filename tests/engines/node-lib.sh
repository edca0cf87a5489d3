# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154
#
# A node in a root directory of its own, inside `enter.sh --beside`. The only files of the test on it are the build
# directory, mounted at /mnt, and a service manager in /run.
#
#	node_kind NAME		changes the node into that kind
#	on COMMAND...		runs a command on the node
#	node_begin, node_end	start and stop its engine
#	changes			prints the differences from the original node, one per line
#	held_start, held_says, held_stop
#				start, test and stop a container in a VM that keeps running
#	in_kata COMMAND...	runs a command in a new container in a VM
#
# The engine has its default paths.

# shellcheck source=tests/engines/docker-lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/docker-lib.sh"
# shellcheck source=tests/integration/containerd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../integration/containerd.sh"

node_path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/openrc/bin
engine=containerd SHIM=/opt/kata/bin/containerd-shim-kata-v2
IMAGE=localhost/kata-test:busybox
on() { env -i HOME=/root PATH=$node_path chroot "$NODE" "$@"; }
lab_ctr() { on ctr "${@/#$NODE/}"; } # containerd.sh uses paths of the host
docker() { on docker "$@"; }

# The differences of a kind of node; most kinds are only another distribution.
node_kind() {
	case $1 in
	docker) engine=docker ;;
	opt-link) rm -rf "${NODE:?}/opt" && mkdir -p "$NODE/srv/opt" && ln -s srv/opt "$NODE/opt" ;;
	read-only) mount --bind "$NODE/usr" "$NODE/usr" && mount -o remount,bind,ro "$NODE/usr" ;;
	no-lock) rmdir "$NODE/run/lock" && rm -rf "${NODE:?}/var/lock" ;;
	bare) engine=none && rm -rf "${NODE:?}"/{usr,lib64,etc/containerd} ;;
	this) rm -f "$NODE"/usr/{bin/qemu-system-*,lib/qemu/virtiofsd,libexec/virtiofsd} ;;
	esac
	mkdir -p "$NODE/mnt" "$NODE/run/openrc/bin" "$NODE/var/lib/containerd"
	mount --bind -o ro "$BUILD_AT" "$NODE/mnt"
	mount -t tmpfs containerd "$NODE/var/lib/containerd"
	[ "$engine" != docker ] || {
		mkdir -p "$NODE/var/lib/docker"
		mount -t tmpfs docker "$NODE/var/lib/docker"
	}
	cat >"$NODE/run/openrc/bin/rc-service" <<-'END'
		#!/bin/sh
		pid=$(cat /run/containerd.pid 2>/dev/null)
		[ -z "$pid" ] || kill "$pid" 2>/dev/null
		while [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
		setsid containerd </dev/null >>/run/containerd.log 2>&1 &
		echo $! >/run/containerd.pid
	END
	chmod +x "$NODE/run/openrc/bin/rc-service"
}

node_begin() {
	case $engine in
	containerd) on rc-service containerd restart && node_answers ctr version ;;
	docker)
		on setsid dockerd "${DOCKERD_OPTIONS[@]}" </dev/null >>"$NODE/run/containerd.log" 2>&1 &
		node_answers docker version
		;;
	esac
}

node_answers() { # COMMAND...
	answers "$engine" "$NODE/run/$engine.pid" "$NODE/run/containerd.log" on "$@"
}

node_end() {
	local pid
	pid=$(cat "$NODE/run/$engine.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null
	for _ in $(seq 600); do
		kill -0 "$pid" 2>/dev/null || return 0
		sleep 0.1
	done
	kill -KILL "$pid"
}

# Prints files, links and directories that the lower layer lacks or has with other contents, except sockets and dpkg's
# backups and logs.
changes() {
	local at kind
	find "$UPPER" -mindepth 1 ! -type s ! -path '*/var/lib/dpkg/*-old' ! -path '*/var/log/dpkg.log' -printf '%y %P\n' | LC_ALL=C sort | while read -r kind at; do
		case $kind in
		c) [ ! -e "$LOWER/$at" ] || echo "removed: $at" ;;
		d) [ "$(stat -c '%F %a %u %g' "$LOWER/$at" 2>/dev/null)" = "$(stat -c '%F %a %u %g' "$UPPER/$at")" ] ||
			echo "directory: $at" ;;
		l) [ "$(readlink "$LOWER/$at")" = "$(readlink "$UPPER/$at")" ] || echo "link: $at" ;;
		*)
			cmp -s "$LOWER/$at" "$UPPER/$at" &&
				[ "$(stat -c '%F %a %u %g' "$LOWER/$at")" = "$(stat -c '%F %a %u %g' "$UPPER/$at")" ] ||
				echo "file: $at $(stat -c '%a %u %g' "$UPPER/$at") $(sha256sum <"$UPPER/$at")"
			;;
		esac
	done
}

node_image() {
	case $engine in
	containerd)
		LAB=$NODE/tmp
		lab_busybox "$LAB/image"
		lab_import "$LAB/image" '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "$IMAGE"
		;;
	docker)
		LAB=$NODE/tmp
		docker_image
		;;
	esac
}
in_kata() { # COMMAND...
	case $engine in
	containerd) on timeout 240 ctr run --rm --runtime "$SHIM" "$IMAGE" "r$RANDOM$RANDOM" "$@" ;;
	docker) on timeout 240 docker run --rm --network none --runtime kata "$IMAGE" "$@" ;;
	esac
}
held_start() {
	case $engine in
	containerd) on ctr run -d --runtime "$SHIM" "$IMAGE" held sleep 1000 ;;
	docker) docker run -d --name held --network none --runtime kata "$IMAGE" sleep 1000 >/dev/null ;;
	esac
}
held_says() {
	case $engine in
	containerd) on ctr tasks exec --exec-id "e$RANDOM$RANDOM" held echo alive ;;
	docker) docker exec held echo alive ;;
	esac
}
held_stop() {
	case $engine in
	containerd)
		on ctr tasks kill -s KILL held
		on ctr tasks delete -f held >/dev/null 2>&1 || true
		on ctr containers rm held
		;;
	docker) docker rm -f held >/dev/null ;;
	esac
	docker_gone
}
