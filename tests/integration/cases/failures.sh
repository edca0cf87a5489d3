# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Failures, after which nothing may be left.

# Prints the pid of the VMM of a container.
vmm_of() { pgrep -f "qemu-system.*sandbox-$1@" | head -n 1; }

# The end of a sandbox is noticed when it happens, not at the next check.
lost_at_once() { # MOMENT ID
	local ms
	ms=$(ended_after "$1" "$2")
	[ "$ms" -lt 3000 ] || {
		echo "    the end was told after $ms ms"
		return 1
	}
	expect "event" "$(heard /tasks/exit "$2" | field exit_status)" 255
	stopped "$2"
	expect "status" "$(deleted "$2")" 255
}

test_vm_killed() {
	local id begin
	id=$(lab_id)
	listen
	detached "$id" sleep 1000
	begin=$EPOCHREALTIME
	kill -KILL "$(vmm_of "$id")"
	lost_at_once "$begin" "$id"
}

privileged() { # ID SCRIPT: starts a container that sees the guest's /proc as /guest and writes to /note when it starts
	: >"$LAB/note"
	timeout 120 ctr --address "$LAB/containerd.sock" run -d --privileged --runtime "$RUNTIME" \
		--mount type=bind,src=/proc,dst=/guest,options=rbind:rw \
		--mount "type=bind,src=$LAB/note,dst=/note,options=bind:rw" \
		"$IMAGE" "$1" sh -c "$2; sleep 1000" >/dev/null
}

noted() { # waits until a container has written into its note
	for _ in $(seq 600); do
		[ ! -s "$LAB/note" ] || return 0
		sleep 0.05
	done
	return 1
}

test_guest_panic() {
	local id
	id=$(lab_id)
	listen
	privileged "$id" 'sleep 1; echo begun >/note; echo c >/proc/sysrq-trigger'
	noted
	lost_at_once "$EPOCHREALTIME" "$id"
}

