# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2016
#
# Exec and Attach through the manager's streaming server, as kubectl exec, attach and cp use them. The protocol has no
# end of input, so commands read as much as they know to come.

exec_stream() { # [-t] ID COMMAND...
	cri --timeout 600 exec-stream "$@"
}

# Runs the client on a terminal of 24 rows and 80 columns, and talks with it; the conversation is that of tools/pty.
on_terminal() { # VERB ARG...
	"$TOOLS/pty" "$TOOLS/cri" --socket "$LAB/containerd.sock" "$@"
}

test_exec_stream() {
	local pod id out
	pod=$(pod exec-stream)
	id=$(started "$pod" c1 'sleep 1000')
	expect "its input" "$(printf 'some words' | exec_stream "$id" head -c 10)" 'some words'
	out=$(fails 5 exec_stream "$id" sh -c 'echo out; exit 5')
	expect "stdout and code" "$out" out
	exec_stream "$id" sh -c 'echo out; echo trouble >&2' >"$LAB/out" 2>"$LAB/err"
	expect stdout "$(<"$LAB/out")" out
	expect stderr "$(<"$LAB/err")" trouble
		fails_saying "of one killed" 137 out exec_stream "$id" sh -c 'echo out; kill -KILL $$'
	fails_saying "no such command" 1 'no such file' exec_stream "$id" /no/such
	stop "$id"
	fails_saying "in one that ended" 1 'not .*running\|CONTAINER_EXITED' exec_stream "$id" true
	pod_gone "$pod"
}

# More than all buffers hold, in both directions at once. (In a VM's root file system each small write would be slow.)
test_exec_stream_carries_all() {
	local pod id size=$((8 << 20))
	pod=$(pod exec-much)
	id=$(started "$pod" c1 'sleep 1000')
	head -c "$size" /dev/urandom >"$LAB/sent"
	exec_stream "$id" sh -c "head -c $size | tee /dev/shm/sent" <"$LAB/sent" >"$LAB/got"
	cmp "$LAB/sent" "$LAB/got"
	expect "digest in the container" "$(in_container "$id" sha256sum /dev/shm/sent | cut -d' ' -f1)" \
		"$(sha256sum "$LAB/sent" | cut -d' ' -f1)"
	pod_gone "$pod"
}

# A command whose client goes away sees the end of its input. (containerd 2 kills it instead.)
test_exec_stream_of_a_client_that_goes_away() {
	local pod id client
	pod=$(pod exec-away)
	id=$(started "$pod" c1 'sleep 1000')
	mkfifo "$LAB/silent"
	"$TOOLS/cri" --socket "$LAB/containerd.sock" exec-stream "$id" cat - <>"$LAB/silent" >"$LAB/got" &
	client=$!
	echo words >"$LAB/silent"
	until_is "its output" words cat "$LAB/got"
	expect "the command" "$(processes "$id" '[c]at -')" 1
	kill -KILL "$client"
	wait "$client" 2>/dev/null || :
	until_is "commands" 0 processes "$id" '[c]at -'
	rm "$LAB/silent"
	pod_gone "$pod"
}

test_exec_stream_on_a_terminal() {
	local pod id status=0
	pod=$(pod exec-terminal)
	id=$(started "$pod" c1 'sleep 1000')
	fails_saying "no terminal" 2 'needs a terminal' exec_stream -t "$id" true
	# The first size arrives while the program begins.
	on_terminal exec-stream -t "$id" sh -c 'until [ "$(stty size 2>/dev/null)" = "24 80" ]; do usleep 10000; done
		trap "echo resized to \$(stty size)" WINCH; trap "echo interrupted; exit 9" INT; tty
		read -r line; echo "heard $line" >&2; echo ready; while :; do usleep 10000; done' <<-"EOF" >"$LAB/got" 2>&1 || status=$?
		expect /dev/pts/
		send to it\r
		expect heard to it
		expect ready
		size 33 101
		expect resized to 33 101
		size 50 200
		expect resized to 50 200
		send \x03
		expect interrupted
	EOF
	expect "$(<"$LAB/got"): status" "$status" 9
	pod_gone "$pod"
}

attached() { # NAME ID: attaches to it, sets $client; what is written to fd 5 is the input, $LAB/NAME the output
	mkfifo "$LAB/$1.in"
	"$TOOLS/cri" --socket "$LAB/containerd.sock" attach "$2" <"$LAB/$1.in" >"$LAB/$1" 2>"$LAB/$1.err" &
	client=$!
	exec 5>"$LAB/$1.in"
	rm "$LAB/$1.in"
}

# A program that is attached to, left, and attached to again: it goes on, and its log has everything.
test_attach() {
	local pod id client
	pod=$(pod attach)
	id=$(started "$pod" c1 'while read -r line; do echo "heard $line"; echo "trouble $line" >&2; done' ',"stdin":true')
	attached first "$id"
	echo one >&5
	until_is "output" 'heard one' cat "$LAB/first"
	until_is "error output" 'trouble one' cat "$LAB/first.err"
	exec 5>&-
	wait "$client"
	expect "after the first" "$(of_container "$id" state)" CONTAINER_RUNNING
	attached second "$id"
	echo two >&5
	until_is "what the second sees" 'heard two' cat "$LAB/second"
	exec_stream "$id" true </dev/null
	kill -KILL "$client" # one that does not say that it goes
	wait "$client" 2>/dev/null || :
	exec 5>&-
	attached third "$id"
	echo three >&5
	until_is "what the third sees" 'heard three' cat "$LAB/third"
	exec 5>&-
	wait "$client"
	expect "after the third" "$(of_container "$id" state)" CONTAINER_RUNNING
	until_is "the log" 'heard one heard three heard two ' heard_in_log attach c1
	stop "$id"
	fails_saying "to one that ended" 1 'not .*running\|CONTAINER_EXITED' cri attach "$id"
	pod_gone "$pod"
}

