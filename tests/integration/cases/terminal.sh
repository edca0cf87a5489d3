# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Terminals.

talk() { # COMMAND...: runs it on a terminal; stdin has the dialogue, the output goes to $LAB/said
	"$TOOLS/pty" "$@" >"$LAB/said"
}

on_terminal() { # CONTAINER-ARGS...
	talk ctr --address "$LAB/containerd.sock" run --rm -t --runtime "$RUNTIME" "$@"
}

# shellcheck disable=SC2016
test_terminal() {
	local status=0
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'tty; read -r line; echo "<$line>"; exit 4' <<-'END' ||
		expect /dev/pts/0
		send hello\n
		expect <hello>
	END
		status=$?
	expect "status" "$status" 4
}

# ctr sets the size only after the process has started, so the first size may arrive late.
test_terminal_size_follows() {
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'until stty size | grep "24 80"; do sleep 0.1; done
		trap "stty size" WINCH; trap "exit 0" INT; echo set
		while :; do sleep 0.1; done' <<-'END'
		expect 24 80
		expect set
		size 50 132
		expect 50 132
		send \x03
	END
}

# The shell is PID 1, and has a signal handler because it waits for a child.
test_interrupt_from_the_terminal() {
	local status=0
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'sh -c "echo begun; sleep 1000"; exit $?' <<-'END' ||
		expect begun
		send \x03
	END
		status=$?
	expect "status" "$status" 130
}

# ctr sets the size only after the process has started, so a process may look too early, also with runc.
test_exec_on_a_terminal() {
	local id status=0
	id=$(lab_id)
	detached "$id" sleep 1000
	talk ctr --address "$LAB/containerd.sock" tasks exec -t --exec-id a "$id" \
		sh -c 'tty; until stty size | grep -v "^0 0"; do sleep 0.1; done; sleep 1000' <<-'END' || status=$?
		expect /dev/pts/
		expect 24 80
		send \x03
	END
	expect "interrupted" "$status" 130
	removed "$id"
}

exec_on_terminal() { # CONTAINER EXEC-ID COMMAND...
	local id=$1 exec=$2
	shift 2
	talk ctr --address "$LAB/containerd.sock" tasks exec -t --exec-id "$exec" "$id" "$@"
}

# shellcheck disable=SC2016
test_many_lines_on_a_terminal_are_whole() {
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'seq 100000; read -r line; echo "<$line>"' <<-'END'
		expect 100000
		send hello\n
		expect <hello>
	END
	expect "digest" "$(tr -d '\r' <"$LAB/said" | head -n 100000 | sha256sum)" \
		"$(seq 100000 | sha256sum)"
}

test_interrupt_of_what_writes_without_end() {
	local status=0
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'trap "echo stopped; exit 3" INT
		while :; do echo line; done' <<-'END' || status=$?
		expect line
		send \x03
		expect stopped
	END
	expect "status" "$status" 3
}

test_terminal_input_that_nobody_reads() {
	local id line
	id=$(lab_id) line=$(printf 'x%.0s' {1..1000})
	detached "$id" sleep 1000
	for _ in {1..70}; do printf 'send %s\\n\n' "$line"; done |
		exec_on_terminal "$id" a sleep 3
	expect "alive" "$(lab_ctr tasks exec --exec-id b "$id" echo yes)" yes
	removed "$id"
}

# A silent child keeps the terminal open.
test_the_end_of_a_terminal_that_a_child_keeps() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	for i in 1 2 3; do
		exec_on_terminal "$id" "e$i" sh -c "trap '' HUP; (sleep 30; echo late) & echo first" \
			</dev/null
		expect "said" "$(tr -d '\r' <"$LAB/said")" first
	done
	expect "alive" "$(lab_ctr tasks exec --exec-id b "$id" echo yes)" yes
	removed "$id"
}
