# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Hooks on the host.

hook() { # NAME: writes a hook that records that it ran, and the status in its state
	cat >"$LAB/hook-$1" <<-EOF
		#!/bin/sh
		status=\$(sed -n 's/.*"status" *: *"\([a-z]*\)".*/\1/p')
		echo "$1 \$status" >>"$LAB/hooks"
	EOF
	chmod 755 "$LAB/hook-$1"
	echo "{\"path\":\"$LAB/hook-$1\"}"
}

hooked() { # HOOKS-JSON [ARGS-JSON]: prints the exit status of a container with these hooks
	lab_spec "$LAB/hooked.json" "${2:-[\"true\"]}" ",\"hooks\":$1"
	status_of run --config "$LAB/hooked.json" "$(lab_id)"
}

test_hooks_run_in_order_and_once() {
	rm -f "$LAB/hooks"
	expect "status" "$(hooked "{\"prestart\":[$(hook prestart)],
		\"createRuntime\":[$(hook createRuntime)],\"poststart\":[$(hook poststart)],
		\"poststop\":[$(hook poststop)]}")" 0
	expect "hooks" "$(cat "$LAB/hooks")" "$(printf '%s\n' 'prestart creating' \
		'createRuntime creating' 'poststart running' 'poststop stopped')"
}

test_a_failing_hook_fails_create() {
	lab_spec "$LAB/hooked.json" '["true"]' \
		',"hooks":{"createRuntime":[{"path":"/bin/sh","args":["sh","-c","echo no luck >&2; exit 3"]}]}'
	if run --config "$LAB/hooked.json" "$(lab_id)" 2>"$LAB/err"; then return 1; fi
	grep -q 'createRuntime.*no luck' "$LAB/err" || {
		echo "    said: $(cat "$LAB/err")"
		return 1
	}
}

test_a_hanging_hook_is_ended() {
	local start=$SECONDS
	lab_spec "$LAB/hooked.json" '["true"]' \
		',"hooks":{"prestart":[{"path":"/bin/sleep","args":["sleep","1000"],"timeout":1}]}'
	if run --config "$LAB/hooked.json" "$(lab_id)" 2>"$LAB/err"; then return 1; fi
	grep -q 'prestart' "$LAB/err"
	[ $((SECONDS - start)) -lt 60 ]
}

# The container has already started or ended, so a failing hook only causes a warning in the log.
test_late_hooks_only_warn() {
	expect "status" "$(hooked '{"poststart":[{"path":"/bin/false"}],
		"poststop":[{"path":"/bin/false"}]}' '["sh","-c","exit 6"]')" 6
	grep -q 'poststop hook: /bin/false' "$LAB/containerd.log"
}

# Hooks after a failing one still run.
test_late_hooks_run_after_one_that_failed() {
	rm -f "$LAB/hooks"
	expect "status" "$(hooked "{\"poststart\":[{\"path\":\"/bin/false\"},$(hook poststart)],
		\"poststop\":[{\"path\":\"/no/such/hook\"},$(hook poststop)]}")" 0
	expect "hooks" "$(cat "$LAB/hooks")" "$(printf '%s\n' 'poststart running' 'poststop stopped')"
}

# These hooks have a time limit too, after which the waiting request goes on.
test_late_hooks_that_hang_are_ended() {
	local start=$SECONDS
	expect "status" "$(hooked '{"poststart":[{"path":"/bin/sleep","args":["sleep","1000"],
		"timeout":1}],"poststop":[{"path":"/bin/sleep","args":["sleep","1000"],"timeout":1}]}' \
		'["sh","-c","sleep 1; exit 6"]')" 6
	[ $((SECONDS - start)) -lt 60 ]
}
