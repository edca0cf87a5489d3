# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Scenarios of a kubelet: what the containers of a pod share, their limits, and many pods at once.

# A container connects to another's socket in a shared volume.
test_scenario_socket_in_a_shared_volume() {
	local pod server client dir=$LAB/sockets
	mkdir -p "$dir"
	pod=$(pod socket)
	server=$(started "$pod" server 'exec serve /data/sock "over the volume"' "$(binds "$dir" /data)")
	client=$(started "$pod" client 'sleep 1000' "$(binds "$dir" /data)")
	until_is "the socket" '/data/sock' in_container "$client" ls /data/sock
	expect answer "$(in_container "$client" serve /data/sock)" 'over the volume'
	in_container "$client" test -S /data/sock
	stop "$server" 0
	refused refused in_container "$client" serve /data/sock
	pod_gone "$pod"
	rm -r "$dir"
}

# Writes a volume like a kubelet: the files are links into the directory of the newest version.
projected() { # DIR NAME CONTENTS...
	local dir=$1 version
	shift
	version=$(mktemp -d "$dir/..XXXXXX")
	chmod 755 "$version"
	while [ $# -gt 0 ]; do
		printf %s "$2" >"$version/$1"
		ln -sf "..data/$1" "$dir/$1"
		shift 2
	done
	ln -sfn "${version##*/}" "$dir/..new"
	mv -T "$dir/..new" "$dir/..data"
}

# A secret mounted inside a ConfigMap, and another one inside that.
test_scenario_nested_config_and_secret() {
	local pod id dir=$LAB/nested
	mkdir -p "$dir"/{config,secret,inner}
	projected "$dir/config" key1 value-1 key2 value-2
	mkdir "$dir/config/secret" # the mount point
	projected "$dir/secret" username admin password 'pass word'
	mkdir "$dir/secret/inner"
	projected "$dir/inner" token 'abc'
	pod=$(pod nested)
	id=$(started "$pod" c1 'sleep 1000' \
		"$(binds "$dir/config" /etc/config "$dir/secret" /etc/config/secret "$dir/inner" /etc/config/secret/inner)")
	expect configMap "$(in_container "$id" sh -c 'cat /etc/config/key?')" value-1value-2
	expect secret "$(in_container "$id" cat /etc/config/secret/password)" 'pass word'
	expect "the one inside" "$(in_container "$id" cat /etc/config/secret/inner/token)" abc
	expect "a link" "$(in_container "$id" readlink /etc/config/key1)" ..data/key1
	pod_gone "$pod"
	rm -r "$dir"
}

# An optional ConfigMap or Secret that does not exist is an empty directory.
test_scenario_optional_empty_volumes() {
	local pod id dir=$LAB/empty
	mkdir -p "$dir"/{config,secret}
	pod=$(pod optional)
	id=$(started "$pod" c1 'sleep 1000' "$(binds "$dir/config" /empty/config "$dir/secret" /empty/secret)")
	expect "what is there" "$(in_container "$id" find /empty | sort | tr '\n' ' ')" '/empty /empty/config /empty/secret '
	pod_gone "$pod"
	rm -r "$dir"
}

# One container creates files that another serves; both and the node share the volume.
test_scenario_shared_volume() {
	local pod writer reader i dir=$LAB/shared-volume
	mkdir -p "$dir"
	pod=$(pod volume-of-two)
	# shellcheck disable=SC2016
	writer=$(started "$pod" writer 'for i in $(seq 200); do echo "entry $i" >/data/new; mv /data/new /data/$i; done; sync' \
		"$(binds "$dir" /data)")
	reader=$(started "$pod" reader 'sleep 1000' "$(binds "$dir" /pod-data)")
	expect writer "$(exit_of "$writer")" '0 Completed'
	expect "what the other sees" "$(in_container "$reader" sh -c 'cat /pod-data/* | sort | md5sum')" \
		"$(seq 200 | sed 's/^/entry /' | sort | md5sum)"
	remove "$writer"
	expect "after the writer's removal" "$(in_container "$reader" cat /pod-data/200)" 'entry 200'
	in_container "$reader" sh -c 'cd /pod-data && ln 1 hard && ln -s 2 soft && rm 1 && cat hard soft >both'
	expect "on the node" "$(tr '\n' ' ' <"$dir/both")" 'entry 1 entry 2 '
	pod_gone "$pod"
	rm -r "$dir"
}

# A limit of a tenth of a processor, which is less than a program gets even on a busy machine.
test_scenario_cpu_limit() {
	local pod id periods
	pod=$(pod cpu)
	id=$(RESOURCES='"cpu_quota":10000,"cpu_period":100000,"cpu_shares":512' \
		started "$pod" c1 'while :; do :; done')
	expect quota "$(cpu_limit "$id")" '10000 100000'
	for _ in $(seq 600); do
		periods=$(throttled "$id")
		[ "$periods" -gt 2 ] && break
		sleep 0.2
	done
	[ "$periods" -gt 2 ]
	cri UpdateContainerResources \
		"{\"container_id\":\"$id\",\"linux\":{\"cpu_quota\":80000,\"cpu_period\":100000}}" >/dev/null
	expect "new quota" "$(cpu_limit "$id")" '80000 100000'
	pod_gone "$pod"
}

cpu_limit() { # ID: prints the quota and period that the container sees, with cgroup v1 or v2
	# shellcheck disable=SC2016
	in_container "$1" sh -c 'cd /sys/fs/cgroup; cat cpu.max 2>/dev/null ||
		echo $(cat cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us)'
}

throttled() { # ID: prints the number of periods in which it was throttled
	in_container "$1" sh -c 'cd /sys/fs/cgroup; cat cpu.stat cpu/cpu.stat 2>/dev/null' |
		awk '$1 == "nr_throttled" { print $2 }'
}

# Containers can use memory up to their limit, and are killed above it.
test_scenario_memory_limit() {
	local pod id
	pod=$(pod memory)
	id=$(RESOURCES='"memory_limit_in_bytes":134217728' started "$pod" below \
		'dd if=/dev/zero of=/dev/null bs=50M count=1 2>/dev/null && echo enough; sleep 1000')
	until_is "below its limit" enough log_of memory below
	expect limit "$(memory_limit "$id")" 134217728
	id=$(RESOURCES='"memory_limit_in_bytes":33554432' started "$pod" above \
		'dd if=/dev/zero of=/dev/null bs=100M count=1')
	ended "$id"
	expect "above its limit" "$(of_container "$id" exit_code)" 137
	pod_gone "$pod"
}

# The classes Guaranteed, Burstable and BestEffort differ in limits and OOM scores.
test_scenario_qos_classes() {
	local pod id
	pod=$(pod qos)
	id=$(RESOURCES='"memory_limit_in_bytes":67108864,"cpu_quota":70000,"cpu_period":100000,"cpu_shares":716,"oom_score_adj":100' \
		started "$pod" guaranteed 'sleep 1000')
	expect "guaranteed" "$(memory_limit "$id") $(cpu_limit "$id") $(in_container "$id" cat /proc/1/oom_score_adj)" \
		'67108864 70000 100000 100'
	id=$(RESOURCES='"cpu_shares":102,"oom_score_adj":900' started "$pod" burstable 'sleep 1000')
	expect burstable "$(in_container "$id" cat /proc/1/oom_score_adj)" 900
	id=$(RESOURCES='"cpu_shares":2,"oom_score_adj":1000' started "$pod" best-effort 'sleep 1000')
	expect "best effort" "$(in_container "$id" cat /proc/1/oom_score_adj)" 1000
	expect "its exec's" "$(in_container "$id" cat /proc/self/oom_score_adj)" 1000
	pod_gone "$pod"
}

# Containers of one pod, and pods, are started, used and stopped in parallel.
test_scenario_parallel() {
	local pod i pids=()
	pod=$(pod side)
	for i in 1 2 3 4; do
		in_parallel "$pod" "p$i" "$i" &
		pids+=($!)
	done
	all_well "${pids[@]}"
	pod_gone "$pod"
	pids=()
	for i in 1 2 3 4; do
		alone_in_parallel "many$i" "$i" &
		pids+=($!)
	done
	all_well "${pids[@]}"
}

all_well() { # PID...
	local pid
	for pid in "$@"; do wait "$pid" || return; done
}

in_parallel() { # POD NAME NUMBER
	local id
	id=$(started "$1" "$2" "until [ -e /tmp/go ]; do sleep 0.1; done; exit $3") || return
	expect "exec in $2" "$(in_container "$id" sh -c "echo $2; touch /tmp/go")" "$2" || return
	ended "$id" || return
	expect "exit code of $2" "$(of_container "$id" exit_code)" "$3" || return
	remove "$id"
}

alone_in_parallel() { # NAME NUMBER
	local pod
	pod=$(pod "$1") && in_parallel "$pod" c1 "$2" && pod_gone "$pod"
}

LONG+=(test_scenario_{server_scaled_to_five,optional_empty_volumes,memory_limit})

# A server is scaled from one to five pods and down again: each answers with its own name, to the node and to the others.
test_scenario_server_scaled_to_five() {
	local pods=() servers=() i n
	for n in 1 5; do
		for i in $(seq $((${#pods[@]} + 1)) "$n"); do
			pods+=("$(pod "web$i")")
			servers+=("$(started "${pods[-1]}" nginx "exec serve 80 'served by $i'")")
		done
		for i in $(seq "$n"); do
			until_is "answer of $i of $n" "served by $i" fetched "${pods[$((i - 1))]}"
		done
	done
	for i in 1 2 3 4 5; do
		expect "answer of $i to 1" "$(in_container "${servers[0]}" wget -q -O - "http://$(of_pod "${pods[$((i - 1))]}" network.ip)/")" \
			"served by $i"
	done
	for i in 5 4 3 2; do
		pod_gone "${pods[$((i - 1))]}"
	done
	expect "the last one" "$(fetched "${pods[0]}")" 'served by 1'
	pod_gone "${pods[0]}"
}

fetched() { # POD: prints the answer of its server to the node
	timeout 20 busybox wget -q -O - "http://$(of_pod "$1" network.ip)/"
}
