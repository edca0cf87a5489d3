# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Containers that share a VM. The tests set the annotations of containerd's CRI plugin themselves.

# pod_spec FILE ID ARGS-JSON [SANDBOX]: writes the specification of a pod's sandbox container, or of a container in that
# pod
pod_spec() {
	local kind='"io.kubernetes.cri.container-type":"sandbox"'
	[ -z "${4:-}" ] || kind="\"io.kubernetes.cri.container-type\":\"container\",
		\"io.kubernetes.cri.sandbox-id\":\"$4\""
	lab_spec "$1" "$3" ",\"annotations\":{$kind,\"io.kubernetes.cri.sandbox-id\":\"${4:-$2}\"}"
	# A member must not occur twice.
	[ -z "${4:-}" ] || sed -i "s|,\"io.kubernetes.cri.sandbox-id\":\"$4\"}}|}}|" "$1"
}

# pod_start ID ARGS-JSON [SANDBOX]
pod_start() {
	pod_spec "$LAB/$1.json" "$1" "$2" "${3:-}"
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--config "$LAB/$1.json" "$1"
}

# pod_in ID COMMAND...
pod_in() {
	local id=$1
	shift
	timeout 120 ctr --address "$LAB/containerd.sock" tasks exec --exec-id "e$RANDOM$RANDOM" "$id" "$@"
}

pod_vms() {
	pgrep -fc "^[^ ]*qemu-system.*sandbox-$1@" || true
}

test_containers_share_the_vm_of_their_pod() {
	local pod one two boot
	pod=$(lab_id) one=$(lab_id) two=$(lab_id)
	pod_start "$pod" '["sleep","1000"]'
	pod_start "$one" '["sh","-c","echo first >/one; sleep 1000"]' "$pod"
	pod_start "$two" '["sh","-c","hostname changed; sleep 1000"]' "$pod"
	expect "VMs" "$(pod_vms "$pod")" 1
	boot=$(pod_in "$pod" cat /proc/sys/kernel/random/boot_id)
	expect "the guest of one" "$(pod_in "$one" cat /proc/sys/kernel/random/boot_id)" "$boot"
	expect "the guest of two" "$(pod_in "$two" cat /proc/sys/kernel/random/boot_id)" "$boot"
	expect "a file of one" "$(pod_in "$one" cat /one)" first
	expect "ipc" "$(pod_in "$one" readlink /proc/self/ns/ipc)" "$(pod_in "$two" readlink /proc/self/ns/ipc)"
	expect "net" "$(pod_in "$one" readlink /proc/self/ns/net)" "$(pod_in "$two" readlink /proc/self/ns/net)"
	expect "processes of one" "$(pod_in "$one" ps -o args | grep -c "^sleep 1000")" 1
	removed "$one"
	expect "two goes on" "$(pod_in "$two" echo here)" here
	# The id can be used again in the guest.
	pod_start "$one" '["sleep","1000"]' "$pod"
	expect "one again" "$(pod_in "$one" echo here)" here
	removed "$one"
	removed "$two"
	expect "the pod goes on" "$(pod_in "$pod" echo here)" here
	removed "$pod"
	lab_gone
}

test_a_container_of_a_pod_ends_alone() {
	local pod one again
	pod=$(lab_id) one=$(lab_id) again=$(lab_id)
	pod_start "$pod" '["sleep","1000"]'
	pod_start "$one" '["sh","-c","exit 7"]' "$pod"
	stopped "$one"
	expect "its status" "$(deleted "$one")" 7
	# A pod without other containers still accepts a new one.
	pod_start "$again" '["sleep","1000"]' "$pod"
	expect "the next" "$(pod_in "$again" echo here)" here
	lab_ctr tasks kill -s KILL "$again"
	stopped "$again"
	expect "its status" "$(deleted "$again")" 137
	removed "$pod"
	lab_gone
}

test_the_end_of_a_pod_ends_its_containers() {
	local pod one
	pod=$(lab_id) one=$(lab_id)
	pod_start "$pod" '["sleep","1000"]'
	pod_start "$one" '["sleep","1000"]' "$pod"
	lab_ctr tasks kill -s KILL "$pod"
	stopped "$pod"
	stopped "$one"
	# At once, before the containers are deleted, because CRI-O deletes a container only when it is removed.
	expect "control groups" "$(find /sys/fs/cgroup -name "*$pod*")" ""
	if pod_start "$(lab_id)" '["true"]' "$pod" 2>"$LAB/err"; then return 1; fi
	grep -q "pod $pod has ended" "$LAB/err"
	# In the wrong order.
	expect "the pod" "$(deleted "$pod")" 137
	deleted "$one" >/dev/null
	lab_gone
}

test_a_dead_shim_of_a_pod_leaves_nothing() {
	local pod one shim
	pod=$(lab_id) one=$(lab_id)
	pod_start "$pod" '["sleep","1000"]'
	pod_start "$one" '["sleep","1000"]' "$pod"
	shim=$(pgrep -of "containerd-shim-kata-v2.* -id $pod")
	expect "processes with the shim's name" "$(pgrep -c -P "$shim" containerd-shim || true)" 0
	expect "what stands for the container" "$(pgrep -P "$shim" -a kata-container | cut -d ' ' -f 2-)" \
		"kata-container $one"
	kill -KILL "$shim"
	for _ in $(seq 600); do
		[ "$(pod_vms "$pod")" != 0 ] || break
		sleep 0.1
	done
	removed "$one"
	removed "$pod"
	lab_gone
}

test_what_a_pod_cannot_be_is_refused() {
	local pod
	pod=$(lab_id)
	pod_spec "$LAB/$pod.json" "$pod" '["true"]'
	sed -i 's|,[^,]*{"type":"network"}\]|]|; s|^ *{"type":"network"}\]|{"type":"cgroup"}]|' "$LAB/$pod.json"
	if run --config "$LAB/$pod.json" "$pod" 2>"$LAB/err"; then return 1; fi
	grep -q hostNetwork "$LAB/err"
	if pod_start "$(lab_id)" '["true"]' "no-such-pod" 2>"$LAB/err"; then return 1; fi
	grep -q "shim of the pod no-such-pod does not answer" "$LAB/err"
	lab_gone
}
