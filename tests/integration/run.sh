#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Integration tests: real containerd, real VMs. run.sh PREFIX [TEST...]
#
# Each test is a function test_*; it runs under "set -e" in a subshell, so the first command that fails
# ends it. After every test nothing may be left on the host.
set -u
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh

PREFIX=$1
shift

run() { # CONTAINER-ARGS... as `ctr run --rm`
	timeout 120 ctr --address "$LAB/containerd.sock" run --rm --runtime "$RUNTIME" "$@"
}

expect() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || {
		echo "    $1: got '$2', wanted '$3'"
		return 1
	}
}

status_of() {
	local status=0
	"$@" >/dev/null 2>&1 || status=$?
	echo "$status"
}

detached() { # ID ARGS...: starts a container in the background
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" "$IMAGE" "$@" \
		>/dev/null
}

# Deletes a task that has ended and prints the exit status that it had.
deleted() { # ID
	lab_ctr tasks delete "$1" 2>&1 | sed -n 's/.*exit code \([0-9]*\).*/\1/p'
	lab_ctr containers rm "$1" >/dev/null
}

removed() { # ID
	lab_ctr tasks kill -s KILL "$1" >/dev/null 2>&1 || true
	lab_ctr tasks delete -f "$1" >/dev/null 2>&1 || true
	lab_ctr containers rm "$1" >/dev/null
}

stopped() { # ID: waits until its task has ended
	for _ in $(seq 600); do
		lab_ctr tasks ls | grep -q "^$1 .*STOPPED" && return 0
		sleep 0.1
	done
	return 1
}

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

test_output_and_errors_are_apart() {
	run "$IMAGE" "$(lab_id)" sh -c 'echo out; echo err >&2' >"$LAB/out" 2>"$LAB/err"
	expect "stdout" "$(cat "$LAB/out")" out
	expect "stderr" "$(cat "$LAB/err")" err
}

test_64_mib_through_cat() {
	head -c 67108864 /dev/urandom >"$LAB/data"
	expect "digest" "$(run "$IMAGE" "$(lab_id)" cat <"$LAB/data" | sha256sum)" \
		"$(sha256sum <"$LAB/data")"
	rm "$LAB/data"
}

test_closed_stdin_is_seen() {
	expect "output" "$(printf 'a\nb\n' | run "$IMAGE" "$(lab_id)" sh -c 'wc -l; echo end')" \
		"$(printf '2\nend')"
}

test_a_background_writer_does_not_delay_the_exit() {
	local start=$SECONDS
	expect "status" "$(status_of run "$IMAGE" "$(lab_id)" sh -c 'sleep 600 & exit 5')" 5
	[ $((SECONDS - start)) -lt 100 ]
}

