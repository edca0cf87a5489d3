# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A single container of a pod.

test_container_lives() {
	local pod id
	pod=$(pod alone)
	id=$(container "$pod" c1 'trap "exit 3" TERM; echo up; echo trouble >&2; while :; do sleep 0.1; done')
	expect created "$(of_container "$id" state)" CONTAINER_CREATED
	start "$id"
	expect running "$(of_container "$id" state)" CONTAINER_RUNNING
	until_is "the log" "$(printf 'stdout F up\nstderr F trouble')" log_lines alone c1
	stop "$id" 60
	expect state "$(of_container "$id" state)" CONTAINER_EXITED
	expect "exit code" "$(of_container "$id" exit_code)" 3
	expect reason "$(of_container "$id" reason)" Error
	remove "$id"
	fails_saying "the status of one that is gone" 5 'not found' of_container "$id" state
	pod_gone "$pod"
}

# Prints a container's log without the times, whose format it checks; sorted, because stdout and stderr may be
# interleaved in any order.
log_lines() { # POD-NAME CONTAINER-NAME
	sed -n 's/^[0-9]\{4\}-[0-9][0-9]-[0-9][0-9]T[0-9:]*\.[0-9]\{1,9\}\(Z\|[+-][0-9:]*\) //p' "$LAB/logs/$1/$2.log" | sort -r
}

test_container_ends() {
	local pod good bad
	pod=$(pod ends)
	good=$(started "$pod" good 'true')
	bad=$(started "$pod" bad 'sleep 0.2; exit 7') # containerd records the start when it receives the event
	ended "$good"
	ended "$bad"
	expect "code of the good" "$(of_container "$good" exit_code)" 0
	expect "reason of the good" "$(of_container "$good" reason)" Completed
	expect "code of the bad" "$(of_container "$bad" exit_code)" 7
	expect "reason of the bad" "$(of_container "$bad" reason)" Error
	[ "$(of_container "$bad" finished_at)" -ge "$(of_container "$bad" started_at)" ]
	pod_gone "$pod"
}

# The process ignores SIGTERM, so it is killed after the time limit.
test_container_is_stopped_by_force() {
	local pod id start=$SECONDS
	pod=$(pod stubborn)
	id=$(started "$pod" c1 'trap "" TERM; echo up; while :; do sleep 0.1; done')
	until_is "the log" up log_of stubborn c1
	stop "$id" 2
	[ $((SECONDS - start)) -ge 2 ]
	expect "exit code" "$(of_container "$id" exit_code)" 137
	pod_gone "$pod"
}

test_exec() {
	local pod id out err=$LAB/err
	pod=$(pod exec)
	id=$(started "$pod" c1 'sleep 1000')
	out=$(fails 5 in_container "$id" sh -c 'echo out; exit 5')
	expect "stdout and code" "$out" out
	in_container "$id" sh -c 'echo trouble >&2' 2>"$err"
	expect stderr "$(cat "$err")" trouble
	expect "much output" "$(in_container "$id" sh -c 'head -c 1000000 /dev/zero | tr "\0" x' | wc -c)" 1000000
	fails_saying "no such command" 1 'no such file' in_container "$id" /no/such
	fails_saying "a command in vain" 11 'timeout 1s exceeded' cri ExecSync "{\"container_id\":\"$id\",\"cmd\":[\"sleep\",\"1000\"],\"timeout\":1}"
	expect "processes afterwards" "$(processes "$id" '[s]leep 1000')" 1
	stop "$id"
	fails_saying "in one that ended" 1 CONTAINER_EXITED in_container "$id" true
	pod_gone "$pod"
}

test_container_whose_command_is_not_there() {
	local pod id beside
	pod=$(pod absent)
	beside=$(started "$pod" beside 'sleep 1000')
	id=$(container_of "$pod" c1 '"command":["/no/such"]')
	fails_saying error 1 'no such file' start "$id"
	expect state "$(of_container "$id" state)" CONTAINER_EXITED
	expect reason "$(of_container "$id" reason)" StartError
	expect "exit code" "$(of_container "$id" exit_code)" 128
	remove "$id"
	expect "beside it" "$(in_container "$beside" echo alive)" alive
	pod_gone "$pod"
}

test_container_out_of_memory() {
	local pod id beside
	pod=$(pod oom)
	beside=$(started "$pod" beside 'sleep 1000')
	id=$(RESOURCES='"memory_limit_in_bytes":33554432' started "$pod" c1 "$WHEN_TOLD exec tail /dev/zero")
	tell "$id"
	ended "$id"
	expect "exit code" "$(of_container "$id" exit_code)" 137
	until_is reason OOMKilled of_container "$id" reason
	expect "beside it" "$(of_container "$beside" state)" CONTAINER_RUNNING
	expect "beside it" "$(in_container "$beside" echo alive)" alive
	pod_gone "$pod"
}

