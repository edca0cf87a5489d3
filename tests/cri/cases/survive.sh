# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The shim, containerd, or both are killed: containers go on or are reported as ended, and finally nothing is left (which
# run.sh checks).

# Kills containerd with SIGKILL.
kill_containerd() {
	local pid
	pid=$(cat "$LAB/containerd.pid")
	kill -KILL "$pid"
	tail --pid="$pid" -f /dev/null
	rm -f "$LAB/containerd.pid"
}

# They must have ended; they can be removed and created again. containerd removes no container that it still takes for a
# running one.
lost() { # POD CONTAINER...
	local pod=$1 id
	shift
	until_is "state of the pod" SANDBOX_NOTREADY of_pod "$pod" state
	for id in "$@"; do
		ended "$id"
		[ "$(of_container "$id" exit_code)" != 0 ] || return 1
	done
	pod_gone "$pod"
}

test_shim_is_killed() {
	local pod one two
	[ "$HANDLER" = kata ] || return 0 # runc's shim leaves its socket, and its containers for a while
	pod=$(pod orphans)
	one=$(started "$pod" c1 'sleep 1000')
	two=$(started "$pod" c2 'while :; do :; done')
	kill -KILL "$(shim_of "$pod")"
	lost "$pod" "$one" "$two"
}

# When containerd comes back it finds containers whose shim was killed.
test_shim_is_killed_while_containerd_is_away() {
	[ "$HANDLER" = kata ] || return 0
	local pod one
	pod=$(pod alone)
	one=$(started "$pod" c1 'sleep 1000')
	lab_stop_containerd
	kill -KILL "$(shim_of "$pod")"
	cri_containerd
	lost "$pod" "$one"
	pod=$(pod alone) # with the same name, like a kubelet
	one=$(started "$pod" c1 'sleep 1000')
	expect "the next one" "$(in_container "$one" hostname)" host-alone
	pod_gone "$pod"
}

# Both are killed at once.
test_shim_and_containerd_are_killed() {
	[ "$HANDLER" = kata ] || return 0
	local pod stays one two
	pod=$(pod both)
	one=$(started "$pod" c1 'sleep 1000')
	stays=$(pod stays)
	two=$(started "$stays" c1 'sleep 1000')
	kill_containerd
	kill -KILL "$(shim_of "$pod")"
	cri_containerd
	lost "$pod" "$one"
	expect "the other pod" "$(of_pod "$stays" state)" SANDBOX_READY
	expect "its container" "$(in_container "$two" hostname)" host-stays
	pod_gone "$stays"
}

# A running pod is not affected: new containers and execs work afterwards.
test_containerd_is_killed() {
	local pod one two
	pod=$(pod steady)
	# shellcheck disable=SC2016
	one=$(started "$pod" c1 'i=0; while :; do echo $i; i=$((i + 1)); sleep 0.1; done')
	kill_containerd
	sleep 1
	cri_containerd
	expect "state of the pod" "$(of_pod "$pod" state)" SANDBOX_READY
	expect "state of its container" "$(of_container "$one" state)" CONTAINER_RUNNING
	two=$(started "$pod" c2 'sleep 1000')
	expect "a new container" "$(in_container "$two" hostname)" host-steady
	stop "$one"
	expect "exit code" "$(of_container "$one" exit_code)" 137
	pod_gone "$pod"
}

# A pod that is being created when containerd dies is removed afterwards.
test_containerd_is_killed_while_it_makes_a_pod() {
	[ "$HANDLER" = kata ] || return 0
	local id
	pod half >/dev/null 2>&1 &
	for _ in $(seq 600); do
		! pgrep -f 'qemu-system.*sandbox-' >/dev/null || break
		sleep 0.05
	done
	kill_containerd
	wait || true
	cri_containerd
	for id in $(cri --field 'items.*.id' ListPodSandbox); do
		pod_gone "$id"
	done
}

# Prints modes and owners of a pod's files on the node, and of new files in a container.
made_by_pod() { # POD CONTAINER
	local dir
	grep Umask "/proc/$(shim_of "$1")/status"
	for dir in /run/vc/sbs /run/vc/vm /run/kata-containers/shared/sandboxes /run/containerd/s; do
		echo "$dir"
		find "$dir" -maxdepth 3 -not -path '*/shared/*' -printf '%y %m %U:%G %d\n' | sort
	done
	# shellcheck disable=SC2016
	in_container "$2" sh -c 'cd /tmp; umask; echo >file; mkdir dir; stat -c "%a %u %n" file dir
		cd /dev/shm; echo >file; stat -c "%a %n" file /dev/shm'
}

# The umask of containerd has no effect.
test_umask_of_the_manager() {
	[ "$HANDLER" = kata ] || return 0
	local mask pod id usual=""
	for mask in 022 077 000; do
		lab_stop_containerd
		(umask "$mask" && cri_containerd)
		pod=$(pod "umask-$mask")
		id=$(started "$pod" c1 'sleep 1000')
		made_by_pod "$pod" "$id" >"$LAB/made-$mask"
		[ -n "$usual" ] || usual=$LAB/made-$mask
		pod_gone "$pod"
		expect "with umask $mask" "$(diff "$usual" "$LAB/made-$mask")" ""
	done
	rm "$LAB"/made-*
	lab_stop_containerd
	cri_containerd
}
LONG+=(test_umask_of_the_manager)
