# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Processors and memory: what a pod's VM has, and what its containers may have of it.

memory_mib() { # ID: all that it sees
	# shellcheck disable=SC2016 # awk's
	in_container "$1" awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo
}

cpus() { # ID
	in_container "$1" grep -c ^processor /proc/cpuinfo
}

update() { # ID RESOURCES
	cri UpdateContainerResources "{\"container_id\":\"$1\",\"linux\":{$2}}" >/dev/null
}

between() { # WHAT GOT LEAST MOST
	{ [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; } || {
		echo "    $1: got $2, wanted $3 to $4"
		return 1
	}
}

until_between() { # WHAT LEAST MOST COMMAND...
	local what=$1 least=$2 most=$3 got
	shift 3
	for _ in $(seq 300); do
		got=$("$@") && [ "$got" -ge "$least" ] && [ "$got" -le "$most" ] && return 0
		sleep 0.1
	done
	between "$what" "$got" "$least" "$most"
}

MIB=1048576

# A VM of 256 MiB and one processor, and what the containers' limits add.
test_vm_grows_and_shrinks_with_its_containers() {
	local pod a b small
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod grows)
	a=$(started "$pod" a 'sleep 1000')
	small=$(memory_mib "$a")
	between "memory at first" "$small" 150 256
	expect "processors at first" "$(cpus "$a")" 1
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((512 * MIB))',"cpu_quota":50000,"cpu_period":100000'
	b=$(started "$pod" b 'sleep 1000')
	between "memory with the second" "$(memory_mib "$a")" $((small + 480)) $((small + 512))
	expect "processors with the second" "$(cpus "$a")" 2
	stop "$b"
	remove "$b"
	until_between "memory without it" "$small" $((small + 32)) memory_mib "$a"
	b=$(started "$pod" b2 'sleep 1000')
	between "memory with a third" "$(memory_mib "$a")" $((small + 480)) $((small + 512))
	pod_gone "$pod"
}

# As a kubelet says it of all containers beforehand.
test_vm_has_the_pods_size_at_once() {
	local pod a
	[ "$HANDLER" = kata ] || return 0
	# shellcheck disable=SC2034 # for pod
	POD_RESOURCES='"memory_limit_in_bytes":'$((512 * MIB))',"cpu_quota":100000,"cpu_period":100000'
	pod=$(pod said)
	a=$(started "$pod" a 'sleep 1000')
	between memory "$(memory_mib "$a")" 650 768
	expect processors "$(cpus "$a")" 2
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((512 * MIB))
	started "$pod" b 'sleep 1000' >/dev/null
	between "memory, as before" "$(memory_mib "$a")" 650 768
	pod_gone "$pod"
}

# A process that has that much memory at once, and the status of its end.
fill() { # ID MIB
	in_container "$1" sh -c "dd if=/dev/zero of=/dev/null bs=$2M count=1 2>/dev/null; echo \$?"
}

test_update_of_a_running_container() {
	local pod a b
	pod=$(pod update)
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((64 * MIB))
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b 'sleep 1000')
	expect "limit at first" "$(memory_limit "$a")" $((64 * MIB))
	update "$a" '"memory_limit_in_bytes":'$((512 * MIB))',"cpu_quota":100000,"cpu_period":100000,"cpu_shares":512'
	expect "limit, raised" "$(memory_limit "$a")" $((512 * MIB))
	expect quota "$(cpu_quota "$a")" "100000 100000"
	expect "limit of the neighbour" "$(memory_limit "$b")" $((64 * MIB))
	expect "has it" "$(fill "$a" 400)" 0
	update "$a" '"memory_limit_in_bytes":'$((128 * MIB))',"cpu_quota":20000,"cpu_period":100000'
	expect "limit, lowered" "$(memory_limit "$a")" $((128 * MIB))
	expect "quota, lowered" "$(cpu_quota "$a")" "20000 100000"
	[ "$HANDLER" != kata ] || {
		until_between "memory given back" 300 460 memory_mib "$a"
		expect processors "$(cpus "$b")" 2
	}
	in_container "$b" true
	pod_gone "$pod"
}

# More than the host has, or is configured.
test_update_beyond_the_bounds() {
	local pod a
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod beyond)
	a=$(started "$pod" a 'sleep 1000')
	update "$a" '"memory_limit_in_bytes":'$((64 * MIB))
	has "of memory" "$(fails 1 update "$a" '"memory_limit_in_bytes":'$((1 << 50)))" default_maxmemory
	has "of processors" "$(fails 1 update "$a" '"cpu_quota":100000000,"cpu_period":100000')" default_maxvcpus
	expect "the limit as it was" "$(memory_limit "$a")" $((64 * MIB))
	update "$a" '"memory_limit_in_bytes":'$((32 * MIB))
	expect "the next update" "$(memory_limit "$a")" $((32 * MIB))
	pod_gone "$pod"
}

# --- what the control group of a container says, of version 1 or 2 ---

# FILE-OF-2 FILE-OF-1: what a container finds in its own control group
group() { # ID V2 V1...
	local id=$1
	shift
	# shellcheck disable=SC2016
	in_container "$id" sh -c 'cd /sys/fs/cgroup
		if [ -e cgroup.procs ]; then cat "$1"; else shift; cat "$@"; fi' sh "$@" | tr '\n' ' ' | sed 's/ $//'
}

cpu_quota() { group "$1" cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us; }
