# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Faults below a pod: its processes are killed or stopped at each step, its network plugin fails or hangs, its namespace
# vanishes, the disk is full, the clock jumps. Every call must end with an error that names the reason; the pod can be
# removed, nothing is left of it, and the next one starts.

LONG+=(test_fault_{vm,share,shim}_killed_while_a_{pod,container}_begins
	test_fault_{vm,share}_stands_still test_fault_vm_stands_still_for_long test_fault_busy_node_ends_no_pod test_fault_vm_stands_still_while_a_pod_begins)

# --- killed while a call is in progress ---

# Find processes by their names; only those of the test's own PID namespace are visible.
vmms() { pgrep -x 'qemu-system-.*' || true; }
daemons() { pgrep -x virtiofsd || true; }
shims() { pgrep -f '/containerd-shim-[^ ]* .*-id ' || true; }

hit() { # WHOM SIGNAL
	"$1" | xargs -r kill "-$2" 2>/dev/null || true
}

# pod_killed WHOM SIGNAL DELAY: runs RunPodSandbox and sends SIGNAL to the process DELAY seconds after it appeared.
pod_killed() {
	local whom=$1 signal=$2 delay=$3 running pid='' id
	(pod "victim" >"$LAB/victim" 2>"$LAB/victim.err") &
	running=$!
	while [ -z "$pid" ] && kill -0 "$running" 2>/dev/null; do
		pid=$("$whom" | head -n 1)
	done
	sleep "$delay"
	hit "$whom" "$signal"
	if wait "$running"; then
		id=$(<"$LAB/victim")
		until_is "state after $whom was hit by $signal, $delay s" SANDBOX_NOTREADY of_pod "$id" state
		pod_gone "$id"
	else
		[ -s "$LAB/victim.err" ]
		said=$(<"$LAB/victim.err")
	fi
	# containerd runs no `delete` for a shim that it never reached, so the socket of such a shim stays.
	[ "$whom" != shims ] || find /run/containerd/s -type s -delete
	until_is "left after $whom was hit by $signal, $delay s" '' cri_left
}

DELAYS="0 0.1 0.3 0.6 0.9 1.2"

test_fault_vm_killed_while_a_pod_begins() { killed_while_a_pod_begins vmms; }
test_fault_share_killed_while_a_pod_begins() { killed_while_a_pod_begins daemons; }
test_fault_shim_killed_while_a_pod_begins() { killed_while_a_pod_begins shims; }

killed_while_a_pod_begins() { # WHOM
	local delay said
	[ "$HANDLER" = kata ] || return 0 # what runc leaves is its own
	next_pod # the first pod finds out which accelerator and transport work
	for delay in $DELAYS; do
		pod_killed "$1" KILL "$delay"
	done
	next_pod
}

next_pod() { # the next pod works normally
	local pod id
	unconfigured
	pod=$(pod next)
	id=$(started "$pod" c1 'sleep 1000')
	expect "the next pod" "$(in_container "$id" hostname)" host-next
	pod_gone "$pod"
}

# The process is killed during CreateContainer or StartContainer.
test_fault_vm_killed_while_a_container_begins() { killed_while_a_container_begins vmms; }
test_fault_share_killed_while_a_container_begins() { killed_while_a_container_begins daemons; }
test_fault_shim_killed_while_a_container_begins() { killed_while_a_container_begins shims; }

killed_while_a_container_begins() { # WHOM
	local delay pod id running
	[ "$HANDLER" = kata ] || return 0 # what runc leaves is its own
	for delay in 0 0.03 0.08 0.2; do
		pod=$(pod victim)
		id=$(container "$pod" c1 'sleep 1000')
		(start "$id" 2>"$LAB/victim.err") &
		running=$!
		sleep "$delay"
		hit "$1" KILL
		wait "$running" || [ -s "$LAB/victim.err" ]
		until_is "state of the container" CONTAINER_EXITED of_container "$id" state
		until_is "state of the pod" SANDBOX_NOTREADY of_pod "$pod" state
		pod_gone "$pod"
		until_is "left $delay s after the start" '' cri_left
	done
	next_pod
}

# --- killed while it runs ---

test_fault_vm_killed() { killed_while_it_runs vmms; }
test_fault_share_killed() { killed_while_it_runs daemons; }
test_fault_shim_killed() { killed_while_it_runs shims; }

killed_while_it_runs() { # WHOM
	local pod a b execing
	[ "$HANDLER" = kata ] || return 0 # what runc leaves is its own
	pod=$(pod victim)
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'while :; do :; done')
	(in_container "$a" sleep 1001 >"$LAB/exec" 2>&1) &
	execing=$!
	until_is "the exec" 1 processes "$a" '[s]leep 1001'
	hit "$1" KILL
	if wait "$execing"; then return 1; fi # the exec must end before its own time limit
	ended "$a"
	ended "$b"
	[ "$(of_container "$a" exit_code)" != 0 ]
	until_is "state of the pod" SANDBOX_NOTREADY of_pod "$pod" state
	refused . in_container "$a" true
	pod_gone "$pod"
	next_pod
}

