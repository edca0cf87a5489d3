# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Standard streams.

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

# A container without input reads end of file.
test_no_input_is_an_end() {
	local id
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --null-io --runtime "$RUNTIME" \
		"$IMAGE" "$id" sh -c 'cat; exit 7' >/dev/null
	stopped "$id"
	expect "status" "$(deleted "$id")" 7
}

# When a process closes its input, its writer must not fail.
test_input_that_is_not_read_is_taken() {
	local id statuses
	id=$(lab_id)
	detached "$id" sleep 1000
	statuses=$(
		set +e
		head -c 8388608 /dev/zero | lab_ctr tasks exec --exec-id e "$id" \
			sh -c 'exec <&-; sleep 2; exit 0' >/dev/null 2>&1
		echo "${PIPESTATUS[@]}"
	)
	expect "statuses" "$statuses" "0 0"
	removed "$id"
}

test_a_background_writer_does_not_delay_the_exit() {
	local start=$SECONDS
	expect "status" "$(status_of run "$IMAGE" "$(lab_id)" sh -c 'sleep 600 & exit 5')" 5
	[ $((SECONDS - start)) -lt 100 ]
}

test_output_into_a_file() {
	local id
	id=$(lab_id)
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --log-uri "file://$LAB/logs/out" \
		--runtime "$RUNTIME" "$IMAGE" "$id" sh -c 'echo to-file; echo err >&2' >/dev/null
	stopped "$id"
	removed "$id"
	expect "file" "$(sort "$LAB/logs/out")" "$(printf 'err\nto-file')"
}

test_output_into_a_program() {
	local id
	id=$(lab_id)
	cat >"$LAB/logger" <<-'EOF'
		#!/bin/sh
		exec 5>&- # ready
		echo "$#, $3, $4" >"$2.arguments"
		cat <&3 >"$2"
	EOF
	chmod 755 "$LAB/logger"
	timeout 120 ctr --address "$LAB/containerd.sock" run -d \
		--log-uri "binary://$LAB/logger?to=${LAB//\//%2F}%2Flogged&last=a%3Db+c" --runtime "$RUNTIME" "$IMAGE" "$id" \
		echo to-program >/dev/null
	stopped "$id"
	removed "$id"
	expect "logged" "$(cat "$LAB/logged")" to-program
	expect "arguments" "$(cat "$LAB/logged.arguments")" "4, last, a=b c"
}

# The client of containerd 1.6.20 closes its end as soon as it receives the exit event, even with unread data in it.
test_output_is_whole_though_its_reader_is_slow() {
	local bytes
	bytes=$(run "$IMAGE" "$(lab_id)" dd if=/dev/zero bs=256k count=8 2>/dev/null | { sleep 0.5; wc -c; })
	expect "bytes" "$bytes" 2097152
}

# Without a reader neither the exit nor the delete waits.
test_nobody_reads_the_output() {
	local id start=$SECONDS
	id=$(lab_id)
	run "$IMAGE" "$id" sh -c 'dd if=/dev/zero bs=256k count=1; exit 3' 2>/dev/null | true
	[ $((SECONDS - start)) -lt 30 ] && ! lab_ctr tasks ls | grep -q "^$id "
}
