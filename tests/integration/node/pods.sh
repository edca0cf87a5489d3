# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154
# shellcheck shell=bash
# On a node that can run pods, the proof is a pod.

pods_cri() { "$(dirname "$deploy")/../tools/cri" --socket "$LAB/containerd.sock" "$@"; }

# Sets up a network for pods, and the pause image.
pods_ready() {
	local pause
	sed -i "s#^ *conf_dir = .*#&\n    bin_dir = \"$LAB/plugins\"#" "$LAB/etc/config.toml"
	mkdir -p "$LAB/cni" "$LAB/pause" "$LAB/plugins"
	ln -s /usr/lib/cni/* "$LAB/plugins/"
	cat >"$LAB/plugins/failing" <<-'END'
		#!/bin/sh
		[ "$CNI_COMMAND" = ADD ] || exit 0
		echo '{"cniVersion":"0.4.0","code":11,"msg":"no address is left"}'
		exit 1
	END
	chmod +x "$LAB/plugins/failing"
	cat >"$LAB/cni/10-node.conflist" <<-END
		{"cniVersion":"0.4.0","name":"node","plugins":[{"type":"ptp","ipMasq":false,"ipam":
		 {"type":"host-local","dataDir":"$LAB/ipam","ranges":[[{"subnet":"10.87.0.0/24"}]]}}]}
	END
	"$LAB/restart"
	node_wait
	pause=$(pods_cri Status '{"verbose":true}' | tr -d '\134' | sed 's/.*"sandboxImage": *"\([^"]*\)".*/\1/;t;d' | head -n 1)
	# In containerd 2 the key is in the table of the images plugin.
	[ -n "$pause" ] || pause=$(containerd config default | sed -n "s/^ *sandbox = ['\"]\(.*\)['\"]/\1/p")
	cp "$(dirname "$deploy")/../tools/pause" "$LAB/pause/pause"
	CONTAINERD_NAMESPACE=k8s.io lab_import "$LAB/pause" '{"Entrypoint":["/pause"]}' "$pause"
	for _ in $(seq 600); do
		[ "$(pods_cri --field 'status.conditions.*.status' Status | sort -u)" != true ] || return 0
		sleep 0.1
	done
	echo "    the node is not ready for pods" >&2
	return 1
}

# Nothing of the proof remains on the node.
pods_gone() {
	expect "pods" "$(pods_cri --field 'items.*.id' ListPodSandbox)" ""
	expect "containers" "$(pods_cri --field 'containers.*.id' ListContainers)" ""
	expect "image" "$(lab_ctr -n k8s.io images ls -q | grep kata.invalid)" "" || return
	expect "logs" "$(find /run/kata-deploy -mindepth 1 2>/dev/null)" ""
	expect "shims" "$(pgrep -f -- "-namespace k8s.io.*-address $LAB/" || true)" ""
	expect "addresses" "$(find "$LAB/ipam" -name '10.*' 2>/dev/null)" ""
}

test_a_node_with_pods_is_proved_with_a_pod() {
	local said
	pods_ready
	said=$(node_deploy install --release "$one" --key "$one/development.pub" --json)
	has "the proof" "$said" '"pod": true'
	pods_gone
	said=$("$deploy" prove --prefix "$PREFIX" --cri containerd --cri-config "$LAB/etc/config.toml" \
		--cri-socket "$LAB/containerd.sock")
	has "once more" "$said" 'a pod ran in its own VM'
	pods_gone
	node_deploy uninstall --quiet
}

# The output says which kind of proof was made, and why not the other.
test_a_node_without_a_pod_network_is_proved_with_a_container() {
	local said
	said=$(node_deploy install --release "$one" --key "$one/development.pub")
	has "the proof" "$said" 'proved with a container, not with a pod: the node has no pod network'
	node_deploy uninstall --quiet
}

