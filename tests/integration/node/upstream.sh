# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# shellcheck shell=bash
# Faults that broke nodes with other installers (docs/design/upstream-cases.md), tested with a real containerd.

# After somebody has removed the prefix, containerd still starts, and an uninstall finds the registration without its
# record; so does an install.
test_prefix_removed_by_hand() {
	local before
	before=$(node_digest)
	node_deploy install --release "$one" --key "$one/development.pub" --no-proof --quiet
	rm -rf "$PREFIX"
	"$LAB/restart"
	node_wait
	node_deploy uninstall --forget-trust --quiet
	expect "the node" "$(node_digest)" "$before"
	node_wait
	node_deploy install --release "$one" --key "$one/development.pub" --no-proof --quiet
	rm -rf "$PREFIX"
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	node_deploy uninstall --quiet
	expect "the node" "$(node_digest)" "$before"
	node_wait
}

# After install, uninstall and another install the node works; a run that changes nothing restarts nothing.
test_again_and_again() {
	local before pid
	before=$(node_digest)
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	node_deploy uninstall --quiet
	expect "the node" "$(node_digest)" "$before"
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	pid=$(cat "$LAB/containerd.pid")
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	node_deploy upgrade --release "$two" --key "$two/development.pub" --quiet
	node_deploy rollback --quiet
	expect "containerd" "$(cat "$LAB/containerd.pid")" "$pid"
	kill -0 "$pid"
	node_deploy uninstall --quiet
}

# A restart that kills kata-deploy, as when it runs in a container of that containerd.
test_killed_by_the_restart() {
	local before
	before=$(node_digest)
	cat >"$LAB/restart-and-kill" <<-END
		#!/bin/sh
		"$LAB/restart"
		kill -9 \$PPID
	END
	chmod +x "$LAB/restart-and-kill"
	fails 137 "$deploy" install --prefix "$PREFIX" --lock "$LAB/lock" --trust-memory "$LAB/memory" --yes --quiet --no-proof \
		--release "$one" --key "$one/development.pub" --cache "$LAB/cache" --cri containerd \
		--cri-config "$LAB/etc/config.toml" --cri-socket "$LAB/containerd.sock" \
		--restart-with "$LAB/restart-and-kill" >/dev/null
	# The next run undoes the change, with the restart command that it is given.
	node_wait
	sed -i 's|.*kill -9.*||' "$LAB/restart-and-kill"
	node_deploy recover --quiet
	expect "the node" "$(node_digest)" "$before"
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	node_deploy uninstall --quiet
	expect "the node" "$(node_digest)" "$before"
}
