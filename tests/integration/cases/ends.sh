# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# However a container ends, nothing of it is left at once.

# The VM's memory is free when the workload ends, without any further request of the client.
test_the_vm_ends_with_its_workload() {
	local id
	id=$(lab_id)
	detached "$id" sh -c 'exit 4'
	stopped "$id"
	expect "VMM" "$(vmm_of "$id")" ""
	expect "status" "$(deleted "$id")" 4
}

# Container managers recognise exit statuses 127 and 126 by this text.
cannot_run() { # PROGRAM TEXT
	local id
	id=$(lab_id)
	if timeout 120 ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" "$IMAGE" \
		"$id" "$1" >/dev/null 2>"$LAB/err"; then
		echo "    $1 was run"
		return 1
	fi
	grep -i "$2" "$LAB/err" >/dev/null || {
		echo "    $1: $(cat "$LAB/err")"
		return 1
	}
	timeout 30 ctr --address "$LAB/containerd.sock" tasks rm -f "$id" >/dev/null 2>&1 || true
	if lab_ctr tasks ls | grep "^$id "; then return 1; fi
	expect "VMM" "$(vmm_of "$id")" ""
	lab_ctr containers rm "$id" >/dev/null
}

test_programs_that_cannot_be_run() {
	cannot_run /no/such/program 'no such file or directory'
	cannot_run /etc 'permission denied\|is a directory'
	cannot_run /etc/passwd 'permission denied'
}

test_an_exec_that_cannot_be_run_ends_nothing_else() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	if lab_ctr tasks exec --exec-id e "$id" /no/such/program 2>"$LAB/err"; then return 1; fi
	grep -i 'no such file or directory' "$LAB/err" >/dev/null
	expect "output" "$(lab_ctr tasks exec --exec-id f "$id" echo lives)" lives
	removed "$id"
}

other_ctr() { ctr --address "$LAB/containerd.sock" -n other "$@"; }

# An id is unique only within its namespace.
test_one_id_in_two_namespaces() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	other_ctr images import "$LAB/image.tar" >/dev/null
	timeout 120 ctr --address "$LAB/containerd.sock" -n other run -d --runtime "$RUNTIME" \
		"$IMAGE" "$id" sleep 1000 >/dev/null
	other_ctr tasks kill -s KILL "$id"
	for _ in $(seq 600); do
		! other_ctr tasks ls | grep -q "^$id .*STOPPED" || break
		sleep 0.1
	done
	other_ctr tasks delete "$id" >/dev/null 2>&1 || true
	other_ctr containers rm "$id" >/dev/null
	other_ctr images rm "$IMAGE" >/dev/null
	expect "output" "$(lab_ctr tasks exec --exec-id e "$id" echo lives)" lives
	removed "$id"
}

# Sandbox and shim end, although no client is left that could request it.
test_the_client_goes_away_during_create() {
	local id client
	id=$(lab_id)
	ctr --address "$LAB/containerd.sock" run -d --runtime "$RUNTIME" "$IMAGE" "$id" sleep 1000 \
		>/dev/null 2>&1 &
	client=$!
	for _ in $(seq 2000); do
		[ -z "$(vmm_of "$id")" ] || break
		sleep 0.02
	done
	kill -KILL "$client"
	wait "$client" 2>/dev/null || true
	for _ in $(seq 600); do
		[ -n "$(vmm_of "$id")" ] || break
		sleep 0.1
	done
	expect "VMM" "$(vmm_of "$id")" ""
	lab_ctr containers rm "$id" >/dev/null
}
