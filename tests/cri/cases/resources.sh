# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Processors and memory of a pod's VM, and the limits of its containers.

memory_mib() { # ID: prints the memory that the container sees
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

# A VM of 256 MiB and one processor grows by the limits of its containers.
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

score() { cat "/proc/$(vmms)/oom_score_adj"; }

# When the node is out of memory, the kernel is to choose a VM as it would choose the most important of its containers.
test_vm_is_killed_for_memory_as_its_containers_would_be() {
	local pod a b
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod scored)
	RESOURCES='"oom_score_adj":700'
	a=$(started "$pod" a 'sleep 1000')
	expect "with one" "$(score)" 700
	# shellcheck disable=SC2034 # for started
	RESOURCES='"oom_score_adj":300'
	b=$(started "$pod" b 'sleep 1000')
	expect "with a more important one" "$(score)" 300
	expect "in the guest" "$(in_container "$a" cat /proc/1/oom_score_adj) $(in_container "$b" cat /proc/1/oom_score_adj)" "700 300"
	stop "$b"
	remove "$b"
	expect "without it" "$(score)" 700
	pod_gone "$pod"
}

ram_mib() { # prints the guest's memory that is in the node's
	awk '/^[0-9a-f]+-[0-9a-f]+ / { ram = /memfd:/ } ram && /^Rss:/ { sum += $2 } END { print int(sum / 1024) }' \
		"/proc/$(vmms)/smaps"
}

# What a container has used is free for other pods once it is removed, not only unused in the guest.
test_memory_of_a_removed_container_returns_to_the_node() {
	local pod b before full
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod returns)
	started "$pod" a 'sleep 1000' >/dev/null
	before=$(ram_mib)
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((512 * MIB))
	b=$(started "$pod" b 'sleep 1000')
	expect "fills its memory" "$(fill "$b" 450)" 0
	full=$(ram_mib)
	between "memory of the node in use" "$full" $((before + 400)) 1000
	stop "$b"
	remove "$b"
	# The rest of it was in the memory that the VM keeps.
	until_between "memory of the node without the container" 0 $((full - 300)) ram_mib
	pod_gone "$pod"
}

# A kubelet sends the sum of all containers with the pod.
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

# Runs a process that needs that much memory and prints its exit status.
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

# Updates to more than the host has, or than the configuration allows.
test_update_beyond_the_bounds() {
	local pod a
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod beyond)
	a=$(started "$pod" a 'sleep 1000')
	update "$a" '"memory_limit_in_bytes":'$((64 * MIB))
	refused default_maxmemory update "$a" '"memory_limit_in_bytes":'$((1 << 50))
	refused default_maxvcpus update "$a" '"cpu_quota":100000000,"cpu_period":100000'
	expect "the limit as it was" "$(memory_limit "$a")" $((64 * MIB))
	update "$a" '"memory_limit_in_bytes":'$((32 * MIB))
	expect "the next update" "$(memory_limit "$a")" $((32 * MIB))
	pod_gone "$pod"
}

# --- the control group of a container, cgroup v1 or v2 ---

# Prints a file of the container's own control group, V2 or the first existing V1.
group() { # ID V2 V1...
	local id=$1
	shift
	# shellcheck disable=SC2016
	in_container "$id" sh -c 'cd /sys/fs/cgroup
		if [ -e cgroup.procs ]; then cat "$1"; else shift; cat "$@"; fi' sh "$@" | tr '\n' ' ' | sed 's/ $//'
}

cpu_quota() { group "$1" cpu.max cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us; }

# The limits that a kubelet sends are set on the container's control group and its processes.
test_limits_are_in_the_control_group() {
	local pod id
	pod=$(pod groups)
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((64 * MIB))',"cpu_quota":25000,"cpu_period":50000,
		"cpu_shares":2048,"oom_score_adj":777,"memory_swap_limit_in_bytes":'$((64 * MIB))
	id=$(started "$pod" c1 'sleep 1000')
	expect memory "$(memory_limit "$id")" $((64 * MIB))
	expect quota "$(cpu_quota "$id")" "25000 50000"
	# cpu.shares 2048 (of 2..262144) is cpu.weight 79 (of 1..10000).
	has shares "$(group "$id" cpu.weight cpu/cpu.shares)" '^\(79\|2048\)$'
	expect "out-of-memory score" "$(in_container "$id" cat /proc/1/oom_score_adj)" 777
	[ "$HANDLER" != kata ] || expect swap "$(group "$id" memory.swap.max -)" 0
	pod_gone "$pod"
}