heard_in_log() { # POD-NAME CONTAINER-NAME
	log_of "$1" "$2" | grep heard | sort | tr '\n' ' '
}

# The first client of a container with stdinOnce is its only one: its end is the end of the program's input.
test_attach_stdin_once() {
	local pod id
	pod=$(pod once)
	id=$(started "$pod" c1 'cat; echo ended; exit 4' ',"stdin":true,"stdin_once":true')
	expect state "$(of_container "$id" state)" CONTAINER_RUNNING
	printf 'words\n' | cri attach "$id" >/dev/null
	ended "$id"
	expect "exit code" "$(of_container "$id" exit_code)" 4
	until_is "the log" 'words ended ' log_as_line once c1
	pod_gone "$pod"
}

log_as_line() { log_of "$@" | tr '\n' ' '; }

# Several clients see what a program without input writes, until it ends.
test_attach_ends_with_the_container() {
	local pod id i clients=()
	pod=$(pod attach-ends)
	id=$(started "$pod" c1 'i=0; until [ -e /tmp/go ]; do echo "line $i"; i=$((i + 1)); sleep 0.1; done; echo last')
	mkfifo "$LAB/silent"
	for i in 1 2 3; do
		"$TOOLS/cri" --socket "$LAB/containerd.sock" attach "$id" <>"$LAB/silent" >"$LAB/got-$i" 2>&1 &
		clients+=($!)
	done
	for i in 1 2 3; do
		until_is "output of $i" line first_word "$LAB/got-$i"
	done
	in_container "$id" touch /tmp/go
	all_well "${clients[@]}"
	for i in 1 2 3; do
		expect "end of $i" "$(tail -n 1 "$LAB/got-$i")" last
	done
	rm "$LAB/silent"
	pod_gone "$pod"
}

first_word() { # FILE
	head -n 1 "$1" | cut -d' ' -f1
}

test_attach_to_a_terminal() {
	local pod id status=0
	pod=$(pod attach-terminal)
	id=$(started "$pod" c1 'trap "echo resized to \$(stty size)" WINCH; echo ready
		until [ "$(stty size 2>/dev/null)" = "40 132" ]; do usleep 10000; done
		line=$(head -n 1); echo "heard $line"; exit "$line"' ',"stdin":true,"tty":true')
	until_is "the log" ready plain_log attach-terminal c1
	on_terminal attach -t "$id" <<-"EOF" >"$LAB/got" 2>&1 || status=$?
		expect resized to 24 80
		size 40 132
		expect resized to 40 132
		send 7\r
		expect heard 7
	EOF
	expect "$(<"$LAB/got"): status" "$status" 0
	ended "$id"
	expect "exit code" "$(of_container "$id" exit_code)" 7
	pod_gone "$pod"
}

plain_log() { log_of "$@" | tr -d '\r'; }

# --- kubectl cp ---

digests() { # DIR
	(cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

# Names with blanks, of other languages, and of more than 100 bytes; links, modes, an empty file and directory.
test_copy_files() {
	local pod id size dir=$LAB/copy long
	long=$(printf 'n%.0s' {1..120})
	mkdir -p "$dir/to/a directory/empty" "$dir/back"
	head -c $((5 << 20)) /dev/urandom >"$dir/to/large file.bin"
	echo words >"$dir/to/a directory/größe -n.txt"
	echo long >"$dir/to/$long"
	: >"$dir/to/nothing"
	printf '#!/bin/sh\necho runs\n' >"$dir/to/program"
	chmod 0750 "$dir/to/program"
	ln -s 'a directory/größe -n.txt' "$dir/to/a link"
	ln -s /no/such "$dir/to/dangling"
	tar -C "$dir/to" -cf "$dir/tar" .
	size=$(stat -c %s "$dir/tar")
	pod=$(pod copy)
	id=$(started "$pod" c1 'sleep 1000')
	exec_stream "$id" sh -c "mkdir -p '/srv/a place' && head -c $size | tar xmf - -C '/srv/a place'" <"$dir/tar"
	expect "through the link" "$(in_container "$id" cat '/srv/a place/a link')" words
	expect "the program" "$(in_container "$id" '/srv/a place/program')" runs
	exec_stream "$id" tar cf - -C '/srv/a place' . </dev/null | tar -C "$dir/back" -xf -
	expect digests "$(digests "$dir/back")" "$(digests "$dir/to")"
	expect "names, modes and links" "$(tree_of "$dir/back")" "$(tree_of "$dir/to")"
	pod_gone "$pod"
	rm -r "$dir"
}

tree_of() { # DIR
	find "$1" -mindepth 1 -printf '%P %M %l\n' | sort
}
