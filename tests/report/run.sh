#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests kata-deploy report, and its code simulating many nodes, with a real API server: run.sh BUILD [TEST...]
#
# BUILD has kubernetes/ (tests/kubernetes/build.sh), bin/, static/ and tools/. The cluster has no kubelets: nodes are only
# objects, and tools/speak or tools/fleet play their programs. test_thousand and test_thousand_that_stop run only if they
# are named.
set -u
# shellcheck source=tests/kubernetes/lib.sh
. "$(dirname "$0")/../kubernetes/lib.sh"
# shellcheck source=tests/integration/expect.sh
. "$(dirname "$0")/../integration/expect.sh"
cluster_apart "$0" "$@"
BUILD=$(realpath -e -- "$1") || exit
shift
cd "$(dirname "$0")/../.." || exit
exec </dev/null

REPORT=$BUILD/bin/kata-deploy FLEET=$BUILD/tools/fleet
PREFIX=kata-deploy.katacontainers.io

# --- one node ---

# Creates a node object, and starts tools/speak in the place of its program, and report for it.
one_start() { # NAME [OPTION...]
	local name=$1
	shift
	one_speaks "$LAB/$name"
	kubectl apply -f - >/dev/null <<-EOF
		apiVersion: v1
		kind: Node
		metadata: { name: $name, labels: { mine: "yes" } }
		spec: { taints: [ { key: start, effect: NoSchedule }, { key: other, effect: NoSchedule } ] }
	EOF
	one_report "$name" "$@"
}

one_speaks() { # FOLDER
	ONE=$1
	mkdir -p "$ONE"
	mkfifo "$ONE/say"
	"$BUILD/tools/speak" "$ONE/sock" <>"$ONE/say" >"$ONE/heard" 2>&1 &
	echo $! >"$ONE/pids"
	exec {SAY}>"$ONE/say"
	until_true 30 test -S "$ONE/sock"
}

one_report() { # NAME [OPTION...]
	local name=$1
	shift
	"$REPORT" report --node "$name" --socket "$ONE/sock" --kubeconfig "$KUBECONFIG" "$@" >>"$ONE/log" 2>&1 &
	REPORTER=$!
	echo $! >>"$ONE/pids"
	until_true 30 grep -q connected "$ONE/heard"
}

one_end() {
	local pid
	exec {SAY}>&-
	while read -r pid; do
		kill "$pid" 2>/dev/null || continue
		timeout 30 tail --pid="$pid" -f /dev/null
	done <"$ONE/pids"
}

say() { printf '%s\n' "$*" >&"$SAY"; }
state() { # PHASE READY CLAIMED [MORE]
	say "{\"v\":1,\"type\":\"state\",\"phase\":\"$1\",\"ready\":$2,\"claimed\":$3${4:+,$4}}"
}

of_node() { # NAME JQ-FILTER
	kubectl get node "$1" -o json | jq -rc "$2"
}
labels_of() { of_node "$1" '.metadata.labels | to_entries | map(select(.key | test("kata"))) | map(.value) | join(" ")'; }
condition_of() { of_node "$1" '.status.conditions // [] | map(select(.type == "KataReady")) | map(.status + " " + .reason) | join(" ")'; }
taints_of() { of_node "$1" '[.spec.taints[].key | select(test("/") | not)] | join(" ")'; }
leases() { kubectl get leases -n default -o json | jq -r '.items[].metadata.name' | sort | tr '\n' ' '; }
events_of() { # NAME
	kubectl get events -n kube-system -o json |
		jq -r --arg n "$1" '[.items[] | select(.involvedObject.name == $n) | .reason] | unique | join(" ")'
}

