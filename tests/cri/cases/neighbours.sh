# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A hostile container must not disturb others. Each case has a hostile container, a neighbour in the same pod and one in
# another pod: both must answer an exec while it is hostile, and after it was stopped and removed. A container that
# exhausts the memory of the whole VM needs a limit, as on any machine; tasks are reserved without one.

# shellcheck disable=SC2034 # for container
HOSTILE_LIMIT='"memory_limit_in_bytes":134217728'

LONG+=(test_neighbour_of_{deep_directories,nested_control_groups,execs_that_flood,a_flood_that_nobody_reads}
	test_neighbour_of_a_fork_bomb_without_a_limit
	test_neighbour_of_one_{without_fds,that_fills_its_memory_disk,out_of_memory,that_ignores_signals})

beside() { # WHAT FUNCTION [JSON]: FUNCTION POD starts the hostile container, waits until it is hostile, prints its id
	local what=$1 pod other bad neighbour stranger NAMESPACES='"pid":"CONTAINER"'
	pod=$(pod "$what" "${3:-}")
	other=$(pod "$what-other")
	neighbour=$(started "$pod" neighbour 'sleep 1000')
	stranger=$(started "$other" stranger 'sleep 1000')
	bad=$("$2" "$pod")
	both_answer "during $what" "$neighbour" "$stranger"
	stop "$bad" 2
	expect "state of $what" "$(of_container "$bad" state)" CONTAINER_EXITED
	remove "$bad"
	both_answer "after $what" "$neighbour" "$stranger"
	bad=$(started "$pod" again 'echo again') # the pod accepts new containers
	expect "a new container" "$(exit_of "$bad")" '0 Completed'
	pod_gone "$pod"
	both_answer "after the pod of $what" "$stranger"
	pod_gone "$other"
}

both_answer() { # WHEN ID...
	local when=$1 id
	shift
	for id in "$@"; do
		expect "$when, an exec" "$(in_container "$id" echo alive)" alive
		expect "$when, the state" "$(of_container "$id" state)" CONTAINER_RUNNING
	done
}

hostile() { # POD SCRIPT LINE [JSON]: starts the container "bad" and prints its id when its log has LINE
	local id name
	id=$(started "$1" bad "$2" "${4:-}") || return
	name=$(of_pod "$1" metadata.name)
	until_is "what it says" yes said_in_log "$name" bad "$3" >&2 || return
	echo "$id"
}

said_in_log() { # POD-NAME CONTAINER-NAME PATTERN
	log_of "$1" "$2" | grep -q -- "$3" && echo yes
}

# The container waits uninterruptibly for a child (vfork).
test_neighbour_of_one_that_is_stuck() { beside stuck neighbour_stuck; }
neighbour_stuck() { hostile "$1" 'exec hostile stuck' stuck; }

test_neighbour_of_one_that_ignores_signals() { beside deaf neighbour_deaf; }
neighbour_deaf() {
	hostile "$1" 'trap "" TERM INT HUP QUIT USR1 USR2 PIPE; echo deaf; while :; do sleep 1; done' deaf
}

# The container is killed from the inside, together with its children.
test_neighbour_of_one_that_is_killed() { beside killed neighbour_killed; }
neighbour_killed() {
	local id
	id=$(hostile "$1" 'sleep 1001 & sleep 1002 & echo up; sleep 1003; exit $?' up)
	in_container "$id" sh -c 'kill -KILL -1' >/dev/null 2>&1
	ended "$id" >&2 && echo "$id"
}

# The container runs out of memory again and again, like a leaking program that is restarted.
test_neighbour_of_one_out_of_memory() { beside oom neighbour_oom; }
neighbour_oom() {
	local id i
	for i in 1 2 3; do
		id=$(RESOURCES='"memory_limit_in_bytes":33554432' started "$1" "bad$i" 'exec tail /dev/zero')
		ended "$id" >&2
		[ "$i" = 3 ] || remove "$id"
	done
	echo "$id"
}

# Its children are killed one after the other; the container stays.
test_neighbour_of_one_whose_children_are_out_of_memory() { beside oom-children neighbour_oom_children; }
neighbour_oom_children() {
	# shellcheck disable=SC2016
	RESOURCES='"memory_limit_in_bytes":33554432' hostile "$1" \
		'i=0; while :; do tail /dev/zero; i=$((i + 1)); [ $i != 3 ] || echo thrice; done' thrice
}

# Without a limit it takes all of the pod's memory: the guest kills processes, but not the agent.
test_neighbour_of_one_that_takes_all_memory() {
	[ "$HANDLER" = kata ] || return 0 # with runc it would take the node's memory
	beside all-memory neighbour_all_memory
}
neighbour_all_memory() {
	local id
	id=$(RESOURCES='"oom_score_adj":1000' started "$1" bad 'exec tail /dev/zero')
	ended "$id" >&2 && echo "$id"
}

