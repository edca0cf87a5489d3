# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The life of containers from create to delete, with exec, pause and restarts of containerd.

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
	c=$b
	for _ in $(seq 600); do
		[ "$c" = "$b" ] || break
		sleep 0.1
		c=$(lab_ctr tasks metrics "$id" | awk '$1 == "cpuacct.usage" { print $2 }')
	done
	[ "$c" -gt "$b" ]
	removed "$id"
}

test_containerd_restarted() {
	local id attached
	id=$(lab_id)
	detached "$id" sh -c 'while :; do echo tick; sleep 0.2; done'
	lab_stop_containerd
	lab_containerd
	lab_ctr tasks ls | grep -q "^$id .*RUNNING"
	expect "exec" "$(lab_ctr tasks exec --exec-id x "$id" echo again)" again
	timeout 60 ctr --address "$LAB/containerd.sock" tasks attach "$id" >"$LAB/attached" &
	attached=$!
	for _ in $(seq 300); do
		[ ! -s "$LAB/attached" ] || break
		sleep 0.1
	done
	kill "$attached"
	expect "attached" "$(head -n 1 "$LAB/attached")" tick
	removed "$id"
}

# The end of a container while containerd is away is known afterwards, with its correct time.
test_end_while_containerd_is_away() {
	local id
	id=$(lab_id)
	: >"$LAB/note"
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" \
		--mount "type=bind,src=$LAB/note,dst=/note,options=bind:rw" "$IMAGE" "$id" \
		sh -c 'while ! grep -q go /note; do sleep 0.1; done; exit 6' >/dev/null
	lab_stop_containerd
	echo go >"$LAB/note"
	for _ in $(seq 600); do # its VM ends with it
		[ -n "$(vmm_of "$id")" ] || break
		sleep 0.1
	done
	lab_containerd
	# containerd 2 takes a task without a process for a leak and deletes it, also with runc. If it asks before the
	# shim has noticed the end, it learns that later.
	if [ "$(containerd_major)" -ge 2 ] && forgotten "$id"; then
		lab_ctr containers rm "$id" >/dev/null
	else
		stopped "$id"
		expect "status" "$(deleted "$id")" 6
	fi
}

containerd_major() { containerd --version | awk '{ print int($3) }'; }

forgotten() { # ID: waits until its task has ended; fails if there still is one
	for _ in $(seq 600); do
		case $(lab_ctr tasks ls | awk -v id="$1" '$1 == id { print $3 }') in
		'') return 0 ;;
		STOPPED) return 1 ;;
		esac
		sleep 0.1
	done
	return 1
}