test_one_node() {
	local watcher
	one_start n1 --startup-taints start
	state starting false false
	state waiting false false
	say '{"v":1,"type":"want-turn","id":"t-1","held":false}'
	until_true 30 grep -q '"type":"turn","id":"t-1"' "$ONE/heard"
	expect "Leases" "$(leases)" "kata-deploy.default.turn-0 "
	state installing false true
	until_is "labels" "false false" labels_of n1
	until_is "condition" "False Installing" condition_of n1
	expect "taints" "$(taints_of n1)" "start other"
	say '{"v":1,"type":"end-turn","id":"t-1","good":true}'
	state ready true true '"version":"3.9.0","generation":"g-1","serial":7,"manager":"containerd"'
	until_is "labels" "true true" labels_of n1
	until_is "condition" "True Ready" condition_of n1
	until_is "Leases" "" leases
	until_is "taints" "other" taints_of n1
	expect "annotations" "$(of_node n1 ".metadata.annotations | [.\"$PREFIX/default.version\",
		.\"$PREFIX/default.generation\", .\"$PREFIX/default.serial\"] | join(\" \")")" "3.9.0 g-1 7"
	# A kubelet registers its node again, and report is restarted.
	kubectl label node n1 katacontainers.io/kata-runtime- "$PREFIX/default-" >/dev/null
	kill "$REPORTER"
	wait "$REPORTER" || return
	: >"$ONE/heard"
	one_report n1
	state ready true true '"version":"3.9.0","generation":"g-1","serial":7,"manager":"containerd"'
	until_is "labels" "true true" labels_of n1
	# Requests the uninstall, and watches all versions of the node object.
	kubectl get node n1 --watch -o json >"$LAB/versions" &
	watcher=$!
	until_true 30 [ -s "$LAB/versions" ]
	kubectl annotate node n1 "$PREFIX/default.uninstall=please" >/dev/null
	state ready true true '"version":"3.9.0","generation":"g-1","serial":7,"manager":"containerd"'
	until_true 30 grep -q '"type":"uninstall","id":"please"' "$ONE/heard"
	state uninstalled false false
	until_is "labels" "" labels_of n1
	expect "condition" "$(condition_of n1)" ""
	kill "$watcher"
	expect "versions with a condition and no label" "$(jq -s --arg l "$PREFIX/default" '[.[] |
		select(any(.status.conditions[]?; .type == "KataReady") and (.metadata.labels | has($l) | not))] |
		length' "$LAB/versions")" 0
	expect "annotations" "$(of_node n1 '.metadata.annotations | keys | map(select(test("katacontainers"))) | join(" ")')" \
		"$PREFIX/default.uninstall"
	expect "events" "$(events_of n1)" "Installing Ready Uninstalled WaitingForTurn"
	one_end
}

# The portable program, as in an image, is small while it waits for its next round.
test_report_is_small() {
	local resident
	REPORT=$BUILD/static/kata-deploy one_start n13
	state ready true true '"version":"3.9.0","manager":"containerd"'
	until_is "condition" "True Ready" condition_of n13
	until_is "labels" "true true" labels_of n13
	sleep 15 # until the label has been seen in REPORT_STABLE rounds
	resident=$(awk '/^VmRSS/ { print $2 }' "/proc/$REPORTER/status")
	echo "    report, idle: $resident KiB resident"
	[ "$resident" -le 8192 ]
	one_end
}

test_labels_of_others_stay() {
	one_start n2
	kubectl label node n2 katacontainers.io/kata-runtime=mine >/dev/null
	state ready true true
	until_is "condition" "True Ready" condition_of n2
	until_is "labels" "true mine" labels_of n2
	until_is "message" true of_node n2 '.status.conditions[] | select(.type == "KataReady") | .message | test("somebody else")'
	state uninstalled false false
	until_is "condition" "" condition_of n2
	until_is "labels" "mine" labels_of n2
	one_end
}

test_a_node_program_that_breaks_the_rules() {
	local bad i
	one_start n3
	for bad in 'rubbish' '{"v":2,"type":"state"}' '{"v":1,"type":"turn","id":"x"}' flood "$(printf '%08000d' 1)" hang-up; do
		: >"$ONE/heard"
		say "$bad"
		until_true 30 grep -q gone "$ONE/heard"
		until_true 30 grep -q connected "$ONE/heard"
	done
	state ready true true '"message":"\u001b[31m \"red\" '"$(printf '%0400d' 1)"'"'
	until_is "condition" "True Ready" condition_of n3
	# Unexpected messages in the wrong order: the node still has one turn at most.
	say '{"v":1,"type":"end-turn","id":"t-1","good":false,"reason":"of what?"}'
	for i in 2 3 4; do say '{"v":1,"type":"want-turn","id":"t-'$i'","held":false}'; done
	until_true 30 grep -q '"type":"turn","id":"t-4"' "$ONE/heard"
	say '{"v":1,"type":"want-turn","id":"t-5","held":true}'
	until_true 30 grep -q '"type":"turn","id":"t-5"' "$ONE/heard"
	has "turns" "$(leases)" '^\(kata-deploy.default.failed.n3 \)\?kata-deploy.default.turn-0 $'
	say '{"v":1,"type":"end-turn","id":"t-5","good":true}'
	state ready true true
	until_is "Leases" "" leases
	# Sends changes as fast as possible: the number of requests to the API server is limited.
	: >"$ONE/log"
	for i in $(seq 45); do
		state failed false true
		sleep 0.1
		state installing false true
		sleep 0.1
	done
	i=$(grep -c 'msg=state' "$ONE/log")
	[ "$i" -le 40 ] || expect "changes that were reported of 90" "$i" "30 and a few"
	kill -0 "$REPORTER"
	one_end
}

