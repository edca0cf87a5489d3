#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Tests kata-deploy and kata-manager on a node with a real containerd and real VMs:
# [SLICE="1 2"] run.sh KATA-DEPLOY KATA-MANAGER STATIC-KATA-DEPLOY RELEASE NEXT-RELEASE [TEST...]
#
# Each test is a function test_* in this directory and has a node of its own, of which nothing may be left on the host
# afterwards.
set -u
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../lib.sh"
lab_apart "$0" "$@"
cd "$(dirname "$0")/../../.." || exit
# shellcheck source=tests/integration/expect.sh
. tests/integration/expect.sh
# shellcheck source=tests/integration/node.sh
. tests/integration/node.sh
# shellcheck source=tests/integration/systemd.sh
. tests/integration/systemd.sh
deploy=$(realpath "$1")
# shellcheck disable=SC2034
manager=$(realpath "$2") portable=$(realpath "$3") one=$(realpath "$4") two=$(realpath "$5")
shift 5
exec </dev/null

start() { # ID RUNTIME
	lab_ctr run -d --runtime "$2" "$IMAGE" "$1" sleep 1000
}
says() { # ID: prints the output of an exec in that container
	timeout 60 ctr --address "$LAB/containerd.sock" tasks exec --exec-id "e$RANDOM$RANDOM" "$1" echo alive
}
stop() { # ID
	lab_ctr tasks kill -s KILL "$1"
	lab_ctr tasks delete -f "$1" >/dev/null 2>&1 || true
	lab_ctr containers rm "$1"
}
current() { readlink "$PREFIX/current"; }
generations() { find "$PREFIX/generations" -mindepth 1 -maxdepth 1 | wc -l; }

for cases in tests/integration/node/*.sh; do
	case $cases in */run.sh) continue ;; esac
	# shellcheck source=/dev/null
	. "$cases"
done

choose_tests "$@"
choose_slice
trap 'exit 130' INT TERM # PID 1 of a namespace ignores signals without a handler
for t in "${tests[@]}"; do
	start=$SECONDS
	(
		set -e
		node_start
		lab_image
		"$t"
		lab_gone
	)
	counted $? "$t" "$start"
done
totals node