# The agent, PID 1, is killed by overwriting its code with zeroes, which are invalid instructions.
test_agent_killed() {
	local id
	id=$(lab_id)
	listen
	# shellcheck disable=SC2016
	privileged "$id" 'sleep 1; set -- $(grep "r-xp.*agent" /guest/1/maps)
		a=$((0x${1%-*} / 4096)) b=$((0x${1#*-} / 4096))
		echo begun >/note
		dd if=/dev/zero of=/guest/1/mem bs=4096 seek=$a count=$((b - a)) conv=notrunc'
	noted
	lost_at_once "$EPOCHREALTIME" "$id"
}

test_shim_killed() {
	local id
	id=$(lab_id)
	detached "$id" sleep 1000
	pkill -KILL -f "containerd-shim-kata-v2.* -id $id"
	lab_gone
	removed "$id"
}

# create must fail with MESSAGE if the configuration has KEY = VALUE.
failing() { # WHAT MESSAGE KEY VALUE [TABLE]
	local conf
	conf=$(configured "[${5:-hypervisor.qemu}]" "$3 = $4")
	if run --annotation "io.katacontainers.config_path=$conf" "$IMAGE" "$(lab_id)" true \
		>/dev/null 2>"$LAB/err"; then
		echo "    $1: the container ran"
		return 1
	fi
	grep -qF -e "$2" "$LAB/err" || {
		echo "    $1: $(cat "$LAB/err")"
		return 1
	}
	lab_gone
}

# Without a `delete` after the kill, as with CRI-O, the VM still ends with the shim.
test_shim_killed_and_nobody_cleans() {
	local id containerd
	id=$(lab_id) containerd=$(cat "$LAB/containerd.pid")
	detached "$id" sleep 1000
	kill -STOP "$containerd"
	pkill -KILL -f -- "containerd-shim-kata-v2.* -id $id "
	for _ in $(seq 600); do
		pgrep -f -- "(qemu-system|virtiofsd).*$id" >/dev/null || break
		sleep 0.1
	done
	expect "what is left of the VM" "$(pgrep -fa -- "(qemu-system|virtiofsd).*$id" | cut -d' ' -f2)" ""
	kill -CONT "$containerd"
	lab_gone
	removed "$id"
}

test_create_fails_clearly() {
	failing "no kernel" 'kernel = "/nonexistent/vmlinux"' kernel '"/nonexistent/vmlinux"'
	failing "no QEMU" 'path = "/nonexistent/qemu"' path '"/nonexistent/qemu"'
	failing "QEMU that fails" 'ended at its start' path '"/bin/false"'
	failing "no virtiofsd" 'virtio_fs_daemon = "/nonexistent/vfs"' shared_fs \
		$'"virtio-fs"\nvirtio_fs_daemon = "/nonexistent/vfs"'
	failing "unknown key" "unknown key 'kernl'; did you mean 'kernel'?" kernl '"x"'
	failing "wrong type" 'expected a string' kernel 5
	failing "out of range" 'default_memory' default_memory 1
	failing "a guest without an init" 'the agent in the VM did not answer' kernel_params \
		'"rdinit=/nonexistent"'
	failing "a module" 'kernel module nosuch: the guest kernel supports no modules' kernel_modules \
		'["nosuch a=b"]' agent.kata
	failing "no bind mount" "share $LAB/nosuch" sandbox_bind_mounts "[\"$LAB/nosuch\"]" runtime
}

# A configuration file outside the directories that the node allows is refused, whatever its contents.
test_a_pod_does_not_choose_the_configuration() {
	local said
	said=$(run --annotation "io.katacontainers.config_path=/etc/hostname" "$IMAGE" "$(lab_id)" \
		true 2>&1) && return 1
	[[ $said == *"no file below a directory of valid_config_paths; the node's administrator can list"* ]]
}

test_configuration_cannot_be_read() {
	local conf=$LAB/conf/loop
	mkdir -p "$LAB/conf/config.d"
	ln -sfn "$conf" "$conf"
	for file in "$conf" "$LAB/conf/config.d" "$LAB/conf/no-such.toml"; do
		if run --annotation "io.katacontainers.config_path=$file" "$IMAGE" "$(lab_id)" true \
			>/dev/null 2>"$LAB/err"; then return 1; fi
		grep -qF "$file" "$LAB/err" || {
			echo "    $file: $(cat "$LAB/err")"
			return 1
		}
	done
	rm "$conf"
}

# A guest that runs but never answers is ended by the time limits.
test_a_silent_guest() {
	mkdir -p "$LAB/conf/config.d"
	printf '[agent.kata]\ndial_timeout = 4\n' >"$LAB/conf/config.d/20-silent.toml"
	failing "silence" 'the agent in the VM did not answer' kernel_params \
		'"panic=0 rdinit=/nonexistent"'
	rm "$LAB/conf/config.d/20-silent.toml"
}

refused() { # WHAT MESSAGE EXTRA-OF-SPEC
	lab_spec "$LAB/refused.json" '["true"]' "$3"
	if run --config "$LAB/refused.json" "$(lab_id)" >/dev/null 2>"$LAB/err"; then return 1; fi
	grep -qF -e "$2" "$LAB/err" || {
		echo "    $1: $(cat "$LAB/err")"
		return 1
	}
	lab_gone
}

test_what_the_specification_asks_is_refused() {
	refused "no root file system" "$LAB/no-root" ",\"root\":{\"path\":\"$LAB/no-root\"}"
	refused "the agent refuses" 'RLIMIT_NONSENSE' ',"process":{"user":{"uid":0,"gid":0},"cwd":"/",
		"args":["true"],"rlimits":[{"type":"RLIMIT_NONSENSE","soft":1,"hard":1}]}'
}

test_virtiofsd_killed() {
	local id
	id=$(lab_id)
	lab_ctr run -d --runtime "$RUNTIME" --runtime-config-path "$(shared_by virtio-fs)" "$IMAGE" "$id" sleep 1000
	pkill -KILL -f "virtiofsd.*sandboxes/$id@"
	stopped "$id"
	expect "status" "$(deleted "$id")" 255
}

test_9p_instead_of_virtiofs() {
	# shellcheck disable=SC2016
	local script='echo x >/file && cat /file && awk "\$2 == \"/\" { print \$3 }" /proc/mounts'
	expect "usual" "$(by_conf "$(shared_by virtio-fs)" "$IMAGE" "$(lab_id)" sh -c "$script")" "$(printf 'x\nvirtiofs')"
	expect "9p" "$(by_conf "$(shared_by virtio-9p)" "$IMAGE" "$(lab_id)" sh -c "$script")" "$(printf 'x\n9p')"
}

# microvm has no reference clock, so the guest gets the rate of its timer on the command line. Without that about every
# third boot would hang.
test_microvm_boots() {
	local conf i
	conf=$(configured '[hypervisor.qemu]' 'machine_type = "microvm"')
	for i in $(seq 6); do
		expect "boot $i" "$(lab_ctr run --rm --runtime "$RUNTIME" --runtime-config-path "$conf" "$IMAGE" "$(lab_id)" echo up)" up
	done
}
