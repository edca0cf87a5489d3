# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Runs many pods, AT_ONCE at a time, each with a container that answers an exec and is stopped. None may fail, and
# afterwards the node must be as before. `make soak PODS=1000 AT_ONCE=8`.

test_soak() {
	local pods=${PODS:-20} at_once=${AT_ONCE:-4} i workers=() before rss begin=$SECONDS
	soak_pod first || return # creates what is created once and stays, such as the bridge
	settled soak_now >"$LAB/soak.before"
	rss=$(containerd_rss)
	: >"$LAB/soak.failures"
	for i in $(seq "$at_once"); do
		soak_worker "$i" "$at_once" "$pods" &
		workers+=($!)
	done
	wait "${workers[@]}" || true
	expect "failures of $pods pods" "$(cat "$LAB/soak.failures")" ''
	until_is "what is left" '' soak_left
	before=$rss
	rss=$(containerd_rss)
	echo "    $pods pods, $at_once at once: $((SECONDS - begin)) s; containerd's RSS: $before KiB, then $rss KiB"
	# containerd is garbage-collected; a leak for each pod shows after many pods.
	[ $((rss - before)) -lt $((32768 + pods * 8)) ]
}

soak_worker() { # NUMBER STEP PODS
	local i
	for i in $(seq "$1" "$2" "$3"); do
		soak_pod "$i" >"$LAB/soak.$i" 2>&1 ||
			echo "pod $i: $(tail -n 3 "$LAB/soak.$i" | cut -c1-300)" >>"$LAB/soak.failures"
		rm -f "$LAB/soak.$i"
	done
}

soak_pod() { # NUMBER
	local pod id
	pod=$(pod "soak$1") || return
	id=$(started "$pod" c1 "echo hello from $1; : >/tmp/said; sleep 1000") &&
		expect exec "$(in_container "$id" sh -c 'until [ -e /tmp/said ]; do usleep 10000; done; hostname')" "host-soak$1" &&
		stop "$id" 0 && remove "$id" &&
		expect log "$(log_of "soak$1" c1)" "hello from $1" &&
		pod_gone "$pod" || return
	rm -r "$LAB/logs/soak$1" "$LAB/pods/$pod"
}

containerd_rss() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(<"$LAB/containerd.pid")/status"; }

# Prints more than cri_now: all files of /run, cached CNI results, snapshots, packet filters, loop devices, containerd's
# file descriptors.
soak_now() {
	local fd
	cri_now
	find /run /var/lib/cni "$LAB/state" "$LAB/root"/io.containerd.snapshotter* -mindepth 1 -printf 'path: %p\n'
	tc qdisc show | sed 's/^/filter: /'
	grep -H . /sys/block/loop*/loop/backing_file | sed 's/^/loop device: /'
	for fd in "/proc/$(<"$LAB/containerd.pid")"/fd/*; do
		readlink "$fd" | sed 's/[0-9]\{1,\}/N/g; s/^/fd of containerd: /'
	done
}

settled() { # COMMAND: prints its output once that no longer changes
	local now last=
	for _ in $(seq 60); do
		now=$("$1" 2>/dev/null | sort)
		[ "$now" != "$last" ] || break
		last=$now
		sleep 1
	done
	echo "$now"
}

soak_left() { soak_now 2>/dev/null | sort | comm -13 "$LAB/soak.before" - | head -n 30; }