request_for_all() { # [OWNER]
	kubectl apply -f - >/dev/null <<-EOF
		apiVersion: coordination.k8s.io/v1
		kind: Lease
		metadata:
		  name: kata-deploy.default.uninstall
		  namespace: default
		  labels: { $PREFIX/instance: default, $PREFIX/kind: uninstall }
		  ownerReferences: [ ${1:-} ]
		spec: { holderIdentity: me }
	EOF
}

# The Lease that requests the uninstall reaches all nodes at once, and not only with their next round, a minute or two later.
a_request_is_heard_at_once() {
	local start
	sleep 15
	: >"$ONE/heard"
	start=$SECONDS
	request_for_all
	until_true 60 grep -q '"type":"uninstall"' "$ONE/heard"
	[ $((SECONDS - start)) -lt 30 ]
	kubectl delete lease kata-deploy.default.uninstall >/dev/null
}

test_a_request_for_all() {
	one_start n7
	state ready true true
	until_is "condition" "True Ready" condition_of n7
	a_request_is_heard_at_once
	one_end
}

# report is killed while node has its turn, and does not receive the message that node failed.
test_a_failure_that_was_not_heard() {
	one_start n8
	state starting false false
	say '{"v":1,"type":"want-turn","id":"t-8","held":false}'
	until_true 30 grep -q '"type":"turn","id":"t-8"' "$ONE/heard"
	expect "Leases" "$(leases)" "kata-deploy.default.turn-0 "
	kill -KILL "$REPORTER"
	until_true 30 grep -q gone "$ONE/heard"
	: >"$ONE/heard"
	one_report n8
	state failed false true '"code":"failed","message":"no pod starts"'
	until_is "Leases" "kata-deploy.default.failed.n8 " leases
	state ready true true
	until_is "Leases" "" leases
	# A turn that node no longer wants is free again, and does not count as a failure.
	say '{"v":1,"type":"want-turn","id":"t-9","held":false}'
	until_true 30 grep -q '"type":"turn","id":"t-9"' "$ONE/heard"
	say '{"v":1,"type":"end-turn","id":"t-9","good":true}'
	until_is "Leases" "" leases
	one_end
}

failed_lease() { # NODE
	kubectl apply -f - >/dev/null <<-EOF
		apiVersion: coordination.k8s.io/v1
		kind: Lease
		metadata:
		  name: kata-deploy.default.failed.$1
		  namespace: default
		  labels: { $PREFIX/instance: default, $PREFIX/kind: failed }
		spec: { holderIdentity: $1 }
	EOF
}
message_of() { of_node "$1" '.status.conditions // [] | map(select(.type == "KataReady")) | map(.message) | join(" ")'; }
warnings_of() { # NAME
	kubectl get events -n kube-system -o json | jq -r --arg n "$1" '[.items[] |
		select(.involvedObject.name == $n and .type == "Warning") | .reason] | unique | join(" ")'
}

