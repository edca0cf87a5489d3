# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# shellcheck shell=bash
# Every verb that changes a node, while containers run on it: none may be lost.

all_alive() {
	local id
	for id in "${ids[@]}"; do
		expect "exec in $id" "$(says "$id")" alive
	done
}

test_ten_containers_survive_all_verbs() {
	local ids=() id first
	node_serve "$one" "$two"
	node_deploy install --release "$URL/1/" --key "$one/development.pub" --quiet
	first=$(current)
	for _ in 1 2 3 4 5; do
		id=$(lab_id)
		start "$id" "$SHIM"
		ids+=("$id")
		id=$(lab_id)
		start "$id" io.containerd.runc.v2
		ids+=("$id")
	done
	all_alive
	node_deploy upgrade --release "$URL/2/" --key "$two/development.pub" --quiet
	[ "$(current)" != "$first" ]
	all_alive
	# Five containers use the old release.
	expect "pods of the old one" "$("$deploy" status --prefix "$PREFIX" --json |
		grep -A 9 "\"id\": \"${first#*/}\"" | sed -n 's/.*"pods": \([0-9]*\).*/\1/p')" 5
	node_deploy rollback --quiet
	expect "rollback" "$(current)" "$first"
	node_deploy rollback --quiet
	all_alive
	rm "$PREFIX/$(current)/share/kata-containers/proof.tar"
	node_deploy repair --quiet
	all_alive
	# With a third release the first is neither current nor previous, but still in use.
	make_release "$LAB/three" 9.9 9999999999
	node_deploy upgrade --release "$LAB/three" --key "$LAB/three.pub" --quiet
	node_deploy gc --quiet
	[ -d "$PREFIX/$first" ]
	all_alive
	"$LAB/restart"
	node_wait
	all_alive
	fails_saying "uninstall under pods" 7 "running pods use" node_deploy uninstall --quiet
	all_alive
	for id in "${ids[@]}"; do stop "$id"; done
	# Now nothing uses the first release.
	for _ in $(seq 600); do
		node_deploy gc --quiet
		[ -d "$PREFIX/$first" ] || break
		sleep 0.1
	done
	[ ! -d "$PREFIX/$first" ]
	expect "generations" "$(generations)" 2
	node_deploy uninstall --quiet
	[ ! -e "$PREFIX" ]
}

# The newest program cleans up after a killed shim of the previous release.
test_newer_release_cleans_up_after_older_shim() {
	local id pid
	node_deploy install --release "$one" --key "$one/development.pub" --quiet
	id=$(lab_id)
	start "$id" "$SHIM"
	node_deploy upgrade --release "$two" --key "$two/development.pub" --quiet
	pid=$(pgrep -of "containerd-shim-kata-v2.*-id $id")
	kill -9 "$pid"
	for _ in $(seq 300); do
		lab_ctr tasks ls -q 2>/dev/null | grep -q "^$id\$" || break
		sleep 0.1
	done
	lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
	lab_ctr containers rm "$id"
	for _ in $(seq 300); do # until its record is removed, too
		node_deploy uninstall --dry-run >/dev/null 2>&1 && break
		sleep 0.1
	done
	node_deploy uninstall --quiet
}
