#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The proof: a container in its own VM, run by a private containerd. demo.sh PREFIX
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh

begin=$EPOCHREALTIME
step() { # WHAT
	awk -v b="$begin" -v n="$EPOCHREALTIME" -v what="$1" \
		'BEGIN { printf "  %6.1f s  %s\n", n - b, what }'
}

lab_start "$1"
step "private containerd is up"
lab_image
step "image made and imported"
ctr_run() {
	timeout 300 ctr --address "$LAB/containerd.sock" run --rm --runtime "$RUNTIME" "$IMAGE" "$@"
}
guest=$(ctr_run "$(lab_id)" uname -r)
step "a container ran in a VM: the first also finds out whether KVM works here"
# shellcheck disable=SC2016
memory=$(ctr_run "$(lab_id)" awk '/MemTotal/ { print int($2 / 1024) " MiB" }' /proc/meminfo)
step "another looked at its memory"
status=0
ctr_run "$(lab_id)" sh -c 'exit 7' || status=$?
step "a third exited with 7"
for _ in $(seq 100); do
	[ -z "$(lab_left)" ] && break
	sleep 0.1
done
left=$(lab_left)
step "clean-up checked"
cat <<-EOF

	  host kernel     $(uname -r)
	  guest kernel    $guest
	  guest memory    $memory
	  exit status     $status (wanted 7)
	  accelerator     $(cat /run/vc/accelerator 2>/dev/null || echo configured)
	  left behind     ${left:-nothing}
EOF
[ "$guest" != "$(uname -r)" ] && [ "$status" = 7 ] && [ -z "$left" ]