test_terminal() {
	local text
	text=$(script -qec "timeout 120 ctr --address $LAB/containerd.sock run --rm -t \
		--runtime $RUNTIME $IMAGE $(lab_id) sh -c 'tty; exit 4'" /dev/null) || true
	expect "terminal" "$(grep -o '/dev/pts/0' <<<"$text")" /dev/pts/0
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

test_environment_and_directory() {
	local got
	got=$(run --env A=b --cwd /tmp "$IMAGE" "$(lab_id)" sh -c "echo \$A; pwd; echo \$HOME")
	expect "process" "$got" "$(printf 'b\n/tmp\n/root')"
}

test_mounts() {
	mkdir -p "$LAB/share"
	echo from-host >"$LAB/share/file"
	expect "read" "$(run --mount "type=bind,src=$LAB/share,dst=/mnt,options=rbind:rw" "$IMAGE" \
		"$(lab_id)" sh -c 'cat /mnt/file; echo back >/mnt/new')" from-host
	expect "written" "$(cat "$LAB/share/new")" back
	expect "read-only" "$(status_of run --mount \
		"type=bind,src=$LAB/share/file,dst=/etc/motd,options=bind:ro" "$IMAGE" "$(lab_id)" \
		sh -c 'cat /etc/motd >/dev/null && ! echo x >/etc/motd')" 0
	expect "root" "$(status_of run --read-only "$IMAGE" "$(lab_id)" sh -c '! touch /x')" 0
}

test_capabilities_and_masked_paths() {
	expect "capabilities" "$(run "$IMAGE" "$(lab_id)" sh -c 'grep CapEff /proc/self/status')" \
		"$(printf 'CapEff:\t00000000a80425fb')"
	expect "masked" "$(run "$IMAGE" "$(lab_id)" sh -c 'cat /proc/keys; ls /sys/firmware')" ""
	expect "limits" "$(run "$IMAGE" "$(lab_id)" sh -c 'ulimit -n')" 1024
}

test_no_devices_but_the_usual() {
	expect "kmsg" "$(run "$IMAGE" "$(lab_id)" sh -c \
		'mknod /tmp/k c 1 11; head -c 1 /tmp/k 2>&1 | grep -o "not permitted"')" "not permitted"
}

test_memory_limit_kills() {
	local id
	id=$(lab_id)
	timeout 60 ctr --address "$LAB/containerd.sock" events >"$LAB/events" &
	local events=$!
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --memory-limit 20000000 \
		--runtime "$RUNTIME" "$IMAGE" "$id" \
		sh -c 'head -c 100000000 /dev/zero | tail -c 90000000 | wc -c; sleep 1000' >/dev/null
	for _ in $(seq 300); do
		grep -q '/tasks/oom' "$LAB/events" && break
		sleep 0.1
	done
	kill "$events"
	wait "$events" 2>/dev/null || true
	grep -q "/tasks/oom.*$id" "$LAB/events"
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

# pid of the VMM of a container
vmm_of() { pgrep -f "qemu-system.*sandbox-$1( |$)" | head -n 1; }

test_vm_killed() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	kill -KILL "$(vmm_of "$id")"
	stopped "$id"
	expect "status" "$(deleted "$id")" 255
}

test_guest_panic() {
	local id
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --privileged --runtime "$RUNTIME" \
		"$IMAGE" "$id" sh -c 'sleep 1; echo c >/proc/sysrq-trigger; sleep 1000' >/dev/null
	stopped "$id"
	expect "status" "$(deleted "$id")" 255
}

test_shim_killed() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	pkill -KILL -f "containerd-shim-kata-v2.* -id $id"
	for _ in $(seq 200); do
		[ -z "$(lab_left)" ] && break
		sleep 0.1
	done
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

failing() { # WHAT MESSAGE KEY VALUE: create fails with MESSAGE when the configuration has KEY = VALUE
	local conf=$LAB/conf/configuration.toml
	mkdir -p "$LAB/conf/config.d"
	cp "$PREFIX/share/defaults/kata-containers/configuration.toml" "$conf"
	printf '[hypervisor.qemu]\n%s = %s\n' "$3" "$4" >"$LAB/conf/config.d/10-test.toml"
	if run --annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$(lab_id)" true \
		>/dev/null 2>"$LAB/err"; then
		echo "    $1: the container ran"
		return 1
	fi
	grep -qF -e "$2" "$LAB/err" || {
		echo "    $1: $(cat "$LAB/err")"
		return 1
	}
	expect "left after $1" "$(lab_left)" ""
}

test_create_fails_clearly() {
	failing "no kernel" 'kernel = "/nonexistent/vmlinux"' kernel '"/nonexistent/vmlinux"'
	failing "no QEMU" 'path = "/nonexistent/qemu"' path '"/nonexistent/qemu"'
	failing "QEMU that fails" 'ended at its start' path '"/bin/false"'
	failing "no virtiofsd" 'virtio_fs_daemon = "/nonexistent/vfs"' virtio_fs_daemon \
		'"/nonexistent/vfs"'
	failing "unknown key" "unknown key 'kernl'; did you mean 'kernel'?" kernl '"x"'
	failing "wrong type" 'expected a string' kernel 5
}

# Eight here, four at a time; KATA_MANY=50 is the exhaustive version.
test_many_at_once() {
	# shellcheck disable=SC2016
	seq "${KATA_MANY:-8}" | xargs -P 4 -I N sh -c '
		status=0
		timeout 300 ctr --address "$1" run --rm --runtime "$2" "$3" "$4-N" \
			sh -c "exit $((N % 5))" >/dev/null 2>&1 || status=$?
		[ "$status" = $((N % 5)) ] || { echo "    container N: status $status" >&2; exit 1; }
	' sh "$LAB/containerd.sock" "$RUNTIME" "$IMAGE" "$(lab_id)"
}

lab_start "$PREFIX"
lab_image
passed=0 failed=0
[ $# -gt 0 ] || mapfile -t tests < <(declare -F | awk '$3 ~ /^test_/ { print $3 }')
[ $# -eq 0 ] || tests=("$@")
for t in "${tests[@]}"; do
	start=$SECONDS
	log=$(($(wc -l <"$LAB/containerd.log") + 1))
	(
		set -e
		trap - EXIT
		"$t"
	)
	status=$?
	for _ in $(seq 100); do # the last of a sandbox goes after its delete was answered
		left=$(lab_left)
		[ -z "$left" ] && break
		sleep 0.1
	done
	if [ "$status" = 0 ] && [ -z "$left" ]; then
		passed=$((passed + 1))
		echo "  ok    $t ($((SECONDS - start)) s)"
	else
		failed=$((failed + 1))
		echo "  FAIL  $t ($((SECONDS - start)) s)"
		[ -z "$left" ] || printf '    left: %s\n' "$left"
		tail -n +"$log" "$LAB/containerd.log" | grep -E 'level=(warning|error).*shim-kata' |
			tail -n 5 | sed 's/^/    log: /'
	fi
done
echo "integration: $passed passed, $failed failed"
[ "$failed" = 0 ]
