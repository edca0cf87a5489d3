# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Loop devices for the cases of integration and CRI tests. Needs expect.sh.
#
#	loop_device FILE MIB	sets LOOP to a loop device on a new file; it is detached at the latest when the test has
#				ended and nothing uses it any more
#	loop_gone FILE		detaches it, waits until nothing uses it, and removes the file

loop_device() {
	truncate -s "$2M" "$1"
	LOOP=$(losetup --find --show "$1") || return
	# shellcheck disable=SC2064 # this one
	trap "losetup --detach $LOOP 2>/dev/null || true" EXIT
}

loop_gone() {
	losetup --detach "$LOOP"
	trap - EXIT
	for _ in $(seq 600); do
		[ -n "$(losetup --noheadings --output NAME --associated "$1")" ] || break
		sleep 0.1
	done
	expect "loop devices of $1" "$(losetup --noheadings --output NAME --associated "$1")" ""
	rm "$1"
}
