# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What a process finds in its container.

test_environment_and_directory() {
	local got
	got=$(run --env A=b --cwd /tmp "$IMAGE" "$(lab_id)" sh -c "echo \$A; pwd; echo \$HOME")
	expect "process" "$got" "$(printf 'b\n/tmp\n/root')"
}

test_mounts() {
	mkdir -p "$LAB/share"
	echo from-host >"$LAB/share/file"
	expect "read" "$(run --mount "type=bind,src=$LAB/share,dst=/mnt,options=rbind:rw" "$IMAGE" \
		"$(lab_id)" sh -c 'cat /mnt/file; echo back >/mnt/new')" from-host
	expect "written" "$(cat "$LAB/share/new")" back
	expect "read-only" "$(status_of run --mount \
		"type=bind,src=$LAB/share/file,dst=/etc/motd,options=bind:ro" "$IMAGE" "$(lab_id)" \
		sh -c 'cat /etc/motd >/dev/null && ! echo x >/etc/motd')" 0
	expect "root" "$(status_of run --read-only "$IMAGE" "$(lab_id)" sh -c '! touch /x')" 0
}

test_capabilities_and_masked_paths() {
	expect "capabilities" "$(run "$IMAGE" "$(lab_id)" sh -c 'grep CapEff /proc/self/status')" \
		"$(printf 'CapEff:\t00000000a80425fb')"
	expect "masked" "$(run "$IMAGE" "$(lab_id)" sh -c 'cat /proc/keys; ls /sys/firmware')" ""
	expect "limits" "$(run "$IMAGE" "$(lab_id)" sh -c 'ulimit -n')" 1024
}

test_no_devices_but_the_usual() {
	expect "kmsg" "$(run "$IMAGE" "$(lab_id)" sh -c \
		'mknod /tmp/k c 1 11; head -c 1 /tmp/k 2>&1 | grep -o "not permitted"')" "not permitted"
}

test_memory_limit_kills() {
	local id
	id=$(lab_id)
	timeout 60 ctr --address "$LAB/containerd.sock" events >"$LAB/events" &
	local events=$!
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --memory-limit 20000000 \
		--runtime "$RUNTIME" "$IMAGE" "$id" \
		sh -c 'head -c 100000000 /dev/zero | tail -c 90000000 | wc -c; sleep 1000' >/dev/null
	for _ in $(seq 300); do
		grep -q '/tasks/oom' "$LAB/events" && break
		sleep 0.1
	done
	kill "$events"
	wait "$events" 2>/dev/null || true
	grep -q "/tasks/oom.*$id" "$LAB/events"
	removed "$id"
}