test_container_is_given() {
	local pod id CONTEXT
	pod=$(pod given)
	# shellcheck disable=SC2034 # for container
	CONTEXT='"run_as_user":{"value":1000},"run_as_group":{"value":1001},"supplemental_groups":[2002],
	 "readonly_rootfs":true,"no_new_privs":true,"capabilities":{"drop_capabilities":["ALL"]},
	 "masked_paths":["/etc/group","/proc/acpi"],"readonly_paths":["/proc/sys"]'
	id=$(started "$pod" c1 'sleep 1000' \
		',"working_dir":"/etc","envs":[{"key":"COLOUR","value":"dark \"blue\""}]')
	expect "working directory" "$(in_container "$id" pwd)" /etc
	# shellcheck disable=SC2016
	expect environment "$(in_container "$id" sh -c 'echo "$COLOUR"')" 'dark "blue"'
	expect user "$(in_container "$id" id -u) $(in_container "$id" id -g)" '1000 1001'
	has groups "$(in_container "$id" id -G)" 2002
	expect "a masked file" "$(in_container "$id" wc -c /etc/group)" '0 /etc/group'
	fails_saying "a path to read" 1 'Read-only file system' in_container "$id" sh -c 'echo 1 >/proc/sys/kernel/domainname'
	fails_saying root 1 'Read-only file system' in_container "$id" touch /tmp/x
	has privileges "$(in_container "$id" cat /proc/1/status)" 'NoNewPrivs:.1'
	has capabilities "$(in_container "$id" cat /proc/1/status)" 'CapEff:.0000000000000000'
	pod_gone "$pod"
}

test_container_limits_change() {
	local pod id
	pod=$(pod limits)
	id=$(RESOURCES='"memory_limit_in_bytes":67108864' started "$pod" c1 'sleep 1000')
	expect limit "$(memory_limit "$id")" 67108864
	cri UpdateContainerResources \
		"{\"container_id\":\"$id\",\"linux\":{\"memory_limit_in_bytes\":100663296}}" >/dev/null
	expect "new limit" "$(memory_limit "$id")" 100663296
	pod_gone "$pod"
}

memory_limit() { # ID: prints the limit that the container sees, with cgroup v1 or v2
	in_container "$1" sh -c 'cd /sys/fs/cgroup; cat memory.max 2>/dev/null || cat memory/memory.limit_in_bytes'
}

test_container_figures() {
	local pod id
	pod=$(pod figures)
	id=$(started "$pod" c1 'while :; do :; done')
	for _ in $(seq 300); do
		[ "$(figure "$id" cpu.usage_core_nano_seconds.value)" -gt 0 ] && break
		sleep 0.1
	done
	[ "$(figure "$id" cpu.usage_core_nano_seconds.value)" -gt 0 ]
	[ "$(figure "$id" memory.working_set_bytes.value)" -gt 0 ]
	expect "of all" "$(cri --field 'stats.*.attributes.id' ListContainerStats)" "$id"
	pod_gone "$pod"
}

figure() { # ID FIELD: prints that value of its statistics
	cri --field "stats.$2" ContainerStats "{\"container_id\":\"$1\"}"
}

# The log is rotated like a kubelet does it.
test_log_is_reopened() {
	local pod id log=$LAB/logs/rotate/c1.log
	pod=$(pod rotate)
	id=$(started "$pod" c1 'echo before; until [ -e /tmp/go ]; do sleep 0.1; done; echo after; sleep 1000')
	until_is "the log" before log_of rotate c1
	mv "$log" "$log.1"
	cri ReopenContainerLog "{\"container_id\":\"$id\"}" >/dev/null
	in_container "$id" touch /tmp/go
	until_is "the new log" after log_of rotate c1
	has "the old log" "$(cat "$log.1")" 'stdout F before'
	pod_gone "$pod"
}

# A line without a newline, and one that is longer than an entry of the log can be.
test_log_of_odd_lines() {
	local pod id
	pod=$(pod odd)
	id=$(started "$pod" c1 'head -c 40000 /dev/zero | tr "\0" y; echo; printf unended')
	ended "$id"
	until_is "bytes of the long line" 40000 long_line
	until_is "the last" 'unended' last_line
	pod_gone "$pod"
}

long_line() { log_of odd c1 | tr -cd y | wc -c; }
last_line() { log_of odd c1 | tail -n 1; }

# A kubelet may be told of the life of containers instead of asking for it. containerd 1.6 cannot.
test_events_of_containers() {
	local pod id probe client
	[[ $(manager_version) != 1.6.* ]] || return 0
	"$TOOLS/cri" --socket "$LAB/containerd.sock" --timeout 600 GetContainerEvents >"$LAB/events" 2>&1 &
	client=$!
	pod=$(pod events)
	until [ -s "$LAB/events" ]; do # the manager does not say from when on it listens
		kill -0 "$client"
		probe=$(container "$pod" probe true)
		remove "$probe"
		sleep 0.1
	done
	id=$(started "$pod" c1 'until [ -e /tmp/go ]; do sleep 0.1; done; exit 3')
	until_is "events" 'CREATED STARTED ' events_of "$id"
	in_container "$id" touch /tmp/go
	until_is "events" 'CREATED STARTED STOPPED ' events_of "$id"
	has "exit code" "$(grep exit_code "$LAB/events" | tail -n 1)" ' 3,'
	remove "$id"
	until_is "events" 'CREATED STARTED STOPPED DELETED ' events_of "$id"
	pod_gone "$pod"
	until_is "the last event of the pod" DELETED last_event_of "$pod"
	kill "$client"
	wait "$client" 2>/dev/null || :
}

events_of() { # ID
	sed -n "/\"container_id\": \"$1\"/ { n; s/.*\"CONTAINER_\(.*\)_EVENT\",/\1/p }" "$LAB/events" | tr '\n' ' '
}

last_event_of() { # ID
	events_of "$1" | awk '{ print $NF }'
}