test_neighbour_of_a_flood() { beside flood neighbour_flood; }
neighbour_flood() {
	# shellcheck disable=SC2016
	hostile "$1" 'echo floods; exec yes "$(seq 100 | tr -d "\n")"' floods
}

# Nobody reads the output: containerd, which writes the log, is stopped for a while.
test_neighbour_of_a_flood_that_nobody_reads() { beside unread neighbour_unread; }
neighbour_unread() {
	local id pid
	id=$(neighbour_flood "$1")
	pid=$(<"$LAB/containerd.pid")
	kill -STOP "$pid"
	sleep 3
	kill -CONT "$pid"
	echo "$id"
}

# Execs whose output is not read.
test_neighbour_of_execs_that_flood() { beside exec-flood neighbour_exec_flood; }
neighbour_exec_flood() {
	local id
	id=$(hostile "$1" 'echo up; sleep 1000' up)
	for _ in 1 2 3; do
		cri --timeout 2 exec "$id" yes >/dev/null 2>&1 || true
	done
	echo "$id"
}

# Many execs at once, again and again.
test_neighbour_of_an_exec_storm() { beside storm neighbour_storm; }
neighbour_storm() {
	local id i pids=()
	id=$(hostile "$1" 'echo up; sleep 1000' up)
	for i in $(seq 12); do
		(for _ in $(seq 5); do in_container "$id" echo "$i" || exit; done) >/dev/null &
		pids+=($!)
	done
	all_well "${pids[@]}" >&2 && echo "$id"
}

# The container has a limit of processes. A node sets such a limit on the pod's control group, which here is the VM's.
test_neighbour_of_a_fork_bomb() {
	[ "$HANDLER" = kata ] || return 0 # needs control groups of version 2
	beside forks neighbour_forks
}
neighbour_forks() {
	RESOURCES='"unified":{"pids.max":"64"}' hostile "$1" 'exec hostile forks' full
}

# The same without a limit, which is Kubernetes' default: the agent reserves tasks for itself.
test_neighbour_of_a_fork_bomb_without_a_limit() {
	[ "$HANDLER" = kata ] || return 0 # it would stop the machine
	beside bomb neighbour_bomb
}
neighbour_bomb() { hostile "$1" 'exec hostile forks' full; }

# Deeply nested directories in its root and in a tmpfs, which have to be removed, too. (Each one in the root is an open
# file of virtiofsd, which can have 20 000 here.)
test_neighbour_of_deep_directories() { beside deep neighbour_deep; }
neighbour_deep() {
	hostile "$1" 'mkdir /deep /dev/deep; hostile deep /deep 10000 & exec hostile deep /dev/deep 20000' \
		'levels 10000' >/dev/null &&
		until_is "what it says" yes said_in_log "$(of_pod "$1" metadata.name)" bad 'levels 20000' >&2 &&
		cri --field 'containers.0.id' ListContainers \
			"{\"filter\":{\"pod_sandbox_id\":\"$1\",\"label_selector\":{\"container\":\"bad\"}}}"
}

test_neighbour_of_one_that_fills_its_memory_disk() { beside files neighbour_files; }
neighbour_files() { # creates files until the disk is full, or until it runs out of memory and is killed
	local id
	id=$(RESOURCES=$HOSTILE_LIMIT started "$1" bad \
		'mkdir /dev/mine; dd if=/dev/zero of=/dev/mine/fill bs=1M; exec hostile files /dev/mine')
	until_is "what it says" yes said_or_ended "$id" "$(of_pod "$1" metadata.name)" files >&2 && echo "$id"
}
said_or_ended() { # ID POD-NAME PATTERN
	said_in_log "$2" bad "$3" || { [ "$(of_container "$1" state)" = CONTAINER_EXITED ] && echo yes; }
}

test_neighbour_of_one_without_fds() { beside fds neighbour_fds; }
neighbour_fds() { hostile "$1" 'ulimit -n 20000 2>/dev/null; exec hostile fds' fds; }

# Nested control groups, which only a privileged container can create.
test_neighbour_of_nested_control_groups() {
	[ "$HANDLER" = kata ] || return 0 # with runc they would be the node's
	POD_CONTEXT='"privileged":true' beside groups neighbour_groups
}
neighbour_groups() {
	# shellcheck disable=SC2016
	CONTEXT='"privileged":true' hostile "$1" 'cd /sys/fs/cgroup; i=0
		while [ $i -lt 1000 ]; do mkdir wide$i; i=$((i + 1)); done
		i=0; while mkdir d 2>/dev/null && cd d && [ $i -lt 500 ]; do i=$((i + 1)); done
		echo nested $i; sleep 1000' nested
}