# Three nodes have failed: a node that waits gets no turn, and its condition and an Event say why. When one of the three is
# well again, it goes on.
test_failures_are_said() {
	local node
	for node in f1 f2 f3; do failed_lease $node; done
	one_start n12
	state starting false false
	state waiting false false
	say '{"v":1,"type":"want-turn","id":"t-12","held":false}'
	until_is "condition" "False RolloutStopped" condition_of n12
	has "message" "$(message_of n12)" "no more turns are given: 3 nodes failed in theirs, see the Leases $PREFIX/kind=failed"
	until_is "warnings" RolloutStopped warnings_of n12
	expect "turns that were given" "$(grep -c '"type":"turn"' "$ONE/heard")" 0
	expect "Leases" "$(leases)" "kata-deploy.default.failed.f1 kata-deploy.default.failed.f2 kata-deploy.default.failed.f3 "
	kubectl delete lease -n default kata-deploy.default.failed.f2 >/dev/null
	until_true 120 grep -q '"type":"turn","id":"t-12"' "$ONE/heard"
	state installing false true
	until_is "condition" "False Installing" condition_of n12
	say '{"v":1,"type":"end-turn","id":"t-12","good":true}'
	state ready true true
	until_is "condition" "True Ready" condition_of n12
	until_is "Leases" "kata-deploy.default.failed.f1 kata-deploy.default.failed.f3 " leases
	kubectl delete lease -n default kata-deploy.default.failed.f1 kata-deploy.default.failed.f3 >/dev/null
	one_end
}

# withdraw waits for a node that has just started to install, and for an API server that is away longer than the time limit
# of one request: on k3s API server and container manager are one process.
test_withdraw_waits_for_all_of_it() {
	local pid status=0
	kubectl apply -f - >/dev/null <<<'{"apiVersion":"v1","kind":"Node","metadata":{"name":"n9"}}'
	timeout 200 "$REPORT" withdraw --kubeconfig "$KUBECONFIG" --namespace default --suffix later --wait-unready \
		>"$LAB/withdrawn" 2>&1 &
	pid=$!
	until_true 30 kubectl get lease kata-deploy.later.uninstall
	kubectl label node n9 "$PREFIX/later=false" >/dev/null
	sleep 6
	cluster_end apiserver KILL
	sleep 25
	cluster_apiserver
	kill -0 "$pid"
	kubectl label node n9 "$PREFIX/later-" >/dev/null
	wait "$pid" || status=$?
	expect "status" "$status" 0
	has "the end" "$(<"$LAB/withdrawn")" '1 of 1 nodes have uninstalled'
	kubectl delete lease/kata-deploy.later.uninstall node/n9 >/dev/null
}

# If an installation failed before its DaemonSet was created, no node can be asked.
test_withdraw_without_the_daemonset() {
	local options="--kubeconfig $KUBECONFIG --namespace default --suffix gone --owner kata-deploy-gone"
	# shellcheck disable=SC2086
	has "nobody" "$("$REPORT" withdraw $options 2>&1)" '0 of 0 nodes have uninstalled'
	expect "request" "$(leases)" ""
	kubectl apply -f - >/dev/null <<<'{"apiVersion":"v1","kind":"Node","metadata":{"name":"n10","labels":{"'"$PREFIX"'/gone":"true"}}}'
	# shellcheck disable=SC2086
	fails_saying "a node that nobody asks" 5 "no DaemonSet kata-deploy-gone.*run kata-deploy uninstall" "$REPORT" withdraw $options
	kubectl delete node n10 >/dev/null
}

# The cluster removes a request some time after its DaemonSet. A remaining request must not affect the next installation.
test_a_request_of_an_installation_before() {
	remover=$(<"$LAB/controller-manager.pid")
	kill -STOP "$remover"
	trap 'kill -CONT "$remover"' EXIT
	one_start n11
	request_for_all '{ apiVersion: apps/v1, kind: DaemonSet, name: kata-deploy, uid: 0f8fad5b-d9cb-469f-a165-70867728950e }'
	state ready true true
	until_true 60 grep -q 'for an earlier installation' "$ONE/log"
	until_is "condition" "True Ready" condition_of n11
	expect "what node is told" "$(grep -c uninstall "$ONE/heard")" 0
	# A request whose DaemonSet exists takes effect.
	kubectl delete lease kata-deploy.default.uninstall >/dev/null
	kubectl apply -f - >/dev/null <<-EOF
		apiVersion: apps/v1
		kind: DaemonSet
		metadata: { name: kata-deploy, namespace: default }
		spec:
		  selector: { matchLabels: { a: b } }
		  template: { metadata: { labels: { a: b } }, spec: { containers: [ { name: c, image: i } ] } }
	EOF
	"$REPORT" withdraw --kubeconfig "$KUBECONFIG" --namespace default --owner kata-deploy --timeout 1 2>/dev/null || true
	until_true 60 grep -q '"type":"uninstall"' "$ONE/heard"
	kubectl delete lease/kata-deploy.default.uninstall daemonset/kata-deploy >/dev/null
	one_end
}

