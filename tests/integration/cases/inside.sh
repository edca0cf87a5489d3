# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# The environment of a process in its container.

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

# Shared files have the host's time, others the guest's.
test_the_clock_is_that_of_the_host() {
	local got
	mkdir -p "$LAB/share"
	got=$(run --mount "type=bind,src=$LAB/share,dst=/mnt,options=rbind:rw" \
		--mount "type=tmpfs,src=tmpfs,dst=/own" "$IMAGE" "$(lab_id)" sh -c \
		'echo >/mnt/first; sleep 0.2; echo >/own/second; sleep 0.2; echo >/mnt/third
		stat -c %y /mnt/first /own/second /mnt/third')
	expect "in order" "$(sort <<<"$got")" "$got"
}

test_no_devices_but_the_usual() {
	expect "kmsg" "$(run "$IMAGE" "$(lab_id)" sh -c \
		'mknod /dev/k c 1 11; head -c 1 /dev/k 2>&1 | grep -o "not permitted"')" "not permitted"
}

test_memory_limit_kills() {
	local id
	id=$(lab_id)
	listen
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --memory-limit 20000000 \
		--annotation io.kubernetes.cri-o.ContainerType=sandbox \
		--runtime "$RUNTIME" "$IMAGE" "$id" dd if=/dev/zero of=/dev/null bs=90M count=1 >/dev/null
	heard /tasks/oom "$id" >/dev/null
	stopped "$id"
	# CRI-O does not receive events, but checks for this file.
	[ -e "$LAB/state/io.containerd.runtime.v2.task/default/$id/oom" ]
	expect "event" "$(heard /tasks/exit "$id" | field exit_status)" 137
	expect "status" "$(deleted "$id")" 137
}

# Annotations can choose another configuration and, as far as that allows, change single values.
test_annotations() {
	local conf a=io.katacontainers.config.hypervisor
	conf=$(configured '[hypervisor.qemu]' 'enable_annotations = ["kernel_params"]' \
		'[runtime]' "sandbox_bind_mounts = [\"$LAB/share\"]" 'enable_debug = true')
	mkdir -p "$LAB/share"
	expect "allowed" "$(run --annotation "io.katacontainers.config_path=$conf" \
		--annotation "$a.kernel_params=from.annotation=1" "$IMAGE" "$(lab_id)" \
		grep -o 'from.annotation=1' /proc/cmdline)" 'from.annotation=1'
	if run --annotation "io.katacontainers.config_path=$conf" --annotation "$a.kernel=/x" \
		"$IMAGE" "$(lab_id)" true 2>"$LAB/err"; then return 1; fi
	grep -q "annotation $a.kernel: not allowed by $conf" "$LAB/err"
}

# Bind mounts of the whole sandbox appear in the guest, beside those of containers.
test_sandbox_bind_mounts() {
	local conf
	mkdir -p "$LAB/sandbox-share"
	echo shared >"$LAB/sandbox-share/file"
	conf=$(configured '[runtime]' "sandbox_bind_mounts = [\"$LAB/sandbox-share\"]")
	# /proc/1/root shows the guest's directory.
	expect "seen" "$(run --privileged --annotation "io.katacontainers.config_path=$conf" \
		--mount type=bind,src=/proc,dst=/guest,options=rbind:rw "$IMAGE" "$(lab_id)" sh -c \
		'cd /guest/1/root/run/kata-containers/shared/containers/sandbox-mounts/sandbox-share &&
		cat file; echo x >new || echo read-only' 2>/dev/null)" "$(printf 'shared\nread-only')"
}

log_says() { # TEXT CONFIGURATION...: TEXT must be in the log of a container with that configuration
	local conf id text=$1
	shift
	id=$(lab_id)
	conf=$(configured "$@")
	run --annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$id" true
	for _ in $(seq 600); do
		grep -q "msg=\"guest.*sandbox=$id.*$text" "$LAB/containerd.log" && return 0
		sleep 0.1
	done
	echo "    the log does not say '$text'"
	return 1
}

# The virtio console starts late in a boot, a serial line shows the first messages; the agent's JSON lines have a port of
# their own.
test_the_console_is_in_the_log() {
	log_says 'Run /init as init process' '[hypervisor.qemu]' 'enable_debug = true'
	log_says 'agent is ready' '[hypervisor.qemu]' 'enable_debug = true'
	log_says 'Linux version' '[hypervisor.qemu]' 'enable_debug = true' 'use_legacy_serial = true'
}

# The mapped users must be able to search the directories above the root file system.
test_user_namespace() {
	expect "ids" "$(run --uidmap 0:1000:10000 --gidmap 0:2000:10000 "$IMAGE" "$(lab_id)" sh -c \
		'id -u; cat /proc/self/uid_map /proc/self/gid_map | tr -s " "; touch /new && stat -c %u:%g /new')" \
		"$(printf '0\n 0 1000 10000\n 0 2000 10000\n0:0')"
}
