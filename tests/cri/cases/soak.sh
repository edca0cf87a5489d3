# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Runs many pods, AT_ONCE at a time, each with a container that answers an exec and is stopped. None may fail, and
# afterwards the node must be as before, its memory included. `make soak PODS=1000 AT_ONCE=8`.

test_soak() {
	local pods=${PODS:-20} at_once=${AT_ONCE:-4} i workers=() before rss used begin=$SECONDS
	soak_watched
	soak_pod first || return # creates what is created once and stays, such as the bridge
	settled soak_now >"$LAB/soak.before"
	rss=$(containerd_rss) used=$(soak_memory)
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
	soak_memory_is_back "$used" "$pods"
	soak_unwatched
}

# A file in memory that nobody needs any more is found among the memory of a thousand pods.
test_soak_finds_leaked_memory() {
	local used
	soak_watched
	used=$(soak_memory)
	soak_memory_is_back "$used" 1000
	sh -c "echo \$\$ >$SOAK_MEMORY$PARENT/node/cgroup.procs; head -c $((64 << 20)) /dev/zero >/dev/shm/kata-leak"
	SOAK_TRIES=1 fails_saying "with the file" 1 'memory' soak_memory_is_back "$used" 1000
	rm /dev/shm/kata-leak
	soak_memory_is_back "$used" 1000
	soak_unwatched
}

# --- memory ---
#
# What containerd, its children and the pods have in memory, together with what the kernel has for them, is charged to
# the control group that is the parent of the pods' groups. The free memory of the whole machine would say the same less
# exactly: other tests run beside this one.

SOAK_MEMORY=/sys/fs/cgroup/memory
[ -d "$SOAK_MEMORY" ] || SOAK_MEMORY=/sys/fs/cgroup

soak_watched() {
	mkdir -p "$SOAK_MEMORY$PARENT/node"
	cat "$LAB/containerd.pid" >"$SOAK_MEMORY$PARENT/node/cgroup.procs"
}

soak_unwatched() {
	cat "$LAB/containerd.pid" >"$SOAK_MEMORY/cgroup.procs"
	rmdir "$SOAK_MEMORY$PARENT/node"
}

# Prints KiB: everything that is charged except the cache of files, whose names and sums differ in cgroup v1 and v2.
soak_memory() {
	local group=$SOAK_MEMORY$PARENT used=memory.usage_in_bytes
	[ -e "$group/$used" ] || used=memory.current
	awk -v used="$(<"$group/$used")" '{ is[$1] = $2 } END {
		cache = "total_cache" in is ? is["total_cache"] - is["total_shmem"] : is["file"] - is["shmem"]
		printf "%d\n", (used - cache) / 1024 }' "$group/memory.stat"
}

# Waits until not much more is used than before: parts of a pod's memory are freed some time after its end.
soak_memory_is_back() { # KIB-BEFORE PODS
	local now most=$(($1 + 32768 + $2 * 8))
	for _ in $(seq "${SOAK_TRIES:-300}"); do
		now=$(soak_memory)
		[ "$now" -gt "$most" ] || break
		sleep 0.1
	done
	echo "    memory without caches: $1 KiB, then $now KiB"
	[ "$now" -le "$most" ]
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
