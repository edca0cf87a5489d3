# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Terminals.

talk() { # COMMAND...: on a terminal; the conversation is on stdin, what was said goes to $LAB/said
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

test_terminal_size_follows() {
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'stty size; trap "stty size; exit 0" WINCH; echo set
		while :; do sleep 0.1; done' <<-'END'
		expect 24 80
		expect set
		size 50 132
		expect 50 132
	END
}

# The shell is the first process, and has a handler since it waits for a child.
test_interrupt_from_the_terminal() {
	local status=0
	on_terminal "$IMAGE" "$(lab_id)" sh -c 'sh -c "echo begun; sleep 1000"; exit $?' <<-'END' ||
		expect begun
		send \x03
	END
		status=$?
	expect "status" "$status" 130
}

# ctr says the size once the process runs, so that may look too early, with runc as well.
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
