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

test_a_background_writer_does_not_delay_the_exit() {
	local start=$SECONDS
	expect "status" "$(status_of run "$IMAGE" "$(lab_id)" sh -c 'sleep 600 & exit 5')" 5
	[ $((SECONDS - start)) -lt 100 ]
}
