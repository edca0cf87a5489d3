# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# From create to delete, with exec, pause and restarts between.

test_runs_another_kernel() {
	local kernel
	kernel=$(run "$IMAGE" "$(lab_id)" uname -r)
	expect "kernel" "${kernel##*-}" kata
	[ "$kernel" != "$(uname -r)" ]
}

test_exit_status() {
	expect "exit 0" "$(status_of run "$IMAGE" "$(lab_id)" true)" 0
	expect "exit 7" "$(status_of run "$IMAGE" "$(lab_id)" sh -c 'exit 7')" 7
}

test_killed_by_a_signal() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	lab_ctr tasks kill -s KILL "$id"
	stopped "$id"
	expect "status" "$(deleted "$id")" 137
}

test_exec() {
	local id pids=()
	id=$(lab_id)
	detached "$id" sleep 1000
	expect "exec 3" "$(status_of lab_ctr tasks exec --exec-id a "$id" sh -c 'exit 3')" 3
	expect "output" "$(lab_ctr tasks exec --exec-id b "$id" echo hello)" hello
	for i in 1 2 3 4; do
		lab_ctr tasks exec --exec-id "p$i" "$id" sh -c "sleep 1; echo $i" >"$LAB/exec$i" &
		pids+=($!)
	done
	wait "${pids[@]}"
	expect "parallel" "$(cat "$LAB"/exec[1-4])" "$(printf '1\n2\n3\n4')"
	if timeout 60 ctr --address "$LAB/containerd.sock" tasks exec --exec-id none "$id" \
		no-such-program 2>"$LAB/err"; then return 1; fi
	grep -q 'no-such-program' "$LAB/err"
	lab_ctr tasks kill -s KILL "$id"
	stopped "$id"
	if lab_ctr tasks exec --exec-id late "$id" true 2>"$LAB/err"; then return 1; fi
	grep -q 'ended' "$LAB/err"
	removed "$id"
}

test_pause_resume_stats() {
	local id
	id=$(lab_id)
	detached "$id" sh -c 'while :; do :; done'
	lab_ctr tasks pause "$id"
	lab_ctr tasks ls | grep -q "^$id .*PAUSED"
	local a b c
	a=$(lab_ctr tasks metrics "$id" | awk '$1 == "cpuacct.usage" { print $2 }')
	sleep 0.5
	b=$(lab_ctr tasks metrics "$id" | awk '$1 == "cpuacct.usage" { print $2 }')
	expect "frozen" "$a" "$b"
	lab_ctr tasks resume "$id"
	sleep 0.5
	c=$(lab_ctr tasks metrics "$id" | awk '$1 == "cpuacct.usage" { print $2 }')
	[ "$c" -gt "$b" ]
	removed "$id"
}

test_containerd_restarted() {
	local id
	id=$(lab_id)
	detached "$id" sh -c 'while :; do sleep 0.2; done'
	lab_stop_containerd
	lab_containerd
	lab_ctr tasks ls | grep -q "^$id .*RUNNING"
	expect "exec" "$(lab_ctr tasks exec --exec-id x "$id" echo again)" again
	removed "$id"
}

# Eight here, four at a time; KATA_MANY=50 is the exhaustive version.
test_many_at_once() {
	# shellcheck disable=SC2016
	# The number comes last: an xargs that replaces a letter replaces it in the paths as well.
	seq "${KATA_MANY:-8}" | xargs -P 4 -n 1 sh -c '
		said=$5/many-$6 wanted=$(($6 % 5)) status=0
		timeout 300 ctr --address "$1" run --rm --runtime "$2" "$3" "$4-$6" \
			sh -c "exit $wanted" >"$said" 2>&1 || status=$?
		[ "$status" = "$wanted" ] && ! [ -s "$said" ] ||
			{ echo "    container $6: status $status: $(cat "$said")"; exit 1; }
	' sh "$LAB/containerd.sock" "$RUNTIME" "$IMAGE" "$(lab_id)" "$LAB"
}

test_one_exec_is_killed_alone() {
	local id status=0
	id=$(lab_id)
	detached "$id" sleep 1000
	timeout 120 ctr --address "$LAB/containerd.sock" tasks exec --exec-id a "$id" sleep 1000 &
	local exec=$!
	for _ in $(seq 600); do
		lab_ctr tasks kill -s KILL --exec-id a "$id" 2>/dev/null && break
		sleep 0.1
	done
	wait "$exec" || status=$?
	expect "exec" "$status" 137
	lab_ctr tasks ls | grep -q "^$id .*RUNNING"
	removed "$id"
}

test_all_are_killed() {
	local id
	id=$(lab_id)
	detached "$id" sh -c 'trap "" TERM; sleep 1000 & wait; sleep 1000'
	lab_ctr tasks kill -s KILL -a "$id"
	stopped "$id"
	expect "status" "$(deleted "$id")" 137
}

test_a_running_task_is_deleted_by_force() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	if lab_ctr tasks delete "$id" 2>"$LAB/err"; then return 1; fi
	lab_ctr tasks delete -f "$id" >/dev/null 2>&1 || true
	lab_ctr containers rm "$id"
}

# The event of the end has the time of the end.
test_exit_event() {
	local id before after at
	id=$(lab_id)
	timeout 60 ctr --address "$LAB/containerd.sock" events >"$LAB/events" &
	local events=$!
	detached "$id" sh -c 'sleep 1; exit 9'
	before=$(date +%s)
	stopped "$id"
	after=$(date +%s)
	for _ in $(seq 100); do
		grep -q "/tasks/exit.*$id" "$LAB/events" && break
		sleep 0.1
	done
	kill "$events"
	wait "$events" 2>/dev/null || true
	grep "/tasks/exit.*$id" "$LAB/events" | grep -q '"exit_status":9'
	at=$(date -d "$(grep "/tasks/exit.*$id" "$LAB/events" |
		sed 's/.*"exited_at":"\([^"]*\)".*/\1/')" +%s)
	[ "$at" -ge $((before - 1)) ] && [ "$at" -le $((after + 1)) ]
	removed "$id"
}

update() { # ID RESOURCES-JSON
	"$TOOLS/task-update" "$(sed 's,^unix://,,' \
		"$LAB/state/io.containerd.runtime.v2.task/default/$1/address")" "$1" "$2"
}

cpu_of() { lab_ctr tasks metrics "$1" | awk '$1 == "cpuacct.usage" { print $2 }'; } # ns

test_limits_are_changed_while_it_runs() {
	local id a b large='dd if=/dev/zero of=/dev/null bs=40M count=1'
	id=$(lab_id)
	detached "$id" sh -c 'while :; do :; done'
	expect "enough memory" "$(status_of lab_ctr tasks exec --exec-id a "$id" sh -c "$large")" 0
	update "$id" '{"memory":{"limit":20000000},"cpu":{"quota":20000,"period":100000}}'
	a=$(cpu_of "$id")
	sleep 2
	b=$(cpu_of "$id")
	[ $((b - a)) -lt 1200000000 ] # a fifth of two seconds, and what a busy machine adds
	expect "too little" "$(status_of lab_ctr tasks exec --exec-id b "$id" sh -c "exec $large")" 137
	if update "$id" '{"memory":{"limit":"much"}}' 2>"$LAB/err"; then return 1; fi
	grep -q 'limit' "$LAB/err"
	removed "$id"
}