# --- stopped processes ---

impatient() { # [SECONDS that the agent may be silent; 0: for ever]
	configured '[agent.kata]' 'dial_timeout = 10' 'request_timeout = 10' "health_timeout = ${1:-0}"
}

# The VM is stopped: requests to it end, and the pod can be stopped.
test_fault_vm_stands_still() {
	local pod id
	[ "$HANDLER" = kata ] || return 0
	impatient
	pod=$(pod still)
	id=$(started "$pod" c1 'sleep 1000')
	kill -STOP "$(vmms)"
	refused . cri --timeout 20 exec "$id" true
	cri --timeout 200 StopPodSandbox "{\"pod_sandbox_id\":\"$pod\"}" >/dev/null
	expect "state of the container" "$(of_container "$id" state)" CONTAINER_EXITED
	pod_remove "$pod"
	next_pod
}

# Nobody asks for anything. The shim notices that the agent does not answer, and the pod ends as if its VM had died.
test_fault_vm_stands_still_for_long() {
	local pod id other from
	[ "$HANDLER" = kata ] || return 0
	impatient 20
	pod=$(pod still)
	id=$(started "$pod" c1 'sleep 1000')
	from=$(($(wc -l <"$LAB/containerd.log") + 1))
	kill -STOP "$(vmms)"
	other=$(pod other)
	ended "$id"
	expect "exit code" "$(of_container "$id" exit_code)" 255
	until_is "state of the pod" SANDBOX_NOTREADY of_pod "$pod" state
	has "the reason" "$(tail -n +"$from" "$LAB/containerd.log")" \
		'the agent has answered nothing for 20 seconds (health_timeout): the VM is stopped, or its kernel hangs'
	refused . in_container "$id" true
	pod_gone "$pod"
	sleep 25 # more than the silence that is allowed
	expect "another pod" "$(of_pod "$other" state)" SANDBOX_READY
	pod_gone "$other"
	next_pod
}

# A guest that gets little processor time is slow, not dead: its own containers and the node's processes want more than
# there is.
test_fault_busy_node_ends_no_pod() {
	local pod a b hogs=()
	[ "$HANDLER" = kata ] || return 0
	impatient 30
	pod=$(pod busy)
	a=$(started "$pod" a 'while :; do :; done & while :; do :; done')
	b=$(started "$pod" b 'while :; do :; done & while :; do :; done')
	for _ in $(seq 16); do
		(while :; do :; done) &
		hogs+=($!)
	done
	# shellcheck disable=SC2064 # these
	trap "kill ${hogs[*]} 2>/dev/null || true" EXIT
	sleep 90
	kill "${hogs[@]}"
	trap - EXIT
	expect "state of the pod" "$(of_pod "$pod" state)" SANDBOX_READY
	expect "a container" "$(of_container "$a" state)" CONTAINER_RUNNING
	expect "the other" "$(in_container "$b" echo alive)" alive
	pod_gone "$pod"
}

# virtiofsd is stopped, so a process that opens a file hangs. The pod can still be stopped.
test_fault_share_stands_still() {
	local pod id
	[ "$HANDLER" = kata ] && [ -n "$(share_of_a_pod)" ] || return 0
	impatient
	pod=$(pod still)
	id=$(started "$pod" c1 'sleep 1000')
	hit daemons STOP
	refused . cri --timeout 10 exec "$id" ls /bin/nothing-that-was-read-yet
	cri --timeout 200 StopPodSandbox "{\"pod_sandbox_id\":\"$pod\"}" >/dev/null
	pod_remove "$pod"
	next_pod
}

share_of_a_pod() { # prints the virtiofsd processes of a pod; none with 9p
	local pod
	pod=$(pod looks)
	daemons
	pod_gone "$pod"
}

# The VM stops before its agent answers for the first time. The caller gets an error at the deadline.
test_fault_vm_stands_still_while_a_pod_begins() {
	local said
	[ "$HANDLER" = kata ] || return 0
	next_pod
	impatient
	pod_killed vmms STOP 0.2
	has "the reason" "$said" 'did not answer\|in time'
	next_pod
}

# --- the agent ---

test_fault_guest_panics() {
	# shellcheck disable=SC2034 # for pod
	local pod a b other c POD_CONTEXT='"privileged":true'
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod panic)
	other=$(pod other)
	a=$(CONTEXT='"privileged":true' started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'sleep 1000')
	c=$(started "$other" c 'sleep 1000')
	# The kernel may end before the agent has answered that the program was started.
	fails '255|14' cri --timeout 60 exec "$a" sh -c 'echo c >/proc/sysrq-trigger; sleep 1000' >/dev/null
	ended "$a"
	ended "$b"
	expect "exit code" "$(of_container "$b" exit_code)" 255
	until_is "state of the pod" SANDBOX_NOTREADY of_pod "$pod" state
	expect "another pod" "$(in_container "$c" echo alive)" alive
	pod_gone "$pod"
	pod_gone "$other"
}

# --- the network ---

