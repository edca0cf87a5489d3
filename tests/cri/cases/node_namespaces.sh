# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Pods in namespaces of the node (hostPID, hostIPC; hostNetwork is in pod.sh). A VM cannot provide them and must refuse:
# a pod that silently got the guest's namespaces would watch the wrong processes.

# shellcheck disable=SC2034 # NAMESPACES is for pod
refused_in_a_vm() { # NAMESPACES MEMBER: such a pod must be refused with an error that names MEMBER
	local said NAMESPACES=$1
	said=$(fails 12 pod refused)
	has refusal "$said" "$2"
	has remedy "$said" "remove $2 from the pod, or run it with another runtime class"
}

test_pod_with_the_nodes_processes() {
	# shellcheck disable=SC2034
	local pod id NAMESPACES='"pid":"NODE"'
	if [ "$HANDLER" = kata ]; then
		refused_in_a_vm "$NAMESPACES" hostPID
		return
	fi
	pod=$(pod pids)
	id=$(started "$pod" c1 'sleep 1000')
	has "the node's processes" "$(in_container "$id" ps -o args)" containerd
	pod_gone "$pod"
}

test_pod_with_the_nodes_ipc() {
	# shellcheck disable=SC2034
	local pod id made NAMESPACES='"ipc":"NODE","pid":"CONTAINER"'
	if [ "$HANDLER" = kata ]; then
		refused_in_a_vm "$NAMESPACES" hostIPC
		return
	fi
	made=$(ipcmk -M 1048576 | awk '{ print $NF }')
	pod=$(pod ipc)
	id=$(started "$pod" c1 'sleep 1000')
	has "the node's shared memory" "$(in_container "$id" awk '{ print $2 }' /proc/sysvipc/shm)" "^$made\$"
	pod_gone "$pod"
	ipcrm -m "$made"
}

# A namespace that a pod's containers share is not one of the node.
test_pod_shares_its_own_ipc() {
	local pod a b
	pod=$(pod shared)
	a=$(started "$pod" c1 'sleep 1000')
	b=$(started "$pod" c2 'sleep 1000')
	expect "namespaces" "$(in_container "$a" readlink /proc/self/ns/ipc)" \
		"$(in_container "$b" readlink /proc/self/ns/ipc)"
	in_container "$a" sh -c 'echo from a >/dev/shm/note'
	expect "in /dev/shm" "$(in_container "$b" cat /dev/shm/note)" 'from a'
	pod_gone "$pod"
}