# Two reports on one node by mistake publish the same state.
test_two_on_one_node() {
	one_start n4
	state ready true true
	until_is "condition" "True Ready" condition_of n4
	one_report n4
	state ready true true
	sleep 3
	expect "labels" "$(labels_of n4)" "true true"
	one_end
}

# A second pod on one node by mistake: its node waits, and its report does not give back the turn of the first pod.
test_a_second_pod_on_one_node() {
	local first say
	one_start n10
	state waiting false false
	say '{"v":1,"type":"want-turn","id":"t-1","held":false}'
	until_true 30 grep -q '"type":"turn","id":"t-1"' "$ONE/heard"
	state installing false true
	until_is "condition" "False Installing" condition_of n10
	first=$ONE say=$SAY
	one_speaks "$LAB/n10-second"
	one_report n10
	state starting false false '"message":"another kata-deploy node runs on this node"'
	sleep 25
	expect "Leases" "$(leases)" "kata-deploy.default.turn-0 "
	expect "condition" "$(condition_of n10)" "False Installing"
	one_end
	ONE=$first SAY=$say
	say '{"v":1,"type":"end-turn","id":"t-1","good":true}'
	state ready true true
	until_is "Leases" "" leases
	one_end
}

test_a_token_that_ends() {
	local config=$LAB/token.conf token=$LAB/token
	account() {
		kubectl create serviceaccount reporter >/dev/null
		until_true 30 kubectl get serviceaccount reporter
		"$CLUSTER_PROGRAMS/kubectl-1.33" create token reporter >"$token.new"
		mv "$token.new" "$token"
	}
	kubectl create clusterrolebinding reporter --clusterrole=cluster-admin --serviceaccount=default:reporter >/dev/null
	account
	jq -n --arg ca "$LAB/pki/ca.crt" --arg token "$token" '{"current-context": "c",
		contexts: [{name: "c", context: {cluster: "k", user: "u"}}],
		clusters: [{name: "k", cluster: {server: "https://10.99.0.1:443", "certificate-authority": $ca}}],
		users: [{name: "u", user: {tokenFile: $token}}]}' >"$config"
	KUBECONFIG=$config one_start n5
	state installing false true
	until_is "condition" "False Installing" condition_of n5
	kubectl delete serviceaccount reporter >/dev/null
	until_true 60 eval "! kubectl --kubeconfig /dev/null --server https://10.99.0.1:443 \
		--certificate-authority $LAB/pki/ca.crt --token $(cat "$token") get --raw /api/v1/nodes/n5"
	state ready true true
	until_true 60 grep -q 'does not know the token' "$ONE/log"
	account
	until_is "condition" "True Ready" condition_of n5
	a_request_is_heard_at_once
	one_end
	kubectl delete serviceaccount reporter >/dev/null
	kubectl delete clusterrolebinding reporter >/dev/null
}

# Prints an administrator's kubeconfig that trusts the authority in that file.
trusting() { # AUTHORITY
	jq -n --arg ca "$1" --arg pki "$LAB/pki" '{"current-context": "c",
		contexts: [{name: "c", context: {cluster: "k", user: "u"}}],
		clusters: [{name: "k", cluster: {server: "https://10.99.0.1:443", "certificate-authority": $ca}}],
		users: [{name: "u", user: {"client-certificate": "\($pki)/admin.crt", "client-key": "\($pki)/admin.key"}}]}'
}

