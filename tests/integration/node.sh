# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A node for kata-deploy: a private containerd with CRI and an administrator's configuration, and a
# web server on loopback. Needs lib.sh.
#
#   node_start			sets LAB, PREFIX, SHIM; EXIT cleans up
#   node_serve DIR...		serves the directories as $URL/1/, $URL/2/ ...
#   node_deploy VERB ...	kata-deploy ($deploy) on that node
#   node_wait			waits until containerd answers
#   make_release DIR VERSION SERIAL ...
#   NODE_CLEAN			commands to be run at the end
#   node_digest			prints a digest of everything that an install may change

node_start() {
	LAB=$(mktemp -d /tmp/kata-lab-XXXXXX)
	# shellcheck disable=SC2034
	LAB_PREFIX=$LAB/opt/kata
	PREFIX=$LAB/opt/kata
	# shellcheck disable=SC2034
	SHIM=$PREFIX/bin/containerd-shim-kata-v2
	trap node_stop EXIT
	lab_links >"$LAB/links"
	mkdir -p "$LAB/etc" "$LAB/opt"
	cat >"$LAB/etc/config.toml" <<-EOF
		# An administrator's configuration, with a comment.
		version = 2
		root = "$LAB/root"
		state = "$LAB/state"

		[grpc]
		  address = "$LAB/containerd.sock"
		[ttrpc]
		  address = "$LAB/containerd.sock.ttrpc"

		[plugins."io.containerd.grpc.v1.cri"]
		  restrict_oom_score_adj = true # this node may not lower it
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    conf_dir = "$LAB/cni"
	EOF
	# Restarts containerd as a service manager would.
	cat >"$LAB/restart" <<-EOF
		#!/bin/sh
		pid=\$(cat "$LAB/containerd.pid" 2>/dev/null)
		[ -z "\$pid" ] || { kill "\$pid" 2>/dev/null; tail --pid="\$pid" -f /dev/null; }
		setsid containerd --config "$LAB/etc/config.toml" </dev/null >>"$LAB/containerd.log" 2>&1 &
		echo \$! >"$LAB/containerd.pid"
	EOF
	chmod +x "$LAB/restart"
	"$LAB/restart"
	node_wait && return 0
	echo "containerd did not start; its log:" >&2
	tail -n 20 "$LAB/containerd.log" >&2
	return 1
}

node_stop() {
	local status=$?
	set +e
	eval "${NODE_CLEAN:-}"
	[ -z "${HTTPD:-}" ] || kill "$HTTPD" 2>/dev/null
	(exit "$status")
	lab_stop
}

node_serve() {
	local n=0 dir port
	mkdir -p "$LAB/site"
	for dir in "$@"; do
		n=$((n + 1))
		ln -s "$dir" "$LAB/site/$n"
	done
	busybox httpd -f -p 127.0.0.1:0 -h "$LAB/site" >/dev/null 2>&1 &
	HTTPD=$!
	port=$(port_of "$HTTPD")
	[ -n "$port" ] || {
		echo "the web server did not start" >&2
		return 1
	}
	# shellcheck disable=SC2034
	URL=http://127.0.0.1:$port
}

node_deploy() { # VERB OPTION...
	local verb=$1
	shift
	local args=(--prefix "$PREFIX" --lock "$LAB/lock" --trust-memory "$LAB/memory")
	case $verb in
	plan | recover | status | verify) ;;
	*) args+=(--yes) ;;
	esac
	case $verb in
	install | upgrade | uninstall | plan)
		args+=(--cri containerd --cri-config "$LAB/etc/config.toml"
			--cri-socket "$LAB/containerd.sock" --restart-with "$LAB/restart")
		;;
	esac
	case $verb in
	install | upgrade | plan) args+=(--cache "$LAB/cache") ;;
	uninstall) args+=(--forget-trust) ;;
	esac
	# shellcheck disable=SC2154
	"$deploy" "$verb" "${args[@]}" "$@"
}

# Covers names, modes, owners, contents and links.
node_digest() {
	(cd "$LAB" && find etc opt -printf '%p %y %m %u %g %l\n' | sort &&
		find etc opt -type f -print0 | sort -z | xargs -0r sha256sum) | sha256sum
}

# Waits until containerd answers.
node_wait() {
	local end=$((SECONDS + 60))
	while [ "$SECONDS" -lt "$end" ]; do
		[ -S "$LAB/containerd.sock" ] &&
			timeout 5 ctr --address "$LAB/containerd.sock" version >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	echo "containerd does not answer" >&2
	return 1
}

# Makes a release with the files of the first one: DIR VERSION SERIAL [OPTION...], with further options of `release
# build`. Its public key is DIR.pub. --break-initrd makes its guest unbootable.
# shellcheck disable=SC2154
make_release() {
	local dir=$1 version=$2 serial=$3 spoil="" args=()
	shift 3
	for arg in "$@"; do
		if [ "$arg" = --break-initrd ]; then spoil=1; else args+=("$arg"); fi
	done
	mkdir -p "$dir.tree"
	for blob in "$one"/blobs/*; do zstd -dcq "$blob" | tar -C "$dir.tree" -xf -; done
	[ -z "$spoil" ] || echo spoiled >"$dir.tree/share/kata-containers/kata-containers-initrd.img"
	rm -f "$dir.tree/etc/configuration.toml"
	"$deploy" release build --tree "$dir.tree" --out "$dir" --components packaging/components.yaml \
		--version "$version" --serial "$serial" --created 1700000000 --level 1 \
		--expires 2099-01-01T00:00:00Z --channel-expires 2099-01-01T00:00:00Z "${args[@]}" >/dev/null
	"$deploy" keys generate --no-passphrase "$dir" >/dev/null
	"$deploy" release sign --key "$dir.key" "$dir" >/dev/null
}
