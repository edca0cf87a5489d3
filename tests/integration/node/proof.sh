# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# shellcheck shell=bash
# A failed proof undoes files and registration; a container manager that does not come back gets its old configuration.

test_wrong_kernel_undoes_everything() {
	local before said
	before=$(node_digest)
	make_release "$LAB/wrong" 1.0 1 --guest-kernel 9.9.9-other
	said=$(fails 1 node_deploy install --release "$LAB/wrong" --key "$LAB/wrong.pub" --quiet)
	has "why" "$said" "the release has 9.9.9-other"
	expect "the node" "$(node_digest)" "$before"
	node_wait
	# A failed upgrade restores the installed release, which containerd serves.
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	before=$(node_digest)
	make_release "$LAB/wrong2" 2.0 9999999999 --agent 7.7.7
	said=$(fails 1 node_deploy upgrade --release "$LAB/wrong2" --key "$LAB/wrong2.pub" --quiet)
	has "why" "$said" "the release has 7.7.7"
	expect "the node" "$(node_digest)" "$before"
	"$deploy" prove --prefix "$PREFIX" --cri containerd --cri-config "$LAB/etc/config.toml" \
		--cri-socket "$LAB/containerd.sock" --quiet
	node_deploy uninstall --quiet
}

test_broken_guest_undoes_everything() {
	local before
	before=$(node_digest)
	make_release "$LAB/broken" 1.0 1 --break-initrd
	fails 1 node_deploy install --release "$LAB/broken" --key "$LAB/broken.pub" --quiet >/dev/null
	expect "the node" "$(node_digest)" "$before"
}

test_a_restart_that_fails_puts_everything_back() {
	local before said
	before=$(node_digest)
	# This command stops containerd, and starts it only if the old configuration is in place.
	cat >"$LAB/bad-restart" <<-END
		#!/bin/sh
		grep -q containerd-shim-kata "$LAB/etc/config.toml" || exec "$LAB/restart"
		pid=\$(cat "$LAB/containerd.pid")
		kill "\$pid"
		tail --pid="\$pid" -f /dev/null
		exit 0
	END
	chmod +x "$LAB/bad-restart"
	said=$(fails 11 "$deploy" install --prefix "$PREFIX" --lock "$LAB/lock" --trust-memory "$LAB/memory" --yes --quiet \
		--release "$one" --key "$one/development.pub" --cache "$LAB/cache" --cri containerd \
		--cri-config "$LAB/etc/config.toml" --cri-socket "$LAB/containerd.sock" \
		--restart-with "$LAB/bad-restart" --restart-seconds 3)
	has "why" "$said" "containerd"
	node_wait
	expect "the node" "$(node_digest)" "$before"
}

# Kills an install once a process with that command line exists; WITH names another process to kill.
killed_in_the_proof() { # COMMAND-LINE [WITH]
	local before pid
	before=$(node_digest)
	"$deploy" install --prefix "$PREFIX" --lock "$LAB/lock" --trust-memory "$LAB/memory" --yes --quiet --release "$one" \
		--key "$one/development.pub" --cri containerd --cri-config "$LAB/etc/config.toml" \
		--cri-socket "$LAB/containerd.sock" --restart-with "$LAB/restart" \
		--progress-fd 3 3>"$LAB/progress" >/dev/null 2>&1 &
	pid=$!
	for _ in $(seq 6000); do
		pgrep -f -- "$1" >/dev/null && break
		sleep 0.01
	done
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || true
	[ -z "${2-}" ] || "$2"
	has "status" "$("$deploy" status --prefix "$PREFIX")" "interrupted"
	node_deploy recover --quiet
	node_wait
	for _ in $(seq 600); do
		[ "$(node_digest)" = "$before" ] && break
		sleep 0.1
	done
	expect "the node" "$(node_digest)" "$before"
	expect "containers of the proof" "$(lab_ctr -n kata-deploy containers ls -q)" ""
	expect "bundles of the proof" "$(find "$LAB/state" -path '*/kata-deploy/*')" ""
	expect "shims of the proof" "$(pgrep -f -- "-namespace kata-deploy.*-address $LAB/" || true)" ""
}

test_killed_in_the_proof_is_recovered() {
	killed_in_the_proof "-namespace kata-deploy.*-address $LAB/"
}

# The client survives, and has created no container yet.
test_killed_before_the_proofs_container_is_recovered() {
	killed_in_the_proof "--address $LAB/containerd.sock -n kata-deploy run --rm"
}

# No process is left that would remove the bundle of a task that was being created.
manager_is_killed() {
	local pid
	pid=$(cat "$LAB/containerd.pid")
	kill -9 "$pid"
	tail --pid="$pid" -f /dev/null
	pkill -9 -f -- "--address $LAB/containerd.sock -n kata-deploy run --rm" || true
}
test_killed_with_its_manager_in_the_proof_is_recovered() {
	killed_in_the_proof "-namespace kata-deploy.*-address $LAB/" manager_is_killed
}

test_status_tells_the_health_of_the_manager() {
	node_deploy install --release "$one" --key "$one/development.pub" --no-proof --quiet
	has "healthy" "$("$deploy" status --prefix "$PREFIX" --json)" '"problem": null'
	lab_stop_containerd
	has "ended" "$("$deploy" status --prefix "$PREFIX")" 'problem: containerd does not'
	"$LAB/restart"
	node_wait
	# Somebody removed our lines, and containerd has read the file without them.
	sed -i '/# kata-deploy: begin/,/# kata-deploy: end/d' "$LAB/etc/config.toml"
	"$LAB/restart"
	node_wait
	has "not served" "$("$deploy" status --prefix "$PREFIX")" "does not serve the runtime handler 'kata'"
	node_deploy install --release "$one" --key "$one/development.pub" --no-proof --quiet
	has "mended" "$("$deploy" status --prefix "$PREFIX" --json)" '"problem": null'
	node_deploy uninstall --quiet
}
