# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The life of pods.

test_pod_lives() {
	local id
	id=$(pod life)
	expect state "$(of_pod "$id" state)" SANDBOX_READY
	expect handler "$(of_pod "$id" runtime_handler)" "$HANDLER"
	has address "$(of_pod "$id" network.ip)" '^10\.88\.'
	pod_stop "$id"
	expect stopped "$(of_pod "$id" state)" SANDBOX_NOTREADY
	pod_stop "$id" # a kubelet stops a pod repeatedly
	pod_remove "$id"
	pod_remove "$id"
	fails_saying "the status of a pod that is gone" 5 'not found' of_pod "$id" state
}

# Settings of the pod's configuration are visible in each of its containers.
test_pod_says_who_it_is() {
	local pod id
	pod=$(SYSCTLS='"net.ipv4.ip_unprivileged_port_start":"77"' pod who)
	id=$(started "$pod" c1 'sleep 1000')
	expect hostname "$(in_container "$id" hostname)" host-who
	expect "hostname in its file" "$(in_container "$id" cat /etc/hostname)" host-who
	expect sysctl "$(in_container "$id" cat /proc/sys/net/ipv4/ip_unprivileged_port_start)" 77
	has address "$(in_container "$id" ip -4 -o address show eth0)" "$(of_pod "$pod" network.ip)/"
	has route "$(in_container "$id" ip route)" 'default via 10.88.0.1 dev eth0'
	pod_gone "$pod"
}

test_pod_has_name_servers() {
	local pod id
	pod=$(pod dns ',"dns_config":{"servers":["10.0.0.53"],"searches":["tests.local"],"options":["ndots:3"]}')
	id=$(started "$pod" c1 'sleep 1000')
	expect resolv.conf "$(in_container "$id" cat /etc/resolv.conf | tr '\n' ' ')" \
		'search tests.local nameserver 10.0.0.53 options ndots:3 '
	pod_gone "$pod"
}

# Two pods at the same time, which can reach each other's addresses but share nothing.
test_pods_beside_each_other() {
	local one two a b
	one=$(pod one)
	two=$(pod two)
	a=$(started "$one" c1 'echo from one | nc -l -p 7000; sleep 1000')
	b=$(started "$two" c1 'sleep 1001')
	expect "what two hears" \
		"$(in_container "$b" sh -c "until nc -w 20 $(of_pod "$one" network.ip) 7000; do sleep 0.2; done" 2>/dev/null)" \
		'from one'
	expect "pods ready" "$(cri --field 'items.*.state' ListPodSandbox | sort | uniq -c | tr -s ' ')" ' 2 SANDBOX_READY'
	expect "processes of one that two sees" "$(processes "$b" '[s]leep 1000')" 0
	pod_gone "$one"
	expect "two afterwards" "$(in_container "$b" hostname)" host-two
	expect "its state" "$(of_container "$b" state)" CONTAINER_RUNNING
	pod_gone "$two"
	fails_saying "a is" 5 'not found' of_container "$a" state
}

test_pod_stopped_with_running_containers() {
	local pod a b
	pod=$(pod busy)
	a=$(started "$pod" c1 'sleep 1000')
	b=$(started "$pod" c2 'while :; do :; done')
	pod_stop "$pod"
	expect "state of the first" "$(of_container "$a" state)" CONTAINER_EXITED
	expect "state of the second" "$(of_container "$b" state)" CONTAINER_EXITED
	expect "exit code" "$(of_container "$b" exit_code)" 137
	pod_remove "$pod"
}

test_pod_removed_without_stop() {
	local pod
	pod=$(pod hasty)
	started "$pod" c1 'sleep 1000' >/dev/null
	container "$pod" c2 'sleep 1000' >/dev/null # never started
	# Older releases of containerd require a stop first, newer ones do it themselves; a kubelet would try again.
	pod_remove "$pod" 2>/dev/null || pod_gone "$pod"
}

# Its containers go on, and are found again; those that end meanwhile are noticed.
test_pod_survives_containerd() {
	local pod stays ends code=9
	[[ $(manager_version) != 2.* ]] || code='\(9\|255\)' # containerd 2 may have forgotten the container, also of runc
	pod=$(pod survivor)
	# shellcheck disable=SC2016
	stays=$(started "$pod" stays 'i=0; while :; do echo $i; i=$((i + 1)); sleep 0.1; done')
	ends=$(started "$pod" ends 'until [ -e /tmp/go ]; do sleep 0.1; done; sleep 1; exit 9')
	in_container "$ends" touch /tmp/go
	lab_stop_containerd
	sleep 2
	cri_containerd
	expect "state of the pod" "$(of_pod "$pod" state)" SANDBOX_READY
	expect "state of what stays" "$(of_container "$stays" state)" CONTAINER_RUNNING
	expect "exec in it" "$(in_container "$stays" hostname)" host-survivor
	ended "$ends"
	has "exit code of what ended" "$(of_container "$ends" exit_code)" "^$code\$"
	pod_gone "$pod"
}

# A pod on the node's own network. A VM refuses it.
test_pod_on_the_nodes_network() {
	# shellcheck disable=SC2034 # for pod
	local pod id NAMESPACES='"network":"NODE","pid":"CONTAINER"'
	if [ "$HANDLER" = kata ]; then
		fails_saying refusal 12 network pod host
		return
	fi
	pod=$(pod host)
	id=$(started "$pod" c1 'sleep 1000')
	has devices "$(in_container "$id" ip -o link)" cri0
	pod_gone "$pod"
}
