# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Tests kata-deploy withdraw with node objects that have no program behind them: which nodes it waits for, and its output.

ghost() { # NAME LABEL=VALUE
	kubectl apply -f - >/dev/null <<-EOF
		{"apiVersion":"v1","kind":"Node","metadata":{"name":"$1","labels":{"${2%=*}":"${2#*=}"}}}
	EOF
}

withdraw() { "$BUILD/bin/kata-deploy" withdraw --kubeconfig "$KUBECONFIG" --namespace default "$@"; }

test_withdraw_waits_for_nodes() {
	local label=kata-deploy.katacontainers.io/ghosts pid status=0
	expect "nobody to ask" "$(withdraw --suffix ghosts --json | jq .asked)" 0
	kubectl get lease kata-deploy.ghosts.uninstall >/dev/null
	kubectl label node one two $label=true >/dev/null
	fails_saying "nodes that do not" 11 '2 of 2 nodes have not uninstalled within 1 s: \(one, two\|two, one\)' \
		withdraw --suffix ghosts --timeout 1
	withdraw --suffix ghosts --timeout 120 >"$LAB/withdrawn" 2>&1 &
	pid=$!
	kubectl label node one $label- >/dev/null
	until_true 30 grep -q 'one has uninstalled' "$LAB/withdrawn"
	kubectl label node two $label- >/dev/null
	wait "$pid" || status=$?
	expect "status" "$status" 0
	has "the end" "$(<"$LAB/withdrawn")" '2 of 2 nodes have uninstalled'
	kubectl delete lease kata-deploy.ghosts.uninstall >/dev/null
}

test_withdraw_names_nodes_that_are_down() {
	ghost ghost kata-deploy.katacontainers.io/ghosts=true
	has "what is said" "$(withdraw --suffix ghosts --timeout 300)" 'ghost is not Ready and has not uninstalled'
	fails_saying "waiting for it" 11 'ghost (not Ready)' withdraw --suffix ghosts --timeout 2 --wait-unready
	kubectl delete node/ghost lease/kata-deploy.ghosts.uninstall >/dev/null
}