# Numbers of the node's processors mean nothing in the guest.
test_cpuset_of_the_node() {
	local pod id
	[ "$HANDLER" = kata ] || return 0
	pod=$(pod cpuset)
	id=$(RESOURCES='"cpuset_cpus":"1","cpuset_mems":"0"' started "$pod" c1 'sleep 1000')
	expect "the processors that it may use" "$(in_container "$id" nproc)" 1
	update "$id" '"cpuset_cpus":"0-1","cpuset_mems":"0"'
	expect "of more" "$(in_container "$id" nproc)" 2
	pod_gone "$pod"
}

# With a quota of a fifth of a processor, measures the processor time used in two seconds.
test_quota_holds() {
	local pod id a b begin
	pod=$(pod quota)
	id=$(RESOURCES='"cpu_quota":20000,"cpu_period":100000' started "$pod" c1 'while :; do :; done')
	begin=$EPOCHREALTIME
	a=$(figure "$id" cpu.usage_core_nano_seconds.value)
	sleep 3
	b=$(figure "$id" cpu.usage_core_nano_seconds.value)
	between "per mille of a processor" "$(awk -v a="$a" -v b="$b" -v s="$begin" -v e="$EPOCHREALTIME" \
		'BEGIN { printf "%d", (b - a) / (e - s) / 1e6 }')" 20 400
	pod_gone "$pod"
}

# --- statistics ---

# Each container has its own statistics: one is busy, one uses memory, one is idle.
test_figures_are_each_containers_own() {
	local pod busy large idle cpu_busy cpu_idle
	pod=$(pod own)
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((192 * MIB))
	large=$(started "$pod" large 'dd if=/dev/zero bs=64M count=1 2>/dev/null | (read -r x; sleep 1000)')
	idle=$(started "$pod" idle 'sleep 1000')
	busy=$(started "$pod" busy 'while :; do :; done')
	until_between "working set of the large one" $((60 * MIB)) $((110 * MIB)) \
		figure "$large" memory.working_set_bytes.value
	between "working set of the idle one" "$(figure "$idle" memory.working_set_bytes.value)" 1 $((20 * MIB))
	between "resident" "$(figure "$large" memory.rss_bytes.value)" $((60 * MIB)) $((110 * MIB))
	between "available" "$(figure "$large" memory.available_bytes.value)" $((80 * MIB)) $((135 * MIB))
	between "page faults" "$(figure "$large" memory.page_faults.value)" 1000 1000000
	sleep 2
	cpu_busy=$(figure "$busy" cpu.usage_core_nano_seconds.value)
	cpu_idle=$(figure "$idle" cpu.usage_core_nano_seconds.value)
	between "the busy one's processor time" "$cpu_busy" $((2 * cpu_idle)) $((1 << 60))
	pod_gone "$pod"
}

# Page cache is reclaimable, and so not part of the working set.
test_page_cache_is_not_the_working_set() {
	local pod id usage
	# Files in memory are no page cache; a VM's are.
	[ "$HANDLER" = kata ] || [ "$(stat -f -c %T "$LAB")" != tmpfs ] || return 0
	pod=$(pod cache)
	id=$(RESOURCES='"memory_limit_in_bytes":'$((192 * MIB)) started "$pod" c1 'sleep 1000')
	in_container "$id" dd if=/dev/zero of=/tmp/file bs=1M count=64 2>/dev/null
	in_container "$id" sync
	usage=$(figure "$id" memory.usage_bytes.value)
	between usage "$usage" $((40 * MIB)) $((120 * MIB))
	until_between "working set" 1 $((usage / 2)) figure "$id" memory.working_set_bytes.value
	pod_gone "$pod"
}

# --- out of memory ---

# The right one of two containers is reported as OOM-killed, and its neighbour, also with little memory, survives.
test_out_of_memory_of_one_of_two() {
	local pod a b
	pod=$(pod twins)
	# shellcheck disable=SC2034 # for started
	RESOURCES='"memory_limit_in_bytes":'$((32 * MIB))
	a=$(started "$pod" a 'sleep 1000')
	b=$(started "$pod" b "$WHEN_TOLD exec dd if=/dev/zero of=/dev/null bs=64M count=1")
	tell "$b"
	ended "$b"
	expect "exit code" "$(of_container "$b" exit_code)" 137
	until_is reason OOMKilled of_container "$b" reason
	expect "the neighbour" "$(in_container "$a" echo alive)" alive
	stop "$a"
	ended "$a"
	expect "reason of the neighbour" "$(of_container "$a" reason)" Error
	pod_gone "$pod"
}