# A failing pod network or a missing pause image is reported as a fault of the node.
test_a_node_whose_pods_fail_is_proved_with_a_container() {
	local said
	pods_ready
	sed -i 's/"type":"ptp"/"type":"failing"/' "$LAB/cni/10-node.conflist"
	"$LAB/restart"
	node_wait
	said=$(node_deploy install --release "$one" --key "$one/development.pub")
	has "the proof" "$said" 'proved with a container, not with a pod: .*no address is left'
	pods_gone
	node_deploy uninstall --quiet
}

installer_gets() { pkill "-$1" -f -- "--prefix $PREFIX --lock $LAB/lock" || true; } # SIGNAL

# Plays a kubelet that ends unknown pods: ends the first COUNT of them. The installer stands still from the start of a pod
# until that is ready and ended, since on a busy machine its proof may take less time than the search for pods.
pods_end() { # COUNT
	local shim="-namespace k8s.io.*-address $LAB/" known="" ended id
	while [ -d "$LAB" ] && [ ! -e "$LAB/enough" ] && [ "$(wc -w <<<"$known")" -lt "$1" ]; do
		sleep 0.05
		pgrep -f -- "$shim" >/dev/null || continue
		installer_gets STOP
		ended=
		while [ -z "$ended" ] && [ -d "$LAB" ] && pgrep -f -- "$shim" >/dev/null; do
			for id in $(pods_cri --field 'items.*.id' ListPodSandbox '{"filter":{"state":{"state":"SANDBOX_READY"}}}'); do
				ended=1 known+=" $id"
				pods_cri StopPodSandbox "{\"pod_sandbox_id\":\"$id\"}" >/dev/null 2>&1 || true
			done
		done
		installer_gets CONT
	done
}

test_a_kubelet_that_ends_the_proofs_pod_does_not_fail_the_install() {
	local said kubelet
	pods_ready
	pods_end 100 &
	kubelet=$!
	said=$(node_deploy install --release "$one" --key "$one/development.pub" 2>"$LAB/install.log") ||
		{ cat "$LAB/install.log" >&2; false; }
	: >"$LAB/enough"
	wait "$kubelet"
	has "the proof" "$said" 'not with a pod: it was ended early'
	pods_gone
	node_deploy uninstall --quiet
}

# A kubelet ends unknown pods every two seconds, so the next pod may complete in time.
test_a_kubelet_that_ends_one_pod_is_shown_another() {
	local said kubelet
	pods_ready
	pods_end 1 &
	kubelet=$!
	said=$(node_deploy install --release "$one" --key "$one/development.pub" --json 2>"$LAB/install.log") ||
		{ cat "$LAB/install.log" >&2; false; }
	wait "$kubelet"
	has "the first pod" "$(<"$LAB/install.log")" 'the proof was not made with a pod'
	has "the proof" "$said" '"pod": true'
	pods_gone
	node_deploy uninstall --quiet
}

test_a_proof_with_a_pod_that_fails_undoes_everything() {
	local before said
	pods_ready
	before=$(node_digest)
	make_release "$LAB/wrong" 1.0 1 --guest-kernel 9.9.9-other
	said=$(fails 1 node_deploy install --release "$LAB/wrong" --key "$LAB/wrong.pub" --quiet)
	has "why" "$said" "the release has 9.9.9-other"
	expect "the node" "$(node_digest)" "$before"
	node_wait
	pods_gone
}

test_killed_in_the_proof_with_a_pod_is_recovered() {
	pods_ready
	killed_in_the_proof "-namespace k8s.io.*-address $LAB/"
	pods_gone
}

# After a restart, containerd finds the pod that its predecessor was creating.
test_killed_with_its_manager_in_the_proof_with_a_pod_is_recovered() {
	pods_ready
	killed_in_the_proof "-namespace k8s.io.*-address $LAB/" manager_is_killed
	for _ in $(seq 900); do # a shim that the next containerd does not know has a minute
		pgrep -f -- "-namespace k8s.io.*-address $LAB/" >/dev/null || break
		sleep 0.1
	done
	pods_gone
}
