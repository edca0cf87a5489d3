# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The control groups and processors of a pod's VM on the node. (Other suites test runc's groups for containers.)

# Prints the hierarchies in which the process is not in the wanted control group. Skips hierarchies without controllers:
# systemd's named one, and v2 on a host with v1.
not_in() { # PID|PID/task/TID PATH
	awk -F: -v path="$2" '$2 != "" && $2 !~ /^name=/ && $3 != path { print $2 " " $3 }' "/proc/$1/cgroup"
}

vcpus_of() { # PID of QEMU: prints its vCPU threads
	grep -l '^CPU ' /proc/"$1"/task/*/comm | cut -d/ -f5
}

other_threads() { # PID of QEMU
	grep -L '^CPU ' /proc/"$1"/task/*/comm | cut -d/ -f5
}

# Only the vCPU threads are in the pod's group; afterwards all groups are removed.
test_cgroup_of_the_vcpus() {
	local pod vmm shim thread id
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod places)
	id=$(started "$pod" c1 'sleep 1000')
	vmm=$(process_of "$pod" vmm) shim=$(shim_of "$pod")
	[ -n "$(vcpus_of "$vmm")" ]
	for thread in $(vcpus_of "$vmm"); do
		expect "group of a vCPU" "$(not_in "$vmm/task/$thread" "$PARENT/pod-places/$GROUP$pod")" ''
	done
	for thread in $(other_threads "$vmm"); do
		expect "group of another thread" "$(not_in "$vmm/task/$thread" "/kata_overhead/$pod@$CONTAINERD_NAMESPACE")" ''
	done
	expect "group of the shim" "$(not_in "$shim" "/kata_overhead/$pod@$CONTAINERD_NAMESPACE")" ''
	pod_stop "$pod"
	expect "groups when it has stopped" "$(find /sys/fs/cgroup -name "*$pod*")" ''
	expect "state" "$(of_container "$id" state)" CONTAINER_EXITED
	pod_remove "$pod"
}

test_cgroup_of_all() {
	local pod vmm shim thread
	[ "$HANDLER" = kata ] || return 0
	configured '[runtime]' 'sandbox_cgroup_only = true'
	pod=$(pod whole)
	started "$pod" c1 'sleep 1000' >/dev/null
	vmm=$(process_of "$pod" vmm) shim=$(shim_of "$pod")
	expect "group of the shim" "$(not_in "$shim" "$PARENT/pod-whole/$GROUP$pod")" ''
	for thread in "/proc/$vmm"/task/*; do
		expect "group of a thread" "$(not_in "${thread#/proc/}" "$PARENT/pod-whole/$GROUP$pod")" ''
	done
	expect "of overhead" "$(find /sys/fs/cgroup -path "*kata_overhead/$pod*")" ''
	pod_stop "$pod"
	expect "groups when it has stopped" "$(find /sys/fs/cgroup -name "*$pod*")" ''
	pod_remove "$pod"
}

# A killed shim leaves no control groups behind.
test_cgroup_when_the_shim_is_killed() {
	local pod c
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod murdered)
	c=$(started "$pod" c1 'sleep 1000')
	kill -9 "$(shim_of "$pod")"
	lost "$pod" "$c"
	until_is "groups" '' find /sys/fs/cgroup -name "*$pod*"
}

# The VM's processors are the union of the sets of its containers.
test_cgroup_processors() {
	local pod a b set=/sys/fs/cgroup/cpuset$PARENT/pod-set
	[ "$HANDLER" = kata ] && [ -d /sys/fs/cgroup/cpuset ] && [ "$(nproc)" -gt 1 ] || return 0
	pod=$(pod set)
	expect "of the pod alone" "$(cat "$set/$GROUP$pod/cpuset.cpus")" "$(cat "$set/cpuset.cpus")"
	a=$(RESOURCES='"cpuset_cpus":"1"' started "$pod" a 'sleep 1000')
	expect "of one" "$(cat "$set/$GROUP$pod/cpuset.cpus")" 1
	b=$(RESOURCES='"cpuset_cpus":"0","cpuset_mems":"0"' started "$pod" b 'sleep 1000')
	expect "of two" "$(cat "$set/$GROUP$pod/cpuset.cpus")" 0-1
	cri UpdateContainerResources "{\"container_id\":\"$a\",\"linux\":{\"cpuset_cpus\":\"0\"}}" >/dev/null
	expect "of one that changed" "$(cat "$set/$GROUP$pod/cpuset.cpus")" 0
	fails_saying "those that are not there" 1 "cpuset.cpus = '4000,0'" cri UpdateContainerResources \
		"{\"container_id\":\"$a\",\"linux\":{\"cpuset_cpus\":\"4000\"}}"
	RESOURCES='"cpuset_cpus":"4000"' \
		fails_saying "those that are not there" 1 'cpuset.cpus' started "$pod" c 'sleep 1000'
	expect "afterwards" "$(cat "$set/$GROUP$pod/cpuset.cpus")" 0
	stop "$a"
	remove "$a"
	cri UpdateContainerResources "{\"container_id\":\"$b\",\"linux\":{\"cpuset_cpus\":\"1\"}}" >/dev/null
	expect "of the other alone" "$(cat "$set/$GROUP$pod/cpuset.cpus")" 1
	pod_gone "$pod"
}

affinities() { # PID of QEMU: prints the affinities of its vCPU threads
	local thread
	for thread in $(vcpus_of "$1"); do
		sed -n 's/^Cpus_allowed_list:\t//p' "/proc/$1/task/$thread/status"
	done | sort | tr '\n' ' '
}

# With as many processors as the guest has, each vCPU is pinned to one; otherwise they share the set.
test_cgroup_pinned_processors() {
	local pod a vmm
	[ "$HANDLER" = kata ] && [ -d /sys/fs/cgroup/cpuset ] && [ "$(nproc)" -gt 1 ] || return 0
	configured '[hypervisor.qemu]' 'default_vcpus = 2' '[runtime]' 'enable_vcpus_pinning = true'
	pod=$(pod pinned)
	vmm=$(process_of "$pod" vmm)
	expect "without a set" "$(affinities "$vmm")" "0-1 0-1 "
	a=$(RESOURCES='"cpuset_cpus":"0-1"' started "$pod" a 'sleep 1000')
	expect "with two" "$(affinities "$vmm")" "0 1 "
	cri UpdateContainerResources "{\"container_id\":\"$a\",\"linux\":{\"cpuset_cpus\":\"1\"}}" >/dev/null
	expect "with one" "$(affinities "$vmm")" "1 1 "
	cri UpdateContainerResources "{\"container_id\":\"$a\",\"linux\":{\"cpuset_cpus\":\"0,1\"}}" >/dev/null
	expect "with two again" "$(affinities "$vmm")" "0 1 "
	stop "$a"
	remove "$a"
	expect "when it has gone" "$(affinities "$vmm")" "0-1 0-1 "
	pod_gone "$pod"
}