test_the_server_gets_a_new_certificate() {
	cp "$LAB/pki/ca.crt" "$LAB/pinned.crt"
	trusting "$LAB/pinned.crt" >"$LAB/pinned.conf"
	trusting "$LAB/new.crt" >"$LAB/new.conf"
	KUBECONFIG=$LAB/pinned.conf one_start n6
	state installing false true
	until_is "condition" "False Installing" condition_of n6
	# A certificate of an authority that report does not know yet.
	cp "$LAB/pki/apiserver.crt" "$LAB/apiserver.kept"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 10 -subj /CN=new \
		-keyout "$LAB/new.key" -out "$LAB/new.crt" 2>/dev/null
	openssl x509 -req -in "$LAB/pki/apiserver.csr" -CA "$LAB/new.crt" -CAkey "$LAB/new.key" -CAcreateserial \
		-extfile "$LAB/pki/apiserver.ext" -out "$LAB/pki/apiserver.crt" 2>/dev/null
	cluster_end apiserver
	KUBECONFIG=$LAB/new.conf cluster_apiserver
	state ready true true
	until_true 60 grep -q 'code=trust' "$ONE/log"
	cat "$LAB/new.crt" >>"$LAB/pinned.crt"
	KUBECONFIG=$LAB/new.conf until_is "condition" "True Ready" condition_of n6
	one_end
	mv "$LAB/apiserver.kept" "$LAB/pki/apiserver.crt"
	cluster_end apiserver
	cluster_apiserver
}

# --- many ---

# Removes nodes and Leases that a failed earlier test may have left.
fleet() { # PREFIX OPTION...
	local prefix=$1
	shift
	kubectl delete nodes --all >/dev/null
	kubectl delete leases --all -n default >/dev/null
	timeout 2000 "$FLEET" --kubeconfig "$KUBECONFIG" --prefix "$prefix" "$@"
}

fleet_over() { # PREFIX
	expect "Leases" "$(leases)" "kata-deploy.default.uninstall "
	kubectl delete lease kata-deploy.default.uninstall >/dev/null
	kubectl delete nodes -l "fleet=$1" >/dev/null
}

test_pace() {
	fleet pace --nodes 40 --node-ms 1000 --slack 100
	fleet_over pace
}

test_failures_stop_the_others() {
	touch "$LAB/cause"
	fleet broken --nodes 20 --at-once 2 --node-ms 500 --broken 3 --cause "$LAB/cause" --wait-ms 500
	expect "the cause" "$(ls "$LAB/cause" 2>/dev/null)" ""
	fleet_over broken
}

test_holders_that_vanish() {
	fleet lost --nodes 12 --at-once 2 --node-ms 500 --crashes 2 --turn-seconds 10 --wait-ms 500
	fleet_over lost
}

# While nodes take turns the API server is killed and restarted, and etcd's history is compacted.
test_a_server_that_goes_and_forgets() {
	local pid revision
	fleet gone --nodes 20 --at-once 2 --node-ms 2000 --slack 1000 &
	pid=$!
	sleep 4
	cluster_end apiserver KILL
	sleep 2
	cluster_apiserver
	for _ in 1 2 3 4; do
		revision=$(etcd_says maintenance/status '{}' | jq -r .header.revision)
		has "compaction" "$(etcd_says kv/compaction "{\"revision\": \"$revision\"}")" 'header\|has been compacted'
		sleep 2
	done
	wait "$pid"
	fleet_over gone
}

# The API server is away for longer than the duration of a turn: nodes keep their turns.
test_turns_outlast_the_server() {
	local pid
	fleet outlast --nodes 4 --at-once 2 --node-ms 45000 --turn-seconds 20 --wait-ms 500 --slack 1000 &
	pid=$!
	sleep 8
	cluster_end apiserver KILL
	sleep 25
	cluster_apiserver
	wait "$pid"
	fleet_over outlast
}

test_thousand() {
	fleet thousand --nodes 1000 --node-ms 30000 --idle 120
	fleet_over thousand
}

# Of a thousand nodes three are broken: no more than the first hundred begin until the cause is removed.
test_thousand_that_stop() {
	touch "$LAB/cause"
	fleet halted --nodes 1000 --node-ms 5000 --broken 3 --cause "$LAB/cause"
	expect "the cause" "$(ls "$LAB/cause" 2>/dev/null)" ""
	fleet_over halted
}

mapfile -t all < <(grep -oE '^test_[a-z0-9_]+' "$0" | grep -v thousand)
[ $# -gt 0 ] || set -- "${all[@]}"
cluster_start "$BUILD/kubernetes" || exit
for t; do
	start=$SECONDS
	(
		set -e
		trap - EXIT
		"$t"
	)
	counted $? "$t" "$start" || tail -n 20 "$LAB"/n[0-9]*/log
done
totals report