# Only the exec's program is killed.
test_out_of_memory_of_an_exec() {
	local pod id
	pod=$(pod exec-oom)
	id=$(RESOURCES='"memory_limit_in_bytes":'$((32 * MIB)) started "$pod" c1 'sleep 1000')
	fails 137 in_container "$id" dd if=/dev/zero of=/dev/null bs=64M count=1 >/dev/null
	expect "the container" "$(of_container "$id" state)" CONTAINER_RUNNING
	expect "the next one" "$(in_container "$id" echo alive)" alive
	pod_gone "$pod"
}

pod_figure() { # ID FIELD
	cri --field "stats.linux.$2" PodSandboxStats "{\"pod_sandbox_id\":\"$1\"}"
}

# The node reports the pod's network traffic and each container's number of processes.
test_figures_of_a_pod() {
	local pod a b
	pod=$(pod whole)
	a=$(started "$pod" a 'sleep 1000 & sleep 1000 & sleep 1000 & while :; do :; done')
	b=$(started "$pod" b 'sleep 1000')
	in_container "$b" ping -c 3 10.88.0.1 >/dev/null
	between "received" "$(pod_figure "$pod" network.default_interface.rx_bytes.value)" 200 10000000
	between "sent" "$(pod_figure "$pod" network.default_interface.tx_bytes.value)" 200 10000000
	until_is processes 5 pod_figure "$pod" process.process_count.value
	[ "$HANDLER" != kata ] || {
		has "of huge pages" "$(lab_ctr tasks metrics --format json "$b")" '"pagesize": "2MB"'
		expect "failures of huge pages" "$(lab_ctr tasks metrics --format json "$b" | grep -A4 '"hugetlb"' | grep -c failcnt)" 0
	}
	expect containers "$(pod_figure "$pod" 'containers.*.attributes.id' | sort)" "$(printf '%s\n' "$a" "$b" | sort)"
	pod_gone "$pod"
}

# What `crictl statsp` prints. The control groups of pods, whose figures these are, are a kubelet's.
test_figures_of_all_pods() {
	local one two controller id figure
	for controller in /sys/fs/cgroup/*/; do
		mkdir -p "$controller$PARENT/pod-listed1" "$controller$PARENT/pod-listed2"
	done
	one=$(pod listed1)
	two=$(pod listed2)
	started "$one" c1 'while :; do :; done' >/dev/null
	id=$(started "$two" c1 'while :; do :; done')
	until_is "processes of both" '2' busy_pods
	expect "of all" "$(cri --field 'stats.*.attributes.id' ListPodSandboxStats | sort)" "$(printf '%s\n' "$one" "$two" | sort)"
	expect "by id" "$(listed_by "\"id\":\"$two\"" attributes.metadata.name)" listed2
	expect "by label" "$(listed_by '"label_selector":{"pod":"listed1"}' attributes.id)" "$one"
	expect "by another label" "$(cri --field stats ListPodSandboxStats '{"filter":{"label_selector":{"pod":"none"}}}')" '[]'
	for figure in cpu.usage_core_nano_seconds memory.usage_bytes memory.working_set_bytes network.default_interface.tx_bytes; do
		between "$figure" "$(listed_by "\"id\":\"$two\"" "linux.$figure.value")" 1 $((1 << 50))
	done
	expect interface "$(listed_by "\"id\":\"$two\"" linux.network.default_interface.name)" eth0
	expect container "$(listed_by "\"id\":\"$two\"" linux.containers.0.attributes.id)" "$id"
	pod_gone "$one"
	expect "after the first" "$(cri --field 'stats.*.attributes.id' ListPodSandboxStats)" "$two"
	pod_gone "$two"
}

listed_by() { # FILTER FIELD: prints that of the only pod for which the filter holds
	cri --field "stats.*.$2" ListPodSandboxStats "{\"filter\":{$1}}"
}

busy_pods() { # prints how many pods have used a processor and sent something
	local field
	for field in cpu.usage_core_nano_seconds network.default_interface.tx_bytes; do
		cri --field "stats.*.linux.$field.value" ListPodSandboxStats | awk '$1 > 0' | wc -l
	done | sort -u
}
