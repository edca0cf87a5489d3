# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What containers of one pod share and what they do not.

test_containers_share_a_pod() {
	local pod a b ns
	pod=$(pod shared)
	a=$(started "$pod" a 'echo to b | nc -l -p 7001; sleep 1000')
	b=$(started "$pod" b 'sleep 1001')
	for ns in net ipc uts; do
		expect "$ns namespace" "$(in_container "$b" readlink /proc/self/ns/$ns)" \
			"$(in_container "$a" readlink /proc/self/ns/$ns)"
	done
	for ns in pid mnt; do
		[ "$(in_container "$b" readlink /proc/1/ns/$ns)" != \
			"$(in_container "$a" readlink /proc/1/ns/$ns)" ]
	done
	expect "over loopback" "$(in_container "$b" sh -c \
		'until nc -w 20 127.0.0.1 7001; do sleep 0.2; done' 2>/dev/null)" 'to b'
	in_container "$a" touch /tmp/of-a /dev/shm/of-a
	fails 1 in_container "$b" test -e /tmp/of-a >/dev/null
	in_container "$b" test -e /dev/shm/of-a
	expect hostnames "$(in_container "$a" hostname) $(in_container "$b" hostname)" 'host-shared host-shared'
	pod_gone "$pod"
}

# A directory of the node, like an emptyDir: one container writes, the other may only read.
test_containers_share_a_volume() {
	local pod a b dir=$LAB/volume
	mkdir -p "$dir"
	pod=$(pod volume)
	a=$(started "$pod" a 'sleep 1000' \
		',"mounts":[{"host_path":"'"$dir"'","container_path":"/data"}]')
	b=$(started "$pod" b 'sleep 1000' \
		',"mounts":[{"host_path":"'"$dir"'","container_path":"/data","readonly":true}]')
	in_container "$a" sh -c 'echo words >/data/file'
	expect "what the other reads" "$(in_container "$b" cat /data/file)" words
	fails_saying "its write" 1 'Read-only file system' in_container "$b" touch /data/file
	expect "on the node" "$(cat "$dir/file")" words
	pod_gone "$pod"
	rm -rf "$dir"
}

test_container_is_restarted_beside_another() {
	local pod a b i
	pod=$(pod restart)
	a=$(started "$pod" a 'sleep 1000')
	for i in 1 2 3; do
		b=$(started "$pod" "b$i" "exit $i")
		ended "$b"
		expect "exit code $i" "$(of_container "$b" exit_code)" "$i"
		remove "$b"
	done
	b=$(started "$pod" b4 'sleep 1000')
	expect "the new one" "$(in_container "$b" echo here)" here
	expect "the old one" "$(in_container "$a" echo still)" still
	expect "containers" "$(cri --field 'containers.*.state' ListContainers | sort | uniq -c | tr -s ' ')" ' 2 CONTAINER_RUNNING'
	pod_gone "$pod"
}

test_pod_outlives_its_last_container() {
	local pod id
	pod=$(pod empty)
	id=$(started "$pod" first 'sleep 1000')
	stop "$id"
	remove "$id"
	expect "state of the pod" "$(of_pod "$pod" state)" SANDBOX_READY
	id=$(started "$pod" second 'sleep 1000')
	expect "the next one" "$(in_container "$id" hostname)" host-empty
	pod_gone "$pod"
}

# The workload is killed by its parent, and by a container that shares its PID namespace.
test_workload_is_killed() {
	# shellcheck disable=SC2034 # for pod
	local pod a b NAMESPACES='"pid":"POD"'
	pod=$(pod killed)
	a=$(started "$pod" a 'sleep 2000; exit $?')
	b=$(started "$pod" b 'exec sleep 3000')
	until_is "processes of the other" 1 processes "$b" '[s]leep 2000'
	killed "$b" '[s]leep 2000' # not by a process of the first, which ends with it
	ended "$a"
	expect "exit code of the parent" "$(of_container "$a" exit_code)" 137
	a=$(started "$pod" again 'sleep 1000')
	killed "$a" '[s]leep 3000'
	ended "$b"
	expect "exit code" "$(of_container "$b" exit_code)" 137
	expect reason "$(of_container "$b" reason)" Error
	expect "who killed it" "$(of_container "$a" state)" CONTAINER_RUNNING
	pod_gone "$pod"
}

# The processes share the pod's PID namespace, so they do not end with a namespace of the container. A client that waits
# for an exec learns that it was killed.
test_exec_ends_with_its_container() {
	# shellcheck disable=SC2034 # for pod
	local pod a b exec status=0 NAMESPACES='"pid":"POD"'
	pod=$(pod ending)
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'sleep 1000')
	in_container "$a" sleep 2000 &
	exec=$!
	until_is "the exec" 1 processes "$b" '[s]leep 2000'
	stop "$a"
	wait "$exec" || status=$?
	expect "status of the exec" "$status" 137
	until_is "the exec afterwards" 0 processes "$b" '[s]leep 2000'
	pod_gone "$pod"
}

killed() { # ID PATTERN: kills the process with that command line, from inside a container
	in_container "$1" sh -c "kill -KILL \$(ps -o pid,args | awk '/^ *[0-9]+ $2\$/ { print \$1 }')"
}

# Neighbours of a container that floods its log, and of one with many processes.
test_neighbours_live() {
	local pod flood forks calm
	pod=$(pod loud)
	calm=$(started "$pod" calm 'sleep 1000')
	# shellcheck disable=SC2016
	flood=$(started "$pod" flood 'yes "$(seq 100 | tr -d "\n")"')
	# shellcheck disable=SC2016
	forks=$(started "$pod" forks 'i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i + 1)); done; wait')
	until_is "processes of many" 100 processes "$forks" '[s]leep 1000'
	[ "$(wc -l <"$LAB/logs/loud/flood.log")" -gt 1000 ]
	expect "the calm one" "$(in_container "$calm" echo alive)" alive
	stop "$flood"
	stop "$forks"
	expect "the calm one" "$(in_container "$calm" echo alive)" alive
	expect "its state" "$(of_container "$calm" state)" CONTAINER_RUNNING
	pod_gone "$pod"
}