# Four at a time.
test_many_at_once() {
	# shellcheck disable=SC2016
	# The number is the last argument, because `xargs -I` would also replace its letter in the paths.
	seq "${KATA_MANY:-50}" | xargs -P 4 -n 1 sh -c '
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

# When an exec ends, its event has its own status and time, and the container goes on.
test_exec_has_an_end_of_its_own() {
	local id begin ms
	id=$(lab_id)
	listen
	detached "$id" sleep 1000
	heard /tasks/start "$id" >/dev/null
	begin=$EPOCHREALTIME
	expect "status" "$(status_of lab_ctr tasks exec --exec-id own "$id" sh -c 'exit 5')" 5
	heard /tasks/exec-added own >/dev/null
	heard /tasks/exec-started own >/dev/null
	expect "event" "$(heard /tasks/exit '"own"' | field exit_status)" 5
	ms=$(ended_after "$begin" '"own"')
	[ "$ms" -ge 0 ] && [ "$ms" -lt 10000 ]
	lab_ctr tasks ls | grep -q "^$id .*RUNNING"
	expect "input" "$(echo through | lab_ctr tasks exec --exec-id in "$id" cat)" through
	removed "$id"
}

# The script creates /ready once its signal handlers are set.
signalled() { # SIGNAL SCRIPT: the exit status of the container's first process
	local id
	id=$(lab_id)
	detached "$id" sh -c "$2"
	lab_ctr tasks exec --exec-id wait "$id" sh -c 'until [ -e /ready ]; do usleep 10000; done'
	lab_ctr tasks kill -s "$1" "$id"
	stopped "$id"
	deleted "$id"
}

test_signals_arrive() {
	expect "handled" "$(signalled TERM 'trap "exit 9" TERM; : >/ready; while :; do sleep 0.1; done')" 9
	expect "handled" "$(signalled USR1 'trap "exit 8" USR1; : >/ready; while :; do sleep 0.1; done')" 8
	# TERM has no effect on a PID 1 without a handler, so it is killed.
	expect "not handled" "$(signalled TERM ': >/ready; exec sleep 1000')" 137
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

within() { # WHAT VALUE LEAST MOST
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		echo "    $1: $2 is not within $3 and $4"
		return 1
	fi
}

metric() { lab_ctr tasks metrics "$1" | awk -v m="$2" '$1 == m { print $2 }'; } # ID NAME

# A known load: one busy processor, 30 MB of memory, three processes.
test_statistics_follow_the_load() {
	local id a b begin ms used daemon=
	id=$(lab_id)
	detached "$id" sh -c 'dd if=/dev/zero of=/dev/shm/held bs=1000000 count=30; sleep 1000 & sleep 1000 &
		while :; do :; done'
	for _ in $(seq 600); do
		[ "$(metric "$id" memory.usage_in_bytes)" -lt 28000000 ] || break
		sleep 0.1
	done
	begin=$EPOCHREALTIME
	a=$(metric "$id" cpuacct.usage)
	sleep 2
	b=$(metric "$id" cpuacct.usage)
	ms=$(awk -v b="$begin" -v e="$EPOCHREALTIME" 'BEGIN { printf "%d", (e - b) * 1000 }')
	used=$(((b - a) / 1000000))
	# A busy host may provide less than a whole processor, but never more.
	within "ms of processor time" "$used" 400 $((ms + 500))
	within "bytes of memory" "$(metric "$id" memory.usage_in_bytes)" 28000000 60000000
	[ "$(metric "$id" pids.current)" -ge 3 ]
	# On the host the task has two processes: the VMM, whose pid is the task's, and virtiofsd, unless QEMU serves
	# the files itself.
	[[ ${KATA_TEST_CONFIG:-} == *virtio-9p* ]] || daemon=" virtiofsd"
	expect "processes" "$(lab_ctr tasks ps "$id" | awk 'NR > 1 { print $1 }' |
		xargs -n 1 ps -o comm= -p | cut -c 1-9 | paste -sd ' ')" "qemu-syst$daemon"
	expect "pid" "$(lab_ctr tasks ps "$id" | awk 'NR == 2 { print $1 }')" \
		"$(lab_ctr tasks ls | awk -v id="$id" '$1 == id { print $2 }')"
	removed "$id"
}

test_a_checkpoint_is_refused() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	if lab_ctr tasks checkpoint "$id" 2>"$LAB/err"; then return 1; fi
	grep -q 'checkpoint' "$LAB/err"
	lab_ctr tasks ls | grep -q "^$id .*RUNNING"
	removed "$id"
}

# The size of the VM is the configured one plus the container's limits.
test_the_vm_has_the_size_of_its_limits() {
	local small large
	small=$(run "$IMAGE" "$(lab_id)" grep MemTotal /proc/meminfo | grep -o '[0-9]*')
	large=$(run --memory-limit $((128 << 20)) "$IMAGE" "$(lab_id)" grep MemTotal /proc/meminfo |
		grep -o '[0-9]*')
	within "more KiB for 128 MiB" $((large - small)) 120000 131072
	expect "processors" "$(run --cpu-quota 100000 --cpu-period 100000 "$IMAGE" "$(lab_id)" nproc)" \
		"$(($(nproc) > 1 ? 2 : 1))"
}

# Prints the milliseconds from the command to the event of the container's creation.
created_in() { # CTR-ARGS...: as `ctr run -d`
	local id begin=$EPOCHREALTIME said
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" "$@" "$IMAGE" "$id" \
		sleep 1000 >/dev/null
	said=$(heard /tasks/create "$id" | cut -d ' ' -f 1,2)
	awk -v a="$begin" -v b="$(date -u -d "$said" +%s.%N)" 'BEGIN { printf "%d\n", (b - a) * 1000 }'
	removed "$id"
}

# A CPU limit slows only the workload and not the creation, which would take seconds at 1 %. Compares the minimum of three
# runs, because a busy machine adds to each. Both VMs have two processors.
test_a_slow_container_is_made_as_fast() {
	local free slow
	listen
	free=$(for _ in 1 2 3; do created_in --cpu-quota 100000 --cpu-period 100000; done | sort -n |
		head -n 1)
	slow=$(for _ in 1 2 3; do created_in --cpu-quota 1000 --cpu-period 100000; done | sort -n | head -n 1)
	echo "    ms with 1 % of a processor: $slow, with a whole one: $free"
	[ "$slow" -lt $((3 * free)) ]
}

