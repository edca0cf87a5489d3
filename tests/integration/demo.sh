#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Shows the life cycle of a release: served over HTTP, installed, used, upgraded under a running container, rolled back,
# uninstalled; at the end the node must be as before. demo.sh KATA-DEPLOY RELEASE NEXT-RELEASE
#
# Uses a private containerd below a temporary directory, with a typical configuration of an administrator; kata-deploy
# registers with it as it would with the system's.
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source=tests/integration/lib.sh
. tests/integration/lib.sh
# shellcheck source=tests/integration/node.sh
. tests/integration/node.sh

deploy=$(realpath "$1") one=$(realpath "$2") two=$(realpath "$3")
begin=$EPOCHREALTIME
step() { # WHAT
	awk -v b="$begin" -v n="$EPOCHREALTIME" -v what="$1" \
		'BEGIN { printf "  %6.1f s  %s\n", n - b, what }'
}
run() { # ID COMMAND...
	timeout 300 ctr --address "$LAB/containerd.sock" run --rm --runtime "$SHIM" "$IMAGE" "$@"
}
version() { "$deploy" status --prefix "$PREFIX" --json | sed -n '/"current": true/{x;p;d};h' |
	sed -n 's/.*"version": "\(.*\)".*/\1/p'; }

node_start
lab_image
node_serve "$one" "$two"
step "a private containerd runs, and two signed releases are served over HTTP"
before=$(node_digest)

node_deploy install --release "$URL/1/" --key "$one/development.pub"
step "installed, registered, proved"
guest=$(run "$(lab_id)" uname -r)
status=0
run "$(lab_id)" sh -c 'exit 7' || status=$?
step "a container ran in a VM, another exited with 7"

held=$(lab_id)
lab_ctr run -d --runtime "$SHIM" "$IMAGE" "$held" sleep 1000
node_deploy upgrade --release "$URL/2/" --key "$two/development.pub"
upgraded=$(version)
alive=$(lab_ctr tasks exec --exec-id e1 "$held" echo alive)
step "upgraded to $upgraded while a container ran"
"$deploy" status --prefix "$PREFIX" | sed 's/^/            /'
node_deploy rollback
step "rolled back to $(version)"
lab_ctr tasks kill -s KILL "$held"
lab_ctr tasks delete -f "$held" >/dev/null 2>&1 || true
lab_ctr containers rm "$held"
left=$(lab_gone) || true
node_deploy uninstall
after=$(node_digest)
step "uninstalled"
cat <<-EOF2

	  host kernel     $(uname -r)
	  guest kernel    $guest
	  exit status     $status (wanted 7)
	  accelerator     $(cat /run/vc/accelerator 2>/dev/null || echo configured)
	  upgrade         the container that ran said '$alive'
	  left behind     ${left:-nothing}
	  the node        $([ "$before" = "$after" ] && echo "byte for byte what it was" || echo CHANGED)
EOF2
[ "$guest" != "$(uname -r)" ] && [ "$status" = 7 ] && [ "$alive" = alive ] && [ -z "$left" ] &&
	[ "$before" = "$after" ]