# Runs a test with a plugin in front of the real one. The pod's name chooses whether it fails, hangs, or removes the
# namespace.
with_plugin() { # FUNCTION
	local plugin=$LAB/plugins/bridge status=0
	rm "$plugin" # this is a link
	cat >"$plugin" <<-'EOS'
		#!/bin/sh
		name=$(expr "$CNI_ARGS" : '.*K8S_POD_NAME=\([^;]*\)')
		case $CNI_COMMAND-$name in
		ADD-fails*)
			echo '{"cniVersion":"0.4.0","code":99,"msg":"no network today"}'
			exit 1
			;;
		ADD-hangs*) exec sleep 1000 ;;
		ADD-vanishes*)
			/usr/lib/cni/bridge
			status=$?
			umount -l "$CNI_NETNS"
			exit $status
			;;
		DEL-stays*)
			[ -e "$0.$name" ] || { : >"$0.$name"; echo '{"code":99,"msg":"not yet"}'; exit 1; }
			;;
		esac
		exec /usr/lib/cni/bridge
	EOS
	chmod 755 "$plugin"
	set +e # not "|| status=$?", because set -e has no effect inside such a list
	(
		set -e
		"$1"
	)
	status=$?
	set -e
	rm -f "$plugin".*
	ln -sf /usr/lib/cni/bridge "$plugin"
	return "$status"
}

test_fault_network_plugin_fails() { with_plugin network_fails; }
network_fails() {
	set -e
	refused 'no network today' pod fails
	until_is left '' cri_left
	next_pod
}

test_fault_network_plugin_hangs() { with_plugin network_hangs; }
network_hangs() {
	set -e
	(
		# shellcheck disable=SC2317 # for pod
		cri() { "$TOOLS/cri" --socket "$LAB/containerd.sock" --timeout 15 "$@"; }
		refused 'in time' pod hangs
	)
	until_is left '' cri_left
	next_pod
}

# The plugin's DEL fails the first time; a kubelet tries again.
test_fault_network_plugin_does_not_let_go() { with_plugin network_stays; }
network_stays() {
	local pod id
	set -e
	pod=$(pod stays)
	id=$(started "$pod" c1 'sleep 1000')
	refused 'not yet' pod_stop "$pod"
	expect "its container" "$(of_container "$id" state)" CONTAINER_EXITED
	pod_stop "$pod"
	pod_remove "$pod"
}

# The namespace vanishes after the plugin has run and before the handler starts.
test_fault_namespace_vanishes_before_the_start() { with_plugin network_vanishes; }
network_vanishes() {
	set -e
	refused "$([ "$HANDLER" = kata ] && echo 'namespace\|netns' || echo .)" pod vanishes
	cri_clear # containerd keeps a pod whose network it cannot tear down; a kubelet would stop and remove it
	until_is left '' cri_left
	next_pod
}

# An administrator deletes the namespace while the pod runs.
test_fault_namespace_vanishes() {
	local pod id netns
	pod=$(pod careless)
	id=$(started "$pod" c1 'sleep 1000')
	netns=$(find /run/netns -type f | head -n 1)
	umount -l "$netns"
	rm -f "$netns"
	expect "exec" "$(in_container "$id" echo alive)" alive
	pod_gone "$pod"
	next_pod
}

# --- no space ---

test_fault_no_space_for_the_state() { no_space_at /run/vc; }
test_fault_no_space_for_the_share() { no_space_at /run/kata-containers; }

no_space_at() { # DIR
	local status=0
	[ "$HANDLER" = kata ] || return 0
	mkdir -p "$1"
	mount -t tmpfs -o size=4k,nr_inodes=3,mode=0755 full "$1"
	dd if=/dev/zero of="$1/fill" bs=4k 2>/dev/null || true
	refused 'o space left on device' pod full || status=$?
	[ "$status" = 0 ] || cri_clear
	umount "$1"
	[ "$status" = 0 ]
	until_is left '' cri_left
	next_pod
}

# --- time ---

test_fault_guest_clock_jumps() {
	# shellcheck disable=SC2034 # for pod
	local pod id POD_CONTEXT='"privileged":true' now
	[ "$HANDLER" = kata ] || return 0 # with runc this would be the node's clock
	pod=$(pod clock)
	id=$(CONTEXT='"privileged":true' started "$pod" c1 'sleep 1000')
	now=$(in_container "$id" date +%s)
	in_container "$id" date -s "@$((now + 31536000))" >/dev/null
	[ "$(in_container "$id" date +%s)" -ge $((now + 31536000)) ]
	refused 'timeout 1s exceeded' cri ExecSync "{\"container_id\":\"$id\",\"cmd\":[\"sleep\",\"100\"],\"timeout\":1}"
	in_container "$id" date -s "@$((now - 31536000))" >/dev/null
	expect "exec" "$(in_container "$id" echo alive)" alive
	[ "$(figure "$id" memory.working_set_bytes.value)" -gt 0 ]
	started "$pod" c2 'echo another' >/dev/null
	until_is "another container's log" another log_of clock c2
	stop "$id" 1
	[ "$(of_container "$id" finished_at)" -ge "$(of_container "$id" started_at)" ]
	pod_gone "$pod"
}