# Two ids of the maximum length that differ in the last character, and an id of 64 characters, as Kubernetes and Docker
# use.
test_long_ids() {
	local id other exec namespace
	id=$(lab_id)
	id=$id$(printf 'a%.0s' $(seq $((64 - ${#id}))))
	lab_note "$id"
	expect "64" "$(run "$IMAGE" "$id" echo ran)" ran
	id=${id}bcdefghijklm
	other=${id%m}n
	exec=e${id#?}
	expect "length" "${#id}" 76
	lab_note "$id" "$other"
	detached "$id" sleep 1000
	detached "$other" sleep 1000
	expect "exec" "$(lab_ctr tasks exec --exec-id "$exec" "$id" echo ran)" ran
	expect "on a terminal" "$(talk ctr --address "$LAB/containerd.sock" tasks exec -t \
		--exec-id "$exec" "$id" echo ran </dev/null; tr -d '\r' <"$LAB/said")" ran
	if lab_ctr tasks exec --exec-id "$id" "$id" true 2>"$LAB/err"; then return 1; fi
	grep -q 'choose another exec id' "$LAB/err"
	removed "$id"
	expect "the other" "$(lab_ctr tasks exec --exec-id "$exec" "$other" echo runs)" runs
	removed "$other"
	namespace=$(printf 'n%.0s' {1..76})
	lab_ctr --namespace "$namespace" images import "$LAB/image.tar" >/dev/null
	expect "namespace" "$(timeout 120 ctr --address "$LAB/containerd.sock" --namespace "$namespace" \
		run --rm --runtime "$RUNTIME" "$IMAGE" "$id" echo ran)" ran
}

# The event of the end has the time of the end.
# The longest name that a file can have, for a file and a directory.
test_a_destination_with_the_longest_name() {
	local name
	name=$(printf '%0255d' 0)
	mkdir -p "$LAB/long"
	echo inside >"$LAB/long/file"
	for which in io.containerd.runc.v2 "$RUNTIME"; do
		expect "$which" "$(RUNTIME=$which run --mount "type=bind,src=$LAB/long/file,dst=/mnt/$name,options=rbind:ro" \
			--mount "type=bind,src=$LAB/long,dst=/opt/$name,options=rbind:ro" "$IMAGE" "$(lab_id)" \
			sh -c "cat /mnt/$name /opt/$name/file")" "$(printf 'inside\ninside')"
	done
}

test_exit_event() {
	local id before ms
	id=$(lab_id)
	listen
	detached "$id" sh -c 'sleep 1; exit 9'
	heard /tasks/create "$id" >/dev/null
	before=$EPOCHREALTIME
	stopped "$id"
	ms=$(ended_after "$before" "$id")
	[ "$ms" -ge -1000 ] && [ "$ms" -lt 10000 ]
	expect "event" "$(heard /tasks/exit "$id" | field exit_status)" 9
	expect "status" "$(deleted "$id")" 9
	heard /tasks/delete "$id" >/dev/null
}

# containerd 2 writes down the address of a shim, and the version of its interface; containerd 1 leaves that to the shim.
update() { # ID RESOURCES-JSON
	local bundle=$LAB/state/io.containerd.runtime.v2.task/default/$1 address version=2
	if [ -e "$bundle/bootstrap.json" ]; then
		version=$(sed -n 's/.*"version":\([0-9]*\).*/\1/p' "$bundle/bootstrap.json")
		address=$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$bundle/bootstrap.json")
	else
		address=$(cat "$bundle/address")
	fi
	"$TOOLS/task-update" "${address#unix://}" "containerd.task.v$version.Task" "$1" "$2"
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
	[ $((b - a)) -lt 1200000000 ] # a fifth of two seconds, plus delays of a busy machine
	expect "too little" "$(status_of lab_ctr tasks exec --exec-id b "$id" sh -c "exec $large")" 137
	if update "$id" '{"memory":{"limit":"much"}}' 2>"$LAB/err"; then return 1; fi
	grep -q 'limit' "$LAB/err"
	removed "$id"
}
